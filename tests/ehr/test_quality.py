"""The quality report: complete counts, a bounded list, and forms to look at."""

import json
from pathlib import Path
from typing import Any

import pytest

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.ingest import Ingested, read_fhir
from belmont.ehr.quality import MAX_LISTED
from belmont.ehr.synthetic import HospitalCohort
from belmont.ehr.synthetic_records import ConsentKind

Ward = Any
"""The hand-made records of conftest.py."""


@pytest.fixture(scope="module")
def ingested(cohorts: list[HospitalCohort], fhir_folders: list[Path], dictionary: Dictionary) -> Ingested:
    return read_fhir(fhir_folders[1], dictionary, cohorts[1].pseudonym_key)


def test_counts_are_those_of_the_cohort(ingested: Ingested, cohorts: list[HospitalCohort]) -> None:
    records, quality = cohorts[1].records, ingested.quality
    assert quality.patients_read == cohorts[1].patients
    assert quality.consent_denied == int((records.consent != ConsentKind.PERMITS).sum())
    assert quality.duplicate_patients == int(records.patient_twice.sum())
    assert quality.rows == quality.patients_read - quality.consent_denied - quality.refused_rows
    assert quality.missing["hba1c"] == int((ingested.table.codes("hba1c") == 0).sum())
    assert quality.unit_conversions > quality.rows


def test_the_frame_has_a_row_for_each_column_and_adds_up(ingested: Ingested) -> None:
    frame = ingested.quality.to_frame()
    assert list(frame.index) == list(ingested.table.columns)
    assert ((frame["observed"] + frame["missing"]) == ingested.table.rows).all()
    assert frame["out_of_range"].sum() == ingested.quality.out_of_range


def test_every_refusal_names_file_line_and_reason(ingested: Ingested) -> None:
    assert ingested.quality.refusals
    for refusal in ingested.quality.refusals:
        name, line = refusal.where.split(":")
        assert name.endswith(".ndjson")
        assert int(line) > 0
        assert refusal.reason
    assert len(ingested.quality.refusals_frame()) == len(ingested.quality.refusals)


def test_the_summary_and_the_counts_quote_no_value_and_no_patient(
    ingested: Ingested, cohorts: list[HospitalCohort]
) -> None:
    shown = ingested.quality.summary() + json.dumps(ingested.quality.to_dict()) + ingested.quality._repr_html_()
    assert "ndjson:" not in shown
    assert not any(identifier in shown for identifier in cohorts[1].identifiers)


def test_the_list_is_bounded_and_the_count_is_not(ward: Ward, dictionary: Dictionary) -> None:
    for _ in range(MAX_LISTED + 50):
        ward.measure("ada", "59261-8", 999, "mmol/mol")
    quality = ward.read(dictionary).quality
    assert len(quality.refusals) == MAX_LISTED
    assert quality.refused_values == quality.out_of_range == MAX_LISTED + 50


def test_html_is_escaped(ward: Ward, dictionary: Dictionary) -> None:
    folder = ward.write()
    evil = folder.rename(folder.with_name("<b>ward"))
    assert "<b>ward" not in read_fhir(evil, dictionary, b"k" * 32).quality._repr_html_().replace("<b>&lt;", "")
