"""What the chain says about one dataset, out of the event index: consents as they changed, uses as recorded.

All of it is public to the consortium; which of it is about whom, only the hospital's register says.
"""

from dataclasses import replace

from belmont.audit.events import IndexedEvent
from belmont.audit.index import EventIndex
from belmont.audit.search import EventQuery
from belmont.registry.types import Address, AuditEvent, DatasetId, MicroRho, PermitId, RecordedUse, UseKind

_CONSENTS = ("BatchPublished", "PatientEnrolled", "ConsentGranted", "ConsentRevoked")
_OPENED = {UseKind.ROUND: "RoundOpened", UseKind.QUERY: "QueryOpened"}
PAGE = 500


class ChainSide:
    """Reads the index; safe for several threads."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index

    def consent_events(self, dataset_id: DatasetId) -> list[AuditEvent]:
        """Batches, enrolments and own statements about a dataset, in the chain's order."""
        found = self._all(EventQuery(contract="Consents", names=_CONSENTS, dataset=dataset_id, limit=PAGE))
        return [_audit(each) for each in found]

    def uses(self, dataset_id: DatasetId) -> list[RecordedUse]:
        """The recorded uses of a dataset, in the chain's order."""
        found = self._all(EventQuery(contract="Uses", names=("UseRecorded",), dataset=dataset_id, limit=PAGE))
        return [_use(each) for each in found]

    def opened_at(self, use: RecordedUse) -> int | None:
        """When the round or query of a use was opened; None where the index does not have it."""
        query = EventQuery(contract="Uses", names=(_OPENED[use.kind],), study=use.permit_id, limit=PAGE)
        return next((each.timestamp for each in self._all(query) if each.details["n"] == use.n), None)

    def is_enrolled(self, dataset_id: DatasetId, account: Address) -> bool:
        """Whether an account can state something about a dataset: once enrolled, it is for good."""
        query = EventQuery(contract="Consents", names=("PatientEnrolled",), dataset=dataset_id, actor=account, limit=1)
        return bool(self._index.search(query).events)

    def has_statement(self, dataset_id: DatasetId, account: Address, sequence: int) -> bool:
        """Whether the index has a statement of an account."""
        stated = ("ConsentGranted", "ConsentRevoked")
        query = EventQuery(contract="Consents", names=stated, dataset=dataset_id, actor=account, limit=PAGE)
        return any(each.details["sequence"] == sequence for each in self._index.search(query).events)

    def _all(self, query: EventQuery) -> list[IndexedEvent]:
        """Every event that a query finds, oldest first."""
        found: list[IndexedEvent] = []
        while True:
            page = self._index.search(query)
            found += page.events
            if page.next is None:
                return found[::-1]
            query = replace(query, before=page.next)


def _audit(event: IndexedEvent) -> AuditEvent:
    return AuditEvent(
        block=event.position.block,
        timestamp=event.timestamp,
        transaction=event.transaction,
        contract=event.contract,
        name=event.name,
        actor=event.actor,
        details=event.details,
    )


def _use(event: IndexedEvent) -> RecordedUse:
    return RecordedUse(
        permit_id=PermitId(event.details["permit"]),
        kind=UseKind(event.details["kind"]),
        n=event.details["n"],
        dataset_id=DatasetId(event.details["dataset"]),
        holder=event.actor,
        result_hash=event.details["result_hash"],
        rho=MicroRho(event.details["rho"]),
        block=event.position.block,
        timestamp=event.timestamp,
        version=event.details["version"],
        consent_root=event.details["consent_root"],
    )
