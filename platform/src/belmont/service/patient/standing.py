"""Where a patient's consent stands: what is in force, who said it, and everything that was said before.

1. The chain's newest own statement decides, also where the hospital's register has not taken it up yet: its node does
   before the next use.
2. Without one, what the hospital attests decides.
3. A hospital that leaves somebody out on paper does so until their next own statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from belmont.registry.consents.entry import Entry
from belmont.registry.consents.scope import IntendedUse, Scope
from belmont.registry.consents.statements import Statement, statement_of
from belmont.registry.types import AuditEvent, Dataset, DatasetId, Permit, PermitStatus


class Source(Enum):
    """Who decides."""

    OWN = "the patient's own newest statement"
    ATTESTED = "what the hospital attests"
    WITHHELD = "the hospital, which leaves the patient out until the next own statement"
    NOBODY = "nobody: there is no consent"


@dataclass(frozen=True)
class Stated:
    """One own statement, and when the chain took it."""

    statement: Statement
    at: int


@dataclass(frozen=True)
class Standing:
    """A patient's consent for one dataset."""

    source: Source
    scope: Scope | None
    """What is in force; its period may be over, or still to come. None where nothing is."""
    history: tuple[Stated, ...]
    """Own statements, oldest first."""
    enrolled_at: int | None
    """When the account was enrolled on chain; None where it can state nothing yet."""
    attested: Scope | None
    """What the hospital attests, also where it does not decide."""

    @property
    def last(self) -> Stated | None:
        """The newest own statement."""
        return self.history[-1] if self.history else None

    def is_in_force(self, now: int) -> bool:
        """Whether some use is permitted now."""
        return self.scope is not None and self.scope.valid_from <= now < self.scope.valid_until


def standing_of(entry: Entry, events: Sequence[AuditEvent]) -> Standing:
    """From the register and the dataset's events of ``Consents`` in the chain's order."""
    mine = [each for each in events if each.actor == entry.account]
    enrolled = next((each.timestamp for each in mine if each.name == "PatientEnrolled"), None)
    said = ("ConsentGranted", "ConsentRevoked")
    history = tuple(Stated(statement_of(each), each.timestamp) for each in mine if each.name in said)
    newest = history[-1].statement if history else None
    source, scope = Source.NOBODY, None
    if newest is not None and newest.sequence > entry.sequence:  # 1
        source, scope = Source.OWN, newest.scope
    elif entry.withheld:
        source = Source.WITHHELD  # 3
    elif entry.sequence:
        source, scope = Source.OWN, entry.own
    elif entry.attested is not None:
        source, scope = Source.ATTESTED, entry.attested  # 2
    return Standing(source, scope, history, enrolled, entry.attested)


# --- what a change would mean ---


class Change(Enum):
    """What a new statement does to one running study's use of the row."""

    STAYS_IN = "goes on with the row"
    LEAVES = "goes on without the row"
    JOINS = "may use the row"
    STAYS_OUT = "goes on without the row, as before"


@dataclass(frozen=True)
class Effect:
    """On one permit that is in force."""

    permit: Permit
    change: Change


def running(permits: Sequence[Permit], dataset_id: DatasetId, now: int) -> list[Permit]:
    """The permits under which the dataset can be used now, or once a freeze is over."""
    alive = (PermitStatus.ACTIVE, PermitStatus.FROZEN)
    return [each for each in permits if each.status in alive and now < each.expires_at and dataset_id in each.covered]


def effects(
    permits: Sequence[Permit], dataset: Dataset, before: Scope | None, after: Scope | None, now: int
) -> list[Effect]:
    """What changes for each running permit when ``after`` takes the place of ``before``, from the next use on."""
    found = []
    for permit in running(permits, dataset.id, now):
        was, will = (_permits(scope, permit, dataset, now) for scope in (before, after))
        change = {(True, True): Change.STAYS_IN, (True, False): Change.LEAVES, (False, True): Change.JOINS}
        found.append(Effect(permit, change.get((was, will), Change.STAYS_OUT)))
    return found


def _permits(scope: Scope | None, permit: Permit, dataset: Dataset, now: int) -> bool:
    use = IntendedUse(permit.terms.purpose, dataset.categories, permit.data_user, now)
    return scope is not None and scope.permits(use)
