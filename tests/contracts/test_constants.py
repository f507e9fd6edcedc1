"""Every constant of the verifying contracts, computed anew from the curve and from the ceremony's file."""

import hashlib
import re
from importlib import resources

import pytest
from py_arkworks_bls12381 import G2Point

from belmont.registry import limits
from belmont.registry.limits import CHUNK_ROWS, PART_COLUMNS_MAX
from belmont.registry.proofs import ceremony_root
from belmont.zk.curve import GENERATOR, wide
from belmont.zk.field import N_INVERSE, OMEGA, ORDER, ROOTS, A, B, N
from belmont.zk.layout import LIMB_BITS, LIMBS, ColumnKind, Kind, Layout
from belmont.zk.srs import CEREMONY_DIGEST, reference_string

MODULUS = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)
"""Of BLS12-381's base field."""


def constant(name, which):
    text = (resources.files("belmont.contracts") / f"{name}.vy").read_text()
    (value,) = re.findall(rf"^{which}: constant\([^)]+\) = (\[[^]]*\]|\S.*)$", text, re.MULTILINE)
    numbers = {other: int(number) for other, number in re.findall(r"^(\w+): .* = (\d+)$", text, re.MULTILINE)}
    return eval(value.split("  #")[0], numbers)  # noqa: S307


def words(data):
    return [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]


def wide_g2(point):
    data = bytes(point.to_xy_bytes_be())
    return b"".join(bytes(16) + data[at : at + 48] for at in range(0, len(data), 48))


def expected():
    srs = reference_string()
    yield "field", "R", ORDER
    yield "transcript", "SHIFT", 2**256 % ORDER
    yield "curve", "GENERATOR", words(wide(GENERATOR))
    yield "curve", "GENERATOR_2", words(wide_g2(G2Point()))
    yield "curve", "MINUS_TAU", words(wide_g2(-srs.tau))
    yield "Verifier", "N", N
    yield "Verifier", "BLINDING", B
    yield "Verifier", "CHUNK_ROWS", CHUNK_ROWS
    yield "Verifier", "COLUMNS_MAX", PART_COLUMNS_MAX
    yield "Verifier", "OMEGA", OMEGA
    yield "Verifier", "OMEGA_INVERSE", ROOTS[N - 1]
    yield "Verifier", "OMEGA_A", ROOTS[A]
    yield "Verifier", "OMEGA_LAST", ROOTS[A - 1]
    yield "Verifier", "N_INVERSE", N_INVERSE
    yield "Verifier", "LIMBS", LIMBS
    yield "Verifier", "LIMB_BITS", LIMB_BITS
    yield "Verifier", "CEREMONY", int.from_bytes(CEREMONY_DIGEST, "big")
    yield "Verifier", "LIMB_TABLE", words(wide(Layout((ColumnKind(Kind.BIT, 1),)).relation.tables[1].commitments[0]))
    yield "Verifier", "INFINITY", int.from_bytes(hashlib.sha256(bytes(128)).digest(), "big")
    yield "Totals", "FIELD_ELEMENTS", N
    yield "Totals", "N_INVERSE", N_INVERSE
    yield "Totals", "CHUNK_ROWS", CHUNK_ROWS
    yield "Totals", "CHUNKS_MAX", limits.TOTAL_CHUNKS_MAX
    yield "Totals", "COLUMNS_MAX", limits.TOTAL_COLUMNS_MAX
    yield "Totals", "LAYOUT_BYTES", limits.LAYOUT_MAX_BYTES
    yield "Totals", "QUESTION_BYTES", limits.QUESTION_MAX_BYTES
    yield "Totals", "LEAST_HOSPITALS", limits.TOTAL_HOSPITALS_MIN
    yield "Totals", "BIT_KIND", Kind.BIT
    yield "Totals", "MAY_MISS_KIND", Kind.RANGE_OR_MISSING
    yield "Totals", "HALF_HIGH", (MODULUS - 1) // 2 >> 256
    yield "Totals", "HALF_LOW", (MODULUS - 1) // 2 % 2**256
    yield "Proofs", "CEREMONY_ROOT", int.from_bytes(ceremony_root(), "big")


@pytest.mark.parametrize(
    ("name", "which", "value"), list(expected()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_constant_is_what_it_says(name, which, value):
    assert constant(name, which) == value


def test_the_precompiles_are_those_of_eip_2537_and_eip_4844():
    """Multi-scalar multiplication checks subgroups; addition, 0x0b, does not, so nothing may call it."""
    text = (resources.files("belmont.contracts") / "curve.vy").read_text()
    called = re.findall(r"constant\(address\) = 0x0+([0-9A-F]+)$", text, re.MULTILINE)
    assert called == ["C", "F"]
    text = (resources.files("belmont.contracts") / "Totals.vy").read_text()
    assert re.findall(r"constant\(address\) = 0x0+([0-9A-F]+)$", text, re.MULTILINE) == ["A"]
    assert re.findall(r"raw_call\(\s*(\w+),", text) == ["POINT_EVALUATION"]
    for name in ("Verifier", "Proofs", "transcript"):
        assert "raw_call" not in (resources.files("belmont.contracts") / f"{name}.vy").read_text()
