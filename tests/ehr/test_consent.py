"""FHIR R4 Consent, as this project reads it: the root denies, nested provisions permit, and doubt denies."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from belmont.ehr.consent import statement
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import ConsentUnreadable, DenialUnplaced
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
        (root(PERMIT, period={"end": "2026-12-31"}), True),
        (root(PERMIT, period={"ends": "2026-12-31"}), False),
        (root(PERMIT, {"type": "deny", "purpose": [{"code": "HRESCH"}]}), False),
        (root(PERMIT, {"type": "deny", "purpose": [{**HRESCH, "system": HRESCH["system"] + "|3.0"}]}), False),
        (root(PERMIT, {"type": "deny", "purpose": [{**HRESCH, "code": "BIORCH"}]}), False),
        (root(PERMIT, {"type": "deny", "purpose": [{**HRESCH, "code": "hresch"}]}), False),
        (root(PERMIT, {"type": "deny", "purpose": [{**HRESCH, "code": "TREAT"}, {"code": "x"}]}), False),
        (root(PERMIT, {"type": "deny", "purpose": [{"code": "TREAT"}]}), False),
        (
            root(PERMIT, {"type": "deny", "purpose": [{"system": HRESCH["system"] + "|3.0", "code": "TREAT"}]}),
            True,
        ),
        (root(PERMIT, {"type": "Deny", "purpose": [HRESCH]}), False),
        (root(PERMIT, {"purpose": [HRESCH]}), False),
        (root(PERMIT, {"type": "permit", "purpose": [{**HRESCH, "code": "TREAT"}]}), True),
        (root(PERMIT, {"type": "permit", "purpose": [{**HRESCH, "code": "TREAT"}], "provision": [DENY]}), False),
        (root(PERMIT, actor=[{"reference": {"reference": "Organization/charity"}}]), False),
        (root(PERMIT, dataPeriod={"end": "2010-01-01"}), False),
        (root(PERMIT, purpose=[HRESCH]), False),
        (root(PERMIT, modifierExtension=[{"url": "urn:not", "valueBoolean": True}]), False),
        (root({**PERMIT, "modifierExtension": [{"url": "urn:not"}]}), False),
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
        ([{"scope": {"coding": [{"code": "Research"}]}}], False),
        ([{"scope": {"coding": [{"system": "urn:ours", "code": "treatment"}]}}], False),
        ([{"modifierExtension": [{"url": "urn:withdrawn", "valueBoolean": True}]}], False),
        ([{"modifierExtension": [{"url": "urn:not"}], "status": "entered-in-error"}], False),
        ([{"implicitRules": "urn:other-rules"}], False),
        ([{"decision": "deny"}], False),
        ([{"verification": [{"verified": True}]}], True),
        ([{"verification": [{"verified": False}]}], False),
        ([{"policyRule": {"coding": [{"code": "OPTIN"}]}}], True),
        ([{"policyRule": {"coding": [{"code": "OPTOUT"}]}}], False),
    ],
)
def test_status_and_scope_decide_whether_a_consent_speaks(changes: list[dict[str, Any]], allowed: bool | None) -> None:
    said = statement(consent(root(PERMIT), **(changes[0] if changes else {})), "HRESCH", TODAY)
    assert (None if said is None else not said.denies) is allowed


WITHDRAWN = {"status": "inactive"}


@pytest.mark.parametrize(
    ("permitted", "withdrawn", "allowed"),
    [
        ("2020-05-01T09:00:00Z", "2020-05-01", False),
        ("2020-05-01T09:00:00Z", "2020-05-01T08:00:00Z", False),
        ("2020-05-02", "2020-05-01", True),
        ("2020-05-02T00:00:00Z", "2020-05-01T23:59:59Z", True),
        ("2020-05-02T00:30:00+10:00", "2020-05-01T20:00:00Z", False),
        ("2020-05-01T23:00:00-05:00", "2020-05-02T03:00:00Z", False),
        ("2062-01-01", "2020-05-01", False),
        ("2020-05-01", "2062-01-01", False),
        ("2026-01-01", "2020-05-01", True),
        ("2026-01-02", "2020-05-01", False),
        (None, "2020-05-01", False),
        ("2020-05-01", None, False),
    ],
)
def test_a_permission_outranks_a_denial_only_from_a_later_day_that_has_come(
    ward: Ward, dictionary: Dictionary, permitted: str | None, withdrawn: str | None, allowed: bool
) -> None:
    permission = {**ward.permission("ada"), "dateTime": permitted}
    denial = {**ward.permission("ada"), **WITHDRAWN, "dateTime": withdrawn}
    for order in ((permission, denial), (denial, permission)):
        del ward.resources["Consent"][:]
        ward.add("Consent", id="ben", **ward.permission("ben"))
        for number, content in enumerate(order):
            ward.add("Consent", id=f"c{number}", **{key: each for key, each in content.items() if each is not None})
        assert ward.read(dictionary).table.rows == 1 + allowed


def test_a_permission_dated_in_the_future_does_not_permit_yet(ward: Ward, dictionary: Dictionary) -> None:
    ward.find("Consent")["dateTime"] = "2026-01-02"
    folder = ward.write()
    assert read_fhir(folder, dictionary, b"k" * 32, as_of=date(2026, 1, 1)).table.rows == 1
    assert read_fhir(folder, dictionary, b"k" * 32, as_of=date(2026, 1, 2)).table.rows == 2


@pytest.mark.parametrize(
    "patient",
    [
        None,
        {"id": "twin", "identifier": [{"system": "urn:mrn", "value": "MRN-ada"}], "meta": {"lastUpdated": 5}},
        {"id": "twin", "identifier": [{"system": "urn:mrn", "value": "MRN\n1"}]},
        {"id": "twin", "identifier": [{"system": "urn:mrn", "value": "MRN-ada"}], "link": [{"other": {}}]},
    ],
)
def test_a_denial_that_names_no_known_patient_refuses_the_file_and_a_permission_only_its_line(
    ward: Ward, dictionary: Dictionary, patient: dict[str, Any] | None
) -> None:
    if patient is not None:
        ward.add("Patient", **patient)
    said = ward.add("Consent", id="c", **ward.permission("twin"))
    assert ward.read(dictionary).table.rows == 2
    assert "no Patient 'twin'" in ward.read(dictionary).quality.refusals[-1].reason
    said.update(WITHDRAWN)
    with pytest.raises(DenialUnplaced, match=r"Consent\.ndjson:3: there is no Patient 'twin'.* denies"):
        ward.read(dictionary)


def test_a_patient_id_of_two_persons_names_neither(ward: Ward, dictionary: Dictionary) -> None:
    ward.add("Patient", id="ada", identifier=[{"system": "urn:mrn", "value": "MRN-ben"}])
    quality = ward.read(dictionary).quality
    assert (quality.rows, quality.consent_denied) == (1, 1)
    assert any("two patients have the id 'ada'" in refusal.reason for refusal in quality.refusals)
    ward.find("Consent").update(WITHDRAWN)
    with pytest.raises(DenialUnplaced, match="two patients have the id 'ada'"):
        ward.read(dictionary)


@pytest.mark.parametrize(
    ("old", "linked"),
    [
        ({"link": [{"other": {"reference": "Patient/ada"}, "type": "replaces"}]}, True),
        ({"identifier": [{"system": "urn:mrn", "value": "MRN-1"}, {"system": "urn:mrn", "value": "MRN-ada"}]}, True),
        ({"identifier": [{"system": "urn:mrn", "value": "MRN-ada", "use": "old"}]}, True),
        ({"link": [{"other": {"reference": "RelatedPerson/ada"}, "type": "seealso"}]}, False),
        ({"identifier": [{"system": "urn:mrn", "value": "1"}, {"system": "urn:fund", "value": "MRN-ada"}]}, False),
    ],
)
def test_a_denial_under_a_linked_record_counts_and_a_permission_does_not(
    ward: Ward, dictionary: Dictionary, old: dict[str, Any], linked: bool
) -> None:
    ward.resources["Patient"].insert(0, {"resourceType": "Patient", "id": "old", "birthDate": "1950-06-15", **old})
    said = ward.add("Consent", id="c", **{**ward.permission("old", "2019-01-01"), **WITHDRAWN})
    assert ward.read(dictionary).table.rows == (1 if linked else 2)
    said["status"] = "active"
    ward.find("Consent").update(WITHDRAWN)
    assert ward.value(dictionary, "age", "ben") == 67
    with pytest.raises(ValueError, match="not in list"):
        ward.value(dictionary, "age", "ada")


@pytest.mark.parametrize("name", ["Consents.ndjson", "consent.ndjson", "Consent-withdrawals.ndjson.gz", "Consent.json"])
def test_a_file_of_consents_that_would_not_be_read_is_refused(
    ward: Ward, dictionary: Dictionary, amended: Callable[[str, str], Dictionary], name: str
) -> None:
    folder = ward.write()
    (folder / "consent_form.pdf").write_bytes(b"")
    assert read_fhir(folder, dictionary, b"k" * 32).table.rows == 2
    (folder / name).write_bytes(b"")
    with pytest.raises(ConsentUnreadable, match="name it Consent"):
        read_fhir(folder, dictionary, b"k" * 32)
    unasked = amended("consent: {purpose: HRESCH, required: true}", "")
    assert read_fhir(folder, unasked, b"k" * 32).table.rows == 2


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


def test_where_everybody_denies_the_table_is_empty(ward: Ward, dictionary: Dictionary) -> None:
    for each in ward.resources["Consent"]:
        each.update(WITHDRAWN)
    quality = ward.read(dictionary).quality
    assert (quality.rows, quality.consent_denied) == (0, 2)


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
