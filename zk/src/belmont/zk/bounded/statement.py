"""What the proof of an update states, word for word: docs/bounded_updates.md, "Statement".

Everything that the proof is to be good for is here, and all of it is absorbed before the first challenge: a proof for
another round, permit, consortium, hospital, list of participants, meaning of coordinates or bound is no proof.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from belmont.zk.bounded.shape import Shape
from belmont.zk.errors import UpdateError
from belmont.zk.field import B, N, word
from belmont.zk.srs import CEREMONY_DIGEST
from belmont.zk.statement import HASH_BYTES

LABEL: Final = "belmont/bounded-update/v1"
MOST_NAME_BYTES: Final = 1024
_WORD_BITS: Final = 256


@dataclass(frozen=True)
class UpdateStatement:
    """The update of ``dataset``'s holder in this round has ``dimension`` coordinates within its bounds.

    ``consortium`` is the registry's identity, ``participants`` are the datasets of the round in its order, 32 bytes
    each, ``layout_hash`` says in 32 bytes what the coordinates mean (model, parameters, quantisation). Every coordinate
    is an integer from -``bound`` to ``bound``; with ``norm_squared`` their squares add up to that at most. Raises
    UpdateError for what no round has.
    """

    consortium: str
    permit_id: int
    round: int
    dataset: bytes
    participants: tuple[bytes, ...]
    layout_hash: bytes
    dimension: int
    bound: int
    norm_squared: int | None = None

    def __post_init__(self) -> None:
        numbers = (self.permit_id, self.round, self.dimension, self.bound, self.norm_squared or 0)
        if any(type(number) is not int for number in numbers):
            raise UpdateError("a statement's numbers are integers")
        if not 1 <= len(self.consortium.encode()) <= MOST_NAME_BYTES:
            raise UpdateError(f"a consortium's identity has 1 to {MOST_NAME_BYTES} bytes")
        if not all(0 <= number < 1 << _WORD_BITS for number in (self.permit_id, self.round)):
            raise UpdateError("a permit or a round has a number below 2^256")
        if any(len(each) != HASH_BYTES for each in (self.layout_hash, self.dataset, *self.participants)):
            raise UpdateError(f"a dataset and a layout's hash are {HASH_BYTES} bytes")
        if len(set(self.participants)) != len(self.participants) or self.dataset not in self.participants:
            raise UpdateError("participants are distinct, and the dataset is one of them")
        _ = self.shape

    @cached_property
    def shape(self) -> Shape:
        """How the update is laid out and what is proved of it."""
        return Shape(self.dimension, self.bound, len(self.participants), self.norm_squared)

    @property
    def position(self) -> int:
        """The dataset's place among the participants."""
        return self.participants.index(self.dataset)

    def of(self, dataset: bytes) -> "UpdateStatement":
        """What another participant states in the same round. Raises UpdateError for one that is none."""
        return replace(self, dataset=dataset)

    def words(self) -> bytes:
        """The bytes that the transcript absorbs first: every part has a fixed or stated length."""
        name, shape = self.consortium.encode(), self.shape
        numbers = (
            self.dimension,
            self.bound,
            self.norm_squared is not None,
            self.norm_squared or 0,
            shape.slot_bytes,
            shape.slots,
            shape.chunks,
            len(shape.limbs),
            *(number for limb in shape.limbs for number in (limb.weight, limb.width)),
            len(shape.slack),
            *(number for limb in shape.slack for number in (limb.weight, limb.width)),
            len(self.participants),
        )
        return b"".join(
            (
                CEREMONY_DIGEST,
                word(N),
                word(B),
                word(len(name)),
                name,
                word(self.permit_id),
                word(self.round),
                self.dataset,
                self.layout_hash,
                *(word(number) for number in numbers),
                *self.participants,
            )
        )

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that stand for the statement in a proof's file."""
        return hashlib.sha256(LABEL.encode("ascii") + self.words()).digest()
