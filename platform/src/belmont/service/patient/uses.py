"""Which recorded uses of a dataset had a patient's row among the rows used: one answer for each, with its grounds.

A use names the version that was computed on and the consent root that was applied. The root says exactly which batch of
the hospital and which own statements counted (docs/consents.md, "Root"). In this order:

1. A version without the row was not used with it. Where the version's rows are destroyed, nobody can tell any more.
2. A query is proved over every row of its version, and a node refuses it where one row's consent does not permit it:
   the row was used.
3. A round leaves out every row whose consent does not permit it. Where the patient had stated something by then, the
   newest statement decided, unless the hospital left the row out on paper in between: when that was, no register says.
4. Otherwise what the hospital attested in that batch decided. A register knows it of every batch since it remembers
   (``registry.consents.entry``); of one before that it cannot be told.
5. A consent has to be in force for the whole time between the opening of the round and its record, with two minutes
   more on both sides for clocks that differ; where it began or ended within, it cannot be told.
6. What cannot be told is said to be possible, and never to be "not used".

All of this holds as far as the hospital's own node applied the rules: the chain checks the root and the version, and no
proof shows which rows of a round were left out (docs/adr/0078).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from belmont.registry.consents.entry import Entry
from belmont.registry.consents.scope import IntendedUse, Scope
from belmont.registry.consents.statements import ConsentState, Statement
from belmont.registry.types import AuditEvent, Dataset, Permit, RecordedUse, UseKind
from belmont.service.patient.hospital import HeldRow, Presence

CLOCK_SLACK_SECONDS = 120


class Touch(Enum):
    """Whether the row was among those used."""

    USED = "used"
    MAYBE = "may have been used"
    NOT_USED = "not used"


class Why(Enum):
    """The grounds of an answer."""

    WHOLE_VERSION = "a query is over every row of its version"
    OWN_STATEMENT = "the patient's own statement permitted it"
    ATTESTED = "the consent that the hospital attested permitted it"
    NOT_IN_VERSION = "the version that was used does not have the row"
    REVOKED = "the patient had revoked"
    OUTSIDE_STATEMENT = "the patient's own statement did not permit it"
    NOT_ATTESTED = "the hospital attested no consent"
    OUTSIDE_ATTESTED = "the consent that the hospital attested did not permit it"
    VERSION_GONE = "the rows of the version were destroyed, or it is too old to be looked into"
    BATCH_FORGOTTEN = "the hospital attested otherwise since, and its register does not know what it attested then"
    WITHHELD_AT_SOME_TIME = "the hospital left the row out on paper for a while, and no register says when"
    PERIOD_EDGE = "the consent began or ended while it ran"
    ROOT_UNKNOWN = "the consents that were applied are not on the chain as this service has read it"


@dataclass(frozen=True)
class Applied:
    """What a consent root stands for."""

    batch_root: bytes
    statements: int
    """How many own statements of all patients counted."""


@dataclass(frozen=True)
class TouchedUse:
    """One use, and whether the row was among the rows used."""

    use: RecordedUse
    touch: Touch
    why: Why
    statement: Statement | None = None
    """The patient's own statement that decided, where one did."""


def applied_by_root(events: Iterable[AuditEvent]) -> dict[bytes, Applied]:
    """What every consent root of a dataset stood for, from its events of ``Consents`` in the chain's order."""
    at = Applied(ConsentState().batch_root, 0)
    found = {ConsentState().root: at}
    for event in events:
        if event.name == "BatchPublished":
            at = Applied(event.details["batch_root"], at.statements)
        elif event.name in ("ConsentGranted", "ConsentRevoked"):
            at = Applied(at.batch_root, event.details["number"])
        else:
            continue
        found[event.details["consent_root"]] = at
    return found


@dataclass(frozen=True)
class Grounds:
    """Everything that the answers are made of."""

    entry: Entry
    dataset: Dataset
    held: HeldRow
    own: Sequence[Statement]
    """The patient's statements about the dataset, oldest first."""
    applied: Mapping[bytes, Applied]
    permits: Mapping[int, Permit]
    opened_at: Callable[[RecordedUse], int | None]
    """When a round was opened; asked only where a consent's period begins or ends near it."""


def touched(use: RecordedUse, grounds: Grounds) -> TouchedUse:
    """Whether a use had the row among its rows."""
    presence = grounds.held.of(use.version)
    if presence is Presence.NOT_HELD:
        return TouchedUse(use, Touch.NOT_USED, Why.NOT_IN_VERSION)  # 1
    if presence is Presence.UNKNOWN:
        return TouchedUse(use, Touch.MAYBE, Why.VERSION_GONE)  # 1
    if use.kind is UseKind.QUERY:
        return TouchedUse(use, Touch.USED, Why.WHOLE_VERSION)  # 2
    applied = grounds.applied.get(use.consent_root)
    permit = grounds.permits.get(use.permit_id)
    if applied is None or permit is None:
        return TouchedUse(use, Touch.MAYBE, Why.ROOT_UNKNOWN)  # 6
    said = [each for each in grounds.own if each.number <= applied.statements]
    if said:
        return TouchedUse(use, *_by_statement(use, permit, grounds, said[-1]), said[-1])  # 3
    if not grounds.entry.knows_batch(applied.batch_root):
        return TouchedUse(use, Touch.MAYBE, Why.BATCH_FORGOTTEN)  # 4
    attested = grounds.entry.attested_in(applied.batch_root)
    if attested is None:
        return TouchedUse(use, Touch.NOT_USED, Why.NOT_ATTESTED)
    permitted = _permits(attested, use, permit, grounds)
    if permitted is None:
        return TouchedUse(use, Touch.MAYBE, Why.PERIOD_EDGE)
    return (
        TouchedUse(use, Touch.USED, Why.ATTESTED)
        if permitted
        else TouchedUse(use, Touch.NOT_USED, Why.OUTSIDE_ATTESTED)
    )


def _by_statement(use: RecordedUse, permit: Permit, grounds: Grounds, stated: Statement) -> tuple[Touch, Why]:
    if stated.scope is None:
        return Touch.NOT_USED, Why.REVOKED
    permitted = _permits(stated.scope, use, permit, grounds)
    if permitted is None:
        return Touch.MAYBE, Why.PERIOD_EDGE
    if not permitted:
        return Touch.NOT_USED, Why.OUTSIDE_STATEMENT
    if grounds.entry.was_withheld(stated.sequence):
        return Touch.MAYBE, Why.WITHHELD_AT_SOME_TIME
    return Touch.USED, Why.OWN_STATEMENT


def _permits(scope: Scope, use: RecordedUse, permit: Permit, grounds: Grounds) -> bool | None:
    """Whether a scope permits a round for as long as it ran; None where its period began or ended within (5)."""

    def at(seconds: int) -> bool:
        purposes, categories = permit.terms.purpose, grounds.dataset.categories
        return scope.permits(IntendedUse(purposes, categories, permit.data_user, seconds))

    last = use.timestamp + CLOCK_SLACK_SECONDS
    if not at(scope.valid_from):
        return False  # whatever the time
    if scope.valid_until <= permit.issued_at - CLOCK_SLACK_SECONDS or scope.valid_from > last:
        return False
    if scope.valid_from <= permit.issued_at - CLOCK_SLACK_SECONDS and at(last):
        return True
    opened = grounds.opened_at(use)
    first = (permit.issued_at if opened is None else opened) - CLOCK_SLACK_SECONDS
    if scope.valid_until <= first:
        return False
    return True if at(first) and at(last) else None
