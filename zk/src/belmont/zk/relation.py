"""What a proof is about, as identities between committed columns: the one form that prover and verifier share.

A relation says, for each chunk alike, which identities hold on its data rows (docs/protocol.md, V-a). Columns are
numbered within a chunk. `Linear` is a combination of a chunk's columns; every identity is of degree two:

    Product(a, b, c)      a·b = c
    Lookup(table, parts)  (part_0, part_1, ...) is a row of the table
    Step(s, rise)         s = s of the row before + rise, over the chunks' borders too
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from belmont.zk.curve import G1
from belmont.zk.field import ORDER, N


@dataclass(frozen=True)
class Linear:
    """constant + the sum of coefficient·column over ``terms`` (column, coefficient)."""

    terms: tuple[tuple[int, int], ...] = ()
    constant: int = 0

    def at(self, columns: Sequence[int]) -> int:
        """The value, given every column's value."""
        return (self.constant + sum(columns[j] * c for j, c in self.terms)) % ORDER

    def __sub__(self, other: "Linear") -> "Linear":
        return Linear((*self.terms, *((j, -c) for j, c in other.terms)), self.constant - other.constant)


def column(j: int) -> Linear:
    """Column j itself."""
    return Linear(((j, 1),))


def constant(value: int) -> Linear:
    """The same value in every row."""
    return Linear((), value)


@dataclass(frozen=True)
class Product:
    """a·b = c on every data row."""

    a: Linear
    b: Linear
    c: Linear = Linear()


@dataclass(frozen=True)
class Lookup:
    """The tuple of ``parts`` is a row of table number ``table``."""

    table: int
    parts: tuple[Linear, ...]


@dataclass(frozen=True)
class Step:
    """Column ``s`` grows by ``rise`` from each row to the next, and from one chunk to the next; at first from 0."""

    s: int
    rise: Linear


Identity: TypeAlias = Product | Lookup | Step


@dataclass(frozen=True)
class Table:
    """Rows that lookups may have: one tuple of numbers for each part, on the first rows; the rest repeat ``padding``.

    ``commitments`` gives [part] for each part that is not constant, computed by the verifier itself.
    """

    parts: tuple[tuple[int, ...], ...]
    padding: tuple[int, ...]
    commit: Callable[[], tuple[G1, ...]]

    @property
    def rows(self) -> int:
        return len(self.parts[0])

    def values(self, part: int) -> list[int]:
        """All N values of one part."""
        given = self.parts[part]
        return [*given, *([self.padding[part]] * (N - len(given)))]

    @cached_property
    def commitments(self) -> tuple[G1, ...]:
        """One point for each part."""
        return self.commit()


@dataclass(frozen=True)
class Relation:
    """The identities of every chunk, in their order, and the tables that they look into."""

    columns: int
    row_count: int | None
    """The column whose sum over all chunks is the statement's number of rows, if it states one."""
    identities: tuple[Identity, ...]
    tables: tuple[Table, ...]

    @property
    def counts_rows(self) -> bool:
        """Whether the statement has a number of rows."""
        return self.row_count is not None

    @cached_property
    def lookups(self) -> tuple[Lookup, ...]:
        """The lookups in the order of identities."""
        return tuple(each for each in self.identities if isinstance(each, Lookup))

    @cached_property
    def step(self) -> Step | None:
        """The one step, if there is one."""
        return next((each for each in self.identities if isinstance(each, Step)), None)
