"""Fresh blinding for a registered table, with a proof that not a single row has changed (docs/protocol.md, "Refresh").

    new = refresh_table(old)
    proof = prove_refresh(old, new, statement_of(old, new, chain_id, contract, owner, dataset, 1, 2))
    verify_refresh(proof, expected)          # raises ProofRefused

1. F = sum rho^k (C'_k - C_k) over all columns of all chunks, with rho drawn after all of them: if F is 0 on every data
   row, so is every single difference.
2. F is 0 on the data rows if F = Z_A·b. The prover commits to b before zeta is drawn; F - Z_A(zeta)·b opens to 0
   there.
3. F opens to 0 at 0. Where the data rows agree, this is the sum of the blinding's differences: if the blinding of the
   old commitments adds up to zero, so does that of the new ones.

So whatever was proven of the old version holds for the new one. Everything sent follows from the commitments by
division in the exponent; no value of any column is given away, so this costs no opening budget, and the new root begins
its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from belmont.zk import evaluations
from belmont.zk.commitment import CommittedTable, Tell, column_hash, commit_columns, root_of
from belmont.zk.curve import COMPRESSED_BYTES, G1, compressed, is_infinity, multiply_sum, pairing_holds
from belmont.zk.errors import CommitmentMismatch, LayoutError, ProofMalformed, ProofRefused, WitnessError
from belmont.zk.field import (
    ORDER,
    A,
    B,
    N,
    Point,
    blinding_factors,
    evaluate_on_domain,
    interpolate_on_blinding_rows,
    word,
)
from belmont.zk.layout import MAX_LAYOUT_BYTES, Layout
from belmont.zk.proof import Reader, wide_points
from belmont.zk.srs import CEREMONY_DIGEST, reference_string
from belmont.zk.statement import ADDRESS_BYTES, CHUNKS_BELOW, HASH_BYTES
from belmont.zk.transcript import Transcript
from belmont.zk.witness import new_seed

LABEL: Final = "belmont/refresh/v1"
MAGIC: Final = b"BELMONT REFRESH\n"
VERSION: Final = 1
MAX_PROOF_BYTES: Final = 16 << 20


@dataclass(frozen=True)
class RefreshStatement:
    """The commitments under ``new_root`` are to the same rows as those under ``old_root``. Addresses are raw bytes."""

    chain_id: int
    contract: bytes
    owner: bytes
    dataset: bytes
    layout: Layout
    old_version: int
    new_version: int
    chunks: int
    old_root: bytes
    new_root: bytes

    def __post_init__(self) -> None:
        if not 1 <= self.chunks < CHUNKS_BELOW:
            raise ProofRefused("V1", "a table has at least one chunk, and they are numbered in four bytes")
        if not 0 <= self.chain_id < 1 << 256 or not all(0 <= v < 1 << 64 for v in (self.old_version, self.new_version)):
            raise ProofRefused("V1", "the chain id or a version's number is out of range")
        if any(len(each) != ADDRESS_BYTES for each in (self.contract, self.owner)):
            raise ProofRefused("V1", "an address is 20 bytes")
        if any(len(each) != HASH_BYTES for each in (self.dataset, self.old_root, self.new_root)):
            raise ProofRefused("V1", "a dataset id and a root are 32 bytes")

    def words(self) -> bytes:
        """The words that the transcript absorbs first."""
        addresses = (bytes(12) + self.contract, bytes(12) + self.owner)
        before = (CEREMONY_DIGEST, word(N), word(B), word(self.chain_id), *addresses, self.dataset, self.layout.hash)
        versions = (word(self.old_version), word(self.new_version), word(self.chunks), self.old_root, self.new_root)
        return b"".join((*before, *versions))


@dataclass(frozen=True)
class RefreshProof:
    """``old`` and ``new`` are all commitments of both tables, chunk by chunk."""

    statement: RefreshStatement
    old: tuple[G1, ...]
    new: tuple[G1, ...]
    quotient: G1
    at_zeta: G1
    at_zero: G1

    def to_bytes(self) -> bytes:
        """The one encoding: what is stated except the roots, which follow from the points, then the points."""
        s = self.statement
        layout = s.layout.to_bytes()
        versions = s.old_version.to_bytes(8, "big") + s.new_version.to_bytes(8, "big") + s.chunks.to_bytes(4, "big")
        points = (*self.old, *self.new, self.quotient, self.at_zeta, self.at_zero)
        return b"".join(
            (
                MAGIC,
                VERSION.to_bytes(2, "big"),
                len(layout).to_bytes(2, "big"),
                layout,
                word(s.chain_id),
                s.contract,
                s.owner,
                s.dataset,
                versions,
                *map(compressed, points),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "RefreshProof":
        """Read a proof. Raises ProofMalformed for whatever is not exactly one proof's encoding."""
        if len(data) > MAX_PROOF_BYTES:
            raise ProofMalformed(f"a proof has at most {MAX_PROOF_BYTES} bytes")
        reader = Reader(data)
        if reader.take(len(MAGIC)) != MAGIC or reader.number(2) != VERSION:
            raise ProofMalformed("not a refresh of this version")
        size = reader.number(2)
        if size > MAX_LAYOUT_BYTES:
            raise ProofMalformed("the layout is too long")
        try:
            layout = Layout.from_bytes(reader.take(size))
            chain_id, contract, owner = reader.number(32), reader.take(ADDRESS_BYTES), reader.take(ADDRESS_BYTES)
            dataset, old_version, new_version = reader.take(HASH_BYTES), reader.number(8), reader.number(8)
            chunks = reader.number(4)
            count = layout.committed * chunks
            reader.need((2 * count + 3) * COMPRESSED_BYTES)
            old, new = reader.points(count), reader.points(count)
            roots = [_root(points, layout, chunks) for points in (old, new)]
            statement = RefreshStatement(
                chain_id, contract, owner, dataset, layout, old_version, new_version, chunks, *roots
            )
        except (LayoutError, ProofRefused) as error:
            raise ProofMalformed(str(error)) from error
        proof = cls(statement, old, new, reader.point(), reader.point(), reader.point())
        reader.end()
        return proof


def refresh_table(table: CommittedTable, tell: Tell = lambda done, of: None, processes: int = 1) -> CommittedTable:
    """The same rows under fresh blinding."""
    columns = [np.concatenate([chunk[j].codes for chunk in table.witness]) for j in range(table.layout.committed)]
    return commit_columns(table.layout, table.rows, columns, new_seed(), tell, processes)


def statement_of(
    old: CommittedTable,
    new: CommittedTable,
    chain_id: int,
    contract: bytes,
    owner: bytes,
    dataset: bytes,
    old_version: int,
    new_version: int,
) -> RefreshStatement:
    """What is stated of two tables."""
    return RefreshStatement(
        chain_id, contract, owner, dataset, old.layout, old_version, new_version, old.chunks, old.root, new.root
    )


def prove_refresh(
    old: CommittedTable, new: CommittedTable, statement: RefreshStatement, check: bool = True
) -> RefreshProof:
    """Prove it. Raises WitnessError for other rows and CommitmentMismatch for blinding that is not fresh.

    Without ``check`` it proves what is not true, and nobody believes it.
    """
    old_points, new_points = old.of_chunks(0, old.chunks), new.of_chunks(0, new.chunks)
    if len(old_points) != len(new_points):
        raise WitnessError("the tables have different numbers of columns or chunks")
    if check and any(a == b for a, b in zip(old_points, new_points, strict=True)):
        raise CommitmentMismatch("a column has the blinding that it had: nothing would be fresh")
    transcript = _start(statement, old_points, new_points)
    rho = transcript.draw("rho")
    f = _combined_difference(old, new, rho)
    if check and any(f[:A]):
        raise WitnessError("the rows have changed: register a new version and prove it")
    z_a_inverse = blinding_factors()[1]
    b = interpolate_on_blinding_rows([x * i % ORDER for x, i in zip(f[A:], z_a_inverse, strict=True)])
    quotient = multiply_sum(reference_string().powers(B), b)
    transcript.absorb("quotient", wide_points((quotient,)))
    at = Point(transcript.draw("zeta"))
    rest = [(x - at.z_a * y) % ORDER for x, y in zip(f, evaluate_on_domain(b), strict=True)]
    at_zeta, _ = evaluations.open_at(rest, at.zeta)
    at_zero, _ = evaluations.open_at(f, 0)
    return RefreshProof(statement, tuple(old_points), tuple(new_points), quotient, at_zeta, at_zero)


def verify_refresh(proof: RefreshProof, expected: RefreshStatement) -> None:
    """Raise ProofRefused unless the proof shows ``expected``, which the caller has from its own view of the chain.

    The caller also sees to the versions: the old one is proven, and the new one states as many rows.
    """
    s = proof.statement
    if s != expected:
        raise ProofRefused("V1", "the proof states something else than was expected")
    if not len(proof.old) == len(proof.new) == s.layout.committed * s.chunks:
        raise ProofRefused("V2", "not as many commitments as the statement has columns")
    if [_root(points, s.layout, s.chunks) for points in (proof.old, proof.new)] != [s.old_root, s.new_root]:
        raise ProofRefused("V1", "the commitments are not those of the registered versions")
    if s.old_root == s.new_root or any(map(is_infinity, (*proof.old, *proof.new))):
        raise ProofRefused("V3", "a commitment is the point at infinity, or nothing has changed")
    transcript = _start(s, proof.old, proof.new)
    rho = transcript.draw("rho")
    transcript.absorb("quotient", wide_points((proof.quotient,)))
    try:
        at = Point(transcript.draw("zeta"))
    except ValueError as error:
        raise ProofRefused("V4", str(error)) from error
    transcript.absorb("openings", wide_points((proof.at_zeta, proof.at_zero)))
    fold = transcript.draw("fold")
    # F - Z_A(zeta)·b + zeta·pi, and with "fold" F + 0·pi_0
    powers, power = [], (1 + fold) % ORDER
    for _ in proof.old:
        powers.append(power)
        power = power * rho % ORDER
    left = multiply_sum(
        [*proof.new, *proof.old, proof.quotient, proof.at_zeta],
        [*powers, *(-x for x in powers), -at.z_a, at.zeta],
    )
    srs = reference_string()
    if not pairing_holds(left, multiply_sum([proof.at_zeta, proof.at_zero], [1, fold]), srs.tau, srs.g2):
        raise ProofRefused("V8", "the new commitments are not to the rows of the old ones")


def _start(statement: RefreshStatement, old: Sequence[G1], new: Sequence[G1]) -> Transcript:
    transcript = Transcript(LABEL)
    transcript.absorb("statement", statement.words())
    transcript.absorb("old", wide_points(tuple(old)))
    transcript.absorb("new", wide_points(tuple(new)))
    return transcript


def _combined_difference(old: CommittedTable, new: CommittedTable, rho: int) -> list[int]:
    """F on all N rows."""
    data, blinding, power = [0] * A, [0] * B, 1
    for old_chunk, new_chunk in zip(old.witness, new.witness, strict=True):
        for before, after in zip(old_chunk, new_chunk, strict=True):
            for i in np.flatnonzero(before.codes != after.codes).tolist():
                data[i] += power * (int(after.codes[i]) - int(before.codes[i]))
            blinding = [f + power * (y - x) for f, x, y in zip(blinding, before.blinding, after.blinding, strict=True)]
            power = power * rho % ORDER
    return [x % ORDER for x in (*data, *blinding)]


def _root(points: Sequence[G1], layout: Layout, chunks: int) -> bytes:
    width = layout.committed
    return root_of(chunks, [column_hash(points[c * width + j] for c in range(chunks)) for j in range(width)])
