"""The registry's domain values: what the chain records, as frozen Python objects.

Units: every time is whole Unix seconds of the chain's clock; rho is zero-concentrated differential
privacy (Bun and Steinke, TCC 2016) in whole micro-units, so that budgets add up without rounding.
Hashes and identifiers are 32 raw bytes; addresses are EIP-55 checksummed strings.
"""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any, NewType

from belmont.registry.duo.conditions import Conditions
from belmont.registry.duo.intended_use import SILENT, Declaration, IntendedUse
from belmont.registry.duo.terms import Term

Address = NewType("Address", str)
DatasetId = NewType("DatasetId", bytes)
StudyId = NewType("StudyId", int)
ProposalId = NewType("ProposalId", int)
PermitId = NewType("PermitId", int)
"""A permit has the number of the study it was issued for; 0 is never issued."""
NO_PERMIT = PermitId(0)
MicroRho = NewType("MicroRho", int)
"""Privacy loss in millionths of rho (zCDP)."""

ZERO_HASH = bytes(32)


class Role(IntFlag):
    """What a member may do. A member may hold several roles, but not data user and ethics board together.

    LAY is a member of the public on the ethics board.
    """

    NONE = 0
    DATA_HOLDER = 1
    DATA_USER = 2
    ETHICS_BOARD = 4
    AUDITOR = 8
    LAY = 16


class MemberStatus(IntEnum):
    UNKNOWN = 0
    ACTIVE = 1
    REMOVED = 2


class DatasetStatus(IntEnum):
    UNKNOWN = 0
    ACTIVE = 1
    FROZEN = 2
    DESTROYED = 3


class VersionStatus(IntEnum):
    UNKNOWN = 0
    REGISTERED = 1
    PROVEN = 2


class StudyStatus(IntEnum):
    UNKNOWN = 0
    PROPOSED = 1
    APPROVED = 2
    REFUSED = 3
    CANCELLED = 4


class PermitStatus(IntEnum):
    """Status as recorded: past ``expires_at`` a permit is expired whatever it says.

    FROZEN ends at ``frozen_until``.
    """

    UNKNOWN = 0
    ACTIVE = 1
    FROZEN = 2
    REVOKED = 3
    SUPERSEDED = 4


class Computation(IntFlag):
    """Kinds of computation that a study asks for."""

    NONE = 0
    TRAINING = 1
    QUERY = 2


class AnswerMode(IntEnum):
    """Whether answers are exact totals, or carry the hospitals' noise and no round is without."""

    EXACT = 1
    PRIVATE = 2


class ProposalKind(IntEnum):
    """What the members vote on among themselves."""

    ADMISSION = 1
    REMOVAL = 2


class UseKind(IntEnum):
    """What is charged: one federated round or one encrypted query."""

    ROUND = 1
    QUERY = 2


@dataclass(frozen=True)
class Head:
    """The newest block a node has seen."""

    number: int
    hash: bytes
    timestamp: int


@dataclass(frozen=True)
class Member:
    address: Address
    name: str
    did: str
    mask_key: bytes
    """X25519 public key (RFC 7748), 32 bytes; zero where the member masks nothing."""
    node_key_hash: bytes
    roles: Role
    status: MemberStatus


@dataclass(frozen=True)
class MemberProfile:
    """Who is to be admitted, as a founder or by the members' vote."""

    address: Address
    name: str
    did: str
    roles: Role
    mask_key: bytes = ZERO_HASH
    """X25519 public key (RFC 7748), 32 bytes; zero where the member masks nothing."""
    node_key_hash: bytes = ZERO_HASH


@dataclass(frozen=True)
class Proposal:
    """A vote among the members on admitting or removing one account."""

    id: ProposalId
    kind: ProposalKind
    account: Address
    proposer: Address
    supporters: tuple[Address, ...]
    """Everyone who voted for it, the proposer first; only those still active are counted."""
    proposed_at: int
    executed: bool
    open_until: int = 0
    """Unix seconds; it can be supported before."""
    documents: bytes = b""
    """Binary content identifier of the vetting, or of the grounds of a removal."""


@dataclass(frozen=True)
class DatasetVersion:
    dataset_id: DatasetId
    number: int
    cid: bytes
    """Binary CIDv1 of the encrypted root in the holder's vault."""
    rows: int
    commitments_root: bytes
    consent_root: bytes
    """The consent root this version was built at."""
    status: VersionStatus
    registered_at: int


@dataclass(frozen=True)
class Dataset:
    id: DatasetId
    holder: Address
    name: str
    duo_terms: int
    """GA4GH DUO codes as a bitmask: bit n stands for DUO:00000nn (short number, 4 = NRES ... 46 = NCU)."""
    dictionary_hash: bytes
    sensitivity: int
    categories: int
    """Categories of data as a bitmask (docs/consents.md, "Scope")."""
    retention_until: int
    rho_cap: MicroRho
    """Lifetime cap over all permits."""
    rho_spent: MicroRho
    consent_root: bytes
    """The current one, which the contract Consents computes."""
    status: DatasetStatus
    versions: int
    destruction_hash: bytes = ZERO_HASH
    """SHA-256 of the holder's report on what was destroyed; zero until then."""
    conditions: Conditions | None = None
    """The terms with their parameters; the terms alone where nothing else is given."""

    @property
    def data_use(self) -> Conditions:
        """What the holder permits (docs/duo.md)."""
        return self.conditions or Conditions(Term(self.duo_terms))


@dataclass(frozen=True)
class ProofDomain:
    """What a proof of validity states besides its dataset: the chain, and the registry's contract `Datasets` on it."""

    chain_id: int
    contract: bytes
    """20 bytes."""


@dataclass(frozen=True)
class PartStart:
    """Where a part of a version's proof starts: after so many chunks and rows, with these commitments before it."""

    chunks: int = 0
    rows: int = 0
    column_hashes: tuple[bytes, ...] = ()
    """The hash of each committed column up to here (docs/protocol.md, "Root"); none at the first chunk."""
    previous: bytes = b""
    """The last commitment to pseudonyms, as 128 bytes; empty at the first chunk."""


@dataclass(frozen=True)
class StudyTerms:
    """What an application asks for, and what the permit then binds."""

    title: str
    protocol_hash: bytes
    purpose: int
    """DUO investigation-purpose codes as a bitmask, bit n for DUO:00000nn (31 ... 40)."""
    code_hash: bytes
    config_hash: bytes
    datasets: tuple[DatasetId, ...]
    computations: Computation
    rounds: int
    queries: int
    rho_per_dataset: MicroRho
    min_hospitals: int
    min_cohort: int
    answer_mode: AnswerMode
    duration_seconds: int
    """The permit expires this long after it is issued."""
    intended_use: Declaration = SILENT
    """What is declared of the use of data beyond the above."""

    def use_of(self, data_user: Address) -> IntendedUse:
        """What the conditions of datasets are held against (docs/duo.md)."""
        return IntendedUse.of(
            self.intended_use,
            purposes=self.purpose,
            user=data_user,
            project=self.protocol_hash,
            duration_seconds=self.duration_seconds,
        )


@dataclass(frozen=True)
class Abstention:
    """What the conditions of one dataset leave to the ethics board."""

    dataset_id: DatasetId
    terms: Term


@dataclass(frozen=True)
class Ballot:
    """A vote on a study as it was cast, also of somebody who has left the board since."""

    voter: Address
    approve: bool
    conditions_hash: bytes = ZERO_HASH
    """Of the conditions that it sets (``belmont.identity.approval_conditions``); zero for none."""


@dataclass(frozen=True)
class Study:
    id: StudyId
    data_user: Address
    terms: StudyTerms
    status: StudyStatus
    votes_for: int
    votes_against: int
    quorum: int
    accepted: tuple[DatasetId, ...]
    proposed_at: int
    amends: PermitId = NO_PERMIT
    """The permit that this study amends; 0 for none."""
    abstentions: tuple[Abstention, ...] = ()
    """Datasets whose conditions leave something to the board, in the order of the terms."""
    ballots: tuple[Ballot, ...] = ()
    """Every vote in order; ``votes_for`` and ``votes_against`` count those of who sits on the board now."""
    recused: tuple[Address, ...] = ()
    """Members of the board who take no part in the vote."""
    conditions: bytes = ZERO_HASH
    """Running hash of all conditions that votes set (``hashes.conditions_of``); zero for none."""
    conditions_count: int = 0
    """How many votes set conditions."""
    conditions_agreed: bool = False
    """Whether there are conditions and the data user agreed to exactly these."""

    @property
    def conditions_open(self) -> bool:
        """Whether no permit is issued until the data user agrees to the conditions."""
        return self.conditions_count > 0 and not self.conditions_agreed


@dataclass(frozen=True)
class Permit:
    id: PermitId
    data_user: Address
    terms: StudyTerms
    status: PermitStatus
    issued_at: int
    expires_at: int
    frozen_until: int
    rounds_opened: int
    queries_opened: int
    withdrawn: tuple[DatasetId, ...]
    """Named datasets that the permit covers no more: withdrawn, destroyed, or of a holder who is no longer a member."""
    line: PermitId = NO_PERMIT
    """The first permit of its line: amendments are counted with what they amend."""
    superseded_by: PermitId = NO_PERMIT
    """The permit of the amendment that took this one's place; 0 for none."""

    @property
    def covered(self) -> tuple[DatasetId, ...]:
        """The datasets that the permit still covers, in the order of the application."""
        return tuple(d for d in self.terms.datasets if d not in self.withdrawn)


@dataclass(frozen=True)
class OpenedUse:
    """A round or query as its data user opened it on chain."""

    permit_id: PermitId
    kind: UseKind
    n: int
    subject_hash: bytes
    """Hash of the model that the round starts from, or of the canonical query."""
    participants_hash: bytes
    """``participants_hash(participants)``: which datasets take part, and in which order."""
    opened_at: int
    closed: bool = False
    """Whether its data user closed it: no further use of it is recorded. A query never is."""


@dataclass(frozen=True)
class RoundState:
    """Who delivered in one round, read at one block: final, and the same for everybody, once it is closed."""

    opened: OpenedUse | None
    """None where it was not opened under this permit; nothing is recorded then."""
    recorded: frozenset[DatasetId]
    """The datasets whose use in it is recorded."""
    closed: bool
    head: Head
    """The block at which this was read."""


@dataclass(frozen=True)
class RecordedUse:
    """One data holder's record that its result was about to leave."""

    permit_id: PermitId
    kind: UseKind
    n: int
    dataset_id: DatasetId
    holder: Address
    result_hash: bytes
    rho: MicroRho
    block: int
    timestamp: int
    version: int = 0
    """The dataset's version that was computed on."""
    consent_root: bytes = ZERO_HASH
    """The consents that were applied."""


@dataclass(frozen=True)
class PublishedTotal:
    """A total that the contract checked against the registered columns; nobody has to trust who published it."""

    permit_id: PermitId
    n: int
    """Number of the query."""
    column: int
    """Place among the committed columns; 0 is `present`, whose total is the number of rows."""
    total: int
    rows: int
    """Rows of all hospitals' versions together."""
    question: bytes
    """Canonical JSON of what was asked."""
    data_user: Address
    block: int
    timestamp: int


@dataclass(frozen=True)
class View:
    """What one node reads from the chain, at one block, to decide on one request.

    ``head`` is None when the chain could not be reached; everything else is then empty.
    """

    head: Head | None
    highest_head_seen: int = 0
    """Highest block number this node ever acted on: a chain that went back behind it is stale."""
    permit: Permit | None = None
    dataset: Dataset | None = None
    """Without the hash of a destruction's report: nobody decides by it."""
    version: DatasetVersion | None = None
    """The newest version of the dataset."""
    opened: OpenedUse | None = None
    rho_spent: MicroRho = MicroRho(0)
    """What the permit has already spent on this dataset."""
    recorded: bool = False
    """Whether this dataset's holder already recorded a use for this permit, kind and n."""
    holder_active: bool = False
    data_user_active: bool = False
    paused_until: int | None = None
    """The consortium is paused until then; a time that is over where it is not, None where nobody said."""


@dataclass(frozen=True)
class Request:
    """What somebody asks a node to compute, in the node's own words: every hash is the node's own."""

    kind: UseKind
    permit_id: PermitId
    n: int
    dataset_id: DatasetId
    purpose: int
    code_hash: bytes
    config_hash: bytes
    subject_hash: bytes
    participants: tuple[DatasetId, ...]
    cohort_rows: int
    """Rows this hospital would compute on."""
    version: int
    """Number of the dataset version that those rows are; 0 if the node could open none."""
    consent_root: bytes
    """The consents by which those rows were chosen."""
    consented_until: int
    """Unix seconds at which the first of the consents to those rows ends."""
    left_out: int
    """Rows of the version without a consent that permits this use; a query is over all of them."""
    rho: MicroRho = field(default=MicroRho(0))


@dataclass(frozen=True)
class AuditEvent:
    """One event of one contract, decoded; all of them, in order, are the audit trail."""

    block: int
    timestamp: int
    transaction: bytes
    contract: str
    name: str
    actor: Address
    """Who acted: by sending the transaction, or by a signature that somebody relayed."""
    details: dict[str, Any]
    """The event's other fields under their names in snake_case: int, bool, str, raw bytes, or an Address."""
