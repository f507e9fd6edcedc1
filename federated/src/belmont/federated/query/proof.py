"""The proof that comes with a total: for every cell, commitments and masked openings of all hospitals together.

Anybody who has it can check it again; it says nothing about one hospital, since only the sum of the openings is free of
masks. That the commitments are those that the hospitals registered, and proved on chain, was checked when it was made
(`belmont.federated.query.checks`).
"""

import html
from dataclasses import dataclass, field

from belmont.federated.query.case import Case
from belmont.federated.query.columns import Columns
from belmont.zk.curve import G1
from belmont.zk.errors import TotalRefuted
from belmont.zk.totals import total_holds


@dataclass(frozen=True)
class CellProof:
    """One cell of the total: the hospitals' commitments and masked openings, in the participants' order."""

    total: int
    bound: int
    commitments: tuple[G1, ...]
    openings: tuple[G1, ...]

    def holds(self) -> bool:
        """e(sum C - (S/N)·G1, G2) = e(sum X, [tau]G2), and 0 <= S <= bound."""
        return total_holds(self.commitments, self.openings, self.total, self.bound)


@dataclass(frozen=True)
class AnswerProof:
    """That a decrypted total is the total of what the hospitals registered."""

    query_hash: bytes
    cells: tuple[CellProof, ...]
    versions: tuple[tuple[str, int], ...]
    """Dataset and number of each version it is over."""
    source: str
    case: Case = field(repr=False)
    """The hospitals' signed answers with their evidence, as they came."""
    columns: Columns = field(repr=False)
    """What the evidence was read with."""

    def verify(self) -> "AnswerProof":
        """Check every cell again. Raises TotalRefuted."""
        for number, cell in enumerate(self.cells, 1):
            if not cell.holds():
                raise TotalRefuted(f"cell {number} of {len(self.cells)} is not the registered columns' total")
        return self

    def __repr__(self) -> str:
        return f"AnswerProof({len(self.cells)} cells over {len(self.versions)} hospitals, {self.source})"

    def _repr_html_(self) -> str:
        rows = "".join(f"<li>{html.escape(name)}, version {number}</li>" for name, number in self.versions)
        return (
            f"<p><b>Proved</b>: {len(self.cells)} totals of {html.escape(self.source)}, each by one opening over "
            f"{len(self.versions)} hospitals together</p><ul>{rows}</ul>"
        )
