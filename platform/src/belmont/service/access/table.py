"""Who may call what: ``python -m belmont.service.access.table docs/service_access.md`` writes the page.

1. Every route that the service has is a row; what it says follows from the route's gate, and from nothing else.
2. A test calls every route as every kind of visitor, and compares.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from belmont.registry.types import ZERO_HASH, Address, DatasetId, Member, MemberStatus, Role
from belmont.service.access.gates import Gate, gates_of, routes_of
from belmont.service.access.visitor import SessionView, Visitor, Who

INTRODUCTION: Final = """# Who may call what of the service

This page is made from the routes by `make docs`: do not edit it. One test compares it with the routes, another
calls every route as every kind of visitor.

- **yes**: the request is answered. What it asks for can still be wrong, gone, or refused by a contract.
- **401**: who asks is not signed in. Pages lead to the sign-in (303) instead.
- **403**: who asks is signed in, and may not.

Roles are those of the chain at the moment of the request. A patient is who is enrolled, with a key of their own, for a
dataset of a hospital that this service serves. Everybody with a role is a member. A removed member is nobody, from the
block on in which they were removed. Beside these, `/static` serves the pages' style and scripts to anybody.
"""


@dataclass(frozen=True)
class Row:
    """One route and one method."""

    method: str
    path: str
    gate: Gate

    @property
    def whom(self) -> str:
        """Whom it is for."""
        return ", ".join([*(_short(each) for each in self.gate.whom), *self.gate.also])

    @property
    def is_page(self) -> bool:
        """Whether strangers are led to the sign-in."""
        return not self.path.startswith(("/api/", "/metrics"))


def _short(who: Who) -> str:
    return who.name.lower().replace("_", " ")


def _visitor(role: Role | None, patient: bool = False) -> Visitor:
    account = Address("0x" + "00" * 20)
    session = SessionView("", account, "", True, "", 0, 0)
    member = None
    if role is not None:
        member = Member(account, "", "", ZERO_HASH, ZERO_HASH, role, MemberStatus.ACTIVE)
    return Visitor(session, member, (DatasetId(ZERO_HASH),) if patient else ())


VISITORS: Final = {
    "stranger": Visitor(),
    "unknown account": _visitor(None),
    "patient": _visitor(None, patient=True),
    "data user": _visitor(Role.DATA_USER),
    "data holder": _visitor(Role.DATA_HOLDER),
    "board": _visitor(Role.ETHICS_BOARD),
    "lay member": _visitor(Role.ETHICS_BOARD | Role.LAY),
    "auditor": _visitor(Role.AUDITOR),
    "removed member": _visitor(None),
}
"""The kinds of visitors."""


def rows(routers: Sequence[APIRouter]) -> list[Row]:
    """Every route of some routers, by path and method."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for each in routers:
        app.include_router(each)
    found = [
        Row(method, route.path, gates_of(route)[0])
        for route in routes_of(app.routes)
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]
    return sorted(found, key=lambda each: (each.is_page, each.path, each.method))


def answer(row: Row, kind: str) -> str:
    """What a kind of visitor gets: yes, 401 or 403."""
    visitor = VISITORS[kind]
    if visitor.is_one_of(row.gate.whom):
        return "yes"
    return "401" if visitor.session is None else "403"


def page(routers: Sequence[APIRouter]) -> str:
    """The page, as Markdown."""
    every = rows(routers)
    parts = [INTRODUCTION, *(f"- *{_short(each)}*: {each.value}" for each in Who)]
    for heading, wanted in (("## API", False), ("## Pages", True)):
        parts += ["", heading, "", *_lines([each for each in every if each.is_page is wanted])]
    return "\n".join(parts) + "\n"


def _lines(chosen: Sequence[Row]) -> Iterator[str]:
    yield "| | | for |" + "".join(f" {kind} |" for kind in VISITORS)
    yield "|---|---|---|" + "---|" * len(VISITORS)
    for each in chosen:
        yield f"| {each.method} | `{each.path}` | {each.whom} |" + "".join(f" {answer(each, k)} |" for k in VISITORS)


def main(arguments: Sequence[str]) -> int:
    """Write the page."""
    from belmont.service.app import ROUTERS

    Path(arguments[0]).write_text(page(ROUTERS), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
