"""What all routes of the API have in common.

1. Whoever may not is told so before anything else about the request is: neither its parameters nor its body are judged
   before the gate.
2. Query parameters that a route does not know are refused, and those given twice: a filter that is misspelt would
   otherwise answer with everything.
3. Bodies are read as a stranger's JSON (``belmont.identity.strict_json``), without NaN, and without a name given twice.
4. Answers of a route that says so carry an ETag: the block at which the snapshot last changed, as it does with every
   event. ``If-None-Match`` with it is answered 304 (RFC 9110, section 13.1.2). They are kept until that changes
   (``kept``). The index is never older than the snapshot, so that what is made of both is not older than its tag.
5. Dependencies are coroutines: one that is not would cross to another thread and back, at every request.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.exceptions import RequestValidationError

from belmont.identity.strict_json import loads, unique
from belmont.registry.types import Address, DatasetId, Role
from belmont.service.access.gates import allow, gates_of
from belmont.service.access.looking_again import LookingAgain
from belmont.service.access.visitor import ACTING, Visitor, Who
from belmont.service.api.kept import Answered
from belmont.service.api.values import EXACT_MOST, Hash
from belmont.service.errors import Malformed, NotModified, NotSignedIn
from belmont.service.service import Service
from belmont.service.state.snapshot import Snapshot

PREFIX: Final = "/api/v1"
BOARD: Final = Role.ETHICS_BOARD
AMember = Annotated[Visitor, allow(Who.MEMBER)]
AnActor = Annotated[Visitor, allow(*ACTING)]
"""Whom it is for to hand in and to have done; a regulator reads."""
AReader = Annotated[Visitor, allow(Who.MEMBER, Who.PATIENT)]
"""Whom most of what the chain says is for."""

StudyNumber = Annotated[int, Path(ge=1, le=EXACT_MOST, description="Number of the study, and of its permit.")]
DatasetPath = Annotated[Hash, Path(description="The dataset's identifier.")]


class StrictRequest(Request):
    """A request whose JSON is a stranger's (3)."""

    async def json(self) -> Any:
        try:
            return loads(await self.body(), object_pairs_hook=unique, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise json.JSONDecodeError("it is no JSON that is taken here", "", 0) from error


class StrictRoute(LookingAgain):
    """A route of the API (1, 2, 3)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = {each.alias for each in get_flat_dependant(self.dependant).query_params}
        gates = gates_of(self)

        async def strict(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            try:
                _refuse_unknown(request, known)
                return _noted(request, await handle(request))
            except _Made as found:
                return found.response
            except (Malformed, RequestValidationError):
                if getattr(request.state, "visitor", None) is None:
                    for gate in gates:
                        await gate(request)  # 1
                raise

        return strict


def router(tag: str, *dependencies: Any) -> APIRouter:
    """A router for the endpoints of one noun, all of which have these dependencies."""
    return APIRouter(prefix=PREFIX, tags=[tag], route_class=StrictRoute, dependencies=list(dependencies))


def service_of(request: Request) -> Service:
    """The service that a request is to."""
    service: Service = request.app.state.service
    return service


def snapshot_of(request: Request) -> Snapshot:
    """What the chain says now. Raises StateUnavailable."""
    return service_of(request).snapshot


async def unchanged(
    request: Request,
    response: Response,
    if_none_match: Annotated[str | None, Header(max_length=1000, description="An ETag of this answer.")] = None,
) -> Snapshot:
    """The snapshot, for an answer that is made of nothing else (4). Raises NotModified."""
    snapshot = snapshot_of(request)
    tag = tag_of(snapshot)
    if tag in (each.strip() for each in (if_none_match or "").split(",")):
        raise NotModified(tag)
    kept = service_of(request).kept.find(tag, _address(request))
    if kept is not None:
        raise _Made(Response(kept.body, headers=_tagged(tag), media_type=kept.media_type))
    response.headers.update(_tagged(tag))
    request.state.tag = tag
    return snapshot


def tag_of(snapshot: Snapshot) -> str:
    """The ETag of what is made of a snapshot (4)."""
    changed = snapshot.changed_at or snapshot.head
    return f'W/"{changed.number}-{changed.hash.hex()[:16]}"'


async def _here(request: Request) -> Service:
    return service_of(request)


async def _now(request: Request) -> Snapshot:
    return snapshot_of(request)


Here = Annotated[Service, Depends(_here)]
Now = Annotated[Snapshot, Depends(_now)]
Tagged = Annotated[Snapshot, Depends(unchanged)]
"""The snapshot; with an ETag. Declare it after the visitor: who may not asks in vain."""


class _Made(Exception):
    """The answer was made before."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _noted(request: Request, response: Response) -> Response:
    """The response; kept where it has a tag (4)."""
    tag = getattr(request.state, "tag", None)
    if tag is not None and response.status_code == 200:
        answered = Answered(bytes(response.body), response.headers["content-type"])
        service_of(request).kept.keep(tag, _address(request), answered)
    return response


def _address(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}"


def tagged(snapshot: Snapshot) -> dict[str, str]:
    """The headers of a response of one's own that is made of a snapshot (4)."""
    return _tagged(tag_of(snapshot))


def _tagged(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache"}


def account_of(visitor: Visitor) -> Address:
    """Whose session it is. Raises NotSignedIn, which a gate does before."""
    if visitor.account is None:
        raise NotSignedIn("Nobody is signed in.")
    return visitor.account


def dataset_id(value: bytes) -> DatasetId:
    """A path's identifier."""
    return DatasetId(value)


def _refuse_unknown(request: Request, known: set[str]) -> None:
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    for name in names:
        if name not in known:
            raise Malformed(f"query.{name[:60]}: there is no such parameter here", code="PARAMETER_UNKNOWN")
        if names.count(name) > 1:
            raise Malformed(f"query.{name[:60]}: is given more than once", code="PARAMETER_TWICE")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
