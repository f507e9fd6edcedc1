"""What the proposals among the members are about, in words."""

from belmont.registry.rules.protocol import Rule, RuleProposal, RuleProposalKind
from belmont.registry.types import Address, Proposal, ProposalKind
from belmont.service.explain import Names
from belmont.service.words import Plain, Sentence
from belmont.service.words import names as named


def on_members(proposal: Proposal, names: Names) -> Sentence:
    """Whom it admits or removes."""
    account = names.account(proposal.account)
    if proposal.kind is ProposalKind.ADMISSION:
        return Sentence("Admit {account}", account=account)
    return Sentence("Remove {account} for good", account=account)


def on_rules(proposal: RuleProposal, names: Names) -> Sentence:
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


def can_support(proposal: Proposal, account: Address | None, clock: int) -> bool:
    """Whether an account has its vote on members left."""
    is_open = not proposal.executed and proposal.open_until > clock
    return is_open and account not in (*proposal.supporters, proposal.account)


def can_support_rule(proposal: RuleProposal, account: Address | None, clock: int) -> bool:
    """Whether an account has its vote on the rules left."""
    is_open = not proposal.enacted and not proposal.carried_at and proposal.open_until > clock
    return is_open and account not in proposal.supporters
