"""From what a patient chose to a scope: names and days to bits and seconds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntFlag
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from belmont.registry.consents.scope import Category, Scope
from belmont.registry.duo.terms import Purpose
from belmont.registry.reasons import WriteRefusal
from belmont.registry.types import Address, Role
from belmont.service.errors import Malformed
from belmont.service.patient.schemas import GrantAsked
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Plain, Sentence

if TYPE_CHECKING:
    from belmont.service.patient.desk import Dossier

LAST_YEAR = 2199
FieldError: TypeAlias = tuple[str, Sentence]
"""The field's identifier on the page, and what is wrong."""
Flags = TypeVar("Flags", bound=IntFlag)


@dataclass(frozen=True)
class Chosen:
    """What is in the form of a consent: names, accounts, and days as the browser writes them."""

    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    recipients: tuple[str, ...]
    first_day: str
    last_day: str

    @classmethod
    def at_first(cls, dossier: "Dossier") -> "Chosen":
        """Every kind of data that the dataset has, for a year from today; no purpose."""
        today = datetime.fromtimestamp(dossier.now, UTC).date()
        kinds = tuple(str(each.name).lower() for each in Category if dossier.dataset.categories & each)
        return cls((), kinds, (), today.isoformat(), (today + timedelta(days=365)).isoformat())

    def lacking(self) -> list[FieldError]:
        """What has to be chosen and is not."""
        found = [] if self.purposes else [("purposes", Sentence("Choose at least one kind of research."))]
        return found if self.categories else [*found, ("categories", Sentence("Choose at least one kind of data."))]


def wrong(error: Malformed) -> FieldError:
    """Why a form could not be drafted, beside the field that it is about."""
    if error.code == WriteRefusal.RECIPIENTS_INVALID:
        return "recipients", Sentence("Choose at most eight institutions, all of them in this list.")
    if error.code in (WriteRefusal.PERIOD_INVALID, "FORM_INCOMPLETE"):
        return "first_day", Sentence(
            "Give two days; the last one is not before the first, not over yet, and not after {year}.",
            year=Plain(LAST_YEAR),
        )
    return "purposes", Sentence("Choose from this list.")


def scope_of(asked: GrantAsked, snapshot: Snapshot) -> Scope:
    """The scope of a grant. Raises Malformed for what no grant of this consortium can have."""
    data_users = {each.address for each in snapshot.with_role(Role.DATA_USER)}
    recipients = {Address(each) for each in asked.recipients}
    if not recipients <= data_users:
        raise Malformed("A recipient has to be an active data user.", code=WriteRefusal.RECIPIENTS_INVALID)
    if asked.first_day > asked.last_day or not 2000 <= asked.first_day.year <= asked.last_day.year <= LAST_YEAR:
        raise Malformed(f"The last day is not before the first, and not after {LAST_YEAR}.", code="PERIOD_INVALID")
    return Scope(
        int(_flags(Purpose, asked.purposes, WriteRefusal.PURPOSE_INVALID)),
        int(_flags(Category, asked.categories, WriteRefusal.CATEGORIES_INVALID)),
        _seconds(asked.first_day),
        _seconds(asked.last_day + timedelta(days=1)),
        tuple(sorted(recipients, key=str.lower)),
    )


def asked_of(
    purposes: Sequence[str], categories: Sequence[str], recipients: Iterable[str], first: str, last: str
) -> GrantAsked:
    """What a form sent. Raises Malformed."""
    from pydantic import ValidationError

    try:
        return GrantAsked.model_validate(
            {
                "kind": "grant",
                "purposes": list(purposes),
                "categories": list(categories),
                "recipients": list(recipients),
                "first_day": first,
                "last_day": last,
            }
        )
    except ValidationError as error:
        fields = sorted({str(each["loc"][0]) for each in error.errors()})
        raise Malformed(
            f"The form is not complete: {', '.join(fields)}.",
            code="FORM_INCOMPLETE",
            remedy="Choose at least one purpose and one kind of data, and two days.",
        ) from error


def _flags(kind: type[Flags], names: Sequence[str], refusal: WriteRefusal) -> Flags:
    known = {str(each.name).lower(): each for each in kind}
    found = kind(0)
    for name in names:
        if name not in known:
            raise Malformed(refusal.remedy, code=refusal)
        found |= known[name]
    return found


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
