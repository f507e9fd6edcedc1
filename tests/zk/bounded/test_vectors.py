"""The vectors of tests/vectors/bounded.json are judged as they say, by both verifiers and by plain arithmetic.

The reference verifier shares no code with the native one. ``plain_total`` judges totals on py-ecc: packing, Lagrange
points from the ceremony's file, sums.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc.bls.point_compression import decompress_G1
from py_ecc.optimized_bls12_381 import Z1, add, eq, multiply

from belmont.zk.bounded.proof import UpdateCommitment, UpdateProof, verify_update
from belmont.zk.bounded.shape import MOST_BOUND, MOST_NORM_SQUARED, Shape
from belmont.zk.bounded.statement import UpdateStatement
from belmont.zk.bounded.sums import add_updates, check_sum
from belmont.zk.bounded.update import UpdateOpening
from belmont.zk.curve import parse_compressed, wide
from belmont.zk.errors import ZkError
from belmont.zk.srs import ceremony_file
from belmont.zk.verifiers import reference_bounded
from belmont.zk.verifiers.reference import ReferenceRefused

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "bounded.json").read_text())
R = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
DATA_ROWS, BLINDING_ROWS = 4032, 64
CEREMONY = ceremony_file().read_bytes()


def statement_of(said: dict[str, Any]) -> UpdateStatement:
    texts = {name: bytes.fromhex(said[name]) for name in ("dataset", "layout_hash")}
    plain = {name: said[name] for name in ("consortium", "permit_id", "round", "dimension", "bound", "norm_squared")}
    return UpdateStatement(**plain, **texts, participants=tuple(bytes.fromhex(each) for each in said["participants"]))


def names(kind: str) -> list[str]:
    return [case["name"] for case in VECTORS[kind]]


def case_of(kind: str, name: str) -> dict[str, Any]:
    return next(case for case in VECTORS[kind] if case["name"] == name)


@pytest.mark.parametrize("name", names("proofs"))
def test_proofs_are_judged_as_the_vectors_say(name):
    case = case_of("proofs", name)
    said = statement_of(case["statement"])
    assert said.digest.hex() == case["statement"]["digest"]

    def judge() -> None:
        verify_update(UpdateProof.from_bytes(bytes.fromhex(case["proof"]), said), said)

    if case["accept"]:
        judge()
    else:
        with pytest.raises(ZkError):
            judge()


@pytest.mark.parametrize("name", names("proofs"))
def test_the_reference_verifier_judges_proofs_alike(name):
    case = case_of("proofs", name)
    data = bytes.fromhex(case["proof"])
    if not case["accept"]:
        with pytest.raises(ReferenceRefused):
            reference_bounded.verify(case["statement"], data, CEREMONY)
        return
    points = reference_bounded.verify(case["statement"], data, CEREMONY)
    said = statement_of(case["statement"])
    native = verify_update(UpdateProof.from_bytes(data, said), said).points
    assert reference_bounded.wide(points) == b"".join(map(wide, native))


@given(
    st.integers(1, 1 << 22),
    st.one_of(st.integers(1, 2_000), st.integers(1, MOST_BOUND)),
    st.integers(1, 1024),
    st.none() | st.integers(1, MOST_NORM_SQUARED),
)
@settings(max_examples=40, deadline=None)
def test_both_verifiers_derive_one_shape(dimension, bound, participants, norm_squared):
    own = Shape(dimension, bound, participants, norm_squared)
    said = {"dimension": dimension, "bound": bound, "norm_squared": norm_squared, "participants": [""] * participants}
    other = reference_bounded.shape_of(said)
    assert (other.s, other.p, other.k, other.columns) == (own.slot_bytes, own.slots, own.chunks, own.columns)
    assert other.limbs == [(limb.weight, limb.width) for limb in own.limbs]
    assert other.slack == [(limb.weight, limb.width) for limb in own.slack]


@pytest.mark.parametrize("at", range(0, 1_297, 97))
def test_the_reference_verifier_refuses_a_changed_byte(at):
    case = case_of("proofs", "honest")
    data = bytearray.fromhex(case["proof"])
    data[at % len(data)] ^= 1
    with pytest.raises(ReferenceRefused):
        reference_bounded.verify(case["statement"], bytes(data), CEREMONY)


@pytest.mark.parametrize("name", names("totals"))
def test_totals_are_judged_as_the_vectors_say(name):
    case = case_of("totals", name)
    updates = [
        UpdateCommitment(statement_of(said), tuple(parse_compressed(bytes.fromhex(point)) for point in points))
        for said, points in zip(case["statements"], case["commitments"], strict=True)
    ]
    blinding = tuple(
        tuple(int.from_bytes(bytes.fromhex(rows)[at : at + 32], "big") for at in range(0, len(rows) // 2, 32))
        for rows in case["blinding"]
    )
    total = UpdateOpening(np.array(case["vector"], np.int64), blinding)
    if case["accept"]:
        check_sum(add_updates(updates), total)
    else:
        with pytest.raises(ZkError):
            check_sum(add_updates(updates), total)


@pytest.mark.parametrize("name", names("totals"))
def test_totals_are_judged_alike_by_plain_arithmetic(name):
    case = case_of("totals", name)
    assert plain_total(case) == case["accept"]


def plain_total(case: dict[str, Any]) -> bool:
    """One block, so nothing is packed: the coordinates are the first data rows, and all others are 0."""
    (blinding,), most = case["blinding"], len(case["statements"]) * case["statements"][0]["bound"]
    if any(abs(x) > most for x in case["vector"]):
        return False
    lines = ceremony_file().read_text().split()[2:]
    expected = Z1
    rows = dict(enumerate(case["vector"]))
    rows |= {DATA_ROWS + i: int(blinding[64 * i : 64 * i + 64], 16) for i in range(BLINDING_ROWS)}
    for row, value in rows.items():
        expected = add(expected, multiply(point(lines[row]), value % R))
    summed = Z1
    for (commitment,) in case["commitments"]:
        summed = add(summed, point(commitment))
    return eq(summed, expected)


def point(text: str) -> Any:
    return decompress_G1(int(text, 16))


def test_most_vectors_are_forgeries():
    for kind in ("proofs", "totals"):
        refused = [case for case in VECTORS[kind] if not case["accept"]]
        assert len(refused) > len(VECTORS[kind]) / 2
