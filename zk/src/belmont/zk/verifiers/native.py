"""The verifier for every day, on arkworks: a small proof takes about ten milliseconds.

    verify(proof, expected)      # raises ProofRefused, with the step of docs/protocol.md

1. V1: the statement is exactly the one that the caller expects, from its own view of the chain.
2. V2 to V8: `belmont.zk.verification`.

Points were checked when the proof was parsed (`ValidityProof.from_bytes`); a proof made of points by other means, as
from a transaction's words, has to go through `belmont.zk.curve.parse_wide`.
"""

from belmont.zk.errors import ProofRefused
from belmont.zk.statement import Statement
from belmont.zk.validity import ValidityProof, start_transcript
from belmont.zk.verification import verify as verify_argument


def verify(proof: ValidityProof, expected: Statement | None = None) -> None:
    """Raises ProofRefused unless the proof shows its statement, and that is ``expected`` (where it is given)."""
    statement = proof.statement
    if expected is not None and statement != expected:
        raise ProofRefused("V1", "the proof states something else than was expected")
    verify_argument(
        statement.layout.relation,
        statement.chunks,
        statement.first,
        statement.rows,
        proof.columns,
        proof.previous,
        proof.argument,
        start_transcript(statement, proof.columns, proof.previous),
    )
