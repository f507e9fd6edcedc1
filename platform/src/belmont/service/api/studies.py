"""Studies: applications, votes on them, how they fit the datasets' terms, and what an amendment changes."""

import time
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query

from belmont.audit.events import IndexedEvent
from belmont.audit.search import EventQuery
from belmont.identity.strict_json import loads
from belmont.registry.duo.matching import match
from belmont.registry.types import ZERO_HASH, Permit, Study, StudyStatus, StudyTerms
from belmont.service import words
from belmont.service.api import lists, routing
from belmont.service.api.data_use import Code, term_codes
from belmont.service.api.terms import NamesDataset, OfDataUser, Terms, is_about, terms_of
from belmont.service.api.values import AccountText, Answer, Hash, Moment, Whole, lower_name
from belmont.service.documents.kinds import Kind
from belmont.service.errors import NotFound
from belmont.service.explain.application import summary
from belmont.service.explain.data_use import sentence_of
from belmont.service.state.snapshot import Snapshot

router: APIRouter = routing.router("studies")
StatusName = Literal["proposed", "approved", "refused", "cancelled"]
LanguageCode = Literal["en", "zh-Hans"]
Language = Annotated[LanguageCode, Query(description="The language to say it in (BCP 47).")]
VOTES: Final = ("VoteCast", "Recused")


class LeftOpen(Answer):
    """What one dataset's conditions leave to the board."""

    dataset: Hash
    terms: list[Code]


class StudyNow(Answer):
    """An application."""

    number: Whole
    data_user: AccountText
    data_user_name: str
    status: StatusName
    proposed_at: Moment
    terms: Terms
    votes_for: Whole
    """Of who sits on the board now."""
    votes_against: Whole
    quorum: Whole
    accepted: list[Hash]
    """Datasets whose holders accepted it."""
    awaited: list[Hash]
    """Datasets whose holders did not."""
    left_open: list[LeftOpen]
    recused: list[AccountText]
    """Members of the board who take no part in the vote."""
    conditions: Hash
    """Running hash of all conditions that votes set: what the data user agrees to; zero for none."""
    conditions_count: Whole
    conditions_agreed: bool
    """Whether the data user agreed to exactly these. No permit is issued before."""
    amends: Whole | None
    """The permit that it amends."""
    permit: Whole | None
    """The permit that it led to."""


class Studies(lists.Page[StudyNow]):
    """Applications in order."""


class Ballot(Answer):
    """A vote as it was cast, or a member of the board who takes no part. One has a vote, the other none."""

    voter: AccountText
    voter_name: str
    approve: bool | None
    """Null for who takes no part."""
    reason_hash: Hash
    """SHA-256 of the reason's text; zero where none was given."""
    conditions_hash: Hash
    """Of the conditions that it sets; zero for none."""
    counts: bool
    """Whether the voter still sits on the board."""
    at: Moment
    position: str


class Ballots(lists.Page[Ballot]):
    """Ballots in the order they were cast."""


class TermSays(Answer):
    """What one term says of an intended use, and why."""

    term: Code
    verdict: Literal["approve", "deny", "abstain"]
    because: str


class DatasetMatch(Answer):
    """How a study fits the terms of one dataset."""

    dataset: Hash
    verdict: Literal["approve", "deny", "abstain"]
    terms: list[TermSays]


class Part(Answer):
    """One question that a summary answers."""

    key: str
    """who, whose, computed, leaves, duration, protects or lacks."""
    heading: str
    points: list[str]


class PlainSummary(Answer):
    """An application in words for who is no expert, made of the record on chain and of documents it names."""

    language: LanguageCode
    lead: str
    """The whole in a sentence."""
    parts: list[Part]
    configuration_known: bool
    """Whether the configuration was handed in here; without it, less can be said."""


class Difference(Answer):
    """One term that an amendment changes."""

    term: str
    permitted: Any
    applied_for: Any


class Differences(Answer):
    """What an amendment changes of the permit that it amends. What is not named stays."""

    amends: Whole
    rounds_used: Whole
    """What was used before counts against the new terms."""
    queries_used: Whole
    changes: list[Difference]


@router.get("/studies")
async def list_studies(
    visitor: routing.AReader,
    snapshot: routing.Tagged,
    status: Annotated[StatusName | None, Query(description="With this status.")] = None,
    data_user: OfDataUser = None,
    dataset: NamesDataset = None,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> Studies:
    """All applications."""
    wanted = None if status is None else StudyStatus[status.upper()]
    chosen = [
        each
        for each in snapshot.studies.values()
        if wanted in (None, each.status) and data_user in (None, each.data_user) and is_about(each.terms, dataset)
    ]
    found, total, next_ = lists.cut(chosen, lambda each: int(each.id), after, limit)
    return Studies(items=[_study(snapshot, each) for each in found], total=total, next=next_)


@router.get("/studies/{number}")
async def read_study(visitor: routing.AReader, snapshot: routing.Tagged, number: routing.StudyNumber) -> StudyNow:
    """One application."""
    return _study(snapshot, known(snapshot, number))


@router.get("/studies/{number}/ballots")
def list_ballots(
    service: routing.Here,
    visitor: routing.AReader,
    snapshot: routing.Tagged,
    number: routing.StudyNumber,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> Ballots:
    """Who voted, and how."""
    known(snapshot, number)
    page = service.index.search(
        EventQuery(study=number, names=VOTES, before=lists.position(after), ascending=True, limit=limit)
    )
    items = [_ballot(snapshot, each) for each in page.events]
    return Ballots(items=items, total=page.total, next=lists.next_of(page))


@router.get("/studies/{number}/match")
async def read_match(
    visitor: routing.AReader, snapshot: routing.Tagged, number: routing.StudyNumber, language: Language = "en"
) -> list[DatasetMatch]:
    """How it fits the terms of each of its datasets, term by term, as of when it was applied for."""
    study = known(snapshot, number)
    use = study.terms.use_of(study.data_user)
    says = words.of(language)
    found = []
    for id_ in study.terms.datasets:
        if (dataset := snapshot.datasets.get(id_)) is None:
            continue
        whole = match(dataset.data_use, use, study.proposed_at)
        terms = [
            TermSays(
                term=term_codes(int(each.term))[0],
                verdict=lower_name(each.verdict),
                because=says.say(sentence_of(each.reason)),
            )
            for each in whole.terms
        ]
        found.append(DatasetMatch(dataset=id_, verdict=lower_name(whole.verdict), terms=terms))
    return found


@router.get("/studies/{number}/summary")
def read_summary(
    service: routing.Here,
    visitor: routing.AReader,
    snapshot: routing.Now,
    number: routing.StudyNumber,
    language: Language = "en",
) -> PlainSummary:
    """What would happen to whose data, in plain words."""
    study = known(snapshot, number)
    content = service.documents.find(Kind.CONFIGURATION, study.terms.config_hash)
    found = summary(
        study,
        snapshot.datasets,
        snapshot.members,
        None if content is None else loads(content),
        int(time.time()),
        versions=snapshot.versions,
        dictionary=service.dictionary_of(study.terms.datasets),
    )
    says = words.of(language)
    return PlainSummary(
        language=language,
        lead=says.say(found.lead),
        parts=[
            Part(key=each.key, heading=says.say(each.heading), points=[says.say(point) for point in each.points])
            for each in found.sections
        ],
        configuration_known=content is not None,
    )


@router.get("/studies/{number}/differences")
async def read_differences(
    visitor: routing.AReader, snapshot: routing.Tagged, number: routing.StudyNumber
) -> Differences:
    """What it changes of the permit that it amends; not found where it amends none."""
    study = known(snapshot, number)
    permit = snapshot.permits.get(int(study.amends))
    if permit is None:
        raise NotFound(f"Study {number} amends no permit.")
    return Differences(
        amends=permit.id,
        rounds_used=permit.rounds_opened,
        queries_used=permit.queries_opened,
        changes=_changes(permit, study.terms),
    )


def known(snapshot: Snapshot, number: int) -> Study:
    """A study that there is. Raises NotFound."""
    found = snapshot.studies.get(number)
    if found is None:
        raise NotFound(f"There is no study {number}.")
    return found


def _study(snapshot: Snapshot, found: Study) -> StudyNow:
    return StudyNow(
        number=found.id,
        data_user=found.data_user,
        data_user_name=snapshot.name_of(found.data_user),
        status=lower_name(found.status),
        proposed_at=found.proposed_at,
        terms=terms_of(found.terms),
        votes_for=found.votes_for,
        votes_against=found.votes_against,
        quorum=found.quorum,
        accepted=list(found.accepted),
        awaited=[each for each in found.terms.datasets if each not in found.accepted],
        left_open=[LeftOpen(dataset=each.dataset_id, terms=term_codes(int(each.terms))) for each in found.abstentions],
        recused=list(found.recused),
        conditions=found.conditions,
        conditions_count=found.conditions_count,
        conditions_agreed=found.conditions_agreed,
        amends=found.amends or None,
        permit=found.id if int(found.id) in snapshot.permits else None,
    )


def _ballot(snapshot: Snapshot, event: IndexedEvent) -> Ballot:
    said: Mapping[str, Any] = event.details
    member = snapshot.member(event.actor)
    return Ballot(
        voter=event.actor,
        voter_name=snapshot.name_of(event.actor),
        approve=said.get("approve"),
        reason_hash=said["reason_hash"],
        conditions_hash=said.get("conditions_hash", ZERO_HASH),
        counts=member is not None and bool(member.roles & routing.BOARD),
        at=event.timestamp,
        position=str(event.position),
    )


def _changes(permit: Permit, applied_for: StudyTerms) -> list[Difference]:
    before, after = (terms_of(each).model_dump(mode="json") for each in (permit.terms, applied_for))
    return [
        Difference(term=name, permitted=before[name], applied_for=after[name])
        for name in before
        if before[name] != after[name]
    ]
