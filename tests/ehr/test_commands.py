"""`belmont data`: what it writes, what it says, and that nothing is left half done."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from belmont.cli import main
from belmont.ehr.coded import CodedTable
from belmont.ehr.commands import EXAMPLES
from belmont.ehr.dictionary import Dictionary


@pytest.fixture
def records(tmp_path: Path) -> Path:
    out = tmp_path / "records"
    assert (
        main(["data", "generate", "--hospitals", "2", "--patients", "60", "--seed", "3", "--out", str(out), "--truth"])
        == 0
    )
    return out


def test_generate_writes_a_folder_for_each_hospital_and_the_truth(records: Path) -> None:
    assert sorted(path.name for path in records.iterdir()) == [
        "dictionary.yaml",
        "hospital-1",
        "hospital-2",
        "truth.csv",
    ]
    assert len((records / "truth.csv").read_text(encoding="ascii").splitlines()) == 61
    assert (records / "hospital-1" / "Patient.ndjson").exists()


@pytest.mark.parametrize(("form", "name"), [("csv", "hospital-2.csv"), ("coded", "hospital-2.table")])
def test_generate_writes_csv_and_coded_tables(tmp_path: Path, form: str, name: str) -> None:
    out = tmp_path / "out"
    assert main(["data", "generate", "--hospitals", "2", "--patients", "30", "--out", str(out), "--format", form]) == 0
    assert (out / name).exists()


def test_generate_leaves_a_folder_that_holds_something_alone(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in records.rglob("*"))
    assert main(["data", "generate", "--patients", "9", "--out", str(records)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert sorted(path.name for path in records.rglob("*")) == before


def test_code_writes_a_table_that_reads_back_and_a_report(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "h.table"
    words = ["data", "code", str(records / "hospital-1"), "--dictionary", str(records / "dictionary.yaml")]
    assert main([*words, "--out", str(out), "--refusals", str(tmp_path / "refused.csv")]) == 0
    printed = capsys.readouterr().out
    assert "rows" in printed
    assert "hba1c" in printed
    assert CodedTable.from_bytes(Dictionary.builtin(), out.read_bytes()).rows > 20
    assert (tmp_path / "refused.csv").read_text(encoding="utf-8").startswith("kind,where,column")
    key = tmp_path / "h.table.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert out.stat().st_mode & 0o077 == 0
    first = out.read_bytes()
    assert main([*words, "--out", str(out), "--json", "--force"]) == 0
    assert json.loads(capsys.readouterr().out)["dictionary_hash"] == Dictionary.builtin().hash.hex()
    assert out.read_bytes() == first


def test_code_leaves_nothing_behind_when_the_input_is_refused(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    consents = records / "hospital-1" / "Consent.ndjson"
    consents.write_bytes(consents.read_bytes()[:-30])
    out = tmp_path / "refused.table"
    assert main(["data", "code", str(records / "hospital-1"), "--dictionary", "diabetes_cvd", "--out", str(out)]) == 2
    assert "Consent.ndjson:" in capsys.readouterr().err
    assert not list(tmp_path.glob("refused.table*"))


def test_a_key_that_others_may_read_or_that_is_none_is_refused(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    words = ["data", "code", str(records / "hospital-1"), "--dictionary", "diabetes_cvd", "--out", str(tmp_path / "t")]
    key.write_text("00" * 32, encoding="ascii")
    key.chmod(0o644)
    assert main([*words, "--key", str(key)]) == 2
    assert "chmod 600" in capsys.readouterr().err
    key.chmod(0o600)
    for wrong in ("00" * 31, "no key", "zz" * 32):
        key.write_text(wrong, encoding="ascii")
        assert main([*words, "--key", str(key)]) == 2
    assert "hexadecimal" in capsys.readouterr().err


def test_dictionary_shows_the_columns_and_refuses_a_wrong_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "dictionary", "diabetes_cvd"]) == 0
    assert "cvd_event" in capsys.readouterr().out
    (tmp_path / "wrong.yaml").write_text("format: 3\n", encoding="utf-8")
    assert main(["data", "dictionary", str(tmp_path / "wrong.yaml")]) == 2
    assert "wrong.yaml" in capsys.readouterr().err


def test_code_replaces_a_file_only_when_told_to(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, refused = tmp_path / "h.table", tmp_path / "refused.csv"
    words = ["data", "code", str(records / "hospital-1"), "--dictionary", "diabetes_cvd", "--out", str(out)]
    out.write_bytes(b"mine")
    assert main(words) == 2
    assert "--force to replace it" in capsys.readouterr().err
    assert out.read_bytes() == b"mine"
    assert not (tmp_path / "h.table.key").exists()
    assert main([*words, "--force"]) == 0
    assert out.read_bytes() != b"mine"
    out.unlink()
    refused.write_bytes(b"mine")
    assert main([*words, "--refusals", str(refused)]) == 2
    assert refused.read_bytes() == b"mine"
    assert not out.exists()


def test_code_says_where_no_file_can_go(records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "code", str(records / "hospital-1"), "--dictionary", "diabetes_cvd", "--force", "--out"]
    assert main([*words, str(tmp_path / "none" / "h.table")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert main([*words, str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_a_day_that_is_none_is_refused_with_the_form_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["data", "code", "x", "--dictionary", "d", "--out", "o", "--as-of", "yesterday"])
    assert "'yesterday' is no day; give it as YYYY-MM-DD" in capsys.readouterr().err


def test_show_sums_a_table_up_and_shows_no_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert (
        main(["data", "generate", "--hospitals", "1", "--patients", "300", "--out", str(out), "--format", "coded"]) == 0
    )
    path = out / "hospital-1.table"
    words = ["data", "show", str(path), "--dictionary", str(out / "dictionary.yaml")]
    capsys.readouterr()
    assert main(words) == 0
    text = capsys.readouterr().out
    table = CodedTable.from_bytes(Dictionary.builtin(), path.read_bytes())
    assert text.startswith(f"{table.rows} rows")
    assert "median" in text
    assert main([*words, "--json"]) == 0
    printed = capsys.readouterr().out
    assert [column["name"] for column in json.loads(printed)["columns"]] == list(table.columns)
    assert not any(str(pseudonym) in text + printed for pseudonym in table.pseudonyms.tolist())


def test_show_refuses_what_is_no_table_or_has_another_dictionary(
    tmp_path: Path, amended: Callable[[str, str], Dictionary], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "h.table"
    words = ["data", "show", str(path), "--dictionary", "diabetes_cvd"]
    assert main(words) == 2
    assert "no such file; give a table" in capsys.readouterr().err
    path.write_bytes(b"id;age\n")
    assert main(words) == 2
    assert f"{path}: not a coded table" in capsys.readouterr().err
    codes = {column.name: np.ones(0, np.uint16) for column in Dictionary.builtin()}
    other = amended("version: 1", "version: 2")
    path.write_bytes(CodedTable(other, codes, np.ones(0, np.uint64)).to_bytes())
    assert main(words) == 2
    assert f"{path}: the table was coded under dictionary" in capsys.readouterr().err


def test_the_group_has_an_example_of_each_command() -> None:
    for command in ("generate", "code", "show", "dictionary"):
        assert f"belmont data {command}" in EXAMPLES


@pytest.mark.parametrize("command", ["generate", "code", "show", "dictionary"])
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["data", command, "--help"])
    assert ended.value.code == 0
    assert f"belmont data {command}" in capsys.readouterr().out.split("examples:")[1]
