"""Cells over the rows that a filter selects: commitments to derived columns, with the proof that they are derived so.

The conjunction of a query becomes a `Cohort` of `belmont.zk.cohort`, its cells the cohort's totals. The proof is bound
to consortium, permit, query and dataset, so it answers no other query. Histograms have none: a hospital leaves small
cells out, and that is no total of anything.
"""

from belmont.federated.errors import QueryError
from belmont.federated.query.columns import Columns
from belmont.federated.query.evidence import Asked
from belmont.federated.query.question import Aggregate, Query
from belmont.zk.cohort import Cohort, CohortProof, Condition, prove_cohort, verify_cohort
from belmont.zk.cohort_plan import Target
from belmont.zk.commitment import CommittedTable, chunks_of
from belmont.zk.totals import Opening, ProvenCells


class CohortCells:
    """Cells that are totals of a filtered count, sum or mean. The encoding is the proof's own."""

    number = 2

    def why_not(self, query: Query) -> str:
        if query.aggregate is Aggregate.HISTOGRAM:
            return "a histogram leaves out small cells, and no proof covers that"
        return "" if query.where else "a total over all rows is one of registered columns"

    def open(self, asked: Asked, columns: Columns, committed: CommittedTable) -> tuple[bytes, list[Opening]]:
        proof, derived = prove_cohort(committed, cohort_of(asked.query, columns), context_of(asked))
        return proof.to_bytes(), [Opening(*derived.open_total(i)) for i in range(len(proof.cohort.targets))]

    def check(self, data: bytes, asked: Asked, columns: Columns) -> ProvenCells:
        proof = CohortProof.from_bytes(data, columns.layout)
        commitments = verify_cohort(
            proof,
            columns.layout,
            asked.version.commitments_root,
            chunks_of(asked.version.rows),
            context_of(asked),
            cohort_of(asked.query, columns),
        )
        width = 1 if asked.query.column is None else columns.width(asked.query.column)
        bounds = asked.query.cell_bounds(asked.version.rows, width)
        return ProvenCells(tuple(commitments), bounds, "columns derived from the registered ones by the filter")


def cohort_of(query: Query, columns: Columns) -> Cohort:
    """The query as a cohort. Raises QueryError for a filter that no code of a column satisfies."""
    conditions = []
    for condition in query.where:
        width = columns.width(condition.column)
        intervals = tuple((low, min(high, width)) for low, high in condition.intervals if low <= width)
        if not intervals:
            raise QueryError(f"no code of {condition.column!r} satisfies the filter")
        conditions.append(Condition(columns.names.index(condition.column), intervals))
    targets: tuple[Target, ...] = ((),)
    if query.column is not None:
        observed = columns.layout.places[columns.names.index(query.column)].observed
        targets = (() if observed is None else (observed,), (columns.value(query.column),))
    return Cohort(tuple(sorted(conditions, key=lambda each: each.column)), targets)


def context_of(asked: Asked) -> bytes:
    """What a cohort proof is bound to: fields of fixed or stated length."""
    name = asked.consortium.encode()
    return b"".join(
        (
            b"belmont/query-cohort/1",
            len(name).to_bytes(4),
            name,
            asked.permit_id.to_bytes(32),
            asked.n.to_bytes(32),
            asked.query_hash,
            asked.dataset_id,
            asked.version.number.to_bytes(8),
        )
    )
