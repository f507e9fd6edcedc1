"""A hospital's update with its commitments and their opening.

    committed = commit_update(statement, vector)      # vector: int64, `dimension` of them
    proof = prove_update(committed)                   # belmont.zk.bounded.proof
    committed.opening                                 # secret: vector and blinding, what secure aggregation adds up

1. The blinding is fresh at every commitment: its seed comes from `secrets` and is not kept. A hospital that has to
   answer again after a crash, byte for byte, gives a secret of 32 bytes as ``root``: then the seed is the HMAC of
   statement and vector under it, so that another round or vector has unrelated blinding all the same.
2. One commitment, one proof. A proof tells one value of each column, and with what sums tell later each bears 62; but
   nobody has a use for a second proof of the same commitment (docs/bounded_updates.md, "What it gives away").
3. An `UpdateOpening` is as secret as the update itself, until it is summed over all hospitals.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from belmont.zk.bounded.limbs import decompose
from belmont.zk.bounded.shape import Shape
from belmont.zk.bounded.statement import UpdateStatement
from belmont.zk.curve import G1
from belmont.zk.errors import UpdateError, WitnessError
from belmont.zk.field import ORDER, A, B, N
from belmont.zk.processes import spread
from belmont.zk.witness import SEED_BYTES, Chunk, Column, new_seed, zero_sum_blinding

COMMIT_SECONDS: Final = 0.008
"""About what it takes to commit to one column of one chunk."""
_SEED_LABEL: Final = b"belmont/bounded-update-seed/v1"


@dataclass(frozen=True, eq=False)
class UpdateOpening:
    """What a commitment to an update, or to a sum of updates, hides.

    ``vector`` has the coordinates as int64, ``blinding`` the B blinding rows of every chunk, below r.
    """

    vector: NDArray[np.int64]
    blinding: tuple[tuple[int, ...], ...]

    def __repr__(self) -> str:
        return f"UpdateOpening({len(self.vector)} coordinates, not shown)"

    def check(self, shape: Shape, hospitals: int = 1) -> None:
        """Raises UpdateError unless this can be the sum of so many updates of that shape."""
        check_vector(self.vector, shape)
        if len(self.blinding) != shape.chunks or any(len(rows) != B for rows in self.blinding):
            raise UpdateError(f"there are {shape.chunks} chunks with {B} blinding rows each")
        if any(type(x) is not int or not 0 <= x < ORDER for rows in self.blinding for x in rows):
            raise UpdateError("a blinding value is not below r")
        most = hospitals * shape.bound
        if self.vector.min() < -most or self.vector.max() > most:
            raise UpdateError(f"a coordinate is not from {-most} to {most}")

    def elements(self, shape: Shape) -> list[int]:
        """N field elements for every chunk: packed coordinates on the data rows, then the blinding. They add modulo r.

        Secure aggregation modulo r masks these, and nothing else. Raises UpdateError.
        """
        self.check(shape, shape.participants)
        rows = shape.pack(self.vector)
        return [x for chunk, blinding in zip(rows, self.blinding, strict=True) for x in (*chunk, *blinding)]

    @classmethod
    def from_elements(cls, shape: Shape, elements: Sequence[int]) -> "UpdateOpening":
        """The opening that has these elements, or a sum of such. Raises UpdateError for what is none."""
        coordinates = unpack_elements(shape, elements)
        if coordinates[shape.dimension :].any():
            raise UpdateError("there are coordinates after the last one")
        chunks = [elements[at : at + N] for at in range(0, len(elements), N)]
        found = cls(coordinates[: shape.dimension].copy(), tuple(tuple(chunk[A:]) for chunk in chunks))
        found.check(shape, shape.participants)
        return found


@dataclass(frozen=True, eq=False)
class CommittedUpdate:
    """An update that is committed to. ``columns`` are the commitments of all columns, chunk by chunk."""

    statement: UpdateStatement
    opening: UpdateOpening
    witness: tuple[Chunk, ...] = field(repr=False)
    columns: tuple[G1, ...] = field(repr=False)

    @cached_property
    def commitment(self) -> tuple[G1, ...]:
        """[X] of every chunk: what adds up over hospitals."""
        return self.statement.shape.packed_commitments(self.columns)


def check_elements(shape: Shape, elements: Sequence[int]) -> None:
    """Raises UpdateError unless there are N numbers below r for every chunk."""
    if len(elements) != shape.chunks * N or any(type(x) is not int or not 0 <= x < ORDER for x in elements):
        raise UpdateError(f"an update of this shape has {shape.chunks * N} field elements below r")


def unpack_elements(shape: Shape, elements: Sequence[int]) -> NDArray[np.int64]:
    """The coordinates in N elements for every chunk, and the padding after them. Raises UpdateError."""
    check_elements(shape, elements)
    return shape.unpack([elements[at : at + A] for at in range(0, len(elements), N)])


def check_vector(vector: NDArray[Any], shape: Shape) -> None:
    """Raises UpdateError unless there are ``dimension`` numbers of type int64: floats would be cut, and wrap."""
    if not isinstance(vector, np.ndarray) or vector.dtype != np.int64 or vector.shape != (shape.dimension,):
        raise UpdateError(f"an update is an array of {shape.dimension} numbers of type int64")


def commit_update(
    statement: UpdateStatement, vector: NDArray[np.int64], processes: int = 1, root: bytes | None = None
) -> CommittedUpdate:
    """Commit to a vector under fresh blinding, or with ``root`` under the same as before (1).

    Raises UpdateError for something else than ``dimension`` int64 numbers or a root of 32 bytes, WitnessError for a
    vector that breaks the statement's bounds.
    """
    check_vector(vector, statement.shape)
    check_bounds(vector, statement.shape)
    seed = new_seed() if root is None else derived_seed(root, statement, vector)
    return commit_columns(statement, vector, columns_of(statement.shape, vector), seed, processes)


def derived_seed(root: bytes, statement: UpdateStatement, vector: NDArray[np.int64]) -> bytes:
    """The seed of this statement and vector under a secret. Raises UpdateError.  # 1"""
    if len(root) != SEED_BYTES:
        raise UpdateError(f"a root is {SEED_BYTES} bytes")
    return hmac.digest(root, _SEED_LABEL + statement.digest + vector.astype("<i8").tobytes(), hashlib.sha256)


def check_bounds(vector: NDArray[np.int64], shape: Shape) -> None:
    """Raises WitnessError, naming a coordinate, unless the bounds hold."""
    wrong = np.flatnonzero((vector < -shape.bound) | (vector > shape.bound))
    if wrong.size:
        raise WitnessError(f"coordinate {wrong[0]} is not from {-shape.bound} to {shape.bound}")
    if shape.norm_squared is not None and sum_of_squares(vector) > shape.norm_squared:
        raise WitnessError(f"the squares of the coordinates add up to more than {shape.norm_squared}")


def sum_of_squares(vector: NDArray[np.int64]) -> int:
    """The exact sum, which 64 bits may not hold."""
    return sum(x * x for x in vector.tolist())


def commit_vector(statement: UpdateStatement, vector: NDArray[np.int64], processes: int = 1) -> CommittedUpdate:
    """Commit to a vector as it is, without a look at its bounds."""
    return commit_columns(statement, vector, columns_of(statement.shape, vector), new_seed(), processes)


def commit_columns(
    statement: UpdateStatement,
    vector: NDArray[np.int64],
    codes: Sequence[Sequence[NDArray[np.uint64]]],
    seed: bytes,
    processes: int = 1,
) -> CommittedUpdate:
    """Commit to every chunk's columns as they are. Tests commit to what no honest hospital has."""
    shape = statement.shape
    witness = tuple(
        tuple(Column(column, zero_sum_blinding(seed, j, c)) for j, column in enumerate(chunk))
        for c, chunk in enumerate(codes)
    )
    with spread(witness, processes, seconds=COMMIT_SECONDS * shape.columns) as everywhere:
        found = everywhere.each(_commit_chunk, ())
    blinding = tuple(shape.packed_blinding([column.blinding for column in chunk]) for chunk in witness)
    columns = tuple(point for points in found for point in points)
    return CommittedUpdate(statement, UpdateOpening(vector.copy(), blinding), witness, columns)


def _commit_chunk(chunk: Chunk) -> list[G1]:
    return [column.commitment() for column in chunk]


def columns_of(shape: Shape, vector: NDArray[np.int64]) -> list[list[NDArray[np.uint64]]]:
    """The columns of every chunk, as belmont.zk.bounded.shape has them."""
    blocks = shape.blocks_of(vector)
    found = [
        [limb for block in chunk for limb in decompose(block + np.int64(shape.bound), shape.limbs)] for chunk in blocks
    ]
    if shape.norm_squared is not None:
        squares = blocks.astype(np.uint64) ** np.uint64(2)  # of negative numbers too, modulo 2^64
        slack = _slack(shape, shape.norm_squared - sum_of_squares(vector))
        for columns, of_slots, own in zip(found, squares, slack, strict=True):
            weighted = [each * np.uint64(limb.weight) for each, limb in zip(own, shape.slack, strict=True)]
            columns += [sum(of_slots) + sum(weighted), *of_slots[1:], *own]
    return found


def _slack(shape: Shape, missing: int) -> list[list[NDArray[np.uint64]]]:
    """Slack columns of every chunk whose weighted totals are ``missing``, which is not negative."""
    rest, columns = max(missing, 0), []
    for limb in reversed(shape.slack):
        total, rest = divmod(rest, limb.weight)
        full, part = divmod(total, limb.width - 1)
        values = np.zeros(shape.chunks * A, np.uint64)
        values[:full] = limb.width - 1
        values[full : full + (part > 0)] = part
        columns.append(values.reshape(shape.chunks, A))
    return [[each[c] for each in reversed(columns)] for c in range(shape.chunks)]
