"""How a study, permit, dataset or release stands now, as a mark and a sentence: never a colour alone.

Marks: ``good`` it holds; ``wait`` somebody has to do something, or time has to pass; ``stop`` it is stopped; ``over``
it is history. Times are held against the clock here, since the chain's records do not change when a time is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from belmont.registry.limits import ISSUE_MAX_SECONDS
from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.registry.types import (
    Address,
    Dataset,
    DatasetStatus,
    DatasetVersion,
    Permit,
    PermitStatus,
    Study,
    StudyStatus,
    VersionStatus,
)
from belmont.service.words import Moment, Sentence, Value, counted


@dataclass(frozen=True)
class Standing:
    """A mark with its words."""

    mark: str
    says: Sentence


def of_permit(permit: Permit, now: int) -> Standing:
    """How a permit stands at a Unix second."""
    if permit.status is PermitStatus.REVOKED:
        return Standing("stop", Sentence("revoked"))
    if permit.status is PermitStatus.SUPERSEDED:
        return Standing("over", Sentence("superseded by an amendment"))
    if permit.expires_at <= now:
        return Standing("over", Sentence("expired"))
    if is_frozen(permit, now):
        return Standing("stop", Sentence("frozen until {until}", until=Moment(permit.frozen_until)))
    return Standing("good", Sentence("in force"))


def is_frozen(permit: Permit, now: int) -> bool:
    """Whether a freeze holds."""
    return permit.status is PermitStatus.FROZEN and permit.frozen_until > now


def of_study(study: Study, permits: Mapping[int, Permit], now: int) -> Standing:
    """How an application stands."""
    match study.status:
        case StudyStatus.REFUSED:
            return Standing("stop", Sentence("refused"))
        case StudyStatus.CANCELLED:
            return Standing("over", Sentence("cancelled"))
        case StudyStatus.PROPOSED if is_lapsed(study, now):
            return Standing("over", Sentence("lapsed"))
        case StudyStatus.PROPOSED:
            return Standing("wait", Sentence("being voted on"))
    if study.id in permits:
        return Standing("good", Sentence("permit issued"))
    if is_lapsed(study, now):
        return Standing("over", Sentence("lapsed"))
    if study.conditions_open:
        return Standing("wait", Sentence("approved under conditions; the data user has not agreed yet"))
    missing = len(study.terms.datasets) - len(study.accepted)
    if missing:
        return Standing(
            "wait",
            counted("approved; {n} holder has not accepted", "approved; {n} holders have not accepted", missing),
        )
    return Standing("wait", Sentence("approved; the permit is not issued yet"))


def is_lapsed(study: Study, now: int) -> bool:
    """Whether an application is too old for a permit."""
    return study.proposed_at + ISSUE_MAX_SECONDS <= now


def is_issuable(study: Study, permits: Mapping[int, Permit], now: int) -> bool:
    """Whether nothing is missing for its permit but that somebody asks for it."""
    return (
        study.status is StudyStatus.APPROVED
        and study.id not in permits
        and not is_lapsed(study, now)
        and not study.conditions_open
        and set(study.accepted) >= set(study.terms.datasets)
    )


def amendment_waits(study: Study, permits: Mapping[int, Permit], is_paused: bool, now: int) -> Sentence | None:
    """Why the permit of an amendment that is issuable cannot take the other's place now; None where it can."""
    amended = permits.get(study.amends)
    if is_paused:
        return Sentence("The consortium is paused: no permit is issued meanwhile.")
    if amended is None or is_usable(amended, now):
        return None
    how = of_permit(amended, now).says
    return Sentence("It cannot be issued now: the permit that it would take the place of is {how}.", how=how)


def is_usable(permit: Permit, now: int) -> bool:
    """Whether anything can be done under it."""
    return of_permit(permit, now).mark == "good"


def can_vote(study: Study, account: Address, now: int) -> bool:
    """Whether a member of the board has a vote on it left."""
    return (
        study.status is StudyStatus.PROPOSED
        and not is_lapsed(study, now)
        and account != study.data_user
        and account not in study.recused
        and all(each.voter != account for each in study.ballots)
    )


def is_recused(studies: Mapping[int, Study], permit: int, account: Address) -> bool:
    """Whether a member of the board takes no part in the study of a permit: it has no vote on ending its freezes and
    on its releases; it can freeze, revoke and object all the same, which only ever take away."""
    study = studies.get(permit)
    return study is not None and account in study.recused


def of_dataset(dataset: Dataset) -> Standing:
    """How a dataset stands."""
    match dataset.status:
        case DatasetStatus.ACTIVE:
            return Standing("good", Sentence("available"))
        case DatasetStatus.FROZEN:
            return Standing("stop", Sentence("frozen by its holder"))
        case _:
            return Standing("over", Sentence("destroyed"))


def of_version(version: DatasetVersion | None) -> Standing:
    """Whether a version's proof was verified."""
    if version is None:
        return Standing("wait", Sentence("no version yet"))
    if version.status is VersionStatus.PROVEN:
        return Standing("good", Sentence("proven"))
    return Standing("wait", Sentence("registered, not proven yet"))


def of_release(release: ModelRelease, now: int) -> Standing:
    """How a model's release stands."""
    match release.status:
        case ReleaseStatus.RELEASED:
            return Standing("good", Sentence("released"))
        case ReleaseStatus.WITHDRAWN:
            return Standing("over", Sentence("withdrawn"))
        case ReleaseStatus.OBJECTED:
            return Standing("stop", Sentence("held back until the ethics board decides"))
    if release.objections_until > now:
        until: Value = Moment(release.objections_until)
        return Standing("wait", Sentence("open to objection until {until}", until=until))
    return Standing("wait", Sentence("time for objections is over; not settled yet"))
