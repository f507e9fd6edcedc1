"""The gate of a route: who may pass, decided on every request from the session and from the chain of now.

1. Every route has exactly one gate, as a dependency; ``check_gates`` refuses an application with one that has none.
2. Who is not signed in is told so (401), and a person is led to where they can; who may not, is refused (403).
3. An unsafe request by cookie comes from a page of this service: its ``Sec-Fetch-Site`` is ``same-origin``, or where a
   browser sends none its ``Origin`` is ours; and it brings the session's CSRF token along. A bearer token needs
   neither, since no browser sends one by itself.
4. Whoever asks more often than is allowed is refused (``limits``): a client before its request is read
   (``belmont.service.http``), an account here.
5. A request that shows both a cookie and a token is by the token alone.
6. An unsafe request that is for anybody does nothing in the name of a session, and needs no token of one: a session
   that was planted or forgotten keeps nobody from signing in. Another site cannot have a browser send it either.
7. Nothing is answered whose access cannot be written down (``trail``, 3).
8. A session's former secret (``store.sessions``, 8) reads. Of unsafe requests it passes those alone that end the
   session or renew it, which asks for a touch of a hardware key.
"""

import hmac
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Mount

from belmont.service.access.visitor import SessionView, Visitor, Who
from belmont.service.errors import NotAllowed, NotSignedIn

if TYPE_CHECKING:
    from belmont.service.service import Service

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
CSRF_HEADER, CSRF_FIELD = "X-CSRF-Token", "csrf"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Gate:
    """A dependency that lets some visitors pass."""

    also: tuple[str, ...] = ()
    """Who else, in words, where a gate of its own lets them."""

    def __init__(self, *whom: Who, former_too: bool = False) -> None:
        if not whom:
            raise ValueError("a gate is for somebody: name whom")
        self.whom, self.former_too = whom, former_too

    async def __call__(self, request: Request) -> Visitor:
        service: Service = request.app.state.service
        service.trail.refuse_when_full()  # 7
        session = await _session(request, service)
        visitor = await service.visitor(session)
        request.state.visitor = visitor
        if session is not None:
            service.sign_in.limits.take("account", session.account)  # 4
        if Who.ANYBODY not in self.whom:
            if session is None:
                raise NotSignedIn("This is for members and patients who are signed in.", remedy="Sign in first.")
            if not visitor.is_one_of(self.whom):
                names = ", or ".join(each.value for each in self.whom)
                raise NotAllowed(f"This is for {names}.")
        if request.method not in SAFE_METHODS:
            if Who.ANYBODY in self.whom:
                refuse_other_sites(request, service.config.origin)  # 6
            elif session is not None and session.is_former and not self.former_too:
                raise NotAllowed(  # 8
                    "This sign-in was renewed meanwhile, and the answer was lost on its way.",
                    code="SESSION_RENEWED",
                    remedy="Touch your hardware key once more within a minute, or sign in again.",
                )
            elif session is not None and not session.by_token:
                await refuse_other_origins(request, service.config.origin, session)  # 3
        return visitor


def allow(*whom: Who, former_too: bool = False) -> Any:
    """The gate for these, as the annotation of a parameter takes it: ``visitor: Visitor = allow(Who.MEMBER)``."""
    return Depends(Gate(*whom, former_too=former_too))


AnyVisitor = Annotated[Visitor, Depends(Gate(Who.ANYBODY))]


def _shown(request: Request, service: "Service") -> tuple[str, bool] | None:
    """What a request shows of a session, and whether it is a token."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind:  # 5
        return (token.strip(), True) if kind.lower() == "bearer" else None
    cookie = request.cookies.get(service.cookie_name)
    return (cookie, False) if cookie else None


async def _session(request: Request, service: "Service") -> SessionView | None:
    """The session that a request shows; None for none, and for one that is not valid.

    Looked up in a thread of its own, where it was not seen just now: that may write, and wait for it.
    """
    shown = _shown(request, service)
    if shown is None:
        return None
    value, by_token = shown
    find = service.sessions.of_token if by_token else service.sessions.of_cookie
    return service.sessions.seen(value, by_token) or await run_in_threadpool(find, value)


def refuse_other_sites(request: Request, origin: str) -> None:
    """Raises NotAllowed where another site made a browser send this (6); programs say nothing of where they are."""
    site, named = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in ("same-origin", "none") if site is not None else named not in (None, origin):
        raise NotAllowed("This request did not come from a page of this service.", code="OTHER_ORIGIN")


async def refuse_other_origins(request: Request, origin: str, session: SessionView) -> None:
    """Raises NotAllowed for an unsafe request that another site made a browser send (3)."""
    site = request.headers.get("sec-fetch-site")
    ours = site == "same-origin" if site is not None else request.headers.get("origin") == origin
    if not ours:
        raise NotAllowed("This request did not come from a page of this service.", code="OTHER_ORIGIN")
    shown = request.headers.get(CSRF_HEADER)
    if shown is None and request.headers.get("content-type", "").partition(";")[0].strip() in _FORMS:
        field = (await request.form()).get(CSRF_FIELD)
        shown = field if isinstance(field, str) else None
    if shown is None or not hmac.compare_digest(shown.encode(), session.csrf.encode()):
        raise NotAllowed(
            "This request lacks the page's token, or has that of an older sign-in.",
            code="CSRF_TOKEN_INVALID",
            remedy="Load the page again.",
        )


def gates_of(route: APIRoute) -> list[Gate]:
    """The gates of one route."""

    def found(dependant: Dependant) -> list[Gate]:
        own = [dependant.call] if isinstance(dependant.call, Gate) else []
        return own + [gate for each in dependant.dependencies for gate in found(each)]

    return found(route.dependant)


def routes_of(routes: Sequence[BaseRoute]) -> Iterator[BaseRoute]:
    """Every route of an application, those of included routers too."""
    return (each.original_route for each in iter_route_contexts(routes))


def check_gates(routes: list[BaseRoute]) -> None:
    """Raises ValueError unless every route of ours has exactly one gate (1)."""
    for route in routes_of(routes):
        if isinstance(route, APIRoute):
            if len(gates_of(route)) != 1:
                raise ValueError(f"{route.path} has {len(gates_of(route))} gates: give it one, allow(...)")
        elif not (isinstance(route, Mount) and route.path == "/static"):
            raise ValueError(f"{getattr(route, 'path', route)} is no route with a gate")
