"""What one member hands in keeps nobody else waiting: so much at a time, so often, the large ones one by one."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from tests.service.conftest import World
from tests.service.documents.conftest import Client, wait_for

from belmont.registry.types import Address
from belmont.service.access.limits import Limits, Rate
from belmont.service.documents.documents import Document, Documents
from belmont.service.documents.kinds import MIB, Kind
from belmont.service.documents.turns import AT_ONCE_MOST
from belmont.service.service import Service


@pytest.fixture
def path(world: World, client: Client) -> str:
    """Where records of rounds of a study are handed in."""
    return f"/api/v1/studies/{world.study()}/documents/round"


@pytest.fixture
def begun(service: Service, client: Client, path: str) -> Iterator[ExitStack]:
    """As many as a member may hand in at a time, of which the last byte does not come."""
    parts = urlsplit(service.config.public_url)
    head = f"PUT {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 10\r\n"
    head += f"Authorization: {client('data_user').headers['authorization']}\r\n\r\n"
    with ExitStack() as opened:
        for _ in range(AT_ONCE_MOST):
            made = opened.enter_context(socket.create_connection((parts.hostname, parts.port)))
            made.sendall(head.encode() + b"[")
        wait_for(lambda: sum(service.turns._handing_in.values()) == AT_ONCE_MOST)
        yield opened


def put(client: httpx.Client, path: str, content: bytes = b"{}") -> httpx.Response:
    return client.put(path, content=content)


def test_a_member_hands_in_so_many_at_a_time_and_others_do_meanwhile(
    service: Service, client: Client, path: str, begun: ExitStack
) -> None:
    refused = put(client("data_user"), path)
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert refused.headers["retry-after"] == "5"
    assert put(client("board"), path).status_code == 400
    begun.close()
    wait_for(lambda: not service.turns._handing_in)
    assert put(client("data_user"), path).status_code == 400


def test_large_documents_are_looked_at_one_by_one_and_small_ones_meanwhile(
    client: Client, documents: Documents, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, most, guard, small = 0, 0, threading.Lock(), threading.Event()
    take = documents.take

    def counted(number: int, kind: Kind, content: bytes, by: Address) -> tuple[Document, bool]:
        nonlocal looking, most
        if len(content) < MIB:
            small.set()
            return take(number, kind, content, by)
        with guard:
            looking += 1
            most = max(most, looking)
        small.wait(20)
        time.sleep(0.05)
        with guard:
            looking -= 1
        return take(number, kind, content, by)

    monkeypatch.setattr(documents, "take", counted)
    clients = [client(name) for name in ("data_user", "board", "holder")]
    with ThreadPoolExecutor(6) as pool:
        large = [pool.submit(put, each, path, b" " * (MIB + 1)) for each in clients for _ in range(2)]
        wait_for(lambda: looking > 0)
        assert put(client("lay"), path).status_code == 400
        assert {each.result().status_code for each in large} == {400}
    assert most == 1


def test_handing_in_is_counted_by_account(
    service: Service, client: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.sign_in, "limits", Limits({"hand_in": Rate(0.001, 1)}))
    assert [put(client("data_user"), path).status_code for _ in range(2)] == [400, 429]
    assert put(client("board"), path).status_code == 400
