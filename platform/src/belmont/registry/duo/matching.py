"""Whether a dataset's conditions permit an intended use: approved, denied, or left to the board.

1. The rules of every term of the dataset are asked (``rules.py``).
2. All approve: APPROVE. Otherwise, any that abstains: ABSTAIN. Otherwise: DENY.
3. An application is refused where a term denies, whatever the verdict: one that denies beside one that abstains gives
   ABSTAIN, and the board could not cure what is denied (docs/adr/0041).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from belmont.registry.duo.because import Because, because
from belmont.registry.duo.conditions import Conditions
from belmont.registry.duo.hierarchy import DiseaseHierarchy
from belmont.registry.duo.intended_use import IntendedUse
from belmont.registry.duo.rules import RULES, Case, Verdict, applying
from belmont.registry.duo.terms import Term

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["term", "code", "label", "verdict", "because"]


@dataclass(frozen=True)
class TermMatch:
    """What one term says, and why."""

    term: Term
    verdict: Verdict
    reason: Because
    """Why, for every language."""

    @property
    def because(self) -> str:
        """Why, in English."""
        return str(self.reason)

    def __str__(self) -> str:
        return f"{self.verdict.name} {self.term} ({self.term.label}): {self.because}"


@dataclass(frozen=True)
class Match:
    """What all terms together say. Its terms stand in the order a board reads them: denied, abstained, approved."""

    verdict: Verdict
    terms: tuple[TermMatch, ...]

    @property
    def denied(self) -> Term:
        """Terms that do not permit the use. Where there is one, no study can be proposed."""
        return self._with(Verdict.DENY)  # 3

    @property
    def abstained(self) -> Term:
        """Terms that leave the use to the ethics board."""
        return self._with(Verdict.ABSTAIN)

    @property
    def conclusion(self) -> Because:
        """The whole in a sentence, for every language."""
        return _SOME if self.denied and self.abstained else _SUMMARY[self.verdict]

    @property
    def summary(self) -> str:
        """The whole in a sentence."""
        return str(self.conclusion)

    def explain(self) -> list[str]:
        """A line for the whole, and a line for each term."""
        return [self.summary, *map(str, self.terms)]

    def to_frame(self) -> "pd.DataFrame":
        """One row for each term."""
        import pandas as pd

        return pd.DataFrame(
            [
                (str(each.term), each.term.curie, each.term.label, each.verdict.name, each.because)
                for each in self.terms
            ],
            columns=COLUMNS,
        )

    def __repr__(self) -> str:
        parts = [f"denied by {self.denied}"] * bool(self.denied) + [f"open: {self.abstained}"] * bool(self.abstained)
        return f"Match({', '.join([self.verdict.name, *parts])})"

    def _repr_html_(self) -> str:
        cells = [[f"{each.term} ({each.term.label})", each.verdict.name, each.because] for each in self.terms]
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
        head = "<tr><th>term</th><th>verdict</th><th>because</th></tr>"
        return f"<p><b>{self.verdict.name}</b>: {escape(self.summary)}</p><table>{head}{rows}</table>"

    def _with(self, verdict: Verdict) -> Term:
        return Term(sum(each.term for each in self.terms if each.verdict is verdict))


_SOME = because("Some of the dataset's terms do not permit this use, others leave it open: it cannot be proposed.")
_SUMMARY = {
    Verdict.APPROVE: because("The dataset's terms permit this use."),
    Verdict.DENY: because("The dataset's terms do not permit this use: it cannot be proposed."),
    Verdict.ABSTAIN: because("The dataset's terms do not decide on this use: the ethics board does."),
}


def match(conditions: Conditions, use: IntendedUse, now: int, hierarchy: DiseaseHierarchy | None = None) -> Match:
    """Hold an intended use against a dataset's conditions, at a Unix second.

    Without a hierarchy of diseases the verdict is exactly the contract's. A hierarchy can settle what the contract
    leaves to the board, and changes nothing that the contract decides.
    """
    case = Case(conditions, use, now, hierarchy)
    found = [TermMatch(term, *RULES[term](case)) for term in applying(case)]  # 1
    return Match(combined(each.verdict for each in found), tuple(sorted(found, key=lambda each: each.verdict)))


def combined(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of several."""
    met = set(verdicts)
    if met == {Verdict.APPROVE}:
        return Verdict.APPROVE  # 2
    return Verdict.ABSTAIN if Verdict.ABSTAIN in met else Verdict.DENY  # 2
