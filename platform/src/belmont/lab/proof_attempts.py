"""What happens to a hospital that proves something else than it registered: refusals of the prover and the contract.

Each attempt is a real one: real commitments, a real prover (where it must be, one that does not check), real calldata.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from belmont.lab import cards
from belmont.lab.proving import statement_of
from belmont.lab.stored_rows import StoredRows
from belmont.registry.errors import RegistryRefused
from belmont.registry.protocol import Registry
from belmont.registry.proving import PART_COLUMNS, ensure_tables
from belmont.registry.types import Dataset, DatasetVersion, PartStart
from belmont.zk.budget import OpeningBudget
from belmont.zk.commitment import CommittedTable, commit_columns, commit_table, committed_columns
from belmont.zk.errors import WitnessError
from belmont.zk.field import ORDER
from belmont.zk.layout import Kind
from belmont.zk.validity import ValidityProof, evaluations_given, parts_of, prove_part
from belmont.zk.witness import new_seed

if TYPE_CHECKING:
    import pandas as pd

Change: TypeAlias = Callable[[ValidityProof], ValidityProof]


@dataclass(frozen=True)
class ProofAttempt:
    """What was tried, who refused it and why; nobody did if ``refused_by`` is empty."""

    what: str
    refused_by: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {f'refused by {self.refused_by}: {self.why}' if self.refused_by else 'NOT REFUSED'}"


class ProofAttempts(tuple[ProofAttempt, ...]):
    """Several attempts, as a table."""

    @property
    def all_refused(self) -> bool:
        return bool(self) and all(attempt.refused_by for attempt in self)

    def to_frame(self) -> "pd.DataFrame":
        import pandas as pd

        rows = [(attempt.what, attempt.refused_by, attempt.why) for attempt in self]
        return pd.DataFrame(rows, columns=["tried", "refused by", "why"])

    def _repr_html_(self) -> str:
        mark = cards.badge("all refused", cards.GOOD) if self.all_refused else cards.badge("NOT REFUSED", cards.BAD)
        rows = [(attempt.what, attempt.refused_by or "nobody", attempt.why) for attempt in self]
        return cards.card("What was tried", cards.table(["tried", "refused by", "why"], rows), mark=mark)


def attempts(
    registry: Registry, dataset: Dataset, version: DatasetVersion, rows: StoredRows, budget: OpeningBudget
) -> ProofAttempts:
    """Try to get a registered version, not proven yet, proven by other means than its proof, and one with a forbidden
    value registered and proven. The latter stays registered for good and is the newest then: register another.
    """
    ensure_tables(registry, rows.layout)
    codes = [rows.table.codes(column.name).astype(np.int64) for column in rows.table.dictionary]
    place = next(j for j, kind in enumerate(rows.layout.columns) if kind.kind is not Kind.BIT)
    name, width = rows.table.columns[place], rows.layout.columns[place].width
    honest = rows.commit()
    other = [each.copy() for each in codes]
    other[place][0] = 1 + other[place][0] % width
    beyond = [each.copy() for each in codes]
    beyond[place][0] = width + 1

    def send(
        table: CommittedTable, number: int = version.number, check: bool = True, change: Change = lambda proof: proof
    ) -> None:
        first, chunks, count = parts_of(table, PART_COLUMNS)[0]
        statement = statement_of(registry, dataset, number, rows.layout, first, chunks, count)
        budget.spend(table.root, evaluations_given(statement), b"attempt" + statement.words())
        proof = change(prove_part(table, statement, check=check))
        registry.prove_version(dataset.id, number, rows.table.dictionary.text_hash, proof, PartStart())

    def one_value_changed() -> None:
        send(commit_table(rows.layout, other, rows.table.pseudonyms))

    def not_allowed() -> None:
        commit_table(rows.layout, beyond, rows.table.pseudonyms)

    def not_allowed_and_registered() -> None:
        columns = committed_columns(rows.layout, beyond, rows.table.pseudonyms)
        table = commit_columns(rows.layout, rows.table.rows, columns, new_seed())
        root = dataset.consent_root
        send(table, registry.add_version(dataset.id, version.cid, table.rows, table.root, root), check=False)

    def one_number_changed() -> None:
        send(honest, change=_with_another_number)

    def one_row_more() -> None:
        send(honest, change=lambda proof: replace(proof, statement=replace(proof.statement, rows=version.rows + 1)))

    tried: list[tuple[str, Callable[[], None]]] = [
        (f"one value of {name} is another than was registered, with its own true proof", one_value_changed),
        (f"a value of {name} that the dictionary does not allow", not_allowed),
        ("such a value registered, with a proof by a prover that does not check", not_allowed_and_registered),
        ("the true proof with one number changed", one_number_changed),
        ("the true proof, said to be about one row more", one_row_more),
    ]
    return ProofAttempts(_attempted(what, action) for what, action in tried)


def _attempted(what: str, action: Callable[[], None]) -> ProofAttempt:
    try:
        action()
    except WitnessError as error:
        return ProofAttempt(what, "the prover", str(error))
    except RegistryRefused as refused:
        return ProofAttempt(what, "the contract", refused.reason)
    return ProofAttempt(what, "", "")


def _with_another_number(proof: ValidityProof) -> ValidityProof:
    values = proof.argument.columns_at_zeta
    changed = ((values[0] + 1) % ORDER, *values[1:])
    return replace(proof, argument=replace(proof.argument, columns_at_zeta=changed))
