"""The scalar field of BLS12-381, the domain H of 4096 roots of unity, and transforms over them.

Names as in docs/protocol.md: N rows, of which the last B are blinding rows and A carry data; `ROOTS[i]` is w^i. The
coset eta·H, with eta of order 2N, is where a prover computes quotients: its values on H and on eta·H determine the
product of two polynomials of degree below N.

Numbers are Python integers; polynomial arithmetic is FLINT's. Bluestein's algorithm (1970) makes one product of a
Fourier transform, since FLINT has no transform over this field.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import flint

ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""r, the order of the groups."""
N: Final = 4096
B: Final = 64
A: Final = N - B
WORD_BYTES: Final = 32

OMEGA: Final = pow(7, (ORDER - 1) // N, ORDER)
ETA: Final = pow(7, (ORDER - 1) // (2 * N), ORDER)
N_INVERSE: Final = pow(N, -1, ORDER)


def _powers(base: int, count: int) -> tuple[int, ...]:
    found = [1]
    for _ in range(count - 1):
        found.append(found[-1] * base % ORDER)
    return tuple(found)


ROOTS: Final = _powers(OMEGA, N)
_ETA_POWERS: Final = _powers(ETA, 2 * N)

_context = flint.fmpz_mod_poly_ctx(flint.fmpz_mod_ctx(ORDER))


def polynomial(coefficients: Sequence[int]) -> Any:
    """A FLINT polynomial from coefficients, the constant one first."""
    return _context(list(coefficients))


def word(number: int) -> bytes:
    """32 bytes, big-endian. Raises OverflowError for what does not fit."""
    return number.to_bytes(WORD_BYTES, "big")


def inverse(number: int) -> int:
    """1 / number modulo r. Raises ValueError for 0."""
    return pow(number, -1, ORDER)


def inverses(numbers: Sequence[int]) -> list[int]:
    """All of 1 / number at the price of one inversion (Montgomery 1987). Raises ValueError if one is 0."""
    products = [1]
    for number in numbers:
        products.append(products[-1] * number % ORDER)
    rest = pow(products.pop(), -1, ORDER)
    out = [0] * len(numbers)
    for i in range(len(numbers) - 1, -1, -1):
        out[i] = products[i] * rest % ORDER
        rest = rest * numbers[i] % ORDER
    return out


@cache
def _chirps() -> tuple[tuple[int, ...], tuple[int, ...], Any, Any]:
    """eta^(i^2), eta^(-i^2), and for each the other one's convolution kernel over -(N-1) ... N-1."""
    up = tuple(_ETA_POWERS[i * i % (2 * N)] for i in range(N))
    down = tuple(_ETA_POWERS[-i * i % (2 * N)] for i in range(N))
    span = range(-(N - 1), N)
    return up, down, polynomial([down[abs(i)] for i in span]), polynomial([up[abs(i)] for i in span])


def _bluestein(values: Sequence[int], chirp: Sequence[int], kernel: Any) -> list[int]:
    product = polynomial([a * c % ORDER for a, c in zip(values, chirp, strict=True)]) * kernel
    coefficients = [int(c) for c in product.coeffs()[N - 1 : 2 * N - 1]]
    coefficients += [0] * (N - len(coefficients))
    return [a * c % ORDER for a, c in zip(coefficients, chirp, strict=True)]


def evaluate_on_domain(coefficients: Sequence[int]) -> list[int]:
    """Values on w^0 ... w^(N-1) of a polynomial with at most N coefficients."""
    up, _, down_kernel, _ = _chirps()
    padded = [*coefficients, *([0] * (N - len(coefficients)))]
    return _bluestein(padded, up, down_kernel)


def interpolate(values: Sequence[int]) -> list[int]:
    """N coefficients from the values on w^0 ... w^(N-1)."""
    _, down, _, up_kernel = _chirps()
    return [c * N_INVERSE % ORDER for c in _bluestein(values, down, up_kernel)]


def interpolate_on_coset(values: Sequence[int]) -> list[int]:
    """N coefficients from the values on eta·w^0 ... eta·w^(N-1)."""
    scaled = interpolate(values)
    return [c * _ETA_POWERS[-i % (2 * N)] % ORDER for i, c in enumerate(scaled)]


@cache
def coset_points() -> tuple[int, ...]:
    """eta·w^i for i = 0 ... N-1."""
    return tuple(ETA * root % ORDER for root in ROOTS)


@cache
def blinding_factors() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Z_B on the coset, and 1 / Z_A on the blinding rows."""
    blinding = ROOTS[A:]
    on_coset = []
    for point in coset_points():
        value = 1
        for root in blinding:
            value = value * (point - root) % ORDER
        on_coset.append(value)
    # Z_H = Z_A·Z_B; at a root of Z_B its derivative N·x^(N-1) = N / x is Z_A(x)·Z_B'(x).
    return tuple(on_coset), tuple(
        _derivative_at(blinding, i) * N_INVERSE % ORDER * root % ORDER for i, root in enumerate(blinding)
    )


@cache
def divisors_on_coset() -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """On the coset: 1 / Z_B, L_0 / Z_H and L_A / Z_H."""
    points = coset_points()
    ends = (inverses([N * (x - ROOTS[row]) * ROOTS[-row % N] % ORDER for x in points]) for row in (0, A))
    at_0, at_a = map(tuple, ends)
    return tuple(inverses(blinding_factors()[0])), at_0, at_a


def _derivative_at(roots: Sequence[int], i: int) -> int:
    value = 1
    for j, root in enumerate(roots):
        if j != i:
            value = value * (roots[i] - root) % ORDER
    return value


@cache
def _blinding_basis() -> tuple[tuple[int, ...], ...]:
    """For each blinding row the coefficients of its Lagrange polynomial over the blinding rows alone."""
    blinding = ROOTS[A:]
    vanishing = polynomial([1])
    for root in blinding:
        vanishing *= polynomial([-root, 1])
    rows = []
    for i, root in enumerate(blinding):
        scale = inverse(_derivative_at(blinding, i))
        quotient = divmod(vanishing, polynomial([-root, 1]))[0]
        rows.append(tuple(int(c) * scale % ORDER for c in quotient.coeffs()))
    return tuple(rows)


def interpolate_on_blinding_rows(values: Sequence[int]) -> list[int]:
    """B coefficients from the values on the B blinding rows."""
    basis = _blinding_basis()
    return [sum(v * row[k] for v, row in zip(values, basis, strict=True)) % ORDER for k in range(B)]


class Point:
    """A point outside H, with what verifiers and provers need of it (V5). Raises ValueError for 0 or a root."""

    def __init__(self, zeta: int) -> None:
        self.zeta = zeta % ORDER
        self.z_h = (pow(self.zeta, N, ORDER) - 1) % ORDER
        if self.zeta == 0 or self.z_h == 0:
            raise ValueError("the challenge is 0 or a root of unity")
        self.z_b = 1
        for root in ROOTS[A:]:
            self.z_b = self.z_b * (self.zeta - root) % ORDER
        self.z_a = self.z_h * inverse(self.z_b) % ORDER

    def lagrange(self, row: int) -> int:
        """L_row at this point."""
        return ROOTS[row] * N_INVERSE % ORDER * self.z_h % ORDER * inverse(self.zeta - ROOTS[row]) % ORDER

    def weights(self) -> list[int]:
        """L_0 ... L_(N-1) at this point: the sum of value times weight is the polynomial's value here."""
        scale = N_INVERSE * self.z_h % ORDER
        return [
            scale * root % ORDER * i % ORDER
            for root, i in zip(ROOTS, inverses([self.zeta - root for root in ROOTS]), strict=True)
        ]


def combine(weights: Iterable[int], values: Iterable[int]) -> int:
    """The sum of weight times value, modulo r."""
    return sum(map(_times, weights, values)) % ORDER


def _times(a: int, b: int) -> int:
    return a * b
