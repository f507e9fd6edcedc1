"""Small tables and their proofs, made once a session: c-kzg takes two seconds to load, a proof about one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from belmont.zk.commitment import CommittedTable, commit_table
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.statement import Statement
from belmont.zk.validity import ValidityProof, parts_of, prove_part

Rows = tuple[list[np.ndarray], np.ndarray]


@pytest.fixture(scope="session")
def small_layout() -> Layout:
    """A bit, a range and a range that may be missing."""
    return Layout((ColumnKind(Kind.BIT, 1), ColumnKind(Kind.RANGE, 5), ColumnKind(Kind.RANGE_OR_MISSING, 9)))


@pytest.fixture(scope="session")
def rows_of() -> Callable[[Layout, int, int], Rows]:
    """Codes that a layout allows, and pseudonyms."""

    def make(layout: Layout, count: int, seed: int = 1) -> Rows:
        rng = np.random.default_rng(seed)
        codes = [rng.integers(int(c.kind is Kind.RANGE), c.width + 1, count) for c in layout.columns]
        return codes, np.cumsum(rng.integers(1, 1 << 48, count, dtype=np.uint64))

    return make


@pytest.fixture(scope="session")
def statement_of() -> Callable[..., Statement]:
    """The statement about chunks of a table, with whatever is to be different."""

    def make(table: CommittedTable, first: int = 0, chunks: int = 0, **changes: Any) -> Statement:
        (part,) = (p for p in parts_of(table, (chunks or table.chunks) * table.layout.committed) if p[0] == first)
        said = {
            "chain_id": 1337,
            "contract": b"c" * 20,
            "owner": b"o" * 20,
            "dataset": b"d" * 32,
            "version": 1,
            "layout": table.layout,
            "first": part[0],
            "chunks": part[1],
            "rows": part[2],
        }
        return Statement(**{**said, **changes})

    return make


@pytest.fixture(scope="session")
def small_table(small_layout: Layout, rows_of: Callable[..., Rows]) -> CommittedTable:
    """50 rows in one chunk."""
    return commit_table(small_layout, *rows_of(small_layout, 50), seed=bytes(32))


@pytest.fixture(scope="session")
def long_table(small_layout: Layout, rows_of: Callable[..., Rows]) -> CommittedTable:
    """Three chunks, the last with 100 rows."""
    return commit_table(small_layout, *rows_of(small_layout, 2 * 4032 + 100), seed=bytes(32))


@pytest.fixture(scope="session")
def small_proof(small_table: CommittedTable, statement_of: Callable[..., Statement]) -> ValidityProof:
    """A proof of all of `small_table`."""
    return prove_part(small_table, statement_of(small_table))
