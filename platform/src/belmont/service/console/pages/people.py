"""Members and the proposals among them."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from belmont.audit.search import EventQuery
from belmont.identity.messages import MemberSupport, RuleSupport
from belmont.registry.rules.protocol import RuleProposal
from belmont.registry.types import Proposal, Role
from belmont.service.console import proposing
from belmont.service.console.parts import (
    Acting,
    Number,
    Reading,
    a_router,
    found,
    names_of,
    newest_first,
    now,
    service_of,
)
from belmont.service.console.signing import Act, ask, prepared
from belmont.service.console.standing import Standing
from belmont.service.service import Service
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Moment, Plain, Sentence

router = a_router()
BACK = Sentence("Back to the proposals")


@router.get("/members")
def members(request: Request, visitor: Reading) -> Response:
    """Every member ever admitted, with what they hold and did."""
    service = service_of(request)
    snapshot = service.snapshot
    holdings = {
        account: [each for each in snapshot.datasets.values() if each.holder == account] for account in snapshot.members
    }
    applications = {
        account: [each for each in snapshot.studies.values() if each.data_user == account]
        for account in snapshot.members
    }
    return service.pages.page(
        request, "people/members.html", snapshot=snapshot, holdings=holdings, applications=applications
    )


@router.get("/proposals")
def proposals(request: Request, visitor: Reading) -> Response:
    """Votes among the members: on members, on rules, code and redemptions."""
    service = service_of(request)
    snapshot, clock, account = service.snapshot, now(), visitor.account
    names = names_of(snapshot)
    on_members = [
        (
            each,
            proposing.on_members(each, names),
            _stands(each, clock),
            proposing.can_support(each, account, clock),
        )
        for each in newest_first(snapshot.proposals)
    ]
    on_rules = [
        (
            each,
            proposing.on_rules(each, names),
            _rule_stands(each, clock),
            proposing.can_support_rule(each, account, clock),
        )
        for each in newest_first(snapshot.rule_proposals)
    ]
    return service.pages.page(
        request,
        "people/proposals.html",
        snapshot=snapshot,
        on_members=on_members,
        on_rules=on_rules,
        candidates=_candidates(service),
    )


def _candidates(service: Service) -> dict[int, dict[str, Any]]:
    """By proposal, what was said of whoever is to be admitted: it is in the event alone."""
    page = service.index.search(EventQuery(names=("AdmissionProposed",), limit=500))
    return {
        each.details["proposal"]: {
            "name": each.details["name"],
            "roles": Role(each.details["roles"]),
            "did": each.details["did"],
        }
        for each in page.events
    }


def _stands(proposal: Proposal, clock: int) -> Standing:
    if proposal.executed:
        return Standing("good", Sentence("carried out"))
    if proposal.open_until <= clock:
        return Standing("over", Sentence("lapsed"))
    return Standing("wait", Sentence("open until {until}", until=Moment(proposal.open_until)))


def _rule_stands(proposal: RuleProposal, clock: int) -> Standing:
    if proposal.enacted:
        return Standing("good", Sentence("enacted"))
    if proposal.enactable_at:
        return Standing("wait", Sentence("carried; takes effect from {when}", when=Moment(proposal.enactable_at)))
    if proposal.open_until <= clock:
        return Standing("over", Sentence("lapsed"))
    return Standing("wait", Sentence("open until {until}", until=Moment(proposal.open_until)))


@router.get("/proposals/members/{number}/support")
def support_form(request: Request, visitor: Acting, number: Number) -> Response:
    """What support means."""
    snapshot = service_of(request).snapshot
    says = proposing.on_members(found(snapshot.proposals.get(number)), names_of(snapshot))
    return ask(request, _support(number, says, snapshot))


@router.post("/proposals/members/{number}/support")
def support(request: Request, visitor: Acting, number: Number) -> Response:
    """The support as a message to sign."""
    found(service_of(request).snapshot.proposals.get(number))
    message = MemberSupport(actor=str(visitor.account), proposal=number)
    return prepared(request, visitor, message, "/proposals")


@router.get("/proposals/rules/{number}/support")
def rule_support_form(request: Request, visitor: Acting, number: Number) -> Response:
    """The same for rules."""
    snapshot = service_of(request).snapshot
    says = proposing.on_rules(found(snapshot.rule_proposals.get(number)), names_of(snapshot))
    return ask(request, _support(number, says, snapshot))


@router.post("/proposals/rules/{number}/support")
def rule_support(request: Request, visitor: Acting, number: Number) -> Response:
    """The support as a message to sign."""
    found(service_of(request).snapshot.rule_proposals.get(number))
    message = RuleSupport(actor=str(visitor.account), proposal=number)
    return prepared(request, visitor, message, "/proposals")


def _support(number: int, says: Sentence, snapshot: Snapshot) -> Act:
    return Act(
        Sentence("Support a proposal"),
        (
            Sentence("Proposal {number}: {says}.", number=Plain(number), says=says),
            Sentence("The vote that makes a majority of the active members carries it."),
        ),
        "/proposals",
        BACK,
    )
