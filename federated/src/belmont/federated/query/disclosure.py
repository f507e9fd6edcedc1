"""What a hospital keeps of an answer, and shows the ethics board, and nobody else, if the total is refuted.

A disclosure is everything that went into one answer: the hospital's own totals, their openings, the seeds it shares
with each peer for this query, and the randomness of its encryption. With it the answer can be computed again, byte for
byte. **Whoever reads it knows this hospital's totals**, which nobody else does: it is for the board, in a dispute, and
says nothing about single rows. Until the query is settled it is as secret as the totals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from belmont.federated.errors import QueryError
from belmont.federated.hashes import canonical_json
from belmont.federated.query.bfv import PLAINTEXT_MODULUS
from belmont.federated.query.masks import PairSeeds, cell_mask, opening_masks
from belmont.registry.strict_json import loads
from belmont.zk.curve import G1, compressed, parse_compressed
from belmont.zk.errors import ZkError
from belmont.zk.totals import Opening, mask_point

MAX_DISCLOSURE_BYTES = 1024 * 1024
_FORMAT = "belmont-disclosure/1"


@dataclass(frozen=True)
class Disclosure:
    """The inputs of one hospital's answer to one query."""

    totals: tuple[int, ...]
    openings: tuple[bytes, ...]
    """Unmasked, compressed; none where the answer is not over commitments."""
    seeds: tuple[PairSeeds, ...]
    """With each participant, in order; NO_SEEDS at the hospital's own place."""
    encryption_seed: bytes

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(
            {
                "format": _FORMAT,
                "totals": list(self.totals),
                "openings": [each.hex() for each in self.openings],
                "seeds": [[each.cells.hex(), each.openings.hex()] for each in self.seeds],
                "encryption-seed": self.encryption_seed.hex(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Disclosure":
        """Read the encoding. Raises QueryError for anything else."""
        try:
            if len(data) > MAX_DISCLOSURE_BYTES:
                raise ValueError("too long")
            fields = loads(data)
            found = cls(
                tuple(fields["totals"]),
                tuple(bytes.fromhex(each) for each in fields["openings"]),
                tuple(PairSeeds(bytes.fromhex(a), bytes.fromhex(b)) for a, b in fields["seeds"]),
                bytes.fromhex(fields["encryption-seed"]),
            )
            if any(type(total) is not int for total in found.totals) or found.to_bytes() != data:
                raise ValueError("not canonical")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise QueryError("the disclosure cannot be read") from error
        return found

    def opened(self) -> list[Opening]:
        """Totals with their openings. Raises QueryError unless each opening is a point of the subgroup."""
        try:
            points = [parse_compressed(each) for each in self.openings]
        except ZkError as error:
            raise QueryError(f"a disclosed opening is not a point: {error}") from error
        if len(points) != len(self.totals):
            raise QueryError("there is not one opening for each total")
        return [Opening(total, point) for total, point in zip(self.totals, points, strict=True)]

    def __repr__(self) -> str:
        return f"Disclosure({len(self.totals)} totals, not shown)"


def masked_cells(totals: Sequence[int], position: int, seeds: Sequence[PairSeeds]) -> list[int]:
    """What is encrypted."""
    own = cell_mask(position, seeds, len(totals), PLAINTEXT_MODULUS)
    return [(a + b) % PLAINTEXT_MODULUS for a, b in zip(totals, own, strict=True)]


def masked_openings(openings: Sequence[G1], position: int, seeds: Sequence[PairSeeds]) -> tuple[bytes, ...]:
    """X = pi + mu for each cell, compressed: what is published."""
    own = opening_masks(position, seeds, len(openings))
    return tuple(compressed(point + mask_point([each])) for point, each in zip(openings, own, strict=True))
