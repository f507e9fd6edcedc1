"""The console on a port of this machine, over a consortium in which everything that pages show has happened."""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser as Chromium
from tests.service.browser import chromium as launched
from tests.service.conftest import World
from tests.service.running import catch_up

from belmont.federated.hashes import config_hash
from belmont.identity.approval_conditions import ApprovalConditions
from belmont.registry import arguments
from belmont.registry.consents.statements import ConsentState
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import Address, MemberProfile, MicroRho, Role, StudyId, UseKind
from belmont.service.app import create_app
from belmont.service.config import ServiceConfig
from belmont.service.documents.kinds import Kind
from belmont.service.service import Service
from belmont.service.serving import Serving, bound
from belmont.service.store.sessions import Proof, Way

HOSTILE = "<script>alert(1)</script>\"'{{7*7}}\u202egnp.exe"
PROTOCOL = """# Early signs

We ask whether *routine* measurements tell of an infarction **a year before**.

## Methods

| Step | What |
|---|---|
| 1 | train a model in rounds |
| 2 | evaluate it |

- [the registry](https://example.org/trial)
- [not a link](javascript:alert(1))
- ![a picture](https://example.org/track.png)

<script>alert(2)</script> <img src=x onerror=alert(3)> {{7*7}}
"""
CARD, EVIDENCE = b'{"title":"A model"}', b'{"checked":true}'
CONFIG: dict[str, str | int | float | bool] = {"model": "logistic", "features": "age,sex", "local-epochs": 1}


@dataclass(frozen=True)
class Story:
    """Numbers of what happened."""

    open: StudyId
    """An application that nobody voted on, with its documents."""
    hostile: StudyId
    """One whose data user tries to do harm."""
    conditional: StudyId
    """Approved under conditions, not agreed to yet."""
    ready: StudyId
    """One for which nothing is missing."""
    running: StudyId
    """A permit with rounds and queries."""
    frozen: StudyId
    amendment: StudyId
    model: bytes
    """Announced for release under ``running``."""
    objected: bytes
    """Announced, and objected to."""
    admission: int
    """A proposal of the members."""
    rule: int
    """A proposal of the board."""


@pytest.fixture(scope="session")
def story(world: World) -> Story:
    protocol = hashlib.sha256(PROTOCOL.encode()).digest()
    running = world.permit(title="Myocardial infarction within one year")
    model, objected = rounds_under(world, running)
    frozen = world.permit(title="Readmission after discharge")
    world.as_("board").freeze_permit(frozen, 86_400, "An answer looked odd.")
    conditional = world.study(title="Kidney function and age")
    conditions = ApprovalConditions.of(["Report every month.", "No query on fewer than 50 patients."])
    world.as_("board").vote(conditional, True, "Useful, if it is reported.", conditions.hash)
    world.as_("other_board").vote(conditional, True, "Sound.")
    ready = world.study(title="Stroke and blood pressure")
    for name in ("board", "other_board"):
        world.as_(name).vote(ready, True, "Sound.")
    for name, dataset in zip(("holder", "other_holder", "third_holder"), world.datasets, strict=True):
        world.as_(name).accept(ready, dataset)
    amendment = world.as_("data_user").propose_amendment(
        running, world.terms(title="Myocardial infarction within two years", rounds=9, min_cohort=5)
    )
    with _unchecked():
        hostile = world.study(title=HOSTILE[:50], protocol_hash=protocol)
    refused = world.study(title="Names of patients")
    for name in ("board", "other_board"):
        world.as_(name).vote(refused, False, "It asks for names.")
    opened = world.study(title="Herzinfarkt früh erkennen", protocol_hash=protocol, config_hash=config_hash(CONFIG))
    world.as_("lay").recuse(opened, "My sister works there.")
    newcomer = Address("0x" + "12" * 20)
    profile = MemberProfile(newcomer, HOSTILE[:30], f"did:ethr:0x539:{newcomer}", Role.DATA_USER)
    with _unchecked():
        admission = world.as_("holder").propose_admission(profile, b"\x01\x55\x12\x20" + bytes(32))
    rule = world.as_("holder").rules.propose_rule(Rule.DELAY_SECONDS, 3 * 86_400)
    permits = StudyId(running), StudyId(frozen)
    return Story(opened, hostile, conditional, ready, *permits, amendment, model, objected, int(admission), int(rule))


@contextmanager
def _unchecked() -> Iterator[None]:
    """Texts that our own client would not send: others write theirs themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arguments, "check_text", lambda *_: None)
        yield


def rounds_under(world: World, permit: int) -> tuple[bytes, bytes]:
    """Three rounds, one of which evaluates; a query; two announcements."""
    user, models = world.as_("data_user"), [hashlib.sha256(b"model %d" % n).digest() for n in range(4)]
    holders = list(zip(("holder", "other_holder", "third_holder"), world.datasets, strict=True))
    for n in (1, 2, 3):
        user.open_round(permit, n, models[n], world.datasets)
        for name, dataset in holders:
            result = hashlib.sha256(b"%d %b" % (n, dataset)).digest()
            root = world.registry.consents.root(dataset)
            world.as_(name).record_use(permit, UseKind.ROUND, n, dataset, result, MicroRho(7), 1, root)
        user.close_round(permit, n)
    user.open_query(permit, 1, b"\x31" * 32, world.datasets)
    root = ConsentState().root
    world.as_("holder").record_use(permit, UseKind.QUERY, 1, world.datasets[0], b"\x32" * 32, MicroRho(5), 1, root)
    card, evidence = (hashlib.sha256(each).digest() for each in (CARD, EVIDENCE))
    user.releases.release(permit, models[2], 2, card, evidence)
    user.releases.release(permit, models[3], 3, b"\x33" * 32, b"\x34" * 32)
    world.as_("holder").releases.object(permit, models[3], "It may tell of single patients.")
    return models[2], models[3]


@pytest.fixture(scope="session")
def service(
    config: ServiceConfig, world: World, story: Story, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    database: Path = tmp_path_factory.mktemp("console") / "service.sqlite"
    listening, config = bound(
        replace(config, database=f"sqlite:///{database}", port=0, public_url="http://localhost:8600")
    )  # browsers have hardware keys for names alone
    app = create_app(config)
    ready = threading.Event()
    server = Serving(app, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    found: Service = app.state.service
    try:
        assert ready.wait(30)
        catch_up(found)
        _hand_in(found, world, story)
        yield found
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def _hand_in(service: Service, world: World, story: Story) -> None:
    by = world.address("data_user")
    service.documents.take(story.open, Kind.PROTOCOL, PROTOCOL.encode(), by)
    service.documents.take(story.open, Kind.CONFIGURATION, str(CONFIG).replace("'", '"').encode(), by)
    service.documents.take(story.running, Kind.MODEL_CARD, CARD, by)
    service.documents.take(story.running, Kind.EVIDENCE, EVIDENCE, by)
    service.documents.take(story.conditional, Kind.REASON, b"Useful, if it is reported.", by)
    conditions = ApprovalConditions.of(["Report every month.", "No query on fewer than 50 patients."])
    service.documents.take(story.conditional, Kind.CONDITIONS, conditions.canonical(), by)
    service.documents.take(story.frozen, Kind.REASON, b"An answer looked odd.", by)


@dataclass
class Browser:
    """A browser in which somebody is signed in, or nobody."""

    client: httpx.Client
    csrf: str = ""

    def get(self, path: str, **more: object) -> httpx.Response:
        return self.client.get(path, **more)

    def post(self, path: str, data: dict[str, object] | None = None, **more: object) -> httpx.Response:
        headers = {"Sec-Fetch-Site": "same-origin"}
        return self.client.post(path, data={"csrf": self.csrf, **(data or {})}, headers=headers, **more)


@pytest.fixture
def browser(service: Service, world: World) -> Iterator[Callable[[str], Browser]]:
    """Somebody's browser, by the name in ``World``; ``stranger`` is nobody."""
    opened = []

    def of(name: str, language: str = "en") -> Browser:
        cookies, csrf = {"belmont-language": language}, ""
        if name != "stranger":
            secret, session = session_of(service, world, name)
            cookies[service.cookie_name], csrf = secret, session.csrf
        client = httpx.Client(base_url=service.config.public_url, cookies=cookies, timeout=60)
        opened.append(client)
        return Browser(client, csrf)

    yield of
    for each in opened:
        each.close()


def session_of(service: Service, world: World, name: str):
    account = world.address(name)
    return service.sign_in.sessions.open(Proof(account, Way.KEY, account), by_token=False)


def wait_for(happened: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def text_of(page: str) -> str:
    """A page's words, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with launched() as browser:
        yield browser
