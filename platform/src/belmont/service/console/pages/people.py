"""Members and the proposals among them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from belmont.identity.messages import MemberSupport, RuleSupport
from belmont.registry.rules.protocol import Rule, RuleProposal, RuleProposalKind
from belmont.registry.types import Proposal, ProposalKind
from belmont.service.console.parts import Acting, Number, Reading, found, names_of, now, service_of
from belmont.service.console.signing import Act, ask, prepared
from belmont.service.console.standing import Standing
from belmont.service.explain import Names
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Moment, Plain, Sentence
from belmont.service.words import names as named

router = APIRouter()
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
    snapshot, clock = service.snapshot, now()
    names = names_of(snapshot)
    on_members = [
        (each, _says(each, names), _stands(each, clock), _can_support(each, str(visitor.account), clock))
        for each in reversed(snapshot.proposals.values())
    ]
    on_rules = [
        (each, rule_says(each, names), _rule_stands(each, clock), _can_support_rule(each, str(visitor.account), clock))
        for each in reversed(snapshot.rule_proposals.values())
    ]
    return service.pages.page(
        request, "people/proposals.html", snapshot=snapshot, on_members=on_members, on_rules=on_rules
    )


def _says(proposal: Proposal, names: Names) -> Sentence:
    account = names.account(proposal.account)
    if proposal.kind is ProposalKind.ADMISSION:
        return Sentence("Admit {account}", account=account)
    return Sentence("Remove {account} for good", account=account)


def rule_says(proposal: RuleProposal, names: Names) -> Sentence:
    """What a proposal on the rules is about."""
    match proposal.kind:
        case RuleProposalKind.RULE:
            number = int.from_bytes(proposal.subject)
            rule = Rule(number) if number in set(Rule) else None
            if rule is None:
                return Sentence("Set rule {number}", number=Plain(number))
            return Sentence(
                "Set “{rule}” to {setting}", rule=named.of(rule), setting=named.setting(rule, proposal.amount)
            )
        case RuleProposalKind.CODE:
            return Sentence("Give {contract} other code", contract=names.account(proposal.account))
        case _:
            return Sentence(
                "Redeem {amount} credits of {account}", amount=proposal.amount, account=names.account(proposal.account)
            )


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


def _can_support(proposal: Proposal, account: str, clock: int) -> bool:
    is_open = not proposal.executed and proposal.open_until > clock
    return is_open and account not in (*proposal.supporters, proposal.account)


def _can_support_rule(proposal: RuleProposal, account: str, clock: int) -> bool:
    is_open = not proposal.enacted and not proposal.carried_at and proposal.open_until > clock
    return is_open and account not in proposal.supporters


@router.get("/proposals/members/{number}/support")
def support_form(request: Request, visitor: Acting, number: Number) -> Response:
    """What support means."""
    snapshot = service_of(request).snapshot
    says = _says(found(snapshot.proposals.get(number)), names_of(snapshot))
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
    says = rule_says(found(snapshot.rule_proposals.get(number)), names_of(snapshot))
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
