"""The trail of accesses: nothing is answered that cannot be written down, and an entry goes when its days are over."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert
from tests.service.conftest import World
from tests.service.running import Running, running

from belmont.audit.database import open_engine
from belmont.service.access import trail
from belmont.service.access.limits import Limits, Rate
from belmont.service.access.trail import Access, Trail, accesses
from belmont.service.access.veil import A_PATIENT, veiled
from belmont.service.access.visitor import SessionView, Visitor
from belmont.service.config import ServiceConfig
from belmont.service.store.database import Store

NOW = 1_800_000_000


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Entries wait for this before they are written."""
    back, write = threading.Event(), trail.Trail._write

    def late(self: trail.Trail, rows: list[dict[str, object]]) -> None:
        back.wait(30)
        write(self, rows)

    monkeypatch.setattr(trail.Trail, "_write", late)
    monkeypatch.setattr(trail, "WAITING_MOST", 5)
    yield back
    back.set()


@pytest.fixture
def own(away: threading.Event, world: World, config: ServiceConfig, tmp_path: Path) -> Iterator[Running]:
    database = f"sqlite:///{tmp_path / 'service.sqlite'}"
    token = "a token of sixteen"
    with running(world, replace(config, database=database, metrics_token=token)) as made:
        yield made
        away.set()


def test_nothing_is_answered_while_no_entry_can_wait(own: Running, away: threading.Event) -> None:
    answered = 0
    figures = {"Authorization": f"Bearer {own.service.config.metrics_token}"}
    while (answer := own.client("board").get("/api/v1/members")).status_code == 200:
        answered += 1
        assert answered < 50
    assert (answer.status_code, answer.json()["code"]) == (503, "TRAIL_FULL")
    assert own.client("stranger").get("/api/v1/members").json()["code"] == "TRAIL_FULL"
    assert httpx.get(f"{own.url}/metrics", headers=figures, trust_env=False).status_code == 503
    away.set()
    give_up = time.monotonic() + 20
    while own.client("board").get("/api/v1/members").status_code != 200:
        assert time.monotonic() < give_up

    def written() -> int:
        own.service.trail.flush()
        entries = [each for _, each in own.service.trail.page(limit=200)]
        return sum(each.route == "/api/v1/members" and each.status == 200 for each in entries)

    while written() != answered + 1:  # an entry is made once its answer is sent
        assert time.monotonic() < give_up


def test_a_service_ends_though_its_trail_cannot_be_written(
    own: Running, away: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "CLOSE_SECONDS", 0.2)
    while own.client("board").get("/api/v1/members").status_code == 200:
        pass
    ends = threading.Thread(target=own.service.trail.close, daemon=True)
    ends.start()
    ends.join(10)
    assert not ends.is_alive()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'service.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").database()
    engine = open_engine(url)
    yield Store(engine)
    engine.dispose()


def entry(days_ago: float) -> Access:
    at = NOW - int(days_ago * trail.DAY_SECONDS)
    return Access(at, "", "GET", "/", f"/{days_ago}", 200, "", 1)


def test_an_entry_is_kept_for_so_many_days(store: Store) -> None:
    kept = Trail(store, keep_days=2, now=lambda: NOW)
    for days in (2.001, 2, 0):
        kept.add(entry(days))
    kept.flush()
    assert [each.path for _, each in kept.page()] == ["/0", "/2"]
    kept.close()


def test_a_long_trail_goes_a_bounded_number_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "GONE_AT_ONCE", 2)
    with store.writing() as connection:
        connection.execute(insert(accesses), [vars(entry(days)) for days in (7, 6, 5)])
    kept = Trail(store, keep_days=2, now=lambda: NOW)
    kept.add(entry(0))
    kept.flush()
    assert [each.path for _, each in kept.page()] == ["/0", "/5"]
    kept.add(entry(1))
    kept.flush()
    assert [each.path for _, each in kept.page()] == ["/1", "/0"]
    kept.close()


def test_an_entry_that_the_database_refuses_waits_until_it_is_taken(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    accesses.drop(store.engine)
    kept = Trail(store, now=lambda: NOW)
    kept.add(entry(0))
    give_up = time.monotonic() + 20
    while "cannot be written" not in caplog.text:
        assert time.monotonic() < give_up
    accesses.create(store.engine)
    kept.flush()
    assert [each.path for _, each in kept.page()] == ["/0"]
    kept.close()


def test_what_reaches_nothing_fills_no_trail(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"client": Rate(0.001, 12), "noted": Rate(0.001, 3)}
    monkeypatch.setattr(service.service.sign_in, "limits", Limits(rates))
    service.service.trail.flush()
    last = service.service.trail.page(limit=1)
    stranger = service.client("stranger")
    seen = [stranger.get("/nothing").status_code for _ in range(10)]
    seen += [stranger.get("/sign-in").status_code for _ in range(2)]
    seen += [stranger.get("/sign-in").status_code for _ in range(8)]
    assert seen == [404] * 10 + [200] * 2 + [429] * 8
    service.service.trail.flush()
    after = [each for number, each in service.service.trail.page(limit=100) if not last or number > last[0][0]]
    assert [each.status for each in reversed(after)] == [404] * 3 + [200] * 2


def test_a_client_that_asks_too_often_is_refused_before_its_form_is_read(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.service.sign_in, "limits", Limits({"client": Rate(0.001, 1)}))
    stranger, form = service.client("stranger"), {"Content-Type": "application/x-www-form-urlencoded; charset=utf-7"}
    asked = [stranger.post("/sign-in/text", content=b"account=x", headers=form).status_code for _ in range(2)]
    assert asked == [400, 429]
    assert stranger.get("/static/console.css").status_code != 429


def test_a_members_accesses_are_found_however_their_address_is_written(service: Running) -> None:
    assert service.client("data_user").get("/studies").status_code == 200
    service.service.trail.flush()
    auditor, account = service.client("auditor"), service.account("data_user")
    pages = [auditor.get("/accesses", params={"who": who}).text for who in (account, account.lower())]
    assert all("GET /studies" in each for each in pages)


def test_which_patient_was_here_is_for_their_hospital_alone(service: Running) -> None:
    assert service.client("patient").get("/api/v1/patient").status_code < 500
    service.service.trail.flush()
    patient = service.account("patient")
    for name, is_theirs in (("third_holder", True), ("holder", False), ("auditor", False)):
        client = service.client(name)
        everything, asked = (
            client.get("/api/v1/accesses", params={"limit": 100, **more}) for more in ({}, {"account": patient})
        )
        rows = [each for each in everything.json()["items"] if each["route"] == "/api/v1/patient"]
        assert any(each["account"] == patient for each in rows) == is_theirs
        assert any(each["by_patient"] and each["account"] is None for each in rows) != is_theirs
        assert bool(asked.json()["items"]) == is_theirs
        page, of_one = client.get("/accesses").text, client.get("/accesses", params={"who": patient}).text
        assert (patient in page, "GET /api/v1/patient" in page) == (is_theirs, True)
        assert ("GET /api/v1/patient" in of_one) == is_theirs


def test_a_member_who_is_a_patient_is_hidden_in_what_they_did_as_one(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = service.world.datasets[2]
    monkeypatch.setattr(service.service, "datasets_as_patient", lambda account: (theirs,))
    board = service.account("board")
    entries = [
        (n, Access(NOW, board, "GET", route, route, 200, "", 1)) for n, route in enumerate(("/patient", "/studies"))
    ]
    for name, accounts in (("auditor", [A_PATIENT, board]), ("third_holder", [board, board])):
        visitor = Visitor(SessionView("1", service.account(name), "", True, "ethereum", 0, NOW))
        assert [each.account for _, each in veiled(service.service, visitor, entries)] == accounts
        asked = veiled(service.service, visitor, entries, board)
        assert [each.route for _, each in asked] == (["/studies"] if name == "auditor" else ["/patient", "/studies"])
