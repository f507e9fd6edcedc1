"""A hospital's own CSV: the generator's, and a table and dictionary unlike the demonstration's."""

import gzip
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import (
    ConsentUnreadable,
    DenialUnplaced,
    DictionaryError,
    EhrError,
    HeaderRefused,
    InputMissing,
    InputNotText,
    InputTruncated,
    RecordRefused,
    WrongDictionary,
)
from belmont.ehr.ingest import Ingested, read_csv, read_records
from belmont.ehr.synthetic import HospitalCohort, write_csv

KEY = b"k" * 32

SEPSIS = """
format: belmont-dictionary/1
name: sepsis-registry
version: 3
title: Sepsis on a German intensive care unit
csv:
  identifier: Fallnummer
  delimiter: ";"
  decimal: ","
  date: Aufnahme
  missing: ["", "n. b."]
columns:
  - name: lactate
    label: Lactate on admission
    kind: range
    unit: mmol/L
    codebook: {min: 0.1, max: 30, step: 0.1}
    conversions: [{unit: mg/dL, multiply: 0.111}]
    allows_missing: true
    on_bad: drop_value
    csv: {header: Laktat, unit_header: Einheit}
  - name: ward
    label: Admitting ward
    kind: range
    codebook:
      categories:
        - {name: surgery, matches: ["Chirurgie", "CHIR"]}
        - {name: medicine, matches: ["Innere"]}
    on_bad: drop_row
    csv: {header: Station}
  - name: died
    label: Died in hospital
    kind: bit
    role: outcome
    on_bad: drop_row
    csv: {header: verstorben}
"""

HEADER = "Fallnummer;Aufnahme;Laktat;Einheit;Station;verstorben;Bemerkung"
GOOD = "17;2024-01-05;2,4;mmol/L;Chirurgie;0;unauffällig"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Ingested]:
    def read_lines(*lines: str, dictionary: str = SEPSIS, end: str = "\n") -> Ingested:
        path = tmp_path / "sepsis.csv"
        path.write_bytes(("\n".join(lines) + end).encode())
        return read_csv(path, Dictionary.loads(dictionary), KEY)

    return read_lines


def test_generated_csv_codes_to_the_same_table_as_fhir(
    cohorts: list[HospitalCohort], dictionary: Dictionary, tmp_path: Path
) -> None:
    for cohort in cohorts:
        ingested = read_csv(write_csv(cohort, tmp_path / "h.csv"), dictionary, cohort.pseudonym_key)
        assert ingested.table == cohort.coded()
        assert ingested.quality.duplicate_patients == int(cohort.records.patient_twice.sum())


def test_a_table_unlike_the_demonstration_works_equally(read: Callable[..., Ingested]) -> None:
    ingested = read(
        HEADER,
        GOOD,
        "18;2024-01-06;40;mg/dL;CHIR;1;",
        "19;2024-01-07;n. b.;;Innere;nein?;",
        '20;2024-01-08;n. b.;;Innere;yes;"mehr; als eines"',
    )
    frame = ingested.table.decode()
    assert sorted(frame["lactate"].dropna().tolist()) == [2.4, 4.4]
    assert sorted(frame["ward"].tolist()) == ["medicine", "surgery", "surgery"]
    assert frame["died"].sum() == 2
    quality = ingested.quality
    assert (quality.rows, quality.refused_rows, quality.unit_conversions) == (3, 1, 1)
    assert str(quality.refusals[0]) == "sepsis.csv:4: died 'nein?' is neither 0 nor 1"


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        ("18;2024-01-06;400;mmol/L;CHIR;1;", "value", "outside"),
        ("18;2024-01-06;2.4;mmol/L;CHIR;1;", "value", "'2.4' is no number"),
        ("18;2024-01-06;nan;mmol/L;CHIR;1;", "value", "no number"),
        ("18;2024-01-06;1_0;mmol/L;CHIR;1;", "value", "no number"),
        ("18;2024-01-06;2,4;;CHIR;1;", "value", "unit None is not listed"),
        ("18;2024-01-06;2,4;mmol/l;CHIR;1;", "value", "unit 'mmol/l' is not listed"),
        ("18;2024-01-06;2,4;mmol/L;Keller;1;", "row", "'Keller' is no category"),
        ("18;2024-01-06;2,4;mmol/L;;1;", "row", "requires one"),
        ("18;2024-01-06;2,4;mmol/L;CHIR;;", "row", "a bit is empty"),
        (";2024-01-06;2,4;mmol/L;CHIR;1;", "line", "Fallnummer is empty"),
        ("18;06.01.2024;2,4;mmol/L;CHIR;1;", "line", "'06.01.2024' is no date"),
        ("18;2024-01-06;2,4;mmol/L;CHIR", "line", "5 fields where the header has 7"),
        ('18;2024-01-06;"2"4;mmol/L;CHIR;1;', "line", "not CSV"),
    ],
)
def test_a_bad_row_or_value_is_named_and_the_rest_is_kept(
    read: Callable[..., Ingested], row: str, kind: str, reason: str
) -> None:
    quality = read(HEADER, GOOD, row, GOOD.replace("17", "99")).quality
    assert quality.rows == (3 if kind == "value" else 2)
    refusal = quality.refusals[0]
    assert (refusal.kind, refusal.where) == (kind, "sepsis.csv:3")
    assert reason in refusal.reason


def test_bad_rows_refuse_the_file_where_the_dictionary_says_so(read: Callable[..., Ingested]) -> None:
    strict = SEPSIS.replace("title:", "on_malformed_line: refuse_file\ntitle:")
    with pytest.raises(RecordRefused, match=r"sepsis\.csv:3: 2 fields"):
        read(HEADER, GOOD, "18;2024", GOOD, dictionary=strict)
    with pytest.raises(RecordRefused, match=r"sepsis\.csv:2: ward: 'Keller'"):
        read(
            HEADER,
            GOOD.replace("Chirurgie", "Keller"),
            dictionary=SEPSIS.replace("on_bad: drop_row", "on_bad: refuse_file"),
        )
    with pytest.raises(RecordRefused, match=r"sepsis\.csv:2: ward has no value"):
        read(
            HEADER, GOOD.replace("Chirurgie", ""), dictionary=SEPSIS.replace("on_bad: drop_row", "on_bad: refuse_file")
        )


def test_of_several_rows_of_a_patient_the_newest_counts(read: Callable[..., Ingested]) -> None:
    newer = GOOD.replace("2024-01-05", "2024-02-01").replace("2,4", "9,9")
    older = GOOD.replace("2024-01-05", "2023-02-01").replace("2,4", "1,1")
    ingested = read(HEADER, GOOD, newer, older)
    assert ingested.table.values("lactate").tolist() == [9.9]
    assert ingested.quality.duplicate_patients == 2
    assert "2 further rows of patients already read" in ingested.quality.summary()
    assert "1 further row of a patient already read" in read(HEADER, GOOD, newer).quality.summary()


@pytest.mark.parametrize(
    ("lines", "error", "reason"),
    [
        ([HEADER + ";Laktat", GOOD + ";2"], HeaderRefused, "two columns are named 'Laktat'"),
        ([HEADER.replace("Laktat", "Lactat"), GOOD], HeaderRefused, "'Laktat' are missing"),
        (["a,b,c", "1,2,3"], WrongDictionary, "is this the dictionary"),
        ([HEADER, '18;2024-01-06;"2,4;mmol/L'], InputTruncated, "never ends"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_named(
    read: Callable[..., Ingested], lines: list[str], error: type[EhrError], reason: str
) -> None:
    with pytest.raises(error, match=r"sepsis\.csv") as refused:
        read(*lines)
    assert reason in str(refused.value)


def test_a_last_row_cut_off_is_refused_and_a_missing_last_newline_is_not(read: Callable[..., Ingested]) -> None:
    assert read(HEADER, GOOD, end="").table.rows == 1
    with pytest.raises(InputTruncated, match=r"sepsis\.csv:3: the last line is cut off"):
        read(HEADER, GOOD, GOOD[:20], end="")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", InputMissing),
        (b"\n\n", InputMissing),
        (f"{HEADER}\n{GOOD}\n".encode("latin-1"), InputNotText),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), InputNotText),
        (HEADER.encode() + b"\n\x00\x01", InputNotText),
    ],
)
def test_empty_binary_and_other_encodings_are_refused(tmp_path: Path, data: bytes, error: type[EhrError]) -> None:
    path = tmp_path / "sepsis.csv"
    path.write_bytes(data)
    with pytest.raises(error, match=r"sepsis\.csv"):
        read_csv(path, Dictionary.loads(SEPSIS), KEY)


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "sepsis.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\r\n{GOOD}\r\n".encode("utf-8-sig")))
    assert read_csv(path, Dictionary.loads(SEPSIS), KEY).table.rows == 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match=r"none\.csv"):
        read_csv(tmp_path / "none.csv", Dictionary.loads(SEPSIS), KEY)


def test_a_dictionary_that_requires_consent_needs_a_consent_column(read: Callable[..., Ingested]) -> None:
    required = SEPSIS.replace("csv:\n", "consent: {purpose: HRESCH}\ncsv:\n", 1)
    with pytest.raises(DictionaryError, match="consent column"):
        read(HEADER, GOOD, dictionary=required)
    named = required.replace(
        "  identifier: Fallnummer", "  identifier: Fallnummer\n  consent: Bemerkung\n  consent_yes: [ja]"
    )
    quality = read(HEADER, GOOD, GOOD.replace("17;", "18;").replace("unauffällig", "ja"), dictionary=named).quality
    assert (quality.rows, quality.consent_denied) == (1, 1)


ASKING = SEPSIS.replace(
    "csv:\n  identifier: Fallnummer",
    "consent: {purpose: HRESCH}\ncsv:\n  identifier: Fallnummer\n  consent: Bemerkung\n  consent_yes: [ja]",
)
YES = GOOD.replace("unauffällig", "ja")
NO = GOOD.replace("unauffällig", "nein")
DAY = "2024-01-05"


@pytest.mark.parametrize(
    ("rows", "coded"),
    [
        ([YES, YES], 1),
        ([YES, NO], 0),
        ([YES, NO.replace("nein", "")], 0),
        ([YES, NO.replace(DAY, "2024-01-04")], 1),
        ([YES, NO.replace(DAY, "2024-01-06")], 0),
        ([YES.replace(DAY, DAY + "T09:00:00Z"), NO.replace(DAY, DAY + "T08:00:00Z")], 0),
        ([YES, NO.replace(DAY, "6.1.2024")], 0),
        ([YES, YES.replace(DAY, "6.1.2024")], 1),
        ([YES.replace(DAY, "2062-01-01"), NO], 0),
        ([YES.replace(DAY, "2062-01-01")], 0),
        ([YES, NO.replace(DAY, "2062-01-01")], 0),
    ],
)
def test_the_newest_row_decides_on_consent_and_of_two_alike_the_one_that_denies(
    read: Callable[..., Ingested], rows: list[str], coded: int
) -> None:
    for order in (rows, rows[::-1]):
        assert read(HEADER, *order, dictionary=ASKING).table.rows == coded


def test_without_a_date_column_any_row_that_denies_counts(read: Callable[..., Ingested]) -> None:
    undated = ASKING.replace("  date: Aufnahme\n", "")
    assert read(HEADER, YES, YES, dictionary=undated).table.rows == 1
    for rows in ([YES, NO], [NO, YES]):
        quality = read(HEADER, *rows, dictionary=undated).quality
        assert (quality.rows, quality.consent_denied) == (0, 1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (NO.replace(";nein", ";;nein"), "8 fields where the header has 7"),
        ("17;nein", "2 fields"),
        (NO.replace("2,4", '"2"4'), "not CSV"),
    ],
)
def test_a_row_whose_fields_cannot_be_told_apart_refuses_a_file_with_consents(
    read: Callable[..., Ingested], row: str, reason: str
) -> None:
    with pytest.raises(ConsentUnreadable, match=rf"sepsis\.csv:3: {reason}.* may deny consent"):
        read(HEADER, YES, row, YES, dictionary=ASKING)
    assert read(HEADER, YES, row, YES).table.rows == 1


@pytest.mark.parametrize("identifier", ["", "n. b.", "17\u200b"])
def test_a_denial_without_a_readable_identifier_refuses_the_file_and_a_yes_only_its_line(
    read: Callable[..., Ingested], identifier: str
) -> None:
    with pytest.raises(DenialUnplaced, match=r"sepsis\.csv:3: the row denies consent"):
        read(HEADER, YES, NO.replace("17", identifier, 1), dictionary=ASKING)
    quality = read(HEADER, YES, YES.replace("17", identifier, 1), dictionary=ASKING).quality
    assert (quality.rows, quality.refused_lines) == (1, 1)


def test_a_csv_consent_counts_from_its_day(tmp_path: Path) -> None:
    path = tmp_path / "sepsis.csv"
    path.write_text(f"{HEADER}\n{YES}\n", encoding="utf-8")
    dictionary = Dictionary.loads(ASKING)
    assert read_csv(path, dictionary, KEY, as_of=date(2024, 1, 4)).table.rows == 0
    assert read_csv(path, dictionary, KEY, as_of=date(2024, 1, 5)).table.rows == 1
    assert read_records(path, dictionary, KEY, as_of=date(2024, 1, 4)).table.rows == 0


def test_the_pseudonym_of_a_patient_is_the_same_from_every_file(read: Callable[..., Ingested]) -> None:
    from belmont.ehr.pseudonyms import pseudonym

    assert np.array_equal(read(HEADER, GOOD).table.pseudonyms, np.array([pseudonym(KEY, "17")], np.uint64))
