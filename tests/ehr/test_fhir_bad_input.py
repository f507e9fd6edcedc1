"""Broken FHIR files: what is named, what is kept, and what refuses the whole file."""

import gzip
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import (
    ConsentUnreadable,
    EhrError,
    InputNotText,
    InputTruncated,
    LineTooLong,
    RecordRefused,
)
from belmont.ehr.ingest import read_fhir
from belmont.ehr.lines import MAX_LINE_BYTES

Ward = Any
"""The hand-made records of conftest.py."""

Amend = Callable[[str, str], Dictionary]


def insert(line: bytes) -> Callable[[bytes], bytes]:
    return lambda data: line + b"\n" + data


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"resourceType": "Observation", ', "not JSON at character"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"resourceType": "Patient", "id": "x"}', "resourceType 'Patient' in a file of Observation"),
        (b'{"resourceType": "Observation", "x": NaN}', "NaN is not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"resourceType": "Observation", "x": ' + b"[{" * 200 + b"}]" * 200 + b"}", "within each other"),
        (b'{"resourceType": "Observation", "id": "x", "status": "final"}', "names no Patient"),
        (
            b'{"resourceType":"Observation","status":["final"],"subject":{"reference":"Patient/ada"}}',
            "is no code",
        ),
        (b'{"resourceType":"Observation","id":"x","subject":{"reference":"Patient/nobody"}}', "no Patient 'nobody'"),
    ],
)
def test_a_malformed_line_is_named_and_the_rest_is_kept(
    ward: Ward, dictionary: Dictionary, line: bytes, reason: str
) -> None:
    ward.raw["Observation"] = insert(line)
    ingested = ward.read(dictionary)
    assert ingested.table.rows == 2
    assert ingested.quality.refused_lines == 1
    assert ingested.quality.refusals[0].where == "Observation.ndjson:1"
    assert reason in ingested.quality.refusals[0].reason


def test_a_malformed_line_refuses_the_file_where_the_dictionary_says_so(ward: Ward, amended: Amend) -> None:
    ward.raw["Observation"] = insert(b"{")
    with pytest.raises(RecordRefused, match=r"Observation\.ndjson:1: not JSON"):
        ward.read(amended("on_malformed_line: drop_line", "on_malformed_line: refuse_file"))


@pytest.mark.parametrize(
    ("change", "category", "reason"),
    [
        ({"valueQuantity": {"value": 999, "code": "mmol/mol"}}, "out of range", "999 mmol/mol is outside 15 to 200"),
        ({"valueQuantity": {"value": -3, "code": "mmol/mol"}}, "out of range", "outside"),
        ({"valueQuantity": {"value": "58", "code": "mmol/mol"}}, "not a number", "'58' is no number"),
        ({"valueQuantity": {"value": True, "code": "mmol/mol"}}, "not a number", "True is no number"),
        ({"valueQuantity": {"value": 58, "comparator": "<", "code": "mmol/mol"}}, "not a number", "only a bound"),
        ({"valueQuantity": {"value": 10**400, "code": "mmol/mol"}}, "not a number", "larger"),
        ({"valueQuantity": {"value": 58, "code": "%"}}, "out of range", "58 % = 610.44 mmol/mol is outside"),
        ({"valueQuantity": [1]}, "not a number", "is no Quantity"),
        ({"effectiveDateTime": "yesterday"}, "bad date", "'yesterday' is no date"),
        ({"effectiveDateTime": "2018-02"}, "bad date", "is no date to the day"),
        ({"effectiveDateTime": "2018-02-30"}, "bad date", "is no date"),
        ({"effectiveDateTime": "2018-02-20T10:00:00"}, "bad date", "time zone"),
        ({"effectiveDateTime": None}, "bad date", "None is no date"),
    ],
)
def test_a_bad_value_is_dropped_with_file_line_and_reason(
    ward: Ward, dictionary: Dictionary, change: dict[str, Any], category: str, reason: str
) -> None:
    ward.find("Observation").update(change)
    assert np.isnan(ward.value(dictionary, "hba1c"))
    refusal = ward.read(dictionary).quality.refusals[0]
    assert (refusal.kind, refusal.where, refusal.column) == ("value", "Observation.ndjson:1", "hba1c")
    assert refusal.category == category
    assert reason in refusal.reason


def test_a_mistyped_code_is_named_and_a_code_nobody_asked_for_is_only_counted(
    ward: Ward, dictionary: Dictionary
) -> None:
    ward.measure("ada", "4548-5", 7.0, "%")
    ward.measure("ada", "718-7", 14.0, "g/dL")
    quality = ward.read(dictionary).quality
    assert [str(refusal) for refusal in quality.refusals] == [
        "Observation.ndjson:7: '4548-5' is no code of http://loinc.org"
    ]
    assert quality.unused_codes == {"http://loinc.org|718-7": 1}


def test_a_bad_value_drops_the_row_or_refuses_the_file_where_its_column_says_so(ward: Ward, amended: Amend) -> None:
    ward.find("Observation")["valueQuantity"]["value"] = 999
    conversions = 'conversions: [{unit: "%", multiply: 10.93, add: -23.5}]\n    allows_missing: true\n    on_bad: '
    dropped = ward.read(amended(conversions + "drop_value", conversions + "drop_row"))
    assert dropped.table.rows == 1
    assert (dropped.quality.refused_rows, dropped.quality.out_of_range) == (1, 1)
    with pytest.raises(RecordRefused, match=r"Observation\.ndjson:1: hba1c: 999 mmol/mol is outside"):
        ward.read(amended(conversions + "drop_value", conversions + "refuse_file"))


def test_a_patient_whose_age_is_impossible_or_unknown_is_left_out(ward: Ward, dictionary: Dictionary) -> None:
    ward.find("Patient")["birthDate"] = "1850-01-01"
    del ward.find("Patient", 1)["birthDate"]
    quality = ward.read(dictionary).quality
    assert quality.rows == 0
    assert quality.by_category == {"out of range": 1, "missing value": 1}


@pytest.mark.parametrize("identifier", ["\ud800", "MRN\x001", "MRN\n1"])
def test_an_identifier_of_broken_characters_is_refused(ward: Ward, dictionary: Dictionary, identifier: str) -> None:
    ward.find("Patient")["identifier"][0]["value"] = identifier
    quality = ward.read(dictionary).quality
    assert quality.rows == 1
    assert quality.refusals[0].where == "Patient.ndjson:1"


def test_an_undated_event_drops_the_row_it_would_decide(ward: Ward, dictionary: Dictionary) -> None:
    coding = {"coding": [{"system": "http://snomed.info/sct", "code": "22298006"}]}
    ward.add("Condition", id="c", code=coding, subject={"reference": "Patient/ada"})
    quality = ward.read(dictionary).quality
    assert (quality.rows, quality.refused_rows) == (1, 1)
    assert quality.refusals[0].where == "Condition.ndjson:1"


@pytest.mark.parametrize("kind", ["Patient", "Observation", "Consent"])
def test_a_file_cut_off_in_its_last_line_is_refused(ward: Ward, dictionary: Dictionary, kind: str) -> None:
    ward.raw[kind] = lambda data: data[:-20]
    with pytest.raises(InputTruncated, match=rf"{kind}\.ndjson:\d+: the last line is cut off"):
        ward.read(dictionary)


def test_a_missing_newline_at_the_very_end_is_no_fault(ward: Ward, dictionary: Dictionary) -> None:
    ward.raw["Observation"] = lambda data: data[:-1]
    assert ward.read(dictionary).quality.refused_lines == 0


def test_a_compressed_file_cut_off_or_damaged_is_refused(ward: Ward, dictionary: Dictionary) -> None:
    folder = ward.write()
    whole = gzip.compress((folder / "Observation.ndjson").read_bytes() * 50)
    (folder / "Observation.ndjson").unlink()
    target = folder / "Observation.ndjson.gz"
    target.write_bytes(whole[:-12])
    with pytest.raises(InputTruncated, match=r"Observation\.ndjson\.gz"):
        read_fhir(folder, dictionary, b"k" * 32)
    target.write_bytes(whole[:60] + b"\x00\x00\x00\x00" + whole[64:])
    with pytest.raises(EhrError, match=r"Observation\.ndjson\.gz"):
        read_fhir(folder, dictionary, b"k" * 32)
    target.write_bytes(b"no gzip at all")
    with pytest.raises(InputNotText, match=r"Observation\.ndjson\.gz:1"):
        read_fhir(folder, dictionary, b"k" * 32)


@pytest.mark.parametrize(
    ("rubbish", "error"),
    [
        (b"\x00\x01\x02\x03\n", InputNotText),
        (b"\xff\xfe{\x00\n", InputNotText),
        ('{"id": "Jürgen"}\n'.encode("latin-1"), InputNotText),
        (b"x" * (MAX_LINE_BYTES + 2), LineTooLong),
    ],
)
def test_binary_other_encodings_and_endless_lines_refuse_the_file(
    ward: Ward, dictionary: Dictionary, rubbish: bytes, error: type[EhrError]
) -> None:
    ward.raw["Observation"] = lambda data: data + rubbish
    with pytest.raises(error, match=r"Observation\.ndjson:7"):
        ward.read(dictionary)


def test_a_file_that_is_mostly_no_ndjson_is_refused(ward: Ward, dictionary: Dictionary) -> None:
    def as_one_array(data: bytes) -> bytes:
        return json.dumps([json.loads(line) for line in data.splitlines()], indent=1).encode()

    ward.raw["Observation"] = as_one_array
    with pytest.raises(EhrError, match=r"Observation\.ndjson"):
        ward.read(dictionary)


def test_a_consent_that_cannot_be_read_always_refuses_the_file(ward: Ward, dictionary: Dictionary) -> None:
    ward.raw["Consent"] = insert(b'{"resourceType": "Consent", "id"')
    with pytest.raises(ConsentUnreadable, match=r"Consent\.ndjson:1"):
        ward.read(dictionary)


def test_strict_reading_refuses_what_the_r4_models_refuse(ward: Ward, dictionary: Dictionary) -> None:
    ward.find("Observation")["status"] = 5
    del ward.find("Observation", 1)["status"]
    ward.find("Observation", 2)["colour"] = "blue"
    quality = read_fhir(ward.write(), dictionary, b"k" * 32, strict=True).quality
    refused = {refusal.where for refusal in quality.refusals if refusal.kind == "line"}
    assert {"Observation.ndjson:1", "Observation.ndjson:2", "Observation.ndjson:3"} <= refused


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_content_of_any_resource_makes_anything_but_a_typed_error(
    ward: Ward, dictionary: Dictionary, data: st.DataObject
) -> None:
    fresh = type(ward)(ward.folder)
    coding = {"coding": [{"system": "http://snomed.info/sct", "code": "22298006"}]}
    fresh.add("Condition", id="c", code=coding, subject={"reference": "Patient/ada"}, onsetDateTime="2019-01-01")
    kind = data.draw(st.sampled_from(sorted(kind for kind, listed in fresh.resources.items() if listed)))
    target: Any = fresh.find(kind)
    while True:
        key = data.draw(st.sampled_from(sorted(target) if isinstance(target, dict) else list(range(len(target)))))
        if isinstance(target[key], dict | list) and target[key] and data.draw(st.booleans()):
            target = target[key]
            continue
        target[key] = data.draw(JSON)
        break
    try:
        ingested = fresh.read(dictionary)
    except EhrError:
        return
    assert ingested.table.rows <= 2


def test_a_deeply_nested_line_is_refused_whatever_recursion_limit_a_library_has_set(
    ward: Ward, dictionary: Dictionary
) -> None:
    ward.raw["Observation"] = insert(b'{"resourceType": "Observation", "x": ' + b"[" * 900_000)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        ingested = ward.read(dictionary)
    finally:
        sys.setrecursionlimit(before)
    assert "within each other" in ingested.quality.refusals[0].reason


def test_brackets_inside_text_are_not_nesting(ward: Ward, dictionary: Dictionary) -> None:
    note = (
        b'{"resourceType":"Observation","id":"n","note":"' + b"[{" * 500 + b'\\"","subject":{"reference":"Patient/x"}}'
    )
    ward.raw["Observation"] = insert(note)
    assert "no Patient 'x'" in ward.read(dictionary).quality.refusals[0].reason
