"""The rules of ``Uses.vy``, in its order of checks."""

from dataclasses import replace

from belmont.registry.hashes import participants_hash
from belmont.registry.reasons import Reason
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference import datasets, permits
from belmont.registry.reference.credits import credit
from belmont.registry.reference.members import is_active
from belmont.registry.reference.world import World, known, require
from belmont.registry.types import (
    ZERO_HASH,
    Address,
    Computation,
    DatasetId,
    MicroRho,
    OpenedUse,
    PermitId,
    RecordedUse,
    Role,
    StudyId,
    UseKind,
)


def open_use(
    world: World,
    by: Address,
    permit_id: PermitId,
    kind: UseKind,
    n: int,
    subject_hash: bytes,
    participants: tuple[DatasetId, ...],
) -> None:
    permits.require_usable(world, permit_id)
    study = world.studies[StudyId(permit_id)]
    terms = study.terms
    require(by == study.data_user, W.NOT_THE_APPLICANT)
    require(is_active(world, by, Role.DATA_USER), Reason.DATA_USER_INACTIVE)
    is_round = kind is UseKind.ROUND
    wanted = Computation.TRAINING if is_round else Computation.QUERY
    require(terms.computations & wanted, Reason.COMPUTATION_NOT_PERMITTED)
    require(subject_hash != ZERO_HASH, W.HASH_MISSING)
    line = world.permits[permit_id].line
    count = opened_count(world, line, kind)
    limit = terms.rounds if is_round else terms.queries
    require(count < limit, Reason.ROUNDS_EXHAUSTED if is_round else Reason.QUERIES_EXHAUSTED)
    require(n == count + 1, W.NOT_NEXT)
    _check_participants(world, permit_id, participants)
    require(len(participants) >= terms.min_hospitals, Reason.TOO_FEW_HOSPITALS)
    require(is_round or participants == permits.covered(world, permit_id), Reason.PARTICIPANTS_MISMATCH)
    digest = participants_hash(participants)
    world.opened[line, kind, n] = OpenedUse(permit_id, kind, n, subject_hash, digest, world.now)
    world.participants[line, kind, n] = participants
    if is_round:
        world.emit("Uses", "RoundOpened", by, permit=permit_id, n=n, model_hash=subject_hash, participants_hash=digest)
    else:
        world.emit("Uses", "QueryOpened", by, permit=permit_id, n=n, query_hash=subject_hash, participants_hash=digest)


def record(
    world: World,
    by: Address,
    permit_id: PermitId,
    kind: UseKind,
    n: int,
    id_: DatasetId,
    result_hash: bytes,
    rho: MicroRho,
    version: int,
    consent_root: bytes,
) -> None:
    permits.require_usable(world, permit_id)
    require(kind in tuple(UseKind), W.KIND_INVALID)
    study = world.studies[StudyId(permit_id)]
    require(is_active(world, study.data_user, Role.DATA_USER), Reason.DATA_USER_INACTIVE)
    dataset = world.datasets.get(id_)
    require(dataset and by == dataset.holder, W.NOT_THE_HOLDER)
    require(is_active(world, by, Role.DATA_HOLDER), Reason.DATA_HOLDER_INACTIVE)
    require(permits.is_covered(world, permit_id, id_), Reason.DATASET_NOT_COVERED)
    not_open = Reason.ROUND_NOT_OPEN if kind == UseKind.ROUND else Reason.QUERY_NOT_OPEN
    line = world.permits[permit_id].line
    opened = known(opened_under(world, permit_id, kind, n), not_open)
    require(not opened.closed, Reason.ROUND_CLOSED)
    participants = world.participants[line, kind, n]
    require(id_ in participants, Reason.PARTICIPANTS_MISMATCH)
    require(all(permits.is_covered(world, permit_id, each) for each in participants), Reason.DATASET_NOT_COVERED)
    require((line, kind, n, id_) not in world.recorded, Reason.ALREADY_SERVED)
    require(result_hash != ZERO_HASH, W.HASH_MISSING)
    spent = world.spent.get((line, id_), 0) + rho
    require(spent <= study.terms.rho_per_dataset, Reason.BUDGET_EXHAUSTED)
    is_query = kind == UseKind.QUERY
    rows = datasets.charge(world, id_, rho, study.terms.min_cohort, version, consent_root, is_query)
    credit(world, id_, by, rows)
    world.spent[line, id_] = spent
    world.recorded[line, kind, n, id_] = RecordedUse(
        permit_id, UseKind(kind), n, id_, by, result_hash, rho, world.number, world.now, version, consent_root
    )
    world.emit(
        "Uses",
        "UseRecorded",
        by,
        permit=permit_id,
        dataset=id_,
        kind=int(kind),
        n=n,
        result_hash=result_hash,
        rho=rho,
        version=version,
        consent_root=consent_root,
    )


def close_round(world: World, by: Address, permit_id: PermitId, n: int) -> None:
    permits.require_usable(world, permit_id)
    study = world.studies[StudyId(permit_id)]
    require(by == study.data_user, W.NOT_THE_APPLICANT)
    require(is_active(world, by, Role.DATA_USER), Reason.DATA_USER_INACTIVE)
    opened = known(opened_under(world, permit_id, UseKind.ROUND, n), Reason.ROUND_NOT_OPEN)
    require(not opened.closed, Reason.ROUND_CLOSED)
    recorded = recorded_in(world, permit_id, n)
    require(len(recorded) >= study.terms.min_hospitals, Reason.TOO_FEW_HOSPITALS)
    require(all(permits.is_covered(world, permit_id, each) for each in recorded), Reason.DATASET_NOT_COVERED)
    world.opened[world.permits[permit_id].line, UseKind.ROUND, n] = replace(opened, closed=True)
    world.emit("Uses", "RoundClosed", by, permit=permit_id, n=n, recorded=recorded)


def recorded_in(world: World, permit_id: PermitId, n: int) -> tuple[DatasetId, ...]:
    """The datasets whose use in a round is recorded, in the order of the study's terms."""
    line = world.permits[permit_id].line
    named = world.studies[StudyId(permit_id)].terms.datasets
    return tuple(id_ for id_ in named if (line, UseKind.ROUND, n, id_) in world.recorded)


def opened_count(world: World, line: PermitId, kind: UseKind) -> int:
    """How many were opened under the permits of a line."""
    return sum(key[:2] == (line, kind) for key in world.opened)


def opened_under(world: World, permit_id: PermitId, kind: UseKind, n: int) -> OpenedUse | None:
    """What was opened under this permit, and not under another one of its line."""
    permit = world.permits.get(permit_id)
    found = world.opened.get((permit.line, kind, n)) if permit else None
    return found if found and found.permit_id == permit_id else None


def _check_participants(world: World, permit_id: PermitId, participants: tuple[DatasetId, ...]) -> None:
    seen: list[DatasetId] = []
    for id_ in participants:
        require(permits.is_covered(world, permit_id, id_), Reason.DATASET_NOT_COVERED)
        require(id_ not in seen, Reason.PARTICIPANTS_MISMATCH)
        seen.append(id_)
