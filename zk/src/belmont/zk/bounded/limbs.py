"""How a number from 0 to some most is written in limbs, so that limbs in their ranges give these numbers and no others.

    value = sum of weight·limb,   0 <= limb < width,   sum of weight·(width - 1) = most

1. Whatever limbs are in range, their value is at most ``most``, as the last equation says: no second decomposition (of
   most - value) is needed, and ``most`` + 1 need not be a power of two.
2. Every number from 0 to ``most`` has limbs: from the highest weight down, take as much as is there or as fits. Some
   numbers have several; a range proof does not mind.

The top limb of R numbers with width h has weight w = floor(R / h); what is left for the lower limbs is R - w(h - 1)
numbers, at least w: so no number between two multiples of w is missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

LIMB_BITS: Final = 8
"""As many limbs as the number of values has groups of so many bits: tables of about 2^8 rows, or fewer."""
_SEARCHED: Final = (8, 32)
"""How far from the root of R the widths of the top limbs, and of the lowest but one, are tried."""


@dataclass(frozen=True)
class Limb:
    """One digit: ``weight`` times a number below ``width``."""

    weight: int
    width: int


@lru_cache(maxsize=256)
def limbs_of(most: int) -> tuple[Limb, ...]:
    """The limbs of numbers from 0 to ``most`` (at least 1), the lowest weight first. The same for everybody."""
    return _split(most + 1, -(-most.bit_length() // LIMB_BITS))


@lru_cache(maxsize=1 << 14)
def _split(numbers: int, limbs: int) -> tuple[Limb, ...]:
    """Of all choices tried, the one with the smallest sum of distinct widths; of equal ones the first."""
    if limbs == 1:
        return (Limb(1, numbers),)
    about = round(numbers ** (1 / limbs))
    searched = _SEARCHED[limbs == 2]
    choices = []
    for width in range(max(2, about - searched), about + searched + 1):
        weight = numbers // width
        lower = _split(numbers - weight * (width - 1), limbs - 1)
        choices.append((*lower, Limb(weight, width)))
    return min(choices, key=lambda choice: (sum({limb.width for limb in choice}), max(limb.width for limb in choice)))


def decompose(values: NDArray[np.int64], limbs: Sequence[Limb]) -> list[NDArray[np.uint64]]:
    """The limbs of each value, the lowest weight first. What is out of range ends in the lowest limb."""
    rest, found = values, []
    for limb in reversed(limbs[1:]):
        digit = np.clip(rest // limb.weight, 0, limb.width - 1)
        rest = rest - digit * limb.weight
        found.append(digit)
    return [each.astype(np.uint64) for each in (rest, *reversed(found))]
