"""What every registry offers: the chain's own and the simulated one, held to the same tests.

A registry reads for anybody and writes for one account; ``registry.as_(account)`` gives the same registry bound to
another account. Every read raises ``RegistryUnreachable`` when the chain does not answer: a gate turns that into
``View(head=None)``, on which ``decide`` answers ``CHAIN_UNREACHABLE``. Every write raises

* ``RegistryRefused`` when a contract refuses (``.reason`` is its word, ``.code`` the ``Reason`` or ``WriteRefusal``),
* ``RegistryArgumentError`` for an argument that no record can hold,
* ``RegistryUnreachable`` when the chain does not answer,

and returns once the write is final. Who may write what stands at the top of each contract.
"""

from typing import Protocol, Self, runtime_checkable

from belmont.identity.signed_message import Signer
from belmont.registry.claims import TotalClaim
from belmont.registry.consents.protocol import Consents
from belmont.registry.credits.protocol import Credits
from belmont.registry.duo.conditions import Conditions
from belmont.registry.identities.protocol import Identities
from belmont.registry.limits import FREEZE_MAX_SECONDS
from belmont.registry.relay.protocol import Relay
from belmont.registry.releases.protocol import Releases
from belmont.registry.rules.protocol import Rules
from belmont.registry.types import (
    ZERO_HASH,
    Address,
    AuditEvent,
    Dataset,
    DatasetId,
    DatasetVersion,
    Head,
    Member,
    MemberProfile,
    MicroRho,
    OpenedUse,
    PartStart,
    Permit,
    PermitId,
    ProofDomain,
    Proposal,
    ProposalId,
    PublishedTotal,
    RecordedUse,
    RoundState,
    Study,
    StudyId,
    StudyTerms,
    UseKind,
    View,
)
from belmont.zk.layout import Layout
from belmont.zk.validity import ValidityProof


class Account(Protocol):
    """Who writes: for the chain a ``LocalAccount`` of eth-account, which signs; a simulation needs only the address."""

    @property
    def address(self) -> str:
        """EIP-55 checksummed address."""


@runtime_checkable
class Registry(Protocol):
    """Members, datasets, studies, permits and uses of one consortium."""

    # --- who writes ---

    def as_(self, account: Account, identity: Address | None = None) -> Self:
        """The same registry, writing as ``account``, for ``identity`` (by default its own).

        An account acts for another identity as its owner or its delegate (docs/registry.md, "Acting").
        """

    @property
    def address(self) -> Address | None:
        """The identity this registry writes for; None when it only reads."""

    def signer(self) -> Signer:
        """The account that this registry writes as, to sign messages by. Raises RegistryArgumentError if it cannot."""

    # --- areas of their own ---

    @property
    def rules(self) -> Rules:
        """What the members can change about the consortium, and the pause."""

    @property
    def consents(self) -> Consents:
        """Which consents each dataset is used by."""

    @property
    def identities(self) -> Identities:
        """Who speaks for whom: keys and delegates."""

    @property
    def relay(self) -> Relay:
        """Messages that were signed with no network."""

    @property
    def credits(self) -> Credits:
        """Who contributed how much."""

    @property
    def releases(self) -> Releases:
        """Models that leave the consortium."""

    # --- reads ---

    @property
    def name(self) -> str:
        """The consortium's name, which another consortium may have as well."""

    @property
    def identity(self) -> str:
        """Which consortium this is, and no other: its chain and members contract as a CAIP-10 account identifier.

        What belongs to one consortium only (masks, a node's ledger) is bound to this.
        """

    def head(self) -> Head:
        """The newest block."""

    def view(self, permit_id: PermitId, dataset_id: DatasetId, kind: UseKind, n: int) -> View:
        """Everything that ``decide`` needs, read at one block.

        ``highest_head_seen`` is 0: the chain cannot know it. A gate fills it in from its own ledger with
        ``dataclasses.replace``.
        """

    def member(self, address: Address) -> Member | None:
        """A member by address, removed ones too; None for an account that was never admitted."""

    def members(self) -> list[Member]:
        """Every member ever admitted, in order of admission."""

    def proposal(self, proposal_id: ProposalId) -> Proposal | None:
        """A vote on admission or removal."""

    def proposals(self) -> list[Proposal]:
        """Every vote on admission or removal, in order."""

    def dataset(self, dataset_id: DatasetId) -> Dataset | None:
        """A dataset by identifier."""

    def datasets(self) -> list[Dataset]:
        """Every dataset, in order of registration."""

    def version(self, dataset_id: DatasetId, number: int) -> DatasetVersion | None:
        """A version of a dataset; numbers begin with 1."""

    @property
    def proof_domain(self) -> ProofDomain:
        """What proofs of versions registered here state, so that they hold here and nowhere else."""

    def has_tables(self, layout_hash: bytes) -> bool:
        """Whether a layout's tables are registered."""

    def is_reached(self, dataset_id: DatasetId, number: int, start: PartStart) -> bool:
        """Whether parts up to ``start`` are accepted for a version, so that one can go on from there."""

    def study(self, study_id: StudyId) -> Study | None:
        """A study by number; numbers begin with 1."""

    def studies(self) -> list[Study]:
        """Every study, in order of application."""

    def permit(self, permit_id: PermitId) -> Permit | None:
        """A permit; it has the number of its study."""

    def permits(self) -> list[Permit]:
        """Every permit, in order of number."""

    def opened(self, permit_id: PermitId, kind: UseKind, n: int) -> OpenedUse | None:
        """A round or query as it was opened."""

    def round_state(self, permit_id: PermitId, n: int) -> RoundState:
        """Who recorded a use in a round, and whether it is closed, read at one block and from known code only.

        Whoever acts on it holds the head against the clock and the highest head seen, as ``decide`` does.
        """

    def rho_spent(self, permit_id: PermitId, dataset_id: DatasetId) -> MicroRho:
        """What the permit has spent on one dataset."""

    def uses(self, permit_id: PermitId | None = None) -> list[RecordedUse]:
        """The recorded uses of one permit, or of all, in chain order."""

    def totals(self, permit_id: PermitId | None = None) -> list[PublishedTotal]:
        """The published totals of one permit, or of all, in chain order."""

    def audit_events(self) -> list[AuditEvent]:
        """Every event of all contracts, in chain order."""

    # --- members ---

    def propose_admission(self, profile: MemberProfile, documents: bytes) -> ProposalId:
        """Propose a new member and support it; ``documents`` is the binary CID of what the members read first."""

    def propose_removal(self, account: Address, documents: bytes = b"") -> ProposalId:
        """Propose to remove a member for good, and support it; ``documents`` may name the grounds by their CID."""

    def replace_keys(self, mask_key: bytes, node_key_hash: bytes) -> None:
        """Replace one's own mask key and the hash of one's Flower node key."""

    def support(self, proposal_id: ProposalId) -> None:
        """Vote for an admission or removal; the vote that makes a majority of the active members carries it out."""

    def tally_proposal(self, proposal_id: ProposalId) -> None:
        """Carry out an admission or removal whose support became enough because the members changed."""

    # --- datasets ---

    def register_dataset(
        self,
        name: str,
        duo_terms: int,
        dictionary_hash: bytes,
        sensitivity: int,
        categories: int,
        retention_until: int,
        rho_cap: MicroRho,
        conditions: Conditions | None = None,
    ) -> DatasetId:
        """Register a dataset, without a version yet, to be kept for one to five years.

        ``conditions`` are the same terms with their parameters (docs/duo.md), where there are any.
        """

    def add_version(
        self, dataset_id: DatasetId, cid: bytes, rows: int, commitments_root: bytes, consent_root: bytes
    ) -> int:
        """Add a version built at the dataset's current consent root; returns its number.

        It is usable once it is proven (``belmont.registry.proving``). A version whose ``commitments_root`` is
        ``ZERO_HASH`` can never be.
        """

    def extend_retention(self, dataset_id: DatasetId, retention_until: int) -> None:
        """Put off a dataset's retention date, to five years from now at most."""

    def freeze_dataset(self, dataset_id: DatasetId) -> None:
        """Stop every use of a dataset until it is unfrozen."""

    def unfreeze_dataset(self, dataset_id: DatasetId) -> None:
        """Allow the use of a dataset again."""

    def destroy_dataset(self, dataset_id: DatasetId, destruction_hash: bytes) -> None:
        """Record that a dataset is gone, for good, with the SHA-256 of the report on what was destroyed."""

    # --- proofs ---

    def register_tables(self, layout: Layout) -> None:
        """Have the contract compute what it needs of a layout, once for each; anybody may."""

    def prove_version(
        self, dataset_id: DatasetId, number: int, text_hash: bytes, proof: ValidityProof, start: PartStart
    ) -> None:
        """Have the contract verify one part of a version's proof; the last part makes the version proven.

        ``text_hash`` is that of the dataset's dictionary. Anybody may relay a proof; it names the dataset's holder.
        ``belmont.registry.proving`` does all of this for a table.
        """

    # --- studies ---

    def propose(self, terms: StudyTerms) -> StudyId:
        """Apply for a permit.

        Refused where the conditions of a dataset do not permit the intended use; what they leave to the board is
        recorded with the study.
        """

    def propose_amendment(self, permit_id: PermitId, terms: StudyTerms) -> StudyId:
        """Apply for other terms of one's permit: a vote and acceptances of its own.

        The new permit takes the old one's place. What was used before counts against the new terms.
        """

    def vote(self, study_id: StudyId, approve: bool, reason: str = "", conditions_hash: bytes = ZERO_HASH) -> None:
        """Vote as a member of the ethics board; the text of the reason stays off chain, its SHA-256 goes on.

        A vote for the study may set conditions, by ``ApprovalConditions(...).hash`` of ``belmont.identity``.
        """

    def recuse(self, study_id: StudyId, reason: str = "") -> None:
        """Take no part in the vote on a study, as a member of the ethics board; for good.

        The quorum stays that of the whole board.
        """

    def agree(self, study_id: StudyId, conditions: bytes) -> None:
        """Agree to all conditions of one's study, by their running hash: ``study.conditions`` as it was read."""

    def tally(self, study_id: StudyId) -> None:
        """Decide a study whose votes became enough because the board changed."""

    def accept(self, study_id: StudyId, dataset_id: DatasetId) -> None:
        """Accept a study as the holder of one of its datasets."""

    def cancel(self, study_id: StudyId) -> None:
        """Take back an application that has no permit yet."""

    # --- permits ---

    def issue(self, study_id: StudyId) -> PermitId:
        """Issue the permit of a study that the board approved and every data holder accepted."""

    def freeze_permit(self, permit_id: PermitId, seconds: int = FREEZE_MAX_SECONDS, reason: str = "") -> None:
        """Stop a permit at once, for a while; once for each account."""

    def vote_lift(self, permit_id: PermitId) -> None:
        """Vote to end the current freeze early."""

    def vote_revoke(self, permit_id: PermitId, reason: str = "") -> None:
        """Vote to end a permit for good."""

    def tally_lift(self, permit_id: PermitId) -> None:
        """End a freeze early whose votes became enough because the board changed."""

    def tally_revoke(self, permit_id: PermitId) -> None:
        """End a permit for good whose votes became enough because the board changed."""

    def withdraw(self, permit_id: PermitId, dataset_id: DatasetId) -> None:
        """Take one's dataset out of a permit for good."""

    # --- uses ---

    def open_round(self, permit_id: PermitId, n: int, model_hash: bytes, participants: tuple[DatasetId, ...]) -> None:
        """Open the next round, for these participants in this order."""

    def open_query(self, permit_id: PermitId, n: int, query_hash: bytes, participants: tuple[DatasetId, ...]) -> None:
        """Open the next query, for all datasets that the permit covers, in the order of its terms."""

    def close_round(self, permit_id: PermitId, n: int) -> None:
        """Close an opened round over those that recorded a use of it, at least the approved minimum; as its data user.

        No further use of it is recorded, and holders then unmask its sum over just these.
        """

    def record_use(
        self,
        permit_id: PermitId,
        kind: UseKind,
        n: int,
        dataset_id: DatasetId,
        result_hash: bytes,
        rho: MicroRho,
        version: int,
        consent_root: bytes,
    ) -> None:
        """Record a use, and charge its rho, before the result leaves the data holder.

        ``version`` was computed on, in the rows that the consents at ``consent_root`` permit.
        """

    # --- totals ---

    def publish_total(self, claim: TotalClaim) -> None:
        """Have the contract check a total of a registered column and keep it, as the permit's data user.

        ``belmont.federated.query.publication`` makes the claims of a proved answer.
        """
