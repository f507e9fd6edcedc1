"""A version as the hospital stored it, and the check that it is the one whose commitments are on chain.

Rows and the secret seed of the blinding determine every commitment, so whoever opens a version commits to the rows anew
(`belmont.zk.commitment.commit_table`), and a single changed code gives another root:

1. a version whose root on chain is not zero opens only with its commitments;
2. the root computed from rows and seed is the one on chain;
3. the table that queries and training read holds, column by column, the codes that were committed to.
"""

from dataclasses import dataclass

import numpy as np

from belmont.federated.errors import NotRegistered, QueryError
from belmont.federated.query.columns import PRESENT, Columns
from belmont.federated.table import NodeTable
from belmont.registry.types import ZERO_HASH, DatasetVersion
from belmont.zk.commitment import CommittedTable
from belmont.zk.errors import CommitmentMismatch


@dataclass(frozen=True)
class StoredVersion:
    """A version's rows, with the commitments that were made from them and its stored seed."""

    table: NodeTable
    committed: CommittedTable | None = None


def check_registered(stored: StoredVersion, version: DatasetVersion) -> CommittedTable | None:
    """The commitments of a version; None where the chain has none. Raises NotRegistered where rows and chain differ."""
    if version.commitments_root == ZERO_HASH:
        return None
    committed, table = stored.committed, stored.table
    where = f"version {version.number}"
    if committed is None:  # 1
        raise NotRegistered(f"{where} has commitments on chain, and the blinding it was registered with is not here")
    try:
        committed.check(version.commitments_root)  # 2
        columns = Columns(tuple(table.columns), committed.layout)
    except (CommitmentMismatch, QueryError) as error:
        raise NotRegistered(f"{where} is not what was registered: {error}") from error
    if not committed.rows == table.rows == version.rows:  # 3
        raise NotRegistered(f"{where} has other rows than its commitments")
    if _column(committed, PRESENT).sum() != table.rows:
        raise NotRegistered(f"{where} marks other rows as present than it has")
    for name in columns.names:
        codes = _column(committed, columns.value(name))
        if not np.array_equal(codes[: table.rows], table.codes(name)) or codes[table.rows :].any():
            raise NotRegistered(f"{where}: the stored column {name!r} is not the one that was committed to")
        if table.width(name) != columns.width(name):
            raise NotRegistered(f"{where}: column {name!r} has another width than its layout")
    return committed


def _column(committed: CommittedTable, place: int) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    return np.concatenate([chunk[place].codes for chunk in committed.witness])
