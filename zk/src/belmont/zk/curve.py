"""Points of G1 and G2 on `py_arkworks_bls12381`, with its two traps closed.

1. `multiexp_unchecked` cuts the longer list without a word: `multiply_sum` refuses lists of different lengths.
2. The unchecked parsers take points outside the subgroup: whatever comes from outside goes through `parse_compressed`
   or `parse_wide`, which check curve, subgroup and that there is one encoding of a point.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from belmont.zk.errors import ProofMalformed, ZkError
from belmont.zk.field import ORDER

G1: TypeAlias = G1Point
G2: TypeAlias = G2Point

COMPRESSED_BYTES: Final = 48
WIDE_BYTES: Final = 128
GENERATOR: Final = G1Point()
IDENTITY: Final = G1Point.identity()
_FIELD_MODULUS: Final = bytes.fromhex(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"
)
_PAD: Final = bytes(16)
_INFINITY_WIDE: Final = bytes(WIDE_BYTES)


def scalar(number: int) -> Scalar:
    """An integer as the library's scalar, modulo r."""
    return Scalar.from_le_bytes((number % ORDER).to_bytes(32, "little"))


def multiply(point: G1, number: int) -> G1:
    """number·point."""
    return point * scalar(number)


def multiply_sum(points: Sequence[G1], numbers: Sequence[int]) -> G1:
    """The sum of number·point. Raises ZkError if there are not as many numbers as points."""
    if len(points) != len(numbers):
        raise ZkError(f"{len(points)} points and {len(numbers)} numbers")
    if not points:
        return IDENTITY
    return G1Point.multiexp_unchecked(list(points), [scalar(number) for number in numbers])


def add_all(points: Sequence[G1]) -> G1:
    """The sum of points."""
    return sum(points, IDENTITY)


def pairing_holds(left: G1, right: G1, tau: G2, generator: G2) -> bool:
    """Whether e(left, G2) = e(right, [tau]G2)."""
    return bool(GT.pairing_check([left, -right], [generator, tau]))


def compressed(point: G1) -> bytes:
    """48 bytes, as files and EIP-4844 have a point."""
    return bytes(point.to_compressed_bytes())


def wide(point: G1) -> bytes:
    """128 bytes, as EIP-2537 and the transcript have a point; zeros for infinity."""
    if point == IDENTITY:
        return _INFINITY_WIDE
    xy = bytes(point.to_xy_bytes_be())
    return _PAD + xy[:COMPRESSED_BYTES] + _PAD + xy[COMPRESSED_BYTES:]


def parse_compressed(data: bytes) -> G1:
    """A point from its 48 bytes. Raises ProofMalformed unless they are the encoding of a point of the subgroup."""
    if len(data) != COMPRESSED_BYTES:
        raise ProofMalformed("a point is 48 bytes")
    try:
        point = G1Point.from_compressed_bytes(data)
    except ValueError as error:
        raise ProofMalformed(f"not a point of the subgroup: {error}") from error
    if compressed(point) != data:
        raise ProofMalformed("not the encoding of this point")
    return point


def parse_wide(data: bytes) -> G1:
    """A point from its 128 bytes. Raises ProofMalformed unless they are the encoding of a point of the subgroup."""
    if len(data) != WIDE_BYTES:
        raise ProofMalformed("a point is 128 bytes")
    if data == _INFINITY_WIDE:
        return IDENTITY
    x, y = data[16:64], data[80:]
    if data[:16] != _PAD or data[64:80] != _PAD or x >= _FIELD_MODULUS or y >= _FIELD_MODULUS:
        raise ProofMalformed("a coordinate is not below the modulus")
    try:
        return G1Point.from_xy_bytes_be(x + y)
    except ValueError as error:
        raise ProofMalformed(f"not a point of the subgroup: {error}") from error


def is_infinity(point: G1) -> bool:
    """Whether this is the neutral element."""
    return bool(point == IDENTITY)
