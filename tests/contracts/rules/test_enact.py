"""A carried proposal waits, is counted once more, and then does one thing, once."""

import hashlib

import pytest

from belmont.registry.credits.protocol import Balance
from belmont.registry.rules.protocol import Rule, RuleProposalKind
from belmont.registry.types import Address

DAY = 24 * 3600
DELAY, ENACTMENT = 7 * DAY, 30 * DAY
NOTE = "Travel to the patients' council."


@pytest.fixture
def carried(chamber):
    return chamber.carry(chamber.propose(Rule.FREEZE_SECONDS, DAY))


@pytest.fixture
def earned(chamber):
    """The first holder answered one round over 100 rows: 70 credits for it, 30 for the patients of its dataset."""
    consortium = chamber.consortium
    datasets = consortium.dataset(proven=True), consortium.dataset(consortium.other_holder)
    permit = consortium.permit(datasets)
    consortium.round(permit)
    consortium.record(permit, datasets[0])
    return datasets[0]


def redemption(chamber, account, amount, dataset=None):
    rules = chamber.rules(chamber.consortium.auditor)
    return rules.propose_redemption(Address(account.address), amount, NOTE, dataset)


# --- when ---


def test_a_proposal_that_is_unknown_or_not_carried_is_refused(chamber, refused):
    proposal = chamber.propose(Rule.FREEZE_SECONDS, DAY)
    for unknown in (0, proposal + 1):
        with refused("PROPOSAL_UNKNOWN"):
            chamber.rules().enact(unknown)
    for seconds in (0, DELAY, ENACTMENT):
        chamber.wait(seconds)
        with refused("VOTE_UNDECIDED"):
            chamber.rules().enact(proposal)


def test_it_waits_for_the_delay_and_then_anybody_enacts_it(chamber, carried, refused):
    for seconds in (0, DELAY - 1):
        chamber.wait(seconds)
        with refused("TOO_EARLY"):
            chamber.rules().enact(carried)
    assert chamber.rules().setting(Rule.FREEZE_SECONDS) == 7 * DAY
    chamber.wait(1)
    chamber.rules().enact(carried)
    assert chamber.rules().setting(Rule.FREEZE_SECONDS) == DAY
    assert chamber.rules().proposal(carried).enacted
    details = {"proposal": carried, "number": 6, "setting": DAY}
    stranger = chamber.consortium.non_member.address
    assert chamber.consortium.events("RuleChanged") == [("RuleChanged", stranger, details)]


def test_it_is_enacted_once(chamber, carried, refused):
    chamber.wait(DELAY)
    chamber.rules().enact(carried)
    with refused("PROPOSAL_CLOSED"):
        chamber.rules().enact(carried)


def test_it_can_be_enacted_for_thirty_days(chamber, carried, refused):
    chamber.wait(DELAY + ENACTMENT)
    with refused("PROPOSAL_CLOSED"):
        chamber.rules().enact(carried)
    chamber.wait(-1)
    chamber.rules().enact(carried)


def test_the_delay_is_that_of_when_it_was_carried(chamber, refused):
    """A longer delay holds back what is carried after it, and a shorter one hastens nothing that waits already."""
    chamber.set(Rule.DELAY_SECONDS, 60 * DAY)
    waiting, shorter = chamber.propose(Rule.FREEZE_SECONDS, DAY), chamber.propose(Rule.DELAY_SECONDS, DAY)
    chamber.carry(shorter)
    chamber.wait(DAY)
    chamber.carry(waiting)
    chamber.wait(59 * DAY)
    chamber.rules().enact(shorter)
    with refused("TOO_EARLY"):
        chamber.rules().enact(waiting)
    chamber.wait(DAY)
    chamber.rules().enact(waiting)
    soon = chamber.carry(chamber.propose(Rule.LAY_VOTES, 0))
    assert chamber.rules().proposal(soon).enactable_at == chamber.now + DAY


def test_a_majority_that_left_in_the_meantime_is_none_and_may_be_one_again(chamber, carried, refused):
    """One of the four supporters is removed: three of six are too few, and of five enough."""
    consortium = chamber.consortium
    consortium.remove(consortium.data_user)
    chamber.wait(DELAY)
    with refused("VOTE_UNDECIDED"):
        chamber.rules().enact(carried)
    assert not chamber.rules().proposal(carried).enacted
    assert chamber.rules().setting(Rule.FREEZE_SECONDS) == 7 * DAY
    consortium.remove(consortium.board[2])
    chamber.rules().enact(carried)
    assert chamber.rules().setting(Rule.FREEZE_SECONDS) == DAY


def test_it_is_counted_by_the_majority_of_that_time(chamber, carried, refused):
    """Four supporters are more than half of seven members, and not more than six tenths."""
    stricter = chamber.carry(chamber.propose(Rule.MAJORITY_PERCENT, 60))
    chamber.wait(DELAY)
    chamber.rules().enact(stricter)
    with refused("VOTE_UNDECIDED"):
        chamber.rules().enact(carried)


# --- what ---


def test_a_rule_is_changed_and_no_other(chamber):
    before = chamber.rules().settings()
    chamber.set(Rule.PAUSE_SECONDS, 90 * DAY)
    assert chamber.rules().settings() == {**before, Rule.PAUSE_SECONDS: 90 * DAY}


def test_a_rule_can_go_back_to_what_it_was(chamber):
    for percent in (0, 30, 100, 0):
        chamber.set(Rule.PATIENTS_PERCENT, percent)


def test_a_holder_redeems_from_its_balance(chamber, earned):
    consortium, holder = chamber.consortium, chamber.consortium.holder
    proposal = redemption(chamber, holder, 50)
    found, note = chamber.rules().proposal(proposal), hashlib.sha256(NOTE.encode()).digest()
    assert (found.kind, found.account, found.amount) == (RuleProposalKind.REDEMPTION, holder.address, 50)
    assert (found.subject, found.note_hash) == (bytes(32), note)
    chamber.enact(proposal)
    credits = consortium.registry.credits
    assert credits.balance(holder.address) == Balance(70, 50)
    assert credits.pool(earned) == Balance(30, 0)
    assert consortium.events("Redeemed", "RedemptionEnacted") == [
        ("RedemptionEnacted", consortium.non_member.address, {"proposal": proposal}),
        ("Redeemed", holder.address, {"dataset": bytes(32), "amount": 50, "note_hash": note}),
    ]


def test_anybody_the_members_name_redeems_from_a_pool(chamber, earned):
    consortium = chamber.consortium
    chamber.enact(redemption(chamber, consortium.non_member, 30, earned))
    credits = consortium.registry.credits
    assert credits.pool(earned) == Balance(30, 30)
    assert credits.balance(consortium.non_member.address) == Balance(0, 0)
    assert credits.balance(consortium.holder.address) == Balance(70, 0)


def test_no_more_is_redeemed_than_there_is(chamber, earned, refused):
    holder = chamber.consortium.holder
    for account, amount, dataset in (
        (holder, 71, None),
        (holder, 31, earned),
        (chamber.consortium.non_member, 1, None),
    ):
        proposal = chamber.carry(redemption(chamber, account, amount, dataset))
        chamber.wait(DELAY)
        with refused("CREDITS_EXHAUSTED"):
            chamber.rules().enact(proposal)
        assert not chamber.rules().proposal(proposal).enacted
    chamber.enact(redemption(chamber, holder, 70))
    chamber.enact(redemption(chamber, holder, 30, earned))
    with refused("CREDITS_EXHAUSTED"):
        chamber.enact(redemption(chamber, holder, 1))
    with refused("CREDITS_EXHAUSTED"):
        chamber.enact(redemption(chamber, holder, 1, earned))


def test_a_redemption_that_found_too_little_is_enacted_once_there_is_enough(chamber, earned, refused):
    """It stays carried for its thirty days."""
    consortium = chamber.consortium
    proposal = chamber.carry(redemption(chamber, consortium.holder, 140))
    chamber.wait(DELAY)
    with refused("CREDITS_EXHAUSTED"):
        chamber.rules().enact(proposal)
    (permit,) = consortium.registry.permits()
    consortium.round(permit.id, 2)
    consortium.record(permit.id, earned, n=2)
    chamber.rules().enact(proposal)
    assert consortium.registry.credits.balance(consortium.holder.address) == Balance(140, 140)


def test_two_redemptions_of_the_same_credits_do_not_both_happen(chamber, earned, refused):
    first, second = (chamber.carry(redemption(chamber, chamber.consortium.holder, 70)) for _ in range(2))
    chamber.wait(DELAY)
    chamber.rules().enact(first)
    with refused("CREDITS_EXHAUSTED"):
        chamber.rules().enact(second)


def test_the_largest_amount_does_not_wrap_around(chamber, earned, refused):
    proposal = chamber.carry(redemption(chamber, chamber.consortium.holder, 2**64 - 1))
    chamber.wait(DELAY)
    with refused("CREDITS_EXHAUSTED"):
        chamber.rules().enact(proposal)
