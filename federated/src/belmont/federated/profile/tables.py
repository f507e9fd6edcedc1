"""What a hospital publishes of a dataset: counts over groups of codes, and noise in every one of them.

1. A column's codes are cut into neighbouring groups. Every code a row can have is in exactly one, so a patient is in
   one cell of each table. Groups are chosen before data are looked at: from the dictionary alone.
2. The tables are the number of rows, and one for each column: its groups, or its groups by those of the outcome.
3. A patient who is there or not moves one cell of each table by one: the square of the L2 sensitivity is the number of
   tables. (That a patient is replaced by another moves two cells of each: twice as much.)
4. All cells of a publication get discrete Gaussian noise of one sigma, exact (`accounting.noise`). Sigma and the charge
   follow from the choices, never from data.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.budget import rho_of, sigma_for
from belmont.federated.accounting.epsilon import DELTA, zcdp_epsilon
from belmont.federated.accounting.exact import RandomBytes
from belmont.federated.accounting.noise import discrete_gaussian
from belmont.federated.accounting.settings import MOST_RHO
from belmont.federated.errors import PrivacyError, ProfileError
from belmont.federated.hashes import canonical_json
from belmont.federated.query.question import MAX_CODE
from belmont.federated.table import NodeTable
from belmont.registry.types import MicroRho

MAX_COLUMNS = 512
MAX_NAME_CHARS = 63
MAX_CELLS = 65_536
"""Of all tables together."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Groups:
    """Group k of a column holds the codes from ``starts[k]`` to below ``starts[k + 1]``, the last up to ``width``.

    Raises ProfileError for groups that do not cover 0 ... width, or 1 ... width, once.
    """

    column: str
    starts: tuple[int, ...]
    width: int

    def __post_init__(self) -> None:
        if type(self.column) is not str or not 1 <= len(self.column) <= MAX_NAME_CHARS:
            raise ProfileError(f"a column's name has 1 to {MAX_NAME_CHARS} characters")
        numbers = (*self.starts, self.width)
        if any(type(each) is not int or not 0 <= each <= MAX_CODE for each in numbers):
            raise ProfileError(f"{self.column!r}: codes are whole numbers from 0 to {MAX_CODE}")
        rising = all(a < b for a, b in zip(self.starts, self.starts[1:], strict=False))
        if not self.starts or not rising or self.starts[0] > 1 or self.starts[-1] > self.width:
            raise ProfileError(f"{self.column!r}: groups begin at code 0 or 1, rise, and end at the column's width")

    def __len__(self) -> int:
        return len(self.starts)

    def places(self, codes: NDArray[np.integer]) -> NDArray[np.intp]:
        """The group of each code. Raises ProfileError for codes that no group has: the table is of another kind."""
        places: NDArray[np.intp] = np.searchsorted(self.starts, codes, side="right") - 1
        if codes.size and (int(places.min()) < 0 or int(codes.max()) > self.width):
            raise ProfileError(f"{self.column!r}: the table has codes that no group holds")
        return places

    def ends(self) -> tuple[int, ...]:
        """The last code of each group."""
        return (*(start - 1 for start in self.starts[1:]), self.width)


@dataclass(frozen=True)
class Choices:
    """What a hospital chose to publish. ``columns`` are sorted by name; with ``outcome`` each table is two-way.

    ``rho`` is what the publication may cost at most. Raises ProfileError.
    """

    columns: tuple[Groups, ...]
    outcome: Groups | None
    rho: MicroRho

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(sorted(self.columns, key=lambda each: each.column)))
        names = [each.column for each in self.columns]
        if self.outcome is not None:
            if not names:
                raise ProfileError("a table with the outcome is of another column: name one")
            names.append(self.outcome.column)
        if len(set(names)) != len(names) or len(names) > MAX_COLUMNS:
            raise ProfileError(f"a publication names each column once, and {MAX_COLUMNS} at most")
        if type(self.rho) is not int or not 1 <= self.rho <= MOST_RHO:
            raise ProfileError(f"a publication costs 1 to {MOST_RHO:,} micro-rho")
        if self.cells > MAX_CELLS:
            raise ProfileError(f"{self.cells:,} cells are more than {MAX_CELLS:,}: take larger groups or fewer columns")

    @property
    def outcomes(self) -> int:
        """Groups of the outcome; 1 without."""
        return 1 if self.outcome is None else len(self.outcome)

    @property
    def tables(self) -> int:
        """How many: the square of the L2 sensitivity (3)."""
        return 1 + len(self.columns)

    @property
    def cells(self) -> int:
        """Of all tables."""
        return 1 + sum(len(each) for each in self.columns) * self.outcomes

    @cached_property
    def plan(self) -> "Plan":
        """Sigma and charge (4). Raises PrivacyError where so little noise, or so much, cannot be drawn."""
        sigma = sigma_for(self.tables, self.rho, 1, self.cells)
        return Plan(sigma, rho_of(self.tables, sigma**2, 1, self.cells))

    @cached_property
    def hash(self) -> bytes:
        """What the same choices have in common, noise of the same sigma included: SHA-256 of them."""
        groups = [[each.column, list(each.starts), each.width] for each in self.columns]
        outcome = None if self.outcome is None else [self.outcome.column, list(self.outcome.starts), self.outcome.width]
        content = canonical_json({"columns": groups, "outcome": outcome, "sigma": self.plan.sigma.as_integer_ratio()})
        return hashlib.sha256(b"belmont/profile/choices/1\0" + content).digest()

    def count(self, table: NodeTable) -> tuple[Counts, ...]:
        """The cells without noise, which stay at the hospital: rows of shape (1,), then for each column (groups,
        outcomes)."""
        behind = np.zeros(table.rows, np.intp)
        if self.outcome is not None:
            behind = self.outcome.places(table.codes(self.outcome.column))
        found = [np.array([table.rows], np.int64)]
        for each in self.columns:
            cells = each.places(table.codes(each.column)) * self.outcomes + behind
            counted = np.bincount(cells, minlength=len(each) * self.outcomes).astype(np.int64)
            found.append(counted.reshape(len(each), self.outcomes))
        return tuple(found)

    def release(self, table: NodeTable, source: RandomBytes = os.urandom) -> tuple[Counts, ...]:
        """The same cells with noise. ``source`` is for tests alone."""
        noise = discrete_gaussian(self.cells, self.plan.sigma, source)
        released, at = [], 0
        for each in self.count(table):
            released.append(each + noise[at : at + each.size].reshape(each.shape))
            at += each.size
        return tuple(released)


@dataclass(frozen=True)
class Plan:
    """Of all cells of a publication."""

    sigma: Fraction
    rho: MicroRho
    """The charge: what was asked for, or a little less."""


def rho_within(epsilon: float, delta: float = DELTA) -> MicroRho:
    """The largest charge whose epsilon at ``delta`` is ``epsilon`` at most. Raises PrivacyError where there is none."""
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 < epsilon < float("inf"):
        raise PrivacyError(f"epsilon is {epsilon!r}: give a number above 0")
    found = _last(lambda rho: zcdp_epsilon(MicroRho(rho), delta) <= epsilon, MOST_RHO)
    if not found:
        raise PrivacyError(f"epsilon {epsilon} is less than one micro-rho comes to: take a larger one")
    return MicroRho(found)


def _last(holds: Callable[[int], bool], most: int) -> int:
    """The last number up to ``most`` for which it holds, 0 where it does for none; it never holds again."""
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
