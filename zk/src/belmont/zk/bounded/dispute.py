"""Who lied, when a total is not the sum of the commitments: found without anybody showing an update.

Secure aggregation modulo r adds up, for each hospital i, its elements x_i (`UpdateOpening.elements`) under masks:

    y_i = x_i + sum over later participants j of m_ij - sum over earlier ones of m_ji

and m_ij, N elements for each chunk, grows from the seed of the pair (i, j). What is sent, y_i, is public to those who
check. If the total is refuted, each hospital commits to its masks, [m_ij] for every other survivor, and for each:

1. [y_i] = [x_i] + sum of the signed [m_ij]: [x_i] is known from its proof. A hospital whose masked vector is not its
   committed update under the masks that it commits to is named (`Findings.unfit`), as is one that commits to none.
2. Both ends of a pair commit to the same m_ij. Where they differ, the pair's seed has to be proven, as for queries;
   `is_mask` then says whose commitment is that of the mask which grows from it (`Findings.disputes`).
3. If 1 and 2 hold for all, the y_i add up to an opening of the sum of commitments: masks cancel, whoever made them up.
   Then whoever published another total lied.

[m_ij] tells nothing of an update: it is a multiple of G1 that is random to whoever lacks the seed, and by 1 the sum of
a hospital's mask commitments follows from what is public. Masks that everybody knows by then (a hospital's own mask,
whose seed the survivors gave together; pair masks of those who dropped out) are taken off y_i before.

Where masks are of another kind (modulo 2^64), a dispute needs a disclosure: `belmont.zk.bounded.sums.check_disclosure`,
and computing the masked vector again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from belmont.zk.bounded.proof import UpdateCommitment
from belmont.zk.bounded.shape import Shape
from belmont.zk.bounded.statement import UpdateStatement
from belmont.zk.bounded.sums import check_one_round, opens
from belmont.zk.bounded.update import check_elements
from belmont.zk.curve import G1, multiply_sum
from belmont.zk.errors import UpdateError
from belmont.zk.field import ORDER, N
from belmont.zk.srs import reference_string

Elements = Sequence[int]
"""N field elements for every chunk."""


@dataclass(frozen=True)
class MaskedUpdate:
    """What a hospital committed to, and the elements that it sent under its masks."""

    update: UpdateCommitment
    elements: tuple[int, ...]

    @property
    def dataset(self) -> bytes:
        return self.update.statement.dataset


@dataclass(frozen=True)
class Findings:
    """Who is named, and which pairs have to prove their seed before one of the two is. Datasets."""

    unfit: tuple[bytes, ...]
    disputes: tuple[tuple[bytes, bytes], ...]

    @property
    def nobody(self) -> bool:
        """Whether the masked vectors add up to an opening of the commitments' sum."""
        return not self.unfit and not self.disputes


def add_masks(statement: UpdateStatement, elements: Elements, masks: Mapping[bytes, Elements]) -> tuple[int, ...]:
    """y of the statement's hospital. ``masks`` are those of its pairs, by the other's dataset. Raises UpdateError."""
    shape = statement.shape
    found = list(_checked(shape, elements))
    for other, mask in masks.items():
        sign = sign_of(statement, other)
        found = [(y + sign * m) % ORDER for y, m in zip(found, _checked(shape, mask), strict=True)]
    return tuple(found)


def sign_of(statement: UpdateStatement, other: bytes) -> int:
    """1 where the statement's hospital adds its pair's mask, -1 where it subtracts it. Raises UpdateError."""
    if other == statement.dataset or other not in statement.participants:
        raise UpdateError("a mask is shared with another participant")
    return 1 if statement.position < statement.participants.index(other) else -1


def commit_elements(shape: Shape, elements: Elements) -> tuple[G1, ...]:
    """The commitments to N elements for every chunk. Raises UpdateError."""
    checked, lagrange = _checked(shape, elements), reference_string().lagrange
    return tuple(multiply_sum(lagrange, checked[at : at + N]) for at in range(0, len(checked), N))


def is_mask(shape: Shape, points: Sequence[G1], elements: Elements) -> bool:
    """Whether a pair's commitments are those of the mask that grows from its proven seed.  # 2"""
    return len(points) == shape.chunks and opens(points, _checked(shape, elements))


def investigate(masked: Sequence[MaskedUpdate], masks: Mapping[bytes, Mapping[bytes, Sequence[G1]]]) -> Findings:
    """Find who lied. ``masks[i][j]`` are the commitments that i published to its pair's mask with j. Raises UpdateError
    for updates that are not of one round.

    Points come from the checked parsers, or from `belmont.zk.bounded.encoding`.
    """
    check_one_round([each.update.statement for each in masked])
    ordered = sorted(masked, key=lambda each: each.update.statement.position)
    survivors = [each.dataset for each in ordered]
    unfit = tuple(each.dataset for each in ordered if not _fits(each, set(survivors), masks.get(each.dataset, {})))  # 1
    fit = [dataset for dataset in survivors if dataset not in unfit]
    disputes = tuple(
        (i, j)
        for i, j in combinations(fit, 2)
        if tuple(masks[i][j]) != tuple(masks[j][i])  # 2
    )
    return Findings(unfit, disputes)


def _fits(each: MaskedUpdate, survivors: set[bytes], own: Mapping[bytes, Sequence[G1]]) -> bool:
    """1, for one hospital."""
    shape = each.update.statement.shape
    if set(own) != survivors - {each.dataset} or any(len(points) != shape.chunks for points in own.values()):
        return False
    try:
        elements = _checked(shape, each.elements)
    except UpdateError:
        return False
    signs = [1, *(sign_of(each.update.statement, other) for other in own)]
    expected = [multiply_sum(points, signs) for points in zip(each.update.points, *own.values(), strict=True)]
    return opens(expected, elements)


def _checked(shape: Shape, elements: Elements) -> Elements:
    check_elements(shape, elements)
    return elements
