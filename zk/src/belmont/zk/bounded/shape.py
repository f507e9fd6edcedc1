"""Where the coordinates of an update stand, and what is proved of them: all of it follows from four public numbers.

A *block* is A consecutive coordinates, one for each data row; the last is filled up with zeros. A chunk has ``slots``
blocks, packed into one field element a row, so that one commitment holds them all and the packed numbers still add:

    X(w^i) = sum over slots j of 2^(8 s j)·x_j,i        on data rows; random on the B blinding rows

1. s bytes hold any sum of the participants' coordinates with its sign, 2^(8s-1) > participants·bound, and at most 31
   bytes are used: sums never carry from one slot into the next, nor wrap around r.
2. A coordinate x has limbs with bound + x = sum of weight·limb (`belmont.zk.bounded.limbs`): limbs in range say that
   -bound <= x <= bound, exactly.
3. With a norm bound T2, each chunk has columns e, q_1 ... and slack limbs, with x_j^2 = q_j for all slots but the
   first, and x_0^2 = e - sum of q_j - sum of weight·slack. All e together have the total T2, so the sum of all x^2 is
   T2 less something that is not negative.

What is committed are the limbs, e, q and slack. Nobody commits to X: commitments add, so its commitment is the sum of
weight·(commitment of a limb), less the bound on data rows, and everybody computes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belmont.zk.bounded.limbs import Limb, limbs_of
from belmont.zk.bounded.limits import MOST_BOUND, MOST_COORDINATES, MOST_NORM_SQUARED, MOST_PARTICIPANTS
from belmont.zk.curve import G1, multiply_sum
from belmont.zk.errors import UpdateError
from belmont.zk.field import ORDER, A, B
from belmont.zk.layout import range_table
from belmont.zk.relation import Identity, Linear, Lookup, Product, Relation, column, constant
from belmont.zk.srs import reference_string

_PACKED_BYTES: Final = 31


@dataclass(frozen=True)
class Shape:
    """``dimension`` coordinates from -``bound`` to ``bound``, with at most this sum of squares where there is one.

    Raises UpdateError for numbers that no proof can be made for.
    """

    dimension: int
    bound: int
    participants: int
    norm_squared: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.dimension <= MOST_COORDINATES:
            raise UpdateError(f"an update has 1 to {MOST_COORDINATES} coordinates, not {self.dimension}")
        if not 1 <= self.bound <= MOST_BOUND:
            raise UpdateError(f"a bound is 1 to {MOST_BOUND}, not {self.bound}")
        if not 1 <= self.participants <= MOST_PARTICIPANTS:
            raise UpdateError(f"a round has 1 to {MOST_PARTICIPANTS} participants, not {self.participants}")
        if self.norm_squared is not None and not 1 <= self.norm_squared <= MOST_NORM_SQUARED:
            raise UpdateError(f"a bound on the sum of squares is 1 to {MOST_NORM_SQUARED}, not {self.norm_squared}")

    @property
    def slot_bytes(self) -> int:
        """s: what one coordinate of a sum takes.  # 1"""
        return (self.participants * self.bound).bit_length() // 8 + 1

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.dimension // A)

    @property
    def chunks(self) -> int:
        """How many chunks, and so commitments to packed numbers, an update has."""
        return -(-self.blocks // (_PACKED_BYTES // self.slot_bytes))

    @property
    def slots(self) -> int:
        """How many blocks each chunk has."""
        return -(-self.blocks // self.chunks)

    @property
    def slot_weights(self) -> tuple[int, ...]:
        """2^(8 s j) for each slot."""
        return tuple(1 << (8 * self.slot_bytes * j) for j in range(self.slots))

    @property
    def limbs(self) -> tuple[Limb, ...]:
        """The limbs of bound + x.  # 2"""
        return limbs_of(2 * self.bound)

    @property
    def slack(self) -> tuple[Limb, ...]:
        """The slack columns of every chunk: any number up to T2 is a sum of weight·(a slack column's total).  # 3"""
        if self.norm_squared is None:
            return ()
        width = max(limb.width for limb in self.limbs)
        step = self.chunks * A * (width - 1) + 1
        found = [Limb(1, width)]
        while found[-1].weight * step <= self.norm_squared:
            found.append(Limb(found[-1].weight * step, width))
        return tuple(found)

    @property
    def square(self) -> int:
        """Where e is among a chunk's columns; q_1 ... and the slack follow."""
        return self.slots * len(self.limbs)

    @property
    def columns(self) -> int:
        """How many columns a chunk has."""
        return self.square + (0 if self.norm_squared is None else self.slots + len(self.slack))

    @property
    def rows_total(self) -> int:
        """What the relation counts: the total of all e, or nothing."""
        return self.norm_squared or 0

    @property
    def relation(self) -> Relation:
        """What is proved of every chunk."""
        return _relation(self)

    def blocks_of(self, vector: NDArray[np.int64]) -> NDArray[np.int64]:
        """(chunks, slots, A) coordinates, zeros after the last."""
        found = np.zeros(self.chunks * self.slots * A, np.int64)
        found[: self.dimension] = vector
        return found.reshape(self.chunks, self.slots, A)

    def packed_commitments(self, columns: Sequence[G1]) -> tuple[G1, ...]:
        """[X] of every chunk, from the commitments of all columns, chunk by chunk."""
        factors = [slot * limb.weight for slot in self.slot_weights for limb in self.limbs]
        data_rows = reference_string().prefix_sums[0][A]
        below = -self.bound * sum(self.slot_weights)
        return tuple(
            multiply_sum([*columns[at : at + self.square], data_rows], [*factors, below])
            for at in range(0, len(columns), self.columns)
        )

    def packed_blinding(self, blinding: Sequence[Sequence[int]]) -> tuple[int, ...]:
        """The blinding rows of X in one chunk, from those of its columns."""
        factors = [slot * limb.weight for slot in self.slot_weights for limb in self.limbs]
        return tuple(sum(f * x[row] for f, x in zip(factors, blinding, strict=False)) % ORDER for row in range(B))

    def pack(self, vector: NDArray[np.int64]) -> list[list[int]]:
        """X on the data rows of every chunk, modulo r."""
        s, weights = self.slot_bytes, self.slot_weights
        half = 1 << (8 * s - 1)
        shift = half * sum(weights)
        raised = (self.blocks_of(vector) + np.int64(half)).transpose(0, 2, 1)  # chunk, row, slot
        digits = np.ascontiguousarray(raised).astype("<u8").view(np.uint8).reshape(*raised.shape, 8)[..., :s]
        size = self.slots * s
        found = []
        for chunk in digits:
            raw = chunk.tobytes()
            found.append(
                [(int.from_bytes(raw[at : at + size], "little") - shift) % ORDER for at in range(0, len(raw), size)]
            )
        return found

    def unpack(self, rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
        """The coordinates from X on the data rows of every chunk, and the blocks' padding after the last of them.

        Raises UpdateError for numbers that no coordinates pack to.
        """
        s, weights = self.slot_bytes, self.slot_weights
        half, size = 1 << (8 * s - 1), self.slots * self.slot_bytes
        shift = half * sum(weights)
        try:
            raw = b"".join(((x + shift) % ORDER).to_bytes(size, "little") for chunk in rows for x in chunk)
        except OverflowError as error:
            raise UpdateError("these field elements are not packed coordinates") from error
        if len(raw) != self.chunks * A * size:
            raise UpdateError(f"an update of this shape has {self.chunks} chunks of {A} rows")
        digits = np.zeros((self.chunks, A, self.slots, 8), np.uint8)
        digits[..., :s] = np.frombuffer(raw, np.uint8).reshape(self.chunks, A, self.slots, s)
        return (digits.view("<u8")[..., 0].astype(np.int64) - np.int64(half)).transpose(0, 2, 1).reshape(-1)


@lru_cache(maxsize=64)
def _relation(shape: Shape) -> Relation:
    widths = tuple(sorted({limb.width for limb in shape.limbs}))
    classes = {width: c for c, width in enumerate(widths, 1)}
    count = len(shape.limbs)
    identities: list[Identity] = [
        Lookup(0, (column(j * count + i), constant(classes[limb.width])))
        for j in range(shape.slots)
        for i, limb in enumerate(shape.limbs)
    ]
    if shape.norm_squared is None:
        return Relation(shape.columns, None, tuple(identities), (range_table(widths),))
    e, slack = shape.square, shape.square + shape.slots
    identities += [Lookup(0, (column(slack + i), constant(classes[limb.width]))) for i, limb in enumerate(shape.slack)]
    rest = [(e + j, -1) for j in range(1, shape.slots)] + [
        (slack + i, -limb.weight) for i, limb in enumerate(shape.slack)
    ]
    for j in range(shape.slots):
        x = Linear(tuple((j * count + i, limb.weight) for i, limb in enumerate(shape.limbs)), -shape.bound)
        identities.append(Product(x, x, Linear(((e, 1), *rest)) if j == 0 else column(e + j)))
    return Relation(shape.columns, e, tuple(identities), (range_table(widths),))
