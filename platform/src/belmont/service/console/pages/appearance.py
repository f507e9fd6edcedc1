"""Language and theme: a form on every page, kept in two cookies that hold nothing else."""

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import RedirectResponse

from belmont.service.access.gates import AnyVisitor
from belmont.service.console.addresses import local
from belmont.service.console.parts import a_router, service_of
from belmont.service.console.rendering import LANGUAGE_COOKIE, THEME_COOKIE, THEMES

router = a_router()
YEAR_SECONDS = 365 * 24 * 3600


@router.post("/appearance")
def change(
    request: Request,
    visitor: AnyVisitor,
    language: Annotated[str, Form(max_length=20)] = "",
    theme: Annotated[str, Form(max_length=20)] = "",
    back: Annotated[str, Form(max_length=2_000)] = "/",
) -> RedirectResponse:
    """Keep what was chosen, and lead back."""
    config = service_of(request).config
    answer = RedirectResponse(local(back), 303)
    for name, value, known in (
        (LANGUAGE_COOKIE, language, config.languages),
        (THEME_COOKIE, theme, THEMES),
    ):
        if value in known:
            answer.set_cookie(
                name, value, YEAR_SECONDS, secure=config.is_secure, httponly=True, samesite="lax", path="/"
            )
    return answer
