"""A service that runs over a real chain, and browsers and programs that sign in to it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
import uvicorn
from eth_account.messages import encode_defunct
from fastapi.testclient import TestClient
from sqlalchemy import Engine, delete
from tests.postgres import NoPostgres, throw_away
from tests.service.running import catch_up

from belmont.audit.database import open_engine
from belmont.service.app import create_app
from belmont.service.config import ServiceConfig
from belmont.service.service import Service
from belmont.service.store.database import Store, metadata

ORIGIN = "http://127.0.0.1:8600"


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Engine]]:
    """One database of each kind for all tests."""
    with ExitStack() as opened:

        @cache
        def engine(kind: str) -> Engine:
            if kind == "sqlite":
                url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'service.sqlite'}"
            else:
                url = opened.enter_context(throw_away()).database()
            found = open_engine(url)
            opened.callback(found.dispose)
            return found

        yield engine


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, engines: Callable[[str], Engine]) -> Store:
    """The service's tables, empty, on both databases."""
    try:
        found = Store(engines(request.param))
    except NoPostgres as reason:
        pytest.skip(str(reason))
    with found.writing() as connection:
        for table in metadata.sorted_tables:
            connection.execute(delete(table))
    return found


@pytest.fixture(scope="session")
def app(config: ServiceConfig) -> Iterator[Any]:
    application = create_app(config)
    with TestClient(application, base_url=ORIGIN):
        catch_up(application.state.service)
        yield application


@pytest.fixture
def service(app: Any) -> Service:
    running: Service = app.state.service
    return running


def sign(account: Any, text: str) -> str:
    return "0x" + account.sign_message(encode_defunct(text=text)).signature.hex().removeprefix("0x")


@dataclass
class Browser:
    """A client that keeps cookies, as a browser does, and says where its requests come from."""

    client: TestClient
    csrf: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"Sec-Fetch-Site": "same-origin"})

    def challenge(self, account: str, **more: Any) -> Any:
        answer = self.client.post("/api/v1/sign-in/challenge", json={"account": account, **more}, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def hand_in(self, nonce: str, signature: str, **more: str) -> Any:
        content = {"nonce": nonce, "signature": signature, **more}
        return self.client.post("/sign-in", data=content, headers=self.headers, follow_redirects=False)

    def sign_in(self, account: Any, identity: str | None = None) -> Any:
        given = self.challenge(account.address, **({"identity": identity} if identity else {}))
        answer = self.hand_in(given["nonce"], sign(account, given["message"]))
        if answer.status_code == 303:
            self.csrf = self.get("/api/v1/session").json()["csrf"]
        return answer

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, headers=self.headers, follow_redirects=False, **more)

    def send(self, method: str, path: str, **more: Any) -> Any:
        headers = {**self.headers, "X-CSRF-Token": self.csrf, **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, follow_redirects=False, **more)

    @property
    def session_cookie(self) -> str | None:
        return self.client.cookies.get("belmont")


@pytest.fixture
def browser(app: Any) -> Callable[[], Browser]:
    """A new browser, with no cookies."""
    return lambda: Browser(TestClient(app, base_url=ORIGIN))


@pytest.fixture(autouse=True)
def fresh_limits(request: pytest.FixtureRequest) -> None:
    """No test is refused for what another asked."""
    if "app" in request.fixturenames or "browser" in request.fixturenames:
        request.getfixturevalue("app").state.service.sign_in.limits._buckets.clear()


@dataclass
class Running:
    origin: str
    service: Service


@pytest.fixture(scope="session")
def running(config: ServiceConfig) -> Iterator[Running]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    origin = f"http://localhost:{port}"
    app = create_app(replace(config, public_url=origin))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    service: Service = app.state.service
    deadline = time.monotonic() + 60
    while not (server.started and service.keeper._snapshot) and time.monotonic() < deadline:
        time.sleep(0.05)
    yield Running(origin, service)
    server.should_exit = True
    thread.join(30)
