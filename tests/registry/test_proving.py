"""A dataset as wide as one part of a proof, on the embedded chain: within its limit on time."""

import hashlib

import numpy as np

from belmont.registry.consents.statements import ConsentState
from belmont.registry.proving import PART_COLUMNS, prove_on_chain
from belmont.registry.types import MicroRho, VersionStatus
from belmont.zk.commitment import commit_table
from belmont.zk.layout import ColumnKind, Kind, Layout

TEXT_HASH, CONSENT = b"\x77" * 32, ConsentState().root
YEAR = 365 * 24 * 3600


def test_the_largest_usual_part_is_verified_by_the_embedded_chain(on_chain):
    columns = tuple(ColumnKind(Kind.RANGE, 20 + place % 30) for place in range(PART_COLUMNS - 8))
    layout, rows = Layout(columns), 50
    table = commit_table(layout, [np.full(rows, 7)] * len(columns), np.arange(1, rows + 1, dtype=np.uint64), b"\1" * 32)
    assert layout.committed == PART_COLUMNS
    holder = on_chain.registry.as_(on_chain.holders[0])
    dictionary = hashlib.sha256(layout.hash + TEXT_HASH).digest()
    id_ = holder.register_dataset("a wide one", 1 << 4, dictionary, 1, 1, on_chain.now() + 2 * YEAR, MicroRho(1))
    number = holder.add_version(id_, b"cid", rows, table.root, CONSENT)
    prove_on_chain(holder, id_, number, table, TEXT_HASH, prove=on_chain.shelf.prove)
    assert holder.version(id_, number).status is VersionStatus.PROVEN
