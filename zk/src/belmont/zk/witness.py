"""What a prover knows and nobody else: the codes of each committed column, and the blinding.

The blinding of a table grows from one secret seed of 32 bytes, which `secrets` makes anew at every registration and the
hospital keeps beside the rows: SHAKE-256 of label, seed, column and chunk gives 63 scalars of 384 bits modulo r (bias
below 2^-128), and the 64th makes the sum zero.
"""

import hashlib
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belmont.zk.curve import G1, multiply_sum
from belmont.zk.field import ORDER, A, B
from belmont.zk.srs import reference_string

SEED_BYTES: Final = 32
_LABEL: Final = b"belmont/blinding/v1"
_DRAW_BYTES: Final = 48


@dataclass(frozen=True, repr=False)
class Column:
    """One column's chunk: ``codes`` on the A data rows (uint64), ``blinding`` on the B blinding rows."""

    codes: NDArray[np.uint64]
    blinding: tuple[int, ...]

    def values(self) -> list[int]:
        """All N values."""
        return [*self.codes.tolist(), *self.blinding]

    @cached_property
    def points_by_code(self) -> Mapping[int, G1]:
        """For each code the sum of [L_i] over its rows: what makes commitments to functions of the code cheap."""
        return sum_by_key(self.codes.tolist(), reference_string().lagrange)

    def commitment(self) -> G1:
        """C = [f]."""
        codes = [code for code in self.points_by_code if code]
        data = multiply_sum([self.points_by_code[code] for code in codes], codes)
        return data + multiply_sum(reference_string().lagrange[A:], self.blinding)

    def sum(self) -> int:
        """The sum over the data rows."""
        return sum(self.codes.tolist())


Chunk = tuple[Column, ...]
"""The committed columns of one chunk, in their order."""


def sum_by_key(keys: Sequence[int], points: Sequence[G1]) -> dict[int, G1]:
    """For each key the sum of the points at its places; there may be more points than keys."""
    sums: dict[int, G1] = {}
    for key, point in zip(keys, points, strict=False):
        earlier = sums.get(key)
        sums[key] = point if earlier is None else earlier + point
    return sums


def new_seed() -> bytes:
    """A seed for a registration. Never use one twice."""
    return secrets.token_bytes(SEED_BYTES)


def zero_sum_blinding(seed: bytes, column: int, chunk: int) -> tuple[int, ...]:
    """B values that add up to zero modulo r."""
    place = column.to_bytes(4, "big") + chunk.to_bytes(4, "big")
    stream = hashlib.shake_256(_LABEL + seed + place).digest(_DRAW_BYTES * (B - 1))
    drawn = [int.from_bytes(stream[at : at + _DRAW_BYTES], "big") % ORDER for at in range(0, len(stream), _DRAW_BYTES)]
    return (*drawn, -sum(drawn) % ORDER)


def random_scalars(count: int) -> list[int]:
    """Fresh scalars, for what a prover uses once."""
    return [secrets.randbelow(ORDER) for _ in range(count)]


def tally(rows: NDArray[np.int64], size: int) -> list[int]:
    """How often each of 0 ... size - 1 occurs; what is not found (-1) does not count."""
    counts = Counter(rows.tolist())
    return [counts.get(row, 0) for row in range(size)]
