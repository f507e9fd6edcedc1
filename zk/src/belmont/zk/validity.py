"""Validity proofs: their statement, prover, and encoding. Verify one with `belmont.zk.verifiers.native`.

table = commit_table(layout, codes, pseudonyms)
for proof in prove_table(table, chain_id, contract, owner, dataset, version):
    ...                                  # each covers some chunks; together they cover the table
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from belmont.zk.chunk_prover import ChunkProver
from belmont.zk.commitment import CommittedTable
from belmont.zk.curve import COMPRESSED_BYTES, G1, compressed, wide
from belmont.zk.errors import LayoutError, ProofMalformed, ProofRefused
from belmont.zk.field import word
from belmont.zk.layout import MAX_LAYOUT_BYTES, Layout
from belmont.zk.processes import spread
from belmont.zk.proof import Argument, Lengths, Reader, wide_points
from belmont.zk.prover import prove
from belmont.zk.statement import ADDRESS_BYTES, HASH_BYTES, LABEL, Statement
from belmont.zk.transcript import Transcript

MAGIC: Final = b"BELMONT PROOF\n"
VERSION: Final = 1
MOST_COLUMNS: Final = 256
"""Column chunks in one proof, as the contract takes them."""
MAX_PROOF_BYTES: Final = 1 << 20
PROVE_SECONDS: Final = 0.03
"""About what one column of one chunk takes to be proven."""


@dataclass(frozen=True)
class ValidityProof:
    """A statement, the commitments that it is about, and the argument. ``previous`` has at most one point."""

    statement: Statement
    columns: tuple[G1, ...]
    previous: tuple[G1, ...]
    argument: Argument

    def to_bytes(self) -> bytes:
        """The one encoding of this proof (docs/protocol.md, "File")."""
        s = self.statement
        layout = s.layout.to_bytes()
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
                s.version.to_bytes(8, "big"),
                s.first.to_bytes(4, "big"),
                s.chunks.to_bytes(4, "big"),
                s.rows.to_bytes(8, "big"),
                *map(compressed, self.columns),
                *map(compressed, self.previous),
                self.argument.to_bytes(),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "ValidityProof":
        """Read a proof. Raises ProofMalformed for whatever is not exactly one proof's encoding."""
        if len(data) > MAX_PROOF_BYTES:
            raise ProofMalformed(f"a proof has at most {MAX_PROOF_BYTES} bytes")
        reader = Reader(data)
        if reader.take(len(MAGIC)) != MAGIC or reader.number(2) != VERSION:
            raise ProofMalformed("not a proof of this version")
        size = reader.number(2)
        if size > MAX_LAYOUT_BYTES:
            raise ProofMalformed("the layout is too long")
        try:
            layout = Layout.from_bytes(reader.take(size))
            chain_id = reader.number(32)
            contract, owner = reader.take(ADDRESS_BYTES), reader.take(ADDRESS_BYTES)
            dataset, version = reader.take(HASH_BYTES), reader.number(8)
            first, chunks, rows = reader.number(4), reader.number(4), reader.number(8)
            statement = Statement(chain_id, contract, owner, dataset, version, layout, first, chunks, rows)
        except (LayoutError, ProofRefused) as error:
            raise ProofMalformed(str(error)) from error
        relation = layout.relation
        reader.need(relation.columns * chunks * COMPRESSED_BYTES)
        columns = reader.points(relation.columns * chunks)
        previous = reader.points(1 if first else 0)
        argument = Argument.read(reader, Lengths.of(relation, chunks, first))
        reader.end()
        return cls(statement, columns, previous, argument)

    @property
    def size(self) -> int:
        """Bytes of the argument alone, without the commitments that the chain has anyway."""
        return len(self.argument.to_bytes())


def start_transcript(statement: Statement, columns: Sequence[G1], previous: Sequence[G1]) -> Transcript:
    """P1, up to the first challenge."""
    transcript = Transcript(LABEL)
    transcript.absorb("statement", statement.words())
    transcript.absorb("columns", wide_points(tuple(columns)))
    transcript.absorb("previous", b"".join(map(wide, previous)))
    return transcript


def prove_part(
    table: CommittedTable,
    statement: Statement,
    tell: Callable[[int], None] = lambda done: None,
    check: bool = True,
    processes: int = 1,
) -> ValidityProof:
    """The proof of one part of a table. Raises WitnessError (see `prover.prove`) and WorkerLost."""
    layout, first, count = table.layout, statement.first, statement.chunks
    columns = table.of_chunks(first, count)
    s = layout.pseudonym
    previous = [table.commitments[s][first - 1]] if first else []
    provers = [
        ChunkProver(
            layout.relation, c, table.witness[first + c], table.witness[first + c - 1][s] if first + c else None, check
        )
        for c in range(count)
    ]
    transcript = start_transcript(statement, columns, previous)
    with spread(provers, processes, tell, PROVE_SECONDS * layout.committed) as chunks:
        argument = prove(layout.relation, chunks, first, columns, transcript, check)
    return ValidityProof(statement, tuple(columns), tuple(previous), argument)


def evaluations_given(statement: Statement) -> Mapping[tuple[int, int], int]:
    """How many evaluations of each (committed column, chunk) a proof of this statement gives away (P5)."""
    layout, s = statement.layout, statement.layout.pseudonym
    found: Counter[tuple[int, int]] = Counter()
    for c in range(statement.first, statement.first + statement.chunks):
        found.update((column, c) for column in range(layout.committed))  # at zeta
        found[s, c] += 1  # at zeta / w
        if c:
            found[s, c - 1] += 1  # at w^(A-1)·zeta: for the first chunk, of one that another proof covers
    return found


def parts_of(table: CommittedTable, most_columns: int = MOST_COLUMNS) -> list[tuple[int, int, int]]:
    """(first, chunks, rows) of each part, so that no part has more than ``most_columns`` column chunks."""
    step = max(1, most_columns // table.layout.committed)
    parts = []
    for first in range(0, table.chunks, step):
        count = min(step, table.chunks - first)
        rows = sum(table.witness[c][0].sum() for c in range(first, first + count))
        parts.append((first, count, rows))
    return parts


def prove_table(
    table: CommittedTable,
    chain_id: int,
    contract: bytes,
    owner: bytes,
    dataset: bytes,
    version: int,
    most_columns: int = MOST_COLUMNS,
    tell: Callable[[int], None] = lambda done: None,
    processes: int = 1,
) -> Iterator[ValidityProof]:
    """Every part of a table, in order."""
    for first, count, rows in parts_of(table, most_columns):
        statement = Statement(chain_id, contract, owner, dataset, version, table.layout, first, count, rows)
        yield prove_part(table, statement, tell, processes=processes)
