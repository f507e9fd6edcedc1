"""The rules of ``Totals.vy``, in its order of checks; the total itself is verified by ``belmont.zk``."""

import hashlib

from belmont.registry.claims import TotalClaim, TotalPart
from belmont.registry.hashes import participants_hash, query_hash
from belmont.registry.limits import CHUNK_ROWS, TOTAL_CHUNKS_MAX, TOTAL_HOSPITALS_MIN
from belmont.registry.reasons import Reason
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference.uses import opened_under
from belmont.registry.reference.world import World, known, require
from belmont.registry.types import (
    Address,
    AnswerMode,
    DatasetId,
    DatasetVersion,
    PublishedTotal,
    StudyId,
    UseKind,
    VersionStatus,
)
from belmont.zk.commitment import root_of
from belmont.zk.curve import COMPRESSED_BYTES, G1, WIDE_BYTES, add_all, is_infinity, parse_compressed, parse_wide
from belmont.zk.errors import ProofMalformed
from belmont.zk.layout import Kind
from belmont.zk.totals import total_holds

_NO_FILTER = b'"where":[]}'


def publish(world: World, by: Address, claim: TotalClaim) -> None:
    permit_id, n, column = claim.permit_id, claim.n, claim.column
    study = known(world.studies.get(StudyId(permit_id)), W.NOT_THE_APPLICANT)
    require(by == study.data_user, W.NOT_THE_APPLICANT)
    permit = known(world.permits.get(permit_id), Reason.PERMIT_MISSING)
    require(permit.line not in world.revoked_lines, Reason.PERMIT_REVOKED)
    require(study.terms.answer_mode is AnswerMode.EXACT, W.ANSWER_NOT_EXACT)
    require((permit_id, n, column) not in world.totals, W.TOTAL_EXISTS)
    _check_question(world, claim)
    require(len(claim.participants) >= TOTAL_HOSPITALS_MIN, Reason.TOO_FEW_HOSPITALS)
    require(len(claim.parts) == len(claim.participants), Reason.PARTICIPANTS_MISMATCH)
    asked = claim.question
    width = _width_of(column, asked.layout)
    dictionary = hashlib.sha256(hashlib.sha256(asked.layout).digest() + asked.text_hash).digest()
    rows, sums = 0, []
    for id_, part in zip(claim.participants, claim.parts, strict=True):
        version = _check_version(world, claim, id_, part.version, dictionary)
        rows += version.rows
        sums.append(_sum_of(version, column, part))
    require(claim.total <= rows * width, W.TOTAL_OUT_OF_RANGE)
    _check_opening(sums, claim.total, rows * width, claim.opening)
    world.totals[permit_id, n, column] = PublishedTotal(
        permit_id, n, column, claim.total, rows, asked.text, by, world.number, world.now
    )
    world.emit(
        "Totals",
        "TotalProved",
        by,
        permit=permit_id,
        n=n,
        column=column,
        total=claim.total,
        rows=rows,
        question=asked.text,
    )


def _check_question(world: World, claim: TotalClaim) -> None:
    opened = known(opened_under(world, claim.permit_id, UseKind.QUERY, claim.n), Reason.QUERY_NOT_OPEN)
    require(opened.participants_hash == participants_hash(claim.participants), Reason.PARTICIPANTS_MISMATCH)
    asked = claim.question
    require(len(asked.text) >= len(_NO_FILTER), Reason.QUERY_MISMATCH)
    require(asked.text.endswith(_NO_FILTER), W.QUESTION_FILTERED)
    hashed = query_hash(asked.text, asked.context_hash, claim.permit_id, claim.n, claim.participants)
    require(hashed == opened.subject_hash, Reason.QUERY_MISMATCH)


def _check_version(world: World, claim: TotalClaim, id_: DatasetId, number: int, dictionary: bytes) -> DatasetVersion:
    """The version that a participant answered over."""
    line = world.permits[claim.permit_id].line
    answered = known(world.recorded.get((line, UseKind.QUERY, claim.n, id_)), W.ANSWER_MISSING)
    version = known(world.versions.get((id_, number)), Reason.DATASET_UNPROVEN)
    require(version.status is VersionStatus.PROVEN, Reason.DATASET_UNPROVEN)
    require(world.datasets[id_].dictionary_hash == dictionary, W.DICTIONARY_MISMATCH)
    require(number == answered.version, Reason.VERSION_STALE)
    return version


def _sum_of(version: DatasetVersion, column: int, part: TotalPart) -> G1:
    """The sum of a column's commitments."""
    chunks = -(-version.rows // CHUNK_ROWS)
    require(chunks <= TOTAL_CHUNKS_MAX and len(part.commitments) == WIDE_BYTES * chunks, W.CHUNKS_INVALID)
    require(column < len(part.column_hashes), W.COLUMN_INVALID)
    points = [part.commitments[at : at + WIDE_BYTES] for at in range(0, len(part.commitments), WIDE_BYTES)]
    hashed = bytes(32)
    for point in points:
        hashed = hashlib.sha256(hashed + point).digest()
    require(hashed == part.column_hashes[column], W.COMMITMENTS_MISMATCH)
    require(root_of(chunks, part.column_hashes) == version.commitments_root, W.COMMITMENTS_MISMATCH)
    return add_all([parse_wide(point) for point in points])


def _width_of(column: int, layout: bytes) -> int:
    """The highest code of a committed column."""
    if column == 0:
        return 1
    require(len(layout) > 3 and len(layout) == 3 + 3 * int.from_bytes(layout[1:3]), W.LAYOUT_INVALID)
    place = 1
    for at in range(3, len(layout), 3):
        if layout[at] == Kind.RANGE_OR_MISSING:
            if place == column:
                return 1
            place += 1
        if place == column:
            return int.from_bytes(layout[at + 1 : at + 3])
        place += 1
    return known(None, W.COLUMN_INVALID)


def _check_opening(commitments: list[G1], total: int, bound: int, opening: bytes) -> None:
    require(len(opening) == COMPRESSED_BYTES, W.PROOF_MALFORMED)
    require(not is_infinity(add_all(commitments)), W.COMMITMENT_AT_INFINITY)
    try:
        holds = total_holds(commitments, [parse_compressed(opening)], total, bound)
    except ProofMalformed:
        holds = False
    require(holds, W.TOTAL_REFUTED)
