"""The service as an application in this process, and members who are signed in to it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account as EthAccount
from eth_account.messages import encode_defunct
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.service.conftest import World, account_of

from belmont.service.app import create_app
from belmont.service.config import ServiceConfig
from belmont.service.documents.documents import Documents
from belmont.service.service import Service

Client = Callable[[str], TestClient]
ORIGIN = "http://127.0.0.1:8600"


@pytest.fixture(scope="session")
def app(config: ServiceConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    database: Path = tmp_path_factory.mktemp("documents") / "service.sqlite"
    made = create_app(replace(config, database=f"sqlite:///{database}"))
    with TestClient(made, base_url=ORIGIN):
        yield made


@pytest.fixture(scope="session")
def service(app: FastAPI) -> Service:
    found: Service = app.state.service
    return found


@pytest.fixture
def documents(service: Service) -> Documents:
    return service.documents


@pytest.fixture
def stranger(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)


@pytest.fixture(scope="session")
def client(app: FastAPI, world: World) -> Client:
    """Somebody who is signed in with a bearer token: a member by name, or ``nobody``, who is none."""
    known: dict[str, TestClient] = {}

    def signed_in(name: str) -> TestClient:
        if name not in known:
            account = world.people.get(name) or account_of(name)
            made = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)
            text = made.post("/api/v1/sign-in/challenge", json={"account": account.address}).json()["message"]
            signature = EthAccount.sign_message(encode_defunct(text=text), account.key).signature
            given = made.post("/api/v1/session", json={"message": text, "signature": "0x" + bytes(signature).hex()})
            assert given.status_code == 201, given.text
            made.headers["Authorization"] = f"Bearer {given.json()['token']}"
            known[name] = made
        return known[name]

    return signed_in


def put(client: TestClient, study: int, kind: str, content: bytes, **headers: str) -> Any:
    return client.put(f"/api/v1/studies/{study}/documents/{kind}", content=content, headers=headers)


def get(client: TestClient, sha256: str) -> Any:
    return client.get(f"/api/v1/documents/{sha256}")
