"""The engine without a server: blocks, ordering, gas, state, restart."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth.vm.forks.prague.constants import (
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
)
from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import Signature
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.chain import engine as engine_module
from belmont.chain.calls import Call, CallImpossible, estimate_gas, execute
from belmont.chain.compiler import Compiled
from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine
from belmont.chain.errors import ChainDirectoryError, ChainLocked
from belmont.chain.limits import TimeIsOver, TimeLimit
from belmont.chain.store import StateNodes
from belmont.chain.system_contracts import CONSOLIDATION_REQUESTS_CODE, WITHDRAWAL_REQUESTS_CODE
from belmont.chain.threads import deep_stack_executor
from belmont.chain.transactions import admit
from belmont.chain.vm import EmbeddedVM

GOVERNED = keccak(text="add(uint256)")[:4]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = Engine.open(tmp_path / "chain")
    yield opened
    opened.close()


def new_account() -> LocalAccount:
    return Account.from_key(secrets.token_bytes(32))


def transaction(sign: Any, account: LocalAccount, **fields: Any) -> Any:
    return admit(sign(account, **fields), 1337, BLOCK_GAS_SPENDABLE)


def statuses(outcomes: Any) -> list[str]:
    return [outcome.status for outcome in outcomes.values()]


def deploy_counter(engine: Engine, sign: Any, account: LocalAccount, source: Compiled, nonce: int = 0) -> bytes:
    data = source.bytecode + encode(["uint256"], [1000])
    creation = transaction(sign, account, to="", data=data, nonce=nonce, gas=3_000_000)
    assert statuses(engine.seal([creation])) == ["included"]
    return keccak(rlp.encode([bytes.fromhex(account.address[2:]), nonce]))[12:]


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


def test_the_genesis_block_has_base_fee_zero_and_prague_system_contracts(engine: Engine) -> None:
    header = engine.head.header
    assert (header.block_number, header.base_fee_per_gas, engine.chain_id) == (0, 0, 1337)
    state = engine.state(header)
    assert state.get_code(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS) == WITHDRAWAL_REQUESTS_CODE
    assert state.get_code(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS) == CONSOLIDATION_REQUESTS_CODE


@pytest.mark.parametrize(
    ("code", "constructor", "s", "address"),
    [
        (
            WITHDRAWAL_REQUESTS_CODE,
            "6101f880602d5f395ff3",
            0x5FEEB084551E4E03A3581E269BC2EA2F8D0008,
            WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        ),
        (
            CONSOLIDATION_REQUESTS_CODE,
            "61019e80602d5f395ff3",
            0xC0730F92DC275B663D377A7CBB141B6600052,
            CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
        ),
    ],
    ids=["EIP-7002", "EIP-7251"],
)
def test_the_system_contracts_are_byte_for_byte_those_of_their_eips(
    code: bytes, constructor: str, s: int, address: bytes
) -> None:
    """The EIPs deploy them by a transaction with a chosen signature: its sender, and so the address, follow from it."""
    data = bytes.fromhex("7f" + "ff" * 32 + "5f55" + constructor) + code
    unsigned = rlp.encode([b"", bytes.fromhex("e8d4a51000"), bytes.fromhex("03d090"), b"", b"", data])
    sender = Signature(vrs=(0, 0x539, s)).recover_public_key_from_msg(unsigned).to_canonical_address()
    assert keccak(rlp.encode([sender, b""]))[12:] == address


def test_an_empty_block_has_a_correct_header_and_changes_no_state(engine: Engine) -> None:
    genesis = engine.head.header
    engine.seal()
    header = engine.head.header
    assert header.parent_hash == genesis.hash
    assert header.state_root == genesis.state_root
    assert header.requests_hash == hashlib.sha256().digest()
    assert header.gas_limit == genesis.gas_limit
    assert header.timestamp >= genesis.timestamp
    assert header.nonce == bytes(8)
    assert abs(header.timestamp - time.time()) < 5


def test_everyone_transacts_with_a_balance_of_zero(engine: Engine, sign: Any) -> None:
    account = new_account()
    assert statuses(engine.seal([transaction(sign, account)])) == ["included"]
    state = engine.state(engine.head.header)
    address = bytes.fromhex(account.address[2:])
    assert (state.get_nonce(address), state.get_balance(address)) == (1, 0)


def test_a_value_that_nobody_has_is_refused(engine: Engine, sign: Any) -> None:
    (outcome,) = engine.seal([transaction(sign, new_account(), value=1)]).values()
    assert outcome.status == "refused"
    assert "balance" in outcome.reason
    assert engine.head.number == 0


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_one_senders_transactions_go_into_one_block_in_any_order_of_arrival(
    engine: Engine, sign: Any, order: list[int]
) -> None:
    account = new_account()
    batch = [transaction(sign, account, nonce=nonce) for nonce in order]
    assert statuses(engine.seal(batch)) == ["included"] * 3
    assert engine.head.number == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=8))
def test_exactly_the_unbroken_runs_of_nonces_are_included(
    engine: Engine, sign: Any, plan: list[tuple[int, int]]
) -> None:
    accounts = [new_account() for _ in range(3)]
    batch = [transaction(sign, accounts[who], nonce=nonce) for who, nonce in dict.fromkeys(plan)]
    outcomes = engine.seal(batch)
    for who, account in enumerate(accounts):
        nonces = {nonce for sender, nonce in plan if sender == who}
        run = next(n for n in range(5) if n not in nonces)
        for tx in batch:
            if tx.sender == bytes.fromhex(account.address[2:]):
                assert outcomes[tx.hash].status == ("included" if tx.nonce < run else "early")


def test_a_used_nonce_is_refused_and_a_later_one_is_early(engine: Engine, sign: Any) -> None:
    account = new_account()
    engine.seal([transaction(sign, account, nonce=0)])
    used = engine.seal([transaction(sign, account, nonce=0, gas=50_000)])
    later = engine.seal([transaction(sign, account, nonce=5)])
    assert [(o.status, o.reason[:14]) for o in (*used.values(), *later.values())] == [
        ("refused", "nonce too low:"),
        ("early", "nonce too high"),
    ]


def test_the_base_fee_stays_zero_when_blocks_are_full(engine: Engine, sign: Any) -> None:
    burning = transaction(sign, new_account(), to="", data=b"\xfe", gas=BLOCK_GAS_SPENDABLE)  # INVALID takes all gas
    assert statuses(engine.seal([burning])) == ["included"]
    assert engine.head.header.gas_used == BLOCK_GAS_SPENDABLE
    light = [transaction(sign, new_account(), gas=BLOCK_GAS_SPENDABLE) for _ in range(2)]
    outcomes = engine.seal(light)
    assert statuses(outcomes) == ["included", "deferred"]
    assert statuses(engine.seal(light[1:])) == ["included"]
    assert engine.head.header.base_fee_per_gas == 0
    assert engine.head.header.gas_limit // 2 == BLOCK_GAS_SPENDABLE


def test_a_transaction_that_breaks_the_engine_is_refused_alone(
    engine: Engine, sign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [transaction(sign, new_account()) for _ in range(3)]
    poison = batch[1]
    original = EmbeddedVM.apply_transaction

    def failing(self: Any, header: Any, tx: Any) -> Any:
        if tx.hash == poison.hash:
            raise RuntimeError("a bug in the EVM")
        return original(self, header, tx)

    monkeypatch.setattr(EmbeddedVM, "apply_transaction", failing)
    outcomes = engine.seal(batch)
    assert [outcomes[tx.hash].status for tx in batch] == ["included", "refused", "included"]
    assert "engine failed" in outcomes[poison.hash].reason


def test_a_block_that_cannot_be_written_leaves_nothing_behind(
    engine: Engine, sign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = new_account()
    before = engine.head

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(engine.store, "add_block", full)
        with pytest.raises(sqlite3.OperationalError):
            engine.seal([transaction(sign, account)])
    assert engine.head == before
    assert statuses(engine.seal([transaction(sign, account)])) == ["included"]


def test_timestamps_never_go_back_when_the_clock_does(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.seal()
    at = engine.head.timestamp
    monkeypatch.setattr(engine_module.time, "time", lambda: at - 3600.0)
    engine.seal()
    assert engine.head.timestamp == at


def test_state_of_every_past_block_can_be_read(engine: Engine, sign: Any, counter_source: Compiled) -> None:
    account = new_account()
    address = deploy_counter(engine, sign, account, counter_source)
    for nonce in (1, 2, 3):
        data = selector("add(uint256)") + encode(["uint256"], [10])
        engine.seal([transaction(sign, account, to=address, data=data, nonce=nonce, gas=200_000)])
    totals = []
    for number in range(1, 5):
        result = execute(engine, engine.header(number), Call(to=address, data=selector("total()")))
        totals.append(int.from_bytes(result.output, "big"))
    assert totals == [0, 10, 20, 30]


def test_blockhash_gives_the_real_ancestors(engine: Engine, sign: Any, counter_source: Compiled) -> None:
    address = deploy_counter(engine, sign, new_account(), counter_source)
    for _ in range(3):
        engine.seal()
    head = engine.head
    for number in (0, 2, head.number - 1):
        data = selector("ancestor(uint256)") + encode(["uint256"], [number])
        result = execute(engine, head.header, Call(to=address, data=data))
        assert result.output == engine.header(number).hash


def test_a_thousand_nested_calls_do_not_break_the_engine(engine: Engine, sign: Any, counter_source: Compiled) -> None:
    address = deploy_counter(engine, sign, new_account(), counter_source)
    data = selector("descend(uint256)") + encode(["uint256"], [1100])
    with deep_stack_executor("test", 1) as executor:
        deep = executor.submit(execute, engine, engine.head.header, Call(to=address, data=data)).result()
        assert not deep.success
        shallow = selector("descend(uint256)") + encode(["uint256"], [300])
        result = executor.submit(execute, engine, engine.head.header, Call(to=address, data=shallow)).result()
        assert int.from_bytes(result.output, "big") == 300


def test_an_estimate_suffices_and_a_tenth_less_does_not(engine: Engine, sign: Any, counter_source: Compiled) -> None:
    address = deploy_counter(engine, sign, new_account(), counter_source)
    call = Call(to=address, data=selector("add(uint256)") + encode(["uint256"], [3]))
    limit, result = estimate_gas(engine, engine.head.header, call)
    assert result.success
    assert execute(engine, engine.head.header, Call(call.sender, call.to, call.data, 0, limit)).success
    assert not execute(engine, engine.head.header, Call(call.sender, call.to, call.data, 0, limit * 9 // 10)).success


def test_a_call_ends_at_its_deadline(engine: Engine, sign: Any, counter_source: Compiled) -> None:
    address = deploy_counter(engine, sign, new_account(), counter_source)
    started = time.monotonic()
    with pytest.raises(TimeIsOver, match=r"more than 0\.2 s"):
        execute(engine, engine.head.header, Call(to=address, data=selector("forever()")), TimeLimit(0.2))
    assert time.monotonic() - started < 2


def test_readers_see_whole_blocks_while_others_are_sealed(engine: Engine, sign: Any, counter_source: Compiled) -> None:
    account = new_account()
    address = deploy_counter(engine, sign, account, counter_source)
    done = threading.Event()
    problems: list[str] = []

    def read() -> None:
        last = 0
        while not done.is_set():
            head = engine.head
            result = execute(engine, head.header, Call(to=address, data=selector("total()")))
            total = int.from_bytes(result.output, "big")
            if total != head.number - 1 or total < last:
                problems.append(f"block {head.number} has total {total} after {last}")
            last = total

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for nonce in range(1, 21):
        data = selector("add(uint256)") + encode(["uint256"], [1])
        engine.seal([transaction(sign, account, to=address, data=data, nonce=nonce, gas=200_000)])
    done.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert engine.head.number == 21


def test_a_call_with_value_that_nobody_has_cannot_begin(engine: Engine) -> None:
    with pytest.raises(CallImpossible, match="insufficient funds"):
        execute(engine, engine.head.header, Call(to=bytes(20), value=1))


def test_a_second_writer_is_refused_and_told_who_holds_the_directory(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ChainLocked, match=r"process [0-9]+"):
        Engine.open(tmp_path / "chain")
    code = "import sys,pathlib; from belmont.chain.engine import Engine; Engine.open(pathlib.Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "chain")], capture_output=True, text=True, timeout=60
    )
    assert other.returncode != 0
    assert "ChainLocked" in other.stderr


def test_a_reopened_chain_goes_on_where_it_was(tmp_path: Path, sign: Any, counter_source: Compiled) -> None:
    account = new_account()
    first = Engine.open(tmp_path, 4242)
    raw = sign(account, chainId=4242, data=counter_source.bytecode + encode(["uint256"], [9]), to="", gas=3_000_000)
    first.seal([admit(raw, 4242, BLOCK_GAS_SPENDABLE)])
    head = first.head
    first.close()
    second = Engine.open(tmp_path)
    assert (second.chain_id, second.head.hash) == (4242, head.hash)
    assert second.state(second.head.header).get_nonce(bytes.fromhex(account.address[2:])) == 1
    second.seal()
    assert second.head.header.parent_hash == head.hash
    second.close()


def test_another_chain_id_than_the_stored_one_is_refused(tmp_path: Path) -> None:
    Engine.open(tmp_path, 7).close()
    with pytest.raises(ChainDirectoryError, match="holds chain 7, not 8"):
        Engine.open(tmp_path, 8)
    Engine.open(tmp_path, 7).close()


@pytest.mark.parametrize("chain_id", [0, -1, 2**53])
def test_impossible_chain_ids_are_refused(tmp_path: Path, chain_id: int) -> None:
    with pytest.raises(ChainDirectoryError, match="chain id"):
        Engine.open(tmp_path, chain_id)


def test_a_file_that_is_no_chain_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "chain.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(ChainDirectoryError, match="cannot be opened"):
        Engine.open(tmp_path)


def test_a_chain_of_another_format_is_refused(tmp_path: Path) -> None:
    Engine.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "chain.sqlite") as database:
        database.execute("update meta set value='99' where key='format'")
    with pytest.raises(ChainDirectoryError, match="format '99'"):
        Engine.open(tmp_path)


def test_a_chain_without_its_head_state_is_refused(tmp_path: Path) -> None:
    Engine.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "chain.sqlite") as database:
        database.execute("delete from nodes")
    with pytest.raises(ChainDirectoryError, match="damaged"):
        Engine.open(tmp_path)


def test_the_file_is_in_wal_mode_with_full_synchronisation(engine: Engine) -> None:
    writer = engine.store._writer
    assert writer.execute("pragma journal_mode").fetchone() == ("wal",)
    assert writer.execute("pragma synchronous").fetchone() == (2,)


def test_a_node_of_the_state_cannot_be_deleted(engine: Engine) -> None:
    nodes = StateNodes(engine.store)
    root = engine.head.header.state_root
    with pytest.raises(TypeError, match="never deleted"):
        del nodes[root]
    assert root in nodes


def test_a_block_with_many_transactions_is_one_sqlite_transaction(engine: Engine, sign: Any) -> None:
    statements: list[str] = []
    engine.store._writer.set_trace_callback(statements.append)
    engine.seal([transaction(sign, new_account()) for _ in range(5)])
    engine.store._writer.set_trace_callback(None)
    assert [s for s in statements if s.lower().split()[0] in ("begin", "commit", "rollback")] == [
        "begin immediate",
        "commit",
    ]
    assert sum(s.startswith("insert into transactions") for s in statements) == 5


def test_a_contract_cannot_be_a_sender_but_a_delegated_account_can(engine: Engine, sign: Any) -> None:
    account = new_account()
    authority = bytes.fromhex(account.address[2:])
    delegate = bytes.fromhex("00" * 19 + "04")
    authorization = account.sign_authorization({"chainId": 1337, "address": delegate, "nonce": 1})
    raw = sign(account, type=4, gas=200_000, authorizationList=[authorization])
    assert statuses(engine.seal([admit(raw, 1337, BLOCK_GAS_SPENDABLE)])) == ["included"]
    assert engine.state(engine.head.header).get_code(authority) == bytes.fromhex("ef0100") + delegate
    assert statuses(engine.seal([transaction(sign, account, nonce=2)])) == ["included"]


def test_the_calldata_floor_holds_when_the_refund_is_capped(engine: Engine, sign: Any) -> None:
    """EIP-7623: max(used - min(refund, used / 5), floor), where py-evm alone would charge less than the floor."""
    account = new_account()
    sets, clears = "60015f5560016001556001600255", "5f5f555f6001555f600255"
    runtime = bytes.fromhex("36601357" + sets + "00" + "5b" + clears + "00")
    init = bytes([0x60, len(runtime), 0x60, 0x0B, 0x5F, 0x39, 0x60, len(runtime), 0x5F, 0xF3, 0x00]) + runtime
    slot = keccak(rlp.encode([bytes.fromhex(account.address[2:]), 0]))[12:]
    data = b"\x01" * 400
    for nonce, (to, payload) in enumerate([("", init), (slot, b""), (slot, data)]):
        assert statuses(engine.seal([transaction(sign, account, to=to, data=payload, nonce=nonce, gas=300_000)])) == [
            "included"
        ]
    assert engine.state(engine.head.header).get_storage(slot, 2) == 0
    assert engine.head.header.gas_used == 21_000 + 10 * 4 * len(data)
