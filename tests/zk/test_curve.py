"""Points from outside are of the subgroup and encoded in the one way; sums of unequal lists are refused."""

import pytest
from py_arkworks_bls12381 import G1Point

from belmont.zk.curve import (
    GENERATOR,
    IDENTITY,
    add_all,
    compressed,
    is_infinity,
    multiply,
    multiply_sum,
    pairing_holds,
    parse_compressed,
    parse_wide,
    scalar,
    wide,
)
from belmont.zk.errors import ProofMalformed, ZkError
from belmont.zk.field import ORDER
from belmont.zk.srs import reference_string

P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
ORDER_THREE = bytes(48) + (2).to_bytes(48, "big")
"""(0, 2) is on the curve, and of order 3."""


def padded(xy: bytes) -> bytes:
    return bytes(16) + xy[:48] + bytes(16) + xy[48:]


def small_x() -> bytes:
    """A point of the subgroup whose x + p still fits 381 bits."""
    return next(c for c in (compressed(multiply(GENERATOR, k)) for k in range(1, 99)) if x_of(c) + P < 1 << 381)


def x_of(data: bytes) -> int:
    return int.from_bytes(data, "big") & ((1 << 381) - 1)


def test_the_librarys_own_sum_cuts_the_longer_list_and_ours_refuses() -> None:
    two = [GENERATOR, GENERATOR]
    assert G1Point.multiexp_unchecked(two, [scalar(5)]) == multiply(GENERATOR, 5)
    for points, numbers in ((two, [5]), ([GENERATOR], [5, 6]), ([], [1])):
        with pytest.raises(ZkError, match="points and"):
            multiply_sum(points, numbers)


def test_sums_are_sums() -> None:
    points = [multiply(GENERATOR, k) for k in (1, 2, 3)]
    assert multiply_sum(points, [10, -1, ORDER + 2]) == multiply(GENERATOR, 10 - 2 + 6)
    assert add_all(points) == multiply(GENERATOR, 6)
    assert is_infinity(multiply_sum([], [])) and is_infinity(add_all([]))
    assert is_infinity(multiply(GENERATOR, ORDER))


def test_both_encodings_come_back() -> None:
    for k in (1, 2, ORDER - 1):
        point = multiply(GENERATOR, k)
        assert parse_compressed(compressed(point)) == point
        assert parse_wide(wide(point)) == point
    assert wide(IDENTITY) == bytes(128)
    assert is_infinity(parse_wide(bytes(128))) and is_infinity(parse_compressed(b"\xc0" + bytes(47)))


def test_points_outside_the_subgroup_are_refused() -> None:
    stray = G1Point.from_xy_bytes_unchecked_be(ORDER_THREE)
    assert is_infinity(stray + stray + stray)
    for point in (stray, GENERATOR + stray):
        with pytest.raises(ProofMalformed, match="subgroup"):
            parse_compressed(compressed(point))
        with pytest.raises(ProofMalformed, match="subgroup"):
            parse_wide(wide(point))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(47),
        compressed(GENERATOR) + b"\0",
        bytes(48),
        b"\x40" + bytes(47),
        b"\xe0" + bytes(47),
        b"\xc0" + bytes(46) + b"\1",
        bytes([compressed(GENERATOR)[0] & 0x7F]) + compressed(GENERATOR)[1:],
        b"\xff" * 48,
        (x_of(small_x()) + P | (small_x()[0] >> 5 << 381)).to_bytes(48, "big"),
        b"\x80" + bytes(46) + b"\1",
    ],
    ids=[
        "empty",
        "short",
        "long",
        "zeros",
        "uncompressed-infinity",
        "signed-infinity",
        "infinity-with-x",
        "no-flag",
        "ones",
        "x+p",
        "no-point",
    ],
)
def test_every_other_compressed_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(ProofMalformed):
        parse_compressed(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        wide(GENERATOR)[:-1],
        wide(GENERATOR) + b"\0",
        b"\1" + wide(GENERATOR)[1:],
        wide(GENERATOR)[:64] + b"\1" + wide(GENERATOR)[65:],
        padded((x_of(small_x()) + P).to_bytes(48, "big") + bytes(GENERATOR.to_xy_bytes_be())[48:]),
        padded(P.to_bytes(48, "big") * 2),
        bytes(127) + b"\1",
    ],
    ids=["empty", "short", "long", "padded-x", "padded-y", "x+p", "zero-as-p", "no-point"],
)
def test_every_other_wide_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(ProofMalformed):
        parse_wide(data)


def test_a_pairing_holds_for_tau_only() -> None:
    srs = reference_string()
    one, tau = srs.powers(2)
    assert pairing_holds(tau, one, srs.tau, srs.g2)
    assert not pairing_holds(tau, multiply(one, 2), srs.tau, srs.g2)
    assert pairing_holds(IDENTITY, IDENTITY, srs.tau, srs.g2)
