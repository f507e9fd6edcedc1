"""Native and reference verifier judge proofs and forgeries alike, and no part of a proof can be changed."""

import ast
import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from py_ecc.optimized_bls12_381 import FQ, G1, add, normalize

from belmont.zk.curve import parse_wide
from belmont.zk.errors import ZkError
from belmont.zk.field import ORDER
from belmont.zk.layout import Layout
from belmont.zk.proof import Argument
from belmont.zk.srs import ceremony_file
from belmont.zk.statement import Statement
from belmont.zk.validity import ValidityProof
from belmont.zk.verifiers import native, reference
from belmont.zk.verifiers.reference import ReferenceRefused

Json = dict[str, Any]
Judge = Callable[[Json], "Future[None]"]

VECTORS: list[Json] = json.loads((Path(__file__).parents[1] / "vectors" / "validity.json").read_text())
BY_NAME = {vector["name"]: vector for vector in VECTORS}
NAMES = [vector["name"] for vector in VECTORS]
POINTS = ("m", "u", "h", "g", "phi", "q", "openings")
SCALARS = ("columns_at_zeta", "tables_at_zeta", "phi_next", "u_next", "s_before", "s_linked")
STATED = {
    "chain_id": 31338,
    "contract": "c1" * 20,
    "owner": "0f" * 20,
    "dataset": "db" * 32,
    "version": 2,
    "first": 2,
    "rows": 4,
    "layout": "010003010001020006030009",
}


CEREMONY = ceremony_file().read_bytes()


def honest(name: str = "honest") -> Json:
    return copy.deepcopy(BY_NAME[name])


@pytest.fixture(scope="module")
def in_reference() -> Iterator[Judge]:
    """Judges by the reference verifier, on all processors: a proof takes it half a second."""
    workers = min(4, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield lambda vector: pool.submit(reference.verify, vector, ceremony_file())


def in_native(vector: Json) -> None:
    native.verify(to_native(vector))


def to_native(vector: Json) -> ValidityProof:
    """The objects that the native verifier takes, from checked parsers alone."""
    s, p = vector["statement"], vector["proof"]
    layout = Layout.from_bytes(bytes.fromhex(s["layout"]))
    numbers = {name: s[name] for name in ("chain_id", "version", "first", "chunks", "rows")}
    hexes = {name: bytes.fromhex(s[name]) for name in ("contract", "owner", "dataset")}
    one_point = {name: point(p[name]) for name in ("u", "phi")}
    points = {name: tuple(map(point, p[name])) for name in ("m", "h", "g", "q", "openings")}
    one_scalar = {name: int(p[name], 16) for name in ("phi_next", "u_next")}
    scalars = {
        name: tuple(int(x, 16) for x in p[name])
        for name in ("columns_at_zeta", "tables_at_zeta", "s_before", "s_linked")
    }
    return ValidityProof(
        Statement(**numbers, **hexes, layout=layout),
        tuple(map(point, vector["columns"])),
        tuple(map(point, vector["previous"])),
        Argument(**one_point, **points, **one_scalar, **scalars),
    )


def point(digits: str) -> Any:
    return parse_wide(bytes.fromhex(digits))


def moved(digits: str) -> str:
    """The point plus the generator."""
    data = bytes.fromhex(digits)
    xy = (FQ(int.from_bytes(data[:64], "big")), FQ(int.from_bytes(data[64:], "big")), FQ(1))
    return b"".join(int(each).to_bytes(64, "big") for each in normalize(add(xy, G1))).hex()


def one_more(digits: str) -> str:
    return f"{(int(digits, 16) + 1) % ORDER:064x}"


def change_last(held: Any, change: Callable[[str], str]) -> Any:
    return [*held[:-1], change(held[-1])] if isinstance(held, list) else change(held)


# --- every verdict ---


@pytest.fixture(scope="module")
def verdicts(in_reference: Judge) -> dict[str, "Future[None]"]:
    return {vector["name"]: in_reference(vector) for vector in VECTORS}


def test_most_vectors_are_forgeries_and_each_has_a_name_and_a_reason() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(vector["why"] for vector in VECTORS)
    assert sum(vector["accept"] for vector in VECTORS) * 10 < len(VECTORS)


@pytest.mark.parametrize("name", NAMES)
def test_native_judges_a_vector_as_it_says(name: str) -> None:
    vector = BY_NAME[name]
    if vector["accept"]:
        in_native(vector)
    else:
        with pytest.raises(ZkError):
            in_native(vector)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_judges_a_vector_as_it_says(name: str, verdicts: dict[str, "Future[None]"]) -> None:
    refused = verdicts[name].exception()
    if BY_NAME[name]["accept"]:
        assert refused is None
    else:
        assert isinstance(refused, ReferenceRefused)


@pytest.mark.parametrize(
    ("prefix", "step"),
    [
        ("rows plus r", "V1"),
        ("layout ", "V1"),
        ("no chunks", "V1"),
        ("four surplus h", "V2"),
        ("column at infinity", "V3"),
        ("linked to nothing", "V3"),
        ("off the ", "V3"),
        ("plus r", "V3"),
        ("padding", "V3"),
        ("range ", "V8"),
        ("bit ", "V8"),
        ("blinding ", "V8"),
        ("one patient ", "V8"),
        ("fold before ", "V8"),
        ("false claim", "V8"),
        ("another ", "V8"),
    ],
)
def test_a_forgery_is_refused_for_what_is_wrong_with_it(
    prefix: str, step: str, verdicts: dict[str, "Future[None]"]
) -> None:
    found = {name: verdicts[name].exception() for name in NAMES if name.startswith(prefix)}
    assert found
    assert {getattr(refused, "step", None) for refused in found.values()} == {step}


# --- every part of a proof ---


def test_no_field_of_a_proof_can_be_changed(in_reference: Judge) -> None:
    """The last entry of every field, to one that is well formed, in a proof that has all fields."""
    changed: dict[str, Json] = {}
    for name in (*POINTS, *SCALARS):
        vector = honest("honest second chunk")
        change = moved if name in POINTS else one_more
        vector["proof"][name] = change_last(vector["proof"][name], change)
        changed[name] = vector
    for name in ("columns", "previous"):
        vector = honest("honest second chunk")
        vector[name] = change_last(vector[name], moved)
        changed[name] = vector
    for name, value in STATED.items():
        vector = honest("honest second chunk")
        assert vector["statement"][name] != value
        vector["statement"][name] = value
        changed[name] = vector
    judged = {name: in_reference(vector) for name, vector in changed.items()}
    assert {name: getattr(each.exception(), "step", None) for name, each in judged.items()} == dict.fromkeys(
        changed, "V8"
    )


def test_no_byte_of_a_proof_can_be_flipped() -> None:
    """Whatever the file says after the flip, it is malformed or does not prove what it says then."""
    data = to_native(honest()).to_bytes()
    native.verify(ValidityProof.from_bytes(data))
    accepted = []
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        try:
            native.verify(ValidityProof.from_bytes(bytes(flipped)))
        except ZkError:
            continue
        accepted.append(at)
    assert accepted == []


def test_every_entry_of_every_list_is_bound() -> None:
    """As above, but natively and for each entry of each list, not only the last."""
    base = honest("honest two chunks")
    accepted = []
    for name in (*POINTS, *SCALARS, "columns"):
        place = base if name == "columns" else base["proof"]
        held = place[name]
        change = one_more if name in SCALARS else moved
        for i, entry in enumerate(held if isinstance(held, list) else [held]):
            place[name] = [*held[:i], change(entry), *held[i + 1 :]] if isinstance(held, list) else change(entry)
            try:
                in_native(base)
            except ZkError:
                continue
            finally:
                place[name] = held
            accepted.append((name, i))
    assert accepted == []


# --- what is not a vector ---


def without(path: str) -> Callable[[Json], None]:
    def change(vector: Json) -> None:
        *parents, last = path.split(".")
        for name in parents:
            vector = vector[name]
        del vector[last]

    return change


def put(path: str, value: Any) -> Callable[[Json], None]:
    def change(vector: Json) -> None:
        *parents, last = path.split(".")
        for name in parents:
            vector = vector[name]
        vector[last] = value

    return change


FIELDS = ["statement", "columns", "previous", "proof"]
FIELDS += [f"statement.{name}" for name in (*STATED, "chunks")]
FIELDS += [f"proof.{name}" for name in (*POINTS, *SCALARS)]


@pytest.mark.parametrize("path", FIELDS)
def test_a_field_of_another_type_is_refused_with_the_one_error(path: str) -> None:
    for value in (None, True, 1.0, -1, "0", "zz", "AA", " 00", [], [None], [[]], {}, [{}]):
        vector = honest("honest second chunk")
        put(path, value)(vector)
        with pytest.raises(ReferenceRefused):
            reference.verify(vector, CEREMONY)


@pytest.mark.parametrize("path", FIELDS)
def test_a_missing_field_is_refused(path: str) -> None:
    vector = honest("honest two chunks")
    without(path)(vector)
    with pytest.raises(ReferenceRefused):
        reference.verify(vector, CEREMONY)


@pytest.mark.parametrize("path", ["more", "statement.more", "proof.more"])
def test_a_surplus_field_is_refused(path: str) -> None:
    vector = honest()
    put(path, 1)(vector)
    with pytest.raises(ReferenceRefused):
        reference.verify(vector, CEREMONY)


@pytest.mark.parametrize("vector", [None, [], "", 0, {}])
def test_what_is_no_object_is_refused(vector: Any) -> None:
    with pytest.raises(ReferenceRefused):
        reference.verify(vector, CEREMONY)


# --- what it rests on ---


def test_another_ceremony_is_refused() -> None:
    data = bytearray(CEREMONY)
    data[5000] ^= 1
    with pytest.raises(ReferenceRefused, match="V1"):
        reference.verify(honest(), bytes(data))


def test_the_lagrange_points_are_in_natural_order() -> None:
    """The weighted sum that gives [t_2] is the same by the native library, from other points of the file."""
    lagrange, _ = reference.read_ceremony(CEREMONY)
    layout = Layout.from_bytes(bytes.fromhex(honest()["statement"]["layout"]))
    values, classes, limbs = reference.tables(layout.to_bytes(), lagrange)
    table, limb_table = layout.relation.tables

    def wide(of: Any) -> bytes:
        return b"".join(int(each).to_bytes(64, "big") for each in normalize(of))

    assert [parse_wide(wide(values)), parse_wide(wide(classes))] == list(table.commitments)
    assert parse_wide(wide(limbs)) == limb_table.commitments[0]


def test_it_imports_nothing_but_the_standard_library_and_py_ecc() -> None:
    tree = ast.parse(Path(reference.__file__).read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add((node.module or "").split(".")[0])
    assert found - set(sys.stdlib_module_names) == {"py_ecc"}


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_no_native_code_of_the_other_verifier_is_loaded_with_it() -> None:
    code = "import sys, belmont.zk.verifiers.reference; print(*(name.split('.')[0] for name in sys.modules))"
    assert {"ckzg", "py_arkworks_bls12381", "flint", "numpy"}.isdisjoint(run(code).split())


def test_it_says_what_to_install_where_py_ecc_is_missing() -> None:
    code = (
        "import sys; sys.modules['py_ecc'] = None\n"
        "try:\n  import belmont.zk.verifiers.reference\n"
        "except ImportError as error: print(error)"
    )
    assert "pip install py-ecc" in run(code)
