"""What readers hand on of Consents that permit: classes and actors as they were understood, each content once."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from belmont.ehr.consent import statement
from belmont.ehr.consent_terms import TermsBook
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.ingest import read_consents, read_csv, read_fhir
from belmont.ehr.pseudonyms import pseudonym
from belmont.ehr.synthetic import HospitalCohort, write_csv

Ward = Any
"""The hand-made records of conftest.py."""

TODAY = date(2026, 1, 1)
KEY = bytes(range(32))
HRESCH = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}
RESEARCH = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]}
CONDITION = {"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}
ROLE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
CLINIC = {"role": ROLE, "reference": {"reference": "Organization/clinic"}}
MEMBER = {"role": ROLE, "reference": {"identifier": {"system": "urn:ietf:rfc:3986", "value": "did:ethr:0x1"}}}


def consent(*nested: dict[str, Any], **root: Any) -> dict[str, Any]:
    provision = {"type": "deny", **root, "provision": [{"type": "permit", "purpose": [HRESCH], **n} for n in nested]}
    return {"status": "active", "scope": RESEARCH, "dateTime": "2020-01-01", "provision": provision}


LIMITS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"class": [CONDITION]}, True),
    ({"class": [{**CONDITION, "display": "Conditions", "version": "4.0.1"}, {**CONDITION, "code": "Patient"}]}, True),
    ({"actor": [CLINIC]}, True),
    ({"actor": [MEMBER, CLINIC]}, True),
    ({"actor": [{**CLINIC, "reference": {**CLINIC["reference"], **MEMBER["reference"], "display": "us"}}]}, True),
    ({"actor": [CLINIC], "class": [CONDITION], "period": {"end": "2030-01-01"}}, True),
    ({"class": []}, False),
    ({"class": CONDITION}, False),
    ({"class": ["Condition"]}, False),
    ({"class": [CONDITION, {"code": "Patient"}]}, False),
    ({"class": [{**CONDITION, "code": ""}]}, False),
    ({"class": [{**CONDITION, "negated": True}]}, False),
    ({"class": [{**CONDITION, "modifierExtension": [{"url": "urn:not"}]}]}, False),
    ({"actor": []}, False),
    ({"actor": CLINIC}, False),
    ({"actor": [{"reference": CLINIC["reference"]}]}, False),
    ({"actor": [{"role": ROLE}]}, False),
    ({"actor": [{"role": {"text": "the clinic"}, "reference": CLINIC["reference"]}]}, False),
    ({"actor": [{"role": {"coding": [{"code": "IRCP"}]}, "reference": CLINIC["reference"]}]}, False),
    ({"actor": [CLINIC, {"role": ROLE, "reference": {"display": "everybody"}}]}, False),
    ({"actor": [{"role": ROLE, "reference": {"reference": 7}}]}, False),
    ({"actor": [{"role": ROLE, "reference": {"identifier": {"value": "did:ethr:0x1"}}}]}, False),
    ({"actor": [{"role": ROLE, "reference": {**CLINIC["reference"], "identifier": {}}}]}, False),
    ({"actor": [{**CLINIC, "except": True}]}, False),
    ({"data": [{"meaning": "instance"}]}, False),
    ({"code": [{"coding": [{"code": "59261-8"}]}]}, False),
    ({"securityLabel": [{"code": "N"}]}, False),
    ({"action": [{"coding": [{"code": "use"}]}]}, False),
    ({"dataPeriod": {"start": "2020-01-01"}}, False),
    ({"class": [CONDITION], "data": [{"meaning": "instance"}]}, False),
]


@pytest.mark.parametrize(("limits", "understood"), LIMITS)
def test_a_class_and_an_actor_that_are_understood_permit_those_who_apply_them_and_nobody_else(
    limits: dict[str, Any], understood: bool
) -> None:
    scoped = statement(consent(limits), "HRESCH", TODAY, scoped=True)
    plain = statement(consent(limits), "HRESCH", TODAY)
    assert scoped is not None and plain is not None
    assert scoped.denies is not understood
    assert plain.denies is bool(limits)


@pytest.mark.parametrize("limits", [{"class": [CONDITION]}, {"actor": [CLINIC]}])
def test_a_root_with_a_class_or_an_actor_still_denies(limits: dict[str, Any]) -> None:
    said = statement(consent({}, **limits), "HRESCH", TODAY, scoped=True)
    assert said is not None and said.denies


def test_what_is_kept_is_a_consent_of_the_provisions_that_permit_now() -> None:
    treatment = {"type": "permit", "purpose": [{**HRESCH, "code": "TREAT"}]}
    nested = [
        {"class": [{**CONDITION, "display": "x"}], "actor": [{**MEMBER, "id": "a"}]},
        {"period": {"end": "2025-12-31"}},
        {"dataPeriod": {}},
        treatment,
        {"type": "deny", "purpose": [{**HRESCH, "code": "TREAT"}]},
    ]
    said = statement(consent(*nested, period={"end": "2030-01-01"}), "HRESCH", TODAY, scoped=True)
    assert said is not None
    assert json.loads(said.terms) == {
        "resourceType": "Consent",
        "status": "active",
        "provision": {
            "type": "deny",
            "period": {"end": "2030-01-01"},
            "provision": [{"type": "permit", "purpose": [HRESCH], "class": [CONDITION], "actor": [MEMBER]}],
        },
    }


def limits_of(ward: Ward, dictionary: Dictionary, name: str) -> list[list[dict[str, Any]]]:
    """The nested provisions of each Consent that decides for a patient, without purposes."""
    consents = read_fhir(ward.write(), dictionary, KEY, as_of=TODAY, scoped=True).consents
    again = read_consents(ward.folder, dictionary, KEY, as_of=TODAY)
    assert (again.distinct, again.pseudonyms.tolist()) == (consents.distinct, consents.pseudonyms.tolist())
    (place,) = consents.of(np.array([pseudonym(KEY, f"MRN-{name}")], np.uint64))
    if place < 0:
        return []
    provisions = [each["provision"]["provision"] for each in consents.distinct[place]]
    return [[{k: v for k, v in each.items() if k not in ("type", "purpose")} for each in found] for found in provisions]


def say(ward: Ward, day: str | None, status: str = "active", **limits: Any) -> None:
    content = ward.permission("ada")
    content["provision"]["provision"][0].update(limits)
    content |= {"dateTime": day, "status": status}
    number = len(ward.resources["Consent"])
    ward.add("Consent", id=f"c{number}", **{k: v for k, v in content.items() if v is not None})


@pytest.mark.parametrize(
    ("later", "decides"),
    [
        ([("2019-01-01", {"class": [CONDITION]})], [[{"class": [CONDITION]}]]),
        ([("2017-01-01", {"class": [CONDITION]})], [[{}]]),
        ([("2018-02-01T20:00:00Z", {"class": [CONDITION]})], [[{}], [{"class": [CONDITION]}]]),
        ([("2018-02-01", {})], [[{}]]),
        ([(None, {"class": [CONDITION]})], [[{}]]),
        ([("2026-01-02", {})], [[{}]]),
        ([("2019-01-01", {"class": [CONDITION]}), ("2020-01-01", {"actor": [CLINIC]})], [[{"actor": [CLINIC]}]]),
        ([("2019-01-01", {"class": []})], []),
    ],
)
def test_the_newest_permission_says_what_is_permitted_and_all_of_one_day_do(
    later: list[tuple[str | None, dict[str, Any]]], decides: list[Any], ward: Ward, dictionary: Dictionary
) -> None:
    for order in (later, later[::-1]):
        del ward.resources["Consent"][2:]
        for day, limits in order:
            say(ward, day, **limits)
        assert limits_of(ward, dictionary, "ada") == decides
        assert limits_of(ward, dictionary, "ben") == [[{}]]


def test_without_applying_scopes_a_patient_with_limits_stays_out(ward: Ward, dictionary: Dictionary) -> None:
    ward.find("Consent")["provision"]["provision"][0]["actor"] = [CLINIC]
    folder = ward.write()
    assert read_fhir(folder, dictionary, KEY, as_of=TODAY).table.rows == 1
    assert read_fhir(folder, dictionary, KEY, as_of=TODAY, scoped=True).table.rows == 2


def test_silence_permits_no_more_than_the_purpose_that_the_dictionary_names(
    ward: Ward, dictionary: Dictionary, amended: Callable[[str, str], Dictionary]
) -> None:
    del ward.resources["Consent"][:]
    assert limits_of(ward, dictionary, "ada") == []
    for rule, purpose in (("consent: {purpose: DSRCH, required: false}", "DSRCH"), ("", "HRESCH")):
        book = amended("consent: {purpose: HRESCH, required: true}", rule)
        consents = read_consents(ward.write(), book, KEY, as_of=TODAY)
        ((only,),) = consents.distinct
        assert only["provision"]["provision"] == [{"type": "permit", "purpose": [{**HRESCH, "code": purpose}]}]
        assert consents.pseudonyms.size == 2


def test_yes_in_a_csv_permits_the_dictionarys_purpose_without_limits(
    cohorts: list[HospitalCohort], dictionary: Dictionary, tmp_path: Any
) -> None:
    write_csv(cohorts[0], tmp_path / "table.csv")
    ingested = read_csv(tmp_path / "table.csv", dictionary, KEY, as_of=TODAY)
    ((only,),) = ingested.consents.distinct
    assert only["provision"] == {"type": "deny", "provision": [{"type": "permit", "purpose": [HRESCH]}]}
    assert (ingested.consents.of(ingested.table.pseudonyms) == 0).all()


def test_everybody_in_the_table_has_terms_and_nobody_else_who_does_not_permit(
    fhir_folders: list[Any], dictionary: Dictionary
) -> None:
    ingested = read_fhir(fhir_folders[0], dictionary, KEY, as_of=TODAY, scoped=True)
    quality, consents = ingested.quality, ingested.consents
    assert (consents.of(ingested.table.pseudonyms) >= 0).all()
    assert consents.pseudonyms.size == quality.patients_read - quality.consent_denied
    assert consents.of(np.array([1, 2**64 - 1], np.uint64)).tolist() == [-1, -1]


def test_equal_content_of_many_patients_is_kept_once() -> None:
    book = TermsBook()
    contents = [json.dumps({"n": n}) for n in range(3)]
    patients = ((f"p{n}", (book.number(contents[n % 3]),)) for n in range(3000))
    terms = book.terms(KEY, patients)
    assert (len(terms.distinct), terms.places.size) == (3, 3000)
    assert terms.of(np.array([pseudonym(KEY, "p4")], np.uint64)).tolist() == [1]
    assert TermsBook().terms(KEY, ()).of(np.array([5], np.uint64)).tolist() == [-1]
