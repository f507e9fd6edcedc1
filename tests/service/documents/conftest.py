"""The service on a port of this machine, and members who are signed in to it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account as EthAccount
from eth_account.messages import encode_defunct
from tests.service.conftest import World, account_of

from belmont.service.app import create_app
from belmont.service.config import ServiceConfig
from belmont.service.documents.documents import Documents
from belmont.service.service import Service
from belmont.service.serving import Serving, bound

Client = Callable[[str], httpx.Client]


@pytest.fixture(scope="session")
def service(config: ServiceConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    database: Path = tmp_path_factory.mktemp("documents") / "service.sqlite"
    listening, config = bound(replace(config, database=f"sqlite:///{database}", port=0))
    app = create_app(config)
    ready = threading.Event()
    server = Serving(app, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    found: Service = app.state.service
    try:
        assert ready.wait(20)
        wait_for(lambda: found.follower.state == "following")
        yield found
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def documents(service: Service) -> Documents:
    return service.documents


@pytest.fixture
def stranger(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.config.public_url) as made:
        yield made


@pytest.fixture(scope="session")
def client(service: Service, world: World) -> Iterator[Client]:
    """Somebody who is signed in with a bearer token: a member by name, or ``nobody``, who is none."""
    known: dict[str, httpx.Client] = {}

    def signed_in(name: str) -> httpx.Client:
        if name not in known:
            account = world.people.get(name) or account_of(name)
            made = httpx.Client(base_url=service.config.public_url, timeout=30)
            text = made.post("/api/v1/sign-in/challenge", json={"account": account.address}).json()["message"]
            signature = EthAccount.sign_message(encode_defunct(text=text), account.key).signature
            given = made.post("/api/v1/session", json={"message": text, "signature": "0x" + bytes(signature).hex()})
            assert given.status_code == 201, given.text
            made.headers["Authorization"] = f"Bearer {given.json()['token']}"
            known[name] = made
        return known[name]

    yield signed_in
    for each in known.values():
        each.close()


def wait_for(happened: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def put(client: httpx.Client, study: int, kind: str, content: bytes, **headers: str) -> Any:
    return client.put(f"/api/v1/studies/{study}/documents/{kind}", content=content, headers=headers)


def get(client: httpx.Client, sha256: str) -> Any:
    return client.get(f"/api/v1/documents/{sha256}")
