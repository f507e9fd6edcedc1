"""What tests of several areas share: real proofs of validity, made once and kept in pytest's cache, and PostgreSQL.

No property fails because a machine is slow: speed is measured in ``benchmarks/``.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from tests.postgres import NoPostgres, Server, throw_away

from belmont.registry.protocol import Registry
from belmont.registry.proving import prove_on_chain
from belmont.registry.types import DatasetId
from belmont.zk.commitment import CommittedTable, commit_table
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.statement import Statement
from belmont.zk.validity import ValidityProof, prove_part

settings.register_profile("unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

SEED = b"\x5e" * 32


class ProofShelf:
    """Makes a proof, or takes it from the shelf if it made the same before: same statement, same commitments.

    A proof takes one to two seconds. To find it again, tests need accounts and a chain with the same addresses in every
    run. What is on the shelf is no more trusted than what comes from anywhere: the registry verifies it.
    """

    layout = Layout((ColumnKind(Kind.BIT, 1),))
    """The smallest there is: nine committed columns."""
    text_hash = b"\x33" * 32
    dictionary_hash = hashlib.sha256(layout.hash + text_hash).digest()

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @lru_cache(maxsize=32)  # noqa: B019 - one shelf a session
    def table(self, rows: int) -> CommittedTable:
        """A table of this many rows, with the same commitments every time."""
        pseudonyms = np.arange(1, rows + 1, dtype=np.uint64)
        return commit_table(self.layout, [np.arange(rows) % 2], pseudonyms, seed=SEED)

    def prove(self, table: CommittedTable, statement: Statement) -> ValidityProof:
        """Stands in for ``prove_part``."""
        first, chunks = statement.first, statement.chunks
        path = self._directory / hashlib.sha256(statement.words() + table.root + bytes([first, chunks])).hexdigest()
        if path.exists():
            return ValidityProof.from_bytes(path.read_bytes())
        proof = prove_part(table, statement)
        # Whole or not at all: other processes look here too.
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(proof.to_bytes())
        draft.replace(path)
        return proof

    def prove_version(self, registry: Registry, dataset_id: DatasetId, number: int, rows: int) -> None:
        """Makes a version proven that was registered with the root of ``table(rows)``."""
        prove_on_chain(registry, dataset_id, number, self.table(rows), self.text_hash, prove=self.prove)


@pytest.fixture(scope="session")
def shelf(request: pytest.FixtureRequest) -> ProofShelf:
    """Proofs that last longer than a test run."""
    return ProofShelf(request.config.cache.mkdir("proofs"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this session's own: ``postgres.database()`` is the URL of a new database."""
    try:
        with throw_away() as server:
            yield server
    except NoPostgres as error:
        pytest.skip(str(error))
