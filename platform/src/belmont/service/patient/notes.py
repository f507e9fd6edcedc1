"""The hospital's records for people: one line for each, and remarks where a record gave no value for research.

A remark says what can be seen in the patient's own records: that a measurement of a kind is there, and that research
has no value for it. Why a value was not usable (its date, unit, or size) only the hospital's report of quality says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from belmont.ehr.dictionary import Column, Dictionary
from belmont.ehr.fhir_values import BadValue, codings
from belmont.service.patient.hospital import HeldRow
from belmont.service.patient.own_records import ROW, SourceRecord

_DATES = ("effectiveDateTime", "onsetDateTime", "authoredOn", "dateTime", "recordedDate", "birthDate", "issued", "date")
_CONCEPTS = ("code", "medicationCodeableConcept", "vaccineCode", "scope")
TEXT_MOST = 200


@dataclass(frozen=True)
class Outline:
    """One record in a line."""

    kind: str
    day: str
    """As the record says it; empty where it says none."""
    text: str
    cells: tuple[tuple[str, str], ...] = ()
    """Of a line of a table, its columns and cells."""


@dataclass(frozen=True)
class Remark:
    """A column without a value, though there are records of its kind."""

    label: str
    records: int


def outline(record: SourceRecord) -> Outline:
    """What a page shows of a record."""
    content = record.content
    if record.kind == ROW:
        return Outline(ROW, "", "", tuple((str(name), str(cell)[:TEXT_MOST]) for name, cell in content.items()))
    texts = [_concept(content.get(name)) for name in _CONCEPTS]
    types = content.get("type")
    texts += [_concept(each) for each in types] if isinstance(types, list) else []
    found = [each for each in (*texts, _value(content)) if each]
    return Outline(record.kind, _day(content), ", ".join(found)[:TEXT_MOST])


def notes(dictionary: Dictionary, held: HeldRow, records: Sequence[SourceRecord]) -> list[Remark]:
    """Columns that have no value, with how many of the patient's observations have one of their codes."""
    missing = {each.column for each in held.values if not each.is_observed}
    found = []
    for column in dictionary:
        count = sum(_has_code(each, column) for each in records) if column.name in missing else 0
        if count:
            found.append(Remark(column.label, count))
    return found


def _has_code(record: SourceRecord, column: Column) -> bool:
    if column.source is None or record.kind != column.source.resource:
        return False
    wanted = {(each.system, each.code) for each in column.source.codes}
    components = record.content.get("component")
    parts = [record.content, *(components if isinstance(components, list) else [])]
    try:
        return any(code in wanted for part in parts for code in codings(part.get("code"), "code"))
    except (AttributeError, BadValue):
        return False


def _day(content: Mapping[str, Any]) -> str:
    period = content.get("period")
    if isinstance(period, dict) and isinstance(period.get("start"), str):
        return str(period["start"])[:10]
    return next((content[name][:10] for name in _DATES if isinstance(content.get(name), str)), "")


def _concept(value: Any) -> str:
    """A CodeableConcept's text, or its first display."""
    if not isinstance(value, dict):
        return ""
    if isinstance(value.get("text"), str):
        return str(value["text"])
    listed = value.get("coding")
    shown = (
        [each.get("display") or each.get("code") for each in listed if isinstance(each, dict)]
        if isinstance(listed, list)
        else []
    )
    return next((each for each in shown if isinstance(each, str)), "")


def _value(content: Mapping[str, Any]) -> str:
    quantity = content.get("valueQuantity")
    if isinstance(quantity, dict) and isinstance(quantity.get("value"), int | float):
        return f"{quantity['value']} {quantity.get('unit') or quantity.get('code') or ''}".strip()
    return _concept(content.get("valueCodeableConcept"))
