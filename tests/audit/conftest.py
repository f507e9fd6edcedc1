"""A real chain with a consortium, the two databases, and a server in between that can be made to answer otherwise."""

import contextlib
import hashlib
import http.client
import json
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from eth_account import Account
from sqlalchemy import text

from belmont.audit import EventIndex, IndexedEvent
from belmont.chain.process import ChainProcess
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.errors import RegistryRefused
from belmont.registry.founding import found
from belmont.registry.types import (
    Address,
    AnswerMode,
    AuditEvent,
    Computation,
    DatasetId,
    MemberProfile,
    MicroRho,
    Role,
    StudyTerms,
)

HASH, VETTING, YEAR = b"\x11" * 32, b"\x01\x55\x12\x20" + bytes(32), 365 * 24 * 3600
ROLES = [Role.DATA_HOLDER, Role.DATA_HOLDER, Role.DATA_USER, Role.ETHICS_BOARD, Role.ETHICS_BOARD]
NAMES = ["Charité Berlin", "Klinikum 東京", "Universität Köln", "Board member Ωmega", "Board_member 100%"]


@dataclass
class World:
    """A consortium on a chain, and what its members may do next."""

    registry: ChainRegistry
    accounts: list[Any]
    datasets: list[tuple[int, DatasetId]] = field(default_factory=list)
    studies: list[int] = field(default_factory=list)
    made: int = 0

    def on(self, url: str) -> "World":
        """The same consortium, reached at another address."""
        registry = ChainRegistry.connect(url, self.registry.addresses["Members"])
        return World(registry, self.accounts, list(self.datasets), list(self.studies), self.made)

    def dataset(self, name: str | None = None, holder: int = 0) -> DatasetId:
        self.made += 1
        registry = self.registry.as_(self.accounts[holder])
        until = registry.head().timestamp + 2 * YEAR
        name = name or f"dataset {self.made} {random.getrandbits(32):x}"
        id_ = registry.register_dataset(name, 1 << 4, HASH, 1, 1, until, MicroRho(100))
        self.datasets.append((holder, id_))
        return id_

    def study(self, title: str = "Herzinfarkt früh erkennen, COVID-19") -> int:
        id_ = self.registry.as_(self.accounts[2]).propose(
            StudyTerms(
                title=title,
                protocol_hash=HASH,
                purpose=1 << 37,
                code_hash=HASH,
                config_hash=HASH,
                datasets=(self.datasets[-1][1],),
                computations=Computation.TRAINING | Computation.QUERY,
                rounds=2,
                queries=1,
                rho_per_dataset=50,
                min_hospitals=1,
                min_cohort=10,
                answer_mode=AnswerMode.EXACT,
                duration_seconds=YEAR,
            )
        )
        self.studies.append(id_)
        return id_

    def act(self, choice: random.Random) -> None:
        """Something that a member might do; some of it is refused, and writes nothing."""
        holder, dataset = choice.choice(self.datasets) if self.datasets else (0, None)
        study = choice.choice(self.studies) if self.studies else None
        own, board = self.registry.as_(self.accounts[holder]), self.registry.as_(self.accounts[choice.choice((3, 4))])
        acts: list[Callable[[], Any]] = [
            lambda: self.dataset(holder=choice.choice((0, 1))),
            lambda: own.replace_keys(choice.randbytes(32), choice.randbytes(32)),
            lambda: board.propose_removal(Address(self.accounts[choice.randrange(5)].address), VETTING),
        ]
        if dataset is not None:
            acts += [lambda: own.freeze_dataset(dataset), lambda: own.unfreeze_dataset(dataset), self.study]
            acts += [lambda: own.add_version(dataset, b"cid", 100, HASH, own.consents.root(dataset))]
        if study is not None:
            acts += [lambda: board.vote(study, choice.random() < 0.5, "reason")] * 2
            acts += [lambda: self.registry.as_(self.accounts[2]).cancel(study)]
        with contextlib.suppress(RegistryRefused):
            choice.choice(acts)()


@pytest.fixture(scope="session")
def accounts() -> list[Any]:
    return [Account.from_key(hashlib.sha256(b"auditor %d" % place).digest()) for place in range(5)]


@pytest.fixture(scope="session")
def founded(accounts: list[Any]) -> Callable[[str], World]:
    """Founds a consortium on the chain at a URL."""

    def make(url: str) -> World:
        rows = zip(accounts, NAMES, ROLES, strict=True)
        founders = [
            MemberProfile(Address(each.address), name, f"did:ethr:0x539:{each.address}", role)
            for each, name, role in rows
        ]
        return World(found(url, "Consortium", founders), accounts)

    return make


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainProcess]:
    with ChainProcess.start(tmp_path_factory.mktemp("chain"), heartbeat_seconds=0.5) as process:
        yield process


@pytest.fixture(scope="session")
def world(chain: ChainProcess, founded: Callable[[str], World]) -> World:
    made = founded(chain.url)
    choice = random.Random(7)
    for _ in range(25):
        made.act(choice)
    made.study()
    return made


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, founded: Callable[[str], World]) -> tuple[Path, World]:
    """The directory of a chain that is stopped, with a consortium and three datasets: to be copied."""
    with ChainProcess.start(tmp_path_factory.mktemp("template"), heartbeat_seconds=30) as process:
        made = founded(process.url)
        for _ in range(3):
            made.dataset()
    return process.directory, made


@pytest.fixture(scope="session")
def living(template: tuple[Path, World], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Its copy on a chain of its own, with heartbeats."""
    directory, made = template
    copy = tmp_path_factory.mktemp("living") / "chain"
    shutil.copytree(directory, copy)
    with ChainProcess.start(copy, heartbeat_seconds=0.3) as process:
        yield made.on(process.url)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database; each test that asks for it runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'index' / 'index.sqlite'}"
    made: str = request.getfixturevalue("postgres").database()
    return made


Opened = Callable[..., EventIndex]


@pytest.fixture
def opened(url: str) -> Iterator[Opened]:
    """Opens the index in this test's database, for a registry."""
    made: list[EventIndex] = []

    def make(registry: ChainRegistry) -> EventIndex:
        made.append(EventIndex.open(url, registry))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def both(postgres: Any, tmp_path: Path) -> Iterator[Callable[[ChainRegistry], list[EventIndex]]]:
    """Opens an index of a registry in each of two databases, for tests that need a chain of their own."""
    made: list[EventIndex] = []
    urls = [f"sqlite:///{tmp_path / 'both.sqlite'}", postgres.database()]

    def make(registry: ChainRegistry) -> list[EventIndex]:
        both = [EventIndex.open(each, registry) for each in urls]
        made.extend(both)
        return both

    yield make
    for each in made:
        each.close()


@pytest.fixture
def index(opened: Opened, world: World) -> EventIndex:
    return opened(world.registry)


def as_audit(event: IndexedEvent) -> AuditEvent:
    return AuditEvent(
        event.position.block,
        event.timestamp,
        event.transaction,
        event.contract,
        event.name,
        event.actor,
        event.details,
    )


def everything(index: EventIndex) -> list[IndexedEvent]:
    """All events, by pages."""
    found: list[IndexedEvent] = []
    while page := index.after(found[-1].position if found else None, 200):
        found += page
    return found


def trail(index: EventIndex) -> list[AuditEvent]:
    return [as_audit(each) for each in everything(index)]


def contents(index: EventIndex) -> dict[str, Any]:
    """Every row of every table, but for the history of drops."""
    tables = ("index_identity", "index_cursor", "index_blocks", "index_events", "index_names")
    with index.engine.connect() as connection:
        return {each: connection.execute(text(f"select * from {each} order by 1, 2")).all() for each in tables}


class Between:
    """A JSON-RPC server that passes everything on to a chain, which can be changed, and to ``alter``."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.alter: Callable[[dict[str, Any], Any], Any] = lambda request, answer: answer
        """Is given each request and its answer; what it returns is answered."""
        self.asked: list[dict[str, Any]] = []
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self._answer(200, json.dumps(between.exchange(json.loads(body))).encode())

            def do_GET(self) -> None:
                self._answer(405, b"")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def exchange(self, asked: Any) -> Any:
        many = asked if isinstance(asked, list) else [asked]
        self.asked += many
        parts = urlsplit(self.target)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        connection.request("POST", "/", json.dumps(many).encode(), {"Content-Type": "application/json"})
        given = json.load(connection.getresponse())
        connection.close()
        answers = [self.alter(each, answer) for each, answer in zip(many, given, strict=True)]
        return answers if isinstance(asked, list) else answers[0]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def between() -> Iterator[Callable[[str], Between]]:
    made: list[Between] = []

    def make(target: str) -> Between:
        made.append(Between(target))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def chains(tmp_path: Path) -> Iterator[Callable[..., ChainProcess]]:
    """Starts chains; ``copy_of`` begins with another one's blocks (which has to be stopped)."""
    started: list[ChainProcess] = []

    def start(copy_of: Path | None = None, heartbeat_seconds: float = 30.0, **options: Any) -> ChainProcess:
        directory = tmp_path / f"chain {len(started)}"
        if copy_of is not None:
            shutil.copytree(copy_of, directory)
        started.append(ChainProcess.start(directory, heartbeat_seconds=heartbeat_seconds, **options))
        return started[-1]

    yield start
    for each in started:
        each.stop()
