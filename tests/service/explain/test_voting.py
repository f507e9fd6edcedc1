"""How a vote stands, with conditions and recusals."""

from eth_utils.address import to_checksum_address
from tests.service.explain.records import MEMBERS, USER, member, study

from belmont.registry.types import Address, Ballot, MemberStatus, Role, StudyStatus
from belmont.service.explain import voting
from belmont.service.explain.voting import Stance
from belmont.service.words import of

EN, ZH = of("en"), of("zh-Hans")
BOARD = [Address(to_checksum_address("0x" + f"b{k}" * 20)) for k in range(5)]
PEOPLE = dict(MEMBERS) | {
    each: member(each, f"Board {k}", Role.ETHICS_BOARD | (Role.LAY if k == 4 else Role.NONE))
    for k, each in enumerate(BOARD)
}


def test_everybody_on_the_board_has_a_line_in_the_order_in_which_they_spoke() -> None:
    about = study(
        ballots=(Ballot(BOARD[1], True, b"\5" * 32), Ballot(BOARD[0], False), Ballot(BOARD[2], True)),
        recused=(BOARD[3],),
    )
    found = voting.of(about, PEOPLE)
    assert [each.stance for each in found.voices] == [
        Stance.FOR_UNDER_CONDITIONS, Stance.AGAINST, Stance.FOR, Stance.RECUSED, Stance.SILENT,
    ]  # fmt: skip
    assert [EN.say(each.said) for each in found.voices] == [
        "Board 1 voted for it under conditions, 0x0505050505050505….", "Board 0 voted against it.",
        "Board 2 voted for it.", "Board 3 takes no part.", "Board 4 has not voted.",
    ]  # fmt: skip
    assert [each.is_lay for each in found.voices] == [False] * 4 + [True]
    assert ZH.say(found.voices[3].said) == "Board 3回避。"
    assert EN.say(found.standing[0]) == "1 vote for it of 2 that it takes; 0 against."


def test_who_left_the_board_is_shown_and_counts_no_more() -> None:
    left = PEOPLE | {BOARD[0]: member(BOARD[0], "Board 0", Role.ETHICS_BOARD, MemberStatus.REMOVED)}
    found = voting.of(study(ballots=(Ballot(BOARD[0], True),), recused=()), left)
    assert found.voices[0].counts is False and len(found.voices) == 5


def test_the_applicant_is_not_waited_for() -> None:
    people = PEOPLE | {USER: member(USER, "Both", Role.ETHICS_BOARD)}
    assert USER not in {each.account for each in voting.of(study(), people).voices}


def test_open_conditions_are_said_until_they_are_agreed_to() -> None:
    under = study(conditions=b"\1" * 32, conditions_count=2, status=StudyStatus.APPROVED)
    assert [EN.say(each) for each in voting.of(under, PEOPLE).standing] == [
        "The ethics board approved it.",
        "2 votes set conditions, which Dr Chen has not agreed to: no permit is issued until then.",
    ]
    agreed = study(conditions=b"\1" * 32, conditions_count=2, conditions_agreed=True, status=StudyStatus.REFUSED)
    assert EN.say(voting.of(agreed, PEOPLE).standing[1]) == "Dr Chen agreed to all conditions."
    assert "cancelled" in EN.say(voting.of(study(status=StudyStatus.CANCELLED), PEOPLE).standing[0])
