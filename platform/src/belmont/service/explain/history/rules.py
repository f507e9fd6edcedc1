"""Sentences about what the members change of their consortium, and about its pauses."""

from belmont.registry.rules.protocol import Rule
from belmont.service.explain.history.told import Tellers, Told
from belmont.service.words import Moment, Plain, Sentence, Value, counted, names


def _rule_proposed(told: Told) -> Sentence:
    return Sentence("{who} proposed to set the rule “{rule}” to {setting}: proposal {proposal} on rules.",
                    who=told.who, **_rule(told))  # fmt: skip


def _code_proposed(told: Told) -> Sentence:
    return Sentence(
        "{who} proposed other code for the contract {contract}, with the hash {hash}: proposal {proposal} on rules.",
        who=told.who,
        contract=told.account("target"),
        hash=told.hash("code_hash"),
        proposal=told.label("proposal"),
    )


def _redemption_proposed(told: Told) -> Sentence:
    return counted(
        "{who} proposed that {account} redeems {n} point: proposal {proposal} on rules.",
        "{who} proposed that {account} redeems {n} points: proposal {proposal} on rules.",
        told.number("amount"),
        who=told.who,
        account=told.account("account"),
        proposal=told.label("proposal"),
    )


def _supported(told: Told) -> Sentence:
    return Sentence("{who} supported proposal {proposal} on rules.", who=told.who, proposal=told.label("proposal"))


def _support_withdrawn(told: Told) -> Sentence:
    return Sentence("{who} took the support of proposal {proposal} on rules back.", who=told.who,
                    proposal=told.label("proposal"))  # fmt: skip


def _carried(told: Told) -> Sentence:
    return Sentence(
        "Proposal {proposal} on rules was carried; it can take effect from {at}.",
        proposal=told.label("proposal"),
        at=Moment(told.number("enactable_at")),
    )


def _rule_changed(told: Told) -> Sentence:
    return Sentence("The rule “{rule}” is {setting} now, by proposal {proposal} on rules.", **_rule(told))


def _code_switched(told: Told) -> Sentence:
    return Sentence(
        "The contract {contract} runs other code now, by proposal {proposal} on rules.",
        contract=told.account("target"),
        proposal=told.label("proposal"),
    )


def _redeemed(told: Told) -> Sentence:
    return Sentence("Proposal {proposal} on rules took effect: credits were redeemed.",
                    proposal=told.label("proposal"))  # fmt: skip


def _pause_supported(told: Told) -> Sentence:
    return Sentence("{who} voted to pause the consortium (pause {pause}).", who=told.who, pause=told.label("pause"))


def _paused(told: Told) -> Sentence:
    return Sentence(
        "The ethics board paused the consortium until {until} (pause {pause}): nothing is computed.",
        until=Moment(told.number("until")),
        pause=told.label("pause"),
    )


def _resume_supported(told: Told) -> Sentence:
    return Sentence("{who} voted to end pause {pause} early.", who=told.who, pause=told.label("pause"))


def _resumed(told: Told) -> Sentence:
    return Sentence("The ethics board ended pause {pause}: the consortium goes on.", pause=told.label("pause"))


def _upgraded(told: Told) -> Sentence:
    return Sentence(
        "A contract's proxy points to other code now, at {account}.", account=told.account("implementation")
    )


def _rule(told: Told) -> dict[str, Value]:
    """What a rule is set to; a rule that this release does not know stays a number."""
    number, value = told.number("number"), told.number("setting")
    known = number in {int(rule) for rule in Rule}
    return {
        "rule": names.of(Rule(number)) if known else Plain(number),
        "setting": names.setting(Rule(number), value) if known else value,
        "proposal": told.label("proposal"),
    }


TELLERS: Tellers = {
    ("Rules", "RuleProposed"): _rule_proposed,
    ("Rules", "CodeProposed"): _code_proposed,
    ("Rules", "RedemptionProposed"): _redemption_proposed,
    ("Rules", "RuleProposalSupported"): _supported,
    ("Rules", "SupportWithdrawn"): _support_withdrawn,
    ("Rules", "ProposalCarried"): _carried,
    ("Rules", "RuleChanged"): _rule_changed,
    ("Rules", "CodeSwitched"): _code_switched,
    ("Rules", "RedemptionEnacted"): _redeemed,
    ("Rules", "PauseSupported"): _pause_supported,
    ("Rules", "ConsortiumPaused"): _paused,
    ("Rules", "ResumeSupported"): _resume_supported,
    ("Rules", "ConsortiumResumed"): _resumed,
    ("Proxy", "Upgraded"): _upgraded,
}
