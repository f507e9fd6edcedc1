"""A vote for a study can set conditions, and a permit waits for the data user's agreement to them all."""

import pytest
from eth_abi import encode
from eth_utils import keccak

from belmont.identity.approval_conditions import ApprovalConditions
from belmont.registry.hashes import conditions_of
from belmont.registry.types import Ballot, StudyStatus

ONE = ApprovalConditions(("Report every six months.",)).hash
MEASURED = {"vote": 126_014, "vote with conditions": 179_680, "agreement": 64_615, "recusal": 95_231}
"""Gas with proxies, as docs/registry.md has it; the second vote is the one that decides."""
TWO = ApprovalConditions(("Name no hospital in a publication.", "Keep no model after the study.")).hash


@pytest.fixture
def study(paired):
    return paired.study()


def vote(consortium, study, voter, conditions=bytes(32), approve=True):
    consortium.registry.as_(voter).vote(study, approve, "", conditions)


def running(study, *conditions):
    """Written out here: tag, study, hash before, voter and hash, each a word."""
    found = bytes(32)
    for voter, hashed in conditions:
        words = encode(["uint64", "bytes32", "address", "bytes32"], [study, found, voter.address, hashed])
        found = keccak(keccak(b"belmont/approval-conditions/1") + words)
    return found


def agree(consortium, study, by=None):
    conditions = consortium.registry.study(study).conditions
    consortium.registry.as_(by or consortium.data_user).agree(study, conditions)


# --- a vote ---


def test_a_conditional_vote_counts_for_the_quorum(paired, study):
    vote(paired, study, paired.board[0], ONE)
    found = paired.registry.study(study)
    assert (found.votes_for, found.votes_against, found.status) == (1, 0, StudyStatus.PROPOSED)
    vote(paired, study, paired.board[1], TWO)
    assert paired.registry.study(study).status is StudyStatus.APPROVED


def test_the_study_keeps_every_ballot_and_the_running_hash_of_all_conditions(paired, study):
    first, second, third = paired.board
    vote(paired, study, first, ONE)
    vote(paired, study, second, approve=False)
    vote(paired, study, third, TWO)
    found = paired.registry.study(study)
    assert found.ballots == (
        Ballot(first.address, True, ONE),
        Ballot(second.address, False),
        Ballot(third.address, True, TWO),
    )
    assert found.conditions == running(study, (first, ONE), (third, TWO)) == conditions_of(study, found.ballots)
    assert (found.conditions_count, found.conditions_agreed, found.conditions_open) == (2, False, True)


def test_without_conditions_there_is_nothing_to_agree_to(paired, study):
    paired.approve(study)
    found = paired.registry.study(study)
    assert (found.conditions, found.conditions_count, found.conditions_open) == (bytes(32), 0, False)


def test_the_same_conditions_by_another_voter_in_another_order_or_of_another_study_have_another_hash(paired, study):
    first, second = paired.board[:2]
    other = paired.study()
    hashes = {
        running(study, (first, ONE)),
        running(study, (second, ONE)),
        running(study, (first, ONE), (second, TWO)),
        running(study, (second, TWO), (first, ONE)),
        running(other, (first, ONE)),
    }
    assert len(hashes) == 5
    vote(paired, other, first, ONE)
    assert paired.registry.study(other).conditions == running(other, (first, ONE))


def test_announces_the_hash_with_the_vote(paired, study):
    vote(paired, study, paired.board[0], ONE)
    details = {"study": study, "approve": True, "conditions_hash": ONE, "reason_hash": bytes(32)}
    assert paired.events("VoteCast") == [("VoteCast", paired.board[0].address, details)]


def test_a_vote_against_sets_no_conditions(paired, study, refused):
    with refused("CONDITIONS_WITH_REFUSAL"):
        vote(paired, study, paired.board[0], ONE, approve=False)
    assert paired.registry.study(study).ballots == ()


def test_conditions_stay_when_their_voter_leaves_the_board(paired, study):
    vote(paired, study, paired.board[2], ONE)
    paired.remove(paired.board[2])
    for member in paired.board[:2]:
        vote(paired, study, member)
    found = paired.registry.study(study)
    assert (found.status, found.votes_for, found.conditions_open) == (StudyStatus.APPROVED, 2, True)


# --- agreement ---


def test_the_data_user_agrees_by_the_running_hash(paired, study):
    vote(paired, study, paired.board[0], ONE)
    agree(paired, study)
    found = paired.registry.study(study)
    assert (found.conditions_agreed, found.conditions_open) == (True, False)
    details = {"study": study, "conditions": found.conditions}
    assert paired.events("ConditionsAgreed") == [("ConditionsAgreed", paired.data_user.address, details)]


def test_an_approved_study_can_be_agreed_to(paired, study):
    vote(paired, study, paired.board[0], ONE)
    vote(paired, study, paired.board[1])
    agree(paired, study)
    assert paired.registry.study(study).conditions_agreed


def test_conditions_that_come_later_open_the_agreement_again(paired, study, refused):
    vote(paired, study, paired.board[0], ONE)
    agree(paired, study)
    earlier = paired.registry.study(study).conditions
    vote(paired, study, paired.board[1], TWO)
    assert paired.registry.study(study).conditions_open
    with refused("CONDITIONS_MISMATCH"):
        paired.registry.as_(paired.data_user).agree(study, earlier)
    agree(paired, study)
    assert paired.registry.study(study).conditions_agreed


def test_votes_without_conditions_leave_an_agreement_as_it_is(paired, study):
    vote(paired, study, paired.board[0], ONE)
    agree(paired, study)
    vote(paired, study, paired.board[1])
    assert paired.registry.study(study).conditions_agreed


@pytest.mark.parametrize("other", [bytes(32), ONE, b"\xff" * 32])
def test_another_hash_is_refused(paired, study, refused, other):
    vote(paired, study, paired.board[0], ONE)
    with refused("CONDITIONS_MISMATCH"):
        paired.registry.as_(paired.data_user).agree(study, other)


def test_the_hash_of_another_study_is_refused(paired, study, refused):
    other = paired.study()
    for each in (study, other):
        vote(paired, each, paired.board[0], ONE)
    with refused("CONDITIONS_MISMATCH"):
        paired.registry.as_(paired.data_user).agree(study, paired.registry.study(other).conditions)


@pytest.mark.parametrize("hashed", [bytes(32), ONE])
def test_where_there_are_none_nothing_is_agreed_to(paired, study, refused, hashed):
    vote(paired, study, paired.board[0])
    with refused("NO_CONDITIONS"):
        paired.registry.as_(paired.data_user).agree(study, hashed)


def test_nobody_agrees_twice_to_the_same(paired, study, refused):
    vote(paired, study, paired.board[0], ONE)
    agree(paired, study)
    with refused("ALREADY_AGREED"):
        agree(paired, study)


@pytest.mark.parametrize("role", ["holder", "auditor", "non_member"])
def test_only_the_data_user_agrees(paired, study, refused, role):
    vote(paired, study, paired.board[0], ONE)
    for somebody in (getattr(paired, role), paired.board[0]):
        with refused("NOT_THE_APPLICANT"):
            agree(paired, study, somebody)


def test_a_removed_data_user_does_not(paired, study, refused):
    vote(paired, study, paired.board[0], ONE)
    paired.remove(paired.data_user)
    with refused("NOT_DATA_USER"):
        agree(paired, study)


def test_nobody_agrees_to_those_of_a_study_that_is_refused_cancelled_issued_or_unknown(paired, study, refused):
    lost, cancelled = paired.study(), paired.study()
    for each in (study, lost, cancelled):
        vote(paired, each, paired.board[0], ONE)
    for member in paired.board[1:]:
        vote(paired, lost, member, approve=False)
    paired.registry.as_(paired.data_user).cancel(cancelled)
    for each in (lost, cancelled):
        with refused("STUDY_CLOSED"):
            agree(paired, each)
    agree(paired, study)
    vote(paired, study, paired.board[1])
    paired.accept(study)
    paired.registry.as_(paired.non_member).issue(study)
    with refused("PERMIT_EXISTS"):
        agree(paired, study)
    with refused("STUDY_UNKNOWN"):
        paired.registry.as_(paired.data_user).agree(99, ONE)


# --- the permit ---


@pytest.fixture
def ready(paired, study):
    """Approved under conditions, and accepted by every holder."""
    vote(paired, study, paired.board[0], ONE)
    vote(paired, study, paired.board[1], TWO)
    paired.accept(study)
    return study


def test_no_permit_is_issued_with_open_conditions(paired, ready, refused):
    for somebody in (paired.data_user, paired.non_member):
        with refused("CONDITIONS_OPEN"):
            paired.registry.as_(somebody).issue(ready)
    agree(paired, ready)
    assert paired.registry.as_(paired.non_member).issue(ready) == ready


def test_an_agreement_to_fewer_conditions_issues_nothing(paired, study, refused):
    vote(paired, study, paired.board[0], ONE)
    agree(paired, study)
    vote(paired, study, paired.board[1], TWO)
    paired.accept(study)
    with refused("CONDITIONS_OPEN"):
        paired.registry.as_(paired.non_member).issue(study)


def test_the_permit_of_an_amendment_waits_for_its_own_conditions(paired, ready, refused):
    agree(paired, ready)
    permit = paired.registry.as_(paired.non_member).issue(ready)
    terms = paired.registry.study(ready).terms
    amendment = paired.registry.as_(paired.data_user).propose_amendment(permit, terms)
    assert paired.registry.study(amendment).conditions == bytes(32)
    vote(paired, amendment, paired.board[0])
    vote(paired, amendment, paired.board[1], ONE)
    paired.accept(amendment)
    with refused("CONDITIONS_OPEN"):
        paired.registry.as_(paired.data_user).issue(amendment)
    agree(paired, amendment)
    paired.registry.as_(paired.data_user).issue(amendment)


# --- cost ---


def test_a_vote_and_an_agreement_cost_so_much(consortium):
    study = consortium.study()
    costs = {}
    vote(consortium, study, consortium.board[0])
    costs["vote"] = consortium.evm.gas_used
    vote(consortium, study, consortium.board[1], ONE)
    costs["vote with conditions"] = consortium.evm.gas_used
    agree(consortium, study)
    costs["agreement"] = consortium.evm.gas_used
    other = consortium.study()
    consortium.registry.as_(consortium.board[0]).recuse(other)
    costs["recusal"] = consortium.evm.gas_used
    assert costs == pytest.approx(MEASURED, rel=0.1)
