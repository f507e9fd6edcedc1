"""A proof of a relation, as points and scalars in the order of docs/protocol.md, P2 to P6, and its one encoding."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from belmont.zk.curve import COMPRESSED_BYTES, G1, compressed, parse_compressed, wide
from belmont.zk.errors import ProofMalformed
from belmont.zk.field import ORDER, WORD_BYTES, word
from belmont.zk.relation import Relation

_T = TypeVar("_T")


@dataclass(frozen=True)
class Lengths:
    """How many of everything a proof has: all of it follows from the statement (V2)."""

    tables: int
    lookups: int
    columns: int
    steps: int
    links: int
    openings: int

    @classmethod
    def of(cls, relation: Relation, chunks: int, first: int) -> "Lengths":
        steps = 0 if relation.step is None else chunks
        links = 0 if relation.step is None else chunks - (first == 0)
        openings = 2 + (steps > 0) + relation.counts_rows + (links > 0)
        return cls(
            len(relation.tables), len(relation.lookups) * chunks, relation.columns * chunks, steps, links, openings
        )


@dataclass(frozen=True)
class Argument:
    """Everything that a prover sends. Points are of the subgroup, scalars below r, once parsed."""

    m: tuple[G1, ...]
    u: G1
    h: tuple[G1, ...]
    g: tuple[G1, ...]
    phi: G1
    q: tuple[G1, ...]
    columns_at_zeta: tuple[int, ...]
    tables_at_zeta: tuple[int, ...]
    phi_next: int
    u_next: int
    s_before: tuple[int, ...]
    s_linked: tuple[int, ...]
    openings: tuple[G1, ...]

    @property
    def lengths(self) -> Lengths:
        """How many of everything are here."""
        return Lengths(
            len(self.m),
            len(self.h),
            len(self.columns_at_zeta),
            len(self.s_before),
            len(self.s_linked),
            len(self.openings),
        )

    @property
    def evaluations(self) -> tuple[int, ...]:
        """The scalars of P5 in their order."""
        return (
            *self.columns_at_zeta,
            *self.tables_at_zeta,
            self.phi_next,
            self.u_next,
            *self.s_before,
            *self.s_linked,
        )

    @property
    def round_1(self) -> tuple[G1, ...]:
        return (*self.m, self.u)

    @property
    def round_2(self) -> tuple[G1, ...]:
        return (*self.h, *self.g, self.phi)

    def to_bytes(self) -> bytes:
        """The encoding in a file."""
        points = (*self.round_1, *self.round_2, *self.q)
        return b"".join(
            (
                *map(compressed, points),
                *map(word, self.evaluations),
                *map(compressed, self.openings),
            )
        )

    @classmethod
    def read(cls, reader: "Reader", lengths: Lengths) -> "Argument":
        """Read the encoding. Raises ProofMalformed."""
        m, u = reader.points(lengths.tables), reader.point()
        h, g, phi = reader.points(lengths.lookups), reader.points(lengths.tables), reader.point()
        q = reader.points(2)
        columns, tables = reader.scalars(lengths.columns), reader.scalars(lengths.tables)
        phi_next, u_next = reader.scalars(2)
        before, linked = reader.scalars(lengths.steps), reader.scalars(lengths.links)
        return cls(
            m, u, h, g, phi, q, columns, tables, phi_next, u_next, before, linked, reader.points(lengths.openings)
        )


class Reader:
    """Reads fixed-length parts of bytes from outside, and refuses what is too short or too long."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        part = self._data[self._at : self._at + count]
        if len(part) != count:
            raise ProofMalformed(f"the data end {count - len(part)} bytes too early")
        self._at += count
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def point(self) -> G1:
        return parse_compressed(self.take(COMPRESSED_BYTES))

    def points(self, count: int) -> tuple[G1, ...]:
        self.need(count * COMPRESSED_BYTES)
        return tuple(self._each(count, self.point))

    def scalars(self, count: int) -> tuple[int, ...]:
        self.need(count * WORD_BYTES)
        return tuple(self._each(count, self.scalar))

    def scalar(self) -> int:
        value = self.number(WORD_BYTES)
        if value >= ORDER:
            raise ProofMalformed("a scalar is not below r")
        return value

    def need(self, count: int) -> None:
        """Raises ProofMalformed unless there are so many bytes left: nothing is parsed for a length that lies."""
        if len(self._data) - self._at < count:
            raise ProofMalformed("the data end too early")

    def end(self) -> None:
        """Raises ProofMalformed if anything is left."""
        if self._at != len(self._data):
            raise ProofMalformed(f"{len(self._data) - self._at} bytes too many")

    @staticmethod
    def _each(count: int, read: Callable[[], _T]) -> Iterator[_T]:
        for _ in range(count):
            yield read()


def wide_points(points: tuple[G1, ...]) -> bytes:
    """Points as the transcript has them."""
    return b"".join(map(wide, points))


def scalar_words(scalars: tuple[int, ...]) -> bytes:
    """Scalars as the transcript has them."""
    return b"".join(map(word, scalars))
