"""Bytes that change, while the chain is stopped and while it is served: told, and never served."""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from belmont.chain.audit.replay import audit
from belmont.chain.audit.source import ChainDirectory
from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine
from belmont.chain.errors import ChainDamaged, ChainDirectoryError, RpcRefused
from belmont.chain.methods import Methods
from belmont.chain.node import Node
from belmont.chain.process import ChainProcess
from belmont.chain.transactions import admit
from belmont.chain.transport import JsonRpcTransport

PAGE_BYTES = 4096


def new_account() -> LocalAccount:
    return Account.from_key(secrets.token_bytes(32))


Answers = dict[str, Any]
DAMAGED = "damaged"


def everything(engine: Engine, account: str) -> Answers:
    """What a reader can ask of the whole chain: each answer, or that it is damaged."""
    node = Node(engine)
    try:
        handlers = Methods(node)._in_thread
        found: Answers = {}

        def ask(method: str, *parameters: Any) -> Any:
            try:
                with engine.store.state_is_whole():
                    answer = handlers[method](list(parameters))
            except ChainDamaged:
                answer = DAMAGED
            found[json.dumps([method, *parameters])] = answer
            return answer

        for number in range(engine.head.number + 1):
            block = ask("eth_getBlockByNumber", hex(number), True)
            ask("eth_getBlockReceipts", hex(number))
            ask("eth_getTransactionCount", account, hex(number))
            ask("debug_getRawBlock", hex(number))
            if block != DAMAGED:
                ask("eth_getBlockByHash", block["hash"], False)
                for transaction in block["transactions"]:
                    ask("eth_getTransactionReceipt", transaction["hash"])
                    ask("eth_getTransactionByHash", transaction["hash"])
        logs = ask("eth_getLogs", {"fromBlock": "earliest"})
        for log in [] if logs == DAMAGED else logs:
            ask("eth_getLogs", {"fromBlock": "earliest", "address": log["address"], "topics": log["topics"][:1]})
            ask("eth_getStorageAt", log["address"], "0x0", "latest")
            ask("eth_getCode", log["address"], "latest")
        return found
    finally:
        node.lanes.stop()
        node.readers.shutdown()
        node._sealer.shutdown()


def sender_of(directory: Path) -> str:
    engine = Engine.open(directory)
    row = engine.store.transactions(engine.store.needed_block(1))[0]
    engine.close()
    sender: str = json.loads(row.document)["from"]
    return sender


@pytest.fixture(scope="module")
def whole(busy_chain: Path) -> tuple[Path, str, Answers]:
    """The chain, one of its accounts, and all answers while nothing is damaged."""
    account = sender_of(busy_chain)
    engine = Engine.open(busy_chain)
    engine.store.node_cache.clear()
    answers = everything(engine, account)
    engine.close()
    assert DAMAGED not in answers.values()
    assert len(answers) > 80
    return busy_chain, account, answers


def places(directory: Path, seed: int) -> Iterator[tuple[int, int]]:
    """A byte in every page, and many more: (offset, mask)."""
    size = (directory / "chain.sqlite").stat().st_size
    chosen = random.Random(seed)
    for page in range(size // PAGE_BYTES):
        yield page * PAGE_BYTES + chosen.randrange(PAGE_BYTES), 1 << chosen.randrange(8)
        yield page * PAGE_BYTES + chosen.randrange(24), 0xFF  # the page's own header, and its first cells


def flip(path: Path, offset: int, mask: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        (old,) = file.read(1)
        file.seek(offset)
        file.write(bytes([old ^ mask]))


def told_or_true(answers: Answers, right: Answers, place: object) -> int:
    """How many were told to be damaged. No answer may be another one than the right one."""
    for question, answer in answers.items():
        if answer != DAMAGED:
            assert question in right, f"{place}: {question} was never a question"
            assert answer == right[question], f"{place}: {question} was answered wrongly"
    return sum(answer == DAMAGED for answer in answers.values())


def test_a_byte_that_changed_while_the_chain_was_stopped_is_told_and_never_served(
    whole: tuple[Path, str, Answers], tmp_path: Path
) -> None:
    directory, account, right = whole
    refused = told = 0
    for number, (offset, mask) in enumerate(places(directory, secrets.randbits(32))):
        copy = tmp_path / str(number)
        shutil.copytree(directory, copy)
        flip(copy / "chain.sqlite", offset, mask)
        try:
            engine = Engine.open(copy)
        except ChainDirectoryError:
            refused += 1
        else:
            told += bool(told_or_true(everything(engine, account), right, (offset, mask)))
            engine.close()
        shutil.rmtree(copy)
    assert refused > 2
    assert told > 2


def test_a_byte_that_changes_while_the_chain_is_served_is_told_and_never_served(
    whole: tuple[Path, str, Answers], tmp_path: Path, sign: Any
) -> None:
    directory, account, right = whole
    told = 0
    for number, (offset, mask) in enumerate(places(directory, secrets.randbits(32))):
        copy = tmp_path / str(number)
        shutil.copytree(directory, copy)
        engine = Engine.open(copy)
        engine.store.node_cache.clear()
        engine.store.reader.execute("pragma shrink_memory")
        flip(copy / "chain.sqlite", offset, mask)
        if told_or_true(everything(engine, account), right, (offset, mask)):
            told += 1
            with pytest.raises(ChainDamaged):
                engine.seal([admit(sign(new_account()), 1337, BLOCK_GAS_SPENDABLE)])
            with pytest.raises(ChainDamaged):
                engine.seal()
        engine.close()
        shutil.rmtree(copy)
    assert told > 5


def test_names_in_the_schema_that_are_no_text_are_damage(whole: tuple[Path, str, Answers], tmp_path: Path) -> None:
    """SQLite quotes them in its message, which then is no text either."""
    directory, account, right = whole
    refused = 0
    first_page = (directory / "chain.sqlite").read_bytes()[:PAGE_BYTES]
    names = (b"blocks", b"transactions")
    offsets = [place for place in range(PAGE_BYTES) if first_page.startswith(names, place)]
    assert len(offsets) > 4
    for offset in offsets:
        copy = tmp_path / str(offset)
        shutil.copytree(directory, copy)
        flip(copy / "chain.sqlite", offset, 0xFF)
        try:
            engine = Engine.open(copy)
        except ChainDirectoryError:
            refused += 1
        else:
            told_or_true(everything(engine, account), right, offset)
            engine.close()
        with contextlib.suppress(ChainDirectoryError), contextlib.closing(ChainDirectory(copy)) as source:
            audit(source)  # ends with a report or that error, never with another one
    assert refused > len(offsets) // 2


def test_a_damaged_wal_after_a_kill_never_shortens_the_chain_in_silence(
    tmp_path: Path, sign: Any, account: LocalAccount
) -> None:
    with ChainProcess.start(tmp_path / "chain") as chain:
        transport = JsonRpcTransport(chain.url, 20)
        sent = [transport.request("eth_sendRawTransaction", ["0x" + sign(account, nonce=n).hex()]) for n in range(8)]
        chain.kill()
    wal = tmp_path / "chain" / "chain.sqlite-wal"
    refused = 0
    offsets = random.sample(range(32, wal.stat().st_size), 30)
    for number, offset in enumerate(offsets):
        copy = tmp_path / str(number)
        shutil.copytree(tmp_path / "chain", copy)
        flip(copy / "chain.sqlite-wal", offset, 0x10)
        try:
            engine = Engine.open(copy)
        except ChainDirectoryError:
            refused += 1
            continue
        for key in sent:
            assert engine.store.transaction_by_hash(bytes.fromhex(key[2:])) is not None, offset
        engine.close()
    assert refused > 15


def test_an_older_copy_put_back_is_refused_until_the_mark_is_deleted_on_purpose(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path / "chain")
    engine.seal()
    engine.close()
    shutil.copy(tmp_path / "chain" / "chain.sqlite", tmp_path / "older.sqlite")
    engine = Engine.open(tmp_path / "chain")
    engine.seal()
    engine.close()
    shutil.copy(tmp_path / "older.sqlite", tmp_path / "chain" / "chain.sqlite")
    with pytest.raises(ChainDamaged, match=r"block 2 .* was acknowledged, and the file ends at block 1"):
        Engine.open(tmp_path / "chain")
    (tmp_path / "chain" / "chain.head").unlink()
    Engine.open(tmp_path / "chain").close()


def test_an_emptied_file_is_not_taken_for_a_new_chain(tmp_path: Path) -> None:
    Engine.open(tmp_path).close()
    (tmp_path / "chain.sqlite").unlink()
    with pytest.raises(ChainDamaged, match="although a chain was here"):
        Engine.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0" * 119, b"7 aa bb\n", b"\xff" * 40, b"x" * 5000])
def test_half_a_mark_after_a_power_cut_is_no_damage(tmp_path: Path, content: bytes) -> None:
    Engine.open(tmp_path).close()
    (tmp_path / "chain.head").write_bytes(content)
    engine = Engine.open(tmp_path)
    engine.seal()
    assert engine.store.mark.read() == (1, engine.head.hash)
    engine.close()


def test_a_served_chain_that_is_damaged_says_so_admits_nothing_and_does_not_start_again(
    tmp_path: Path, sign: Any, account: LocalAccount
) -> None:
    with ChainProcess.start(tmp_path, heartbeat_seconds=0.2) as chain:
        transport = JsonRpcTransport(chain.url, 20)
        sent = [transport.request("eth_sendRawTransaction", ["0x" + sign(account, nonce=n).hex()]) for n in range(3)]
        chain.stop()
    with ChainProcess.start(tmp_path, heartbeat_seconds=0.2) as chain:
        transport = JsonRpcTransport(chain.url, 20)
        with contextlib.closing(sqlite3.connect(tmp_path / "chain.sqlite")) as other, other:
            other.execute("update transactions set receipt=replace(receipt, '0x1', '0x0') where block=?", (3,))
        damaged = [key for key in sent if "is damaged" in _refusal(transport, "eth_getTransactionReceipt", key)]
        assert len(damaged) == 1
        assert "is damaged" in _refusal(transport, "eth_sendRawTransaction", "0x" + sign(account, nonce=3).hex())
        head = transport.request("eth_blockNumber")
        others = [key for key in sent if key not in damaged]
        assert all(transport.request("eth_getTransactionReceipt", [key])["status"] == "0x1" for key in others)
        time.sleep(1)
        assert transport.request("eth_blockNumber") == head, "no heartbeat covers damage up"
        log = (tmp_path / "server.log").read_text()
        assert "is damaged" in log
        assert "Traceback" not in log
    with contextlib.closing(sqlite3.connect(tmp_path / "chain.sqlite")) as other, other:
        other.execute("update blocks set header=zeroblob(600) where number=(select max(number) from blocks)")
    with pytest.raises(ChainDamaged, match="is damaged"):
        ChainProcess.start(tmp_path)


def _refusal(transport: JsonRpcTransport, method: str, parameter: str) -> str:
    try:
        transport.request(method, [parameter])
    except RpcRefused as refused:
        assert refused.code == -32000
        return str(refused)
    return ""
