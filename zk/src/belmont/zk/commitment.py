"""The commitments of a table: one for each chunk of each committed column (docs/protocol.md, "Commitments").

    table = commit_table(layout, codes, pseudonyms)
    table.root            # what the registry records
    table.seed            # secret: keep it beside the rows, `commit_table(..., seed=...)` gives the same table again

Rows and seed determine everything, so a hospital that reads its rows back finds out whether they are those that it
registered: the root is another one if a single code is.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from belmont.zk.curve import G1, add_all, wide
from belmont.zk.errors import CommitmentMismatch, WitnessError
from belmont.zk.evaluations import open_at
from belmont.zk.field import ORDER, A, N, word
from belmont.zk.layout import LIMB_BITS, LIMB_VALUES, LIMBS, Kind, Layout
from belmont.zk.processes import spread
from belmont.zk.witness import SEED_BYTES, Chunk, Column, new_seed, zero_sum_blinding

COMMIT_SECONDS: Final = 0.008
"""About what it takes to commit to one column of one chunk."""

Codes: TypeAlias = NDArray[Any]
Tell: TypeAlias = Callable[[int, int], None]
"""Hears how many steps are done, of how many."""


def column_hash(commitments: Iterable[G1]) -> bytes:
    """The hash of one committed column: a fold over its chunks."""
    found = bytes(32)
    for point in commitments:
        found = hashlib.sha256(found + wide(point)).digest()
    return found


def root_of(chunks: int, column_hashes: Sequence[bytes]) -> bytes:
    """The commitments root of all columns."""
    return hashlib.sha256(word(len(column_hashes)) + word(chunks) + b"".join(column_hashes)).digest()


@dataclass(frozen=True)
class CommittedTable:
    """A table with its commitments. ``commitments[j][c]`` is that of committed column j's chunk c."""

    layout: Layout
    rows: int
    seed: bytes
    witness: tuple[Chunk, ...]
    commitments: tuple[tuple[G1, ...], ...]

    @property
    def chunks(self) -> int:
        return len(self.witness)

    @cached_property
    def column_hashes(self) -> tuple[bytes, ...]:
        return tuple(column_hash(column) for column in self.commitments)

    @cached_property
    def root(self) -> bytes:
        """32 bytes, registered on chain."""
        return root_of(self.chunks, self.column_hashes)

    def of_chunks(self, first: int, count: int) -> list[G1]:
        """C_k of some chunks, in a proof's order: chunk by chunk."""
        return [column[c] for c in range(first, first + count) for column in self.commitments]

    def check(self, root: bytes) -> None:
        """Raises CommitmentMismatch unless this is the table with that root."""
        if self.root != root:
            raise CommitmentMismatch("these rows and this blinding do not have the commitments that were registered")

    def column_commitment(self, column: int) -> G1:
        """The commitment to the sum of a column's chunks: its value at 0 is the column's total divided by N."""
        return add_all(self.commitments[column])

    def open_total(self, column: int) -> tuple[int, G1]:
        """The total of committed column ``column`` over all rows, and the opening of `column_commitment` at 0.

        Who has the opening can test guesses of the total: mask it (`belmont.zk.totals`) before it leaves.
        """
        return open_columns([chunk[column] for chunk in self.witness])

    def __repr__(self) -> str:
        return f"CommittedTable({self.rows} rows, {len(self.commitments)} columns of {self.chunks} chunks)"


def open_columns(parts: Sequence[Column]) -> tuple[int, G1]:
    """The total over some columns' data rows, and the opening at 0 of the sum of their commitments."""
    values = [sum(each) % ORDER for each in zip(*(part.values() for part in parts), strict=True)]
    opening, at_zero = open_at(values, 0)
    total = sum(part.sum() for part in parts)
    if at_zero * N % ORDER != total % ORDER:
        raise WitnessError("the blinding does not add up to zero")
    return total, opening


def commit_table(
    layout: Layout,
    codes: Sequence[Codes],
    pseudonyms: NDArray[np.uint64],
    seed: bytes | None = None,
    tell: Tell = lambda done, of: None,
    processes: int = 1,
) -> CommittedTable:
    """Commit to rows. ``codes`` has one array for each column of the layout, in its order; all are of one length.

    ``pseudonyms`` are distinct, ascending and not 0. Raises WitnessError, naming column and row, for what a proof could
    not be made of. With ``seed`` the blinding is that of an earlier commitment.
    """
    refuse_rows(layout, codes, pseudonyms)
    columns = committed_columns(layout, codes, pseudonyms)
    return commit_columns(layout, len(pseudonyms), columns, new_seed() if seed is None else seed, tell, processes)


def commit_columns(
    layout: Layout,
    rows: int,
    columns: Sequence[NDArray[np.uint64]],
    seed: bytes,
    tell: Tell = lambda done, of: None,
    processes: int = 1,
) -> CommittedTable:
    """Commit to committed columns as they are, ``chunks * A`` codes each, without a look at them."""
    if len(seed) != SEED_BYTES:
        raise CommitmentMismatch(f"a seed is {SEED_BYTES} bytes")
    chunks = len(columns[0]) // A
    witness = tuple(
        tuple(Column(codes[c * A : (c + 1) * A], zero_sum_blinding(seed, j, c)) for j, codes in enumerate(columns))
        for c in range(chunks)
    )
    seconds = COMMIT_SECONDS * len(columns)
    with spread(
        witness, processes, lambda done: tell(done * len(columns), chunks * len(columns)), seconds
    ) as everywhere:
        found = everywhere.each(_commit_chunk, ())
    return CommittedTable(layout, rows, seed, witness, tuple(zip(*found, strict=True)))


def _commit_chunk(chunk: Chunk) -> list[G1]:
    return [column.commitment() for column in chunk]


def refuse_rows(layout: Layout, codes: Sequence[Codes], pseudonyms: NDArray[np.uint64]) -> None:
    """Raises WitnessError for rows that the layout does not allow."""
    rows = len(pseudonyms)
    if rows == 0:
        raise WitnessError("there are no rows to commit to")
    if len(codes) != len(layout.columns):
        raise WitnessError(f"{len(codes)} columns where the layout has {len(layout.columns)}")
    for j, (each, values) in enumerate(zip(layout.columns, codes, strict=True)):
        if len(values) != rows:
            raise WitnessError(f"column {j} has {len(values)} rows, not {rows}")
        lowest = 1 if each.kind is Kind.RANGE else 0
        wrong = np.flatnonzero((np.asarray(values, np.int64) < lowest) | (np.asarray(values, np.int64) > each.width))
        if wrong.size:
            raise WitnessError(f"column {j}, row {wrong[0]}: a code goes from {lowest} to {each.width}")
    if pseudonyms[0] == 0 or bool(np.any(pseudonyms[1:] <= pseudonyms[:-1])):
        raise WitnessError("pseudonyms have to be distinct, ascending and not 0")


def committed_columns(
    layout: Layout, codes: Sequence[Codes], pseudonyms: NDArray[np.uint64]
) -> list[NDArray[np.uint64]]:
    """The committed columns, padded to whole chunks."""
    rows = len(pseudonyms)
    size = -(-rows // A) * A

    def padded(values: Codes) -> NDArray[np.uint64]:
        out = np.zeros(size, np.uint64)
        out[:rows] = values
        return out

    columns = [padded(np.ones(rows, np.uint64))]
    for each, values in zip(layout.columns, codes, strict=True):
        if each.kind is Kind.RANGE_OR_MISSING:
            columns.append(padded(np.asarray(values) > 0))
        columns.append(padded(values))
    s = np.full(size, pseudonyms[-1], np.uint64)
    s[:rows] = pseudonyms
    rise = padded(np.diff(np.asarray(pseudonyms, np.uint64), prepend=np.uint64(0)) - np.uint64(1))
    limbs = [(rise >> np.uint64(LIMB_BITS * i)) & np.uint64(LIMB_VALUES - 1) for i in range(LIMBS)]
    return [*columns, s, *limbs]


def chunks_of(rows: int) -> int:
    """How many chunks a table of so many rows has."""
    return -(-rows // A)
