"""Whole chains are re-executed by an independent py-evm Prague (`replay` in conftest) to the same roots."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from py_arkworks_bls12381 import G1Point

from belmont.chain.compiler import Compiled
from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine
from belmont.chain.store import Store
from belmont.chain.transactions import admit

Replay = Callable[[Path], int]


@pytest.fixture(scope="module")
def busy_chain(tmp_path_factory: pytest.TempPathFactory, sign: Any, counter_source: Compiled) -> Path:
    """Creations, calls, reverts, failures, precompiles, all transaction types, empty blocks, several per block."""
    directory = tmp_path_factory.mktemp("busy")
    engine = Engine.open(directory)
    owner, other = (Account.from_key(secrets.token_bytes(32)) for _ in range(2))

    def seal(*raws: bytes) -> None:
        outcomes = engine.seal([admit(raw, 1337, BLOCK_GAS_SPENDABLE) for raw in raws])
        assert all(outcome.status == "included" for outcome in outcomes.values()), outcomes

    creation = counter_source.bytecode + encode(["uint256"], [1000])
    counter = keccak(rlp.encode([bytes.fromhex(owner.address[2:]), 0]))[12:]
    add = keccak(text="add(uint256)")[:4]
    name = keccak(text="name(string)")[:4]
    point = G1Point().to_xy_bytes_be()
    bls = bytes(16) + point[:48] + bytes(16) + point[48:]
    seal(sign(owner, to="", data=creation, gas=3_000_000))
    seal(
        sign(owner, nonce=1, to=counter, data=add + encode(["uint256"], [5]), gas=200_000, gasPrice=0),
        sign(other, nonce=0, to=counter, data=add + encode(["uint256"], [2000]), gas=200_000),
        sign(owner, nonce=2, to=counter, data=name + encode(["string"], ["one"]), gas=300_000),
        sign(other, nonce=1, to=counter, data=name + encode(["string"], ["two"]), gas=300_000),
    )
    engine.seal()
    access = [{"address": "0x" + counter.hex(), "storageKeys": ["0x" + "00" * 32]}]
    precompile = [bytes(19) + bytes([n]) for n in (0x0B, 0x0C, 0x10)]
    seal(
        sign(owner, nonce=3, to=counter, data=add + encode(["uint256"], [1]), gas=200_000, accessList=access),
        sign(other, nonce=2, to=precompile[0], data=bls * 2, gas=100_000),
        sign(other, nonce=3, to=precompile[1], data=bls + (7).to_bytes(32, "big"), gas=100_000),
        sign(other, nonce=4, to=precompile[1], data=bls, gas=100_000),
        sign(other, nonce=5, to=precompile[2], data=bytes(63) + b"\x05", gas=100_000),
        sign(owner, nonce=4, to="", data=b"\xfe", gas=100_000),
        sign(owner, nonce=5, to="", data=bytes.fromhex("60ff60005360016000f3"), gas=100_000),
    )
    # calldata floor (EIP-7623) and a refund: clear a slot with much data attached
    runtime = bytes.fromhex("36156009575f5f55005b60015f5500")  # with data: slot 0 := 0, without: slot 0 := 1
    init = bytes([0x60, len(runtime), 0x60, 0x0B, 0x5F, 0x39, 0x60, len(runtime), 0x5F, 0xF3, 0x00]) + runtime
    slot = keccak(rlp.encode([bytes.fromhex(other.address[2:]), 6]))[12:]
    seal(sign(other, nonce=6, to="", data=init, gas=200_000))
    seal(sign(other, nonce=7, to=slot, gas=100_000))
    seal(sign(other, nonce=8, to=slot, data=b"\x01" * 40, gas=100_000))
    authorization = owner.sign_authorization({"chainId": 1337, "address": counter, "nonce": 7})
    seal(sign(owner, nonce=6, type=4, gas=300_000, authorizationList=[authorization]))
    for _ in range(2):
        engine.seal()
    receipts = engine.store.reader.execute("select receipt from transactions order by block, position")
    statuses = [json.loads(receipt)["status"] for (receipt,) in receipts]
    assert statuses.count("0x0") == 4  # over the limit, not the owner, half a pair for the precompile, INVALID
    engine.close()
    return directory


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
