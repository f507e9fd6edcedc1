"""The rules of ``Studies.vy``, in its order of checks."""

from dataclasses import dataclass, replace

from belmont.registry.duo.matching import match
from belmont.registry.hashes import next_conditions
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
    Ballot,
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


def vote(
    world: World, by: Address, study_id: StudyId, approve: bool, conditions_hash: bytes, reason_hash: bytes
) -> None:
    study = _taking_part(world, by, study_id)
    require(approve or conditions_hash == ZERO_HASH, W.CONDITIONS_WITH_REFUSAL)
    study = replace(study, ballots=(*study.ballots, Ballot(by, approve, conditions_hash)))
    if conditions_hash != ZERO_HASH:
        study = replace(study, conditions=next_conditions(study_id, study.conditions, by, conditions_hash))
    world.studies[study_id] = study
    details = {"approve": approve, "conditions_hash": conditions_hash, "reason_hash": reason_hash}
    world.emit("Studies", "VoteCast", by, study=study_id, **details)
    _decide(world, by, study_id)


def recuse(world: World, by: Address, study_id: StudyId, reason_hash: bytes) -> None:
    study = _taking_part(world, by, study_id)
    world.studies[study_id] = replace(study, recused=(*study.recused, by))
    world.emit("Studies", "Recused", by, study=study_id, reason_hash=reason_hash)
    _decide(world, by, study_id)


def _taking_part(world: World, by: Address, study_id: StudyId) -> StudyRecord:
    require(is_active(world, by, Role.ETHICS_BOARD), W.NOT_ETHICS_BOARD)
    study = known(world.studies.get(study_id), W.STUDY_UNKNOWN)
    require(study.status is StudyStatus.PROPOSED, W.STUDY_CLOSED)
    require(by != study.data_user, W.OWN_STUDY)
    require(by not in study.recused, W.RECUSED)
    require(all(ballot.voter != by for ballot in study.ballots), W.ALREADY_VOTED)
    return study


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
    study = _own_application(world, by, study_id)
    world.studies[study_id] = replace(study, status=StudyStatus.CANCELLED)
    world.emit("Studies", "StudyCancelled", by, study=study_id)


def agree(world: World, by: Address, study_id: StudyId, conditions: bytes) -> None:
    study = _own_application(world, by, study_id)
    require(study.conditions != ZERO_HASH, W.NO_CONDITIONS)
    require(conditions == study.conditions, W.CONDITIONS_MISMATCH)
    require(study.agreed != study.conditions, W.ALREADY_AGREED)
    world.studies[study_id] = replace(study, agreed=conditions)
    world.emit("Studies", "ConditionsAgreed", by, study=study_id, conditions=conditions)


def _own_application(world: World, by: Address, study_id: StudyId) -> StudyRecord:
    study = known(world.studies.get(study_id), W.STUDY_UNKNOWN)
    require(by == study.data_user, W.NOT_THE_APPLICANT)
    require(is_active(world, by, Role.DATA_USER), W.NOT_DATA_USER)
    require(study.status in (StudyStatus.PROPOSED, StudyStatus.APPROVED), W.STUDY_CLOSED)
    require(PermitId(study_id) not in world.permits, W.PERMIT_EXISTS)
    return study


@dataclass(frozen=True)
class Count:
    """Votes and recusals of those who sit on the board now."""

    votes_for: int
    votes_against: int
    lay_for: int
    recused: int


def count_votes(world: World, study: StudyRecord) -> Count:
    board = [each for each in study.ballots if is_active(world, each.voter, Role.ETHICS_BOARD)]
    return Count(
        votes_for=sum(each.approve for each in board),
        votes_against=sum(not each.approve for each in board),
        lay_for=sum(each.approve and is_active(world, each.voter, Role.LAY) for each in board),
        recused=sum(is_active(world, each, Role.ETHICS_BOARD) for each in study.recused),
    )


def _decide(world: World, by: Address, study_id: StudyId) -> None:
    study = world.studies[study_id]
    count, quorum = count_votes(world, study), board_quorum(world)
    if count.votes_for >= quorum and count.lay_for >= setting(world, Rule.LAY_VOTES):
        world.studies[study_id] = replace(study, status=StudyStatus.APPROVED)
        world.emit("Studies", "StudyApproved", by, study=study_id, votes_for=count.votes_for, quorum=quorum)
    elif count.votes_against + count.recused > board_size(world) - quorum:
        world.studies[study_id] = replace(study, status=StudyStatus.REFUSED)
        found = {"votes_against": count.votes_against, "recused": count.recused, "quorum": quorum}
        world.emit("Studies", "StudyRefused", by, study=study_id, **found)


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
