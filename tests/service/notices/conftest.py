"""A consortium's index, an outbox over it, a real mail server and a real receiver of webhooks, on this machine."""

import email
import email.policy
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from tests.service.conftest import World
from tests.service.notices.servers import Server, Starts, context_of, free_port

from belmont.audit.index import EventIndex
from belmont.federated.deployed.certificates import Certificates
from belmont.service.notices.notifier import Notifier
from belmont.service.notices.settings import NoticesConfig
from belmont.service.state.keeper import Keeper
from belmont.service.store.database import Store

PUBLIC_URL = "https://belmont.example"


class Clock:
    """Moved by tests."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Mailbox:
    """What a mail server took; while ``broken`` it refuses."""

    port: int = 0
    broken: bool = False
    messages: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.broken:
            return "451 Try again later"
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.messages.append(parsed)
        return "250 Taken"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    found = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        found.port = free.getsockname()[1]
    controller = Controller(found, hostname="127.0.0.1", port=found.port)
    controller.start()
    yield found
    controller.stop()


@dataclass
class Receiver:
    """What was posted: headers and body. It answers ``status``."""

    url: str = ""
    status: int = 204
    location: str = ""
    posted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.split("/")[2]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posted.append((dict(self.headers), body))
            self.send_response(found.status)
            if found.location:
                self.send_header("Location", found.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join(10)
    server.server_close()


@dataclass
class Running:
    """A notifier that tests move step by step, over an index that they move."""

    notifier: Notifier
    index: EventIndex
    keeper: Keeper
    store: Store
    clock: Clock

    def step(self) -> int:
        """The index goes on, then the notifier."""
        self.keeper.told(self.index.catch_up())
        return self.notifier.step()

    def again(self) -> "Running":
        """The same database after the process was killed."""
        notifier = Notifier(
            self.notifier.config, PUBLIC_URL, self.store, self.index, lambda: self.keeper.snapshot, self.clock
        )
        return Running(notifier, self.index, self.keeper, self.store, self.clock)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty one, of both kinds."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres").database())
    return f"sqlite:///{tmp_path / 'notices.sqlite'}"


@pytest.fixture
def running(world: World, mailbox: Mailbox, receiver: Receiver, database: str) -> Iterator[Running]:
    index = EventIndex.open(database, world.registry)
    store, keeper = Store(index.engine), Keeper(world.registry)
    clock = Clock(world.registry.head().timestamp)
    config = NoticesConfig(
        smtp_host="127.0.0.1",
        smtp_port=mailbox.port,
        smtp_security="none",
        sender="belmont@hospital.example",
        email_domains=("hospital.example",),
        webhook_hosts=(receiver.host,),
    )
    keeper.told(index.catch_up())
    notifier = Notifier(config, PUBLIC_URL, store, index, lambda: keeper.snapshot, clock)
    found = Running(notifier, index, keeper, store, clock)
    found.step()
    yield found
    index.close()


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[Starts]:
    """``mail_server(certificates)`` with STARTTLS, ``(None)`` without, ``wrapped`` for TLS from the first byte."""
    with ExitStack() as opened:

        def start(certificates: Certificates | None, wrapped: bool = False) -> Server:
            found = Server(is_wrapped=wrapped)
            context = None if certificates is None else context_of(certificates, tmp_path)
            options: dict[str, Any] = {"auth_require_tls": certificates is not None and not wrapped}
            if context is not None:
                options |= {"ssl_context": context} if wrapped else {"tls_context": context, "require_starttls": True}
            controller = Controller(
                found, hostname="127.0.0.1", port=free_port(), authenticator=found.sign_in, **options
            )
            controller.start()
            opened.callback(controller.stop)
            found.port = controller.port
            return found

        yield start
