"""The trail of accesses where its database is away: nothing is answered that cannot be written down."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.service.conftest import World
from tests.service.running import Running, running

from belmont.service.access import trail
from belmont.service.config import ServiceConfig


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
    own.service.trail.flush()
    written = [each for _, each in own.service.trail.page(limit=200)]
    assert sum(each.route == "/api/v1/members" and each.status == 200 for each in written) == answered + 1


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
