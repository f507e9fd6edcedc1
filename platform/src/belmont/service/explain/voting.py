"""How a vote on a study stands: who of the board said what, under which conditions, and what it still takes.

Votes and recusals of those who left the board are shown, and count no more (``Studies.vy``, 4 and 12).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from belmont.registry.types import Address, Member, MemberStatus, Role, Study, StudyStatus
from belmont.service.explain.naming import Names
from belmont.service.words import Hash, Sentence, Value, counted


class Stance(Enum):
    """What one member of the board said."""

    FOR = "for"
    FOR_UNDER_CONDITIONS = "conditions"
    AGAINST = "against"
    RECUSED = "recused"
    SILENT = "silent"


@dataclass(frozen=True)
class Voice:
    """One member of the board."""

    member: Value
    account: Address
    stance: Stance
    counts: bool
    """Whether it counts now: who left the board counts no more."""
    is_lay: bool
    conditions_hash: bytes
    said: Sentence


@dataclass(frozen=True)
class Vote:
    """All of them, in the order in which they spoke, and then those who have not."""

    voices: tuple[Voice, ...]
    standing: tuple[Sentence, ...]


def of(study: Study, members: Mapping[Address, Member], known: Names | None = None) -> Vote:
    """The vote as it stands; ``members`` has everybody ever admitted."""
    called = known or Names.of(members.values())
    voices = [
        _voice(ballot.voter, members, called, _stance(ballot.approve, ballot.conditions_hash), ballot.conditions_hash)
        for ballot in study.ballots
    ]
    voices += [_voice(each, members, called, Stance.RECUSED) for each in study.recused]
    spoke = {each.account for each in voices}
    voices += [
        _voice(address, members, called, Stance.SILENT)
        for address, member in members.items()
        if _on_board(member) and address not in spoke and address != study.data_user
    ]
    return Vote(tuple(voices), _standing(study, called))


def _stance(approve: bool, conditions_hash: bytes) -> Stance:
    if not approve:
        return Stance.AGAINST
    return Stance.FOR_UNDER_CONDITIONS if any(conditions_hash) else Stance.FOR


def _voice(
    account: Address,
    members: Mapping[Address, Member],
    known: Names,
    stance: Stance,
    conditions_hash: bytes = bytes(32),
) -> Voice:
    member = members.get(account)
    who = known.account(account)
    said = {
        Stance.FOR: Sentence("{who} voted for it.", who=who),
        Stance.FOR_UNDER_CONDITIONS: Sentence(
            "{who} voted for it under conditions, {hash}.", who=who, hash=Hash(conditions_hash)
        ),
        Stance.AGAINST: Sentence("{who} voted against it.", who=who),
        Stance.RECUSED: Sentence("{who} takes no part.", who=who),
        Stance.SILENT: Sentence("{who} has not voted.", who=who),
    }
    is_lay = member is not None and Role.LAY in member.roles
    return Voice(who, account, stance, _on_board(member), is_lay, conditions_hash, said[stance])


def _on_board(member: Member | None) -> bool:
    return member is not None and member.status is MemberStatus.ACTIVE and Role.ETHICS_BOARD in member.roles


def _standing(study: Study, known: Names) -> tuple[Sentence, ...]:
    """What it still takes."""
    said = []
    if study.status is StudyStatus.PROPOSED:
        said.append(
            counted(
                "{n} vote for it of {quorum} that it takes; {against} against.",
                "{n} votes for it of {quorum} that it takes; {against} against.",
                study.votes_for,
                quorum=study.quorum,
                against=study.votes_against,
            )
        )
    elif study.status is StudyStatus.APPROVED:
        said.append(Sentence("The ethics board approved it."))
    elif study.status is StudyStatus.REFUSED:
        said.append(Sentence("The ethics board refused it."))
    else:
        said.append(Sentence("It was cancelled."))
    if study.conditions_open:
        said.append(
            counted(
                "{n} vote set conditions, which {user} has not agreed to: no permit is issued until then.",
                "{n} votes set conditions, which {user} has not agreed to: no permit is issued until then.",
                study.conditions_count,
                user=known.account(study.data_user),
            )
        )
    elif study.conditions_agreed:
        said.append(Sentence("{user} agreed to all conditions.", user=known.account(study.data_user)))
    return tuple(said)
