"""Exact comparisons of a random number with exp(-gamma), for rational gamma.

1. Only integers decide. exp(-gamma) is irrational for gamma > 0, so it is enclosed between two integers over a power
   of two, and the enclosure is narrowed until the random number lies outside it.
2. A uniform number in [0, 1) is a prefix of random bits. It is read further only when its prefix leaves a comparison
   open, and what was read stays: all comparisons with one number are about the same number.
3. Enclosures come from the Taylor series of exp(-y), 0 <= y <= 1. Its terms alternate and fall, so each partial sum
   errs by at most the first term left out; every division is rounded outwards.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

RandomBytes: TypeAlias = Callable[[int], bytes]
"""From a number of bytes to that many uniform random bytes; ``os.urandom`` for anything that has to be private."""

_MORE_BITS = 64


def exp_bounds(gamma: Fraction, bits: int) -> tuple[int, int]:
    """Integers (low, high) with low <= exp(-gamma) * 2^bits <= high and, for gamma <= 2^20, high - low <= 2.

    ``gamma`` is at least 0; ``bits`` is how fine the enclosure is.
    """
    halvings = max(0, gamma.numerator.bit_length() - gamma.denominator.bit_length() + 1)
    work = bits + halvings + 40
    numerator, denominator = gamma.numerator, gamma.denominator << halvings  # y = gamma / 2^halvings <= 1
    low = high = term_low = term_high = 1 << work
    n = 0
    while term_high > 1:  # rule 3
        n += 1
        term_low = term_low * numerator // (denominator * n)
        term_high = -(-term_high * numerator // (denominator * n))
        low, high = (low - term_high, high - term_low) if n % 2 else (low + term_low, high + term_high)
    low, high = max(low - 1, 0), high + 1  # the terms left out: at most 1
    for _ in range(halvings):
        low, high = low * low >> work, -(-high * high >> work)
    return low >> (work - bits), -(-high >> (work - bits))


class LazyUniform:
    """A uniform number in [0, 1) that is known as far as it was needed (rule 2)."""

    def __init__(self, prefix: int, bits: int, source: RandomBytes) -> None:
        self._prefix, self._bits, self._source = prefix, bits, source

    def __repr__(self) -> str:
        return "LazyUniform(not shown)"

    def below_exp(self, gamma: Fraction) -> bool:
        """Whether the number is below exp(-gamma), for gamma >= 0."""
        if gamma == 0:
            return True
        while True:
            low, high = exp_bounds(gamma, self._bits)
            if self._prefix < low:  # all of [prefix, prefix + 1) is below
                return True
            if self._prefix >= high:
                return False
            self._prefix = self._prefix << _MORE_BITS | int.from_bytes(self._source(_MORE_BITS // 8))
            self._bits += _MORE_BITS
