"""Bundles: the same folder is the same bytes, and code comes from exactly the bytes that were hashed."""

import io
import sys
import zipfile

import pytest
from flwr.app import Context, RecordDict

from belmont.federated.errors import BundleError
from belmont.federated.node.bundle import LoadedApp, build_bundle, read_bundle

APP = """
from flwr.clientapp import ClientApp
from {package}.task import WORD
from . import task
import {package}.task
from .sub.deep import DEEP
app = ClientApp()
app.word = (WORD, task.WORD, {package}.task.WORD, DEEP, task.Named(1).x)
"""
TASK = """
from __future__ import annotations
from dataclasses import dataclass
WORD = {word!r}
@dataclass
class Named:
    x: int
"""


@pytest.fixture
def folder(tmp_path, app_builder):
    def make(word, package="study"):
        app_builder("", package)  # writes pyproject.toml and the package
        made = max(tmp_path.glob("app*"))
        (made / package / "client_app.py").write_text(APP.format(package=package))
        (made / package / "task.py").write_text(TASK.format(word=word))
        (made / package / "sub").mkdir()
        (made / package / "sub" / "deep.py").write_text("from ..task import WORD\nDEEP = WORD + ' deep'\n")
        return made

    return make


def test_the_same_folder_is_the_same_bytes(folder, tmp_path):
    made = folder("a")
    bundle = build_bundle(made)
    copy = tmp_path / "copy"
    import os
    import shutil

    shutil.copytree(made, copy)
    for path in copy.rglob("*"):
        os.utime(path, (0, 0))
    assert build_bundle(copy) == bundle
    (copy / "study" / "task.py").write_text(TASK.format(word="b"))
    assert build_bundle(copy) != bundle


def bundled_modules():
    """Modules of bundles that are loaded now; other tests of a process may keep some."""
    return {name for name in sys.modules if name.startswith("belmont_bundle")}


def test_two_bundles_with_equal_module_names_do_not_mix(folder):
    before = bundled_modules()
    one, two = build_bundle(folder("one")), build_bundle(folder("two"))
    with LoadedApp(one) as first, LoadedApp(two) as second, LoadedApp(one) as again:
        assert first.word == ("one", "one", "one", "one deep", 1)
        assert second.word == ("two", "two", "two", "two deep", 1)
        assert again is not first
        assert "study" not in sys.modules
    assert bundled_modules() == before


def test_neither_the_disk_nor_an_imported_module_can_stand_in(folder, tmp_path, monkeypatch):
    bundle = build_bundle(folder("approved"))
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "__init__.py").write_text("")
    (tmp_path / "study" / "task.py").write_text("WORD = 'planted'")
    monkeypatch.syspath_prepend(tmp_path)
    import study.task

    assert study.task.WORD == "planted"
    try:
        with LoadedApp(bundle) as app:
            assert app.word[0] == "approved"
    finally:
        del sys.modules["study"], sys.modules["study.task"]


def test_state_does_not_pass_from_one_round_to_the_next(app_builder):
    bundle = app_builder(
        "from flwr.clientapp import ClientApp\napp = ClientApp()\nseen = []\n"
        "@app.train()\ndef train(message, context):\n    seen.append(1)\n    return len(seen)\n"
    )

    def call():
        from flwr.app import Message, Metadata
        from flwr.app.message.message import make_message

        metadata = Metadata(1, "m", 1, 2, "", "1", 0.0, 1.0, "train")
        message: Message = make_message(metadata=metadata, content=RecordDict())
        with LoadedApp(bundle) as app:
            return app(message, Context(1, 2, {}, RecordDict(), {}))

    assert [call(), call()] == [1, 1]


def rezip(bundle, edit, compression=zipfile.ZIP_STORED):
    files = {}
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        for name in archive.namelist():
            files[name] = archive.read(name)
    edit(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    "edit",
    [
        lambda files: files.update({"traced/client_app.py": b"planted = 1"}),
        lambda files: files.update({"traced/more.py": b"planted = 1"}),
        lambda files: files.pop("traced/client_app.py"),
        lambda files: files.pop(".info/CONTENT"),
        lambda files: files.pop("pyproject.toml"),
    ],
)
def test_a_bundle_that_disagrees_with_its_own_contents_is_refused(app_builder, edit):
    bundle = app_builder("from flwr.clientapp import ClientApp\napp = ClientApp()")
    assert read_bundle(bundle)
    with pytest.raises(BundleError):
        read_bundle(rezip(bundle, edit))


@pytest.mark.parametrize("data", [b"", b"PK", b"x" * 1_000, bytes(11 * 1024 * 1024)])
def test_bytes_that_are_no_bundle_are_refused(data):
    with pytest.raises(BundleError):
        LoadedApp(data)


def test_a_bundle_that_unpacks_to_too_much_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(60 * 1024 * 1024))
    with pytest.raises(BundleError, match="unpacks"):
        read_bundle(out.getvalue())


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bundle_that_is_packed_otherwise_is_refused(app_builder, compression):
    bundle = app_builder("from flwr.clientapp import ClientApp\napp = ClientApp()")
    with pytest.raises(BundleError, match="packed"):
        read_bundle(rezip(bundle, lambda files: None, compression))


def test_a_bundle_that_does_not_unpack_is_refused(app_builder):
    bundle = app_builder("from flwr.clientapp import ClientApp\napp = ClientApp()")
    packed = rezip(bundle, lambda files: None, zipfile.ZIP_DEFLATED)
    begins = packed.index(b"client_app.py") + len(b"client_app.py")
    with pytest.raises(BundleError, match="not a readable archive"):
        read_bundle(packed[:begins] + b"\xff" * 4 + packed[begins + 4 :])


@pytest.mark.parametrize("source", ["app = 1", "", "def (", "import study_that_is_not_there"])
def test_code_that_cannot_be_loaded_is_refused_and_leaves_no_module(app_builder, source):
    before = bundled_modules()
    with pytest.raises((BundleError, ImportError)):
        LoadedApp(app_builder(source))
    assert bundled_modules() == before


def test_a_folder_that_is_no_app_is_refused(tmp_path):
    with pytest.raises(BundleError, match="not a Flower app"):
        build_bundle(tmp_path)
