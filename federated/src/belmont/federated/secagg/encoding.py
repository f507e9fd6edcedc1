"""Arrays and sums of one hospital as one vector of integers that can be added modulo 2^64, and back.

1. **A layout fixes every coordinate**: names and shapes of arrays in order, names of sums and counts in order, and the
   fraction bits. Its hash goes into the masks; what does not fit it is refused.
2. A float x becomes the integer nearest to x·2^f (halves to even). A sum over n hospitals is off by n·2^-(f+1) at most.
3. **A sum cannot wrap.** Each coordinate of each of n hospitals is at most (2^62 - 1) / n, so the total is below 2^62;
   what is larger is refused, and so is what is not finite. Nothing is clipped.
4. **Counts are exact**: integers from 0, not scaled.
5. A total that n honest hospitals could not have is refused: 2^62 or more, or a negative count.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import EncodingRefused
from belmont.federated.hashes import Arrays, canonical_json

TOTAL_BOUND = 2**62
FRACTION_BITS = 32
"""Keeps 9 decimals of numbers up to 2^30 / n."""
FRACTION_BITS_MAX = 52


@dataclass(frozen=True)
class Layout:
    """What each coordinate is (1). Raises EncodingRefused for names that are repeated, or nothing to sum."""

    arrays: tuple[tuple[str, tuple[int, ...]], ...]
    """Name and shape, in order."""
    sums: tuple[str, ...] = ()
    """Names of scalars with a fraction."""
    counts: tuple[str, ...] = ()
    """Names of integers from 0."""
    fraction_bits: int = FRACTION_BITS

    def __post_init__(self) -> None:
        for names in ([name for name, _ in self.arrays], self.sums, self.counts):
            if len(set(names)) != len(names):
                raise EncodingRefused("a name stands twice in the layout")
        if not 0 <= self.fraction_bits <= FRACTION_BITS_MAX:
            raise EncodingRefused(f"fraction bits are 0 to {FRACTION_BITS_MAX}")
        if self.size == 0:
            raise EncodingRefused("the layout has nothing to sum")

    @classmethod
    def of(
        cls,
        arrays: Arrays,
        sums: Sequence[str] = (),
        counts: Sequence[str] = (),
        fraction_bits: int = FRACTION_BITS,
    ) -> "Layout":
        """The layout of arrays like these."""
        shapes = tuple((name, tuple(array.shape)) for name, array in arrays.items())
        return cls(shapes, tuple(sums), tuple(counts), fraction_bits)

    @property
    def size(self) -> int:
        """Coordinates of the vector."""
        return sum(_size(shape) for _, shape in self.arrays) + len(self.sums) + len(self.counts)

    @property
    def hash(self) -> bytes:
        """32 bytes; two layouts with one hash are the same."""
        content = {
            "arrays": [[name, list(shape)] for name, shape in self.arrays],
            "sums": list(self.sums),
            "counts": list(self.counts),
            "fraction_bits": self.fraction_bits,
        }
        return hashlib.sha256(b"belmont/secagg-layout/1\0" + canonical_json(content)).digest()


@dataclass(frozen=True)
class Totals:
    """A decoded sum."""

    arrays: dict[str, NDArray[np.float64]]
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def encode(
    layout: Layout,
    arrays: Arrays,
    hospitals: int,
    sums: Mapping[str, float] | None = None,
    counts: Mapping[str, int] | None = None,
) -> NDArray[np.int64]:
    """One hospital's vector, ``layout.size`` coordinates, to be added up over ``hospitals`` (2, 3, 4).

    Raises EncodingRefused for what does not fit the layout, is not finite, or too large.
    """
    sums, counts = sums or {}, counts or {}
    if [(name, tuple(array.shape)) for name, array in arrays.items()] != list(layout.arrays):
        raise EncodingRefused("the arrays' names or shapes are not the layout's")
    if set(sums) != set(layout.sums) or set(counts) != set(layout.counts):
        raise EncodingRefused("the sums' or counts' names are not the layout's")
    if hospitals < 1:
        raise EncodingRefused("a sum is over at least one hospital")
    bound = (TOTAL_BOUND - 1) // hospitals
    parts = [_scaled(name, array, layout.fraction_bits, bound) for name, array in arrays.items()]
    for name in layout.sums:
        parts.append(_scaled(name, np.array([sums[name]], dtype=np.float64), layout.fraction_bits, bound))
    for name in layout.counts:
        count = counts[name]
        if type(count) is not int or not 0 <= count <= bound:
            raise EncodingRefused(f"count {name!r} is not an integer from 0 to {bound}")
        parts.append(np.array([count], dtype=np.int64))
    return np.concatenate(parts)


def decode(layout: Layout, total: NDArray[np.int64]) -> Totals:
    """The named totals of a sum of vectors of this layout. Raises EncodingRefused if it has another size (5)."""
    if total.dtype != np.int64 or total.shape != (layout.size,):
        raise EncodingRefused(f"the sum is not {layout.size} integers, as the layout says")
    if np.any(total >= TOTAL_BOUND) or np.any(total <= -TOTAL_BOUND):
        raise EncodingRefused("the sum is larger than its summands may be: somebody's was not encoded here")
    numbers = np.ldexp(total.astype(np.float64), -layout.fraction_bits)
    arrays, at = {}, 0
    for name, shape in layout.arrays:
        arrays[name] = numbers[at : at + _size(shape)].reshape(shape)
        at += _size(shape)
    sums = {name: float(numbers[at + i]) for i, name in enumerate(layout.sums)}
    at += len(layout.sums)
    counts = {name: int(total[at + i]) for i, name in enumerate(layout.counts)}
    if any(count < 0 for count in counts.values()):
        raise EncodingRefused("a count's total is negative: somebody's was not encoded here")
    return Totals(arrays, sums, counts)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _scaled(name: str, array: NDArray[np.floating], fraction_bits: int, bound: int) -> NDArray[np.int64]:
    if array.dtype not in (np.float64, np.float32):
        raise EncodingRefused(f"{name!r}: only float64 and float32 are allowed, not {array.dtype}")
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = array.astype(np.float64).ravel()
        scaled *= float(1 << fraction_bits)
        np.rint(scaled, out=scaled)
        # In floats first, since a cast of more than int64 holds is undefined. NaN spreads, and compares false.
        fits = scaled.max() < TOTAL_BOUND and scaled.min() > -TOTAL_BOUND
    if not fits:
        raise EncodingRefused(f"{name!r} has a number that is not finite, or too large to be summed")
    numbers = scaled.astype(np.int64)
    if int(numbers.max()) > bound or int(numbers.min()) < -bound:
        raise EncodingRefused(f"{name!r} has a number that is too large to be summed over these hospitals")
    return numbers
