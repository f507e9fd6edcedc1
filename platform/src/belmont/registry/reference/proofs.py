"""The rules of ``Proofs.vy``, in its order of checks; the proof itself is verified by ``belmont.zk``."""

import hashlib
from dataclasses import replace

from belmont.registry.hashes import part_mark
from belmont.registry.limits import CHUNK_ROWS, PART_COLUMNS_MAX
from belmont.registry.proofs import reached_by
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference import datasets
from belmont.registry.reference.world import World, known, require
from belmont.registry.types import ZERO_HASH, Address, DatasetId, PartStart, VersionStatus
from belmont.zk.commitment import root_of
from belmont.zk.errors import ProofRefused
from belmont.zk.layout import Layout
from belmont.zk.proof import wide_points
from belmont.zk.statement import Statement
from belmont.zk.validity import ValidityProof
from belmont.zk.verifiers import native


def register_tables(world: World, by: Address, layout: Layout) -> None:
    require(layout.hash not in world.tables, W.TABLES_EXIST)
    world.tables[layout.hash] = layout
    world.emit("Proofs", "TablesRegistered", by, layout_hash=layout.hash, columns=layout.committed)


def prove(
    world: World, by: Address, id_: DatasetId, number: int, text_hash: bytes, proof: ValidityProof, start: PartStart
) -> None:
    stated = proof.statement
    layout, chunks, rows = stated.layout, stated.chunks, stated.rows
    version = known(world.versions.get((id_, number)), W.VERSION_UNKNOWN)
    require(version.status is VersionStatus.REGISTERED, W.ALREADY_PROVEN)
    dataset = world.datasets[id_]
    require(hashlib.sha256(layout.hash + text_hash).digest() == dataset.dictionary_hash, W.DICTIONARY_MISMATCH)
    require(layout.hash in world.tables, W.TABLES_MISSING)
    require(1 <= chunks <= PART_COLUMNS_MAX // layout.committed, W.CHUNKS_INVALID)
    total = -(-version.rows // CHUNK_ROWS)
    require(start.chunks < total and chunks <= total - start.chunks, W.CHUNKS_INVALID)
    start = replace(start, previous=wide_points(proof.previous))
    if start.chunks:
        require(part_mark(id_, number, start) in world.reached, W.PART_OUT_OF_PLACE)
    else:
        require(not start.rows and not start.column_hashes, W.PART_OUT_OF_PLACE)
    require(len(proof.columns) == chunks * layout.committed, W.PROOF_MALFORMED)
    reached = reached_by(proof, start)
    if reached.chunks == total:
        require(reached.rows == version.rows, W.ROWS_MISMATCH)
        require(root_of(total, reached.column_hashes) == version.commitments_root, W.COMMITMENTS_MISMATCH)
    domain = world.proof_domain
    owner = bytes.fromhex(dataset.holder.removeprefix("0x"))
    expected = Statement(domain.chain_id, domain.contract, owner, id_, number, layout, start.chunks, chunks, rows)
    _verify(replace(proof, statement=expected))
    mark = ZERO_HASH
    if reached.chunks < total:
        mark = part_mark(id_, number, reached)
        world.reached[mark] = True
    world.emit(
        "Proofs",
        "PartAccepted",
        by,
        dataset=id_,
        number=number,
        first=start.chunks,
        chunks=chunks,
        rows=rows,
        reached=mark,
    )
    if reached.chunks == total:
        datasets.mark_proven(world, id_, number)
        world.emit("Proofs", "VersionProven", by, dataset=id_, number=number)


def _verify(proof: ValidityProof) -> None:
    """The native verifier's word, in the contract's."""
    try:
        native.verify(proof)
    except ProofRefused as error:
        at_infinity = error.step == "V3" and "infinity" in str(error)
        reasons = {"V2": W.PROOF_MALFORMED, "V3": W.COMMITMENT_AT_INFINITY if at_infinity else W.SCALAR_INVALID}
        require(False, reasons.get(error.step, W.PROOF_INVALID))
