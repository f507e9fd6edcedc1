"""The first page: what waits for whoever is signed in, by their roles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from belmont.registry.releases.protocol import ReleaseStatus
from belmont.registry.types import Address, Role, Study, StudyStatus
from belmont.service.access.visitor import Visitor
from belmont.service.console import proposing, standing
from belmont.service.console.addresses import hexed
from belmont.service.console.alerts import alerts_of
from belmont.service.console.parts import SignedIn, a_router, names_of, now, service_of
from belmont.service.explain import Names
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Hash, Moment, Sentence

router = a_router()
FEW_ALERTS = 5


@dataclass(frozen=True)
class Waiting:
    """One thing that somebody can do, or should look at."""

    says: Sentence
    at: int
    """Unix seconds, by which they are ordered."""
    path: str
    do: Sentence


@router.get("/")
def home(request: Request, visitor: SignedIn) -> Response:
    """What waits for me. A patient who is no member is led to their own page."""
    service = service_of(request)
    if visitor.member is None:
        return RedirectResponse("/patient" if visitor.datasets_as_patient else "/account", 303)
    snapshot, clock = service.snapshot, now()
    names = names_of(snapshot)
    sections = [
        (heading, sorted(found, key=lambda each: each.at), empty)
        for heading, found, empty in _sections(snapshot, visitor, names, clock)
    ]
    found = alerts_of(service, clock)
    pressing = [each for each in found if each.mark == "stop"]
    return service.pages.page(
        request,
        "home.html",
        sections=sections,
        alerts=pressing[:FEW_ALERTS],
        alerts_count=len(found),
        snapshot=snapshot,
    )


def _sections(
    snapshot: Snapshot, visitor: Visitor, names: Names, clock: int
) -> Iterator[tuple[Sentence, list[Waiting], Sentence]]:
    account, roles = visitor.account or Address(""), visitor.roles
    if Role.ETHICS_BOARD in roles:
        yield (
            Sentence("Applications to vote on"),
            list(_to_vote_on(snapshot, account, names, clock)),
            Sentence("Every application that is open has your vote, or you recused yourself."),
        )
    if Role.DATA_HOLDER in roles:
        yield (
            Sentence("Applications to accept"),
            list(_to_accept(snapshot, account, names, clock)),
            Sentence("Applications that name a dataset of yours and that you have not accepted would be here."),
        )
    if Role.DATA_USER in roles:
        yield (
            Sentence("My applications and permits"),
            list(_of_user(snapshot, account, names, clock)),
            Sentence("Conditions to agree to and permits to issue would be here."),
        )
    yield (
        Sentence("Permits to look at"),
        list(_frozen(snapshot, names, clock)),
        Sentence("No permit is frozen. Freezes would be here, with when they end."),
    )
    yield (
        Sentence("Releases of models"),
        list(_releases(snapshot, roles, account, names, clock)),
        Sentence("Models that are announced for release, and open to objection, would be here."),
    )
    if roles & (Role.ETHICS_BOARD | Role.DATA_HOLDER | Role.DATA_USER):
        yield (
            Sentence("Proposals among the members"),
            list(_proposals(snapshot, account, names, clock)),
            Sentence("Proposals that you have not supported would be here."),
        )


def _open_studies(snapshot: Snapshot, clock: int) -> Iterator[Study]:
    for study in snapshot.studies.values():
        is_open = study.status in (StudyStatus.PROPOSED, StudyStatus.APPROVED) and study.id not in snapshot.permits
        if is_open and not standing.is_lapsed(study, clock):
            yield study


def _to_vote_on(snapshot: Snapshot, account: Address, names: Names, clock: int) -> Iterator[Waiting]:
    for study in _open_studies(snapshot, clock):
        if standing.can_vote(study, account, clock):
            yield Waiting(
                Sentence(
                    "{who} applies with {study}.", who=names.account(study.data_user), study=names.study(study.id)
                ),
                study.proposed_at,
                f"/studies/{study.id}",
                Sentence("Read and vote"),
            )


def _to_accept(snapshot: Snapshot, account: Address, names: Names, clock: int) -> Iterator[Waiting]:
    for study in _open_studies(snapshot, clock):
        for dataset_id in study.terms.datasets:
            dataset = snapshot.datasets.get(dataset_id)
            if dataset is not None and dataset.holder == account and dataset_id not in study.accepted:
                yield Waiting(
                    Sentence(
                        "{study} asks for {dataset}.", study=names.study(study.id), dataset=names.dataset(dataset_id)
                    ),
                    study.proposed_at,
                    f"/studies/{study.id}",
                    Sentence("Read and accept"),
                )


def _of_user(snapshot: Snapshot, account: Address, names: Names, clock: int) -> Iterator[Waiting]:
    for study in _open_studies(snapshot, clock):
        if study.data_user != account:
            continue
        if study.conditions_open:
            says, do = (
                Sentence("The ethics board set conditions on {study}.", study=names.study(study.id)),
                "conditions",
            )
        elif standing.is_issuable(study, snapshot.permits, clock):
            says, do = Sentence("Nothing is missing for the permit of {study}.", study=names.study(study.id)), "issue"
        else:
            continue
        action = Sentence("Read the conditions") if do == "conditions" else Sentence("Issue the permit")
        if do == "issue" and study.amends:
            action = Sentence("Read how to issue it")
        yield Waiting(says, study.proposed_at, f"/studies/{study.id}", action)


def _frozen(snapshot: Snapshot, names: Names, clock: int) -> Iterator[Waiting]:
    for permit in snapshot.permits.values():
        if standing.is_frozen(permit, clock):
            yield Waiting(
                Sentence(
                    "{permit} is frozen; the freeze ends {until}.",
                    permit=names.permit(permit.id),
                    until=Moment(permit.frozen_until),
                ),
                permit.frozen_until,
                f"/permits/{permit.id}",
                Sentence("Look at it"),
            )


def _releases(snapshot: Snapshot, roles: Role, account: Address, names: Names, clock: int) -> Iterator[Waiting]:
    for release in snapshot.releases:
        path = f"/releases/{release.permit_id}/{hexed(release.model_hash)}"
        model, permit = Hash(release.model_hash), names.permit(release.permit_id)
        is_open = release.status is ReleaseStatus.ANNOUNCED and release.objections_until > clock
        if is_open and account not in release.objections:
            until = Moment(release.objections_until)
            yield Waiting(
                Sentence(
                    "Model {model}, made under {permit}, is open to objection until {until}.",
                    model=model,
                    permit=permit,
                    until=until,
                ),
                release.announced_at,
                path,
                Sentence("Look at it"),
            )
        elif (
            release.status is ReleaseStatus.OBJECTED
            and Role.ETHICS_BOARD in roles
            and release.objections_until <= clock
            and account not in release.confirmations
            and not standing.is_recused(snapshot.studies, release.permit_id, account)
        ):
            yield Waiting(
                Sentence("Model {model}, made under {permit}, waits for the ethics board.", model=model, permit=permit),
                release.announced_at,
                path,
                Sentence("Decide"),
            )


def _proposals(snapshot: Snapshot, account: Address, names: Names, clock: int) -> Iterator[Waiting]:
    for each in snapshot.proposals.values():
        if proposing.can_support(each, account, clock):
            yield Waiting(
                Sentence("Proposal: {says}.", says=proposing.on_members(each, names)),
                each.proposed_at,
                f"/proposals#members-{each.id}",
                Sentence("Look at it"),
            )
    for rule in snapshot.rule_proposals.values():
        if proposing.can_support_rule(rule, account, clock):
            yield Waiting(
                Sentence("Proposal: {says}.", says=proposing.on_rules(rule, names)),
                rule.proposed_at,
                f"/proposals#rules-{rule.id}",
                Sentence("Look at it"),
            )
