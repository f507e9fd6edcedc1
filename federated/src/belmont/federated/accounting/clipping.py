"""An update becomes integers whose L2 norm is bounded for certain. Hospital code: it runs after the study's.

The bound B is an integer, in units of 2^-fraction_bits. The noise rests on it, so rounding may not push a norm over
it.

1. A contribution is flattened over all named arrays, in their order, into a vector v of d cells.
2. It is scaled to norm R = (B - e) (1 - 2^-22) at most, e = ceil(sqrt(d)) / 2, and rounded to the nearest integers.
   Each cell moves by at most 1/2, so the vector by at most sqrt(d)/2 <= e: the integers have norm B at most. (Kairouz,
   Liu and Steinke, ICML 2021, round at random instead, again and again until the norm fits. That makes the
   error zero on average, at the price of randomness for every cell of every row.) 2^-22 is more than float64 can err
   in a norm of up to 2^30 cells.
3. The norm of the integers is then computed exactly and compared with B. Nothing rests on how floats were rounded.
4. By row, each row is cut and rounded alone, and integers are added: no rounding of a sum depends on the other rows.
   Floats would not do: how they round depends on all of them (Casacuberta et al., CCS 2022).
5. What depends on data does not show. A row with NaN or infinity counts as zeros; it stops nothing, since a round that
   fails because of one patient tells of that patient. Shapes and types are refused: they come from code.

Clipping by row protects one patient only if each row of the arrays was computed from that patient's row and the model
alone. Code that saw all rows can write one patient into every row (docs/differential_privacy.md, and a test that does
it). Clipping by client asks nothing of the code.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.settings import MOST_BOUND, MOST_FRACTION_BITS
from belmont.federated.errors import PrivacyError
from belmont.federated.hashes import Arrays

MOST_CELLS = 2**30
MOST_TOTAL = 2**52
"""Rows times bound: with noise, 1,024 hospitals' totals stay below 2^63."""

_SLACK = 1 - 2.0**-22
_BLOCK_CELLS = 1 << 19


@dataclass(frozen=True)
class Clipped:
    """Integers that still have no noise: they do not leave the hospital, and neither do the counts."""

    values: NDArray[np.int64] = field(repr=False)
    """Shape (d,), in units of 2^-fraction_bits: the sum of all contributions."""
    contributions: int = field(repr=False)
    cut: int = field(repr=False)
    """Contributions whose norm was above R."""
    not_finite: int = field(repr=False)
    """Contributions that count as zeros (rule 5); for the hospital's own log."""


def clip_client(arrays: Arrays, bound: int, fraction_bits: int) -> Clipped:
    """Cut a whole update. Raises PrivacyError for arrays that are no update, or a bound too small for so many cells."""
    _check(arrays, bound, fraction_bits)
    return _clip({name: array[None] for name, array in arrays.items()}, 1, bound, fraction_bits)


def clip_examples(arrays: Arrays, bound: int, fraction_bits: int) -> Clipped:
    """Cut each row's contribution, and add them. Every array's first axis is the rows, in one order.

    Raises PrivacyError as ``clip_client`` does, or if the arrays do not have the same number of rows.
    """
    _check(arrays, bound, fraction_bits)
    rows = {array.shape[0] if array.ndim else -1 for array in arrays.values()}
    if len(rows) != 1 or -1 in rows:
        raise PrivacyError("by row, every array's first axis is the rows, as many in each")
    count = rows.pop()
    if count * bound >= MOST_TOTAL:
        raise PrivacyError(f"{count} rows of norm {bound}: ask for fewer fraction bits")
    return _clip(arrays, count, bound, fraction_bits)


def largest_scaled_norm(bound: int, cells: int) -> float:
    """R of rule 2. Raises PrivacyError if rounding so many cells would take more than a quarter of the bound."""
    lost = (math.isqrt(max(cells - 1, 0)) + 1) / 2
    if not 1 <= cells <= MOST_CELLS or 4 * lost > bound:
        raise PrivacyError(f"a norm of {bound} units is too coarse for {cells} cells: ask for more fraction bits")
    return (bound - lost) * _SLACK


def norms_fit(values: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
    """Whether each row's L2 norm is at most ``bound``, exactly; values of shape (rows, cells), bound below 2^31."""
    small = (np.abs(values) <= bound).all(axis=1) & (values != np.iinfo(np.int64).min).all(axis=1)
    sizes = np.where(small[:, None], np.abs(values), 0).astype(np.uint64)
    squares = sizes * sizes  # below 2^62
    low = (squares & np.uint64(0xFFFFFFFF)).sum(axis=1, dtype=np.uint64)  # at most 2^30 * 2^32
    high = (squares >> np.uint64(32)).sum(axis=1, dtype=np.uint64) + (low >> np.uint64(32))
    total = (high << np.uint64(32)) | (low & np.uint64(0xFFFFFFFF))
    fits: NDArray[np.bool_] = small & (high < 2**31) & (total <= np.uint64(bound**2))
    return fits


def _check(arrays: Arrays, bound: int, fraction_bits: int) -> None:
    if not arrays:
        raise PrivacyError("an update has at least one array")
    for name, array in arrays.items():
        if array.dtype not in (np.float64, np.float32):
            raise PrivacyError(f"array {name!r}: only float64 and float32 are allowed, not {array.dtype}")
    if not 1 <= bound <= MOST_BOUND or not 0 <= fraction_bits <= MOST_FRACTION_BITS:
        raise PrivacyError("the bound or the fraction bits are out of range")


def _clip(arrays: Arrays, rows: int, bound: int, fraction_bits: int) -> Clipped:
    cells = sum(math.prod(array.shape[1:]) for array in arrays.values())
    largest = largest_scaled_norm(bound, cells)
    values = np.zeros(cells, np.int64)
    cut = not_finite = 0
    for block in _blocks(arrays, rows, cells):
        bad = ~np.isfinite(block).all(axis=1)
        block[bad] = 0.0  # rule 5
        integers, longer = _scaled(block, largest, fraction_bits)
        if not norms_fit(integers, bound).all():  # rule 3
            raise PrivacyError("a contribution's integers are longer than the bound: this must not happen, report it")
        values += integers.sum(axis=0)
        cut += longer
        not_finite += int(bad.sum())
    return Clipped(values, rows, cut, not_finite)


def _blocks(arrays: Arrays, rows: int, cells: int) -> Iterator[NDArray[np.float64]]:
    """Rule 1, some rows at a time: float64 of shape (rows, cells), a copy each."""
    step = max(1, _BLOCK_CELLS // cells)
    for at in range(0, rows, step):
        count = min(step, rows - at)
        block = np.empty((count, cells))
        column = 0
        for array in arrays.values():
            width = math.prod(array.shape[1:])
            block[:, column : column + width] = array[at : at + count].reshape(count, width)
            column += width
        yield block


def _scaled(block: NDArray[np.float64], largest: float, fraction_bits: int) -> tuple[NDArray[np.int64], int]:
    """Rule 2, for each row, and how many rows were cut. First divided by its largest cell, no row overflows."""
    top = np.abs(block).max(axis=1)
    top[top == 0] = 1.0
    block /= top[:, None]
    relative = np.sqrt(np.einsum("ij,ij->i", block, block))
    with np.errstate(over="ignore", divide="ignore"):
        whole, allowed = top * 2.0**fraction_bits, largest / relative
    block *= np.minimum(whole, allowed)[:, None]
    return np.rint(block, out=block).astype(np.int64), int((whole > allowed).sum())
