"""The proof that an update is within its bounds: made, verified, and its one encoding.

    proof = prove_update(committed)
    update = verify_update(UpdateProof.from_bytes(data, statement), statement)     # raises ProofRefused
    update.points                                                                  # adds up: belmont.zk.bounded.sums

docs/bounded_updates.md has the steps U1 to U4, docs/protocol.md P1 to P6 and V2 to V8, which they use.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from belmont.zk.bounded.shape import Shape
from belmont.zk.bounded.statement import LABEL, UpdateStatement
from belmont.zk.bounded.update import CommittedUpdate, check_bounds
from belmont.zk.chunk_prover import ChunkProver
from belmont.zk.curve import COMPRESSED_BYTES, G1, compressed
from belmont.zk.errors import ProofMalformed, ProofRefused
from belmont.zk.field import WORD_BYTES
from belmont.zk.processes import spread
from belmont.zk.proof import Argument, Lengths, Reader, wide_points
from belmont.zk.prover import prove
from belmont.zk.transcript import Transcript
from belmont.zk.verification import verify as verify_argument

MAGIC: Final = b"BELMONT UPDATE\n"
VERSION: Final = 1
PROVE_SECONDS: Final = 0.03
"""About what one column of one chunk takes to be proven."""
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True)
class UpdateCommitment:
    """[X] of every chunk of one hospital's update, as `verify_update` gives it: nobody else makes one."""

    statement: UpdateStatement
    points: tuple[G1, ...]


@dataclass(frozen=True)
class UpdateProof:
    """A statement, the commitments to all columns, chunk by chunk, and the argument."""

    statement: UpdateStatement
    columns: tuple[G1, ...]
    argument: Argument

    def to_bytes(self) -> bytes:
        """The one encoding of this proof. The statement is there as its digest: who verifies has it from elsewhere."""
        return b"".join(
            (
                MAGIC,
                VERSION.to_bytes(2, "big"),
                self.statement.digest,
                *map(compressed, self.columns),
                self.argument.to_bytes(),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes, statement: UpdateStatement) -> "UpdateProof":
        """Read a proof of this statement. Raises ProofMalformed for anything but one proof's encoding, and ProofRefused
        (V1) for the proof of another statement."""
        shape = statement.shape
        reader = Reader(data)
        if reader.take(len(MAGIC)) != MAGIC or reader.number(2) != VERSION:
            raise ProofMalformed("not a proof of an update of this version")
        if reader.take(_DIGEST_BYTES) != statement.digest:
            raise ProofRefused("V1", "the proof states something else than was expected")
        if len(data) != proof_size(shape):
            raise ProofMalformed(f"a proof of this statement has {proof_size(shape)} bytes, not {len(data)}")
        columns = reader.points(shape.columns * shape.chunks)
        argument = Argument.read(reader, Lengths.of(shape.relation, shape.chunks, 0))
        reader.end()
        return cls(statement, columns, argument)


def proof_size(shape: Shape) -> int:
    """The bytes of a proof of this shape."""
    columns, lengths = shape.columns * shape.chunks, Lengths.of(shape.relation, shape.chunks, 0)
    points = columns + 2 * lengths.tables + lengths.lookups + 4 + lengths.openings
    scalars = columns + lengths.tables + 2
    return len(MAGIC) + 2 + _DIGEST_BYTES + COMPRESSED_BYTES * points + WORD_BYTES * scalars


def prove_update(
    committed: CommittedUpdate,
    tell: Callable[[int], None] = lambda done: None,
    check: bool = True,
    processes: int = 1,
) -> UpdateProof:
    """Prove that a committed update is within its bounds.

    Raises WitnessError if it is not, and WorkerLost. Without ``check`` it proves what is not true, and nobody
    believes it.
    """
    statement = committed.statement
    shape = statement.shape
    if check:
        check_bounds(committed.opening.vector, shape)
    provers = [ChunkProver(shape.relation, c, chunk, None, check) for c, chunk in enumerate(committed.witness)]
    transcript = start_transcript(statement, committed.columns)
    with spread(provers, processes, tell, PROVE_SECONDS * shape.columns) as chunks:
        argument = prove(shape.relation, chunks, 0, committed.columns, transcript, check)
    return UpdateProof(statement, committed.columns, argument)


def verify_update(proof: UpdateProof, statement: UpdateStatement) -> UpdateCommitment:
    """What the hospital is bound to, if the proof shows ``statement``, which the caller has from its own view of the
    chain. Raises ProofRefused."""
    if proof.statement != statement:
        raise ProofRefused("V1", "the proof states something else than was expected")
    shape = statement.shape
    verify_argument(
        shape.relation,
        shape.chunks,
        0,
        shape.rows_total,
        proof.columns,
        (),
        proof.argument,
        start_transcript(statement, proof.columns),
    )
    return UpdateCommitment(statement, shape.packed_commitments(proof.columns))


def start_transcript(statement: UpdateStatement, columns: Sequence[G1]) -> Transcript:
    """U2, up to the first challenge."""
    transcript = Transcript(LABEL)
    transcript.absorb("statement", statement.words())
    transcript.absorb("columns", wide_points(tuple(columns)))
    return transcript
