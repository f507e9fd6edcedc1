"""A layout: what a proof knows of a data dictionary, and the committed columns that follow from it.

docs/protocol.md, "Layout". A layout names no column: what codes mean is the dictionary's business; that a column holds
nothing but codes that the dictionary allows is the proof's.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import Final

from belmont.zk.curve import G1, GENERATOR, IDENTITY, multiply, multiply_sum
from belmont.zk.errors import LayoutError
from belmont.zk.field import A
from belmont.zk.relation import Identity, Linear, Lookup, Product, Relation, Step, Table, column, constant
from belmont.zk.srs import reference_string

VERSION: Final = 1
MAX_COLUMNS: Final = 512
LIMB_BITS: Final = 11
LIMBS: Final = 6
LIMB_VALUES: Final = 1 << LIMB_BITS
MAX_LAYOUT_BYTES: Final = 3 + 3 * MAX_COLUMNS


class Kind(IntEnum):
    """What a column of the dictionary may hold."""

    BIT = 1
    RANGE = 2
    RANGE_OR_MISSING = 3


@dataclass(frozen=True)
class ColumnKind:
    """A column's kind and the highest code W (1 for a bit)."""

    kind: Kind
    width: int


@dataclass(frozen=True)
class Place:
    """Where a column of the dictionary is among the committed ones, and where its `observed`, if it has one."""

    value: int
    observed: int | None


@dataclass(frozen=True)
class Layout:
    """Kinds and widths of all columns. Raises LayoutError for what the protocol does not allow."""

    columns: tuple[ColumnKind, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.columns) <= MAX_COLUMNS:
            raise LayoutError(f"a layout has 1 to {MAX_COLUMNS} columns, not {len(self.columns)}")
        for j, each in enumerate(self.columns):
            if not 1 <= each.width <= A or (each.kind is Kind.BIT and each.width != 1):
                raise LayoutError(f"column {j}: W is {each.width}; a bit has 1, a range 1 to {A}")
        if sum(self.widths) > A:
            raise LayoutError(f"the distinct widths {self.widths} add up to more than {A}")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Layout":
        """Read the encoding. Raises LayoutError for anything else."""
        if not 3 <= len(data) <= MAX_LAYOUT_BYTES or data[0] != VERSION:
            raise LayoutError("not a layout of this version")
        count = int.from_bytes(data[1:3], "big")
        if len(data) != 3 + 3 * count:
            raise LayoutError("a layout has three bytes for each column, and nothing after them")
        columns = []
        for at in range(3, len(data), 3):
            if data[at] not in (Kind.BIT, Kind.RANGE, Kind.RANGE_OR_MISSING):
                raise LayoutError(f"there is no kind {data[at]}")
            columns.append(ColumnKind(Kind(data[at]), int.from_bytes(data[at + 1 : at + 3], "big")))
        return cls(tuple(columns))

    def to_bytes(self) -> bytes:
        """The encoding."""
        parts = [bytes([VERSION]), len(self.columns).to_bytes(2, "big")]
        parts += [bytes([each.kind]) + each.width.to_bytes(2, "big") for each in self.columns]
        return b"".join(parts)

    @cached_property
    def hash(self) -> bytes:
        """32 bytes: SHA-256 of the encoding."""
        return hashlib.sha256(self.to_bytes()).digest()

    @property
    def widths(self) -> tuple[int, ...]:
        """The distinct widths of the ranges, ascending: class c of the table is the c-th of them, from 1."""
        return tuple(sorted({each.width for each in self.columns if each.kind is not Kind.BIT}))

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where each column of the dictionary is among the committed ones. Column 0 is `present`."""
        places, at = [], 1
        for each in self.columns:
            observed = at if each.kind is Kind.RANGE_OR_MISSING else None
            at += observed is not None
            places.append(Place(at, observed))
            at += 1
        return tuple(places)

    @property
    def pseudonym(self) -> int:
        """Where `s` is; the six limbs follow it."""
        return self.places[-1].value + 1

    @property
    def committed(self) -> int:
        """M, the number of committed columns."""
        return self.pseudonym + 1 + LIMBS

    @cached_property
    def relation(self) -> Relation:
        """V-a of docs/protocol.md."""
        return _relation(self)


def present() -> Linear:
    """The bit that marks real rows."""
    return column(0)


def _relation(layout: Layout) -> Relation:
    classes = {width: c for c, width in enumerate(layout.widths, 1)}
    absent = constant(1) - present()
    identities: list[Identity] = [Product(present(), present(), present())]
    for each, place in zip(layout.columns, layout.places, strict=True):
        value, there = column(place.value), present()
        if place.observed is not None:
            there = column(place.observed)
            identities += [Product(there, there, there), Product(absent, there)]
        if each.kind is Kind.BIT:
            identities.append(Product(value, value, value))
        identities.append(Product(absent, value))
        if place.observed is not None:
            identities.append(Product(constant(1) - there, value))
        if each.kind is not Kind.BIT:
            identities.append(Lookup(0, (value - there, constant(classes[each.width]))))
    s = layout.pseudonym
    limbs = range(s + 1, s + 1 + LIMBS)
    identities += [Lookup(1, (column(j), constant(0))) for j in limbs]
    rise = Linear(((0, 1), *((j, 1 << LIMB_BITS * i) for i, j in enumerate(limbs))))
    identities.append(Step(s, rise))
    return Relation(layout.committed, 0, tuple(identities), (range_table(layout.widths), limb_table()))


@lru_cache(maxsize=64)
def range_table(widths: Sequence[int]) -> Table:
    """Table 1: (v, class) for v below each width."""
    values = tuple(v for width in widths for v in range(width))
    classes = tuple(c for c, width in enumerate(widths, 1) for _ in range(width))

    def commit() -> tuple[G1, ...]:
        ones, counts = reference_string().prefix_sums
        value, class_, at = IDENTITY, IDENTITY, 0
        for c, width in enumerate(widths, 1):
            end = at + width
            block = ones[end] + multiply(ones[at], -1)
            value = value + multiply_sum([counts[end], counts[at], block], [1, -1, -at])
            class_ = class_ + multiply(block, c)
            at = end
        return value, class_ + GENERATOR + multiply(ones[at], -1)

    return Table((values or (0,), classes or (1,)), (0, 1), commit)


@lru_cache(maxsize=1)
def limb_table() -> Table:
    """Table 2: (v, 0) for v below 2048."""
    return Table(
        (tuple(range(LIMB_VALUES)), (0,) * LIMB_VALUES),
        (0, 0),
        lambda: (reference_string().prefix_sums[1][LIMB_VALUES], IDENTITY),
    )
