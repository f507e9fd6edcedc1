"""One consortium for the service's tests: a real chain process, members in every role, proven datasets."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account

from belmont.chain.process import ChainProcess
from belmont.registry import founding
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.consents.statements import ConsentState
from belmont.registry.founding import found
from belmont.registry.types import (
    Address,
    AnswerMode,
    Computation,
    DatasetId,
    MemberProfile,
    MicroRho,
    PermitId,
    Role,
    StudyId,
    StudyTerms,
)
from belmont.service.access.limits import DEFAULT_RATES, Rate
from belmont.service.config import ServiceConfig

if TYPE_CHECKING:
    from tests.service.running import Running

CHAIN_ID = 1337
METRICS_TOKEN = "token-of-the-machine-that-reads-figures"
YEAR = 365 * 24 * 3600
ROWS = 100
ROLES = {
    "holder": Role.DATA_HOLDER,
    "other_holder": Role.DATA_HOLDER,
    "third_holder": Role.DATA_HOLDER,
    "data_user": Role.DATA_USER,
    "board": Role.ETHICS_BOARD,
    "other_board": Role.ETHICS_BOARD,
    "lay": Role.ETHICS_BOARD | Role.LAY,
    "auditor": Role.AUDITOR,
    "removed": Role.DATA_USER,
}
"""Members by the name that tests call them by."""


def account_of(name: str) -> Any:
    """The same in every run, so that proofs of the last one hold."""
    return Account.from_key(hashlib.sha256(f"service {name}".encode()).digest())


@dataclass
class World:
    """A consortium on a chain, and what tests do with it."""

    url: str
    registry: ChainRegistry
    shelf: Any
    datasets: tuple[DatasetId, ...] = ()
    serial: int = 0
    people: dict[str, Any] = field(default_factory=dict)

    def as_(self, name: str) -> ChainRegistry:
        """The registry, writing as a member."""
        return self.registry.as_(self.people[name])

    def address(self, name: str) -> Address:
        return Address(self.people[name].address)

    def terms(self, **changes: Any) -> StudyTerms:
        self.serial += 1
        fields: dict[str, Any] = {
            "title": f"Herzinfarkt früh erkennen {self.serial}",
            "protocol_hash": hashlib.sha256(b"protocol %d" % self.serial).digest(),
            "purpose": 1 << 37,
            "code_hash": b"\x11" * 32,
            "config_hash": b"\x22" * 32,
            "datasets": self.datasets,
            "computations": Computation.TRAINING | Computation.QUERY,
            "rounds": 5,
            "queries": 3,
            "rho_per_dataset": 50,
            "min_hospitals": 2,
            "min_cohort": 10,
            "answer_mode": AnswerMode.EXACT,
            "duration_seconds": YEAR,
        }
        return StudyTerms(**{**fields, **changes})

    def study(self, **changes: Any) -> StudyId:
        """An application that nobody voted on yet."""
        return self.as_("data_user").propose(self.terms(**changes))

    def permit(self, **changes: Any) -> PermitId:
        study = self.study(**changes)
        for name in ("board", "other_board"):
            self.as_(name).vote(study, True, "Sound.")
        for name, dataset in zip(("holder", "other_holder", "third_holder"), self.datasets, strict=True):
            self.as_(name).accept(study, dataset)
        return self.as_("data_user").issue(study)


@pytest.fixture(scope="session")
def chain_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainProcess]:
    with ChainProcess.start(tmp_path_factory.mktemp("chain"), heartbeat_seconds=0.5, chain_id=CHAIN_ID) as process:
        yield process


@pytest.fixture(scope="session")
def world(chain_process: ChainProcess, shelf: Any) -> World:
    people = {name: account_of(name) for name in ROLES}
    founders = [
        MemberProfile(Address(people[name].address), f"Member {name}", f"did:ethr:0x539:{people[name].address}", role)
        for name, role in ROLES.items()
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(founding, "EthAccount", SimpleNamespace(create=lambda: account_of("deployer")))
        registry = found(chain_process.url, "Consortium", founders)
    made = World(chain_process.url, registry, shelf, people=people)
    made.datasets = tuple(_dataset(made, name) for name in ("holder", "other_holder", "third_holder"))
    removal = made.as_("holder").propose_removal(made.address("removed"))
    for name in ("other_holder", "third_holder", "board", "other_board"):
        made.as_(name).support(removal)
    return made


def _dataset(world: World, holder: str) -> DatasetId:
    """A proven dataset of one hospital."""
    registry = world.as_(holder)
    until = int(time.time()) + 2 * YEAR
    id_ = registry.register_dataset(
        f"Records of {holder}", 1 << 4, world.shelf.dictionary_hash, 1, 7, until, MicroRho(1_000)
    )
    number = registry.add_version(id_, b"cid", ROWS, world.shelf.table(ROWS).root, ConsentState().root)
    world.shelf.prove_version(registry, id_, number, ROWS)
    return id_


@pytest.fixture(scope="session")
def config(world: World, tmp_path_factory: pytest.TempPathFactory) -> ServiceConfig:
    """Anybody may ask as often as tests do."""
    database: Path = tmp_path_factory.mktemp("service") / "service.sqlite"
    return ServiceConfig(
        name="University Hospital",
        chain=world.url,
        members=world.registry.addresses["Members"],
        public_url="http://127.0.0.1:8600",
        database=f"sqlite:///{database}",
        rates=dict.fromkeys(DEFAULT_RATES, Rate(100_000, 100_000)),
    )


@pytest.fixture(scope="session")
def service(world: World, config: ServiceConfig, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Running]":
    """The whole service, started, on this consortium; one patient is enrolled."""
    from tests.service.running import enrol_patient, running

    hospital = enrol_patient(world, tmp_path_factory.mktemp("hospital"))
    with running(world, replace(config, hospitals=(hospital,), metrics_token=METRICS_TOKEN)) as made:
        yield made
