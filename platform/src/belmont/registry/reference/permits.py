"""The rules of ``Permits.vy``, in its order of checks."""

from dataclasses import replace

from belmont.registry.limits import ISSUE_MAX_SECONDS
from belmont.registry.reasons import Reason
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference import identities
from belmont.registry.reference.members import board_quorum, is_active
from belmont.registry.reference.settings import is_paused, setting
from belmont.registry.reference.world import PermitRecord, World, known, require
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import Address, DatasetId, DatasetStatus, PermitId, Role, StudyId, StudyStatus


def issue(world: World, by: Address, study_id: StudyId) -> PermitId:
    require(not is_paused(world), Reason.CONSORTIUM_PAUSED)
    permit_id = PermitId(study_id)
    study = known(world.studies.get(study_id), W.STUDY_UNKNOWN)
    require(permit_id not in world.permits, W.PERMIT_EXISTS)
    require(study.status is StudyStatus.APPROVED, W.STUDY_NOT_APPROVED)
    require(world.now < study.proposed_at + ISSUE_MAX_SECONDS, W.STUDY_LAPSED)
    require(not study.amends or identities.works_for(world, study.data_user, by), W.NOT_THE_APPLICANT)
    require(is_active(world, study.data_user, Role.DATA_USER), Reason.DATA_USER_INACTIVE)
    require(study.conditions == study.agreed, W.CONDITIONS_OPEN)
    for id_ in study.terms.datasets:
        require(id_ in study.accepted, W.NOT_ACCEPTED)
        dataset = world.datasets[id_]
        require(is_active(world, dataset.holder, Role.DATA_HOLDER), Reason.DATA_HOLDER_INACTIVE)
        require(dataset.status is not DatasetStatus.DESTROYED, Reason.DATASET_DESTROYED)
    line = permit_id
    if study.amends:
        _usable(world, study.amends)
        line = world.permits[study.amends].line
        world.permits[study.amends] = replace(world.permits[study.amends], superseded_by=permit_id)
        world.emit("Permits", "PermitSuperseded", by, permit=study.amends, superseded_by=permit_id)
    expires_at = world.now + study.terms.duration_seconds
    world.permits[permit_id] = PermitRecord(issued_at=world.now, expires_at=expires_at, line=line)
    world.emit("Permits", "PermitIssued", by, permit=permit_id, data_user=study.data_user, expires_at=expires_at)
    return permit_id


def freeze(world: World, by: Address, permit_id: PermitId, seconds: int, reason_hash: bytes) -> None:
    permit = _alive(world, permit_id)
    require(_is_concerned(world, by, permit_id), W.NOT_CONCERNED)
    require(1 <= seconds <= setting(world, Rule.FREEZE_SECONDS), W.FREEZE_INVALID)
    require(by not in permit.frozen_by, W.FREEZE_SPENT)
    until = max(permit.frozen_until, world.now + seconds)
    world.permits[permit_id] = replace(permit, frozen_until=until, frozen_by=(*permit.frozen_by, by), lifts=())
    world.emit("Permits", "PermitFrozen", by, permit=permit_id, until=until, reason_hash=reason_hash)


def vote_lift(world: World, by: Address, permit_id: PermitId) -> None:
    permit = _alive(world, permit_id)
    require(is_active(world, by, Role.ETHICS_BOARD), W.NOT_ETHICS_BOARD)
    require(by not in world.studies[StudyId(permit_id)].recused, W.RECUSED)
    require(world.now < permit.frozen_until, W.PERMIT_NOT_FROZEN)
    require(by not in permit.lifts, W.ALREADY_VOTED)
    permit = replace(permit, lifts=(*permit.lifts, by))
    world.emit("Permits", "LiftSupported", by, permit=permit_id)
    world.permits[permit_id] = permit
    if _carried(world, permit.lifts):
        _lift(world, by, permit_id)


def vote_revoke(world: World, by: Address, permit_id: PermitId, reason_hash: bytes) -> None:
    permit = _alive(world, permit_id)
    require(is_active(world, by, Role.ETHICS_BOARD), W.NOT_ETHICS_BOARD)
    votes = world.revocations.get(permit.line, ())
    require(by not in votes, W.ALREADY_VOTED)
    world.revocations[permit.line] = (*votes, by)
    world.emit("Permits", "RevocationSupported", by, permit=permit_id, reason_hash=reason_hash)
    if _carried(world, world.revocations[permit.line]):
        _revoke(world, by, permit_id)


def tally_lift(world: World, by: Address, permit_id: PermitId) -> None:
    permit = _alive(world, permit_id)
    require(world.now < permit.frozen_until, W.PERMIT_NOT_FROZEN)
    require(_carried(world, permit.lifts), W.VOTE_UNDECIDED)
    _lift(world, by, permit_id)


def tally_revoke(world: World, by: Address, permit_id: PermitId) -> None:
    permit = _alive(world, permit_id)
    require(_carried(world, world.revocations.get(permit.line, ())), W.VOTE_UNDECIDED)
    _revoke(world, by, permit_id)


def withdraw(world: World, by: Address, permit_id: PermitId, id_: DatasetId) -> None:
    permit = known(world.permits.get(permit_id), Reason.PERMIT_MISSING)
    require(_is_named(world, permit_id, id_), Reason.DATASET_NOT_COVERED)
    require(by == world.datasets[id_].holder, W.NOT_THE_HOLDER)
    require(is_active(world, by, Role.DATA_HOLDER), W.NOT_DATA_HOLDER)
    world.withdrawn[permit.line] = world.withdrawn.get(permit.line, frozenset()) | {id_}
    world.emit("Permits", "DatasetWithdrawn", by, permit=permit_id, dataset=id_)


def is_covered(world: World, permit_id: PermitId, id_: DatasetId) -> bool:
    """Whether the permit names the dataset, it is not withdrawn or destroyed, and its holder is active."""
    if not _is_named(world, permit_id, id_):
        return False
    dataset = world.datasets[id_]
    lives = dataset.status is not DatasetStatus.DESTROYED
    return lives and is_active(world, dataset.holder, Role.DATA_HOLDER)


def _is_named(world: World, permit_id: PermitId, id_: DatasetId) -> bool:
    """Whether the permit names the dataset and its holder has not withdrawn it."""
    in_terms = id_ in world.studies[StudyId(permit_id)].terms.datasets
    return in_terms and id_ not in world.withdrawn.get(world.permits[permit_id].line, frozenset())


def covered(world: World, permit_id: PermitId) -> tuple[DatasetId, ...]:
    """The datasets that the permit still covers, in the order of the study's terms."""
    named = world.studies[StudyId(permit_id)].terms.datasets
    return tuple(id_ for id_ in named if is_covered(world, permit_id, id_))


def require_usable(world: World, permit_id: PermitId) -> None:
    """The consortium is not paused, and the permit exists, is not superseded, revoked, expired or frozen."""
    require(not is_paused(world), Reason.CONSORTIUM_PAUSED)
    _usable(world, permit_id)


def _usable(world: World, permit_id: PermitId) -> None:
    permit = _alive(world, permit_id)
    require(world.now >= permit.frozen_until, Reason.PERMIT_FROZEN)


def _lift(world: World, by: Address, permit_id: PermitId) -> None:
    world.permits[permit_id] = replace(world.permits[permit_id], frozen_until=0)
    world.emit("Permits", "FreezeLifted", by, permit=permit_id)


def _revoke(world: World, by: Address, permit_id: PermitId) -> None:
    permit = world.permits[permit_id]
    world.permits[permit_id] = replace(permit, revoked=True)
    world.revoked_lines[permit.line] = True
    world.emit("Permits", "PermitRevoked", by, permit=permit_id)


def _alive(world: World, permit_id: PermitId) -> PermitRecord:
    permit = known(world.permits.get(permit_id), Reason.PERMIT_MISSING)
    require(not permit.superseded_by, Reason.PERMIT_SUPERSEDED)
    require(not permit.revoked, Reason.PERMIT_REVOKED)
    require(world.now < permit.expires_at, Reason.PERMIT_EXPIRED)
    return permit


def _is_concerned(world: World, by: Address, permit_id: PermitId) -> bool:
    if is_active(world, by, Role.ETHICS_BOARD):
        return True
    if not is_active(world, by, Role.DATA_HOLDER):
        return False
    named = world.studies[StudyId(permit_id)].terms.datasets
    return any(world.datasets[id_].holder == by and _is_named(world, permit_id, id_) for id_ in named)


def _carried(world: World, voters: tuple[Address, ...]) -> bool:
    return sum(is_active(world, each, Role.ETHICS_BOARD) for each in voters) >= board_quorum(world)
