"""Names of the registry's codes, for people: roles, statuses, purposes, DUO terms, refusals with their remedies.

1. What has an English name elsewhere (DUO's labels, categories of data, remedies) is taken from there: ``known`` lists
   these messages for the catalogues, since no extractor finds them.
2. A refusal's name is its word, spoken: ``ALREADY_VOTED`` is "already voted".
"""

from collections.abc import Iterator
from enum import Enum
from typing import Final

from belmont.identity.words import CATEGORIES
from belmont.registry.duo import Commerce, Commitment, Organisation, Purpose, Term, Verdict
from belmont.registry.reasons import Reason, WriteRefusal
from belmont.registry.releases.protocol import ReleaseStatus
from belmont.registry.rules.protocol import Rule, RuleProposalKind
from belmont.registry.types import (
    AnswerMode,
    Computation,
    DatasetStatus,
    MemberStatus,
    PermitStatus,
    ProposalKind,
    Role,
    StudyStatus,
    UseKind,
    VersionStatus,
)
from belmont.service.words.errors import Unspeakable
from belmont.service.words.values import Plain, Sentence, Share, Span, Value

NONE: Final = Sentence("none")
YES: Final = Sentence("yes")
NO: Final = Sentence("no")
UNKNOWN: Final = Sentence("unknown")

_NAMES: Final[tuple[tuple[Enum, Sentence], ...]] = (
    (Role.DATA_HOLDER, Sentence("data holder")),
    (Role.DATA_USER, Sentence("data user")),
    (Role.ETHICS_BOARD, Sentence("ethics board")),
    (Role.AUDITOR, Sentence("auditor")),
    (Role.LAY, Sentence("lay member")),
    (MemberStatus.UNKNOWN, UNKNOWN),
    (MemberStatus.ACTIVE, Sentence("active member")),
    (MemberStatus.REMOVED, Sentence("removed")),
    (DatasetStatus.UNKNOWN, UNKNOWN),
    (DatasetStatus.ACTIVE, Sentence("available")),
    (DatasetStatus.FROZEN, Sentence("frozen by its holder")),
    (DatasetStatus.DESTROYED, Sentence("destroyed")),
    (VersionStatus.UNKNOWN, UNKNOWN),
    (VersionStatus.REGISTERED, Sentence("registered, not proven yet")),
    (VersionStatus.PROVEN, Sentence("proven")),
    (StudyStatus.UNKNOWN, UNKNOWN),
    (StudyStatus.PROPOSED, Sentence("being voted on")),
    (StudyStatus.APPROVED, Sentence("approved")),
    (StudyStatus.REFUSED, Sentence("refused")),
    (StudyStatus.CANCELLED, Sentence("cancelled")),
    (PermitStatus.UNKNOWN, UNKNOWN),
    (PermitStatus.ACTIVE, Sentence("in force")),
    (PermitStatus.FROZEN, Sentence("frozen")),
    (PermitStatus.REVOKED, Sentence("revoked")),
    (PermitStatus.SUPERSEDED, Sentence("superseded by an amendment")),
    (Computation.TRAINING, Sentence("training of a model")),
    (Computation.QUERY, Sentence("encrypted queries")),
    (AnswerMode.EXACT, Sentence("exact totals")),
    (AnswerMode.PRIVATE, Sentence("totals with noise")),
    (ProposalKind.ADMISSION, Sentence("admission")),
    (ProposalKind.REMOVAL, Sentence("removal")),
    (UseKind.ROUND, Sentence("round")),
    (UseKind.QUERY, Sentence("query")),
    (Rule.BOARD_QUORUM_PERCENT, Sentence("share of the board that a decision has to exceed")),
    (Rule.MAJORITY_PERCENT, Sentence("share of the members that a majority has to exceed")),
    (Rule.BOARD_MIN, Sentence("fewest members of the board")),
    (Rule.LAY_VOTES, Sentence("votes of lay members that an approval needs")),
    (Rule.PROPOSAL_SECONDS, Sentence("time for which a proposal is open")),
    (Rule.DELAY_SECONDS, Sentence("delay between a vote and its effect")),
    (Rule.FREEZE_SECONDS, Sentence("longest freeze of a permit")),
    (Rule.PAUSE_SECONDS, Sentence("longest pause")),
    (Rule.PATIENTS_PERCENT, Sentence("share of the credits that goes to patients")),
    (Rule.OBJECTION_SECONDS, Sentence("time for objections to a model's release")),
    (RuleProposalKind.RULE, Sentence("change of a rule")),
    (RuleProposalKind.CODE, Sentence("change of a contract's code")),
    (RuleProposalKind.REDEMPTION, Sentence("redemption of credits")),
    (ReleaseStatus.NONE, Sentence("not announced")),
    (ReleaseStatus.ANNOUNCED, Sentence("open to objection")),
    (ReleaseStatus.OBJECTED, Sentence("held back by an objection")),
    (ReleaseStatus.RELEASED, Sentence("released")),
    (ReleaseStatus.WITHDRAWN, Sentence("withdrawn")),
    (Purpose.METHOD_DEVELOPMENT, Sentence("development of methods")),
    (Purpose.POPULATION, Sentence("population research")),
    (Purpose.ANCESTRY, Sentence("ancestry research")),
    (Purpose.AGE_CATEGORY, Sentence("research on an age group")),
    (Purpose.GENDER_CATEGORY, Sentence("research on a gender group")),
    (Purpose.RESEARCH_CONTROL, Sentence("use as research controls")),
    (Purpose.BIOMEDICAL, Sentence("biomedical research")),
    (Purpose.GENETIC, Sentence("genetic research")),
    (Purpose.DRUG_DEVELOPMENT, Sentence("drug development")),
    (Purpose.DISEASE_CATEGORY, Sentence("research on a category of diseases")),
    (Verdict.DENY, Sentence("not permitted")),
    (Verdict.ABSTAIN, Sentence("left to the ethics board")),
    (Verdict.APPROVE, Sentence("permitted")),
    (Organisation.UNDECLARED, Sentence("not declared")),
    (Organisation.NOT_FOR_PROFIT, Sentence("not-for-profit organisation")),
    (Organisation.FOR_PROFIT, Sentence("for-profit organisation")),
    (Commerce.UNDECLARED, Sentence("not declared")),
    (Commerce.NON_COMMERCIAL, Sentence("non-commercial use")),
    (Commerce.COMMERCIAL, Sentence("commercial use")),
    (Commitment.PUBLISHES, Sentence("publish the results")),
    (Commitment.COLLABORATES, Sentence("collaborate with the holder's investigators")),
    (Commitment.RETURNS, Sentence("return derived data to the holder")),
)
_PERCENT: Final = (Rule.BOARD_QUORUM_PERCENT, Rule.MAJORITY_PERCENT, Rule.PATIENTS_PERCENT)
_COUNTS: Final = (Rule.BOARD_MIN, Rule.LAY_VOTES)


def of(code: Enum) -> Sentence:
    """The name of one code. Raises Unspeakable for one that has none."""
    if isinstance(code, Reason | WriteRefusal):
        return Sentence(spoken(code.value))  # 2
    if isinstance(code, Term):
        return Sentence(code.label)
    # Enumerations of whole numbers are equal across kinds: Role.DATA_HOLDER == Computation.TRAINING.
    found = _BY_KIND.get((type(code), code.value))
    if found is None:
        raise Unspeakable(f"{code!r} has no name")
    return found


def remedy(code: Reason | WriteRefusal) -> Sentence:
    """What the person who meets a refusal can do."""
    return Sentence(code.remedy)


def refusal(word: str) -> Reason | WriteRefusal | None:
    """The refusal of a contract's or a node's word; None for a word that is none of ours."""
    for kind in (Reason, WriteRefusal):
        if word in kind.__members__:
            return kind[word]
    return None


def purposes(mask: int) -> tuple[Sentence, ...]:
    """The purposes in a bitmask; a bit that DUO does not have is named by its number."""
    known = {each.value: each for each in Purpose}
    return tuple(of(known[bit]) if (bit := 1 << place) in known else _bit(place) for place in _places(mask))


def terms(mask: int) -> tuple[Sentence, ...]:
    """The DUO terms in a dataset's bitmask."""
    known = {each.value: each for each in Term}
    return tuple(of(known[bit]) if (bit := 1 << place) in known else _bit(place) for place in _places(mask))


def categories(mask: int) -> tuple[Sentence, ...]:
    """The categories of data in a bitmask (docs/consents.md)."""
    return tuple(Sentence(CATEGORIES[place]) if place < len(CATEGORIES) else _bit(place) for place in _places(mask))


def setting(rule: Rule, value: int) -> Value:
    """What a rule is set to, in its unit."""
    if rule in _PERCENT:
        return Share(value / 100)
    return value if rule in _COUNTS else Span(value)


def spoken(word: str) -> str:
    """``ALREADY_VOTED`` as "already voted"."""
    return word.replace("_", " ").lower()


def known() -> Iterator[str]:
    """Messages that are written elsewhere than in the service (1)."""
    yield from CATEGORIES
    yield from (each.label for each in Term)
    for kind in (Reason, WriteRefusal):
        yield from (spoken(each.value) for each in kind)
        yield from (each.remedy for each in kind)


def _places(mask: int) -> list[int]:
    return [place for place in range(mask.bit_length()) if mask >> place & 1]


def _bit(place: int) -> Sentence:
    return Sentence("unknown code {number}", number=Plain(place))


_BY_KIND: Final = {(type(code), code.value): name for code, name in _NAMES}
