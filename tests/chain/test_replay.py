"""Whole chains are re-executed by an independent py-evm Prague (`replay` in conftest) to the same roots."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_utils.exceptions import ValidationError

from belmont.chain.store import Store

Replay = Callable[[Path], int]


def test_an_independent_chain_reaches_the_same_roots_in_every_block(busy_chain: Path, replay: Replay) -> None:
    assert replay(busy_chain) == 16


def test_a_changed_transaction_is_found_by_the_replay(
    busy_chain: Path, replay: Replay, sign: Any, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(busy_chain, copy)
    store = Store(copy)
    stranger = Account.from_key(secrets.token_bytes(32))
    with store.transaction():
        store._writer.execute("update transactions set raw=? where block=2 and position=1", (sign(stranger),))
    store.close()
    with pytest.raises((ValidationError, AssertionError)):
        replay(copy)
