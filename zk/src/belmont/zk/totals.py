"""Totals of committed columns, each proved by one opening at zero, alone or over several hospitals together.

With blinding rows that sum to zero (which the validity proof shows) a column's data rows sum to N·f(0). Commitments and
openings at one point both add, so what holds for a column holds for a sum of columns, whoever committed to them:

    e(sum C - (S/N)·G1, G2) = e(sum pi, [tau]G2)

1. Nothing is said about a total outside 0 ... bound: modulo r every number is "a total", and only a small one is S.
2. ``pi`` of one hospital lets anybody test a guess of that hospital's total. It stays at home; what is published is
   X = pi + mu, where the mu of all hospitals add up to the point at infinity (``mask_point``).
3. A commitment counts only if it belongs to a commitments root on chain (``check_membership``), and only if that
   version is proven there: the root says which columns, the validity proof that their blinding sums to zero.

Whoever calls this has to see to the masks' being used once: two openings under one mask give away the difference of two
totals to whoever guesses it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from belmont.zk.commitment import column_hash, root_of
from belmont.zk.curve import G1, GENERATOR, add_all, multiply, multiply_sum, pairing_holds
from belmont.zk.errors import CommitmentMismatch, TotalError, TotalRefuted
from belmont.zk.field import N_INVERSE, ORDER, N
from belmont.zk.srs import ReferenceString, reference_string


@dataclass(frozen=True)
class Opening:
    """A total and its proof. It belongs to whoever may know the total: the proof lets anybody test a guess."""

    total: int
    proof: G1

    def __repr__(self) -> str:
        return "Opening(not shown)"


@dataclass(frozen=True)
class ProvenCells:
    """Commitments whose values at zero, times N, are the cells of one hospital's answer, wherever they come from.

    They are columns (or sums of a column's chunks) of a registered version, checked against its root, or derived
    columns of a cohort proof that was verified for this permit, query and dataset. Whoever makes one has checked that.
    """

    commitments: tuple[G1, ...]
    bounds: tuple[int, ...]
    """The most that each cell can be."""
    source: str
    """What was checked, in words."""


def open_at_zero(coefficients: Sequence[int], srs: ReferenceString | None = None) -> Opening:
    """The total of a polynomial with at most N coefficients, modulo r, and its opening."""
    if not 1 <= len(coefficients) <= N:
        raise TotalError(f"a column's polynomial has 1 to {N} coefficients")
    powers = (srs or reference_string()).powers(N)[: len(coefficients) - 1]
    return Opening(coefficients[0] * N % ORDER, multiply_sum(powers, coefficients[1:]))


def add_openings(openings: Iterable[Opening]) -> Opening:
    """The opening of a sum of columns."""
    parts = list(openings)
    return Opening(sum(part.total for part in parts) % ORDER, add_all([part.proof for part in parts]))


def mask_point(scalars: Iterable[int]) -> G1:
    """mu, the sum of the signed scalars times G1."""
    return multiply(GENERATOR, sum(scalars) % ORDER)


def total_holds(
    commitments: Sequence[G1], openings: Sequence[G1], total: int, bound: int, srs: ReferenceString | None = None
) -> bool:
    """Whether the openings together prove that the columns together sum to ``total``. Raises TotalError for nothing."""
    if not commitments or not openings:
        raise TotalError("there is nothing to check")
    if type(total) is not int or not 0 <= total <= bound < ORDER:  # 1
        return False
    setup = srs or reference_string()
    left = add_all(commitments) + multiply(GENERATOR, -total * N_INVERSE)
    return pairing_holds(left, add_all(openings), setup.tau, setup.g2)


def check_total(
    commitments: Sequence[G1],
    openings: Sequence[G1],
    total: int,
    bound: int,
    what: str = "the total",
    srs: ReferenceString | None = None,
) -> None:
    """Raise TotalRefuted unless ``total_holds``."""
    if not total_holds(commitments, openings, total, bound, srs):
        raise TotalRefuted(f"{what} is not what the registered columns add up to")


def check_membership(
    columns: Sequence[tuple[int, Sequence[G1]]], column_hashes: Sequence[bytes], chunks: int, root: bytes
) -> None:
    """Raise CommitmentMismatch unless each column, with all of its chunks, stands at its place under the root.  # 3

    ``columns`` are (place among the committed columns, commitments of its chunks in order); ``column_hashes`` are those
    of all committed columns (docs/protocol.md, "Root").
    """
    if chunks < 1 or not column_hashes or any(len(each) != 32 for each in column_hashes):
        raise CommitmentMismatch("a root is over whole hashes of at least one column and chunk")
    if root_of(chunks, column_hashes) != root:
        raise CommitmentMismatch("the column hashes are not those of the registered version")
    for place, commitments in columns:
        if not 0 <= place < len(column_hashes) or len(commitments) != chunks:
            raise CommitmentMismatch(f"column {place} is not given with all of its {chunks} chunks")
        if column_hash(commitments) != column_hashes[place]:
            raise CommitmentMismatch(f"the commitments of column {place} are not those of the registered version")
