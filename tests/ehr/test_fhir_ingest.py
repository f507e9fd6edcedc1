"""FHIR in, coded table out: the generator's own hospitals, and hand-made records around every rule."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import DictionaryError, InputMissing, PseudonymCollision, WrongDictionary
from belmont.ehr.ingest import read_fhir
from belmont.ehr.synthetic import HospitalCohort

Ward = Any
"""The hand-made records of conftest.py."""


def test_fhir_files_code_to_the_table_the_generator_knows(
    cohorts: list[HospitalCohort], fhir_folders: list[Path], dictionary: Dictionary
) -> None:
    for cohort, folder in zip(cohorts, fhir_folders, strict=True):
        ingested = read_fhir(folder, dictionary, cohort.pseudonym_key)
        expected = cohort.coded()
        for column in dictionary:
            assert np.array_equal(ingested.table.codes(column.name), expected.codes(column.name)), column.name
        assert ingested.table == expected
        assert ingested.quality.rows == expected.rows
        assert ingested.quality.patients_read == cohort.patients


def test_the_order_of_files_and_lines_and_compression_change_nothing(
    cohorts: list[HospitalCohort], fhir_folders: list[Path], dictionary: Dictionary, tmp_path: Path
) -> None:
    for path in fhir_folders[0].iterdir():
        lines = path.read_bytes().splitlines(keepends=True)[::-1]
        half = len(lines) // 2
        (tmp_path / path.name).write_bytes(b"".join(lines[:half]))
        (tmp_path / f"{path.stem}.0002.ndjson.gz").write_bytes(gzip.compress(b"".join(lines[half:])))
    assert read_fhir(tmp_path, dictionary, cohorts[0].pseudonym_key).table == cohorts[0].coded()


def test_strict_reading_accepts_every_generated_resource(
    cohorts: list[HospitalCohort], fhir_folders: list[Path], dictionary: Dictionary
) -> None:
    ingested = read_fhir(fhir_folders[2], dictionary, cohorts[2].pseudonym_key, strict=True)
    assert ingested.quality.refused_lines == 0
    assert ingested.table == cohorts[2].coded()


def test_a_complete_record_gives_its_values_and_missing_ones_are_missing(ward: Ward, dictionary: Dictionary) -> None:
    table = ward.read(dictionary).table
    assert table.rows == 2
    assert sorted(table.values("hba1c").tolist()) == [58.0, 58.0]
    assert sorted(table.values("age").tolist()) == [67.0, 67.0]
    assert np.isnan(table.values("ldl")).all()
    assert sorted(table.values("sex").tolist()) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("code", "value", "unit", "column", "expected"),
    [
        ("4548-4", 7.5, "%", "hba1c", 58.0),
        ("59261-8", 61, "mmol/mol", "hba1c", 61.0),
        ("18262-6", 100, "mg/dL", "ldl", 2.6),
        ("22748-8", 2.58, "mmol/L", "ldl", 2.6),
        ("62238-1", 71, "mL/min/1.73m2", "egfr", 71.0),
    ],
)
def test_listed_units_convert_as_the_dictionary_says(
    ward: Ward, dictionary: Dictionary, code: str, value: float, unit: str, column: str, expected: float
) -> None:
    ward.measure("ada", code, value, unit, day="2018-02-25")
    assert ward.value(dictionary, column) == expected
    converted = ward.read(dictionary).quality.to_frame().loc[column, "unit_conversions"]
    assert converted == (unit != dictionary.column(column).unit)


@pytest.mark.parametrize("unit", ["mmol/l", "MMOL/MOL", "mg/dL", "", None, "percent"])
def test_a_unit_that_is_not_listed_is_never_guessed(ward: Ward, dictionary: Dictionary, unit: str | None) -> None:
    ward.find("Observation")["valueQuantity"]["code"] = unit
    assert np.isnan(ward.value(dictionary, "hba1c"))
    refusal = ward.read(dictionary).quality.refusals[0]
    assert (refusal.where, refusal.column, refusal.category) == ("Observation.ndjson:1", "hba1c", "unknown unit")


def test_the_newest_value_in_the_window_counts(ward: Ward, dictionary: Dictionary) -> None:
    ward.measure("ada", "59261-8", 70, "mmol/mol", day="2018-02-28")
    ward.measure("ada", "59261-8", 80, "mmol/mol", day="2017-11-01")
    ward.measure("ada", "59261-8", 90, "mmol/mol", day="2018-06-01")
    ward.measure("ada", "59261-8", 100, "mmol/mol", day="2016-06-01")
    assert ward.value(dictionary, "hba1c") == 70


def test_times_of_one_day_are_ordered_across_time_zones(ward: Ward, dictionary: Dictionary) -> None:
    ward.measure("ada", "59261-8", 70, "mmol/mol", day="2018-02-25T10:00:00+05:00")
    ward.measure("ada", "59261-8", 80, "mmol/mol", day="2018-02-25T08:00:00Z")
    assert ward.value(dictionary, "hba1c") == 80


def test_a_bad_newest_value_leaves_the_next_newest(ward: Ward, dictionary: Dictionary) -> None:
    ward.measure("ada", "59261-8", 700, "mmol/mol", day="2018-02-28")
    assert ward.value(dictionary, "hba1c") == 58
    assert ward.read(dictionary).quality.out_of_range == 1


def test_the_same_value_again_is_a_duplicate_and_another_of_that_moment_a_conflict(
    ward: Ward, dictionary: Dictionary
) -> None:
    ward.measure("ada", "59261-8", 58, "mmol/mol")
    ward.measure("ben", "59261-8", 59, "mmol/mol", issued="2018-02-21T00:00:00Z")
    frame = ward.read(dictionary).quality.to_frame()
    assert (frame.loc["hba1c", "duplicates"], frame.loc["hba1c", "conflicts"]) == (1, 1)
    assert ward.value(dictionary, "hba1c", "ben") == 59


def test_two_patients_with_one_identifier_are_one_person(ward: Ward, dictionary: Dictionary) -> None:
    again = {**ward.find("Patient"), "id": "ada-again"}
    ward.resources["Patient"].append(again)
    ward.measure("ada-again", "22748-8", 3.0, "mmol/L")
    assert ward.value(dictionary, "ldl") == 3.0
    quality = ward.read(dictionary).quality
    assert (quality.rows, quality.patients_read, quality.duplicate_patients) == (2, 2, 1)


def test_one_number_under_two_identifier_systems_is_refused_rather_than_merged(
    ward: Ward, dictionary: Dictionary
) -> None:
    ward.find("Patient", 1)["identifier"] = [{"system": "urn:insurance", "value": "MRN-ada"}]
    with pytest.raises(PseudonymCollision):
        ward.read(dictionary)


def test_the_dictionary_can_name_the_identifier_system(ward: Ward, amended: Callable[[str, str], Dictionary]) -> None:
    named = amended("on_malformed_line: drop_line", "on_malformed_line: drop_line\nidentifier_system: urn:mrn")
    ward.find("Patient", 1)["identifier"] = [{"system": "urn:insurance", "value": "77"}]
    quality = ward.read(named).quality
    assert quality.rows == 1
    assert any("no identifier of system urn:mrn" in refusal.reason for refusal in quality.refusals)


@pytest.mark.parametrize(
    ("status", "counts"), [("final", True), ("amended", True), ("preliminary", False), ("entered-in-error", False)]
)
def test_only_final_observations_count(ward: Ward, dictionary: Dictionary, status: str, counts: bool) -> None:
    ward.find("Observation")["status"] = status
    assert np.isnan(ward.value(dictionary, "hba1c")) != counts


@pytest.mark.parametrize(
    ("day", "verification", "prior", "event"),
    [
        ("2010-01-01", "confirmed", 1, 0),
        ("2018-03-01", "confirmed", 1, 0),
        ("2018-03-02", "confirmed", 0, 1),
        ("2023-03-01", "confirmed", 0, 1),
        ("2023-03-02", "confirmed", 0, 0),
        ("2019-01-01", "refuted", 0, 0),
    ],
)
def test_an_event_counts_before_or_after_baseline_by_its_window(
    ward: Ward, dictionary: Dictionary, day: str, verification: str, prior: int, event: int
) -> None:
    coding = {"coding": [{"system": "http://snomed.info/sct", "code": "22298006"}]}
    ward.add("Condition", id="c", code=coding, subject={"reference": "Patient/ada"}, onsetDateTime=day,
             verificationStatus={"coding": [{"system": "x", "code": verification}]})  # fmt: skip
    assert ward.value(dictionary, "prior_event") == prior
    assert ward.value(dictionary, "cvd_event") == event


@pytest.mark.parametrize(
    ("content", "statin"),
    [
        ({"status": "active", "authoredOn": "2018-01-10"}, 1),
        ({"status": "active", "authoredOn": "2015-01-10"}, 0),
        ({"status": "cancelled", "authoredOn": "2018-01-10"}, 0),
        ({"status": "active", "authoredOn": "2018-01-10", "doNotPerform": True}, 0),
        ({"status": "active", "authoredOn": "2018-01-10", "intent": "proposal"}, 0),
    ],
)
def test_a_prescription_counts_if_it_was_written_in_the_year_before(
    ward: Ward, dictionary: Dictionary, content: dict[str, object], statin: int
) -> None:
    coding = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "83367"}]}
    ward.add("MedicationRequest", **{"id": "m", "intent": "order", "medicationCodeableConcept": coding,
             "subject": {"reference": "Patient/ada"}, **content})  # fmt: skip
    assert ward.value(dictionary, "statin") == statin


def test_pressures_the_wrong_way_round_are_both_dropped(ward: Ward, dictionary: Dictionary) -> None:
    ward.find("Observation", 1)["valueQuantity"]["value"] = 80
    ward.find("Observation", 2)["valueQuantity"]["value"] = 140
    assert np.isnan(ward.value(dictionary, "systolic"))
    assert np.isnan(ward.value(dictionary, "diastolic"))
    assert ward.read(dictionary).quality.by_category == {"failed check": 2}


def test_a_pressure_panel_is_read_by_its_components(ward: Ward, dictionary: Dictionary) -> None:
    upper, lower = ward.find("Observation", 1), ward.find("Observation", 2)
    components = [{"code": each["code"], "valueQuantity": each["valueQuantity"]} for each in (upper, lower)]
    panel = {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]}
    ward.add("Observation", id="panel", status="final", code=panel, component=components,
             subject={"reference": "Patient/ada"}, effectiveDateTime="2018-02-27")  # fmt: skip
    components[0]["valueQuantity"] = {"value": 151, "code": "mm[Hg]"}
    assert ward.value(dictionary, "systolic") == 151


def test_smoking_is_read_from_its_snomed_code(ward: Ward, dictionary: Dictionary) -> None:
    coding = {"coding": [{"system": "http://snomed.info/sct", "code": "8517006"}]}
    observation = ward.measure("ada", "72166-2", 0, None)
    del observation["valueQuantity"]
    observation["valueCodeableConcept"] = coding
    assert ward.value(dictionary, "smoking") == 1


@pytest.mark.parametrize(
    ("born", "age"), [("1950-03-01", 68), ("1950-03-02", 67), ("1950", 67), ("1950-02", 68), ("1948-02-29", 70)]
)
def test_age_is_in_whole_years_at_baseline(ward: Ward, dictionary: Dictionary, born: str, age: int) -> None:
    ward.find("Patient")["birthDate"] = born
    assert ward.value(dictionary, "age") == age


def test_the_first_review_is_the_baseline_and_a_cancelled_one_is_not(ward: Ward, dictionary: Dictionary) -> None:
    ward.add("Encounter", **{**ward.find("Encounter"), "id": "later", "period": {"start": "2020-03-01"}})
    cancelled = {"id": "x", "status": "cancelled", "period": {"start": "2012-03-01"}}
    ward.add("Encounter", **{**ward.find("Encounter"), **cancelled})
    assert ward.value(dictionary, "age") == 67


def test_a_patient_without_baseline_is_left_out_and_named(ward: Ward, dictionary: Dictionary) -> None:
    ward.find("Encounter", 1)["type"] = []
    quality = ward.read(dictionary).quality
    assert (quality.rows, quality.refused_rows) == (1, 1)
    assert str(quality.refusals[0]) == "Patient.ndjson:2: the patient has no baseline Encounter"


def test_files_of_another_study_are_told_from_the_dictionary(ward: Ward, dictionary: Dictionary) -> None:
    for encounter in ward.resources["Encounter"]:
        encounter["type"] = []
    with pytest.raises(WrongDictionary, match="baseline Encounter"):
        ward.read(dictionary)


def test_observations_of_other_codes_only_are_told_from_the_dictionary(ward: Ward, dictionary: Dictionary) -> None:
    for observation in ward.resources["Observation"]:
        observation["code"] = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
    with pytest.raises(WrongDictionary, match="no Observation has a code"):
        ward.read(dictionary)


def test_a_folder_that_is_none_or_holds_no_patients_is_refused(tmp_path: Path, dictionary: Dictionary) -> None:
    with pytest.raises(InputMissing, match="no such folder"):
        read_fhir(tmp_path / "nowhere", dictionary, b"k" * 32)
    (tmp_path / "patients.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputMissing, match=r"no Patient\.ndjson"):
        read_fhir(tmp_path, dictionary, b"k" * 32)


def test_a_dictionary_without_fhir_sources_is_refused(ward: Ward) -> None:
    text = """
format: belmont-dictionary/1
name: csv-only
version: 1
title: t
columns: [{name: dead, label: Died, kind: bit, on_bad: drop_row}]
"""
    with pytest.raises(DictionaryError, match="no FHIR source"):
        ward.read(Dictionary.loads(text))


def test_progress_ends_at_the_last_byte(ward: Ward, dictionary: Dictionary) -> None:
    told: list[tuple[int, int]] = []
    read_fhir(ward.write(), dictionary, b"k" * 32, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0
