"""The hospital's own records of a patient are handed out whole, and nothing of anybody else's with them."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.service.patient.scenes import DICTIONARY, SLUG, Clinic

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.pseudonyms import pseudonym
from belmont.lab.own_tables import CSV_FILE
from belmont.service.patient.errors import FilesUnusable
from belmont.service.patient.own_records import ROW, OwnRecords, SourceRecord


def records(clinic: Clinic, who: int | None = None) -> OwnRecords:
    book, key = Dictionary.load(DICTIONARY), clinic.files.pseudonym_key()
    return OwnRecords(clinic.home.records(SLUG), book, key, clinic.mine if who is None else who)


def added(clinic: Clinic, kind: str) -> list[Any]:
    """The ids of my resources of a kind that tests added."""
    found = [each.content for each in records(clinic).read() if each.kind == kind]
    return [each["id"] for each in found if each["id"].startswith("t-")]


@pytest.fixture
def ids(clinic: Clinic) -> tuple[str, str]:
    """My id, and the other patient's."""
    found = clinic.patient_ids()
    return found[clinic.mine], found[clinic.others]


def to(patient: str) -> dict[str, Any]:
    return {"reference": f"Patient/{patient}"}


def test_every_resource_about_the_patient_is_there_and_none_about_anybody_else(
    clinic: Clinic, ids: tuple[str, str]
) -> None:
    found = list(records(clinic).read())
    wanted = []
    for kind in ("Condition", "Consent", "Encounter", "MedicationRequest", "Observation", "Patient"):
        for line in clinic.lines(kind):
            about = line.get("subject") or line.get("patient") or {"reference": f"Patient/{line['id']}"}
            if about["reference"].removeprefix("Patient/").removesuffix("-again") == ids[0]:
                wanted.append(line["id"])
    assert sorted(each.content["id"] for each in found) == sorted(wanted)
    assert len(wanted) > 8
    assert ids[1] not in json.dumps([each.content for each in found])


def test_all_patients_together_have_every_resource_once(clinic: Clinic) -> None:
    everybody = [each.content["id"] for who in clinic.patient_ids() for each in records(clinic, who).read()]
    lines = [line["id"] for kind in ("Patient", "Observation") for line in clinic.lines(kind)]
    assert len(everybody) == len(set(everybody)) and set(lines) <= set(everybody)


def test_staff_and_institutions_are_in_it_as_references_alone(clinic: Clinic, ids: tuple[str, str]) -> None:
    clinic.add("Practitioner", {"id": "t-doctor", "name": [{"family": "Okafor"}]})
    clinic.add("Organization", {"id": "t-clinic", "name": "Clinic"})
    clinic.add("Procedure", {"id": "t-mine", "subject": to(ids[0]), "performer": [{"actor": {
        "reference": "Practitioner/t-doctor"}, "onBehalfOf": {"reference": "Organization/t-clinic"}}]})  # fmt: skip
    clinic.add("Procedure", {"id": "t-others", "subject": to(ids[1]), "performer": [{"actor": {
        "reference": "Practitioner/t-doctor"}}]})  # fmt: skip
    text = json.dumps([each.content for each in records(clinic).read()])
    assert "Practitioner/t-doctor" in text and "Okafor" not in text and "t-others" not in text
    assert added(clinic, "Procedure") == ["t-mine"]


NAMING_OTHERS: dict[str, Any] = {
    "a performer": {"performer": [{"reference": "Patient/OTHER"}]},
    "by an address": {"performer": [{"reference": "https://fhir.example/Patient/OTHER"}]},
    "a version": {"performer": [{"reference": "Patient/OTHER/_history/1"}]},
    "a conditional reference": {"performer": [{"reference": "Patient?identifier=urn:x|1"}]},
    "by an identifier": {"performer": [{"type": "Patient", "identifier": {"value": "somebody"}}]},
    "by an identifier without a type": {"performer": [{"identifier": {"system": "SYSTEM", "value": "somebody"}}]},
    "deep within an extension": {
        "extension": [{"url": "u", "extension": [{"url": "v", "valueReference": {"reference": "Patient/OTHER"}}]}]
    },
    "a person contained": {"contained": [{"resourceType": "Patient", "id": "p", "name": [{"family": "Other"}]}]},
    "a relative contained": {"contained": [{"resourceType": "RelatedPerson", "id": "p"}]},
    "by a name that nobody can look up": {"performer": [{"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d"}]},
    "a patient of nowhere": {"performer": [{"reference": "Patient/unknown"}]},
}


@pytest.mark.parametrize("name", NAMING_OTHERS)
def test_a_resource_that_names_another_patient_is_left_out_and_counted(
    name: str, clinic: Clinic, ids: tuple[str, str]
) -> None:
    system = clinic.lines("Patient")[0]["identifier"][0]["system"]
    text = json.dumps(NAMING_OTHERS[name]).replace("OTHER", ids[1]).replace("SYSTEM", system)
    clinic.add("Observation", {"id": "t-1", "status": "final", "subject": to(ids[0]), **json.loads(text)})
    clinic.add("Observation", {"id": "t-2", "status": "final", "subject": to(ids[0]), "performer": [to(ids[0])]})
    mine = records(clinic)
    assert [each.content["id"] for each in mine.read() if each.content["id"].startswith("t-")] == ["t-2"]
    assert mine.left_out.by_kind == {"Observation": 1}


@pytest.mark.parametrize("subject", [
    "OTHER", "Patient/OTHER", "Patient/ME/_history/2", "ME", "Group/ME", "Patient/ME ", "patient/ME", "urn:uuid:ME",
    "Patient/ME,Patient/OTHER", "", None, 7, ["Patient/ME"],
])  # fmt: skip
def test_what_is_not_plainly_about_the_patient_is_not_the_patients(
    subject: Any, clinic: Clinic, ids: tuple[str, str]
) -> None:
    given = subject.replace("ME", ids[0]).replace("OTHER", ids[1]) if isinstance(subject, str) else subject
    clinic.add("Observation", {"id": "t-1", "subject": {"reference": given}})
    clinic.add("Observation", {"id": "t-2", "subject": to(ids[0]), "patient": to(ids[1])})
    clinic.add("Observation", {"id": "t-3", "subject": [to(ids[0])]}, {"id": "t-4"})
    assert added(clinic, "Observation") == []


def test_a_relative_of_the_patient_is_somebody_else(clinic: Clinic, ids: tuple[str, str]) -> None:
    clinic.add("RelatedPerson", {"id": "t-mother", "patient": to(ids[0]), "name": [{"family": "Mother"}]})
    mine = records(clinic)
    assert "Mother" not in json.dumps([each.content for each in mine.read()])
    assert mine.left_out.by_kind == {"RelatedPerson": 1}


def test_an_id_that_two_patients_claim_is_nobodys(clinic: Clinic, ids: tuple[str, str]) -> None:
    somebody = {"identifier": [{"system": "urn:x", "value": "somebody-else", "use": "official"}]}
    clinic.add("Observation", {"id": "t-1", "subject": to(ids[0])})
    assert added(clinic, "Observation") == ["t-1"]
    clinic.add("Patient", {"id": ids[0], **somebody})
    assert list(records(clinic).read()) == []


def test_a_second_patient_record_of_the_same_person_counts_and_one_that_only_links_does_not(
    clinic: Clinic, ids: tuple[str, str]
) -> None:
    me = next(line for line in clinic.lines("Patient") if line["id"] == ids[0])
    clinic.add("Patient", {"id": "t-again", "identifier": me["identifier"]})
    clinic.add("Patient", {"id": "t-linked", "identifier": [{"system": "urn:x", "value": "z"}],
                           "link": [{"other": to(ids[0]), "type": "seealso"}]})  # fmt: skip
    clinic.add("Observation", {"id": "t-1", "subject": to("t-again")}, {"id": "t-2", "subject": to("t-linked")})
    assert added(clinic, "Patient") == ["t-again"]
    assert added(clinic, "Observation") == ["t-1"]


def test_lines_that_cannot_be_read_are_nobodys_and_stop_nothing(clinic: Clinic, ids: tuple[str, str]) -> None:
    with (clinic.home.records(SLUG) / "Observation.ndjson").open("a") as file:
        file.write('{"broken": "Patient/' + ids[0] + '"\n["Patient/' + ids[0] + '"]\n' + "[" * 5000 + ids[0] + "\n")
    clinic.add("Observation", {"id": "t-1", "subject": to(ids[0])})
    assert added(clinic, "Observation") == ["t-1"]


def test_files_of_other_types_are_read_and_compressed_ones_too(clinic: Clinic, ids: tuple[str, str]) -> None:
    folder = clinic.home.records(SLUG)
    lines = [
        json.dumps({"resourceType": "Immunization", "id": f"t-{n}", "patient": to(who)}) for n, who in enumerate(ids)
    ]
    (folder / "Immunization.0001.ndjson.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / "notes.ndjson").write_text(lines[0])
    assert added(clinic, "Immunization") == ["t-0"]


def test_a_file_that_ends_early_is_an_error_that_says_nothing_of_the_file(
    clinic: Clinic, ids: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = clinic.home.records(SLUG)
    (folder / "Immunization.ndjson.gz").write_bytes(gzip.compress(ids[0].encode() * 9000)[:-20])
    with pytest.raises(FilesUnusable) as refused:
        list(records(clinic).read())
    said = f"{refused.value} {refused.value.remedy} {refused.value.__cause__} {caplog.text}"
    assert "Immunization" not in said and ids[0] not in said and str(clinic.home.path) not in said


def test_without_the_key_that_leads_to_rows_nothing_is_found(clinic: Clinic) -> None:
    own = OwnRecords(clinic.home.records(SLUG), Dictionary.load(DICTIONARY), None, clinic.mine)
    assert list(own.read()) == []


def test_a_record_is_not_shown_by_its_name(clinic: Clinic) -> None:
    assert "Patient/" not in repr(SourceRecord("Patient", {"id": "Patient/x"}))


# --- a hospital's own table ---


@pytest.fixture
def table(clinic: Clinic) -> Path:
    """The clinic keeps a CSV file in place of FHIR."""
    path, about = clinic.home.records(SLUG) / CSV_FILE, Dictionary.load(DICTIONARY).csv
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=about.delimiter)
        writer.writerow([about.identifier, "note"])
        writer.writerows([["A1", "first"], ["A2", "other"], [" A1 ", 'a "quoted" one'], ["A1"], ["", "nobody"]])
    return path


def test_of_a_table_the_patients_own_lines_are_read_and_no_others(clinic: Clinic, table: Path) -> None:
    key = clinic.files.pseudonym_key()
    assert key is not None
    own = OwnRecords(clinic.home.records(SLUG), Dictionary.load(DICTIONARY), key, pseudonym(key, "A1"))
    found = list(own.read())
    assert [each.kind for each in found] == [ROW, ROW]
    assert [each.content["note"] for each in found] == ["first", 'a "quoted" one']
    nobody = OwnRecords(clinic.home.records(SLUG), Dictionary.load(DICTIONARY), key, 5)
    assert list(nobody.read()) == []


def test_a_table_without_the_column_of_identifiers_is_nobodys(clinic: Clinic, table: Path) -> None:
    table.write_text("a,b\nA1,2\n")
    key = clinic.files.pseudonym_key()
    assert key is not None
    own = OwnRecords(clinic.home.records(SLUG), Dictionary.load(DICTIONARY), key, pseudonym(key, "A1"))
    assert list(own.read()) == []
