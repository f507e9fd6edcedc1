"""The registry on a chain: reads through view functions (``chain_reads``), writes through signed transactions."""

from __future__ import annotations

from typing import Any

from belmont.chain.client import ChainClient
from belmont.identity.signed_message import Signer
from belmont.registry import arguments, records
from belmont.registry.chain_port import ChainPort
from belmont.registry.chain_reads import ChainReads, Unchanging
from belmont.registry.claims import TotalClaim
from belmont.registry.consents.chain import ChainConsents
from belmont.registry.contract_set import contract
from belmont.registry.credits.chain import ChainCredits
from belmont.registry.duo.conditions import Conditions
from belmont.registry.errors import RegistryArgumentError, RegistryUnreachable
from belmont.registry.hashes import dataset_id as dataset_id_of
from belmont.registry.hashes import reason_hash
from belmont.registry.identities.chain import ChainIdentities
from belmont.registry.identities.changes import as_signer
from belmont.registry.limits import FREEZE_MAX_SECONDS
from belmont.registry.proofs import boundaries, proof_struct, start_struct
from belmont.registry.protocol import Account
from belmont.registry.relay.chain import ChainRelay
from belmont.registry.releases.chain import ChainReleases
from belmont.registry.rpc_chain import RpcChain
from belmont.registry.rules.chain import ChainRules
from belmont.registry.types import (
    ZERO_HASH,
    Address,
    DatasetId,
    MemberProfile,
    MicroRho,
    PartStart,
    PermitId,
    ProposalId,
    StudyId,
    StudyTerms,
    UseKind,
)
from belmont.registry.verification import verify
from belmont.zk.layout import Layout
from belmont.zk.validity import ValidityProof


class ChainRegistry(ChainReads):
    """Implements ``belmont.registry.protocol.Registry`` on a chain; safe to share between threads."""

    def __init__(
        self,
        chain: ChainPort,
        addresses: dict[str, Address],
        account: Account | None = None,
        unchanging: Unchanging | None = None,
        identity: Address | None = None,
    ) -> None:
        """``addresses`` are those of a verified consortium: use ``connect`` or ``belmont.registry.founding.found``."""
        super().__init__(chain, addresses, unchanging)
        self._account = account
        self._identity = identity

    @classmethod
    def connect(cls, url: str, members_address: Address | None = None) -> ChainRegistry:
        """The consortium on the chain at ``url``; ``members_address`` says which, where there are several.

        Raises ``ConsortiumNotFound``, ``SeveralConsortia``, ``ConsortiumForged`` or ``RegistryUnreachable``.
        """
        chain = RpcChain(ChainClient(url))
        return cls(chain, verify(chain, members_address))

    def __repr__(self) -> str:
        bound = f", as {self._account.address}" if self._account else ""
        return f"ChainRegistry(members at {self.addresses['Members']}{bound})"

    # --- who writes ---

    def as_(self, account: Account, identity: Address | None = None) -> ChainRegistry:
        return ChainRegistry(self._chain, self.addresses, account, self._unchanging, identity)

    @property
    def address(self) -> Address | None:
        return self._identity or (Address(self._account.address) if self._account else None)

    # --- areas of their own ---

    @property
    def rules(self) -> ChainRules:
        return ChainRules(self)

    @property
    def consents(self) -> ChainConsents:
        return ChainConsents(self)

    @property
    def identities(self) -> ChainIdentities:
        return ChainIdentities(self)

    @property
    def relay(self) -> ChainRelay:
        return ChainRelay(self)

    @property
    def credits(self) -> ChainCredits:
        return ChainCredits(self)

    @property
    def releases(self) -> ChainReleases:
        return ChainReleases(self)

    # --- members ---

    def propose_admission(self, profile: MemberProfile, documents: bytes) -> ProposalId:
        arguments.check_profile(profile)
        arguments.check_cid(documents)
        its = records.profile_struct(profile), documents
        return ProposalId(self.act("Members", "proposeAdmission", *its, event="AdmissionProposed")["proposal"])

    def propose_removal(self, account: Address, documents: bytes = b"") -> ProposalId:
        arguments.check_address("account", account)
        arguments.check_cid(documents)
        fields = self.act("Members", "proposeRemoval", account, documents, event="RemovalProposed")
        return ProposalId(fields["proposal"])

    def replace_keys(self, mask_key: bytes, node_key_hash: bytes) -> None:
        arguments.check_hash("mask_key", mask_key)
        arguments.check_hash("node_key_hash", node_key_hash)
        self.act("Members", "replaceKeys", mask_key, node_key_hash)

    def support(self, proposal_id: ProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        self.act("Members", "support", proposal_id)

    def tally_proposal(self, proposal_id: ProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        self.send("Members", "tally", proposal_id)

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
        fields = (dictionary_hash, sensitivity, categories, retention_until, rho_cap)
        arguments.check_registration(name, duo_terms, *fields, conditions)
        self.act("Datasets", "register", name, records.conditions_struct(duo_terms, conditions), *fields)
        return dataset_id_of(self.actor(), name)

    def add_version(
        self, dataset_id: DatasetId, cid: bytes, rows: int, commitments_root: bytes, consent_root: bytes
    ) -> int:
        fields = (dataset_id, cid, rows, commitments_root, consent_root)
        arguments.check_version(*fields)
        return int(self.act("Datasets", "addVersion", *fields, event="VersionAdded")["number"])

    def extend_retention(self, dataset_id: DatasetId, retention_until: int) -> None:
        arguments.check_hash("dataset_id", dataset_id)
        arguments.check_number("retention_until", retention_until, 64)
        self.act("Datasets", "extendRetention", dataset_id, retention_until)

    def freeze_dataset(self, dataset_id: DatasetId) -> None:
        arguments.check_hash("dataset_id", dataset_id)
        self.act("Datasets", "freeze", dataset_id)

    def unfreeze_dataset(self, dataset_id: DatasetId) -> None:
        arguments.check_hash("dataset_id", dataset_id)
        self.act("Datasets", "unfreeze", dataset_id)

    def destroy_dataset(self, dataset_id: DatasetId, destruction_hash: bytes) -> None:
        arguments.check_hash("dataset_id", dataset_id)
        arguments.check_hash("destruction_hash", destruction_hash)
        self.act("Datasets", "destroy", dataset_id, destruction_hash)

    # --- proofs ---

    def register_tables(self, layout: Layout) -> None:
        arguments.check_layout(layout)
        self.send("Proofs", "registerTables", layout.to_bytes(), boundaries(layout))

    def prove_version(
        self, dataset_id: DatasetId, number: int, text_hash: bytes, proof: ValidityProof, start: PartStart
    ) -> None:
        arguments.check_part(dataset_id, number, text_hash, proof, start)
        stated = proof.statement
        self.send(
            "Proofs",
            "prove",
            dataset_id,
            number,
            stated.layout.hash,
            text_hash,
            start_struct(start),
            stated.chunks,
            stated.rows,
            proof_struct(proof),
        )

    # --- studies ---

    def propose(self, terms: StudyTerms) -> StudyId:
        arguments.check_terms(terms)
        its = records.terms_struct(terms), terms.intended_use.struct()
        return StudyId(self.act("Studies", "propose", *its, event="StudyProposed")["study"])

    def propose_amendment(self, permit_id: PermitId, terms: StudyTerms) -> StudyId:
        arguments.check_number("permit_id", permit_id, 64)
        arguments.check_terms(terms)
        its = permit_id, records.terms_struct(terms), terms.intended_use.struct()
        return StudyId(self.act("Studies", "proposeAmendment", *its, event="StudyProposed")["study"])

    def vote(self, study_id: StudyId, approve: bool, reason: str = "", conditions_hash: bytes = ZERO_HASH) -> None:
        arguments.check_number("study_id", study_id, 64)
        arguments.check_hash("conditions_hash", conditions_hash)
        self.act("Studies", "vote", study_id, bool(approve), conditions_hash, reason_hash(reason))

    def recuse(self, study_id: StudyId, reason: str = "") -> None:
        arguments.check_number("study_id", study_id, 64)
        self.act("Studies", "recuse", study_id, reason_hash(reason))

    def agree(self, study_id: StudyId, conditions: bytes) -> None:
        arguments.check_number("study_id", study_id, 64)
        arguments.check_hash("conditions", conditions)
        self.act("Studies", "agree", study_id, conditions)

    def tally(self, study_id: StudyId) -> None:
        arguments.check_number("study_id", study_id, 64)
        self.send("Studies", "tally", study_id)

    def accept(self, study_id: StudyId, dataset_id: DatasetId) -> None:
        arguments.check_number("study_id", study_id, 64)
        arguments.check_hash("dataset_id", dataset_id)
        self.act("Studies", "accept", study_id, dataset_id)

    def cancel(self, study_id: StudyId) -> None:
        arguments.check_number("study_id", study_id, 64)
        self.act("Studies", "cancel", study_id)

    # --- permits ---

    def issue(self, study_id: StudyId) -> PermitId:
        arguments.check_number("study_id", study_id, 64)
        return PermitId(self.send("Permits", "issue", study_id, event="PermitIssued")["permit"])

    def freeze_permit(self, permit_id: PermitId, seconds: int = FREEZE_MAX_SECONDS, reason: str = "") -> None:
        arguments.check_number("permit_id", permit_id, 64)
        arguments.check_number("seconds", seconds, 64)
        self.act("Permits", "freeze", permit_id, seconds, reason_hash(reason))

    def vote_lift(self, permit_id: PermitId) -> None:
        arguments.check_number("permit_id", permit_id, 64)
        self.act("Permits", "voteLift", permit_id)

    def vote_revoke(self, permit_id: PermitId, reason: str = "") -> None:
        arguments.check_number("permit_id", permit_id, 64)
        self.act("Permits", "voteRevoke", permit_id, reason_hash(reason))

    def tally_lift(self, permit_id: PermitId) -> None:
        arguments.check_number("permit_id", permit_id, 64)
        self.send("Permits", "tallyLift", permit_id)

    def tally_revoke(self, permit_id: PermitId) -> None:
        arguments.check_number("permit_id", permit_id, 64)
        self.send("Permits", "tallyRevoke", permit_id)

    def withdraw(self, permit_id: PermitId, dataset_id: DatasetId) -> None:
        arguments.check_number("permit_id", permit_id, 64)
        arguments.check_hash("dataset_id", dataset_id)
        self.act("Permits", "withdraw", permit_id, dataset_id)

    # --- uses ---

    def open_round(self, permit_id: PermitId, n: int, model_hash: bytes, participants: tuple[DatasetId, ...]) -> None:
        arguments.check_opening(permit_id, n, model_hash, participants)
        self.act("Uses", "openRound", permit_id, n, model_hash, list(participants))

    def open_query(self, permit_id: PermitId, n: int, query_hash: bytes, participants: tuple[DatasetId, ...]) -> None:
        arguments.check_opening(permit_id, n, query_hash, participants)
        self.act("Uses", "openQuery", permit_id, n, query_hash, list(participants))

    def close_round(self, permit_id: PermitId, n: int) -> None:
        arguments.check_round(permit_id, n)
        self.act("Uses", "closeRound", permit_id, n)

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
        fields = permit_id, int(kind), n, dataset_id, result_hash, rho, version, consent_root
        self.act("Uses", "recordUse", *fields)

    # --- totals ---

    def publish_total(self, claim: TotalClaim) -> None:
        arguments.check_claim(claim)
        self.act("Totals", "publish", *claim.struct())

    # --- how ---

    def act(self, name: str, function: str, *args: object, event: str | None = None) -> dict[str, Any]:
        """Send a transaction that acts for this registry's identity."""
        return self.send(name, function, self.actor(), *args, event=event)

    def send(self, name: str, function: str, *args: object, event: str | None = None) -> dict[str, Any]:
        """Send a transaction; returns the fields of its ``event``, where one is asked for."""
        data = contract(name).interface.encode_call(function, *args)
        logs, _ = self._chain.send(self._bound(), self.addresses[name], data)
        if event is None:
            return {}
        for log in logs:
            decoded = contract(self.event_log.names[log.address]).interface.decode_event(log.topics, log.data)
            if decoded and decoded[0] == event:
                return decoded[1]
        raise RegistryUnreachable(f"{name}.{function} was included without its event {event}")

    def actor(self) -> Address:
        """The identity that this registry writes for."""
        return self._identity or Address(self._bound().address)

    def signer(self) -> Signer:
        """The account, where it can sign messages."""
        return as_signer(self._bound())

    def _bound(self) -> Account:
        if self._account is None:
            raise RegistryArgumentError("This registry only reads; bind it to an account with as_(account) first.")
        return self._account
