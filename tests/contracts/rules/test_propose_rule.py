"""Every number has a default and bounds, and nobody but an active member proposes another."""

import pytest

from belmont.registry.rules.protocol import Rule, RuleProposalKind
from belmont.registry.types import Address

DAY = 24 * 3600
BOUNDS = {
    Rule.BOARD_QUORUM_PERCENT: (50, 50, 80),
    Rule.MAJORITY_PERCENT: (50, 50, 80),
    Rule.BOARD_MIN: (2, 2, 32),
    Rule.LAY_VOTES: (0, 0, 8),
    Rule.PROPOSAL_SECONDS: (DAY, 30 * DAY, 90 * DAY),
    Rule.DELAY_SECONDS: (DAY, 7 * DAY, 60 * DAY),
    Rule.FREEZE_SECONDS: (DAY, 7 * DAY, 7 * DAY),
    Rule.PAUSE_SECONDS: (DAY, 30 * DAY, 90 * DAY),
    Rule.PATIENTS_PERCENT: (0, 30, 100),
    Rule.OBJECTION_SECONDS: (DAY, 7 * DAY, 60 * DAY),
}
"""Least, default and most, as in docs/registry.md."""


def test_every_rule_has_its_default_at_the_founding(chamber):
    assert set(BOUNDS) == set(Rule)
    assert chamber.rules().settings() == {rule: default for rule, (_, default, _) in BOUNDS.items()}
    assert all(chamber.rules().setting(rule) == default for rule, (_, default, _) in BOUNDS.items())


@pytest.mark.parametrize("rule", Rule)
def test_least_and_most_are_taken_and_one_beyond_is_refused(chamber, refused, rule):
    as_auditor, (least, _, most) = chamber.rules(chamber.consortium.auditor), BOUNDS[rule]
    for number, setting in enumerate((least, most), start=1):
        assert as_auditor.propose_rule(rule, setting) == number
        assert as_auditor.proposal(number).amount == setting
    for setting in ({least - 1} - {-1}) | {most + 1, 2**64 - 1}:
        with refused("RULE_OUT_OF_BOUNDS"):
            as_auditor.propose_rule(rule, setting)
    assert len(as_auditor.proposals()) == 2


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("most", [False, True])
def test_every_setting_within_bounds_can_be_enacted(chamber, rule, most):
    """Zero among them, which is a setting and not the default."""
    chamber.set(rule, BOUNDS[rule][2 if most else 0])
    assert [each for each in Rule if chamber.rules().setting(each) != BOUNDS[each][1]] in ([], [rule])


@pytest.mark.parametrize("number", [10, 2**64 - 1])
def test_a_rule_that_does_not_exist_is_refused(chamber, refused, number):
    with refused("RULE_UNKNOWN"):
        chamber.rules(chamber.consortium.auditor).propose_rule(number, 50)


def test_whoever_proposes_supports_it_and_nothing_changes_yet(chamber):
    proposal = chamber.propose(Rule.MAJORITY_PERCENT, 60)
    found, auditor = chamber.rules().proposal(proposal), chamber.consortium.auditor.address
    assert (found.kind, found.subject) == (RuleProposalKind.RULE, (1).to_bytes(32, "big"))
    assert (found.amount, found.supporters, found.proposed_at) == (60, (auditor,), chamber.now)
    assert (found.carried_at, found.enactable_at, found.enacted) == (0, 0, False)
    assert chamber.rules().setting(Rule.MAJORITY_PERCENT) == 50
    details = {"proposal": proposal, "number": 1, "setting": 60}
    assert chamber.consortium.events("RuleProposed") == [("RuleProposed", auditor, details)]
    assert chamber.rules().proposal(proposal + 1) is None


def test_nobody_else_proposes(chamber, refused):
    consortium = chamber.consortium
    consortium.remove(consortium.other_holder)
    for somebody in (consortium.non_member, consortium.other_holder):
        with refused("NOT_MEMBER"):
            chamber.rules(somebody).propose_rule(Rule.MAJORITY_PERCENT, 60)
        with refused("NOT_MEMBER"):
            chamber.rules(somebody).propose_redemption(Address(consortium.holder.address), 1, "A note.")
