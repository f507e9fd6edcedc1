"""The opening budget: how many evaluations of each commitment were given away, and that no more are than it can bear.

A chunk's blinding has 64 free values. One goes into the commitment itself, one into the value at 0 (a total). Whoever
knows 63 further evaluations can test guesses of a row against the commitment; with 64 a row is solved for
(tests/zk/test_budget.py does both). So a commitment bears 62 evaluations at points other than 0.

    budget = OpeningBudget(path)                                      # one file for each hospital
    budget.spend(table.root, evaluations_given(statement), purpose)  # before the proof leaves, best before it is made

1. What is spent is on disk (``synchronous=FULL``) when `spend` returns, in one transaction: killed before, nothing is
   spent and nothing has left; killed after, it is spent although nothing may have left. No proof leaves uncounted.
2. Beyond 62 for a single commitment: OpeningsExhausted, and nothing of that spending is recorded. The way on is a fresh
   commitment to the same rows (`belmont.zk.refresh`), which begins anew under its own root.
3. Every call counts, for the same purpose too: a proof that is made again has fresh challenges and gives away other
   values, although it states the same. To send the same bytes again tells nobody anything; do not call for that.
4. Several threads and processes may use one file.

What this cannot know: a file restored from a backup, or begun anew, has forgotten proofs that have left. Register a new
version then. Values at 0 are free here, because the limit has counted one already: there is only one such value.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from belmont.zk.durable import DurableFile
from belmont.zk.errors import BudgetError, OpeningsExhausted
from belmont.zk.field import B

MOST: Final = B - 2
"""Evaluations that one commitment bears."""
_ROOT_BYTES: Final = 32
_APPLICATION_ID: Final = 0x424C4D42  # "BLMB" in SQLite's header
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS spent (root BLOB NOT NULL, column_number INTEGER NOT NULL, chunk INTEGER NOT NULL, "
    "evaluations INTEGER NOT NULL, PRIMARY KEY (root, column_number, chunk)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS purposes (root BLOB NOT NULL, purpose BLOB NOT NULL)",
)

Spending: TypeAlias = Mapping[tuple[int, int], int]
"""Evaluations of each (committed column, chunk)."""


def of_all_chunks(columns: Sequence[int], chunks: int) -> Spending:
    """One evaluation of every chunk of these committed columns, as a cohort proof that names them gives away."""
    return {(column, chunk): 1 for column in columns for chunk in range(chunks)}


class OpeningBudget:
    """The budgets of all of a hospital's commitments, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._file = DurableFile(path, _APPLICATION_ID, "an opening budget", _SCHEMA, BudgetError, is_secret=False)

    def spend(self, root: bytes, spending: Spending, purpose: bytes) -> None:
        """Count durably what is about to be told of the table with this commitments root. ``purpose`` is kept with it.

        Raises OpeningsExhausted, counting nothing.
        """
        if len(root) != _ROOT_BYTES:
            raise BudgetError(f"a root is {_ROOT_BYTES} bytes")
        if not spending or any(count < 1 or min(place) < 0 for place, count in spending.items()):
            raise BudgetError("a proof gives away at least one evaluation of each column that it names")
        with self._file.writing():
            self._file.execute("INSERT INTO purposes VALUES (?,?)", root, purpose)
            for (column, chunk), count in spending.items():
                ((spent,),) = self._file.execute(
                    "INSERT INTO spent VALUES (?,?,?,?) ON CONFLICT (root, column_number, chunk) "
                    "DO UPDATE SET evaluations = evaluations + excluded.evaluations RETURNING evaluations",
                    *(root, column, chunk, count),
                )
                if spent > MOST:  # 2
                    raise OpeningsExhausted(
                        f"chunk {chunk} of committed column {column} has {MOST - spent + count} evaluations left, "
                        f"and this would give away {count}"
                    )

    def purposes(self, root: bytes) -> list[bytes]:
        """What evaluations of this table were spent for, in order."""
        return [
            purpose for (purpose,) in self._file.read("SELECT purpose FROM purposes WHERE root=? ORDER BY rowid", root)
        ]

    def left(self, root: bytes, columns: Sequence[int] | None = None) -> int:
        """How many evaluations every chunk of these committed columns (without: of all) still bears."""
        rows = self._file.read(
            "SELECT column_number, max(evaluations) FROM spent WHERE root=? GROUP BY column_number", root
        )
        return MOST - max((spent for column, spent in rows if columns is None or column in columns), default=0)

    def close(self) -> None:
        """Close the file; the budget cannot be used afterwards."""
        self._file.close()
