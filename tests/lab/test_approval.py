"""Approval with conditions, and recusals, from a notebook."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.messages import Agreement, Recusal, Vote
from belmont.lab import Consortium, approval, documents
from belmont.lab.errors import LabError, NotYet
from belmont.lab.study import Study
from belmont.registry.errors import RegistryRefused
from belmont.registry.types import Address

Bare = Callable[..., Consortium]
REPORT, NAMES = "Report to the board every six months.", "发表前须经伦理委员会审阅。"


@pytest.fixture
def made(bare: Bare) -> Consortium:
    return bare()


@pytest.fixture
def study(made: Consortium) -> Study:
    return made.propose("Under conditions", rounds=1, queries=1)


def elsewhere(made: Consortium, conditions: ApprovalConditions, study: Study, member: int = 0) -> None:
    """A vote whose text is on another machine."""
    identity = made.board[member].identity
    made.registry.as_(identity.account).vote(study.id, True, "", conditions.hash)


def test_a_study_approved_under_conditions_has_no_permit_until_the_data_user_agrees(
    made: Consortium, study: Study
) -> None:
    study.vote(*made.board[:2], conditions=[f"  {REPORT} ", NAMES], reason="with care").accept(*made.hospitals)
    assert (study.status, study.record.conditions_count) == ("approved", 2)
    with pytest.raises(NotYet, match=r"set conditions: read study\.conditions, then study\.agree\(\)"):
        study.permit()
    assert list(study.conditions["condition"]) == [REPORT, NAMES] * 2
    assert set(study.conditions["set by"]) == {each.name for each in made.board[:2]}
    card = study._repr_html_()
    assert REPORT in card and "open: no permit until agreed" in card
    with pytest.raises(RegistryRefused, match="CONDITIONS_OPEN"):
        made.registry.as_(made.researcher.identity.account).issue(study.id)
    assert study.agree().permit().status == "active"
    assert "agreed to by the data user" in study._repr_html_()


def test_conditions_that_come_later_open_the_agreement_again(made: Consortium, study: Study) -> None:
    study.vote(made.board[0], conditions=[REPORT]).agree().accept(*made.hospitals)
    study.vote(made.board[1], conditions=[NAMES])
    with pytest.raises(NotYet, match="set conditions"):
        study.permit()
    assert study.agree().permit().status == "active"
    with pytest.raises(RegistryRefused, match="PERMIT_EXISTS"):
        study.agree()


def test_nobody_agrees_to_what_they_have_not_read(made: Consortium, study: Study, tmp_path: Path) -> None:
    first, second = ApprovalConditions((REPORT,)), ApprovalConditions((NAMES,))
    elsewhere(made, first, study)
    vote = Vote(actor=made.board[1].address, study=study.id, approve=True, conditions_hash=second.hash)
    signed = vote.sign(made.board[1].identity, made.registry.relay.domain, conditions=second)
    made.registry.as_(made.researcher.identity.account).relay.submit(signed)
    signed.save(tmp_path / "vote.json")
    assert list(study.conditions["condition"].isna()) == [True, True]
    assert "only its hash is here" in study._repr_html_()
    with pytest.raises(LabError, match=f"{made.board[0].name}.*{made.board[1].name}"):
        study.agree()
    with pytest.raises(LabError, match=made.board[1].name):
        study.agree(first.canonical())
    study.agree(tmp_path / "vote.json")
    assert study.record.conditions_agreed and list(study.conditions["condition"]) == [REPORT, NAMES]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (ApprovalConditions((NAMES,)).canonical(), "no vote on study 1 set the conditions"),
        (b"Report to the board every six months.", "no conditions of a board"),
        (json.dumps({"typed_data": 1}).encode(), "give the file of a signed vote"),
        ("missing.json", "is no file"),
        (b"", "empty"),
    ],
)
def test_another_text_is_not_taken_for_what_a_vote_set(
    made: Consortium, study: Study, given: bytes | str, why: str
) -> None:
    elsewhere(made, ApprovalConditions((REPORT,)), study)
    with pytest.raises(LabError, match=why):
        study.agree(given)
    assert not study.record.conditions_agreed


def test_a_signed_message_without_its_text_is_none(made: Consortium, study: Study, tmp_path: Path) -> None:
    conditions = ApprovalConditions((REPORT,))
    vote = Vote(actor=made.board[0].address, study=study.id, approve=True, conditions_hash=conditions.hash)
    signed = vote.sign(made.board[0].identity, made.registry.relay.domain)
    made.relay(signed)
    signed.save(tmp_path / "vote.json")
    with pytest.raises(LabError, match="no text of conditions"):
        study.agree(tmp_path / "vote.json")


def test_a_text_that_was_changed_on_disk_is_not_shown_as_what_was_voted(made: Consortium, study: Study) -> None:
    study.vote(made.board[0], conditions=[REPORT])
    cid = documents.keep(None, ApprovalConditions((REPORT,)).canonical())
    (made.home_here.path / documents.FOLDER / str(cid)).write_bytes(ApprovalConditions((NAMES,)).canonical())
    assert list(study.conditions["condition"]) == [None]
    with pytest.raises(LabError, match="not read"):
        study.agree()


def test_a_hash_of_something_else_is_shown_as_a_hash(made: Consortium, study: Study) -> None:
    cid = documents.keep(made.home, b"any text at all")
    made.registry.as_(made.board[0].identity.account).vote(study.id, True, "", cid.binary[-32:])
    assert list(study.conditions["condition"]) == [None]


def test_a_chain_whose_running_hash_is_not_that_of_its_votes_is_agreed_to_by_nobody(
    made: Consortium, study: Study
) -> None:
    study.vote(made.board[0], conditions=[REPORT])
    forged = replace(study.record, conditions=b"\x11" * 32)
    with pytest.raises(LabError, match="not that of its votes"):
        approval.agreeable(made, forged, ())


def test_where_nobody_set_conditions_there_is_nothing_to_agree_to(made: Consortium, study: Study) -> None:
    study.vote(made.board[0])
    with pytest.raises(LabError, match="nothing to agree to"):
        study.agree()
    assert study.conditions.empty and "set by" not in study._repr_html_()


@pytest.mark.parametrize("conditions", [["x" * 1001], ["one", "one"], "one text", ["\u202e"]])
def test_what_is_no_condition_is_not_voted(made: Consortium, study: Study, conditions: list[str]) -> None:
    with pytest.raises(LabError, match="condition"):
        study.vote(made.board[0], conditions=conditions)
    assert study.record.ballots == ()


def test_a_vote_against_sets_no_conditions(made: Consortium, study: Study) -> None:
    with pytest.raises(LabError, match="sets no conditions"):
        study.vote(made.board[0], approve=False, conditions=[REPORT])
    assert study.record.ballots == ()


def test_a_hostile_condition_is_escaped_in_the_card(made: Consortium, study: Study) -> None:
    study.vote(made.board[0], conditions=["<script>alert(1)</script>"])
    assert "<script>" not in study._repr_html_()


# --- recusal ---


def test_a_member_with_an_interest_takes_no_part_and_the_quorum_stays(made: Consortium, study: Study) -> None:
    first, second, third = made.board
    study.recuse(first, "I am a co-author")
    assert study.record.recused == (Address(first.address),) and "takes no part" in study._repr_html_()
    with pytest.raises(RegistryRefused, match="RECUSED"):
        study.vote(first)
    assert study.vote(second).status == "proposed"
    assert study.vote(third).status == "approved"


def test_too_many_who_take_no_part_leave_no_quorum(made: Consortium, study: Study) -> None:
    study.recuse(made.board[0]).recuse(made.board[1])
    assert study.status == "refused"


def test_only_one_at_a_time_and_only_a_member(made: Consortium, study: Study) -> None:
    with pytest.raises(LabError, match="name members one by one"):
        study.recuse(list(made.board))  # type: ignore[arg-type]
    with pytest.raises(RegistryRefused, match="NOT_ETHICS_BOARD"):
        study.recuse(made.researcher)


# --- signed, and in the audit trail ---


def test_all_of_it_can_be_signed_with_no_network(made: Consortium, study: Study, tmp_path: Path) -> None:
    domain, conditions = made.registry.relay.domain, ApprovalConditions((REPORT,))
    vote = Vote(actor=made.board[0].address, study=study.id, approve=True, conditions_hash=conditions.hash)
    vote.sign(made.board[0].identity, domain, conditions=conditions).save(tmp_path / "vote.json")
    made.relay(tmp_path / "vote.json")
    assert list(study.conditions["condition"]) == [REPORT]
    made.relay(Recusal(actor=made.board[1].address, study=study.id).sign(made.board[1].identity, domain))
    user = made.researcher
    agreement = Agreement(actor=user.address, study=study.id, conditions=study.record.conditions)
    made.relay(agreement.sign(user.identity, domain))
    assert study.record.conditions_agreed and len(study.record.recused) == 1


def test_the_audit_trail_says_who_set_which_conditions_and_who_took_no_part(made: Consortium, study: Study) -> None:
    study.vote(made.board[0], conditions=[REPORT]).recuse(made.board[1], "a relative takes part").agree()
    audit = made.audit().iloc[-3:]
    assert list(audit["what"]) == ["VoteCast", "Recused", "ConditionsAgreed"]
    assert list(audit["who"]) == [made.board[0].name, made.board[1].name, made.researcher.name]
    assert f"conditions_hash {REPORT}, reason_hash none" in audit.iloc[0]["details"]
