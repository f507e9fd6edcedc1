"""What an answer rests on: commitments whose values at zero are its cells, and why they may be believed.

A `Source` is one way to have such commitments. There are two:

    registered columns  counts, sums and means of all rows: a column's chunks, which belong under the version's root
    a cohort proof      counts, sums and means of the rows that a filter selects, and variances: columns derived from
                        registered ones, with a proof made for this permit, query, dataset and version

On the wire, evidence is the source's number in one byte and the source's own encoding. A histogram has no source: its
small cells contribute nothing, which no total of a column says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from belmont.federated.errors import QueryError
from belmont.federated.query.columns import Columns, cells_of, cohort_of
from belmont.federated.query.question import Aggregate, Query
from belmont.registry.types import DatasetId, DatasetVersion, PermitId
from belmont.zk.budget import Spending, of_all_chunks
from belmont.zk.cohort import CohortProof, plan, proof_size, prove_cohort, verify_cohort
from belmont.zk.commitment import CommittedTable
from belmont.zk.curve import COMPRESSED_BYTES, G1, add_all, compressed, parse_compressed
from belmont.zk.errors import ZkError
from belmont.zk.field import A
from belmont.zk.totals import Opening, ProvenCells, check_membership

MAX_EVIDENCE_BYTES = 4 * 1024 * 1024
_HASH_BYTES = 32
_CONTEXT_LABEL = b"belmont/query-cohort/1"

Spend: TypeAlias = Callable[[Spending], None]
"""Counts evaluations of committed columns durably, before the proof that gives them away exists.

Raises `belmont.zk.errors.OpeningsExhausted`."""


@dataclass(frozen=True)
class Asked:
    """A query as one hospital answers it: what a proof made for it is bound to."""

    consortium: str
    permit_id: PermitId
    n: int
    query: Query
    query_hash: bytes
    dataset_id: DatasetId
    version: DatasetVersion
    """The registered version that is answered over, as the chain has it."""

    @property
    def chunks(self) -> int:
        """How many chunks each committed column has."""
        return -(-self.version.rows // A)

    def context(self) -> bytes:
        """Every field has a fixed or stated length."""
        name = self.consortium.encode()
        return b"".join(
            (
                _CONTEXT_LABEL,
                len(name).to_bytes(4),
                name,
                self.permit_id.to_bytes(32),
                self.n.to_bytes(32),
                self.query_hash,
                self.dataset_id,
                self.version.number.to_bytes(8),
            )
        )

    def bounds(self, columns: Columns) -> tuple[int, ...]:
        """The most that each cell can be."""
        width = 1 if self.query.column is None else columns.width(self.query.column)
        return self.query.cell_bounds(self.version.rows, width)


class Source(Protocol):
    """One way to have commitments to an answer's cells. ``number``, 1 to 255, is that of its encoding."""

    @property
    def number(self) -> int: ...

    def proves(self, query: Query) -> bool:
        """Whether this source proves answers to the query."""

    def open(
        self, asked: Asked, columns: Columns, committed: CommittedTable, spend: Spend
    ) -> tuple[bytes, list[Opening]]:
        """At the hospital: the evidence, and each cell's total with its opening."""

    def check(self, data: bytes, asked: Asked, columns: Columns) -> ProvenCells:
        """For everybody else: the cells' commitments. Raises ZkError or QueryError unless the evidence shows them."""


class RegisteredColumns:
    """Cells that are totals of columns of the registered version.

    Encoding: the distinct columns of the cells in ascending order, each with its chunks' commitments (48 bytes each),
    then the hashes of all committed columns. A value at 0 costs no opening of the budget.
    """

    number = 1

    def proves(self, query: Query) -> bool:
        return query.aggregate not in (Aggregate.HISTOGRAM, Aggregate.VARIANCE) and not query.where

    def open(
        self, asked: Asked, columns: Columns, committed: CommittedTable, spend: Spend
    ) -> tuple[bytes, list[Opening]]:
        cells = cells_of(asked.query, columns)
        points = [compressed(point) for place in sorted(set(cells)) for point in committed.commitments[place]]
        opened = {place: Opening(*committed.open_total(place)) for place in set(cells)}
        return b"".join((*points, *committed.column_hashes)), [opened[place] for place in cells]

    def read(self, data: bytes, query: Query, columns: Columns) -> tuple[dict[int, list[G1]], list[bytes]]:
        """The commitments of each column's chunks, and all column hashes. Raises QueryError, ZkError."""
        places = sorted(set(cells_of(query, columns)))
        each, left = divmod(len(data) - _HASH_BYTES * columns.layout.committed, len(places))
        if each < COMPRESSED_BYTES or each % COMPRESSED_BYTES or left:
            raise QueryError("the evidence is longer or shorter than its columns and chunks")
        found = {place: _points(data[i * each : (i + 1) * each]) for i, place in enumerate(places)}
        return found, [data[i : i + _HASH_BYTES] for i in range(each * len(places), len(data), _HASH_BYTES)]

    def check(self, data: bytes, asked: Asked, columns: Columns) -> ProvenCells:
        cells = cells_of(asked.query, columns)
        found, hashes = self.read(data, asked.query, columns)
        check_membership(list(found.items()), hashes, asked.chunks, asked.version.commitments_root)
        sums = {place: add_all(points) for place, points in found.items()}
        return ProvenCells(tuple(sums[place] for place in cells), asked.bounds(columns), "registered columns")


class CohortColumns:
    """Cells that are totals of columns derived from registered ones. Encoding: `belmont.zk.cohort.CohortProof`'s."""

    number = 2

    def proves(self, query: Query) -> bool:
        return query.aggregate is Aggregate.VARIANCE or (
            query.aggregate is not Aggregate.HISTOGRAM and bool(query.where)
        )

    def open(
        self, asked: Asked, columns: Columns, committed: CommittedTable, spend: Spend
    ) -> tuple[bytes, list[Opening]]:
        cohort = cohort_of(asked.query, columns)
        size = proof_size(committed.layout, cohort, asked.chunks)
        if size >= MAX_EVIDENCE_BYTES:  # before anything is spent: nobody would take it
            raise QueryError(
                f"its proof would have {size} bytes, more than {MAX_EVIDENCE_BYTES}: ask with fewer conditions"
            )
        spend(of_all_chunks(plan(committed.layout, cohort).registered, asked.chunks))
        proof, derived = prove_cohort(committed, cohort, asked.context())
        return proof.to_bytes(), [Opening(*derived.open_total(i)) for i in range(len(cohort.targets))]

    def check(self, data: bytes, asked: Asked, columns: Columns) -> ProvenCells:
        proof = CohortProof.from_bytes(data, columns.layout)
        commitments = verify_cohort(
            proof,
            columns.layout,
            asked.version.commitments_root,
            asked.chunks,
            asked.context(),
            cohort_of(asked.query, columns),
        )
        return ProvenCells(tuple(commitments), asked.bounds(columns), "a proven cohort of registered rows")


SOURCES: tuple[Source, ...] = (RegisteredColumns(), CohortColumns())


def source_for(query: Query) -> Source | None:
    """The source that proves answers to a query, if there is one."""
    return next((each for each in SOURCES if each.proves(query)), None)


def why_unproven(query: Query) -> str:
    """Why no answer to this query can be proved, in words; empty if one can."""
    return "" if source_for(query) else "a histogram leaves out small cells, and no proof covers that"


def open_cells(asked: Asked, columns: Columns, committed: CommittedTable, spend: Spend) -> tuple[bytes, list[Opening]]:
    """Evidence as it travels, and the openings, which stay at home until they are masked."""
    source = source_for(asked.query)
    if source is None:
        raise QueryError(why_unproven(asked.query))
    data, openings = source.open(asked, columns, committed, spend)
    return bytes([source.number]) + data, openings


def check_cells(evidence: bytes, asked: Asked, columns: Columns) -> ProvenCells:
    """The commitments that evidence shows. Raises QueryError for any other evidence than the query's source makes."""
    source = source_for(asked.query)
    if source is None or not evidence or len(evidence) > MAX_EVIDENCE_BYTES or evidence[0] != source.number:
        raise QueryError("the answer does not come with the evidence that this query has")
    try:
        cells = source.check(evidence[1:], asked, columns)
    except ZkError as error:
        raise QueryError(f"the evidence does not hold: {error}") from error
    if len(cells.commitments) != len(cells.bounds):
        raise QueryError("the evidence has another number of cells than the query")
    return cells


def _points(data: bytes) -> list[G1]:
    return [parse_compressed(data[at : at + COMPRESSED_BYTES]) for at in range(0, len(data), COMPRESSED_BYTES)]
