"""A consortium of four hospitals, a data user and a board of two, on either registry."""

import hashlib
import itertools
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account
from flwr.app import Message, RecordDict

from belmont.ehr.synthetic import coded_tables, generate_population
from belmont.federated.asked_by import Signing
from belmont.federated.errors import REFUSED, Refusal
from belmont.federated.grid.in_process import InProcessGrid
from belmont.federated.hashes import Arrays, code_hash, config_hash, model_hash
from belmont.federated.models.glm import glm_config, initial_model
from belmont.federated.node.bundle import build_bundle
from belmont.federated.node.node import HospitalNode
from belmont.federated.node.queries import QueryServer
from belmont.federated.node.requests import Claim, round_content
from belmont.federated.node.stored import StoredVersion
from belmont.federated.query.answer import Answer, ask
from belmont.federated.query.columns import Columns
from belmont.federated.query.question import Query
from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import account_key, patient_key
from belmont.registry.consents.tree import Batch, ConsentTree
from belmont.registry.limits import PURPOSES_MASK
from belmont.registry.proving import prove_on_chain
from belmont.registry.reference.world import World
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import (
    ZERO_HASH,
    Address,
    AnswerMode,
    Computation,
    DatasetId,
    MemberProfile,
    MicroRho,
    PermitId,
    ProofDomain,
    Role,
    StudyTerms,
)
from belmont.zk.commitment import CommittedTable, commit_table
from belmont.zk.layout import Layout

DISEASE_RESEARCH = 1 << 37 | 1 << 38
FEATURES = ("age", "hba1c", "systolic")
OUTCOME = "cvd_event"
YEARS = 366 * 24 * 3600

APP_PYPROJECT = """
[project]
name = "traced"
version = "1.0.0"
description = "An app that leaves a trace"
license = "Apache-2.0"
dependencies = ["flwr>=1.41.0"]
[tool.flwr.app]
publisher = "test"
[tool.flwr.app.components]
serverapp = "traced.client_app:app"
clientapp = "traced.client_app:app"
[tool.flwr.app.config]
features = ""
"""
TRACED_APP = """
from pathlib import Path
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
TRACE = Path({trace!r})
def leave(word):
    with TRACE.open("a") as file:
        file.write(word + chr(10))
leave("imported")
app = ClientApp()
@app.train()
def train(message, context):
    leave("trained")
    metrics = MetricRecord({{"num-examples": 1}})
    return Message(RecordDict({{"arrays": message.content["arrays"], "metrics": metrics}}), reply_to=message)
"""


def build_app(folder: Path, source: str, package: str = "traced") -> bytes:
    """A bundle with one module, ``client_app``."""
    (folder / package).mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(APP_PYPROJECT.replace("traced.", f"{package}."))
    (folder / package / "__init__.py").write_text("")
    (folder / package / "client_app.py").write_text(source)
    return build_bundle(folder)


@pytest.fixture
def app_builder(tmp_path: Path) -> Callable[..., bytes]:
    numbers = itertools.count()
    return lambda source, package="traced": build_app(tmp_path / f"app{next(numbers)}", source, package)


@pytest.fixture(scope="session")
def tables() -> list[Any]:
    return coded_tables(generate_population(4, 1_200, 7))


CID = b"\x01\x71\x12\x20" + bytes(32)
SECRET = b"\2" * 32
"""Of every hospital; salts what stands for its patients."""
BROAD = Scope(PURPOSES_MASK, 255, 0, 1 << 62)
"""Consent to any research."""


def key_of(pseudonym: Any) -> bytes:
    """What stands for a patient in the batches of these tests."""
    return patient_key(SECRET, f"{int(pseudonym):016x}")


def columns_of(table: Any) -> Columns:
    """The layout of a coded table's dictionary, as a researcher or the board has it."""
    dictionary = table.dictionary
    return Columns(tuple(table.columns), Layout.from_bytes(dictionary.layout), dictionary.text_hash)


@lru_cache(maxsize=64)
def committed_to(table: Any) -> CommittedTable:
    """A coded table's commitments, the same in every run, so that their proof is found on the shelf."""
    codes = [table.codes(name) for name in table.columns]
    seed = hashlib.sha256(table.to_bytes()).digest()
    return commit_table(columns_of(table).layout, codes, table.pseudonyms, seed)


@dataclass
class Consortium:
    """The parties, registered on a registry. ``seconds_ahead`` puts the nodes' clock before the chain's."""

    registry: Any
    now: Callable[[], float]
    researcher: Any
    board: list[Any]
    hospitals: list[Any]
    mask_keys: list[X25519PrivateKey]
    datasets: list[DatasetId]
    tables: list[Any]
    shelf: Any
    """Proofs (``tests/conftest.py``)."""
    rows: dict[tuple[DatasetId, int], Any] = field(default_factory=dict)
    """The table of every version."""
    url: str = ""
    """Of the chain, where there is one."""
    folder: Path = Path()
    """Of the hospitals' registers of consents."""

    def register_path(self, dataset_id: DatasetId) -> Path:
        return self.folder / f"consents-{dataset_id.hex()}.sqlite"

    def admit(self, i: int, table: Any, dataset: DatasetId | None = None) -> bytes:
        """Note everybody's consent who is in a table and not in the register yet; returns the consent root."""
        mine, dataset_id = self.registry.as_(self.hospitals[i]), dataset or self.datasets[i]
        with ConsentRegister(self.register_path(dataset_id), dataset_id) as register:
            missing = table.pseudonyms[~register.view().consenting(table.pseudonyms)]
            batch = register.admit(Patient(key_of(each), int(each), BROAD) for each in missing)
        if mine.consents.state(dataset_id).batch_root != batch.root:
            mine.consents.publish_batch(dataset_id, batch)
        return mine.consents.root(dataset_id)

    def withdraw(self, i: int, *pseudonyms: int, publish: bool = True) -> bytes:
        """Hospital ``i`` attests that patients withdrew; returns the new consent root."""
        mine, dataset_id = self.registry.as_(self.hospitals[i]), self.datasets[i]
        with ConsentRegister(self.register_path(dataset_id), dataset_id) as register:
            batch = register.attest({key_of(each): None for each in pseudonyms})
        if publish:
            mine.consents.publish_batch(dataset_id, batch)
        return mine.consents.root(dataset_id)

    def give_key(self, i: int, pseudonym: int, account: Any) -> Any:
        """Enrol a patient's own account; returns the consents, written as that account."""
        mine, dataset_id, address = self.registry.as_(self.hospitals[i]), self.datasets[i], Address(account.address)
        with ConsentRegister(self.register_path(dataset_id), dataset_id) as register:
            mine.consents.publish_batch(dataset_id, register.give_accounts({key_of(pseudonym): address}))
            shown = register.tree().membership(account_key(address))
        mine.consents.enrol(dataset_id, address, shown)
        return self.registry.as_(account).consents

    def enrol_unknown(self, i: int, account: Any) -> Any:
        """Enrol an account of which hospital ``i``'s register knows nothing, and publish its own batch again."""
        mine, dataset_id, address = self.registry.as_(self.hospitals[i]), self.datasets[i], Address(account.address)
        tree = ConsentTree([(account_key(address), bytes(32))])
        mine.consents.publish_batch(dataset_id, tree.batch)
        mine.consents.enrol(dataset_id, address, tree.membership(account_key(address)))
        self.publish_own_batch(i)
        return self.registry.as_(account).consents

    def publish_unknown_batch(self, i: int) -> None:
        """Consents change on chain, and hospital ``i``'s register does not know how."""
        self.registry.as_(self.hospitals[i]).consents.publish_batch(self.datasets[i], Batch(b"\7" * 32, 1))

    def publish_own_batch(self, i: int) -> None:
        """What the register has is on chain again."""
        with ConsentRegister(self.register_path(self.datasets[i]), self.datasets[i]) as register:
            self.registry.as_(self.hospitals[i]).consents.publish_batch(self.datasets[i], register.view().batch)

    def add_version(self, i: int, table: Any, dataset: DatasetId | None = None) -> int:
        """A further version of hospital ``i``'s dataset, proven; whoever is new in it consents."""
        mine, dataset_id = self.registry.as_(self.hospitals[i]), dataset or self.datasets[i]
        committed = committed_to(table)
        number = mine.add_version(dataset_id, CID, table.rows, committed.root, self.admit(i, table, dataset))
        text_hash = table.dictionary.text_hash
        prove_on_chain(mine, dataset_id, number, committed, text_hash, prove=self.shelf.prove)
        self.rows[dataset_id, number] = table
        return int(number)

    def issue(self, terms: StudyTerms) -> PermitId:
        """A permit by the whole procedure."""
        study = self.registry.as_(self.researcher).propose(terms)
        for member in self.board:
            self.registry.as_(member).vote(study, True, "approved")
        for account, dataset in zip(self.hospitals, self.datasets, strict=True):
            if dataset in terms.datasets:
                self.registry.as_(account).accept(study, dataset)
        return self.registry.as_(self.researcher).issue(study)


def new_accounts() -> tuple[Any, list[Any], list[Any], list[X25519PrivateKey]]:
    """The same accounts in every run; mask keys are new."""
    accounts = [Account.from_key(hashlib.sha256(b"federated tests" + bytes([i])).digest()) for i in range(7)]
    return accounts[0], accounts[1:3], accounts[3:], [X25519PrivateKey.generate() for _ in range(4)]


def founders_of(researcher: Any, board: list[Any], hospitals: list[Any], keys: list[X25519PrivateKey]) -> list[Any]:
    def profile(account: Any, name: str, roles: Role, mask_key: bytes = ZERO_HASH) -> MemberProfile:
        return MemberProfile(Address(account.address), name, f"did:ethr:{account.address}", roles, mask_key)

    return [
        profile(researcher, "university", Role.DATA_USER),
        *(profile(account, f"board {i}", Role.ETHICS_BOARD) for i, account in enumerate(board)),
        *(
            profile(account, f"hospital {i}", Role.DATA_HOLDER, key.public_key().public_bytes_raw())
            for i, (account, key) in enumerate(zip(hospitals, keys, strict=True))
        ),
    ]


def with_datasets(
    registry: Any, accounts: Any, tables: list[Any], now: Callable[[], float], shelf: Any, folder: Path
) -> Consortium:
    researcher, board, hospitals, keys = accounts
    consortium = Consortium(registry, now, researcher, board, hospitals, keys, [], tables, shelf, folder=folder)
    for i, (account, table) in enumerate(zip(hospitals, tables, strict=True)):
        until = int(now()) + 4 * YEARS
        dataset = registry.as_(account).register_dataset(
            "records", 1 << 4, table.dictionary.hash, 1, 255, until, MicroRho(10_000_000)
        )
        consortium.datasets.append(dataset)
        consortium.add_version(i, table)
    return consortium


@pytest.fixture(scope="session")
def founded(tables: list[Any], shelf: Any, tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    """A simulated consortium as it was founded. Proofs are for one stated chain, so that the shelf has them."""
    accounts = new_accounts()
    domain = ProofDomain(0, b"\5" * 20)
    registry = SimulatedRegistry.found("simulated consortium", founders_of(*accounts), proof_domain=domain)
    folder = tmp_path_factory.mktemp("registers")
    return with_datasets(registry, accounts, tables, registry.clock, shelf, folder)


@pytest.fixture
def simulated(founded: Consortium, tmp_path: Path) -> Consortium:
    """A copy of it."""
    kept = {each.name: getattr(founded.registry._world, each.name) for each in fields(World)}
    copies = {name: value.copy() if isinstance(value, dict | list) else value for name, value in kept.items()}
    registry = SimulatedRegistry(World(**(copies | {"lock": threading.RLock()})))
    folder = tmp_path / "registers"
    shutil.copytree(founded.folder, folder)
    return replace(founded, registry=registry, now=registry.clock, rows=dict(founded.rows), folder=folder)


@contextmanager
def chain_consortium(directory: Path, tables: list[Any], shelf: Any) -> Iterator[tuple[Any, Consortium]]:
    """A chain process and a consortium on it, with the same addresses in every run."""
    process = pytest.importorskip("belmont.chain.process")
    founding = pytest.importorskip("belmont.registry.founding")
    with process.ChainProcess.start(directory, heartbeat_seconds=1) as chain:
        accounts = new_accounts()
        with pytest.MonkeyPatch.context() as patch:
            deployer = Account.from_key(hashlib.sha256(b"deployer of federated tests").digest())
            patch.setattr(founding, "EthAccount", SimpleNamespace(create=lambda: deployer))
            registry = founding.found(chain.url, "chain consortium", founders_of(*accounts))
        yield chain, replace(with_datasets(registry, accounts, tables, time.time, shelf, directory), url=chain.url)


@pytest.fixture(scope="session")
def on_chain(tables: list[Any], shelf: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """The same consortium on a chain of its own process."""
    with chain_consortium(tmp_path_factory.mktemp("chain"), tables, shelf) as (_, consortium):
        yield consortium


class WatchedTable:
    """A table that notes every look at its rows; names, widths and the number of rows are no secrets."""

    def __init__(self, table: Any, looks: list[str]) -> None:
        self._table, self._looks = table, looks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def codes(self, column: str) -> Any:
        self._looks.append(f"codes of {column}")
        return self._table.codes(column)

    def observed(self, column: str) -> Any:
        self._looks.append(f"observed of {column}")
        return self._table.observed(column)

    def values(self, column: str) -> Any:
        self._looks.append(f"values of {column}")
        return self._table.values(column)


@dataclass
class Scene:
    """One study on a consortium, with an app that leaves a trace of being imported and of computing."""

    consortium: Consortium
    folder: Path
    trace: Path
    bundle: bytes
    config: dict[str, Any]
    model: Arrays
    registry: Any = None
    seconds_ahead: float = 0.0
    permit: Any = None
    nodes: list[HospitalNode] = field(default_factory=list)
    looks: list[list[str]] = field(default_factory=lambda: [[], [], [], []])
    """Of each hospital's node at the rows of its table, since it opened and checked them."""

    def __post_init__(self) -> None:
        self.registry = self.consortium.registry
        self.nodes = [self.new_node(i) for i in range(4)]

    @property
    def participants(self) -> tuple[DatasetId, ...]:
        return tuple(self.consortium.datasets)

    @property
    def by_researcher(self) -> Any:
        return self.registry.as_(self.consortium.researcher)

    def signed(self, node: HospitalNode, message_type: str, content: RecordDict, by: Any = None) -> RecordDict:
        """A message's content with the signature of the researcher, or of another account."""
        signing = Signing(self.registry.as_(by or self.consortium.researcher))
        return signing.signed(message_type, {node.dataset_id: content})[node.dataset_id]

    def stored(self, i: int, number: int = 1, dataset: DatasetId | None = None) -> StoredVersion:
        """A registered version of hospital ``i``, with every look at its rows noted."""
        table = self.consortium.rows[dataset or self.consortium.datasets[i], number]
        return StoredVersion(WatchedTable(table, self.looks[i]), committed_to(table))

    def new_node(self, i: int, registry: Any = None, **changes: Any) -> HospitalNode:
        """The node of hospital ``i``, on the ledger it always has; ``table`` is one that it registers first."""
        if "table" in changes:
            self.consortium.add_version(i, changes.pop("table"))
        dataset = changes.get("dataset_id")
        arguments = {
            "dataset_id": self.consortium.datasets[i],
            "open_version": lambda number: self.stored(i, number, dataset),
            "mask_private_key": self.consortium.mask_keys[i],
            "ledger_path": self.folder / f"ledger-{i}.sqlite",
            "clock": lambda: self.consortium.now() + self.seconds_ahead,
            "account": self.consortium.hospitals[i],
            "openings_path": self.folder / f"openings-{i}.sqlite",
            "consents_path": self.consortium.register_path(dataset or self.consortium.datasets[i]),
        } | changes
        node = HospitalNode((registry or self.registry).as_(self.consortium.hospitals[i]), **arguments)
        self.looks[i].clear()
        return node

    def terms(self, **changes: Any) -> StudyTerms:
        return replace(
            StudyTerms(
                title="Risk of cardiovascular events",
                protocol_hash=b"\3" * 32,
                purpose=DISEASE_RESEARCH,
                code_hash=code_hash(self.bundle),
                config_hash=config_hash(self.config),
                datasets=self.participants,
                computations=Computation.TRAINING | Computation.QUERY,
                rounds=12,
                queries=6,
                rho_per_dataset=MicroRho(0),
                min_hospitals=3,
                min_cohort=50,
                answer_mode=AnswerMode.EXACT,
                duration_seconds=24 * 3600,
            ),
            **changes,
        )

    def issue(self, **changes: Any) -> PermitId:
        return self.consortium.issue(self.terms(**changes))

    def open_round(self, permit: PermitId, n: int = 1, model: Arrays | None = None, participants: Any = None) -> None:
        hashed = model_hash(self.model if model is None else model)
        self.by_researcher.open_round(permit, n, hashed, participants or self.participants)

    def grid(self, bundle: bytes | None = None, nodes: Any = None, on_event: Any = None) -> InProcessGrid:
        grid = InProcessGrid(nodes or self.nodes, on_event)
        grid.deliver(self.bundle if bundle is None else bundle)
        return grid

    def send_round(
        self,
        permit: PermitId,
        n: int = 1,
        *,
        hospital: int = 0,
        purpose: int = DISEASE_RESEARCH,
        participants: Any = None,
        config: Any = None,
        model: Arrays | None = None,
        bundle: bytes | None = None,
        node: HospitalNode | None = None,
    ) -> Message:
        """One message to one node, through the grid."""
        claim = Claim(permit, n, purpose, participants or self.participants)
        content = round_content(claim, config or self.config, self.model if model is None else model)
        target = node or self.nodes[hospital]
        grid = self.grid(bundle, [target])
        signed = self.signed(target, "train", content)
        (reply,) = grid.send_and_receive([grid.create_message(signed, "train", target.node_id, str(n))])
        grid.close()
        return reply

    def ask(self, permit: PermitId, query: Query, key: Any, columns: Any, grid: Any = None, **arguments: Any) -> Answer:
        """The researcher's next query, over all hospitals, with the dictionary's layout to check its proof."""
        width = 0 if query.column is None else self.consortium.tables[0].width(query.column)
        with closing(grid or self.grid()) as open_grid:
            return ask(
                self.by_researcher,
                open_grid,
                permit,
                query,
                width=width,
                participants=self.participants,
                key=key,
                columns=columns,
                **arguments,
            )

    def turn(self, i: int, composing: Callable[..., Any]) -> None:
        """Hospital ``i`` composes its answers with ``composing(server, how it should, *what it is made of)``."""

        class Turned(QueryServer):
            def compose(self, *parts: Any) -> Any:
                return composing(self, super().compose, *parts)

        given = self.nodes[i]._queries
        self.nodes[i]._queries = Turned(**{each.name: getattr(given, each.name) for each in fields(given)})

    def traces(self) -> list[str]:
        return self.trace.read_text().split() if self.trace.exists() else []


def refusal_of(reply: Message) -> Refusal:
    assert reply.has_error(), "the node answered"
    assert not reply.has_content()
    assert reply.error.code == REFUSED, reply.error.reason
    return Refusal.from_json(reply.error.reason or "")


@pytest.fixture
def refused() -> Callable[[Message], Refusal]:
    return refusal_of


def new_scene(consortium: Consortium, folder: Path) -> Scene:
    trace = folder / "trace"
    return Scene(
        consortium,
        folder,
        trace,
        build_app(folder / "app", TRACED_APP.format(trace=str(trace))),
        glm_config(FEATURES, OUTCOME),
        initial_model(FEATURES),
    )


@pytest.fixture
def scene(simulated: Consortium, tmp_path: Path) -> Iterator[Scene]:
    """A study on the simulated registry."""
    made = new_scene(simulated, tmp_path)
    yield made
    for node in made.nodes:
        node.close()


@pytest.fixture(params=["simulated", "chain"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The same study on either registry."""
    made = new_scene(request.getfixturevalue("simulated" if request.param == "simulated" else "on_chain"), tmp_path)
    yield made
    for node in made.nodes:
        node.close()


@pytest.fixture
def on_chain_study(on_chain: Consortium, tmp_path: Path) -> Iterator[Scene]:
    """A study on the chain that the tests share."""
    made = new_scene(on_chain, tmp_path)
    yield made
    for node in made.nodes:
        node.close()


@pytest.fixture
def own_chain(tables: list[Any], shelf: Any, tmp_path: Path) -> Iterator[tuple[Any, Scene]]:
    """A chain process that the test may kill, and a study on it."""
    with chain_consortium(tmp_path / "chain", tables, shelf) as (chain, consortium):
        made = new_scene(consortium, tmp_path)
        yield chain, made
        for node in made.nodes:
            node.close()


HOOKED_APP = """
import hook_for_test
from flwr.app import Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.train()
def train(message, context):
    hook_for_test.while_computing()
    content = RecordDict({"arrays": message.content["arrays"], "metrics": MetricRecord({"num-examples": 1})})
    return Message(content, reply_to=message)
"""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``while_computing`` of this module is what happens in the world while the hooked study's code computes."""
    module = ModuleType("hook_for_test")
    monkeypatch.setitem(sys.modules, "hook_for_test", module)
    return module


@pytest.fixture
def hooked(scene: Scene, hook: ModuleType, app_builder: Callable[..., bytes]) -> Scene:
    """A scene whose study's code runs the hook, with a permit and an open round."""
    scene.bundle = app_builder(HOOKED_APP)
    scene.permit = scene.issue()
    scene.open_round(scene.permit)
    return scene


@pytest.fixture
def changed_model() -> Arrays:
    return {"coefficients": np.ones(len(FEATURES) + 1)}


@pytest.fixture
def layout(tables: list[Any]) -> Columns:
    """The researcher's and the board's copy of the dictionary's layout."""
    return columns_of(tables[0])
