"""The rules of ``Studies.vy``, in its order of checks."""

from dataclasses import replace

from belmont.registry.duo.matching import match
from belmont.registry.limits import DURATION_MAX_SECONDS, PURPOSES_MASK, QUERIES_MAX, ROUNDS_MAX
from belmont.registry.reasons import Reason
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference.datasets import require_open
from belmont.registry.reference.members import board_quorum, board_size, is_active
from belmont.registry.reference.settings import setting
from belmont.registry.reference.world import StudyRecord, World, known, require
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import (
    NO_PERMIT,
    ZERO_HASH,
    Abstention,
    Address,
    AnswerMode,
    Computation,
    DatasetId,
    DatasetStatus,
    PermitId,
    Role,
    StudyId,
    StudyStatus,
    StudyTerms,
)


def propose_amendment(world: World, by: Address, permit_id: PermitId, terms: StudyTerms) -> StudyId:
    permit = known(world.permits.get(permit_id), Reason.PERMIT_MISSING)
    require(by == world.studies[StudyId(permit_id)].data_user, W.NOT_THE_APPLICANT)
    require(not permit.superseded_by, Reason.PERMIT_SUPERSEDED)
    return propose(world, by, terms, permit_id)


def propose(world: World, by: Address, terms: StudyTerms, amends: PermitId = NO_PERMIT) -> StudyId:
    require(is_active(world, by, Role.DATA_USER), W.NOT_DATA_USER)
    _check_terms(terms)
    _check_datasets(world, terms.datasets)
    study_id = StudyId(len(world.studies) + 1)
    world.studies[study_id] = StudyRecord(by, terms, StudyStatus.PROPOSED, world.now, amends=amends)
    world.emit(
        "Studies",
        "StudyProposed",
        by,
        study=study_id,
        amends=amends,
        title=terms.title,
        protocol_hash=terms.protocol_hash,
        purpose=terms.purpose,
        code_hash=terms.code_hash,
        config_hash=terms.config_hash,
    )
    _match_datasets(world, by, study_id)
    return study_id


def _match_datasets(world: World, by: Address, study_id: StudyId) -> None:
    study = world.studies[study_id]
    use = study.terms.use_of(by)
    found = []
    for id_ in study.terms.datasets:
        its = match(world.datasets[id_].data_use, use, world.now)
        require(not its.denied, W.DATA_USE_DENIED)
        if its.abstained:
            found.append(Abstention(id_, its.abstained))
            world.emit("Studies", "DataUseLeftOpen", by, study=study_id, dataset=id_, abstained=int(its.abstained))
    world.studies[study_id] = replace(study, abstentions=tuple(found))


def vote(world: World, by: Address, study_id: StudyId, approve: bool, reason_hash: bytes) -> None:
    require(is_active(world, by, Role.ETHICS_BOARD), W.NOT_ETHICS_BOARD)
    study = known(world.studies.get(study_id), W.STUDY_UNKNOWN)
    require(study.status is StudyStatus.PROPOSED, W.STUDY_CLOSED)
    require(by != study.data_user, W.OWN_STUDY)
    require(all(voter != by for voter, _ in study.votes), W.ALREADY_VOTED)
    study = replace(study, votes=(*study.votes, (by, approve)))
    world.studies[study_id] = study
    world.emit("Studies", "VoteCast", by, study=study_id, approve=approve, reason_hash=reason_hash)
    _decide(world, by, study_id)


def tally(world: World, by: Address, study_id: StudyId) -> None:
    study = known(world.studies.get(study_id), W.STUDY_UNKNOWN)
    require(study.status is StudyStatus.PROPOSED, W.STUDY_CLOSED)
    _decide(world, by, study_id)
    require(world.studies[study_id].status is not StudyStatus.PROPOSED, W.VOTE_UNDECIDED)


def accept(world: World, by: Address, study_id: StudyId, id_: DatasetId) -> None:
    study = known(world.studies.get(study_id), W.STUDY_UNKNOWN)
    require(study.status in (StudyStatus.PROPOSED, StudyStatus.APPROVED), W.STUDY_CLOSED)
    require(id_ in study.terms.datasets, Reason.DATASET_NOT_COVERED)
    dataset = world.datasets[id_]
    require(by == dataset.holder, W.NOT_THE_HOLDER)
    require(is_active(world, by, Role.DATA_HOLDER), W.NOT_DATA_HOLDER)
    require(id_ not in study.accepted, W.ALREADY_ACCEPTED)
    require_open(world, dataset)
    world.studies[study_id] = replace(study, accepted=study.accepted | {id_})
    world.emit("Studies", "DatasetAccepted", by, study=study_id, dataset=id_)


def cancel(world: World, by: Address, study_id: StudyId) -> None:
    study = known(world.studies.get(study_id), W.STUDY_UNKNOWN)
    require(by == study.data_user, W.NOT_THE_APPLICANT)
    require(is_active(world, by, Role.DATA_USER), W.NOT_DATA_USER)
    require(study.status in (StudyStatus.PROPOSED, StudyStatus.APPROVED), W.STUDY_CLOSED)
    require(PermitId(study_id) not in world.permits, W.PERMIT_EXISTS)
    world.studies[study_id] = replace(study, status=StudyStatus.CANCELLED)
    world.emit("Studies", "StudyCancelled", by, study=study_id)


def counts(world: World, study: StudyRecord) -> tuple[int, int]:
    """Votes for and against, of those who sit on the board now."""
    board = [approve for voter, approve in study.votes if is_active(world, voter, Role.ETHICS_BOARD)]
    return sum(board), len(board) - sum(board)


def _decide(world: World, by: Address, study_id: StudyId) -> None:
    study = world.studies[study_id]
    votes_for, votes_against = counts(world, study)
    quorum = board_quorum(world)
    lay = [voter for voter, approve in study.votes if approve and is_active(world, voter, Role.LAY)]
    if votes_for >= quorum and len(lay) >= setting(world, Rule.LAY_VOTES):
        world.studies[study_id] = replace(study, status=StudyStatus.APPROVED)
        world.emit("Studies", "StudyApproved", by, study=study_id, votes_for=votes_for, quorum=quorum)
    elif votes_against > board_size(world) - quorum:
        world.studies[study_id] = replace(study, status=StudyStatus.REFUSED)
        world.emit("Studies", "StudyRefused", by, study=study_id, votes_against=votes_against, quorum=quorum)


def _check_terms(terms: StudyTerms) -> None:
    require(terms.title, W.TITLE_MISSING)
    require(terms.protocol_hash != ZERO_HASH, W.HASH_MISSING)
    require(terms.purpose and not terms.purpose & ~PURPOSES_MASK, W.PURPOSE_INVALID)
    kinds = terms.computations
    require(1 <= int(kinds) <= Computation.TRAINING | Computation.QUERY, W.COMPUTATIONS_INVALID)
    if kinds & Computation.TRAINING:
        require(terms.code_hash != ZERO_HASH and terms.config_hash != ZERO_HASH, W.HASH_MISSING)
        require(1 <= terms.rounds <= ROUNDS_MAX, W.ROUNDS_INVALID)
    else:
        require(terms.rounds == 0, W.ROUNDS_INVALID)
    if kinds & Computation.QUERY:
        require(1 <= terms.queries <= QUERIES_MAX, W.QUERIES_INVALID)
    else:
        require(terms.queries == 0, W.QUERIES_INVALID)
    require(terms.datasets, W.DATASETS_MISSING)
    require(1 <= terms.min_hospitals <= len(terms.datasets), W.MIN_HOSPITALS_INVALID)
    require(terms.min_cohort >= 1, W.MIN_COHORT_INVALID)
    require(terms.answer_mode in tuple(AnswerMode), W.ANSWER_MODE_INVALID)
    require(1 <= terms.duration_seconds <= DURATION_MAX_SECONDS, W.DURATION_INVALID)


def _check_datasets(world: World, datasets: tuple[DatasetId, ...]) -> None:
    seen: list[DatasetId] = []
    holders: list[Address] = []
    for id_ in datasets:
        require(id_ not in seen, W.DATASET_REPEATED)
        dataset = known(world.datasets.get(id_), W.DATASET_UNKNOWN)
        require(dataset.holder not in holders, W.HOLDER_REPEATED)
        require(dataset.status is not DatasetStatus.DESTROYED, Reason.DATASET_DESTROYED)
        seen.append(id_)
        holders.append(dataset.holder)
