"""What is to be seen of a bundle without running it: names that mislead, imports, lines that a board should look at."""

import hashlib
import io
import zipfile

import pytest

from belmont.federated.errors import BundleError
from belmont.federated.models.bundles import shipped_names
from belmont.federated.node.bundle import read_bundle
from belmont.lab.errors import LabError
from belmont.lab.own.findings import Level
from belmont.lab.own.folder import files_of
from belmont.lab.own.static_checks import installed, static_findings
from belmont.lab.own.templates import bundled_template, shipped_files
from belmont.lab.own.visible import is_hidden, visible


def of(code: str, name: str = "my_model/client_app.py") -> str:
    found = static_findings({name: code.encode()})
    assert all(each.remedy and each.rule and each.where for each in found)
    return " | ".join(f"{each.level}: {each.what} @{each.where}" for each in found)


def test_the_template_and_every_shipped_app_have_nothing_to_look_at() -> None:
    assert static_findings(bundled_template()) == []
    for name in shipped_names():
        found = static_findings(shipped_files(name), {"torch"})
        assert [each for each in found if each.level is not Level.NOTE] == [], name


LINES = [
    ("import torch", "refused: it imports torch, which hospitals do not have"),
    ("from no_such_module.deep import x", "refused: it imports no_such_module.deep"),
    ("import hypothesis", "hospitals do not have, though this machine does"),
    ("import pandas", "note: it imports pandas, a third party's"),
    ("def f():\n    import socket", "it imports socket: there is no network"),
    ("import multiprocessing.pool", "it imports multiprocessing"),
    ("import ctypes", "reaches behind what it is given"),
    ("import pickle", "reaches behind what it is given"),
    ("from belmont.federated.gate import gate", "it can go around the rule for too few rows"),
    ("from belmont.federated.node.data import _offers", "it can go around the rule for too few rows"),
    ("from belmont.federated.node import data\ndata._offers", "Belmont's own"),
    ("from belmont.federated.node.data import offer_of", "it can go around the rule for too few rows"),
    ("from belmont.federated.node import data\ndata.offer_of(1)", "Belmont's own"),
    ("import belmont.lab", "it imports belmont.lab"),
    ("import os\nos.environ['A']", "it reads the environment (os.environ)"),
    ("from os import getenv as g\ng('A')", "it reads the environment (os.getenv)"),
    ("import time\ntime.time()", "it reads the clock"),
    ("from datetime import datetime as d\nd.now()", "it reads the clock"),
    ("import numpy as np\nnp.random.normal()", "chance without a seed (numpy.random.normal)"),
    ("from numpy.random import default_rng\ndefault_rng()", "chance without a seed"),
    ("import random\nrandom.shuffle([])", "chance without a seed"),
    ("import secrets\nsecrets.token_bytes(8)", "chance without a seed"),
    ("import uuid\nuuid.uuid4()", "chance without a seed"),
    ("open('x')", "it opens files (open)"),
    ("import numpy as np\nnp.load('x.npy')", "it opens files (numpy.load)"),
    ("eval('1')", "code that makes code (eval)"),
    ("import importlib\nimportlib.import_module('o' + 's')", "code that makes code"),
    ("__import__('os')", "code that makes code"),
    ("def f(o, n): return getattr(o, n)", "code that makes code (getattr)"),
    ("getattr(object, '__subclasses__')", "code that makes code (getattr)"),
    ("().__class__.__subclasses__()", "reaches into the interpreter"),
    ("globals()", "reaches into the interpreter"),
    (f"X = '{'A' * 2_000}'", "a text of 2,000 characters within code"),
    ("def f(:", "refused: it does not compile"),
    ("x = 1 # \u202e reversed", "that a reader does not see"),
    ("раssword = 1", "letters that look like others"),
]


@pytest.mark.parametrize(("code", "what"), LINES, ids=[each[0][-40:] for each in LINES])
def test_a_line_that_a_board_should_look_at_is_named(code: str, what: str) -> None:
    found = of(code)
    assert what in found, found


def test_what_hospitals_said_they_have_is_a_note() -> None:
    files = {"m.py": b"import torch.nn"}
    assert [each.level for each in static_findings(files)] == [Level.REFUSED]
    assert [each.level for each in static_findings(files, ["torch"])] == [Level.NOTE]


FINE = [
    "import numpy as np\nnp.random.default_rng(3).normal()",
    "import random\nr = random.Random(3)\nr.shuffle([])",
    "import math, json, dataclasses, typing, collections.abc",
    "from flwr.app import Message",
    "from belmont.federated.node.data import coded_data",
    'def f():\n    """' + "words " * 400 + '"""',
    "from . import model",
    "import datetime\ndatetime.timedelta(1)",
    "getattr(object, 'name', None)",
    "import re\nre.compile('a')",
]


@pytest.mark.parametrize("code", FINE, ids=[each[-40:] for each in FINE])
def test_what_is_usual_is_no_finding(code: str) -> None:
    assert of(code) == ""


NAMES = [
    ({"../up.py": b""}, "leads out of the bundle"),
    ({"/etc/x.py": b""}, "leads out of the bundle"),
    ({"a\\..\\b.py": b""}, "leads out of the bundle"),
    ({"C:x.py": b""}, "leads out of the bundle"),
    ({"a//b.py": b""}, "leads out of the bundle"),
    ({"a.py": b"", "A.PY": b""}, "one name to a reader"),
    ({"ﬁt.py": b"", "fit.py": b""}, "one name to a reader"),
    ({"m/x\u202eyp.py": b""}, "characters that a reader does not see"),
    ({"m.py": b"", "m/__init__.py": b""}, "the package m/ is what runs"),
    ({"numpy.py": b""}, "'numpy' hides the installed one"),
    ({"json/__init__.py": b""}, "'json' hides the installed one"),
    ({"belmont/x.py": b""}, "'belmont' hides the installed one"),
    ({"m/weights.bin": b"\xff\xfe"}, "no code can read at a hospital"),
    ({"m/x.py": b"\xff\xfe"}, "no text"),
]


@pytest.mark.parametrize(("files", "what"), NAMES, ids=[ascii(next(iter(each[0]))) for each in NAMES])
def test_a_name_that_misleads_is_found(files: dict[str, bytes], what: str) -> None:
    found = " | ".join(each.what for each in static_findings(files))
    assert what in found, found


def test_what_hospitals_have_is_what_belmont_needs_and_not_what_this_machine_has() -> None:
    assert {"numpy", "flwr"} <= installed()
    assert not {"pytest", "hypothesis", "mypy"} & installed()


def archive(entries: list[tuple[str, bytes]]) -> bytes:
    """A bundle that was packed by hand, with a list of contents that agrees with it."""
    out = io.BytesIO()
    lines = [f"{name},{hashlib.sha256(data).hexdigest()},{len(data) * 8}" for name, data in entries]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries:
            file.writestr(name, data)
        file.writestr(".info/CONTENT", "\n".join(lines))
    return out.getvalue()


def test_a_bundle_packed_by_hand_cannot_hold_a_name_twice_or_unpack_to_too_much() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = archive([("a.py", b"good"), ("a.py", b"evil")])
    bomb = archive([("a.json", bytes(60 << 20))])
    assert len(bomb) < 1 << 20
    for bundle in (twice, bomb, b"", b"PK"):
        with pytest.raises(BundleError):
            read_bundle(bundle)
        with pytest.raises(LabError):
            files_of(bundle)


def test_a_bundle_packed_by_hand_with_a_path_out_of_it_is_not_opened() -> None:
    with pytest.raises(LabError, match="leads out of its folder"):
        files_of(archive([("../../root/.bashrc", b"evil")]))


@pytest.mark.parametrize(
    "character", ["\u202e", "\u2066", "\u200b", "\ufeff", "\x1b", "\x00", "\x7f", "\u2028", "\u3164", "\r"]
)
def test_hidden_characters_are_written_out(character: str) -> None:
    assert is_hidden(character)
    assert visible(f"a{character}b") == f"a[U+{ord(character):04X}]b"


def test_usual_text_stays_as_it_is() -> None:
    text = "größe = 1  # ≤ 2\n\tx"
    assert visible(text) == text
