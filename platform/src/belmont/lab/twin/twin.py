"""A synthetic twin: a local table with the columns and the published marginals of datasets that stay where they are.

For writing and testing code before an application. It is drawn from counts with noise (`sampling`): whoever has the
profiles could have drawn it, so it costs no budget and tells nothing more of anybody. **It is no data:** associations
of columns other than through the outcome are not in it, and no result on it is a result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.lab import cards
from belmont.lab.errors import LabError
from belmont.lab.questions import Allowed
from belmont.lab.twin.feasibility import Feasibility, feasible
from belmont.lab.twin.profile import DatasetProfile
from belmont.lab.twin.sampling import MOST_ROWS, sample, shares_out
from belmont.lab.twin.table_file import write_csv

if TYPE_CHECKING:
    import pandas as pd

_APART = 1 << 32
"""Between the pseudonyms of two hospitals' rows."""


@dataclass(frozen=True, eq=False)
class Twin:
    """Tables drawn from profiles, one of each. ``left_out`` says whose profile could not be used, and why."""

    profiles: tuple[DatasetProfile, ...]
    seed: int
    _tables: tuple[CodedTable, ...] = field(repr=False)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def dictionary(self) -> Dictionary:
        return self.profiles[0].dictionary

    @property
    def rows(self) -> int:
        """Of all hospitals together."""
        return sum(table.rows for table in self._tables)

    @property
    def hospitals(self) -> tuple[str, ...]:
        """Whose twins these are, in the order of `tables`."""
        return tuple(profile.name for profile in self.profiles)

    def tables(self) -> list[CodedTable]:
        """One coded table for each hospital: what a node would compute on, but for the patients."""
        return list(self._tables)

    @cached_property
    def table(self) -> CodedTable:
        """All of them as one. A rehearsal of what hospitals compute apart takes `tables`."""
        names = [column.name for column in self.dictionary]
        codes = {name: np.concatenate([table.codes(name) for table in self._tables]) for name in names}
        return CodedTable(self.dictionary, codes, np.concatenate([table.pseudonyms for table in self._tables]))

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """The table in the dictionary's units, categories by name. The index numbers rows; they are nobody's."""
        return self.table.decode()

    def feasible(
        self, *, min_cohort: int = 20, min_hospitals: int = 3, epsilon: float | None = None, **where: Allowed
    ) -> Feasibility:
        """About how many patients satisfy conditions, at each hospital, and whether an application's minimum would be
        met: ``twin.feasible(age=(40, 65), smoking=["current"])``.

        Conditions are those of questions (`belmont.lab.count`). ``epsilon``: whether every dataset has that much left
        for rounds with noise. Raises LabError, DictionaryError.
        """
        for name, value in (("min_cohort", min_cohort), ("min_hospitals", min_hospitals)):
            if type(value) is not int or value < 1:
                raise LabError(f"{name} is {value!r}: give a whole number, one at least")
        rules = {"min_cohort": min_cohort, "min_hospitals": min_hospitals}
        return feasible(self.profiles, where, epsilon=epsilon, **rules)

    def write_csv(self, path: Path | str) -> Path:
        """Writes the rows as the dictionary's CSV format has them; ``belmont data code`` reads it."""
        return write_csv(self.table, path)

    def sources(self) -> "pd.DataFrame":
        """Where each column's values come from, at each hospital."""
        import pandas as pd

        rows = {column.name: [_source(profile, column.name) for profile in self.profiles] for column in self.dictionary}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(self.hospitals))

    def __repr__(self) -> str:
        return (
            f"Twin({self.rows:,} synthetic rows of {len(self.profiles)} hospitals, dictionary {self.dictionary.name})"
        )

    def _repr_html_(self) -> str:
        names = [column.name for column in self.dictionary]
        told = {name: sum(name in each.published for each in self.profiles) for name in names}
        everywhere = [name for name in names if told[name] == len(self.profiles)]
        nowhere = [name for name in names if not told[name]]
        some = [name for name in names if 0 < told[name] < len(self.profiles)]
        facts: dict[str, object] = {
            "from noisy counts": ", ".join(everywhere) or "no column",
            "at some hospitals only": ", ".join(some) or "no column",
            "the dictionary's range only": ", ".join(nowhere) or "no column",
            "associations": "of each column with the outcome, where a hospital published both together: no others",
            "good for": "writing and testing code. No result on it is a result",
        }
        rows = [
            (each.name, f"{table.rows:,}", f"{each.epsilon:.2f}", f"{each.epsilon_spent:.2f}",
             cards.mono(each.signed.signer or ""))
            for each, table in zip(self.profiles, self._tables, strict=True)
        ]  # fmt: skip
        columns = ["hospital", "synthetic rows", "epsilon", "of all its publications", "signed by"]
        parts: list[object] = [cards.facts(facts), cards.table(columns, rows)]
        if self.left_out:
            parts.append(cards.table(["left out", "why"], self.left_out.items()))
        title = f"Twin of {', '.join(self.hospitals)}" if len(self.profiles) < 3 else f"Twin of {len(rows)} hospitals"
        return cards.card(title, *parts, mark=cards.badge("synthetic", cards.WAITING))


def make_twin(
    profiles: Sequence[DatasetProfile], rows: int | None, seed: int, left_out: Mapping[str, str] | None = None
) -> Twin:
    """``rows`` in all, in proportion to the hospitals' own; as many as each has, unless named. Raises LabError."""
    if not profiles:
        raise LabError("there is no profile to make a twin of: a hospital publishes one with publish_profile(...)")
    if len({profile.dataset.id for profile in profiles}) != len(profiles):
        raise LabError("a dataset's profile is named more than once: give each once")
    if len({profile.dictionary.hash for profile in profiles}) != 1:
        raise LabError("these profiles are under different dictionaries: make a twin of each hospital's alone")
    counts = [profile.rows for profile in profiles]
    if rows is not None:
        if type(rows) is not int or not len(profiles) <= rows <= MOST_ROWS:
            raise LabError(f"rows is {rows!r}: give {len(profiles)} to {MOST_ROWS:,}")
        counts = shares_out(rows - len(profiles), np.array(counts, np.float64)).tolist()
        counts = [each + 1 for each in counts]
    if rows is None and min(counts) < 1:
        raise LabError("of so few rows the noise left none: name how many to draw, rows=200")
    tables = tuple(
        sample(profile.signed.profile, profile.marginals, profile.dictionary, count, seed, 1 + place * _APART)
        for place, (profile, count) in enumerate(zip(profiles, counts, strict=True))
    )
    return Twin(tuple(profiles), seed, tables, dict(left_out or {}))


def _source(profile: DatasetProfile, name: str) -> str:
    outcome = profile.signed.profile.choices.outcome
    if name not in profile.published:
        return "dictionary's range"
    return f"noisy counts by {outcome.column}" if outcome and outcome.column != name else "noisy counts"
