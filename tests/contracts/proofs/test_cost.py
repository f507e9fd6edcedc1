"""What proving costs: gas and bytes of the transaction, data included (EIP-7623)."""

import hashlib

import numpy as np
import pytest

from belmont.registry.consents.statements import ConsentState
from belmont.registry.proving import start_at
from belmont.registry.types import MicroRho, VersionStatus
from belmont.zk.commitment import commit_table
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.statement import Statement

TEXT_HASH, CONSENT = b"\x77" * 32, ConsentState().root
YEAR = 365 * 24 * 3600


@pytest.mark.parametrize(
    ("committed", "gas_max", "bytes_max"), [(31, 1_300_000, 12_000), (200, 5_000_000, 60_000), (256, 6_000_000, 77_000)]
)
def test_ranges_of_one_chunk(consortium, committed, gas_max, bytes_max):
    """The dearest columns: each is looked up. 200 of them cost less than a sixth of a block of 30 million gas."""
    columns = tuple(ColumnKind(Kind.RANGE, 20 + place % 30) for place in range(committed - 8))
    layout, rows = Layout(columns), 50
    pseudonyms = np.arange(1, rows + 1, dtype=np.uint64)
    table = commit_table(layout, [np.full(rows, 7)] * len(columns), pseudonyms, b"\1" * 32)
    registry = consortium.registry.as_(consortium.holder)
    registry.register_tables(layout)
    dictionary = hashlib.sha256(layout.hash + TEXT_HASH).digest()
    id_ = registry.register_dataset("wide", 1 << 4, dictionary, 1, 1, consortium.evm.now + 2 * YEAR, MicroRho(1))
    registry.add_version(id_, b"cid", rows, table.root, CONSENT)
    domain, owner = registry.proof_domain, bytes.fromhex(consortium.holder.address[2:])
    statement = Statement(domain.chain_id, domain.contract, owner, id_, 1, layout, 0, 1, rows)
    registry.prove_version(id_, 1, TEXT_HASH, consortium.shelf.prove(table, statement), start_at(table, 0, 0))
    assert registry.version(id_, 1).status is VersionStatus.PROVEN
    assert consortium.evm.gas_used <= gas_max
    assert consortium.evm.data_bytes <= bytes_max
