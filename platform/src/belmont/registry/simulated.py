"""A registry in memory with a clock of its own: the reference model behind the Protocol.

It keeps the same rules in the same order as the contracts (``belmont.registry.reference``), and stateful tests hold
the two together. It is for tests and for reading; it is not a chain, and nobody has to trust it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from belmont.identity.signed_message import Signer
from belmont.registry import arguments
from belmont.registry.claims import TotalClaim
from belmont.registry.consents.simulated import SimulatedConsents
from belmont.registry.credits.simulated import SimulatedCredits
from belmont.registry.duo.conditions import Conditions
from belmont.registry.errors import RegistryArgumentError, RegistryUnreachable
from belmont.registry.hashes import part_mark, reason_hash
from belmont.registry.identities.changes import as_signer
from belmont.registry.identities.simulated import SimulatedIdentities
from belmont.registry.limits import FREEZE_MAX_SECONDS
from belmont.registry.protocol import Account
from belmont.registry.reasons import WriteRefusal
from belmont.registry.reference import datasets, identities, members, permits, proofs, studies, totals, uses
from belmont.registry.reference.world import World, require
from belmont.registry.relay.simulated import SimulatedRelay
from belmont.registry.releases.simulated import SimulatedReleases
from belmont.registry.rules.simulated import SimulatedRules
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
    PermitStatus,
    ProofDomain,
    Proposal,
    ProposalId,
    PublishedTotal,
    RecordedUse,
    Role,
    RoundState,
    Study,
    StudyId,
    StudyTerms,
    UseKind,
    View,
)
from belmont.zk.layout import Layout
from belmont.zk.validity import ValidityProof


class Clock:
    """The simulated chain's time; call it for the current Unix second."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self) -> int:
        return self._world.now

    def advance(self, seconds: int, heartbeat: bool = True) -> None:
        """Let time pass; without a heartbeat no block is sealed, so the head grows old."""
        with self._world.lock:
            self._world.now += seconds
            if heartbeat:
                self._world.seal()


class SimulatedRegistry:
    """Implements ``belmont.registry.protocol.Registry`` in memory."""

    def __init__(
        self,
        world: World,
        sender: Address | None = None,
        switch: list[bool] | None = None,
        identity: Address | None = None,
        account: Account | None = None,
    ) -> None:
        self._world = world
        self._sender = sender
        self._account = account
        self._identity = identity
        self._reachable = switch if switch is not None else [True]
        self.clock = Clock(world)

    @classmethod
    def found(
        cls,
        name: str,
        founders: Sequence[MemberProfile],
        now: int = 1_750_000_000,
        proof_domain: ProofDomain | None = None,
    ) -> SimulatedRegistry:
        """Found a consortium at Unix second ``now``; with a ``proof_domain``, proofs for that one hold here."""
        arguments.check_text("name", name)
        for profile in founders:
            arguments.check_profile(profile)
        world = World(name, now, stated_domain=proof_domain)
        with world.writing():
            members.found(world, members.NOBODY, tuple(founders))
        return cls(world)

    def set_reachable(self, reachable: bool) -> None:
        """Simulate a chain that is down, for every handle of this registry."""
        self._reachable[0] = reachable

    # --- who writes ---

    def as_(self, account: Account, identity: Address | None = None) -> SimulatedRegistry:
        return SimulatedRegistry(self._world, Address(account.address), self._reachable, identity, account)

    @property
    def address(self) -> Address | None:
        return self._identity or self._sender

    # --- areas of their own ---

    @property
    def rules(self) -> SimulatedRules:
        return SimulatedRules(self)

    @property
    def consents(self) -> SimulatedConsents:
        return SimulatedConsents(self)

    @property
    def identities(self) -> SimulatedIdentities:
        return SimulatedIdentities(self)

    @property
    def relay(self) -> SimulatedRelay:
        return SimulatedRelay(self)

    @property
    def credits(self) -> SimulatedCredits:
        return SimulatedCredits(self)

    @property
    def releases(self) -> SimulatedReleases:
        return SimulatedReleases(self)

    # --- how ---

    @contextmanager
    def reading(self) -> Iterator[World]:
        """The world as it is, while the chain answers."""
        if not self._reachable[0]:
            raise RegistryUnreachable("the simulated chain is switched off")
        with self._world.lock:
            yield self._world

    @contextmanager
    def sending(self) -> Iterator[tuple[World, Address]]:
        """One transaction, of whoever sends it."""
        if self._sender is None:
            raise RegistryArgumentError("This registry only reads; bind it to an account with as_(account) first.")
        with self.reading() as world, world.writing():
            yield world, self._sender

    def actor(self) -> Address:
        """The identity that this registry writes for."""
        if self.address is None:
            raise RegistryArgumentError("This registry only reads; bind it to an account with as_(account) first.")
        return self.address

    def signer(self) -> Signer:
        """The account, where it can sign messages."""
        self.actor()
        return as_signer(self._account)

    @contextmanager
    def acting(self) -> Iterator[tuple[World, Address]]:
        """One transaction that decides, for this registry's identity."""
        with self.sending() as (world, sender):
            actor = self._identity or sender
            require(identities.speaks_for(world, actor, sender), WriteRefusal.NOT_THE_ACTOR)
            yield world, actor

    @contextmanager
    def working(self) -> Iterator[tuple[World, Address]]:
        """One routine transaction, for this registry's identity: a delegate's will do."""
        with self.sending() as (world, sender):
            actor = self._identity or sender
            require(identities.works_for(world, actor, sender), WriteRefusal.NOT_THE_ACTOR)
            yield world, actor

    # --- reads ---

    @property
    def name(self) -> str:
        return self._world.name

    @property
    def identity(self) -> str:
        return self._world.identity

    def head(self) -> Head:
        with self.reading() as world:
            return world.head

    def view(self, permit_id: PermitId, dataset_id: DatasetId, kind: UseKind, n: int) -> View:
        with self.reading() as world:
            dataset = self.dataset(dataset_id)
            permit = self.permit(permit_id)
            return View(
                head=world.head,
                permit=permit,
                dataset=replace(dataset, destruction_hash=ZERO_HASH) if dataset else None,
                version=world.versions.get((dataset_id, dataset.versions)) if dataset else None,
                opened=uses.opened_under(world, permit_id, kind, n),
                rho_spent=self.rho_spent(permit_id, dataset_id),
                recorded=(permit.line if permit else 0, kind, n, dataset_id) in world.recorded,
                holder_active=dataset is not None and members.is_active(world, dataset.holder, Role.DATA_HOLDER),
                data_user_active=permit is not None and members.is_active(world, permit.data_user, Role.DATA_USER),
                paused_until=world.pause.until,
            )

    def member(self, address: Address) -> Member | None:
        with self.reading() as world:
            return world.members.get(address)

    def members(self) -> list[Member]:
        with self.reading() as world:
            return list(world.members.values())

    def proposal(self, proposal_id: ProposalId) -> Proposal | None:
        with self.reading() as world:
            return world.proposals.get(proposal_id)

    def proposals(self) -> list[Proposal]:
        with self.reading() as world:
            return list(world.proposals.values())

    def dataset(self, dataset_id: DatasetId) -> Dataset | None:
        with self.reading() as world:
            found = world.datasets.get(dataset_id)
            return replace(found, consent_root=datasets.consent_root(world, dataset_id)) if found else None

    def datasets(self) -> list[Dataset]:
        with self.reading() as world:
            return [found for dataset_id in world.datasets if (found := self.dataset(dataset_id))]

    def version(self, dataset_id: DatasetId, number: int) -> DatasetVersion | None:
        with self.reading() as world:
            return world.versions.get((dataset_id, number))

    @property
    def proof_domain(self) -> ProofDomain:
        return self._world.proof_domain

    def has_tables(self, layout_hash: bytes) -> bool:
        arguments.check_hash("layout_hash", layout_hash)
        with self.reading() as world:
            return layout_hash in world.tables

    def is_reached(self, dataset_id: DatasetId, number: int, start: PartStart) -> bool:
        arguments.check_start(dataset_id, number, start)
        with self.reading() as world:
            return start.chunks == 0 or part_mark(dataset_id, number, start) in world.reached

    def study(self, study_id: StudyId) -> Study | None:
        with self.reading() as world:
            record = world.studies.get(study_id)
            if record is None:
                return None
            count = studies.count_votes(world, record)
            return Study(
                id=study_id,
                data_user=record.data_user,
                terms=record.terms,
                status=record.status,
                votes_for=count.votes_for,
                votes_against=count.votes_against,
                quorum=members.board_quorum(world),
                accepted=tuple(id_ for id_ in record.terms.datasets if id_ in record.accepted),
                proposed_at=record.proposed_at,
                amends=record.amends,
                abstentions=record.abstentions,
                ballots=record.ballots,
                recused=record.recused,
                conditions=record.conditions,
                conditions_count=sum(each.conditions_hash != ZERO_HASH for each in record.ballots),
                conditions_agreed=record.conditions != ZERO_HASH and record.conditions == record.agreed,
            )

    def studies(self) -> list[Study]:
        with self.reading() as world:
            return [study for study_id in world.studies if (study := self.study(study_id))]

    def permit(self, permit_id: PermitId) -> Permit | None:
        with self.reading() as world:
            record = world.permits.get(permit_id)
            if record is None:
                return None
            study = world.studies[StudyId(permit_id)]
            status = PermitStatus.FROZEN if record.frozen_until else PermitStatus.ACTIVE
            if record.superseded_by:
                status = PermitStatus.SUPERSEDED
            if record.revoked:
                status = PermitStatus.REVOKED
            return Permit(
                id=permit_id,
                data_user=study.data_user,
                terms=study.terms,
                status=status,
                issued_at=record.issued_at,
                expires_at=record.expires_at,
                frozen_until=record.frozen_until,
                rounds_opened=uses.opened_count(world, record.line, UseKind.ROUND),
                queries_opened=uses.opened_count(world, record.line, UseKind.QUERY),
                withdrawn=tuple(id_ for id_ in study.terms.datasets if not permits.is_covered(world, permit_id, id_)),
                line=record.line,
                superseded_by=record.superseded_by,
            )

    def permits(self) -> list[Permit]:
        with self.reading() as world:
            return [permit for permit_id in sorted(world.permits) if (permit := self.permit(permit_id))]

    def opened(self, permit_id: PermitId, kind: UseKind, n: int) -> OpenedUse | None:
        with self.reading() as world:
            return uses.opened_under(world, permit_id, kind, n)

    def round_state(self, permit_id: PermitId, n: int) -> RoundState:
        arguments.check_round(permit_id, n)
        with self.reading() as world:
            opened = uses.opened_under(world, permit_id, UseKind.ROUND, n)
            recorded = frozenset(uses.recorded_in(world, permit_id, n)) if opened else frozenset()
            return RoundState(opened, recorded, opened is not None and opened.closed, world.head)

    def rho_spent(self, permit_id: PermitId, dataset_id: DatasetId) -> MicroRho:
        with self.reading() as world:
            record = world.permits.get(permit_id)
            return MicroRho(world.spent.get((record.line, dataset_id), 0) if record else 0)

    def uses(self, permit_id: PermitId | None = None) -> list[RecordedUse]:
        with self.reading() as world:
            return [use for use in world.recorded.values() if permit_id in (None, use.permit_id)]

    def totals(self, permit_id: PermitId | None = None) -> list[PublishedTotal]:
        with self.reading() as world:
            return [total for total in world.totals.values() if permit_id in (None, total.permit_id)]

    def audit_events(self) -> list[AuditEvent]:
        with self.reading() as world:
            return list(world.events)

    # --- members ---

    def propose_admission(self, profile: MemberProfile, documents: bytes) -> ProposalId:
        arguments.check_profile(profile)
        arguments.check_cid(documents)
        with self.acting() as (world, by):
            return members.propose_admission(world, by, profile, documents)

    def propose_removal(self, account: Address, documents: bytes = b"") -> ProposalId:
        arguments.check_address("account", account)
        arguments.check_cid(documents)
        with self.acting() as (world, by):
            return members.propose_removal(world, by, account, documents)

    def replace_keys(self, mask_key: bytes, node_key_hash: bytes) -> None:
        arguments.check_hash("mask_key", mask_key)
        arguments.check_hash("node_key_hash", node_key_hash)
        with self.acting() as (world, by):
            members.replace_keys(world, by, mask_key, node_key_hash)

    def support(self, proposal_id: ProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        with self.acting() as (world, by):
            members.support(world, by, proposal_id)

    def tally_proposal(self, proposal_id: ProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        with self.sending() as (world, by):
            members.tally(world, by, proposal_id)

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
        fields = (name, duo_terms, dictionary_hash, sensitivity, categories, retention_until, rho_cap, conditions)
        arguments.check_registration(*fields)
        with self.acting() as (world, by):
            return datasets.register(world, by, *fields)

    def add_version(
        self, dataset_id: DatasetId, cid: bytes, rows: int, commitments_root: bytes, consent_root: bytes
    ) -> int:
        arguments.check_version(dataset_id, cid, rows, commitments_root, consent_root)
        with self.working() as (world, by):
            return datasets.add_version(world, by, dataset_id, cid, rows, commitments_root, consent_root)

    def extend_retention(self, dataset_id: DatasetId, retention_until: int) -> None:
        arguments.check_hash("dataset_id", dataset_id)
        arguments.check_number("retention_until", retention_until, 64)
        with self.acting() as (world, by):
            datasets.extend_retention(world, by, dataset_id, retention_until)

    def freeze_dataset(self, dataset_id: DatasetId) -> None:
        arguments.check_hash("dataset_id", dataset_id)
        with self.acting() as (world, by):
            datasets.freeze(world, by, dataset_id)

    def unfreeze_dataset(self, dataset_id: DatasetId) -> None:
        arguments.check_hash("dataset_id", dataset_id)
        with self.acting() as (world, by):
            datasets.unfreeze(world, by, dataset_id)

    def destroy_dataset(self, dataset_id: DatasetId, destruction_hash: bytes) -> None:
        arguments.check_hash("dataset_id", dataset_id)
        arguments.check_hash("destruction_hash", destruction_hash)
        with self.acting() as (world, by):
            datasets.destroy(world, by, dataset_id, destruction_hash)

    # --- proofs ---

    def register_tables(self, layout: Layout) -> None:
        arguments.check_layout(layout)
        with self.sending() as (world, by):
            proofs.register_tables(world, by, layout)

    def prove_version(
        self, dataset_id: DatasetId, number: int, text_hash: bytes, proof: ValidityProof, start: PartStart
    ) -> None:
        arguments.check_part(dataset_id, number, text_hash, proof, start)
        with self.sending() as (world, by):
            proofs.prove(world, by, dataset_id, number, text_hash, proof, start)

    # --- studies ---

    def propose(self, terms: StudyTerms) -> StudyId:
        arguments.check_terms(terms)
        with self.acting() as (world, by):
            return studies.propose(world, by, terms)

    def propose_amendment(self, permit_id: PermitId, terms: StudyTerms) -> StudyId:
        arguments.check_number("permit_id", permit_id, 64)
        arguments.check_terms(terms)
        with self.acting() as (world, by):
            return studies.propose_amendment(world, by, permit_id, terms)

    def vote(self, study_id: StudyId, approve: bool, reason: str = "", conditions_hash: bytes = ZERO_HASH) -> None:
        arguments.check_number("study_id", study_id, 64)
        arguments.check_hash("conditions_hash", conditions_hash)
        with self.acting() as (world, by):
            studies.vote(world, by, study_id, approve, conditions_hash, reason_hash(reason))

    def recuse(self, study_id: StudyId, reason: str = "") -> None:
        arguments.check_number("study_id", study_id, 64)
        with self.acting() as (world, by):
            studies.recuse(world, by, study_id, reason_hash(reason))

    def agree(self, study_id: StudyId, conditions: bytes) -> None:
        arguments.check_number("study_id", study_id, 64)
        arguments.check_hash("conditions", conditions)
        with self.acting() as (world, by):
            studies.agree(world, by, study_id, conditions)

    def tally(self, study_id: StudyId) -> None:
        arguments.check_number("study_id", study_id, 64)
        with self.sending() as (world, by):
            studies.tally(world, by, study_id)

    def accept(self, study_id: StudyId, dataset_id: DatasetId) -> None:
        arguments.check_number("study_id", study_id, 64)
        arguments.check_hash("dataset_id", dataset_id)
        with self.acting() as (world, by):
            studies.accept(world, by, study_id, dataset_id)

    def cancel(self, study_id: StudyId) -> None:
        arguments.check_number("study_id", study_id, 64)
        with self.acting() as (world, by):
            studies.cancel(world, by, study_id)

    # --- permits ---

    def issue(self, study_id: StudyId) -> PermitId:
        arguments.check_number("study_id", study_id, 64)
        with self.sending() as (world, by):
            return permits.issue(world, by, study_id)

    def freeze_permit(self, permit_id: PermitId, seconds: int = FREEZE_MAX_SECONDS, reason: str = "") -> None:
        arguments.check_number("permit_id", permit_id, 64)
        arguments.check_number("seconds", seconds, 64)
        with self.acting() as (world, by):
            permits.freeze(world, by, permit_id, seconds, reason_hash(reason))

    def vote_lift(self, permit_id: PermitId) -> None:
        arguments.check_number("permit_id", permit_id, 64)
        with self.acting() as (world, by):
            permits.vote_lift(world, by, permit_id)

    def vote_revoke(self, permit_id: PermitId, reason: str = "") -> None:
        arguments.check_number("permit_id", permit_id, 64)
        with self.acting() as (world, by):
            permits.vote_revoke(world, by, permit_id, reason_hash(reason))

    def tally_lift(self, permit_id: PermitId) -> None:
        arguments.check_number("permit_id", permit_id, 64)
        with self.sending() as (world, by):
            permits.tally_lift(world, by, permit_id)

    def tally_revoke(self, permit_id: PermitId) -> None:
        arguments.check_number("permit_id", permit_id, 64)
        with self.sending() as (world, by):
            permits.tally_revoke(world, by, permit_id)

    def withdraw(self, permit_id: PermitId, dataset_id: DatasetId) -> None:
        arguments.check_number("permit_id", permit_id, 64)
        arguments.check_hash("dataset_id", dataset_id)
        with self.acting() as (world, by):
            permits.withdraw(world, by, permit_id, dataset_id)

    # --- uses ---

    def open_round(self, permit_id: PermitId, n: int, model_hash: bytes, participants: tuple[DatasetId, ...]) -> None:
        arguments.check_opening(permit_id, n, model_hash, participants)
        with self.working() as (world, by):
            uses.open_use(world, by, permit_id, UseKind.ROUND, n, model_hash, participants)

    def open_query(self, permit_id: PermitId, n: int, query_hash: bytes, participants: tuple[DatasetId, ...]) -> None:
        arguments.check_opening(permit_id, n, query_hash, participants)
        with self.working() as (world, by):
            uses.open_use(world, by, permit_id, UseKind.QUERY, n, query_hash, participants)

    def close_round(self, permit_id: PermitId, n: int) -> None:
        arguments.check_round(permit_id, n)
        with self.working() as (world, by):
            uses.close_round(world, by, permit_id, n)

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
        arguments.check_use(permit_id, kind, n, dataset_id, result_hash, rho, version, consent_root)
        with self.working() as (world, by):
            uses.record(world, by, permit_id, kind, n, dataset_id, result_hash, rho, version, consent_root)

    # --- totals ---

    def publish_total(self, claim: TotalClaim) -> None:
        arguments.check_claim(claim)
        with self.working() as (world, by):
            totals.publish(world, by, claim)
