"""What contract tests run on: an EVM in memory with a clock of its own, and a consortium founded on it.

The EVM is the embedded chain's own (``belmont.chain.vm``), here without blocks on disk, signatures or JSON-RPC, which
other tests cover. It is a ``ChainPort``, so the whole registry runs on it.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.vm.chain_context import ChainContext
from eth.vm.message import Message
from eth.vm.transaction_context import BaseTransactionContext
from eth_account import Account as EthAccount
from eth_utils import keccak, to_canonical_address, to_checksum_address

from belmont.chain.deployment import predict_address
from belmont.chain.frames import KnownCode
from belmont.chain.reverts import revert_message
from belmont.chain.state_reads import StateReads
from belmont.chain.transactions import gas_min
from belmont.chain.vm import EmbeddedVM, Header
from belmont.registry import founding
from belmont.registry.chain_port import Creation, Log
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.consents.statements import ConsentState
from belmont.registry.consents.tree import Batch
from belmont.registry.contract_set import contract
from belmont.registry.errors import RegistryError, RegistryRefused
from belmont.registry.founding import found_on
from belmont.registry.protocol import Registry
from belmont.registry.reference.members import NOBODY
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import (
    Address,
    AnswerMode,
    Computation,
    DatasetId,
    Head,
    MemberProfile,
    MicroRho,
    PermitId,
    Role,
    StudyId,
    StudyTerms,
    UseKind,
)

GAS = 30_000_000
START = 1_750_000_000
HASH = b"\x11" * 32
ROWS = 100
"""Of every usable version."""
CONSENT = ConsentState().root
"""Of every dataset before its first batch."""
VETTING = b"\x01\x55\x12\x20" + bytes(32)
"""Content identifier of the documents of an admission."""
YEAR = 365 * 24 * 3600


TRANSLATED = KnownCode(StateReads(cast(Any, None)))
"""Contracts run here as in the chain's blocks. Nothing is ever written below a state of these tests, so nothing is read
from there."""


class EvmInMemory:
    """One transaction, one block; time passes only through ``now``."""

    def __init__(self) -> None:
        header = Header(difficulty=0, block_number=0, gas_limit=GAS, timestamp=START, state_root=BLANK_ROOT_HASH)
        self.state = EmbeddedVM.build_state(AtomicDB(), header, ChainContext(1337))
        self.state.use(TRANSLATED)
        self.number = 0
        self.now = START
        self.entries: list[Log] = []
        self.creations: dict[bytes, Creation] = {}
        self.gas_used = self.data_bytes = 0
        """By and of the newest transaction."""

    @property
    def chain_id(self) -> int:
        return 1337

    def head(self) -> Head:
        return Head(self.number, block_hash(self.number), self.now)

    def watch(self) -> Any:
        return SimpleNamespace(wait=lambda: time.sleep(0.01), close=lambda: None)

    def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        return [Head(each, block_hash(each), self.now) if each <= self.number else None for each in numbers]

    def calls(self, calls: Sequence[tuple[Address, bytes]], block: int | None = None) -> list[bytes]:
        assert block in (None, self.number), "this EVM keeps only the newest state"
        answers = []
        for to, data in calls:
            snapshot = self.state.snapshot()
            answers.append(bytes(self._execute(bytes(20), to, data).output))
            self.state.revert(snapshot)
        return answers

    def look(
        self, places: Sequence[tuple[Address, int]], calls: Sequence[tuple[Address, bytes]], block: int
    ) -> tuple[list[bytes], list[bytes | RegistryError]]:
        answers: list[bytes | RegistryError] = []
        for call in calls:
            try:
                answers += self.calls([call], block)
            except RegistryRefused as refused:
                answers.append(refused)
        return self.storage(places, block), answers

    def send(self, account: Any, to: Address | None, data: bytes) -> tuple[tuple[Log, ...], Address | None]:
        self.number += 1
        sender = to_canonical_address(account.address)
        snapshot = self.state.snapshot()
        try:
            nonce = self.state.get_nonce(sender)
            self.state.set_nonce(sender, nonce + 1)
            created = None if to else Address(predict_address(account.address, nonce))
            computation = self._execute(sender, to, data, created)
            executed = GAS - computation.get_gas_remaining()
            self.gas_used, self.data_bytes = gas_of(data, to is None, executed), len(data)
        except RegistryRefused:
            self.state.revert(snapshot)
            self.number -= 1
            raise
        transaction = keccak(b"transaction" + self.number.to_bytes(8, "big"))
        logs = tuple(
            Log(
                Address(to_checksum_address(address)),
                tuple(topic.to_bytes(32, "big") for topic in topics),
                bytes(found),
                self.number,
                self.now,
                transaction,
                index,
                block_hash(self.number),
            )
            for index, (address, topics, found) in enumerate(computation.get_log_entries())
        )
        self.entries += logs
        if created:
            self.creations[transaction] = Creation(Address(account.address), created, data)
        return logs, created

    def logs(
        self,
        addresses: Sequence[Address],
        topics: Sequence[bytes] = (),
        from_block: int = 0,
        to_block: int | None = None,
    ) -> list[Log]:
        return [
            log
            for log in self.entries
            if (not addresses or log.address in addresses)
            and (not topics or log.topics[0] in topics)
            and from_block <= log.block <= (self.number if to_block is None else to_block)
        ]

    def code(self, address: Address) -> bytes:
        return bytes(self.state.get_code(to_canonical_address(address)))

    def storage(self, places: Sequence[tuple[Address, int]], block: int | None = None) -> list[bytes]:
        assert block in (None, self.number), "this EVM keeps only the newest state"
        found = [self.state.get_storage(to_canonical_address(address), slot) for address, slot in places]
        return [value.to_bytes(32, "big") for value in found]

    def creation(self, transaction: bytes) -> Creation | None:
        return self.creations.get(transaction)

    def _execute(self, sender: bytes, to: Address | None, data: bytes, created: Address | None = None) -> Any:
        context = self.state.execution_context
        context._timestamp, context._block_number = self.now, self.number
        target = to_canonical_address(to or created)
        code = self.state.get_code(target) if to else data
        message = Message(
            gas=GAS,
            to=target if to else b"",
            sender=sender,
            value=0,
            data=data if to else b"",
            code=code,
            create_address=None if to else target,
        )
        kind = self.state.computation_class
        apply = kind.apply_message if to else kind.apply_create_message
        computation = apply(self.state, message, BaseTransactionContext(gas_price=0, origin=sender))
        if computation.is_error:
            raise RegistryRefused(revert_message(bytes(computation.output)) or repr(computation.error))
        return computation

    def mark(self) -> Callable[[], None]:
        """Remember everything; call the result to go back."""
        accounts = self.state._account_db
        snapshot, changed = self.state.snapshot(), frozenset(accounts._dirty_accounts)
        kept = (self.number, self.now, list(self.entries), dict(self.creations))

        def back() -> None:
            self.state.revert(snapshot)
            # py-evm keeps what was emptied and goes through it at every call: one test would slow down the next.
            for address in accounts._dirty_accounts - changed:
                accounts._dirty_accounts.discard(address)
                del accounts._account_stores[address]
            self.number, self.now, self.entries, self.creations = kept

        return back


def block_hash(number: int) -> bytes:
    return bytes(keccak(number.to_bytes(8, "big")))


def gas_of(data: bytes, creates: bool, executed: int) -> int:
    """Gas of a transaction: for its data and what they did, and at least for its data (EIP-7623)."""
    tokens = data.count(0) + 4 * (len(data) - data.count(0))
    return max(21_000 + 4 * tokens + 32_000 * creates + executed, gas_min(data, creates))


def account(number: int) -> Any:
    """Somebody with a key, for messages: of transactions this EVM asks for no signatures."""
    return EthAccount.from_key(keccak(number.to_bytes(4, "big")))


@dataclass
class Consortium:
    """Two data holders, a data user, three members of the board, an auditor, and somebody who is no member."""

    evm: EvmInMemory
    registry: ChainRegistry
    holder: Any
    other_holder: Any
    data_user: Any
    board: tuple[Any, Any, Any]
    auditor: Any
    non_member: Any
    shelf: Any
    """Proofs (``tests/conftest.py``), and the one table whose versions are usable."""
    made: int = field(default=0)

    def profile(self, account: Any, roles: Role, name: str = "Newcomer") -> MemberProfile:
        return MemberProfile(Address(account.address), name, f"did:ethr:0x539:{account.address}", roles)

    def dataset(self, holder: Any = None, versions: int = 1, rho_cap: int = 1_000, proven: bool = False) -> DatasetId:
        """A dataset, by default of the first holder and with one version; a proven version is usable."""
        self.made += 1
        registry = self.registry.as_(holder or self.holder)
        name, until = f"dataset {self.made}", self.evm.now + 5 * YEAR
        id_ = registry.register_dataset(name, 1 << 4, self.shelf.dictionary_hash, 1, 1, until, MicroRho(rho_cap))
        for _ in range(versions):
            self.version(id_, proven=proven)
        return id_

    def version(self, id_: DatasetId, consent: bytes = CONSENT, rows: int = ROWS, proven: bool = False) -> int:
        """A further version of a dataset."""
        holder = SimpleNamespace(address=self.registry.dataset(id_).holder)
        number = self.registry.as_(holder).add_version(id_, b"cid", rows, self.shelf.table(rows).root, consent)
        if proven:
            self.shelf.prove_version(self.registry.as_(self.non_member), id_, number, rows)
        return number

    def datasets(self, proven: bool = False) -> tuple[DatasetId, DatasetId]:
        """One dataset of each holder."""
        return self.dataset(self.holder, proven=proven), self.dataset(self.other_holder, proven=proven)

    def terms(self, datasets: tuple[DatasetId, ...], **changes: Any) -> StudyTerms:
        fields: dict[str, Any] = {
            "title": "A study",
            "protocol_hash": HASH,
            "purpose": 1 << 37,
            "code_hash": HASH,
            "config_hash": HASH,
            "datasets": datasets,
            "computations": Computation.TRAINING | Computation.QUERY,
            "rounds": 3,
            "queries": 2,
            "rho_per_dataset": 100,
            "min_hospitals": 2,
            "min_cohort": 10,
            "answer_mode": AnswerMode.EXACT,
            "duration_seconds": YEAR,
        }
        return StudyTerms(**{**fields, **changes})

    def study(self, datasets: tuple[DatasetId, ...] | None = None, **changes: Any) -> StudyId:
        """A proposed study."""
        return self.registry.as_(self.data_user).propose(self.terms(datasets or self.datasets(), **changes))

    def approve(self, study: StudyId) -> None:
        for member in self.board[:2]:
            self.registry.as_(member).vote(study, True)

    def accept(self, study: StudyId) -> None:
        for id_ in self.registry.study(study).terms.datasets:
            self.registry.as_(SimpleNamespace(address=self.registry.dataset(id_).holder)).accept(study, id_)

    def permit(self, datasets: tuple[DatasetId, ...] | None = None, **changes: Any) -> PermitId:
        """An issued permit."""
        study = self.study(datasets, **changes)
        self.approve(study)
        self.accept(study)
        return self.registry.as_(self.non_member).issue(study)

    def round(self, permit: PermitId, n: int = 1) -> None:
        """An opened round for all datasets of the permit."""
        covered = self.registry.permit(permit).covered
        self.registry.as_(self.data_user).open_round(permit, n, HASH, covered)

    def record(self, permit: PermitId, id_: DatasetId, n: int = 1, rho: int = 10, by: Any = None) -> None:
        registry = self.registry.as_(by or self.holder)
        dataset = registry.dataset(id_)
        version, root = dataset.versions, dataset.consent_root
        registry.record_use(permit, UseKind.ROUND, n, id_, HASH, MicroRho(rho), version, root)

    def change_consents(self, id_: DatasetId, salt: int = 1) -> bytes:
        """Another batch of consents; returns the dataset's new consent root."""
        holder = SimpleNamespace(address=self.registry.dataset(id_).holder)
        self.registry.as_(holder).consents.publish_batch(id_, Batch(bytes([salt]) * 32, 1))
        return self.registry.dataset(id_).consent_root

    def remove(self, account: Any) -> None:
        """Remove a member by vote."""
        everybody = (*self.board, self.auditor, self.holder, self.other_holder, self.data_user)
        voters = [each for each in everybody if each is not account]
        proposal = self.registry.as_(voters[0]).propose_removal(Address(account.address))
        for voter in voters[1:]:
            if self.registry.proposal(proposal).executed:
                break
            self.registry.as_(voter).support(proposal)
        assert self.registry.proposal(proposal).executed

    def enlarge_board(self) -> None:
        """Admit a fourth member to the board by vote: three are its quorum then."""
        newcomer = self.profile(self.non_member, Role.ETHICS_BOARD)
        proposal = self.registry.as_(self.auditor).propose_admission(newcomer, VETTING)
        for supporter in self.board:
            self.registry.as_(supporter).support(proposal)
        assert self.registry.member(Address(self.non_member.address)) is not None

    def events(self, *names: str) -> list[tuple[str, Any, dict[str, Any]]]:
        """Name, actor and details of every event with one of these names."""
        return [(each.name, each.actor, each.details) for each in self.registry.audit_events() if each.name in names]

    def call(self, by: Any, name: str, function: str, *args: Any) -> None:
        """A transaction that the registry's own methods would not send; ``args`` begin with who acts, if any."""
        self.evm.send(by, self.registry.addresses[name], contract(name).interface.encode_call(function, *args))


AREA_WRITES = {
    "rules": {
        "propose_rule", "propose_redemption", "support", "withdraw_support", "tally", "enact",
        "vote_pause", "tally_pause", "vote_resume", "tally_resume",
    },
    "consents": {"publish_batch", "enrol", "grant", "revoke"},
    "identities": {"change_owner", "add_delegate", "revoke_delegate"},
    "releases": {"release", "object", "vote_confirm", "tally_confirm", "settle", "withdraw"},
}  # fmt: skip
"""What the areas of a registry write; what the model has nothing of (code, signatures for a chain) is left out."""
AREAS = {"rules", "consents", "identities", "relay", "credits", "releases"}
PUBLIC = {each for each in vars(ChainRegistry) if not each.startswith("_")}
WRITES = {each for each in PUBLIC if hasattr(Registry, each)} - {"as_", "address", "signer", *AREAS}


def model_of(registry: ChainRegistry, shelf: Any, now: int) -> SimulatedRegistry:
    """A model of a consortium that was just founded, with the tables that its founder registered."""
    founders = [MemberProfile(each.address, each.name, each.did, each.roles) for each in registry.members()]
    model = SimulatedRegistry.found(registry.name, founders, now, registry.proof_domain)
    model.as_(type("Founder", (), {"address": NOBODY})).register_tables(shelf.layout)
    return model


class Both:
    """The contracts and the reference model behind one face: what is written is written to both, and has to agree.

    Reads come from the chain; ``model`` is the model.
    """

    def __init__(self, chain: ChainRegistry, model: SimulatedRegistry, evm: Any) -> None:
        self.chain, self.model, self._evm = chain, model, evm

    def as_(self, account: Any, identity: Address | None = None) -> "Both":
        return Both(self.chain.as_(account, identity), self.model.as_(account, identity), self._evm)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.chain, name)
        if name in AREA_WRITES:
            return Area(found, getattr(self.model, name), AREA_WRITES[name], self._write)
        return self._write(name, self.chain, self.model) if name in WRITES else found

    def agree_on_the_time(self) -> None:
        self.model.clock.advance(self._evm.now - self.model.clock(), heartbeat=False)

    def _write(self, name: str, *registries: Any) -> Callable[..., Any]:
        def written(*args: Any) -> Any:
            self.agree_on_the_time()
            outcomes: list[tuple[Any, RegistryRefused | None]] = []
            for registry in registries:
                try:
                    outcomes.append((getattr(registry, name)(*args), None))
                except RegistryRefused as error:
                    outcomes.append((error.reason, error))
            (chain, refusal), (model, other) = outcomes
            assert (chain, refusal is None) == (model, other is None), f"{name}{args}"
            if refusal is not None:
                raise refusal
            return chain

        return written


class Area:
    """One area of both registries; reads come from the chain."""

    def __init__(self, chain: Any, model: Any, writes: set[str], write: Callable[..., Any]) -> None:
        self._chain, self._model, self._writes, self._write = chain, model, writes, write

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._chain, name)
        return self._write(name, self._chain, self._model) if name in self._writes else found


def records(registry: Any) -> dict[str, Any]:
    """Everything that stands in a registry, but for the numbers of blocks, and what it tells about how it came there.

    The founding is left out: a chain tells of its contracts as well.
    """
    found: dict[str, Any] = {
        each: getattr(registry, each)() for each in ("members", "proposals", "datasets", "studies", "permits")
    }
    found |= {f"rules.{each}": getattr(registry.rules, each)() for each in ("settings", "proposals", "pause")}
    found["uses"] = [replace(each, block=0) for each in registry.uses()]
    found["credits"] = [registry.credits.balance(each.address) for each in registry.members()]
    found["pools"] = [registry.credits.pool(each.id) for each in registry.datasets()]
    found["statement"] = [replace(each, block=0) for each in registry.credits.entries()]
    found["releases"] = registry.releases.every()
    events = registry.audit_events()
    founder = next(each.actor for each in events if each.name == "ConsortiumFounded")
    found["events"] = [
        (each.contract, each.name, each.actor, {**each.details, "previous_change": 0})
        for each in events
        if each.actor != founder
    ]
    return found


@pytest.fixture
def paired(consortium: Consortium, both: Callable[[Consortium], Both]) -> Iterator[Consortium]:
    """The consortium, with the reference model beside the contracts; in the end the same stands on both."""
    pair = consortium.registry = both(consortium)
    yield consortium
    agree(pair)


@pytest.fixture(scope="module")
def paired_for_a_module(founded: Consortium, both: Callable[[Consortium], Both]) -> Iterator[Consortium]:
    """The same for what a module makes once; its tests take ``as_it_was`` of it, and never ``consortium``."""
    back = founded.evm.mark()
    made = replace(founded, registry=ChainRegistry(founded.evm, founded.registry.addresses))
    yield replace(made, registry=both(made))
    back()


@contextmanager
def as_it_was(made: Consortium) -> Iterator[Consortium]:
    """A paired consortium for one test: what that does to either of the two is undone, and in the end both agree."""
    back, model = made.evm.mark(), made.registry.model
    shared = (model._world.lock, *model._world.tables.values())
    chain = ChainRegistry(made.evm, made.registry.chain.addresses)
    pair = Both(chain, copy.deepcopy(model, {id(each): each for each in shared}), made.evm)
    yield replace(made, registry=pair)
    agree(pair)
    back()


def agree(pair: Both) -> None:
    """Refuse where the contracts and the model do not say the same."""
    pair.agree_on_the_time()
    assert records(pair.chain) == records(pair.model)


@pytest.fixture(scope="session")
def both() -> Callable[[Consortium], Both]:
    """The registry of a consortium that was just founded, with the reference model beside it."""
    return lambda made: Both(made.registry, model_of(made.registry, made.shelf, made.evm.now), made.evm)


@pytest.fixture
def evm() -> EvmInMemory:
    """An empty chain."""
    return EvmInMemory()


@pytest.fixture
def refused() -> Callable[[str], Any]:
    """``with refused("REASON"):`` the block reverts, with exactly this reason."""
    return lambda reason: pytest.raises(RegistryRefused, match=rf"^Refused: {reason}\.")


@pytest.fixture(scope="session")
def founded(shelf: Any) -> Consortium:
    evm = EvmInMemory()
    holder, other_holder, data_user, auditor, *board = (account(number) for number in range(1, 8))
    roles = {
        Role.DATA_HOLDER: (holder, other_holder),
        Role.DATA_USER: (data_user,),
        Role.ETHICS_BOARD: tuple(board),
        Role.AUDITOR: (auditor,),
    }
    founders = [
        MemberProfile(Address(each.address), f"{role.name} {place}", f"did:ethr:0x539:{each.address}", role)
        for role, accounts in roles.items()
        for place, each in enumerate(accounts)
    ]
    deployer = account(98)
    with pytest.MonkeyPatch.context() as patch:
        # The same addresses in every run, so that proofs from the last one hold.
        patch.setattr(founding, "EthAccount", SimpleNamespace(create=lambda: deployer))
        registry = found_on(evm, "Test consortium", founders)
    registry.as_(deployer).register_tables(shelf.layout)
    return Consortium(evm, registry, holder, other_holder, data_user, tuple(board), auditor, account(99), shelf)


@pytest.fixture
def consortium(founded: Consortium) -> Iterator[Consortium]:
    """The founded consortium; what a test does to it is undone afterwards."""
    back = founded.evm.mark()
    # What the registry remembers must not outlive what is undone.
    fresh = ChainRegistry(founded.evm, founded.registry.addresses)
    yield Consortium(**{**founded.__dict__, "registry": fresh})
    back()
