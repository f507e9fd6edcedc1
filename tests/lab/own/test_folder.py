"""From a folder to a bundle: what is in it, what is not, and what is refused."""

import os
from pathlib import Path

import pytest
from tests.lab.own.conftest import Written

from belmont.federated.node.bundle import build_bundle, read_bundle
from belmont.lab.errors import LabError
from belmont.lab.own.folder import bundle_of, changed_files, read_folder
from belmont.lab.own.templates import bundled_template, template_files, write_template


def test_the_bundle_is_the_one_that_flower_builds(written: Written) -> None:
    assert bundle_of(written.path) == build_bundle(written.path)


def test_the_same_contents_are_the_same_bundle_whatever_their_times_and_place(written: Written, tmp_path: Path) -> None:
    before = bundle_of(written.path)
    for path in written.path.rglob("*.py"):
        os.utime(path, (1, 1))
    elsewhere = tmp_path / "elsewhere"
    written.path.rename(elsewhere)
    assert bundle_of(elsewhere) == before


def test_a_change_of_one_letter_within_the_same_size_and_time_is_another_bundle(written: Written) -> None:
    before = bundle_of(written.path)
    was = written.app.stat()
    written.edit("some steps of", "more steps of")
    os.utime(written.app, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert written.app.stat().st_size == was.st_size
    assert bundle_of(written.path) != before


def test_caches_of_python_and_of_notebooks_are_not_in_it(written: Written) -> None:
    before = bundle_of(written.path)
    for name in ("__pycache__", ".ipynb_checkpoints", ".git"):
        folder = written.path / "my_model" / name
        folder.mkdir()
        (folder / "client_app.cpython-311.pyc").write_bytes(b"old code")
        (folder / "copy.py").write_text("raise SystemExit")
    assert bundle_of(written.path) == before


def test_a_folder_of_the_apps_own_is_in_it_by_whatever_name_and_an_environment_at_the_top_is_not(
    written: Written,
) -> None:
    for name in ("my_model/lib", "my_model/build", "lib", ".venv"):
        (written.path / name).mkdir()
        (written.path / name / "part.py").write_text("x = 1\n")
    read = read_folder(written.path)
    assert {"my_model/lib/part.py", "my_model/build/part.py"} <= set(read.bundled)
    assert not {"lib/part.py", ".venv/part.py"} & set(read.bundled)
    assert read.bundle == build_bundle(written.path)


def test_a_link_out_of_the_folder_is_not_followed_and_is_named(written: Written, tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("KEY = 'of the hospital'")
    (written.path / "my_model" / "secret.py").symlink_to(secret)
    (written.path / "all").symlink_to(tmp_path)
    read = read_folder(written.path)
    assert b"of the hospital" not in b"".join(read.bundled.values())
    assert set(read.links) == {"all", "my_model/secret.py"}


def test_a_pipe_that_nobody_writes_to_does_not_stop_it(written: Written) -> None:
    os.mkfifo(written.path / "my_model" / "wait.py")
    assert read_folder(written.path).left_out == ("my_model/wait.py",)


def test_a_file_that_is_larger_than_a_node_unpacks_is_refused_without_being_read_whole(written: Written) -> None:
    with (written.path / "weights.json").open("wb") as file:
        file.truncate(60 << 20)
    with pytest.raises(LabError, match=r"weights\.json makes the app larger"):
        bundle_of(written.path)


def test_data_beside_the_code_is_left_out_and_named(written: Written) -> None:
    (written.path / "patients.csv").write_text("a,b")
    read = read_folder(written.path)
    assert read.left_out == ("patients.csv",)
    assert "patients.csv" not in read.bundled


@pytest.mark.parametrize("text", ["", "[project", "[project]\nname = 'x y'"])
def test_a_folder_without_a_project_of_flowers_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(LabError, match="is not a Flower app"):
        bundle_of(tmp_path)


def test_a_folder_that_is_not_there_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="belmont model new my_model"):
        bundle_of(tmp_path / "my_model")


def test_what_changed_is_named() -> None:
    words = changed_files({"a": b"1", "b": b"1", "c": b""}, {"a": b"2", "c": b"", "d": b""})
    assert words == ["a (changed)", "b (gone)", "d (new)"]


def test_the_template_is_written_under_another_name(tmp_path: Path) -> None:
    write_template(tmp_path / "risk_2")
    assert (tmp_path / "risk_2" / "risk_2" / "client_app.py").is_file()
    assert b"my_model" not in b"".join(template_files("risk_2").values())
    assert read_bundle(bundle_of(tmp_path / "risk_2")) == bundled_template("risk_2")


@pytest.mark.parametrize("name", ["numpy", "json", "belmont", "My", "a-b", "1a", "a b", "class.py", "class", ""])
def test_a_name_that_is_no_module_or_hides_one_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(LabError):
        write_template(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_as_it_is(written: Written, tmp_path: Path) -> None:
    (tmp_path / "taken").symlink_to("nowhere")
    for target in (written.path, tmp_path / "taken"):
        with pytest.raises(LabError, match="exists already"):
            write_template(target)
