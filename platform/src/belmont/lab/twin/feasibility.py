"""How many patients a study could count on, before any permit: from published marginals, with what they cannot say.

1. ``estimate``: rows that satisfy all conditions, if columns are independent given the outcome (`sampling`, rule 2) and
   a group that a condition cuts through is as the dictionary leads one to expect.
2. ``interval``: where 95 of 100 estimates lie if the noise is drawn anew: what noise does to the estimate, and nothing
   else. Where the assumption of (1) is wrong, the number is outside of it.
3. ``bounds``: what no association can leave (Frechet's inequalities, within each outcome), whole groups counted against
   the bound; at each end with the noise of (2). One condition of whole groups has the interval as its bounds.
4. A hospital that did not publish a column has no estimate, and 0 to all of its other conditions as bounds.

Only rows of patients who consent to any research by anybody were counted: a study may be permitted more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from belmont.federated.profile.tables import rho_within
from belmont.federated.query.question import Condition
from belmont.lab import cards
from belmont.lab.questions import Allowed, Question, count
from belmont.lab.twin.grouping import within
from belmont.lab.twin.marginals import Floats, Marginals, redrawn
from belmont.lab.twin.profile import DatasetProfile
from belmont.registry.types import MicroRho

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 1000
MOST_DRAWN = 10_000_000
"""Cells of one hospital's draws: of a profile of very many cells there are fewer draws."""
LEVEL = 95
YES, LIKELY, UNCERTAIN, NO, UNKNOWN = "yes", "likely", "uncertain", "no", "not published"
_COLOURS = {YES: cards.GOOD, LIKELY: cards.GOOD, UNCERTAIN: cards.WAITING, NO: cards.BAD, UNKNOWN: cards.NEUTRAL}

Range = tuple[int, int]


@dataclass(frozen=True)
class HospitalFeasibility:
    """One hospital's part. ``estimate`` and ``interval`` are None where it did not publish a column."""

    hospital: str
    estimate: int | None
    interval: Range | None
    bounds: Range
    unpublished: tuple[str, ...]
    enough: str
    """Whether the approved minimum of rows would be there: yes (the bounds say so), likely (the interval), uncertain,
    no, or not published."""
    rho_left: MicroRho
    """Of the dataset's lifetime budget for uses with noise."""


@dataclass(frozen=True)
class Feasibility:
    """What a count before any permit says. Totals are over the hospitals that have an estimate."""

    question: Question
    estimate: int
    interval: Range
    bounds: Range
    hospitals: tuple[HospitalFeasibility, ...]
    min_cohort: int
    min_hospitals: int
    epsilon: float | None
    met: Mapping[str, str] = field(default_factory=dict)
    """Whether ``min_cohort`` (at every hospital), ``min_hospitals`` (that reach it) and ``epsilon`` would be met."""

    @property
    def feasible(self) -> bool:
        """Whether enough hospitals would have enough rows, likely or for certain, and every one of them the budget."""
        return self.met["min_hospitals"] in (YES, LIKELY) and self.met.get("epsilon", YES) == YES

    def to_frame(self) -> "pd.DataFrame":
        """One row for each hospital, and the total."""
        import pandas as pd

        rows = [(each.hospital, each.estimate, *(each.interval or (None, None)), *each.bounds, each.enough)
                for each in self.hospitals]  # fmt: skip
        rows.append(("total", self.estimate, *self.interval, *self.bounds, self.met["min_hospitals"]))
        columns = ["hospital", "estimate", "from", "to", "at least", "at most", "enough"]
        frame = pd.DataFrame(rows, columns=columns).set_index("hospital")
        return frame.astype({name: "Int64" for name in columns[1:-1]})

    def __repr__(self) -> str:
        return (
            f"Feasibility({self.question}: about {self.estimate}, {self.interval[0]} to {self.interval[1]} by noise, "
            f"{self.bounds[0]} to {self.bounds[1]} whatever the associations are; "
            f"{'feasible' if self.feasible else 'not feasible, or not to be told'})"
        )

    def _repr_html_(self) -> str:
        rows = [
            (each.hospital, "" if each.estimate is None else f"{each.estimate:,}", _spoken(each.interval),
             _spoken(each.bounds), cards.badge(each.enough, _COLOURS[each.enough]))
            for each in self.hospitals
        ]  # fmt: skip
        rows.append(("total", f"{self.estimate:,}", _spoken(self.interval), _spoken(self.bounds), cards.text("")))
        asked = {"min_cohort": f"{self.min_cohort} rows", "min_hospitals": f"{self.min_hospitals} hospitals"}
        asked |= {} if self.epsilon is None else {"epsilon": f"epsilon {self.epsilon:g} of each dataset's budget"}
        facts: dict[str, object] = {
            asked[name]: cards.badge(answer, _COLOURS[answer]) for name, answer in self.met.items()
        }
        facts["estimate"] = "if columns are independent given the outcome, which nobody checked"
        facts["by noise"] = f"{LEVEL} of 100 estimates, had the noise been drawn anew"
        facts["bounds"] = "whatever the associations are, with noise"
        facts["counted"] = "only patients who consent to any research by anybody; a study may be permitted more"
        columns = ["hospital", "estimate", "by noise", "bounds", f"at least {self.min_cohort}"]
        mark = cards.badge("feasible" if self.feasible else "not shown", cards.GOOD if self.feasible else cards.WAITING)
        return cards.card(f"Feasibility: {self.question}", cards.table(columns, rows), cards.facts(facts), mark=mark)


def feasible(
    profiles: Sequence[DatasetProfile],
    where: Mapping[str, Allowed],
    *,
    min_cohort: int,
    min_hospitals: int,
    epsilon: float | None,
) -> Feasibility:
    """Count from these profiles, of one dictionary. Raises LabError or DictionaryError naming the column."""
    question = count(**where)
    conditions = question.query(profiles[0].dictionary).where
    hospitals, draws = [], []
    count_of_draws = min(DRAWS, *(MOST_DRAWN // profile.signed.profile.choices.cells for profile in profiles))
    for place, profile in enumerate(profiles):
        redraws = redrawn(profile.signed.profile, count_of_draws, seed=place)
        found, drawn = _of_hospital(profile, conditions, min_cohort, redraws)
        hospitals.append(found)
        draws.append(drawn)
    known = [k for k, each in enumerate(hospitals) if each.estimate is not None]
    total = sum((draws[k] for k in known), np.zeros((3, count_of_draws)))
    reached = [sum(each.enough in answers for each in hospitals) for answers in ((YES,), (YES, LIKELY))]
    possible = sum(each.enough != NO for each in hospitals)
    met = {
        "min_cohort": min((each.enough for each in hospitals), key=[NO, UNKNOWN, UNCERTAIN, LIKELY, YES].index),
        "min_hospitals": YES if reached[0] >= min_hospitals else LIKELY if reached[1] >= min_hospitals
        else UNCERTAIN if possible >= min_hospitals else NO,
    }  # fmt: skip
    if epsilon is not None:
        met["epsilon"] = YES if all(each.rho_left >= rho_within(epsilon) for each in hospitals) else NO
    return Feasibility(
        question=question,
        estimate=sum(hospitals[k].estimate or 0 for k in known),
        interval=_range(total[1], total[1]),
        bounds=_range(total[0], total[2]),
        hospitals=tuple(hospitals),
        min_cohort=min_cohort,
        min_hospitals=min_hospitals,
        epsilon=epsilon,
        met=met,
    )


def _of_hospital(
    profile: DatasetProfile, conditions: Sequence[Condition], min_cohort: int, redraws: Marginals
) -> tuple[HospitalFeasibility, Floats]:
    """What is found, and the lower bound, estimate and upper bound of each draw, shape (3, draws)."""
    dataset = profile.dataset
    published = set(profile.published)
    unpublished = tuple(each.column for each in conditions if each.column not in published)
    known = [each for each in conditions if each.column in published]
    point = _counts(profile, known, profile.marginals, any_open=bool(unpublished))
    draws = _counts(profile, known, redraws, any_open=bool(unpublished))
    bounds = _range(draws[0], draws[2])
    interval = None if unpublished else _range(draws[1], draws[1])
    if bounds[0] >= min_cohort:
        enough = YES
    elif bounds[1] < min_cohort:
        enough = NO
    elif interval is None:
        enough = UNKNOWN
    else:
        enough = LIKELY if interval[0] >= min_cohort else UNCERTAIN
    left = MicroRho(max(0, dataset.rho_cap - dataset.rho_spent))
    estimate = None if unpublished else round(float(point[1, 0]))
    return HospitalFeasibility(profile.name, estimate, interval, bounds, unpublished, enough, left), draws


def _counts(
    profile: DatasetProfile, conditions: Sequence[Condition], marginals: Marginals, *, any_open: bool
) -> Floats:
    """Lower bound, estimate and upper bound of each draw, shape (3, draws)."""
    choices = profile.signed.profile.choices
    outcomes = marginals.outcomes
    least, share, most = (np.ones(outcomes.shape[1]) for _ in range(3))
    parts = []
    for condition in conditions:
        column = profile.dictionary.column(condition.column)
        inside = _inside(condition, column.width)
        if choices.outcome is not None and condition.column == choices.outcome.column:
            least, share, most = _coverage(within(column, choices.outcome), choices.outcome.starts, inside)
            continue
        place = [each.column for each in choices.columns].index(condition.column)
        starts = choices.columns[place].starts
        covered = _coverage(within(column, choices.columns[place]), starts, inside)
        parts.append([np.einsum("g,dgy->dy", each, marginals.tables[place]) for each in covered])
    low, middle, high = outcomes.copy(), outcomes.copy(), outcomes.copy()
    if parts:
        low = np.maximum(sum(each[0] for each in parts) - (len(parts) - 1) * outcomes, 0.0)  # 3
        for each in parts:
            middle = middle * np.divide(each[1], outcomes, out=np.zeros_like(outcomes), where=outcomes > 0)
        high = np.minimum.reduce([each[2] for each in parts])
    if any_open:
        low = np.zeros_like(low)  # 4
    return np.stack([low @ least, middle @ share, high @ most])


def _coverage(shares: Floats, starts: tuple[int, ...], inside: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Of each group: 1 if it is inside entirely, the expected share that is inside, 1 if anything of it is."""
    whole = np.logical_and.reduceat(inside, starts).astype(np.float64)
    touched = np.logical_or.reduceat(inside, starts).astype(np.float64)
    return whole, np.add.reduceat(np.where(inside, shares, 0.0), starts), touched


def _inside(condition: Condition, width: int) -> NDArray[np.bool_]:
    codes = np.arange(width + 1)
    inside = np.zeros(width + 1, np.bool_)
    for low, high in condition.intervals:
        inside |= (codes >= low) & (codes <= high)
    return inside


def _range(low: Floats, high: Floats) -> Range:
    tail = (100 - LEVEL) / 2
    return int(np.floor(np.percentile(low, tail))), int(np.ceil(np.percentile(high, 100 - tail)))


def _spoken(given: Range | None) -> str:
    return "" if given is None else f"{given[0]:,} to {given[1]:,}"
