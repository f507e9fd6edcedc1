"""Shamir's secret sharing (CACM 1979) over the integers modulo P, the largest prime below 2^256.

1. A secret is an element; every element fits 32 bytes, and bytes that are no element are refused.
2. Participant k (from 0) holds the polynomial's value at k + 1; nobody holds the value at 0, which is the secret.
3. Any t shares give the secret; t - 1 say nothing about it, for every value of which one polynomial fits them.
4. More than t shares that lie on no one polynomial of degree below t give nothing.

Coefficients are derived, not drawn: 48 bytes of HKDF modulo P, uniform up to 2^-128. Python's integers are not
constant-time; it runs at home, a few multiplications a round.
"""

from collections.abc import Mapping, Sequence

P = 2**256 - 189
ELEMENT_BYTES = 32
WIDE_BYTES = 48


def element(wide: bytes) -> bytes:
    """48 pseudorandom bytes as an element."""
    return (int.from_bytes(wide) % P).to_bytes(ELEMENT_BYTES)


def split(coefficients: Sequence[bytes], count: int) -> tuple[bytes, ...]:
    """The shares of ``coefficients[0]`` for ``count`` participants; as many give it as there are coefficients."""
    numbers = [int.from_bytes(each) for each in coefficients]
    return tuple(_horner(numbers, at).to_bytes(ELEMENT_BYTES) for at in range(1, count + 1))


def join(shares: Mapping[int, bytes], threshold: int) -> bytes | None:
    """The secret from shares by position; None if there are fewer than ``threshold`` or they do not agree (4)."""
    points = [(position + 1, int.from_bytes(share)) for position, share in sorted(shares.items())]
    if len(points) < threshold or any(y >= P for _, y in points):
        return None
    basis, rest = points[:threshold], points[threshold:]
    if any(_value(basis, x) != y for x, y in rest):
        return None
    return _value(basis, 0).to_bytes(ELEMENT_BYTES)


def _horner(coefficients: Sequence[int], at: int) -> int:
    value = 0
    for each in reversed(coefficients):
        value = (value * at + each) % P
    return value


def _value(points: Sequence[tuple[int, int]], at: int) -> int:
    """Lagrange: the value at ``at`` of the one polynomial of degree below len(points) through them."""
    total = 0
    for x, y in points:
        above, below = 1, 1
        for other, _ in points:
            if other != x:
                above, below = above * (at - other) % P, below * (x - other) % P
        total += y * above * pow(below, -1, P)
    return total % P
