"""What somebody chose here: notices; and the way to language, appearance, keys and sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from belmont.registry.types import Address
from belmont.service.console.parts import Reading, SignedIn, a_router, service_of
from belmont.service.console.signing import Errors
from belmont.service.notices.choices import Channel
from belmont.service.notices.kinds import NAMES, Kind
from belmont.service.words import Sentence

router = a_router()
Target = Annotated[str, Form(max_length=500)]


@router.get("/settings")
def settings(request: Request, visitor: SignedIn) -> Response:
    """All of it on one page."""
    return _page(request, visitor.account, [], {})


@router.post("/settings/notices")
def notices(
    request: Request,
    visitor: Reading,
    channel: Annotated[Channel, Form()],
    target: Target = "",
    kinds: Annotated[list[Kind] | None, Form()] = None,
) -> Response:
    """Choose notices on one channel; an empty address ends them."""
    service, account, target = service_of(request), visitor.account or Address(""), target.strip()
    if not target or not kinds:
        service.notices.choices.end(account, channel)
        return RedirectResponse("/settings", 303)
    config = service.config.notices
    takes = config.takes_address(target) if channel is Channel.EMAIL else config.takes_url(target)
    if not takes:
        return _page(request, account, [(channel.value, _wrong(channel))], {channel.value: target})
    service.notices.choices.keep(account, channel, target, kinds, service.pages.language(request))
    return RedirectResponse("/settings", 303)


def _wrong(channel: Channel) -> Sentence:
    if channel is Channel.EMAIL:
        return Sentence("This is no e-mail address of a domain that the operator allows.")
    return Sentence("This is no https address on a host that the operator allows.")


def _page(request: Request, account: Address | None, errors: Errors, given: dict[str, str]) -> Response:
    service = service_of(request)
    config = service.config.notices
    return service.pages.page(
        request,
        "settings.html",
        422 if errors else 200,
        chosen=service.notices.choices.of(account) if account else {},
        channels=[
            (Channel.EMAIL, bool(config.smtp_host and config.email_domains), config.email_domains),
            (Channel.WEBHOOK, bool(config.webhook_hosts), config.webhook_hosts),
        ],
        kinds=NAMES,
        errors=errors,
        given=given,
    )
