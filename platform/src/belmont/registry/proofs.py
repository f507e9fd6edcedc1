"""Proofs and the ceremony's points, as the contract Proofs takes them.

A layout's tables are computed on chain from prefix sums of the ceremony's points, [L_0] + ... + [L_(i-1)] and
[L_1] + 2·[L_2] + ... + (i-1)·[L_(i-1)]; the contract knows the root of a Merkle tree over them.
"""

import hashlib
from functools import cache
from typing import Any

from belmont.registry.types import PartStart
from belmont.zk.curve import G1, wide
from belmont.zk.field import N, word
from belmont.zk.layout import Layout
from belmont.zk.proof import scalar_words, wide_points
from belmont.zk.srs import reference_string
from belmont.zk.validity import ValidityProof

_START_COLUMN = bytes(32)


def proof_struct(proof: ValidityProof) -> tuple[bytes, ...]:
    """A proof as the contract takes it: lists of points and numbers, in the order of docs/protocol.md, P1 to P6."""
    argument = proof.argument
    return (
        wide_points(proof.columns),
        wide_points(proof.previous),
        wide_points(argument.round_1),
        wide_points(argument.round_2),
        wide_points(argument.q),
        scalar_words(argument.evaluations),
        wide_points(argument.openings),
    )


def start_struct(start: PartStart) -> tuple[Any, ...]:
    """Where a part starts, as the contract takes it; its `previous` is in the proof."""
    return (start.chunks, start.rows, list(start.column_hashes))


def reached_by(proof: ValidityProof, start: PartStart) -> PartStart:
    """Where the part after ``proof`` starts, if ``proof`` starts at ``start``."""
    statement = proof.statement
    width = statement.layout.committed
    points = [wide(point) for point in proof.columns]
    hashes = list(start.column_hashes or [_START_COLUMN] * width)
    for place, point in enumerate(points):
        column = place % width
        hashes[column] = hashlib.sha256(hashes[column] + point).digest()
    last_chunk = len(points) - width
    return PartStart(
        start.chunks + statement.chunks,
        start.rows + statement.rows,
        tuple(hashes),
        points[last_chunk + statement.layout.pseudonym],
    )


def boundaries(layout: Layout) -> list[tuple[int, tuple[int, ...], tuple[int, ...], tuple[bytes, ...]]]:
    """For each distinct width of a layout: where its rows end in table 1, with the ceremony's sums and their path."""
    ones, counts = reference_string().prefix_sums
    found, end = [], 0
    for width in layout.widths:
        end += width
        found.append((width, _words(ones[end]), _words(counts[end]), _path(end)))
    return found


def ceremony_root() -> bytes:
    """The root that stands in the contract."""
    return _tree()[-1][0]


@cache
def _tree() -> list[list[bytes]]:
    """All levels of the Merkle tree over the prefix sums, the leaves first."""
    ones, counts = reference_string().prefix_sums
    level = [hashlib.sha256(word(i) + wide(ones[i]) + wide(counts[i])).digest() for i in range(N)]
    levels = [level]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [hashlib.sha256(left + right).digest() for left, right in pairs]
        levels.append(level)
    return levels


def _path(leaf: int) -> tuple[bytes, ...]:
    return tuple(level[(leaf >> height) ^ 1] for height, level in enumerate(_tree()[:-1]))


def _words(point: G1) -> tuple[int, ...]:
    data = wide(point)
    return tuple(int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32))
