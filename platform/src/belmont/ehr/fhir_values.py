"""Strict reading of the few FHIR R4 elements that dictionaries use. What is not understood raises BadValue."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")
_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2}))?")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_SHOWN = 60
SECONDS_A_DAY = 86_400.0
EPOCH_DAY = date(1970, 1, 1).toordinal()


class BadValue(Exception):
    """An element that cannot be used: the category it is counted under, and the reason in words."""

    def __init__(self, category: str, reason: str) -> None:
        self.category = category
        self.reason = reason
        super().__init__(reason)


class Moment(NamedTuple):
    """A day as written where it was written (proleptic ordinal), and seconds since 1970 to order moments by."""

    day: int
    seconds: float


def shown(value: Any) -> str:
    """A value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


@lru_cache(maxsize=1 << 16)
def _moment(text: str) -> Moment | None:
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text).toordinal()
            return Moment(day, (day - EPOCH_DAY) * SECONDS_A_DAY)
        if _DATE_TIME.fullmatch(text):
            when = datetime.fromisoformat(text)
            return Moment(when.date().toordinal(), when.timestamp())
    except (ValueError, OverflowError):
        return None
    return None


def moment(value: Any) -> Moment:
    """A dateTime that is exact to the day, or to the second with its time zone. Raises BadValue otherwise."""
    found = _moment(value) if isinstance(value, str) else None
    if found is None:
        raise BadValue("bad date", f"{shown(value)} is no date to the day, nor a date and time with time zone")
    return found


def birth_date(value: Any) -> date:
    """A birth date; where only year or month are known, 1 July or the 15th stand in. Raises BadValue."""
    if isinstance(value, str):
        try:
            if _DATE.fullmatch(value):
                return date.fromisoformat(value)
            partial = _PARTIAL.fullmatch(value)
            if partial:
                year, month = partial.groups()
                return date(int(year), 7, 1) if month is None else date(int(year), int(month), 15)
        except ValueError:
            pass
    raise BadValue("bad date", f"birthDate {shown(value)} is no date")


def age_at(born: date, day: date) -> int:
    """Whole years between two days; negative where born after."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def word(resource: Mapping[str, Any], name: str) -> str | None:
    """A code such as `status`, None where it is not there. Raises BadValue where it is no text."""
    found = resource.get(name)
    if found is not None and not isinstance(found, str):
        raise BadValue("malformed line", f"{name} {shown(found)} is no code")
    return found


def resource_id(resource: Mapping[str, Any]) -> str:
    found = resource.get("id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise BadValue("malformed line", f"id {shown(found)} is no FHIR id")
    return found


def patient_reference(resource: Mapping[str, Any], element: str = "subject") -> str:
    """The id in `subject.reference` ("Patient/x", or a URL that ends so)."""
    holder = resource.get(element)
    reference = holder.get("reference") if isinstance(holder, dict) else None
    if isinstance(reference, str):
        before, slash, found = reference.rpartition("/")
        if slash and found and (before == "Patient" or before.endswith("/Patient")):
            return found
    raise BadValue("malformed line", f"{element}.reference {shown(reference)} names no Patient")


def codings(concept: Any, element: str) -> list[tuple[str, str]]:
    """(system, code) of every coding of a CodeableConcept that has both. Raises BadValue where it is none."""
    listed = concept.get("coding", []) if isinstance(concept, dict) else None
    if not isinstance(listed, list):
        raise BadValue("malformed line", f"{element} is no CodeableConcept")
    found = []
    for coding in listed:
        if not isinstance(coding, dict):
            raise BadValue("malformed line", f"{element}.coding is no Coding")
        system, code = coding.get("system"), coding.get("code")
        if isinstance(system, str) and isinstance(code, str):
            found.append((system, code))
    return found


def quantity(value: Any) -> tuple[float, str | None]:
    """(number, unit) of a Quantity; the unit is its code, or its text where there is no code. Raises BadValue."""
    if not isinstance(value, dict):
        raise BadValue("not a number", f"valueQuantity {shown(value)} is no Quantity")
    number = value.get("value")
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise BadValue("not a number", f"value {shown(number)} is no number")
    if "comparator" in value:
        raise BadValue("not a number", f"only a bound is given ({shown(value['comparator'])} {number})")
    unit = value.get("code", value.get("unit"))
    if unit is not None and not isinstance(unit, str):
        raise BadValue("unknown unit", f"unit {shown(unit)} is no text")
    try:
        return float(number), unit
    except OverflowError:
        raise BadValue("not a number", "value is larger than any number a computer keeps") from None
