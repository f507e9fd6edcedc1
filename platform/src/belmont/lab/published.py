"""Totals that stand on chain, as a notebook shows them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from belmont.federated.query.columns import Columns
from belmont.lab import cards
from belmont.lab.audit import spoken_question
from belmont.registry.types import Address, PublishedTotal

if TYPE_CHECKING:
    import pandas as pd

CELLS = ("patients", "codes")
"""The totals of an answer, in the order of its cells: rows (with a value), and the sum of their codes."""
COLUMNS = ["permit", "query", "total of", "total", "rows", "block", "asked"]


@dataclass(frozen=True)
class PublishedAnswer:
    """What ``answer.publish()`` put on chain: each total by its name, checked by the contract."""

    title: str
    totals: Mapping[str, PublishedTotal]
    contract: Address
    columns: Columns

    def to_frame(self) -> "pd.DataFrame":
        """One row for each total."""
        return totals_frame(self.totals.values(), lambda total: self.columns)

    def __repr__(self) -> str:
        return f"PublishedAnswer({', '.join(f'{name} {each.total}' for name, each in self.totals.items())})"

    def _repr_html_(self) -> str:
        rows = [
            (name, self.columns.name_of(each.column), f"{each.total:,}", f"{each.rows:,}", each.block)
            for name, each in self.totals.items()
        ]
        shown = cards.table(["published", "total of", "total", "rows of all hospitals", "block"], rows)
        facts = {"checked by": cards.mono(f"Totals, {self.contract}"), "trusts": "nobody: not us, not the researcher"}
        return cards.card(self.title, shown, cards.facts(facts), mark=cards.badge("proved on chain", cards.GOOD))


def totals_frame(
    totals: Iterable[PublishedTotal], columns_of: Callable[[PublishedTotal], Columns | None]
) -> "pd.DataFrame":
    """Published totals as a table; ``columns_of`` gives the dictionary's columns where they are known.

    What is proved is the total of a committed column. The question is what the query asked, and the researcher chose
    which of the columns to publish under it, so the column is named by the dictionary, never by the question.
    """
    import pandas as pd

    rows = []
    for each in totals:
        columns = columns_of(each)
        name = columns.name_of(each.column) if columns else f"column {each.column}"
        asked = spoken_question(each.question)
        rows.append((each.permit_id, each.n, name, each.total, each.rows, each.block, asked))
    return pd.DataFrame(rows, columns=COLUMNS)
