"""Proving a registered version on chain, part by part.

    table = commit_table(Layout.from_bytes(dictionary.layout), codes, pseudonyms)
    number = registry.add_version(dataset_id, cid, table.rows, table.root, consent_root)
    prove_on_chain(registry, dataset_id, number, table, dictionary.text_hash)

A part that the chain accepted stays accepted: after a crash the same call, with the same table, goes on from there.
"""

from collections.abc import Callable

from belmont.registry.errors import RegistryArgumentError, RegistryRefused
from belmont.registry.proofs import reached_by
from belmont.registry.protocol import Registry
from belmont.registry.reasons import WriteRefusal
from belmont.registry.types import DatasetId, PartStart, VersionStatus
from belmont.zk.commitment import CommittedTable, column_hash
from belmont.zk.curve import wide
from belmont.zk.layout import Layout
from belmont.zk.statement import Statement
from belmont.zk.validity import ValidityProof, parts_of, prove_part

PART_COLUMNS = 128
"""Column chunks in one part. The contract takes 256; the embedded chain stops a transaction after two seconds, and half
as many columns take it half a second."""

Prove = Callable[[CommittedTable, Statement], ValidityProof]
Tell = Callable[[int, int], None]


def prove_on_chain(
    registry: Registry,
    dataset_id: DatasetId,
    number: int,
    table: CommittedTable,
    text_hash: bytes,
    tell: Tell = lambda done, of: None,
    prove: Prove = prove_part,
) -> list[ValidityProof]:
    """Proves what is left to prove of a version, and returns the proofs that were sent.

    ``tell`` hears how many chunks are proven, of how many. Raises ``RegistryArgumentError`` when the version is not the
    table's, and what ``registry`` and ``belmont.zk`` raise.
    """
    dataset, version = registry.dataset(dataset_id), registry.version(dataset_id, number)
    if dataset is None or version is None or (version.rows, version.commitments_root) != (table.rows, table.root):
        raise RegistryArgumentError("The version was not registered with this table's rows and commitments.")
    if version.status is VersionStatus.PROVEN:
        return []
    ensure_tables(registry, table.layout)
    domain, owner = registry.proof_domain, bytes.fromhex(dataset.holder.removeprefix("0x"))
    parts = parts_of(table, PART_COLUMNS)
    start, done = _reached(registry, dataset_id, number, table, parts)
    sent = []
    for first, chunks, rows in parts[done:]:
        tell(first, table.chunks)
        statement = Statement(
            domain.chain_id, domain.contract, owner, dataset_id, number, table.layout, first, chunks, rows
        )
        proof = prove(table, statement)
        registry.prove_version(dataset_id, number, text_hash, proof, start)
        start = reached_by(proof, start)
        sent.append(proof)
    tell(table.chunks, table.chunks)
    return sent


def ensure_tables(registry: Registry, layout: Layout) -> None:
    """Registers a layout's tables where nobody did."""
    if registry.has_tables(layout.hash):
        return
    try:
        registry.register_tables(layout)
    except RegistryRefused as refusal:
        # Somebody else was quicker, and there is only one way to compute them.
        if refusal.code is not WriteRefusal.TABLES_EXIST:
            raise


def start_at(table: CommittedTable, chunks: int, rows: int) -> PartStart:
    """Where the part after ``chunks`` chunks of a table, with ``rows`` rows, starts."""
    if chunks == 0:
        return PartStart()
    hashes = tuple(column_hash(column[:chunks]) for column in table.commitments)
    return PartStart(chunks, rows, hashes, wide(table.commitments[table.layout.pseudonym][chunks - 1]))


def _reached(
    registry: Registry, dataset_id: DatasetId, number: int, table: CommittedTable, parts: list[tuple[int, int, int]]
) -> tuple[PartStart, int]:
    """The furthest start that the chain accepts, and how many parts lie before it."""
    rows = [0]
    for part in parts:
        rows.append(rows[-1] + part[2])
    for done in range(len(parts) - 1, 0, -1):
        start = start_at(table, parts[done][0], rows[done])
        if registry.is_reached(dataset_id, number, start):
            return start, done
    return PartStart(), 0
