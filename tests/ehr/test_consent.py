"""FHIR R4 Consent, as this project reads it: the root denies, nested provisions permit, and doubt denies."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from belmont.ehr.consent import statement
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import ConsentUnreadable
from belmont.ehr.ingest import read_fhir

Ward = Any
"""The hand-made records of conftest.py."""

TODAY = date(2026, 1, 1)
HRESCH = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}
PERMIT: dict[str, Any] = {"type": "permit", "purpose": [HRESCH]}
DENY: dict[str, Any] = {"type": "deny", "purpose": [HRESCH]}
RESEARCH = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]}


def consent(provision: Any, **changes: Any) -> dict[str, Any]:
    return {"status": "active", "scope": RESEARCH, "dateTime": "2020-01-01", "provision": provision, **changes}


def root(*nested: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"type": "deny", "provision": list(nested), **changes}


@pytest.mark.parametrize(
    ("provision", "permits"),
    [
        (root(PERMIT), True),
        ({"provision": [PERMIT]}, True),
        (root(), False),
        (None, False),
        ({"type": "permit"}, False),
        ({"type": "permit", "purpose": [HRESCH]}, False),
        ({"type": "permit", "provision": [PERMIT]}, False),
        (root({"type": "permit"}), False),
        (root({"type": "permit", "purpose": [{**HRESCH, "code": "TREAT"}]}), False),
        (root({"type": "permit", "purpose": [{**HRESCH, "system": "urn:other"}]}), False),
        (root(PERMIT, DENY), False),
        (root(PERMIT, {"type": "deny"}), False),
        (root(PERMIT, {"type": "deny", "purpose": [{**HRESCH, "code": "TREAT"}]}), True),
        (root({**PERMIT, "actor": [{}]}), False),
        (root({**PERMIT, "class": [{}]}), False),
        (root({**PERMIT, "provision": [DENY]}), False),
        (root({**PERMIT, "period": {"start": "2020-01-01", "end": "2030-01-01"}}), True),
        (root({**PERMIT, "period": {"end": "2025-12-31"}}), False),
        (root({**PERMIT, "period": {"end": "2026-01-01"}}), True),
        (root({**PERMIT, "period": {"start": "2026-01-02"}}), False),
        (root(PERMIT, period={"end": "2025-12-31"}), False),
    ],
)
def test_the_root_denies_and_a_nested_provision_permits(provision: Any, permits: bool) -> None:
    said = statement(consent(provision), "HRESCH", TODAY)
    assert said is not None
    assert said.denies is not permits


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ([], True),
        ([{"status": "inactive"}], False),
        ([{"status": "rejected"}], False),
        ([{"status": "entered-in-error"}], None),
        ([{"status": "draft"}], None),
        ([{"scope": {"coding": [{"code": "treatment"}]}}], None),
    ],
)
def test_status_and_scope_decide_whether_a_consent_speaks(changes: list[dict[str, Any]], allowed: bool | None) -> None:
    said = statement(consent(root(PERMIT), **(changes[0] if changes else {})), "HRESCH", TODAY)
    assert (None if said is None else not said.denies) is allowed


@pytest.mark.parametrize(
    ("second", "rows"),
    [
        ({"dateTime": "2020-01-01", "provision": root()}, 1),
        ({"dateTime": "2010-01-01", "provision": root()}, 2),
        ({"dateTime": "2018-02-01", "provision": root()}, 1),
        ({"dateTime": None, "provision": root()}, 1),
        ({"dateTime": "2020-01-01", "status": "inactive"}, 1),
        ({"dateTime": "2020-01-01", "status": "entered-in-error"}, 2),
    ],
)
def test_the_newest_consent_decides_and_on_one_day_the_denial(
    ward: Ward, dictionary: Dictionary, second: dict[str, Any], rows: int
) -> None:
    content = {**ward.permission("ada"), **second, "id": "second"}
    ward.add("Consent", **{key: value for key, value in content.items() if value is not None})
    quality = ward.read(dictionary).quality
    assert (quality.rows, quality.consent_denied) == (rows, 2 - rows)


def test_a_patient_without_consent_is_left_out_unless_the_dictionary_does_not_require_it(
    ward: Ward, dictionary: Dictionary, amended: Callable[[str, str], Dictionary]
) -> None:
    ward.resources["Consent"].pop()
    assert ward.read(dictionary).quality.consent_denied == 1
    assert ward.read(amended("required: true", "required: false")).quality.consent_denied == 0


def test_nothing_of_a_patient_who_denies_is_read_or_named(ward: Ward, dictionary: Dictionary) -> None:
    ward.find("Consent")["provision"] = root()
    ward.find("Observation")["valueQuantity"]["value"] = 999
    quality = ward.read(dictionary).quality
    assert quality.refusals == ()
    assert quality.out_of_range == 0
    assert quality.consent_denied == 1


def test_a_consent_runs_out_on_its_day(ward: Ward, dictionary: Dictionary) -> None:
    ward.find("Consent")["provision"]["period"] = {"end": "2020-06-30"}
    folder = ward.write()
    assert read_fhir(folder, dictionary, b"k" * 32, as_of=date(2020, 6, 30)).table.rows == 2
    assert read_fhir(folder, dictionary, b"k" * 32, as_of=date(2020, 7, 1)).table.rows == 1


@pytest.mark.parametrize(
    "change",
    [
        {"status": "agreed"},
        {"scope": None},
        {"dateTime": "last week"},
        {"patient": {"reference": "Group/1"}},
        {"provision": {"type": "deny", "provision": {}}},
        {"provision": {"type": "deny", "period": "always"}},
    ],
)
def test_a_consent_that_is_not_understood_refuses_the_file(
    ward: Ward, dictionary: Dictionary, change: dict[str, Any]
) -> None:
    ward.find("Consent").update(change)
    with pytest.raises(ConsentUnreadable, match=r"Consent\.ndjson:1"):
        ward.read(dictionary)
