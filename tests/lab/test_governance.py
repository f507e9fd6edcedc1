"""The consortium governs itself from a notebook: rules, proposals, members, and the pause."""

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.identity.keys import Identity
from belmont.identity.messages import Vote
from belmont.lab import Consortium, documents
from belmont.lab.errors import LabError, NotYet
from belmont.lab.people import Actor
from belmont.lab.rule_table import TEXTS, text_of
from belmont.registry.errors import RegistryRefused
from belmont.registry.reference.settings import BOUNDS
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import Address, MemberProfile, Role
from belmont.vault.cid import RAW, Cid

Bare = Callable[..., Consortium]


def newcomer(name: str = "Registry of Strokes") -> MemberProfile:
    identity = Identity.create()
    return MemberProfile(Address(identity.address), name, identity.did, Role.DATA_USER)


def test_what_was_signed_is_relayed_from_its_file_too(bare: Bare, tmp_path: Path) -> None:
    consortium = bare()
    study = consortium.propose("By file", rounds=1, queries=1)
    vote = Vote(actor=Address(consortium.board[0].address), study=study.id, approve=True)
    signed = vote.sign(consortium.board[0].identity, consortium.registry.relay.domain)
    signed.save(tmp_path / "vote.json")
    consortium.relay(str(tmp_path / "vote.json"))
    assert study.record.votes_for == 1
    with pytest.raises(LabError, match="relay a signed message or its file, not int"):
        consortium.relay(3)  # type: ignore[arg-type]


# --- rules ---


def test_every_rule_is_listed_with_its_bounds_in_a_unit_that_people_use(bare: Bare) -> None:
    consortium = bare()
    rules = consortium.rules
    assert len(rules) == len(Rule) == len({each.rule for each in TEXTS})
    assert list(rules.loc["delay"][["setting", "default", "bounds", "unit"]]) == [7, 7, "1 to 60", "days"]
    assert list(rules.loc["board_quorum"][["setting", "default", "bounds", "unit"]]) == [50, 50, "50 to 80", "percent"]
    assert (rules["setting"] == rules["default"]).all()
    html = rules._repr_html_()
    assert all(escape(each, quote=False) in html for each in rules["what"])
    members = consortium.members()
    assert all(len(did) > 50 and did in members._repr_html_() for did in members["DID"])


@given(rule=st.sampled_from(list(Rule)), share=st.floats(0, 1))
def test_what_is_shown_of_a_setting_within_bounds_leads_back_to_it(rule: Rule, share: float) -> None:
    least, _, most = BOUNDS[rule]
    setting = least + int(share * (most - least))
    text = text_of(rule)
    assert text.setting(text.shown(setting)) == setting


@pytest.mark.parametrize(
    ("rule", "setting", "why"),
    [
        ("delay", 0.5, "from 1 to 60 days"),
        ("delay", 61, "from 1 to 60 days"),
        ("delay", float("nan"), "from 1 to 60 days"),
        ("majority", 49, "whole number from 50 to 80 percent"),
        ("majority", 50.5, "whole number from 50 to 80 percent"),
        ("lay_votes", "two", "whole number from 0 to 8 votes"),
        ("lay_votes", True, "whole number from 0 to 8 votes"),
        ("dealy", 3, "no rule 'dealy'.*board_quorum"),
    ],
)
def test_a_setting_that_no_vote_can_make_is_refused_with_what_can_be(
    bare: Bare, rule: str, setting: Any, why: str
) -> None:
    consortium = bare()
    with pytest.raises(LabError, match=why):
        consortium.board[0].propose_rule(rule, setting)
    assert consortium.proposals().empty


def test_a_rule_is_proposed_supported_and_enacted_after_its_delay(bare: Bare, movable: Any) -> None:
    consortium = bare(url=movable.url)
    proposal = consortium.board[0].propose_rule("longest_freeze", 3)
    assert (proposal.label, proposal.status, proposal.votes) == ("rules 1", "open", (1, 4))
    with pytest.raises(NotYet, match="1 of 4 votes"):
        consortium.enact(1)
    with pytest.raises(RegistryRefused, match=r"ALREADY_VOTED.*once"):
        consortium.board[0].support(proposal)
    consortium.board[1].support("rules 1")
    proposal.support(*consortium.hospitals, consortium.researcher)
    assert (proposal.status, proposal.votes) == ("carried", (4, 4))
    with pytest.raises(NotYet, match="can be enacted from 20"):
        consortium.enact("rules 1")
    row = consortium.proposals().loc["rules 1"]
    assert (row["what"], row["votes"], row["status"]) == ("set longest_freeze to 3 days", "4 of 4", "carried")
    assert (row["enactable at"] - row["open until"]).days in (-23, -24)
    assert "rules 1: set longest_freeze to 3 days" in proposal._repr_html_()
    with Consortium.connect(movable.move(8), consortium.home_here.path) as later:
        assert later.proposal(1).status == "can be enacted"
        assert later.enact(1).status == "in force"
        assert later.rules.loc["longest_freeze"]["setting"] == 3
        with pytest.raises(RegistryRefused, match="PROPOSAL_CLOSED"):
            later.enact(1)


def test_a_proposal_that_nobody_carries_or_enacts_in_time_lapses(bare: Bare, movable: Any) -> None:
    consortium = bare(url=movable.url)
    consortium.board[0].propose_rule("delay", 2)
    carried = consortium.board[0].propose_rule("delay", 3).support(*consortium.board[1:], *consortium.hospitals)
    assert carried.status == "carried"
    with Consortium.connect(movable.move(38), consortium.home_here.path) as later:
        assert list(later.proposals()["status"]) == ["lapsed", "lapsed"]
        with pytest.raises(RegistryRefused, match="PROPOSAL_CLOSED"):
            later.board[1].support("rules 1")
        with pytest.raises(RegistryRefused, match="PROPOSAL_CLOSED"):
            later.enact(2)


@pytest.mark.parametrize("which", ["rules 9", "members 1", "board 1", "rules", "rules x", ""])
def test_a_proposal_that_is_none_is_answered_with_how_to_name_one(bare: Bare, which: str) -> None:
    consortium = bare()
    with pytest.raises(LabError, match=r"consortium.proposals\(\)"):
        consortium.proposal(which)
    with pytest.raises(LabError, match=r"rules 1' or 'members 1"):
        consortium.board[0].support(1)  # type: ignore[arg-type]


# --- members ---


def test_a_member_is_admitted_by_vote_with_documents_that_anybody_can_compare(bare: Bare, tmp_path: Path) -> None:
    consortium = bare()
    paper = tmp_path / "agreement.pdf"
    paper.write_bytes(b"signed agreement")
    profile = newcomer()
    proposal = consortium.hospitals[0].propose_member(profile, documents=paper)
    assert proposal.record.documents == Cid.of(RAW, b"signed agreement").binary  # type: ignore[union-attr]
    assert documents.found(consortium.home, proposal.record.documents) == b"signed agreement"  # type: ignore[union-attr]
    card = proposal._repr_html_()
    assert "admit Registry of Strokes, data user" in card and str(Cid.of(RAW, b"signed agreement")) in card
    proposal.support(*consortium.hospitals[1:], *consortium.board)
    assert proposal.status == "in force"
    assert consortium.members().loc["Registry of Strokes"]["status"] == "active"
    with pytest.raises(LabError, match="nothing to enact"):
        consortium.enact("members 1")


def test_a_member_is_removed_by_vote_and_not_by_its_own(bare: Bare) -> None:
    consortium = bare()
    board = consortium.board
    proposal = board[0].propose_removal(consortium.hospitals[2], documents=b"minutes of the meeting")
    assert "remove Lakeside University Hospital" in repr(proposal)
    with pytest.raises(RegistryRefused, match="CONCERNS_ITSELF"):
        consortium.hospitals[2].support(proposal)
    proposal.support(board[1], *consortium.hospitals[:2])
    assert consortium.members().loc["Lakeside University Hospital"]["status"] == "removed"


@pytest.mark.parametrize("given_", [b"", "none.pdf"])
def test_documents_that_nobody_could_read_are_refused(bare: Bare, given_: bytes | str) -> None:
    consortium = bare()
    with pytest.raises(LabError, match="give"):
        consortium.board[0].propose_member(newcomer(), documents=given_)
    assert consortium.proposals().empty


def test_a_document_that_was_changed_on_disk_is_not_taken_for_the_one_that_was_hashed(bare: Bare) -> None:
    consortium = bare()
    proposal = consortium.board[0].propose_member(newcomer(), documents=b"true")
    cid = Cid(proposal.record.documents)  # type: ignore[union-attr]
    (consortium.home_here.path / documents.FOLDER / str(cid)).write_bytes(b"forged")
    assert documents.found(consortium.home, cid.binary) is None
    assert "not on this machine" in proposal._repr_html_()


def test_a_hostile_name_is_escaped_in_the_card(bare: Bare) -> None:
    consortium = bare()
    proposal = consortium.board[0].propose_member(newcomer("<script>alert(1)</script>"), documents=b"x")
    assert "<script>" not in proposal._repr_html_()


# --- pause ---


def test_a_quorum_of_the_board_stops_everything_and_resumes_it(bare: Bare) -> None:
    consortium = bare()
    first, second, _ = consortium.board
    study = consortium.propose("Waiting", rounds=1, queries=1).vote(first, second).accept(*consortium.hospitals)
    standstill = first.pause("a report of a leak")
    assert not standstill.is_on and standstill.votes == [first.name]
    second.pause("a report of a leak")
    assert consortium.pause.is_on and "paused" in consortium.pause._repr_html_()
    with pytest.raises(RegistryRefused, match=r"CONSORTIUM_PAUSED.*ask it why"):
        study.issue()
    with pytest.raises(RegistryRefused, match="CONSORTIUM_PAUSED"):
        consortium.board[2].pause("once more")
    first.resume()
    assert consortium.pause.is_on and consortium.pause.votes == [first.name]
    assert not second.resume().is_on
    assert study.issue().status == "active"
    with pytest.raises(RegistryRefused, match="NOT_PAUSED"):
        first.resume()


def test_nobody_else_stops_the_consortium_and_nobody_without_saying_why(bare: Bare) -> None:
    consortium = bare()
    for actor in (consortium.hospitals[0], consortium.researcher):
        with pytest.raises(RegistryRefused, match="NOT_ETHICS_BOARD"):
            actor.pause("because")
    with pytest.raises(LabError, match="say why"):
        consortium.board[0].pause("  ")
    assert consortium.pause.votes == []


def test_a_member_that_came_from_no_consortium_is_told_where_to_take_one(bare: Bare) -> None:
    stray = Actor("stray", "Stray", Role.ETHICS_BOARD, Identity.create())
    with pytest.raises(LabError, match=r"take members from consortium\.board"):
        stray.pause("because")
