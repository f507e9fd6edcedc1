"""Sums of updates: whether a published total is the sum of what the hospitals committed to, and one hospital's part.

    summed = add_updates([verify_update(proof, statement.of(dataset)) for ...])     # the survivors, agreed before
    total = open_sum(summed, elements)                                               # raises UpdateRefuted

1. The points that are added come from `verify_update`, one for each surviving hospital of one and the same round: who
   checks decides whose they are, not who publishes the total.
2. A total is a sum of integers: every coordinate is at most hospitals·bound, so nothing has wrapped around r. What
   stands in the blocks' padding is bounded by the proofs, belongs to no parameter, and is dropped by `open_sum`: a
   hospital that puts numbers there spoils nothing. For `check_sum`, which has the d coordinates alone, it has to be 0.
3. Several chunks are opened together, by powers of a number that the verifier draws for itself from `secrets` after it
   has everything: no prover can know it, so there is no order of absorbing that could be wrong. A false opening of any
   chunk passes with probability below chunks/r.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from belmont.zk.bounded.proof import UpdateCommitment
from belmont.zk.bounded.shape import Shape
from belmont.zk.bounded.statement import UpdateStatement
from belmont.zk.bounded.update import UpdateOpening, unpack_elements
from belmont.zk.curve import G1, add_all, multiply_sum
from belmont.zk.errors import UpdateError, UpdateRefuted
from belmont.zk.field import ORDER, N
from belmont.zk.srs import reference_string


@dataclass(frozen=True)
class SummedUpdates:
    """The sum of some hospitals' commitments, in the participants' order. ``statement`` is the first one's."""

    statement: UpdateStatement
    hospitals: tuple[bytes, ...]
    points: tuple[G1, ...]


def add_updates(updates: Sequence[UpdateCommitment]) -> SummedUpdates:
    """Add verified commitments. Raises UpdateError unless they are of one round, each hospital's once.  # 1"""
    check_one_round([update.statement for update in updates])
    ordered = sorted(updates, key=lambda update: update.statement.position)
    points = tuple(add_all(each) for each in zip(*(update.points for update in ordered), strict=True))
    return SummedUpdates(ordered[0].statement, tuple(update.statement.dataset for update in ordered), points)


def check_one_round(statements: Sequence[UpdateStatement]) -> None:
    """Raises UpdateError unless there is one statement at least, all are of one round, and each hospital's once."""
    if not statements:
        raise UpdateError("there is no update")
    if len({replace(statement, dataset=statement.participants[0]) for statement in statements}) != 1:
        raise UpdateError("these updates are not of one round")
    if len({statement.dataset for statement in statements}) != len(statements):
        raise UpdateError("a hospital's update would be counted twice")


def add_openings(shape: Shape, openings: Sequence[UpdateOpening]) -> UpdateOpening:
    """The opening of a sum. Raises UpdateError."""
    if not openings:
        raise UpdateError("there is no opening")
    for each in openings:
        each.check(shape, shape.participants)
    blinding = tuple(
        tuple(sum(values) % ORDER for values in zip(*rows, strict=True))
        for rows in zip(*(each.blinding for each in openings), strict=True)
    )
    return UpdateOpening(sum((each.vector for each in openings[1:]), start=openings[0].vector), blinding)


def open_sum(summed: SummedUpdates, elements: Sequence[int]) -> NDArray[np.int64]:
    """The d coordinates of the total that these elements are, as they come out of secure aggregation modulo r.

    Raises UpdateRefuted unless it is the sum of what the hospitals committed to: then `belmont.zk.bounded.dispute`
    finds who lied.
    """
    shape, most = summed.statement.shape, len(summed.hospitals) * summed.statement.bound
    try:
        total = unpack_elements(shape, elements)[: shape.dimension].copy()
    except UpdateError as error:
        raise UpdateRefuted(f"what was added up is no update: {error}") from error
    if total.min() < -most or total.max() > most:  # 2
        raise UpdateRefuted(f"what was added up is no update: a coordinate is not from {-most} to {most}")
    if not opens(summed.points, elements):
        raise UpdateRefuted("what was added up is not the sum of the updates that were committed to")
    return total


def check_sum(summed: SummedUpdates, total: UpdateOpening) -> None:
    """Raises UpdateRefuted unless ``total`` is the sum of what the hospitals committed to.

    For vectors that were added modulo 2^64, with their blinding modulo r. Disclosures find who lied.
    """
    _check(
        summed.statement.shape, summed.points, total, len(summed.hospitals), "the total is not the sum of the updates"
    )


def check_disclosure(update: UpdateCommitment, opening: UpdateOpening) -> None:
    """Raises UpdateRefuted unless this is what one hospital committed to. Whoever gets an opening knows the update."""
    _check(update.statement.shape, update.points, opening, 1, "what was disclosed is not the update")


def _check(shape: Shape, points: Sequence[G1], opening: UpdateOpening, hospitals: int, what: str) -> None:
    try:
        opening.check(shape, hospitals)  # 2
    except UpdateError as error:
        raise UpdateRefuted(f"{what} that was committed to: {error}") from error
    if not opens(points, opening.elements(shape)):
        raise UpdateRefuted(f"{what} that was committed to")


def opens(points: Sequence[G1], elements: Sequence[int]) -> bool:
    """Whether N elements for each point are what it commits to.  # 3"""
    if not points or len(elements) != N * len(points):
        raise UpdateError(f"{len(points)} commitments do not have {len(elements)} elements")
    base = secrets.randbelow(ORDER)
    powers = [pow(base, c, ORDER) for c in range(len(points))]
    folded = [sum(map(int.__mul__, powers, elements[row::N])) % ORDER for row in range(N)]
    return bool(multiply_sum(reference_string().lagrange, folded) == multiply_sum(points, powers))
