"""The verifier for every day, on arkworks: a small proof takes about ten milliseconds.

    verify(proof, expected)      # raises ProofRefused, with the step of docs/protocol.md

1. V1: the statement is exactly the one that the caller expects, from its own view of the chain.
2. V2 to V8: `belmont.zk.verification`.

Points were checked when the proof was parsed (`ValidityProof.from_bytes`); a proof made of points by other means, as
from a transaction's words, has to go through `belmont.zk.curve.parse_wide`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from belmont.zk.commitment import chunks_of, root_of
from belmont.zk.curve import G1, wide
from belmont.zk.errors import ProofRefused
from belmont.zk.statement import HASH_BYTES, Statement
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


@dataclass(frozen=True)
class ProvenTable:
    """What the proofs of all parts of a version show together."""

    statement: Statement
    """That of the first part."""
    rows: int
    chunks: int
    root: bytes
    """The commitments root that a registry has to have for this version."""


def verify_table(proofs: Sequence[ValidityProof]) -> ProvenTable:
    """Verify all parts of a version, and that they are one version's: no gap, no overlap, no chunk too many.

    Raises ProofRefused. What is left to compare with the chain is in the result.
    """
    if not proofs:
        raise ProofRefused("V1", "no proof at all")
    begin = proofs[0].statement
    hashes = [bytes(HASH_BYTES)] * begin.layout.committed
    at, rows = 0, 0
    last_s: tuple[G1, ...] = ()
    for proof in proofs:
        statement = proof.statement
        if statement != replace(begin, first=at, chunks=statement.chunks, rows=statement.rows):
            raise ProofRefused("V1", f"the part that begins with chunk {at} is missing, or of another version")
        if proof.previous != last_s:
            raise ProofRefused("V1", "a part does not go on where the one before ended")
        verify(proof)
        columns = begin.layout.committed
        for k, point in enumerate(proof.columns):
            hashes[k % columns] = hashlib.sha256(hashes[k % columns] + wide(point)).digest()
        last_s = (proof.columns[columns * (statement.chunks - 1) + begin.layout.pseudonym],)
        at, rows = at + statement.chunks, rows + statement.rows
    if at != chunks_of(rows):
        raise ProofRefused("V1", f"{at} chunks are not what {rows} rows take: a part is missing")
    return ProvenTable(begin, rows, at, root_of(at, hashes))
