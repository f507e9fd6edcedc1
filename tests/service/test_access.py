"""Who may call what: the page in the documentation is that of the routes, and the routes do what it says."""

import re
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI
from tests.service.conftest import World
from tests.service.running import Running

from belmont.service.access.gates import check_gates
from belmont.service.access.table import VISITORS, Row, answer, page, rows
from belmont.service.app import ROUTERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "service_access.md"
PERSON = {
    "stranger": "stranger",
    "unknown account": "unknown",
    "patient": "patient",
    "data user": "data_user",
    "data holder": "holder",
    "board": "board",
    "lay member": "lay",
    "auditor": "auditor",
    "removed member": "removed",
}
FOR_STRANGERS = (
    r"(GET|POST) /sign-in|POST /api/v1/(sign-in/challenge|session)$|GET /api/v1/health/live$|POST /appearance$"
)
"""Nothing but signing in, whether the process answers, and how pages look."""
OF_THE_GATE = ("NOT_SIGNED_IN", "NOT_ALLOWED")
EVERY = rows(ROUTERS)


@pytest.fixture(scope="module")
def values(service: Running, world: World) -> dict[str, str]:
    """What stands in paths: a permit, its dataset, a member. What is not named here is 1."""
    permit = int(world.permit())
    service.catch_up()
    dataset = "0x" + world.datasets[0].hex()
    numbers = dict.fromkeys(("number", "permit", "study", "n"), str(permit))
    hashes = dict.fromkeys(("model", "hash", "digest"), "0x" + "07" * 32)
    return {**numbers, **hashes, "dataset": dataset, "account": world.address("holder")}


def path_of(row: Row, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values.get(found[1], "1"), row.path)


def ask(service: Running, row: Row, kind: str, values: dict[str, str]) -> str:
    """What somebody gets: yes, 401 or 403, as the page has it."""
    got = service.client(PERSON[kind]).request(row.method, path_of(row, values), follow_redirects=False)
    assert got.status_code < 500 or got.status_code == 503, (row.path, got.text)  # this hospital has no vault
    if got.status_code == 303 and got.headers["location"].startswith("/sign-in?next="):
        return "401"
    if got.status_code in (401, 403) and row.is_page:
        return str(got.status_code)
    if got.status_code in (401, 403) and got.json()["code"] in OF_THE_GATE:
        return str(got.status_code)
    return "yes"


def test_the_page_in_the_documentation_is_that_of_the_routes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(ROUTERS), "it is stale: make docs"


@pytest.mark.parametrize("row", EVERY, ids=lambda row: f"{row.method} {row.path}")
def test_a_stranger_is_refused(service: Running, row: Row, values: dict[str, str]) -> None:
    expected = answer(row, "stranger")
    assert ask(service, row, "stranger", values) == expected
    if expected == "yes":
        assert re.match(FOR_STRANGERS, f"{row.method} {row.path}"), "strangers read too much"


@pytest.mark.parametrize("kind", [each for each in VISITORS if each != "stranger"])
@pytest.mark.parametrize("row", EVERY, ids=lambda row: f"{row.method} {row.path}")
def test_each_kind_of_visitor_gets_what_the_page_says(
    service: Running, row: Row, kind: str, values: dict[str, str]
) -> None:
    assert ask(service, row, kind, values) == answer(row, kind)


def test_a_route_without_a_gate_or_with_two_does_not_start() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.get("/open")(lambda: None)
    with pytest.raises(ValueError, match="/open has 0 gates"):
        check_gates(app.routes)
    other = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    gates = [Depends(row.gate) for row in EVERY[:2]]
    other.get("/two", dependencies=gates)(lambda: None)
    with pytest.raises(ValueError, match="/two has 2 gates"):
        check_gates(other.routes)


def test_a_member_who_is_removed_reads_nothing_from_the_block_on(service: Running, world: World) -> None:
    assert service.client("removed").get("/api/v1/studies").status_code == 403
    assert service.client("unknown").get("/api/v1/studies").status_code == 403
