"""One consortium, twice: in memory, and on the embedded chain in a process of its own."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account import Account
from eth_utils import to_canonical_address

from belmont.chain.process import ChainProcess
from belmont.registry import founding
from belmont.registry.consents.statements import ConsentState
from belmont.registry.errors import RegistryRefused
from belmont.registry.founding import found, proxy_addresses
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
    ProofDomain,
    Role,
    StudyId,
    StudyTerms,
)

HASH, CONSENT = b"\x11" * 32, ConsentState().root
VETTING = b"\x01\x55\x12\x20" + bytes(32)
YEAR = 365 * 24 * 3600
ROWS = 100
CHAIN_ID = 1337


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
    shelf: Any
    """Proofs (``tests/conftest.py``)."""
    serials: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})

    def dataset(self, holder: Any, proven: bool = False) -> DatasetId:
        """A dataset of its own for each test, with one version."""
        registry = self.registry.as_(holder)
        self.serials[proven] += 1
        name = f"{'proven' if proven else 'registered'} dataset {self.serials[proven]}"
        until = self.now() + 2 * YEAR
        id_ = registry.register_dataset(name, 1 << 4, self.shelf.dictionary_hash, 1, 1, until, MicroRho(100))
        number = registry.add_version(id_, b"cid", ROWS, self.shelf.table(ROWS).root, CONSENT)
        if proven:
            self.shelf.prove_version(self.registry.as_(self.non_member), id_, number, ROWS)
        return id_

    def datasets(self, proven: bool = False) -> tuple[DatasetId, ...]:
        return tuple(self.dataset(holder, proven) for holder in self.holders)

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
    """The same in every run, so that proofs from the last one hold."""
    return [Account.from_key(hashlib.sha256(b"member %d" % place).digest()) for place in range(6)]


@pytest.fixture(scope="session")
def founders(accounts: list[Any]) -> list[MemberProfile]:
    roles = [Role.DATA_HOLDER, Role.DATA_HOLDER, Role.DATA_USER, Role.ETHICS_BOARD, Role.ETHICS_BOARD]
    return [
        MemberProfile(Address(each.address), f"Member {place}", f"did:ethr:0x539:{each.address}", role)
        for place, (each, role) in enumerate(zip(accounts, roles, strict=False))
    ]


def world(
    registry: Registry, accounts: list[Any], now: Callable[[], int], wait: Callable[[int], None], shelf: Any
) -> World:
    return World(registry, tuple(accounts[:2]), accounts[2], tuple(accounts[3:5]), accounts[5], now, wait, shelf)


@pytest.fixture(scope="session")
def deployer() -> Any:
    return Account.from_key(hashlib.sha256(b"deployer").digest())


@pytest.fixture(scope="session")
def simulated(accounts: list[Any], founders: list[MemberProfile], deployer: Any, shelf: Any) -> World:
    domain = ProofDomain(CHAIN_ID, to_canonical_address(proxy_addresses(deployer.address)["Datasets"]))
    registry = SimulatedRegistry.found("Consortium", founders, proof_domain=domain)
    return world(registry, accounts, registry.clock, registry.clock.advance, shelf)


@pytest.fixture(scope="session")
def chain_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainProcess]:
    with ChainProcess.start(tmp_path_factory.mktemp("chain"), heartbeat_seconds=0.5, chain_id=CHAIN_ID) as process:
        yield process


@pytest.fixture(scope="session")
def on_chain(
    chain_process: ChainProcess, accounts: list[Any], founders: list[MemberProfile], deployer: Any, shelf: Any
) -> World:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(founding, "EthAccount", SimpleNamespace(create=lambda: deployer))
        registry = found(chain_process.url, "Consortium", founders)
    return world(registry, accounts, lambda: registry.head().timestamp, lambda seconds: time.sleep(seconds + 1), shelf)


@pytest.fixture(params=["simulated", "on_chain"])
def any_world(request: pytest.FixtureRequest) -> World:
    """Each test that asks for it runs on both."""
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def refused() -> Callable[[str], Any]:
    """``with refused("REASON"):`` the write is refused, with exactly this reason."""
    return lambda reason: pytest.raises(RegistryRefused, match=rf"^Refused: {reason}\.")
