"""What notices damage: checksums, the mark of the head, known hashes; and logs found without an index."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine
from belmont.chain.errors import ChainDamaged
from belmont.chain.filters import LogQuery, find_logs
from belmont.chain.rows import BlockRow, LogRow, TransactionRow, checksum
from belmont.chain.transactions import admit
from belmont.chain.witness import HeadMark, KnownHashes, read_mark

VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=6), st.binary(max_size=6))


@given(first=st.lists(VALUES, max_size=5), second=st.lists(VALUES, max_size=5))
def test_only_equal_columns_have_equal_checksums(first: list[Any], second: list[Any]) -> None:
    same = first == second and [type(value) for value in first] == [type(value) for value in second]
    assert (checksum(first) == checksum(second)) == same


@pytest.mark.parametrize(
    "row",
    [
        BlockRow(7, b"h", b"header", 600, 2, 3, 5, bytes(20)),
        TransactionRow(b"h", 7, 1, b"raw", "{}", "{}", 2),
        LogRow(7, 0, 1, bytes(20), (b"t",), "{}"),
    ],
    ids=lambda row: type(row).__name__,
)
def test_a_row_reads_as_it_was_written_and_no_column_can_change(row: Any) -> None:
    values = row.values()
    assert type(row).read(values) == row
    for place in range(len(values)):
        for other in (None, 99, "other", b"other"):
            if other == values[place]:
                continue
            with pytest.raises(ChainDamaged, match="not what was written"):
                type(row).read((*values[:place], other, *values[place + 1 :]))


@given(keys=st.lists(st.binary(min_size=32, max_size=32), max_size=50), stranger=st.binary(min_size=32, max_size=32))
def test_a_known_hash_is_never_called_unknown(keys: list[bytes], stranger: bytes) -> None:
    known = KnownHashes()
    assert not known.may_hold(stranger)
    for key in keys:
        known.add(key)
    assert all(known.may_hold(key) for key in keys)
    if stranger[:3] not in {key[:3] for key in keys}:
        assert not known.may_hold(stranger)


def test_the_mark_of_the_head_reads_as_written_and_any_changed_byte_makes_it_unreadable(tmp_path: Path) -> None:
    mark = HeadMark(tmp_path)
    assert mark.read() is None
    mark.open()
    mark.write(2**40, b"\x01" * 32)
    mark.write(9, b"\xaa" * 32)
    assert mark.read() == (9, b"\xaa" * 32)
    mark.close()
    content = mark.path.read_bytes()
    for place in range(len(content) - 1):
        mark.path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert read_mark(mark.path) is None
    mark.path.unlink()
    assert read_mark(mark.path) is None


@pytest.mark.parametrize("table", ["transactions", "blocks"])
def test_a_hash_that_the_index_has_lost_is_damage_and_not_unknown(busy_chain: Path, tmp_path: Path, table: str) -> None:
    directory = tmp_path / "chain"
    shutil.copytree(busy_chain, directory)
    with closing(sqlite3.connect(directory / "chain.sqlite")) as database:
        (key,) = database.execute(f"select hash from {table} limit 1 offset 2").fetchone()
        (page,) = database.execute(
            "select rootpage from sqlite_schema where name=?", (f"sqlite_autoindex_{table}_1",)
        ).fetchone()
    engine = Engine.open(directory)
    find = engine.store.transaction_by_hash if table == "transactions" else engine.store.block_by_hash
    assert find(key) is not None
    assert find(bytes(32)) is None
    content = bytearray((directory / "chain.sqlite").read_bytes())
    at = content.index(key, 4096 * (page - 1), 4096 * page)
    content[at + 16] ^= 1
    (directory / "chain.sqlite").write_bytes(content)
    engine.store.reader.execute("pragma shrink_memory")
    with pytest.raises(ChainDamaged, match=f"the index of {table} has lost 0x{key.hex()}"):
        find(key)
    with pytest.raises(ChainDamaged):
        engine.seal()
    engine.close()


def test_opening_finds_an_index_that_disagrees_with_its_table(busy_chain: Path, tmp_path: Path) -> None:
    directory = tmp_path / "chain"
    shutil.copytree(busy_chain, directory)
    with closing(sqlite3.connect(directory / "chain.sqlite")) as database, database:
        database.execute("pragma writable_schema=1")
        database.execute(
            "update sqlite_schema set rootpage=(select rootpage from sqlite_schema where name="
            "'sqlite_autoindex_transactions_2') where name='sqlite_autoindex_transactions_1'"
        )
    with pytest.raises(ChainDamaged, match=r"integrity check|malformed"):
        Engine.open(directory)


# -- logs --

LOGGERS = 3
TOPICS = [bytes([n]) * 32 for n in range(1, 4)]


@pytest.fixture(scope="module")
def logging_chain(tmp_path_factory: pytest.TempPathFactory, sign: Any) -> Iterator[tuple[Engine, list[dict[str, Any]]]]:
    """Blocks with and without logs: up to three topics, of three contracts. With all logs, from the receipts."""
    engine = Engine.open(tmp_path_factory.mktemp("logs"))
    account = Account.create()
    nonce = 0

    def seal(*calls: dict[str, Any]) -> None:
        nonlocal nonce
        raws = []
        for call in calls:
            raws.append(sign(account, nonce=nonce, gas=300_000, **call))
            nonce += 1
        outcomes = engine.seal([admit(raw, 1337, BLOCK_GAS_SPENDABLE) for raw in raws])
        assert all(outcome.status == "included" for outcome in outcomes.values()), outcomes

    contracts = []
    for count in range(LOGGERS):
        # LOGn of nothing, with topics from the call's data
        runtime = b"".join(bytes([0x60, 32 * (count - 1 - n), 0x35]) for n in range(count)) + bytes.fromhex("5f5f")
        runtime += bytes([0xA0 + count, 0x00])
        init = bytes([0x60, len(runtime), 0x60, 0x0A, 0x5F, 0x39, 0x60, len(runtime), 0x5F, 0xF3]) + runtime
        seal({"to": "", "data": init})
        receipt = engine.store.transactions(engine.store.needed_block(engine.head.number))[0].receipt
        contracts.append(json.loads(receipt)["contractAddress"])
    for number in range(24):
        if number % 3 == 0:
            engine.seal()
            continue
        chosen = [(number + step) % LOGGERS for step in range(number % 4 + 1)]
        seal(*({"to": contracts[c], "data": TOPICS[(number + c) % 3] + TOPICS[number % 3]} for c in chosen))
    logs = [log for number in range(engine.head.number + 1) for log in _logs(engine, number)]
    assert len(logs) > 30
    yield engine, logs
    engine.close()


def _logs(engine: Engine, number: int) -> list[dict[str, Any]]:
    block = engine.store.needed_block(number)
    return [json.loads(log.document) for row in engine.store.transactions(block) for log in engine.store.logs_of(row)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_logs_are_found_like_by_looking_at_each_one(
    logging_chain: tuple[Engine, list[dict[str, Any]]], data: st.DataObject
) -> None:
    engine, logs = logging_chain
    addresses = [*sorted({log["address"] for log in logs}), "0x" + "99" * 20]
    numbers = st.integers(0, engine.head.number + 3)
    first, last = sorted((data.draw(numbers), data.draw(numbers)))
    wanted = data.draw(st.lists(st.sampled_from(addresses), max_size=3))
    topic = st.sampled_from(["0x" + each.hex() for each in TOPICS] + ["0x" + "77" * 32])
    topics = data.draw(st.lists(st.none() | topic | st.lists(topic, max_size=2), max_size=4))

    def matches(log: dict[str, Any]) -> bool:
        return (
            first <= int(log["blockNumber"], 16) <= last
            and (not wanted or log["address"] in wanted)
            and len(topics) <= len(log["topics"])
            and all(
                not asked or has in (asked if isinstance(asked, list) else [asked])
                for asked, has in zip(topics, log["topics"], strict=False)
            )
        )

    query = {"fromBlock": hex(first), "toBlock": hex(last), "address": wanted, "topics": topics}
    assert find_logs(engine, LogQuery.read(query, engine)) == [log for log in logs if matches(log)]
