"""One consortium, twice: in memory, and on the embedded chain in a process of its own."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from eth_account import Account

from belmont.chain.process import ChainProcess
from belmont.registry.errors import RegistryRefused
from belmont.registry.founding import found
from belmont.registry.protocol import Registry
from belmont.registry.simulated import SimulatedRegistry
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

HASH, CONSENT = b"\x11" * 32, b"\x22" * 32
YEAR = 365 * 24 * 3600
_serial = itertools.count(1)


@dataclass
class World:
    """A registry, the accounts of its members by role, and how to let time pass."""

    registry: Registry
    holders: tuple[Any, Any]
    data_user: Any
    board: tuple[Any, Any]
    non_member: Any
    now: Callable[[], int]
    wait: Callable[[int], None]

    def dataset(self, holder: Any) -> DatasetId:
        """A dataset of its own for each test, with one version."""
        registry = self.registry.as_(holder)
        id_ = registry.register_dataset(
            f"dataset {next(_serial)}", 1 << 4, HASH, 1, self.now() + YEAR, MicroRho(100), CONSENT
        )
        registry.add_version(id_, b"cid", 100, HASH, CONSENT)
        return id_

    def datasets(self) -> tuple[DatasetId, ...]:
        return tuple(self.dataset(holder) for holder in self.holders)

    def terms(self, datasets: tuple[DatasetId, ...], **changes: Any) -> StudyTerms:
        fields: dict[str, Any] = {
            "title": "Herzinfarkt früh erkennen",
            "protocol_hash": HASH,
            "purpose": 1 << 37,
            "code_hash": HASH,
            "config_hash": HASH,
            "datasets": datasets,
            "computations": Computation.TRAINING | Computation.QUERY,
            "rounds": 2,
            "queries": 1,
            "rho_per_dataset": 50,
            "min_hospitals": 2,
            "min_cohort": 10,
            "answer_mode": AnswerMode.EXACT,
            "duration_seconds": YEAR,
        }
        return StudyTerms(**{**fields, **changes})

    def approved(self, datasets: tuple[DatasetId, ...], **changes: Any) -> StudyId:
        study = self.registry.as_(self.data_user).propose(self.terms(datasets, **changes))
        for member in self.board:
            self.registry.as_(member).vote(study, True, "Sound.")
        return study

    def permit(self, datasets: tuple[DatasetId, ...], **changes: Any) -> PermitId:
        study = self.approved(datasets, **changes)
        for holder, id_ in zip(self.holders, datasets, strict=True):
            self.registry.as_(holder).accept(study, id_)
        return self.registry.as_(self.data_user).issue(study)


@pytest.fixture(scope="session")
def accounts() -> list[Any]:
    return [Account.create() for _ in range(6)]


@pytest.fixture(scope="session")
def founders(accounts: list[Any]) -> list[MemberProfile]:
    roles = [Role.DATA_HOLDER, Role.DATA_HOLDER, Role.DATA_USER, Role.ETHICS_BOARD, Role.ETHICS_BOARD]
    return [
        MemberProfile(Address(each.address), f"Member {place}", f"did:ethr:0x539:{each.address}", role)
        for place, (each, role) in enumerate(zip(accounts, roles, strict=False))
    ]


def world(registry: Registry, accounts: list[Any], now: Callable[[], int], wait: Callable[[int], None]) -> World:
    return World(registry, tuple(accounts[:2]), accounts[2], tuple(accounts[3:5]), accounts[5], now, wait)


@pytest.fixture(scope="session")
def simulated(accounts: list[Any], founders: list[MemberProfile]) -> World:
    registry = SimulatedRegistry.found("Consortium", founders)
    return world(registry, accounts, registry.clock, registry.clock.advance)


@pytest.fixture(scope="session")
def chain_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainProcess]:
    with ChainProcess.start(tmp_path_factory.mktemp("chain"), heartbeat_seconds=0.5) as process:
        yield process


@pytest.fixture(scope="session")
def on_chain(chain_process: ChainProcess, accounts: list[Any], founders: list[MemberProfile]) -> World:
    registry = found(chain_process.url, "Consortium", founders)
    return world(registry, accounts, lambda: registry.head().timestamp, lambda seconds: time.sleep(seconds + 1))


@pytest.fixture(params=["simulated", "on_chain"])
def any_world(request: pytest.FixtureRequest) -> World:
    """Each test that asks for it runs on both."""
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def refused() -> Callable[[str], Any]:
    """``with refused("REASON"):`` the write is refused, with exactly this reason."""
    return lambda reason: pytest.raises(RegistryRefused, match=rf"^Refused: {reason}\.")
