"""Totals under a filter: COUNT, SUM, sums of squares and of products over the rows that a conjunction selects.

docs/protocol.md, "Cohort totals". From the registered columns the hospital derives new ones and commits to them: for
each condition a bit b (by a lookup of (code, b)), the conjunction e of all of them with `present`, and for each total
the product of e with the columns it sums. The proof shows that they are derived so; a total is then an opening at 0
like any other (`belmont.zk.totals`), and is masked like any other before it leaves.

    proof, derived = prove_cohort(table, Cohort((Condition(3, ((10, 20),)),), ((), (5,))), context)
    commitments = verify_cohort(proof, layout, root, chunks, context)     # one for each total
    derived.open_total(0)                                                 # (S, pi) of the first
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belmont.zk.chunk_prover import ChunkProver
from belmont.zk.cohort_plan import Cohort, Condition, Plan, plan
from belmont.zk.commitment import CommittedTable, column_hash, open_columns, root_of
from belmont.zk.curve import COMPRESSED_BYTES, G1, add_all, compressed
from belmont.zk.errors import CohortError, CommitmentMismatch, ProofMalformed, ProofRefused
from belmont.zk.field import WORD_BYTES, B, N, word
from belmont.zk.layout import Layout
from belmont.zk.proof import Argument, Lengths, Reader, wide_points
from belmont.zk.prover import LocalChunks, prove
from belmont.zk.srs import CEREMONY_DIGEST
from belmont.zk.transcript import Transcript
from belmont.zk.verification import verify as verify_argument
from belmont.zk.witness import Chunk, Column, new_seed, zero_sum_blinding

__all__ = ["Cohort", "CohortProof", "Condition", "Derived", "plan", "proof_size", "prove_cohort", "verify_cohort"]

LABEL: Final = "belmont/cohort/v1"
MAGIC: Final = b"BELMONT COHORT\n"
VERSION: Final = 1
MAX_PROOF_BYTES: Final = 4 << 20


@dataclass(frozen=True, repr=False)
class Derived:
    """What only the hospital has after proving: the columns behind each total."""

    columns: tuple[tuple[Column, ...], ...]

    def open_total(self, target: int) -> tuple[int, G1]:
        """The total and the opening of its commitment at 0. Mask it before it leaves."""
        return open_columns(self.columns[target])


@dataclass(frozen=True)
class CohortProof:
    """``registered[i][c]`` and ``derived[i][c]`` are commitments to the plan's columns."""

    cohort: Cohort
    registered: tuple[tuple[G1, ...], ...]
    others: tuple[bytes, ...]
    """The hashes of all committed columns that are not in the plan, in order: they complete the root."""
    derived: tuple[tuple[G1, ...], ...]
    argument: Argument

    @property
    def chunks(self) -> int:
        return len(self.registered[0])

    def to_bytes(self) -> bytes:
        """The one encoding of this proof."""
        return b"".join(
            (
                MAGIC,
                VERSION.to_bytes(2, "big"),
                self.cohort.to_bytes(),
                self.chunks.to_bytes(4, "big"),
                *(compressed(point) for points in (*self.registered, *self.derived) for point in points),
                *self.others,
                self.argument.to_bytes(),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes, layout: Layout) -> "CohortProof":
        """Read a proof over tables of this layout. Raises ProofMalformed for anything but one proof's encoding."""
        if len(data) > MAX_PROOF_BYTES:
            raise ProofMalformed(f"a proof has at most {MAX_PROOF_BYTES} bytes")
        reader = Reader(data)
        if reader.take(len(MAGIC)) != MAGIC or reader.number(2) != VERSION:
            raise ProofMalformed("not a cohort proof of this version")
        cohort = Cohort.read(reader)
        try:
            planned = plan(layout, cohort)
        except CohortError as error:
            raise ProofMalformed(str(error)) from error
        chunks = reader.number(4)
        if chunks < 1:
            raise ProofMalformed("a proof is about at least one chunk")
        width = len(planned.registered)
        reader.need(planned.relation.columns * chunks * COMPRESSED_BYTES)
        registered = tuple(reader.points(chunks) for _ in range(width))
        derived = tuple(reader.points(chunks) for _ in range(planned.relation.columns - width))
        others = tuple(reader.take(32) for _ in range(layout.committed - width))
        argument = Argument.read(reader, Lengths.of(planned.relation, chunks, 0))
        reader.end()
        return cls(cohort, registered, others, derived, argument)

    @cached_property
    def commitments(self) -> list[G1]:
        """C_k in the order of the relation: chunk by chunk."""
        return [points[c] for c in range(self.chunks) for points in (*self.registered, *self.derived)]


def proof_size(layout: Layout, cohort: Cohort, chunks: int) -> int:
    """The bytes of a cohort's proof over so many chunks. Raises CohortError."""
    planned = plan(layout, cohort)
    columns, lengths = planned.relation.columns * chunks, Lengths.of(planned.relation, chunks, 0)
    points = columns + 2 * lengths.tables + lengths.lookups + 4 + lengths.openings
    scalars = columns + lengths.tables + 2
    hashes = layout.committed - len(planned.registered)
    head = len(MAGIC) + 2 + len(cohort.to_bytes()) + 4
    return head + COMPRESSED_BYTES * points + WORD_BYTES * (scalars + hashes)


def prove_cohort(
    table: CommittedTable,
    cohort: Cohort,
    context: bytes,
    tell: Callable[[int], None] = lambda done: None,
    check: bool = True,
) -> tuple[CohortProof, Derived]:
    """Prove the derived columns of a registered table. ``context`` is what the proof is for: permit, query, dataset.

    One evaluation of every registered column in the plan is given away: count it (`belmont.zk.budget`) first. Raises
    CohortError.
    """
    planned = plan(table.layout, cohort)
    witness = derive(table, cohort, planned, new_seed())
    return prove_witness(table, cohort, planned, witness, context, tell, check)


def prove_witness(
    table: CommittedTable,
    cohort: Cohort,
    planned: Plan,
    witness: Sequence[Chunk],
    context: bytes,
    tell: Callable[[int], None] = lambda done: None,
    check: bool = True,
) -> tuple[CohortProof, Derived]:
    """Prove derived columns as they are."""
    width = len(planned.registered)
    registered = tuple(table.commitments[j] for j in planned.registered)
    derived = tuple(tuple(chunk[i].commitment() for chunk in witness) for i in range(width, planned.relation.columns))
    others = tuple(h for j, h in enumerate(table.column_hashes) if j not in planned.registered)
    points = [each[c] for c in range(table.chunks) for each in (*registered, *derived)]
    transcript = _start(table.layout, table.root, table.chunks, context, cohort, points)
    provers = [ChunkProver(planned.relation, c, chunk, None, check) for c, chunk in enumerate(witness)]
    argument = prove(planned.relation, LocalChunks(provers, tell), 0, points, transcript, check)
    totals = tuple(tuple(chunk[at] for chunk in witness) for at in planned.totals)
    return CohortProof(cohort, registered, others, derived, argument), Derived(totals)


def verify_cohort(
    proof: CohortProof, layout: Layout, root: bytes, chunks: int, context: bytes, cohort: Cohort | None = None
) -> list[G1]:
    """The commitment to each total, summed over chunks: its value at 0 is the total divided by N.

    ``root`` and ``chunks`` are those of a proven version on chain. Raises ProofRefused, CommitmentMismatch.
    """
    if cohort is not None and proof.cohort != cohort:
        raise ProofRefused("V1", "the proof is about another question")
    try:
        planned = plan(layout, proof.cohort)
    except CohortError as error:
        raise ProofRefused("V1", str(error)) from error
    width = len(planned.registered)
    lists = (*proof.registered, *proof.derived)
    if (
        len(proof.registered) != width
        or len(lists) != planned.relation.columns
        or len(proof.others) != layout.committed - width
        or any(len(points) != chunks for points in lists)
    ):
        raise ProofRefused("V2", "a list is longer or shorter than the statement implies")
    hashes, rest = dict(zip(planned.registered, map(column_hash, proof.registered), strict=True)), iter(proof.others)
    if root_of(chunks, [hashes.get(j) or next(rest) for j in range(layout.committed)]) != root:
        raise CommitmentMismatch("the proof is not about the columns that were registered")
    verify_argument(
        planned.relation,
        chunks,
        0,
        0,
        proof.commitments,
        (),
        proof.argument,
        _start(layout, root, chunks, context, proof.cohort, proof.commitments),
    )
    return [add_all(lists[at]) for at in planned.totals]


def _start(
    layout: Layout, root: bytes, chunks: int, context: bytes, cohort: Cohort, points: Sequence[G1]
) -> Transcript:
    transcript = Transcript(LABEL)
    transcript.absorb("statement", b"".join((CEREMONY_DIGEST, word(N), word(B), layout.hash, root, word(chunks))))
    transcript.absorb("context", context)
    transcript.absorb("question", cohort.to_bytes())
    transcript.absorb("columns", wide_points(tuple(points)))
    return transcript


def derive(table: CommittedTable, cohort: Cohort, planned: Plan, seed: bytes) -> list[Chunk]:
    """The registered columns of the plan and the derived ones, chunk by chunk."""
    chunks = []
    for c, chunk in enumerate(table.witness):
        columns = [chunk[j] for j in planned.registered]
        codes = [column.codes for column in columns]
        for condition in cohort.conditions:
            codes.append(_inside(chunk[table.layout.places[condition.column].value].codes, condition.intervals))
        for a, b in planned.factors:
            codes.append(codes[a] * codes[b])
        columns += [Column(codes[i], zero_sum_blinding(seed, i, c)) for i in range(len(columns), len(codes))]
        chunks.append(tuple(columns))
    return chunks


def _inside(codes: NDArray[np.uint64], intervals: Sequence[tuple[int, int]]) -> NDArray[np.uint64]:
    found = np.zeros(len(codes), np.uint64)
    for low, high in intervals:
        found |= ((codes >= low) & (codes <= high)).astype(np.uint64)
    return found
