"""The state of the reference model: everything the contracts store, in plain dictionaries of frozen values.

A write either happens as a whole or, when a rule refuses it, leaves no trace; every write is one block.
"""

import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from belmont.identity.typed_data import Domain
from belmont.registry.consents.statements import ConsentState, OwnConsent
from belmont.registry.credits.protocol import Balance
from belmont.registry.errors import RegistryRefused
from belmont.registry.releases.protocol import ModelRelease
from belmont.registry.rules.protocol import Pause, Rule, RuleProposal, RuleProposalId
from belmont.registry.types import (
    NO_PERMIT,
    ZERO_HASH,
    Abstention,
    Address,
    AuditEvent,
    Ballot,
    Dataset,
    DatasetId,
    DatasetVersion,
    Head,
    Member,
    MemberProfile,
    OpenedUse,
    PermitId,
    ProofDomain,
    Proposal,
    ProposalId,
    PublishedTotal,
    RecordedUse,
    StudyId,
    StudyStatus,
    StudyTerms,
    UseKind,
)
from belmont.zk.layout import Layout


@dataclass(frozen=True)
class StudyRecord:
    data_user: Address
    terms: StudyTerms
    status: StudyStatus
    proposed_at: int
    ballots: tuple[Ballot, ...] = ()
    recused: tuple[Address, ...] = ()
    conditions: bytes = ZERO_HASH
    """Running hash of those that votes set."""
    agreed: bytes = ZERO_HASH
    """The running hash that the data user agreed to."""
    accepted: frozenset[DatasetId] = frozenset()
    amends: PermitId = NO_PERMIT
    abstentions: tuple[Abstention, ...] = ()


@dataclass(frozen=True)
class PermitRecord:
    issued_at: int
    expires_at: int
    frozen_until: int = 0
    frozen_by: tuple[Address, ...] = ()
    """Who used up their one freeze; its length numbers the freezes."""
    lifts: tuple[Address, ...] = ()
    """Votes to lift the newest freeze."""
    revoked: bool = False
    line: PermitId = NO_PERMIT
    superseded_by: PermitId = NO_PERMIT


@dataclass
class World:
    """Everything on one simulated chain."""

    name: str
    now: int
    number: int = 0
    sealed_at: int = 0
    """Timestamp of the newest block."""
    members: dict[Address, Member] = field(default_factory=dict)
    proposals: dict[ProposalId, Proposal] = field(default_factory=dict)
    profiles: dict[ProposalId, MemberProfile] = field(default_factory=dict)
    mask_keys: dict[bytes, bool] = field(default_factory=dict)
    """Every mask key that a member ever had."""
    mask_key_of: dict[bytes, Address] = field(default_factory=dict)
    """For whom a mask key was proposed."""
    rules: dict[Rule, int] = field(default_factory=dict)
    """Those that were changed."""
    rule_proposals: dict[RuleProposalId, RuleProposal] = field(default_factory=dict)
    enacted_on_rule: dict[bytes, RuleProposalId] = field(default_factory=dict)
    """The latest proposal that was enacted on each rule."""
    enacted_on_code: dict[Address, RuleProposalId] = field(default_factory=dict)
    """And on the code behind each proxy."""
    pause: Pause = field(default_factory=lambda: Pause(0, 0))
    pause_votes: dict[tuple[int, Address], int] = field(default_factory=dict)
    """Until when a vote counts, by number of the pause and voter."""
    resume_votes: dict[tuple[int, Address], bool] = field(default_factory=dict)
    code: dict[Address, bytes] = field(default_factory=dict)
    """Hash of the code at an address, where somebody said so: the model runs none of it."""
    switches: int = 0
    rules_address: Address | None = None
    """Where Rules stands, if somebody told."""
    owners: dict[Address, Address] = field(default_factory=dict)
    """Of identities that changed their owner."""
    replaced_owners: dict[tuple[Address, Address], bool] = field(default_factory=dict)
    """By identity and former owner."""
    delegates: dict[tuple[Address, bytes, Address], int] = field(default_factory=dict)
    """Unix second from which on one is not valid any more, by identity, type and delegate."""
    delegations: dict[Address, tuple[tuple[bytes, Address], ...]] = field(default_factory=dict)
    """Delegates of the current owner, by type and account."""
    changed: dict[Address, int] = field(default_factory=dict)
    """Block of an identity's newest change."""
    used_nonces: dict[tuple[str, Address, int], bool] = field(default_factory=dict)
    """Of signed messages, by contract, actor and number."""
    wallets: dict[Address, tuple[tuple[Address, ...], int]] = field(default_factory=dict)
    """Owners and threshold of institutions' wallets."""
    balances: dict[Address, Balance] = field(default_factory=dict)
    pools: dict[DatasetId, Balance] = field(default_factory=dict)
    datasets: dict[DatasetId, Dataset] = field(default_factory=dict)
    versions: dict[tuple[DatasetId, int], DatasetVersion] = field(default_factory=dict)
    studies: dict[StudyId, StudyRecord] = field(default_factory=dict)
    permits: dict[PermitId, PermitRecord] = field(default_factory=dict)
    revocations: dict[PermitId, tuple[Address, ...]] = field(default_factory=dict)
    """Votes to revoke, by line."""
    withdrawn: dict[PermitId, frozenset[DatasetId]] = field(default_factory=dict)
    """By line."""
    revoked_lines: dict[PermitId, bool] = field(default_factory=dict)
    opened: dict[tuple[PermitId, UseKind, int], OpenedUse] = field(default_factory=dict)
    participants: dict[tuple[PermitId, UseKind, int], tuple[DatasetId, ...]] = field(default_factory=dict)
    spent: dict[tuple[PermitId, DatasetId], int] = field(default_factory=dict)
    recorded: dict[tuple[PermitId, UseKind, int, DatasetId], RecordedUse] = field(default_factory=dict)
    totals: dict[tuple[PermitId, int, int], PublishedTotal] = field(default_factory=dict)
    """By permit, query and column."""
    releases: dict[tuple[PermitId, bytes], ModelRelease] = field(default_factory=dict)
    """By permit and model; the status in them is that of the announcement."""
    consents: dict[DatasetId, ConsentState] = field(default_factory=dict)
    enrolled: dict[tuple[DatasetId, Address], OwnConsent] = field(default_factory=dict)
    """Patients' accounts, with the newest statement of each."""
    tables: dict[bytes, Layout] = field(default_factory=dict)
    reached: dict[bytes, bool] = field(default_factory=dict)
    """Marks of where a version's next part may start."""
    events: list[AuditEvent] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    identity: str = field(default_factory=lambda: f"simulated:{secrets.token_hex(16)}")
    stated_domain: ProofDomain | None = None
    stated_domains: dict[str, Domain] = field(default_factory=dict)
    """Of signed messages, by contract."""

    @property
    def proof_domain(self) -> ProofDomain:
        """By default the identity's own, so that a proof for one simulation does not hold in another."""
        return self.stated_domain or ProofDomain(0, hashlib.sha256(self.identity.encode()).digest()[:20])

    @property
    def head(self) -> Head:
        return Head(self.number, hashlib.sha256(f"block {self.number}".encode()).digest(), self.sealed_at)

    def seal(self) -> None:
        """Append a block at the clock's time."""
        self.number += 1
        self.sealed_at = self.now

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction in one block; a refusal restores all that was there before."""
        with self.lock:
            before = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "lock"}
            copies = {name: value.copy() if isinstance(value, dict | list) else value for name, value in before.items()}
            try:
                self.seal()
                yield
            except BaseException:
                for name, value in copies.items():
                    setattr(self, name, value)
                raise

    def emit(self, contract: str, event: str, actor: Address, /, **details: Any) -> None:
        transaction = hashlib.sha256(f"transaction {self.number}".encode()).digest()
        self.events.append(AuditEvent(self.number, self.now, transaction, contract, event, actor, details))


Value = TypeVar("Value")


def known(value: Value | None, reason: str) -> Value:
    """``value``, or refuse with ``reason`` when there is none."""
    if value is None:
        raise RegistryRefused(reason)
    return value


def require(condition: object, reason: str) -> None:
    """Refuse with ``reason`` unless ``condition`` holds."""
    if not condition:
        raise RegistryRefused(reason)
