"""What every page's module needs: who may read and act, the service, the names of things, the time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Request

from belmont.audit.events import Position
from belmont.registry.types import DatasetId
from belmont.service.access.gates import allow
from belmont.service.access.looking_again import LookingAgain
from belmont.service.access.visitor import ACTING, Visitor, Who
from belmont.service.errors import NotFound
from belmont.service.explain import Names
from belmont.service.service import Service
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Plain, Sentence, Value

T = TypeVar("T")
Filters = list[tuple[Sentence, Value]]
"""The fields of a filter that were filled in, by name, as a printed page says them."""
Reading = Annotated[Visitor, allow(Who.MEMBER)]
"""Pages that every member reads."""
SignedIn = Annotated[Visitor, allow(Who.SIGNED_IN)]
Acting = Annotated[Visitor, allow(*ACTING)]
"""What members do, and auditors do not do here."""
OnBoard = Annotated[Visitor, allow(Who.BOARD)]
Holding = Annotated[Visitor, allow(Who.DATA_HOLDER)]
Using = Annotated[Visitor, allow(Who.DATA_USER)]

Number = Annotated[int, Path(ge=1, le=(1 << 63) - 1)]
HashText = Annotated[str, Path(pattern="^0x[0-9a-f]{64}$")]


def a_router() -> APIRouter:
    """A router for pages."""
    return APIRouter(route_class=LookingAgain)


def service_of(request: Request) -> Service:
    """The service that answers."""
    service: Service = request.app.state.service
    return service


def names_of(snapshot: Snapshot) -> Names:
    """What people call members, datasets, studies and contracts."""
    return Names.of(
        snapshot.members.values(), snapshot.datasets.values(), snapshot.studies.values(), snapshot.addresses
    )


def now() -> int:
    """Unix seconds."""
    return int(time.time())


def newest_first(records: Mapping[int, T]) -> list[T]:
    """Records by number, the highest first."""
    return [records[number] for number in sorted(records, reverse=True)]


def bytes_of(text: str) -> bytes:
    """The 32 bytes of a ``HashText``."""
    return bytes.fromhex(text[2:])


def dataset_of(text: str) -> DatasetId:
    """The identifier of a ``HashText``."""
    return DatasetId(bytes_of(text))


def older_than(position: Position | None) -> Filters:
    """Where a page of a list begins that is not its first, as a part of its filter."""
    return [(Sentence("Older than"), Sentence("block {number}", number=Plain(position.block)))] if position else []


def found(thing: T | None) -> T:
    """The same. Raises NotFound for what there is not."""
    if thing is None:
        raise NotFound("The consortium has no such record.")
    return thing
