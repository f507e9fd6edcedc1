"""JSON of strangers, in a process whose recursion limit a library raised."""

import subprocess
import sys

import pytest

from belmont.identity.strict_json import loads

DEEP = """
import sys
sys.setrecursionlimit(100_000)
from {module} import {name} as read
try:
    read({text} * 200_000)
except Exception as error:
    print(type(error).__name__)
"""


def run(module: str, name: str, text: str | bytes) -> "subprocess.CompletedProcess[str]":
    code = DEEP.format(module=module, name=name, text=repr(text))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("text", [b"[", '["]",', '["\\"]",', '{"}]":', '[{"\\\\":["]}",'])
def test_a_deep_text_ends_a_process_that_reads_it_with_json_alone_and_not_one_that_counts(text: str | bytes) -> None:
    assert run("json", "loads", text).returncode < 0, "the process was killed"
    ended = run("belmont.identity.strict_json", "loads", text)
    assert (ended.returncode, ended.stdout.strip()) == (0, "ValueError")


@pytest.mark.parametrize("first", ["[]", '"a"', "1", "{}", "]", "[}", '{"a":]', '["a"}', "[1}"])
def test_what_stands_behind_the_first_value_is_not_parsed_however_deep_it_is(first: str) -> None:
    """Where it ends, or cannot go on, counting may end as well: a process with a raised limit lives on."""
    code = DEEP.format(module="belmont.identity.strict_json", name="loads", text=repr("["))
    code = code.replace("read('[' * 200_000)", f"read({first!r} + '[' * 200_000)")
    assert repr(first) in code
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.strip()) == (0, "ValueError" if first == "1" else "JSONDecodeError")


def test_brackets_within_text_are_not_counted() -> None:
    assert loads('["' + "[" * 40 + '", "\\"{"]') == ["[" * 40, '"{']


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-be"])
def test_what_is_not_utf_8_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError):
        loads('["a"]'.encode(encoding))


@pytest.mark.parametrize("depth", [1, 31, 32])
def test_what_is_as_deep_as_allowed_is_read(depth: int) -> None:
    found = loads("[" * depth + "1" + "]" * depth)
    for _ in range(depth):
        (found,) = found
    assert found == 1


@pytest.mark.parametrize("text", ["[" * 33 + "]" * 33, '{"a":' * 33 + "1" + "}" * 33, "{", "", b"\xff", "\ud800"])
def test_anything_else_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        loads(text)
