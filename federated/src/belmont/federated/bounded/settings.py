"""What of an approved run configuration bounds the updates: two keys beside the secure sum, which the board reads.

    belmont-update-bound = 1048576            no coordinate is above this, in units of 2^-fraction_bits
    belmont-update-squares = 250000000000     their squares add up to no more than this, in units of 2^-2·fraction_bits

1. A bound needs a secure sum: it is for updates that nobody sees.
2. It is over every coordinate of the sum's layout, and over rows and metrics where the layout has them: a count is not
   scaled. What is weighted by rows is bounded after that.
3. Squares without a bound are refused (docs/bounded_updates.md, "Which bound", has what each is good for).
4. A hospital whose update is larger sends nothing. Nothing is clipped: the study's code does that, or noise settings.
   Only with noise in it is a vector brought within the bounds.
"""

import hashlib
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import RunConfig
from belmont.federated.secagg.encoding import FRACTION_BITS, Layout
from belmont.federated.secagg.settings import SECURE_SUM_KEY
from belmont.zk.bounded.limits import MOST_BOUND, MOST_NORM_SQUARED

BOUND_KEY = "belmont-update-bound"
SQUARES_KEY = "belmont-update-squares"
KEYS = (BOUND_KEY, SQUARES_KEY)


@dataclass(frozen=True)
class UpdateBounds:
    """What every hospital proves of its update. Raises FederatedError for numbers that no proof can be made for."""

    bound: int
    squares: int | None = None

    def __post_init__(self) -> None:
        _check(BOUND_KEY, self.bound, MOST_BOUND)
        if self.squares is not None:
            _check(SQUARES_KEY, self.squares, MOST_NORM_SQUARED)

    @classmethod
    def of(
        cls, largest: float, norm: float | None = None, fraction_bits: int | None = None
    ) -> "tuple[UpdateBounds, int]":
        """Bounds in an update's own units, and the fraction bits that keep most of its digits, if none are given.

        ``largest``: of one coordinate, rows and metrics among them; ``norm``: of the whole vector (L2). A count of rows
        has no fraction, so it may go up to ``largest`` times 2^bits. Raises FederatedError.
        """
        if not (math.isfinite(largest) and largest > 0) or not (norm is None or (math.isfinite(norm) and norm > 0)):
            raise FederatedError("a bound is a number above 0")
        bits = min(FRACTION_BITS, math.floor(math.log2(MOST_BOUND / largest)))
        if norm is not None:
            bits = min(bits, math.floor(math.log2(math.isqrt(MOST_NORM_SQUARED) / norm)))
        bits = bits if fraction_bits is None else fraction_bits
        if bits < 0:
            raise FederatedError(f"no proof can be made for numbers up to {largest:g}: bound them by less than 2^31")
        squares = None if norm is None else math.floor(Fraction(norm) ** 2 * 4**bits)
        return cls(math.floor(Fraction(largest) * 2**bits), squares), bits

    def to_config(self) -> dict[str, str | int | float | bool]:
        """The configuration's keys."""
        config: dict[str, str | int | float | bool] = {BOUND_KEY: self.bound}
        if self.squares is not None:
            config[SQUARES_KEY] = self.squares
        return config

    def nearest(self, vector: NDArray[np.int64]) -> NDArray[np.int64]:
        """A vector within the bounds, in the same direction where only the squares are too many.

        For vectors with noise: what is done to them afterwards costs no privacy, and a round that failed there would
        tell something of the noisy numbers for nothing. Without noise it would change a result, and is not done (4).
        """
        found = np.clip(vector, -self.bound, self.bound)
        while self.squares is not None and (total := sum(x * x for x in found.tolist())) > self.squares:
            factor = math.sqrt(self.squares / total) * (1 - 2**-40)
            found = np.trunc(found.astype(np.longdouble) * factor).astype(np.int64)
        return found

    def layout_hash(self, layout: Layout) -> bytes:
        """What masks are derived with: hospitals that bound otherwise have unrelated ones."""
        bounds = self.bound.to_bytes(8) + (self.squares or 0).to_bytes(8)
        return hashlib.sha256(b"belmont/bounded-layout/1\0" + layout.hash + bounds).digest()


def read_bounds(config: RunConfig) -> UpdateBounds | None:
    """What a configuration asks for; None if it asks for nothing. Raises FederatedError."""
    bound, squares = config.get(BOUND_KEY), config.get(SQUARES_KEY)
    if bound is None and squares is None:
        return None
    if bound is None:
        raise FederatedError(f"{SQUARES_KEY} comes with {BOUND_KEY}")  # 3
    if SECURE_SUM_KEY not in config:
        raise FederatedError(f"{BOUND_KEY} comes with {SECURE_SUM_KEY}")  # 1
    if type(bound) is not int or not (squares is None or type(squares) is int):
        raise FederatedError(f"{BOUND_KEY} and {SQUARES_KEY} are whole numbers")
    return UpdateBounds(bound, squares)


def _check(key: str, value: object, most: int) -> None:
    if type(value) is not int or not 1 <= value <= most:
        raise FederatedError(f"{key} is a whole number from 1 to {most}")
