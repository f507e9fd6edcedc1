"""What an amendment changes of a permit's terms, and whether it asks for more or for less.

1. Every term that differs is named, in the order of ``StudyTerms``; ``computations`` follows from rounds and queries,
   and is not named again.
2. More is what reaches further into the data or protects them less: more rounds, queries, budget, days, datasets or
   purposes; fewer hospitals or patients at each; exact answers for noisy ones.
3. What has no such order, such as other code, is OTHER: a person has to read it.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from belmont.registry.types import AnswerMode, StudyTerms


class Direction(Enum):
    """What a change asks for (2, 3)."""

    MORE = "more"
    LESS = "less"
    OTHER = "other"


@dataclass(frozen=True)
class Difference:
    """One term: its field in ``StudyTerms``, as it was permitted and as it is applied for."""

    name: str
    before: Any
    after: Any
    direction: Direction


def differences(before: StudyTerms, after: StudyTerms) -> tuple[Difference, ...]:
    """The terms that differ (1)."""
    found = []
    for each in fields(StudyTerms):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old != new and each.name != "computations":
            found.append(Difference(each.name, old, new, _DIRECTIONS.get(each.name, _other)(old, new)))
    return tuple(found)


def _more(old: int, new: int) -> Direction:
    return Direction.MORE if new > old else Direction.LESS


def _less(old: int, new: int) -> Direction:
    return _more(new, old)


def _sets(old: frozenset[Any], new: frozenset[Any]) -> Direction:
    if old < new:
        return Direction.MORE
    return Direction.LESS if new < old else Direction.OTHER


def _bits(old: int, new: int) -> Direction:
    if old & new == old:
        return Direction.MORE
    return Direction.LESS if old & new == new else Direction.OTHER


def _answers(old: AnswerMode, new: AnswerMode) -> Direction:
    return Direction.MORE if new is AnswerMode.EXACT else Direction.LESS


def _other(old: Any, new: Any) -> Direction:
    return Direction.OTHER


_DIRECTIONS: dict[str, Callable[[Any, Any], Direction]] = {
    "purpose": _bits,
    "datasets": lambda old, new: _sets(frozenset(old), frozenset(new)),
    "rounds": _more,
    "queries": _more,
    "rho_per_dataset": _more,
    "min_hospitals": _less,
    "min_cohort": _less,
    "answer_mode": _answers,
    "duration_seconds": _more,
}
