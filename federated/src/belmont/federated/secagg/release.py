"""When a hospital releases shares, and which: a pure function of what the chain says.

1. Every recorded dataset is a participant.
2. This hospital is recorded itself, without exception. Enough others are (4), so its shares are not needed; it did not
   record because it refused, or was away, and who refused must not help to open. Recorded hospitals answer for ever
   (everything is recomputed), so waiting for one costs time and no sum.
3. All participants are recorded, or the round is closed. Either way no record can follow: the set is final, and the
   same for every hospital.
4. At least the threshold are recorded.
5. What was released once is the only thing that is ever released: another recorded set than the one this node's
   ledger remembers is refused, also if a chain were to say so.
6. For each participant exactly one share: of its self-mask seed if it is recorded, of its mask key if it is not.

This takes the place of the consistency check of Bonawitz et al. (CCS 2017, round 3), in which hospitals sign the set
that the server names to them. Nothing here depends on what a coordinator says.

Why 6 matters: who knows both secrets of one hospital takes all masks off its vector. With the final set of 3, a
hospital's mask key is released only if it is not recorded; then its seed never is, and its vector, if it comes late,
keeps the seed's mask.
"""

from collections.abc import Collection
from dataclasses import dataclass

from belmont.federated.errors import ReleaseRefused, SecAggError
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.setup import Joined, Kind
from belmont.registry.types import DatasetId

_SHARE_BYTES = 33


@dataclass(frozen=True)
class Shares:
    """What one hospital releases: its share of one secret of each participant, in order."""

    dataset_id: DatasetId
    """Who releases."""
    kinds: tuple[Kind, ...]
    values: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Shares({self.dataset_id.hex()[:12]}, not shown)"

    def to_bytes(self) -> bytes:
        """33 bytes a participant: the kind, then the share."""
        return b"".join(kind.to_bytes(1) + value for kind, value in zip(self.kinds, self.values, strict=True))

    @classmethod
    def from_bytes(cls, context: Context, dataset_id: DatasetId, data: bytes) -> "Shares":
        """Raises SecAggError for another length or a kind that does not exist."""
        if len(data) != _SHARE_BYTES * len(context.participants):
            raise SecAggError(f"shares of {len(context.participants)} participants are {_SHARE_BYTES} bytes each")
        rows = [data[at : at + _SHARE_BYTES] for at in range(0, len(data), _SHARE_BYTES)]
        try:
            kinds = tuple(Kind(row[0]) for row in rows)
        except ValueError as error:
            raise SecAggError("a share is of a self-mask seed (1) or of a mask key (2)") from error
        return cls(dataset_id, kinds, tuple(row[1:] for row in rows))


def kinds_due(
    context: Context,
    own: DatasetId,
    recorded: Collection[DatasetId],
    closed: bool,
    released_for: Collection[DatasetId] | None = None,
) -> tuple[Kind, ...]:
    """Of which secret of each participant, in order, this hospital may release its share.

    ``recorded`` and ``closed`` are what the chain has finally; ``released_for`` is the recorded set for which this node
    released before, by its ledger. Raises ReleaseRefused.
    """
    if not set(recorded) <= set(context.participants):
        raise ReleaseRefused("a dataset is recorded that takes no part in this round")  # 1
    if own not in recorded:
        raise ReleaseRefused("this hospital has not recorded a masked vector in this round")  # 2
    count, total = len(set(recorded)), len(context.participants)
    if count < total and not closed:
        raise ReleaseRefused(f"{count} of {total} are recorded and the round is not closed: more may follow")  # 3
    if count < context.threshold:
        raise ReleaseRefused(f"{count} are recorded, fewer than the threshold {context.threshold}")  # 4
    if released_for is not None and set(released_for) != set(recorded):
        raise ReleaseRefused("this hospital released for another set of recorded hospitals before")  # 5
    return tuple(Kind.SEED if each in recorded else Kind.KEY for each in context.participants)  # 6


def release(
    joined: Joined,
    recorded: Collection[DatasetId],
    closed: bool,
    released_for: Collection[DatasetId] | None = None,
) -> Shares:
    """This hospital's shares for the recorded set, as ``kinds_due`` decides. Raises ReleaseRefused."""
    own = joined.context.participants[joined.position]
    kinds = kinds_due(joined.context, own, recorded, closed, released_for)
    return Shares(own, kinds, tuple(joined.held[kind][dealer] for dealer, kind in enumerate(kinds)))
