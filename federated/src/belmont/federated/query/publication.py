"""Publishing a proved answer: what the contract Totals needs of it (docs/totals.md, "On chain").

    for claim in claims_of(answer.proof):
        registry.publish_total(claim)

1. Only totals of whole registered columns can be published: the contract has no verifier for cohort proofs.
2. A claim shows commitments, column hashes and the sum of the masked openings. The commitments are on chain anyway, and
   the masks cancel in the sum: beside the total itself, which is public from then on, a claim says nothing new.
"""

import hashlib

from belmont.federated.errors import QueryError
from belmont.federated.query.case import Case
from belmont.federated.query.columns import Columns, cells_of
from belmont.federated.query.evidence import RegisteredColumns
from belmont.federated.query.proof import AnswerProof
from belmont.federated.query.question import Query
from belmont.registry.claims import AskedQuestion, TotalClaim, TotalPart
from belmont.zk.curve import add_all, compressed, wide


def why_not_publishable(query: Query) -> str:
    """Why no proved answer to this query can be published, in words; empty if one can."""
    if RegisteredColumns().proves(query):
        return ""
    return "the contract checks totals of whole registered columns, so only a count, sum or mean without a filter"  # 1


def claims_of(proof: AnswerProof) -> tuple[TotalClaim, ...]:
    """One claim for each cell, in order. Raises QueryError where there is none to make."""
    case, columns = proof.case, proof.columns
    reason = why_not_publishable(case.query)
    if reason:
        raise QueryError(f"this answer cannot be published: {reason}")
    question = AskedQuestion(
        case.canonical_query,
        hashlib.sha256(case.public_context).digest(),
        columns.layout.to_bytes(),
        columns.text_hash,
    )
    return tuple(
        TotalClaim(
            case.permit_id,
            case.n,
            case.participants,
            question,
            place,
            _parts(case, columns, place),
            cell.total,
            compressed(add_all(cell.openings)),  # 2
        )
        for place, cell in zip(cells_of(case.query, columns), proof.cells, strict=True)
    )


def _parts(case: Case, columns: Columns, place: int) -> tuple[TotalPart, ...]:
    """What each hospital's evidence says of one column; it was checked when the answer came."""
    parts = []
    for answer in case.answers:
        found, hashes = RegisteredColumns().read(answer.evidence[1:], case.query, columns)
        commitments = b"".join(wide(point) for point in found[place])
        parts.append(TotalPart(answer.version, tuple(hashes), commitments))
    return tuple(parts)
