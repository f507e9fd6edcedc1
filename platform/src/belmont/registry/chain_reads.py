"""Reading the registry from a chain, through view functions and events.

Reads of several records happen at one block, so that they fit together. Only what the contracts never change is
remembered between reads: the terms of a study, a dataset's registration, and a version's contents. Everything that a
decision can turn on and that can change is read anew each time.

The code that answers can change as well, by vote. What each proxy points to is read from its storage with every view,
and not from the contracts, which could say anything once their code is another: where it is not what was verified, the
consortium is verified anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_utils.address import to_canonical_address

from belmont.registry import arguments, records
from belmont.registry.chain_port import ChainPort
from belmont.registry.contract_set import IMPLEMENTATION_SLOT, contract
from belmont.registry.errors import RegistryError
from belmont.registry.event_log import EventLog
from belmont.registry.hashes import part_mark
from belmont.registry.types import (
    ZERO_HASH,
    Address,
    AuditEvent,
    Dataset,
    DatasetId,
    DatasetVersion,
    Head,
    Member,
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
    VersionStatus,
    View,
)
from belmont.registry.verification import verify
from belmont.registry.view_calls import (
    DATASET_PARTS,
    STUDY_PARTS,
    Call,
    dataset_calls,
    decoded,
    readable,
    terms_calls,
    terms_of,
)

_NO_DATASET = DatasetId(ZERO_HASH)


@dataclass
class Unchanging:
    """Records that the contracts never change once written; shared by all handles of one registry."""

    terms: dict[PermitId, tuple[Address, StudyTerms]] = field(default_factory=dict)
    datasets: dict[DatasetId, Dataset] = field(default_factory=dict)
    versions: dict[tuple[DatasetId, int], DatasetVersion] = field(default_factory=dict)
    verified: list[bytes] = field(default_factory=list)
    """Where the proxies pointed when the consortium was last verified; stays until other code is voted for."""


class ChainReads:
    """The reading half of ``belmont.registry.protocol.Registry`` on a chain; safe to share between threads."""

    def __init__(self, chain: ChainPort, addresses: dict[str, Address], unchanging: Unchanging | None = None) -> None:
        """``addresses`` are those of a verified consortium."""
        self._chain = chain
        self._unchanging = Unchanging() if unchanging is None else unchanging
        self.addresses = dict(addresses)
        self.event_log = EventLog(chain, addresses)

    @property
    def name(self) -> str:
        return str(self.read("Members", "name"))

    @property
    def identity(self) -> str:
        return f"eip155:{self._chain.chain_id}:{self.addresses['Members']}"

    @property
    def chain(self) -> ChainPort:
        """The chain that the consortium is on."""
        return self._chain

    @property
    def chain_id(self) -> int:
        """EIP-155."""
        return self._chain.chain_id

    def head(self) -> Head:
        return self._chain.head()

    def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        """Blocks by their numbers, in one round trip; None for one that the chain does not have yet."""
        return self._chain.blocks(numbers)

    def view(self, permit_id: PermitId, dataset_id: DatasetId, kind: UseKind, n: int) -> View:
        arguments.check_request(permit_id, kind, n, dataset_id)
        head = self.head()
        calls: list[Call] = [("Uses", "nodeView", (permit_id, dataset_id, int(kind), n))]
        knows_terms, knows_dataset = permit_id in self._unchanging.terms, dataset_id in self._unchanging.datasets
        calls += [] if knows_terms else terms_calls(permit_id)
        calls += [] if knows_dataset else dataset_calls(dataset_id)
        struct, *rest = self._known_code_says(calls, head.number)
        with readable():
            if not knows_terms and struct["permit"]["issuedAt"]:
                self._unchanging.terms[permit_id] = terms_of(rest)
            if not knows_dataset and (registered := records.dataset(dataset_id, *rest[-DATASET_PARTS:])):
                self._unchanging.datasets[dataset_id] = registered
            state = struct["dataset"]
            dataset = version = None
            if state["status"]:
                dataset = records.newest(self._registration(dataset_id, head.number), state)
            if state["versionStatus"]:
                version = self._version(dataset_id, state["versions"], state["versionStatus"], head.number)
            permit = self._permit(permit_id, struct, head.number)
            return View(
                head=head,
                permit=permit,
                dataset=dataset,
                version=version,
                opened=records.opened(permit_id, kind, n, struct["opened"]),
                rho_spent=struct["rhoSpent"],
                recorded=struct["recorded"],
                holder_active=struct["holderActive"],
                data_user_active=permit is not None and struct["dataUserActive"],
                paused_until=struct["pausedUntil"],
            )

    def _known_code_says(self, calls: Sequence[Call], block: int) -> list[Any]:
        """The answers of view functions after a block, from code of this release; else raises ``CodeUnknown``.

        What each proxy points to is read in the same round trip, after the same block, and looked at first.
        """
        places = [(each, IMPLEMENTATION_SLOT) for each in self.addresses.values()]
        pointed_to, answers = self._chain.look(places, self._encoded(calls), block)
        if pointed_to != self._unchanging.verified:
            verify(self._chain, self.addresses["Members"])
            self._unchanging.verified = pointed_to
        given: list[bytes] = []
        for answer in answers:
            if isinstance(answer, RegistryError):
                raise answer
            given.append(answer)
        return decoded(calls, given)

    def member(self, address: Address) -> Member | None:
        struct = self.read("Members", "member", address)
        with readable():
            return records.member(struct)

    def members(self) -> list[Member]:
        block = self.head().number
        accounts = self.read("Members", "accounts", block=block)
        structs = self.read_all([("Members", "member", (account,)) for account in accounts], block)
        with readable():
            return [member for struct in structs if (member := records.member(struct))]

    def proposal(self, proposal_id: ProposalId) -> Proposal | None:
        arguments.check_number("proposal_id", proposal_id, 64)
        return next(iter(self._proposals([proposal_id], self.head().number)), None)

    def proposals(self) -> list[Proposal]:
        block = self.head().number
        count = self.read("Members", "proposalCount", block=block)
        return self._proposals(range(1, count + 1), block)

    def dataset(self, dataset_id: DatasetId) -> Dataset | None:
        arguments.check_hash("dataset_id", dataset_id)
        return next(iter(self._datasets([dataset_id], self.head().number)), None)

    def datasets(self) -> list[Dataset]:
        block = self.head().number
        count = self.read("Datasets", "count", block=block)
        ids = self.read_all([("Datasets", "idAt", (place,)) for place in range(count)], block)
        return self._datasets(ids, block)

    def version(self, dataset_id: DatasetId, number: int) -> DatasetVersion | None:
        arguments.check_hash("dataset_id", dataset_id)
        arguments.check_number("number", number, 64)
        struct = self.read("Datasets", "version", dataset_id, number)
        with readable():
            return records.version(dataset_id, number, struct)

    @property
    def proof_domain(self) -> ProofDomain:
        return ProofDomain(self._chain.chain_id, to_canonical_address(self.addresses["Datasets"]))

    def has_tables(self, layout_hash: bytes) -> bool:
        arguments.check_hash("layout_hash", layout_hash)
        return bool(self.read("Proofs", "tables", layout_hash)["columns"])

    def is_reached(self, dataset_id: DatasetId, number: int, start: PartStart) -> bool:
        arguments.check_start(dataset_id, number, start)
        return start.chunks == 0 or bool(self.read("Proofs", "isReached", part_mark(dataset_id, number, start)))

    def study(self, study_id: StudyId) -> Study | None:
        arguments.check_number("study_id", study_id, 64)
        return next(iter(self._studies([study_id], self.head().number)), None)

    def studies(self) -> list[Study]:
        block = self.head().number
        return self._studies(range(1, self.read("Studies", "count", block=block) + 1), block)

    def permit(self, permit_id: PermitId) -> Permit | None:
        arguments.check_number("permit_id", permit_id, 64)
        return next(iter(self._permits([permit_id], self.head().number)), None)

    def permits(self) -> list[Permit]:
        block = self.head().number
        return self._permits(range(1, self.read("Studies", "count", block=block) + 1), block)

    def opened(self, permit_id: PermitId, kind: UseKind, n: int) -> OpenedUse | None:
        arguments.check_request(permit_id, kind, n, ZERO_HASH)
        struct = self.read("Uses", "opened", permit_id, int(kind), n)
        with readable():
            return records.opened(permit_id, kind, n, struct)

    def round_state(self, permit_id: PermitId, n: int) -> RoundState:
        arguments.check_round(permit_id, n)
        head = self.head()
        (struct,) = self._known_code_says([("Uses", "roundState", (permit_id, n))], head.number)
        with readable():
            opened = records.opened(permit_id, UseKind.ROUND, n, struct["opened"])
            recorded = frozenset(DatasetId(each) for each in struct["recorded"])
            return RoundState(opened, recorded, opened is not None and opened.closed, head)

    def rho_spent(self, permit_id: PermitId, dataset_id: DatasetId) -> MicroRho:
        arguments.check_number("permit_id", permit_id, 64)
        arguments.check_hash("dataset_id", dataset_id)
        return MicroRho(self.read("Uses", "rhoSpent", permit_id, dataset_id))

    def uses(self, permit_id: PermitId | None = None) -> list[RecordedUse]:
        with readable():
            found = [
                RecordedUse(
                    permit_id=PermitId(event.details["permit"]),
                    kind=UseKind(event.details["kind"]),
                    n=event.details["n"],
                    dataset_id=event.details["dataset"],
                    holder=event.actor,
                    result_hash=event.details["result_hash"],
                    rho=MicroRho(event.details["rho"]),
                    block=event.block,
                    timestamp=event.timestamp,
                    version=event.details["version"],
                    consent_root=event.details["consent_root"],
                )
                for event in self.events_of("Uses", "UseRecorded")
            ]
        return [use for use in found if permit_id in (None, use.permit_id)]

    def totals(self, permit_id: PermitId | None = None) -> list[PublishedTotal]:
        with readable():
            found = [
                PublishedTotal(
                    permit_id=PermitId(event.details["permit"]),
                    n=event.details["n"],
                    column=event.details["column"],
                    total=event.details["total"],
                    rows=event.details["rows"],
                    question=event.details["question"],
                    data_user=event.actor,
                    block=event.block,
                    timestamp=event.timestamp,
                )
                for event in self.events_of("Totals", "TotalProved")
            ]
        return [total for total in found if permit_id in (None, total.permit_id)]

    def events_of(self, name: str, *events: str, since_block: int = 0) -> list[AuditEvent]:
        """The events of one contract with these names, from a block on, in chain order."""
        return [each.event for each in self.event_log.events([name], events, since_block)]

    def audit_events(self) -> list[AuditEvent]:
        return [each.event for each in self.event_log.events()]

    # --- how ---

    def read(self, name: str, function: str, *args: object, block: int | None = None) -> Any:
        """The answer of one view function."""
        return self.read_all([(name, function, args)], block)[0]

    def read_all(self, calls: Sequence[Call], block: int | None) -> list[Any]:
        """The answers of several view functions at one block, in one round trip."""
        return decoded(calls, self._chain.calls(self._encoded(calls), block))

    def _encoded(self, calls: Sequence[Call]) -> list[tuple[Address, bytes]]:
        return [
            (self.addresses[name], contract(name).interface.encode_call(function, *args))
            for name, function, args in calls
        ]

    def _proposals(self, numbers: Sequence[int], block: int) -> list[Proposal]:
        structs = self.read_all([("Members", "proposal", (number,)) for number in numbers], block)
        supporters = self.read_all([("Members", "supporters", (number,)) for number in numbers], block)
        with readable():
            rows = zip(numbers, structs, supporters, strict=True)
            return [proposal for row in rows if (proposal := records.proposal(*row))]

    def _datasets(self, ids: Sequence[bytes], block: int) -> list[Dataset]:
        answers = self.read_all([call for id_ in ids for call in dataset_calls(DatasetId(id_))], block)
        with readable():
            rows = zip(ids, *(answers[part::DATASET_PARTS] for part in range(DATASET_PARTS)), strict=True)
            return [found for id_, *row in rows if (found := records.dataset(DatasetId(id_), *row))]

    def _studies(self, numbers: Sequence[int], block: int) -> list[Study]:
        answers = self.read_all([("Studies", part, (number,)) for number in numbers for part in STUDY_PARTS], block)
        with readable():
            of = len(STUDY_PARTS)
            rows = [(StudyId(number), *answers[of * place : of * (place + 1)]) for place, number in enumerate(numbers)]
            return [study for row in rows if (study := records.study(*row))]

    def _permits(self, numbers: Sequence[int], block: int) -> list[Permit]:
        calls: list[Call] = [("Uses", "nodeView", (number, _NO_DATASET, int(UseKind.ROUND), 0)) for number in numbers]
        answers = self.read_all(calls, block)
        with readable():
            rows = zip(numbers, answers, strict=True)
            return [permit for number, struct in rows if (permit := self._permit(PermitId(number), struct, block))]

    def _permit(self, permit_id: PermitId, view: Any, block: int) -> Permit | None:
        if not view["permit"]["issuedAt"]:
            return None
        known = self._unchanging.terms.get(permit_id)
        if known is None:
            known = self._unchanging.terms[permit_id] = terms_of(self.read_all(terms_calls(permit_id), block))
        return records.permit(permit_id, *known, view)

    def _registration(self, dataset_id: DatasetId, block: int) -> Dataset:
        known = self._unchanging.datasets.get(dataset_id)
        if known is None:
            known = next(iter(self._datasets([dataset_id], block)), None)
            if known is None:
                raise ValueError("a dataset has a state and no registration")
            self._unchanging.datasets[dataset_id] = known
        return known

    def _version(self, dataset_id: DatasetId, number: int, status: int, block: int) -> DatasetVersion:
        known = self._unchanging.versions.get((dataset_id, number))
        if known is None:
            struct = self.read("Datasets", "version", dataset_id, number, block=block)
            known = records.version(dataset_id, number, struct)
            if known is None:
                raise ValueError("a version has a status and no contents")
            self._unchanging.versions[dataset_id, number] = known
        return replace(known, status=VersionStatus(status))
