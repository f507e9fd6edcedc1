"""Contract structs, as ``abi.Interface`` decodes them, to domain values."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from belmont.registry.duo.conditions import Conditions
from belmont.registry.duo.intended_use import Declaration
from belmont.registry.duo.terms import Term
from belmont.registry.types import (
    ZERO_HASH,
    Abstention,
    Address,
    AnswerMode,
    Ballot,
    Computation,
    Dataset,
    DatasetId,
    DatasetStatus,
    DatasetVersion,
    Member,
    MemberProfile,
    MemberStatus,
    OpenedUse,
    Permit,
    PermitId,
    PermitStatus,
    Proposal,
    ProposalId,
    ProposalKind,
    Role,
    Study,
    StudyId,
    StudyStatus,
    StudyTerms,
    UseKind,
    VersionStatus,
)

Struct = Mapping[str, Any]


def member(struct: Struct) -> Member | None:
    if not struct["status"]:
        return None
    profile = struct["profile"]
    return Member(
        address=profile["account"],
        name=profile["name"],
        did=profile["did"],
        mask_key=profile["maskKey"],
        node_key_hash=profile["nodeKeyHash"],
        roles=Role(profile["roles"]),
        status=MemberStatus(struct["status"]),
    )


def profile_struct(profile: MemberProfile) -> tuple[Any, ...]:
    """A profile as ``Members`` takes it."""
    return (
        profile.address,
        profile.name,
        profile.did,
        profile.mask_key,
        profile.node_key_hash,
        int(profile.roles),
    )


def proposal(number: int, struct: Struct, supporters: tuple[Any, ...]) -> Proposal | None:
    if not struct["kind"]:
        return None
    return Proposal(
        id=ProposalId(number),
        kind=ProposalKind(struct["kind"]),
        account=struct["account"],
        proposer=supporters[0],
        supporters=supporters,
        proposed_at=struct["proposedAt"],
        executed=struct["executed"],
        open_until=struct["openUntil"],
        documents=struct["documents"],
    )


def dataset(id_: DatasetId, struct: Struct, conditions: Struct, consent_root: bytes) -> Dataset | None:
    if not struct["status"]:
        return None
    return Dataset(
        id=id_,
        holder=struct["holder"],
        name=struct["name"],
        duo_terms=struct["duoTerms"],
        dictionary_hash=struct["dictionaryHash"],
        sensitivity=struct["sensitivity"],
        categories=struct["categories"],
        retention_until=struct["retentionUntil"],
        rho_cap=struct["rhoCap"],
        rho_spent=struct["rhoSpent"],
        consent_root=consent_root,
        status=DatasetStatus(struct["status"]),
        versions=struct["versions"],
        destruction_hash=struct["destructionHash"],
        conditions=Conditions.from_struct(conditions),
    )


def conditions_struct(duo_terms: int, conditions: Conditions | None) -> tuple[Any, ...]:
    """Conditions as ``Datasets`` takes them; the terms alone where no conditions are given."""
    return conditions.struct() if conditions else (duo_terms, 0, (0,) * 4, (0,) * 4, 0, [], [], 0, 0)


def version(id_: DatasetId, number: int, struct: Struct) -> DatasetVersion | None:
    if not struct["status"]:
        return None
    return DatasetVersion(
        dataset_id=id_,
        number=number,
        cid=struct["cid"],
        rows=struct["rows"],
        commitments_root=struct["commitmentsRoot"],
        consent_root=struct["consentRoot"],
        status=VersionStatus(struct["status"]),
        registered_at=struct["registeredAt"],
    )


def terms(struct: Struct, declared: Struct) -> StudyTerms:
    return StudyTerms(
        title=struct["title"],
        protocol_hash=struct["protocolHash"],
        purpose=struct["purpose"],
        code_hash=struct["codeHash"],
        config_hash=struct["configHash"],
        datasets=struct["datasets"],
        computations=Computation(struct["computations"]),
        rounds=struct["rounds"],
        queries=struct["queries"],
        rho_per_dataset=struct["rhoPerDataset"],
        min_hospitals=struct["minHospitals"],
        min_cohort=struct["minCohort"],
        answer_mode=AnswerMode(struct["answerMode"]),
        duration_seconds=struct["durationSeconds"],
        intended_use=Declaration.from_struct(declared),
    )


def terms_struct(terms: StudyTerms) -> tuple[Any, ...]:
    """Terms as ``Studies`` takes them."""
    return (
        terms.title,
        terms.protocol_hash,
        terms.purpose,
        terms.code_hash,
        terms.config_hash,
        list(terms.datasets),
        int(terms.computations),
        terms.rounds,
        terms.queries,
        terms.rho_per_dataset,
        terms.min_hospitals,
        terms.min_cohort,
        int(terms.answer_mode),
        terms.duration_seconds,
    )


def study(
    id_: StudyId,
    struct: Struct,
    its_terms: Struct,
    declared: Struct,
    abstained: tuple[int, ...],
    votes: tuple[int, int, int],
    accepted: tuple[DatasetId, ...],
    ballots: tuple[Struct, ...],
    conditions_hashes: tuple[bytes, ...],
    conditions: Struct,
    recused: tuple[Address, ...],
) -> Study | None:
    """What a study is made from, in the order of ``view_calls.STUDY_PARTS``."""
    if not struct["status"]:
        return None
    return Study(
        id=id_,
        data_user=struct["dataUser"],
        terms=terms(its_terms, declared),
        status=StudyStatus(struct["status"]),
        votes_for=votes[0],
        votes_against=votes[1],
        quorum=votes[2],
        accepted=accepted,
        proposed_at=struct["proposedAt"],
        amends=PermitId(struct["amends"]),
        abstentions=tuple(
            Abstention(id_, Term(each)) for id_, each in zip(its_terms["datasets"], abstained, strict=True) if each
        ),
        ballots=tuple(
            Ballot(each["voter"], each["approve"], set_by_it)
            for each, set_by_it in zip(ballots, conditions_hashes, strict=True)
        ),
        recused=recused,
        conditions=conditions["running"],
        conditions_count=conditions["count"],
        conditions_agreed=conditions["count"] > 0 and conditions["agreed"] == conditions["running"],
    )


def permit(id_: PermitId, data_user: Address, its_terms: StudyTerms, view: Struct) -> Permit:
    """The permit in a ``NodeView``, with its study's terms."""
    struct = view["permit"]
    status = PermitStatus.FROZEN if struct["frozenUntil"] else PermitStatus.ACTIVE
    if struct["supersededBy"]:
        status = PermitStatus.SUPERSEDED
    if struct["revoked"]:
        status = PermitStatus.REVOKED
    return Permit(
        id=id_,
        data_user=data_user,
        terms=its_terms,
        status=status,
        issued_at=struct["issuedAt"],
        expires_at=struct["expiresAt"],
        frozen_until=struct["frozenUntil"],
        rounds_opened=view["roundsOpened"],
        queries_opened=view["queriesOpened"],
        withdrawn=tuple(each for each in its_terms.datasets if each in view["uncovered"]),
        line=PermitId(struct["line"]),
        superseded_by=PermitId(struct["supersededBy"]),
    )


def opened(permit_id: PermitId, kind: UseKind, n: int, struct: Struct) -> OpenedUse | None:
    if not struct["openedAt"]:
        return None
    return OpenedUse(
        permit_id=permit_id,
        kind=kind,
        n=n,
        subject_hash=struct["subjectHash"],
        participants_hash=struct["participantsHash"],
        opened_at=struct["openedAt"],
        closed=bool(struct["closedAt"]),
    )


def newest(dataset: Dataset, struct: Struct) -> Dataset:
    """A dataset as registered, brought up to date by the state in a ``NodeView``, which has no report's hash."""
    return replace(
        dataset,
        destruction_hash=ZERO_HASH,
        status=DatasetStatus(struct["status"]),
        retention_until=struct["retentionUntil"],
        rho_spent=struct["rhoSpent"],
        consent_root=struct["consentRoot"],
        versions=struct["versions"],
    )
