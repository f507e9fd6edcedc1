"""The data dictionary: what it accepts, what it refuses, and its hash."""

import hashlib
from importlib import resources
from pathlib import Path

import pytest

from belmont.ehr.dictionary import LOOKUP_TABLE_SIZE, Dictionary
from belmont.ehr.errors import DictionaryError
from belmont.zk.layout import Kind, Layout

MINIMAL = """
format: belmont-dictionary/1
name: small
version: 1
title: A small table
columns:
  - name: age
    label: Age
    kind: range
    unit: a
    codebook: {min: 0, max: 120, step: 1}
    on_bad: drop_row
  - {name: dead, label: Died, kind: bit, role: outcome, on_bad: drop_row}
"""


def builtin_text() -> str:
    return (resources.files("belmont.ehr") / "dictionaries" / "diabetes_cvd.yaml").read_text(encoding="utf-8")


def test_the_committed_dictionary_is_the_one_in_the_package() -> None:
    committed = Path(__file__).parents[2] / "datasets" / "synthetic" / "dictionary.yaml"
    assert committed.read_text(encoding="utf-8") == builtin_text()


def test_the_demonstration_dictionary_fits_the_lookup_table_and_every_code_has_a_right_check_digit() -> None:
    from belmont.ehr.check_digits import mistyped

    dictionary = Dictionary.builtin()
    assert sum(width + 1 for width in dictionary.distinct_widths) <= LOOKUP_TABLE_SIZE
    codes = [coding for column in dictionary if column.source for coding in column.source.codes]
    assert codes
    assert not [coding for coding in codes if mistyped(coding.system, coding.code)]


def test_a_column_has_its_kind_width_center_and_role() -> None:
    dictionary = Dictionary.builtin()
    assert dictionary.column("hba1c").width == 186
    assert dictionary.column("statin").width == 1
    assert dictionary.column("hba1c").center == 56
    assert dictionary.outcome == "cvd_event"
    assert "cvd_event" not in dictionary.features


def test_two_files_that_say_the_same_have_one_hash_and_any_change_gives_another() -> None:
    same = "# a remark\n" + MINIMAL.replace("{min: 0, max: 120, step: 1}", "{step: 1, max: 120.0, min: 0}")
    assert Dictionary.loads(same).hash == Dictionary.loads(MINIMAL).hash
    assert len(Dictionary.loads(MINIMAL).hash) == 32
    for before, after in (
        ("max: 120", "max: 121"),
        ("drop_row", "refuse_file"),
        ("Died", "Dead"),
        ("unit: a", "unit: y"),
    ):
        assert Dictionary.loads(MINIMAL.replace(before, after)).hash != Dictionary.loads(MINIMAL).hash


def test_the_hash_holds_the_layout_and_the_text_apart() -> None:
    dictionary, relabelled = Dictionary.loads(MINIMAL), Dictionary.loads(MINIMAL.replace("Died", "Dead"))
    assert dictionary.hash == hashlib.sha256(dictionary.layout_hash + dictionary.text_hash).digest()
    assert relabelled.layout_hash == dictionary.layout_hash
    assert relabelled.text_hash != dictionary.text_hash


LABELS = "label: Age\n    labels: {zh-Hans: 年龄, en: Age}"


def test_labels_in_other_languages_are_part_of_the_hash_and_none_leave_it_as_it_was() -> None:
    dictionary = Dictionary.loads(MINIMAL)
    labelled = Dictionary.loads(MINIMAL.replace("label: Age", LABELS))
    assert labelled.column("age").labels == (("en", "Age"), ("zh-Hans", "年龄"))
    assert labelled.hash != dictionary.hash and labelled.layout_hash == dictionary.layout_hash
    assert all("labels" not in each for each in dictionary.to_dict()["columns"])
    assert Dictionary.loads(MINIMAL.replace("label: Age", "label: Age\n    labels: {}")).hash == dictionary.hash


@pytest.mark.parametrize(
    "labels", ["{chinese language: a}", "{zh-Hans: ''}", "{zh: 1}", "{1: a}", "[a]", "{zh: a, ZH: b}"]
)
def test_labels_of_no_language_or_no_text_are_refused(labels: str) -> None:
    with pytest.raises(DictionaryError, match="labels"):
        Dictionary.loads(MINIMAL.replace("label: Age", f"label: Age\n    labels: {labels}"))


@pytest.mark.parametrize("dictionary", [Dictionary.loads(MINIMAL), Dictionary.builtin()])
def test_the_layout_is_the_one_that_proofs_read(dictionary: Dictionary) -> None:
    layout = Layout.from_bytes(dictionary.layout)
    assert layout.hash == dictionary.layout_hash
    kinds = {(False, False): Kind.RANGE, (False, True): Kind.RANGE_OR_MISSING, (True, False): Kind.BIT}
    assert [(each.kind, each.width) for each in layout.columns] == [
        (kinds[column.kind == "bit", column.allows_missing], column.width) for column in dictionary
    ]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("version: 1", "version: one", "expected int"),
        ("version: 1", "version: true", "expected int"),
        ("name: small", "name: small\nname: again", "given twice"),
        ("title: A small table", "title: A small table\nowner: me", "unknown field 'owner'"),
        ("belmont-dictionary/1", "belmont-dictionary/2", "is not one of"),
        ("    unit: a\n", "", None),
        ("max: 120", "max: 5000", "coarser step"),
        ("max: 120", "max: 120.5", "whole number of steps"),
        ("step: 1", "step: 0", "positive step"),
        ("max: 120", "max: .inf", "finite"),
        ("kind: range", "kind: number", "is not one of"),
        ("name: age", "name: Age", "lower-case"),
        ("name: dead", "name: age", "same name"),
        ("on_bad: drop_row\n  -", "on_bad: drop_value\n  -", "needs allows_missing"),
        ("kind: bit,", "kind: bit, allows_missing: true,", "bit cannot be missing"),
        ("kind: bit,", "kind: bit, scale: 0,", "positive"),
        ("columns:", "checks: [{left: age, greater_than: dead}]\ncolumns:", "numeric"),
        ("columns:", "checks: [{left: age, greater_than: nobody}]\ncolumns:", "no column 'nobody'"),
        ("columns:", "csv: {delimiter: ',', decimal: ','}\ncolumns:", "cannot be the same"),
        ("on_bad: drop_row\n  -", "on_bad: drop_row\n    source: {resource: Patient, field: age}\n  -", "no baseline"),
        ("on_bad: drop_row\n  -", "on_bad: drop_row\n    conversions: [{unit: d, multiply: 0}]\n  -", "cannot be 0"),
        ("    unit: a", "    unit: [a", "not YAML"),
    ],
)
def test_a_dictionary_is_accepted_or_refused_with_the_place(before: str, after: str, reason: str | None) -> None:
    text = MINIMAL.replace(before, after, 1)
    assert text != MINIMAL
    if reason is None:
        assert Dictionary.loads(text).column("age").unit is None
    else:
        with pytest.raises(DictionaryError, match=reason):
            Dictionary.loads(text, "small.yaml")


def test_distinct_widths_beyond_the_lookup_table_are_refused_and_equal_ones_are_shared() -> None:
    def columns(steps: list[int]) -> str:
        return "".join(
            f"\n  - {{name: c{i}, label: c, kind: range, codebook: {{min: 1, max: {w}, step: 1}}, on_bad: drop_row}}"
            for i, w in enumerate(steps)
        )

    assert Dictionary.loads(MINIMAL + columns([3900, 3900])).distinct_widths == (121, 3900)
    with pytest.raises(DictionaryError, match="lookup rows of 4032"):
        Dictionary.loads(MINIMAL + columns([3900, 1000]))


def test_a_category_word_cannot_mean_two_categories() -> None:
    both = "codebook: {categories: [{name: here, matches: [y]}, {name: there, matches: [y]}]}"
    with pytest.raises(DictionaryError, match="already means another"):
        Dictionary.loads(MINIMAL.replace("codebook: {min: 0, max: 120, step: 1}", both))


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match=r"nowhere\.yaml"):
        Dictionary.load(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DictionaryError, match=r"binary\.yaml"):
        Dictionary.load(tmp_path / "binary.yaml")


def test_an_unknown_built_in_name_is_refused() -> None:
    with pytest.raises(DictionaryError, match="no built-in"):
        Dictionary.builtin("nothing")
