"""A patient's reader who takes nothing, on a real connection: put out in time, the place free, others served."""

import json
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.service.patient.story import Story
from tests.service.running import Running, running

from belmont.registry.types import Address
from belmont.service import sending
from belmont.service.patient.reads import OF_AN_ACCOUNT
from belmont.service.service import Service
from belmont.service.store.sessions import Proof, Way

READS = ("/api/v1/patient/records/source?limit=200", "/api/v1/patient/archive", "/patient/download")
"""Those that can be longer than what a connection takes up; pages show the beginning of each record."""
LINES, LINE_BYTES = 200, 100_000


@pytest.fixture
def served(service: Service, story: Story, tmp_path: Path) -> Iterator[Running]:
    """The service of the story on a port of its own; a patient has more records than a connection takes up unread."""
    config = replace(service.config, database=f"sqlite:///{tmp_path / 'service.sqlite'}")
    folder = story.consortium.home_here.records(story.consortium.hospitals[0].slug)
    dossier = service.desk.dossier(*_patient(service, story.keeps.address))
    me = next(each.content["id"] for each in dossier.records.read() if each.kind == "Patient")
    made = folder / "Basic.ndjson"
    with made.open("w") as file:
        for number in range(LINES):
            code = {"text": secrets.token_hex(LINE_BYTES // 2)}
            file.write(json.dumps({"resourceType": "Basic", "id": f"long{number}", "code": code} | _of(me)) + "\n")
    try:
        with running(SimpleNamespace(registry=story.consortium.registry), config) as found:  # type: ignore[arg-type]
            yield found
    finally:
        made.unlink()


def _of(patient: str) -> dict[str, Any]:
    return {"subject": {"reference": f"Patient/{patient}"}}


def _patient(service: Service, account: str) -> Any:
    return Address(account), service.datasets_as_patient(Address(account)), None, service.snapshot


def token(served: Running, account: str) -> dict[str, str]:
    proof = Proof(Address(account), Way.KEY, Address(account))
    return {"Authorization": f"Bearer {served.service.sessions.open(proof, by_token=True)[0]}"}


def read(served: Running, account: str, path: str) -> httpx.Response:
    return httpx.get(served.url + path, headers=token(served, account), timeout=60, trust_env=False)


def slow_reader(served: Running, account: str, path: str) -> socket.socket:
    """Asks, and takes nothing of the answer."""
    host, port = served.url.removeprefix("http://").split(":")
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    found.connect((host, int(port)))
    authorization = token(served, account)["Authorization"]
    found.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\r\n".encode())
    return found


def wait(holds: Any, seconds: float = 30) -> float:
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)
    return time.monotonic() - begun


@pytest.mark.parametrize("path", READS)
def test_a_reader_who_takes_nothing_is_ended_and_the_place_is_free_again(
    path: str, served: Running, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SLOW_SECONDS", 5.0)
    reads, account = served.service.reads, story.keeps.address
    with ExitStack() as held:
        slow = [held.enter_context(slow_reader(served, account, path)) for _ in range(OF_AN_ACCOUNT)]
        wait(lambda: reads.open == OF_AN_ACCOUNT)
        refused = read(served, account, "/api/v1/patient/records")
        assert (refused.status_code, refused.json()["code"]) == (429, "RECORDS_BUSY")
        assert read(served, story.revokes.address, "/api/v1/patient/records").status_code == 200, "another is served"
        wait(lambda: reads.open == 0)
        assert read(served, account, "/api/v1/patient/records").status_code == 200
        for each in slow:
            each.settimeout(10)
            taken = b"".join(iter(lambda: each.recv(1 << 16), b""))  # noqa: B023 - read to the end here
            assert taken.startswith(b"HTTP/1.1 200") and not taken.endswith(b"0\r\n\r\n"), "it is not whole"


def test_who_reads_is_given_all_of_it(served: Running, story: Story) -> None:
    source = read(served, story.keeps.address, READS[0])
    assert len(source.content) > LINE_BYTES * 100 and len(source.json()["records"]) == 200
    assert source.headers["content-length"] == str(len(source.content))
    assert source.headers["cache-control"] == "no-store"
