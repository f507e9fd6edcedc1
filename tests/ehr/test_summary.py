"""The summary of a coded table: right where it is shown, and no small count that can be read or worked out."""

import numpy as np
import pytest

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.summary import ColumnSummary, shown, summarise
from belmont.ehr.synthetic import HospitalCohort

DICTIONARY = """
format: belmont-dictionary/1
name: small
version: 1
title: Small
csv: {identifier: id}
columns:
  - {name: lactate, label: Lactate, kind: range, unit: mmol/L, codebook: {min: 0.1, max: 30, step: 0.1},
     allows_missing: true, on_bad: drop_value}
  - {name: ward, label: Ward, kind: range, allows_missing: true, on_bad: drop_value,
     codebook: {categories: [{name: surgery, matches: [S]}, {name: medicine, matches: [M]}]}}
  - {name: died, label: Died, kind: bit, role: outcome, on_bad: drop_row}
"""


def summary_of(lactate: list[int], ward: list[int], died: list[int]) -> dict[str, ColumnSummary]:
    codes = {
        name: np.array(column, np.uint16) for name, column in (("lactate", lactate), ("ward", ward), ("died", died))
    }
    table = CodedTable(Dictionary.loads(DICTIONARY), codes, np.arange(1, len(died) + 1, dtype=np.uint64))
    return {column.name: column for column in summarise(table).columns}


def test_numbers_and_counts_are_those_of_the_decoded_table(cohorts: list[HospitalCohort]) -> None:
    table = cohorts[0].coded()
    frame = table.decode()
    summary = {column.name: column for column in summarise(table).columns}
    hba1c = summary["hba1c"]
    assert (hba1c.minimum, hba1c.median, hba1c.maximum) == (
        frame["hba1c"].min(),
        frame["hba1c"].median(),
        frame["hba1c"].max(),
    )
    assert (hba1c.observed, hba1c.missing) == (frame["hba1c"].count(), frame["hba1c"].isna().sum())
    assert summary["smoking"].counts == frame["smoking"].value_counts().to_dict()
    assert summary["statin"].counts == {"no": (~frame["statin"]).sum(), "yes": frame["statin"].sum()}


def test_a_small_count_is_hidden_and_cannot_be_subtracted() -> None:
    column = summary_of([0] * 3 + [10] * 97, [1] * 2 + [2] * 98, [1] * 4 + [0] * 96)
    assert (column["lactate"].observed, column["lactate"].missing) == (">95", "<5")
    assert column["ward"].counts == {"surgery": "<5", "medicine": ">95"}
    assert (column["ward"].observed, column["ward"].missing) == (100, 0)
    assert column["died"].counts == {"no": ">95", "yes": "<5"}


def test_few_observed_values_have_no_range() -> None:
    column = summary_of([0] * 96 + [10, 20, 30, 40], [1] * 50 + [2] * 50, [0] * 100)["lactate"]
    assert (column.observed, column.missing) == ("<5", ">95")
    assert (column.minimum, column.median, column.maximum) == (None, None, None)


@pytest.mark.parametrize(("rows", "told"), [(0, 0), (1, "<5"), (4, "<5")])
def test_a_table_with_few_rows_has_no_columns(rows: int, told: int | str) -> None:
    codes = {name: np.ones(rows, np.uint16) for name in ("lactate", "ward", "died")}
    summary = summarise(CodedTable(Dictionary.loads(DICTIONARY), codes, np.arange(1, rows + 1, dtype=np.uint64)))
    assert (summary.rows, summary.columns) == (told, ())
    assert "fewer than 5 rows" in summary.to_text()


@pytest.mark.parametrize("total", [7, 24, 30, 45, 70])
def test_whoever_knows_the_total_and_the_rule_learns_nothing_of_a_hidden_count(total: int) -> None:
    possible: dict[tuple[int | str, ...], list[tuple[int, ...]]] = {}
    for first in range(total + 1):
        for second in range(total - first + 1):
            counts = (first, second, total - first - second)
            possible.setdefault(tuple(shown(counts)), []).append(counts)
    for parts, candidates in possible.items():
        for place, part in enumerate(parts):
            if part == "<5":
                assert {counts[place] for counts in candidates} == {1, 2, 3, 4}
            if isinstance(part, str) and part.startswith(">"):
                assert min(counts[place] for counts in candidates) > int(part[1:])


def test_text_and_frame_and_dictionary_agree(cohorts: list[HospitalCohort]) -> None:
    summary = summarise(cohorts[0].coded())
    assert list(summary.to_frame().index) == [column["name"] for column in summary.to_dict()["columns"]]
    assert "mmol/mol" in summary.to_text()
