"""What every request passes: limits on its size, the headers of every answer, errors made answers, and the trail.

1. A body has at most ``BODY_MOST_BYTES``, unless its route says otherwise; a longer one is refused as it comes in.
2. Every answer says that it is not to be framed, sniffed, or to run anything but this service's own scripts.
3. Errors of ours become problem details (RFC 9457) under /api, and a page elsewhere; whoever is not signed in is led to
   the sign-in. What is not ours is logged here, and told to nobody but as INTERNAL.
4. Every access leaves an entry in the trail. Of what reached nothing (no such route, more often than is allowed) a
   client leaves so many and no more, so that strangers cannot fill a disk with them; all are counted (``metrics``).
5. A body is UTF-8. One that names another character set is refused before it is parsed: the parser of forms would
   decode it by whatever codec of Python's a stranger names.
6. Clients are counted before anything of a request is read, whether there is such a route or not (``access.limits``).
"""

import logging
import re
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from belmont.audit.errors import AuditError
from belmont.identity.errors import MessageMalformed, SignatureRefused
from belmont.registry.errors import RegistryError
from belmont.service.access.trail import Access
from belmont.service.access.visitor import Visitor
from belmont.service.console import problems
from belmont.service.documents.kinds import MOST_BYTES
from belmont.service.errors import Malformed, NotModified, NotSignedIn, Problem, StateUnavailable, TooLarge, problem_of
from belmont.service.service import Service

BODY_MOST_BYTES = 256 * 1024
LARGE_BODIES = ((re.compile(r"/api/v1/studies/[0-9]+/documents/[a-z-]+", re.ASCII), MOST_BYTES),)
"""Routes that take more: they read no byte before their gate is passed."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
log = logging.getLogger(__name__)


class OneHost:
    """ASGI middleware: requests for another host than the public address's are refused, and told that address."""

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self._app = app
        self._public_url = public_url
        self._host = (urlsplit(public_url).hostname or "").lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            asked = Headers(scope=scope).get("host", "").split(":")[0].lower()
            if asked != self._host:
                text = f"This service answers at {self._public_url} and under no other name.\n"
                await PlainTextResponse(text, HTTPStatus.BAD_REQUEST)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Guard:
    """ASGI middleware around everything (1, 2, 4), also around the answer to what is nobody's error but ours (3)."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0
        most = next((n for path, n in LARGE_BODIES if path.fullmatch(scope["path"])), BODY_MOST_BYTES)
        seen, is_foreign = 0, not _is_utf8(scope)

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            if message.get("body") and is_foreign:
                raise Malformed("A form here is in UTF-8.", code="CHARSET_UNKNOWN")
            seen += len(message.get("body", b""))
            if seen > most:
                raise TooLarge(f"A request here has at most {most} bytes.")
            return message

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                for name, value in self._headers().items():
                    if name.lower().encode() not in given:
                        message["headers"].append((name.lower().encode(), value.encode()))
            await send(message)

        try:
            if not _is_static(scope):
                self._service.sign_in.limits.take_client(Request(scope))  # 6
            await self._app(scope, limited, answer)
        except Exception as error:
            if status:  # an answer has begun: the server breaks it off, and logs this
                raise
            await _of_error(Request(scope), error)(scope, receive, answer)
        finally:
            self._note(scope, status, time.monotonic() - started)

    def _headers(self) -> dict[str, str]:
        secure = {"Strict-Transport-Security": "max-age=31536000"} if self._service.config.is_secure else {}
        return HEADERS | secure | {"Cache-Control": "no-store"}

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        if _is_static(scope):
            return
        route, limits = scope.get("route"), self._service.sign_in.limits
        self._service.metrics.observe(scope["method"], getattr(route, "path", ""), status, seconds)
        reached_nothing = route is None or status == HTTPStatus.TOO_MANY_REQUESTS
        if reached_nothing and not limits.has("noted", limits.client(Request(scope))):
            return  # 4
        state = scope.get("state", {})
        visitor: Visitor = state.get("visitor") or Visitor()
        self._service.trail.add(
            Access(
                at=int(time.time()),
                account=visitor.account or "",
                method=scope["method"][:8],
                route=getattr(route, "path", "")[:200],
                path=_storable(scope["path"], 300) if route is not None else "",
                status=status,
                code=_storable(str(state.get("refusal", "")), 60),
                milliseconds=round(seconds * 1000),
            )
        )


def _is_static(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/static/")


def _storable(text: str, most: int) -> str:
    """The beginning of a text, as every database takes it."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:most]


def _is_utf8(scope: Scope) -> bool:
    """Whether a request names no other character set than ours (5)."""
    named = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    charset = parse_options_header(named)[1].get(b"charset", b"utf-8")
    return charset.lower() in (b"utf-8", b"utf8")


def add_handlers(app: FastAPI) -> None:
    """One place that makes answers of errors (3)."""

    async def of_ours(request: Request, error: Exception) -> Response:
        return _of_error(request, error)

    of_parts: tuple[type[Exception], ...] = (RegistryError, AuditError, MessageMalformed, SignatureRefused)
    for kind in (Problem, StateUnavailable, *of_parts):
        app.add_exception_handler(kind, of_ours)

    @app.exception_handler(NotModified)
    async def of_tags(request: Request, error: NotModified) -> Response:
        return Response(status_code=304, headers={"ETag": error.tag, "Cache-Control": "private, no-cache"})

    @app.exception_handler(RequestValidationError)
    async def of_schema(request: Request, error: RequestValidationError) -> Response:
        found = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()[:5]]
        problem = Malformed("; ".join(found)[:1000], code="MALFORMED")
        problem.__cause__ = error
        return _answer(request, problem, 422)

    @app.exception_handler(HTTPException)
    async def of_framework(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, Problem):  # what the framework made of a body that is too large
            return _answer(request, error.__cause__, error.__cause__.status)
        phrase = HTTPStatus(error.status_code).phrase
        problem = Problem(str(error.detail or phrase)[:300], code=phrase.upper().replace(" ", "_"))
        return _answer(request, problem, error.status_code, dict(error.headers or {}))


def _of_error(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem is None:
        log.error("%s %s", request.method, _route(request), exc_info=error)
        return _answer(request, Problem("Something is wrong here; it was logged.", code="INTERNAL"), 500)
    return _answer(request, problem, problem.status)


def _route(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path", "no route"))


def _answer(request: Request, problem: Problem, status: int, headers: dict[str, str] | None = None) -> Response:
    request.state.refusal = problem.code
    headers = {**problem.headers, **(headers or {})}
    if not request.url.path.startswith(("/api/", "/metrics")):
        if isinstance(problem, NotSignedIn) and request.method in ("GET", "HEAD"):
            wanted = quote(request.url.path, safe="/") + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/sign-in?{urlencode({'next': wanted})}", 303, headers)
        page = problems.page(request, problem, status)
        page.headers.update(headers)
        return page
    body: dict[str, Any] = {
        "type": f"urn:belmont:problem:{problem.code}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": problem.detail.encode("utf-8", "replace").decode(),
        "code": problem.code,
    }
    if problem.remedy:
        body["remedy"] = problem.remedy
    body["says"] = problems.said(request, problem, status).encode("utf-8", "replace").decode()
    return JSONResponse(body, status, headers, "application/problem+json")
