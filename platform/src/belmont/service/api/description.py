"""What the API says of itself: OpenAPI 3.1, made of the routes, true of each of them.

1. Every refusal that a route can give is described, as problem details (RFC 9457); what follows from a gate, a path or
   a body is added here, so that no route can forget it.
2. Whom a route is for follows from its gate, and so does how one signs in for it.
3. Pages are not part of it.
4. It is for who is signed in, as everything is.
"""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from belmont.service.access.gates import allow, gates_of, routes_of
from belmont.service.access.visitor import Visitor, Who
from belmont.service.api import routing
from belmont.service.api.values import Answer

router = routing.router("description")
ABOUT: Final = """Datasets, studies, votes, permits, uses, consents and credits of one consortium.

**Values.** Whole numbers are JSON integers up to 2^53 - 1 and decimal text beyond; requests take both. Bytes are `0x`
and lower-case hexadecimal. Accounts are EIP-55 checksummed. Times are RFC 3339 in UTC.

**Lists** have at most 200 items; `next` is the cursor of the page after, for `after`. Query parameters that a route
does not know are refused, and so are unknown fields of a body.

**Errors** are problem details (RFC 9457): `code` is for programs. What a contract refuses is 409, with its word.

**Signing in** is by a cookie, for browsers, whose unsafe requests bring `X-CSRF-Token` along; or by a bearer token.

The service decides nothing: what its users decide they sign themselves (`POST /api/v1/messages`)."""
MACHINE_PATHS: Final = ("/api/", "/metrics")
_EXAMPLE: Final = {
    "type": "urn:belmont:problem:NOT_SIGNED_IN",
    "title": "Unauthorized",
    "status": 401,
    "detail": "This is for members and patients who are signed in.",
    "code": "NOT_SIGNED_IN",
    "remedy": "Sign in first.",
    "says": "This is for members and patients who are signed in. Sign in first.",
}


class ProblemDetails(Answer):
    """Why something was not done (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    """A word for programs; a contract's own where it refused."""
    remedy: str | None = None
    """What to do about it."""
    says: str
    """What happened and what to do, in the language that the browser asks for."""


@router.get("/openapi.json", include_in_schema=False)
async def read_description(request: Request, visitor: Annotated[Visitor, allow(Who.SIGNED_IN)]) -> dict[str, Any]:
    """This description."""
    app: FastAPI = request.app
    return app.openapi()


def operation_id(route: APIRoute) -> str:
    """The name of a route's function: there are no two."""
    return route.name


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of an application; made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _made(app)
    return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, summary=app.summary, description=ABOUT, routes=app.routes)
    gates = _gates(app)
    found["paths"] = {path: each for path, each in found["paths"].items() if path.startswith(MACHINE_PATHS)}  # 3
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = TypeAdapter(ProblemDetails).json_schema(mode="validation")
    schemas["ProblemDetails"] = {**problem, "examples": [_EXAMPLE]}
    cookie = app.state.service.cookie_name
    components["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": cookie, "description": "Of a browser that signed in."},
        "token": {"type": "http", "scheme": "bearer", "description": "From `POST /api/v1/session`."},
    }
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete(operation, path, method.upper(), gates[path, method.upper()])
    return found


def _gates(app: FastAPI) -> dict[tuple[str, str], tuple[Who, ...]]:
    return {
        (route.path, method): gates_of(route)[0].whom
        for route in routes_of(app.routes)
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    }


def _complete(operation: dict[str, Any], path: str, method: str, whom: tuple[Who, ...]) -> None:
    """What follows from the gate, the path and the method (1, 2)."""
    is_open, is_unsafe = Who.ANYBODY in whom, method not in ("GET", "HEAD")
    operation["security"] = [{}] if is_open else [{"session": []}, {"token": []}]
    names = "; ".join(each.value for each in whom)
    operation["description"] = f"{operation.get('description', '')}\n\nFor: {names}.".strip()
    answers: dict[str, Any] = operation.setdefault("responses", {})
    statuses = [400, 401, 403, 422, 429, 503]
    statuses += [404] if "{" in path or is_unsafe else []
    statuses += [409] if is_unsafe else []
    statuses += [413] if "requestBody" in operation else []
    for status in statuses:
        answers[str(status)] = _problem(status)
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header" and parameter["name"] == "if-none-match":
            answers["304"] = {"description": "Nothing changed since the ETag that was shown."}


def _problem(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": _WHY.get(status, HTTPStatus(status).phrase),
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
    }
    if status in (429, 503):
        answer["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
        }
    if status == 401:
        answer["headers"] = {"WWW-Authenticate": {"description": "How to sign in.", "schema": {"type": "string"}}}
    return answer


_WHY: Final = {
    400: "It cannot be read as asked.",
    401: "Nobody is signed in, or no longer.",
    403: "Whoever asks may not; or the request did not come from a page of this service.",
    404: "There is no such thing.",
    409: "The contract refuses: `code` is its word.",
    413: "More was sent than is taken.",
    422: "A parameter or the body is not as described.",
    429: "More often than is allowed.",
    503: "The chain, the index or the database does not answer; nothing was done.",
}
