"""``belmont model``: what it writes and prints, and the status it ends with."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.lab.own.conftest import Written

from belmont.cli import build_parser, main
from belmont.federated.hashes import code_hash
from belmont.lab.own.folder import bundle_of
from belmont.lab.twin.table_file import write_csv


def test_new_writes_a_folder_and_refuses_one_that_exists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "new", str(tmp_path / "risk")]) == 0
    assert "risk/risk/client_app.py" in capsys.readouterr().out
    assert main(["model", "new", str(tmp_path / "risk")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_hash_prints_what_an_application_names_and_writes_the_bundle_once(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my_model.fab"
    assert main(["model", "hash", str(written.path), "--out", str(out)]) == 0
    hashed = capsys.readouterr().out.strip()
    assert hashed == written.model().code_hash.hex() == code_hash(out.read_bytes()).hex()
    assert main(["model", "hash", str(out)]) == 0
    assert capsys.readouterr().out.strip() == hashed
    assert main(["model", "hash", str(written.path), "--out", str(out)]) == 2
    assert main(["model", "hash", str(tmp_path / "nothing")]) == 2


def test_diff_ends_with_1_where_something_differs_and_runs_nothing(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "diff", str(written.path)]) == 0
    assert "the same files as the template" in capsys.readouterr().out
    old = tmp_path / "old.fab"
    old.write_bytes(bundle_of(written.path))
    written.side.write_text(written.side.read_text() + "raise SystemExit(7)  # [bold]\x1b[2J\u202e\n")
    assert main(["model", "diff", str(written.path)]) == 1
    shown = capsys.readouterr().out
    assert "+raise SystemExit(7)  # [bold][U+001B][2J[U+202E]" in shown and "\x1b[2J" not in shown
    assert main(["model", "diff", str(written.path), "--against", str(old)]) == 1
    assert main(["model", "diff", str(old), "--against", "glm"]) == 1
    assert main(["model", "diff", str(written.path), "--against", "nothing"]) == 2


def test_check_says_passed_or_what_was_found(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "twin.csv"
    table.write_text("age,hba1c,cvd_event\n" + "".join(f"{40 + k},{6 + k % 5},{k % 3 // 2}\n" for k in range(60)))
    words = ["model", "check", str(written.path), "--table", str(table), "--features", "age,hba1c"]
    assert main([*words, "--outcome", "cvd_event", "--min-cohort", "10", "--set", "local-steps=2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["passed"] and said["findings"] == [] and said["code"] == written.model().code_hash.hex()
    written.before_training("import torch")
    assert main(words) == 1
    shown = capsys.readouterr().out
    assert "not passed" in shown and "torch" in shown
    assert main([*words, "--set", "steps=2"]) == 1
    assert main([*words, "--set", "steps"]) == 2
    assert main(["model", "check", str(tmp_path / "nothing")]) == 1


def test_every_command_explains_itself_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("new", "check", "hash", "diff"):
        with pytest.raises(SystemExit) as ended:
            build_parser("model").parse_args(["model", command, "--help"])
        assert ended.value.code == 0
        assert f"examples:\n  belmont model {command}" in capsys.readouterr().out


def test_check_reads_the_csv_that_a_twin_is_written_as_and_a_coded_table(
    written: Written, tmp_path: Path, hospitals: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(hospitals[0], tmp_path / "twin.csv")
    (tmp_path / "twin.table").write_bytes(hospitals[0].to_bytes())
    for name in ("twin.csv", "twin.table"):
        words = ["model", "check", str(written.path), "--table", str(tmp_path / name)]
        words += ["--features", "age,smoking=current"]
        assert main([*words, "--json", "--min-cohort", "10"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert sum(map(int, said["facts"]["rows"].split(", "))) == hospitals[0].rows
