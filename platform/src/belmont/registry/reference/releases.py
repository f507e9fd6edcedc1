"""The rules of ``Releases.vy``, in its order of checks."""

from dataclasses import replace

from belmont.registry.reasons import Reason
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference import permits, uses
from belmont.registry.reference.members import board_quorum, is_active
from belmont.registry.reference.settings import is_paused, setting
from belmont.registry.reference.world import World, known, require
from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import ZERO_HASH, Address, PermitId, Role, StudyId, UseKind


def release(
    world: World,
    by: Address,
    permit_id: PermitId,
    model_hash: bytes,
    evaluated_round: int,
    card_hash: bytes,
    evidence_hash: bytes,
) -> None:
    _check_permit(world, permit_id)
    study = world.studies[StudyId(permit_id)]
    require(by == study.data_user, W.NOT_THE_APPLICANT)
    require(is_active(world, by, Role.DATA_USER), Reason.DATA_USER_INACTIVE)
    require((permit_id, model_hash) not in world.releases, W.RELEASE_EXISTS)
    require(card_hash != ZERO_HASH and evidence_hash != ZERO_HASH, W.HASH_MISSING)
    opened = known(uses.opened_under(world, permit_id, UseKind.ROUND, evaluated_round), Reason.ROUND_NOT_OPEN)
    require(opened.subject_hash == model_hash, Reason.MODEL_MISMATCH)
    recorded = uses.recorded_in(world, permit_id, evaluated_round)
    require(len(recorded) >= study.terms.min_hospitals, Reason.TOO_FEW_HOSPITALS)
    until = world.now + setting(world, Rule.OBJECTION_SECONDS)
    world.releases[permit_id, model_hash] = ModelRelease(
        permit_id=permit_id,
        model_hash=model_hash,
        data_user=by,
        evaluated_round=evaluated_round,
        card_hash=card_hash,
        evidence_hash=evidence_hash,
        announced_at=world.now,
        objections_until=until,
        status=ReleaseStatus.ANNOUNCED,
    )
    fields = {"evaluated_round": evaluated_round, "card_hash": card_hash, "evidence_hash": evidence_hash}
    _emit(world, "ModelReleased", by, permit_id, model_hash, **fields, objections_until=until)


def object_to(world: World, by: Address, permit_id: PermitId, model_hash: bytes, reason_hash: bytes) -> None:
    found = _known(world, permit_id, model_hash)
    require(_is_involved(world, by, permit_id), W.NOT_INVOLVED)
    now = status(world, permit_id, model_hash)
    require(now is not ReleaseStatus.WITHDRAWN, W.RELEASE_CLOSED)
    is_open = world.now < found.objections_until
    require(
        now is ReleaseStatus.ANNOUNCED or (now is ReleaseStatus.OBJECTED and is_open),
        W.OBJECTIONS_CLOSED,
    )
    require(by not in found.objections, W.ALREADY_OBJECTED)
    world.releases[permit_id, model_hash] = replace(found, objections=(*found.objections, by))
    _emit(world, "ReleaseObjected", by, permit_id, model_hash, reason_hash=reason_hash)


def vote_confirm(world: World, by: Address, permit_id: PermitId, model_hash: bytes) -> None:
    found = _contested(world, permit_id, model_hash)
    require(is_active(world, by, Role.ETHICS_BOARD), W.NOT_ETHICS_BOARD)
    require(by not in world.studies[StudyId(permit_id)].recused, W.RECUSED)
    require(by not in found.confirmations, W.ALREADY_VOTED)
    found = replace(found, confirmations=(*found.confirmations, by))
    world.releases[permit_id, model_hash] = found
    _emit(world, "ConfirmationSupported", by, permit_id, model_hash)
    if _is_carried(world, found):
        _final(world, "ReleaseConfirmed", by, permit_id, model_hash)


def tally_confirm(world: World, by: Address, permit_id: PermitId, model_hash: bytes) -> None:
    found = _contested(world, permit_id, model_hash)
    require(_is_carried(world, found), W.VOTE_UNDECIDED)
    _final(world, "ReleaseConfirmed", by, permit_id, model_hash)


def settle(world: World, by: Address, permit_id: PermitId, model_hash: bytes) -> None:
    found = _known(world, permit_id, model_hash)
    require(status(world, permit_id, model_hash) is ReleaseStatus.RELEASED, W.NOT_RELEASED)
    require(not found.released_at, W.ALREADY_SETTLED)
    _final(world, "ReleaseSettled", by, permit_id, model_hash)


def withdraw(world: World, by: Address, permit_id: PermitId, model_hash: bytes) -> None:
    found = _known(world, permit_id, model_hash)
    require(by == world.studies[StudyId(permit_id)].data_user, W.NOT_THE_APPLICANT)
    require(is_active(world, by, Role.DATA_USER), Reason.DATA_USER_INACTIVE)
    require(status(world, permit_id, model_hash) is not ReleaseStatus.WITHDRAWN, W.RELEASE_CLOSED)
    world.releases[permit_id, model_hash] = replace(found, withdrawn_at=world.now)
    _emit(world, "ReleaseWithdrawn", by, permit_id, model_hash)


def objection_count(world: World, permit_id: PermitId, model_hash: bytes) -> int:
    found = world.releases.get((permit_id, model_hash))
    return len(found.objections) if found else 0


def status(world: World, permit_id: PermitId, model_hash: bytes) -> ReleaseStatus:
    """How a model stands now."""
    found = world.releases.get((permit_id, model_hash))
    if found is None:
        return ReleaseStatus.NONE
    if found.withdrawn_at or _is_line_revoked(world, permit_id):
        return ReleaseStatus.WITHDRAWN
    if found.released_at:
        return ReleaseStatus.RELEASED
    if found.objections or _has_left(world, found):
        return ReleaseStatus.OBJECTED
    is_held = _is_frozen(world, permit_id) or is_paused(world)
    if world.now < found.objections_until or is_held:
        return ReleaseStatus.ANNOUNCED
    return ReleaseStatus.RELEASED


def _has_left(world: World, found: ModelRelease) -> bool:
    """Whether the data user, or a dataset that recorded the round, is not there any more."""
    if not is_active(world, found.data_user, Role.DATA_USER):
        return True
    recorded = uses.recorded_in(world, found.permit_id, found.evaluated_round)
    return not all(permits.is_covered(world, found.permit_id, id_) for id_ in recorded)


def _is_line_revoked(world: World, permit_id: PermitId) -> bool:
    return world.revoked_lines.get(world.permits[permit_id].line, False)


def _is_frozen(world: World, permit_id: PermitId) -> bool:
    """Whether the newest permit of the line is frozen."""
    permit = world.permits[permit_id]
    while permit.superseded_by:
        permit = world.permits[permit.superseded_by]
    return world.now < permit.frozen_until


def _is_involved(world: World, by: Address, permit_id: PermitId) -> bool:
    if is_active(world, by, Role.ETHICS_BOARD):
        return True
    named = world.studies[StudyId(permit_id)].terms.datasets
    return is_active(world, by, Role.DATA_HOLDER) and any(world.datasets[id_].holder == by for id_ in named)


def _check_permit(world: World, permit_id: PermitId) -> None:
    require(not is_paused(world), Reason.CONSORTIUM_PAUSED)
    known(world.permits.get(permit_id), Reason.PERMIT_MISSING)
    require(not _is_line_revoked(world, permit_id), Reason.PERMIT_REVOKED)
    require(not _is_frozen(world, permit_id), Reason.PERMIT_FROZEN)


def _known(world: World, permit_id: PermitId, model_hash: bytes) -> ModelRelease:
    return known(world.releases.get((permit_id, model_hash)), W.RELEASE_UNKNOWN)


def _contested(world: World, permit_id: PermitId, model_hash: bytes) -> ModelRelease:
    """A release that the board can vote on now."""
    found = _known(world, permit_id, model_hash)
    _check_permit(world, permit_id)
    require(status(world, permit_id, model_hash) is ReleaseStatus.OBJECTED, W.NOT_OBJECTED)
    require(world.now >= found.objections_until, W.OBJECTIONS_OPEN)
    return found


def _is_carried(world: World, found: ModelRelease) -> bool:
    return sum(is_active(world, each, Role.ETHICS_BOARD) for each in found.confirmations) >= board_quorum(world)


def _final(world: World, event: str, by: Address, permit_id: PermitId, model_hash: bytes) -> None:
    found = world.releases[permit_id, model_hash]
    world.releases[permit_id, model_hash] = replace(found, released_at=world.now)
    _emit(world, event, by, permit_id, model_hash)


def _emit(world: World, event: str, by: Address, permit_id: PermitId, model_hash: bytes, **details: object) -> None:
    world.emit("Releases", event, by, permit=permit_id, model_hash=model_hash, **details)
