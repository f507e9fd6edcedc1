"""`belmont chain audit`: whole chains agree with the executable specification; each altered byte is found and named."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_utils.crypto import keccak
from ethereum.forks.prague.blocks import Header
from ethereum.forks.prague.fork import validate_header
from ethereum.forks.prague.vm.precompiled_contracts import mapping
from ethereum_rlp import rlp as specified_rlp
from ethereum_types.bytes import Bytes32
from ethereum_types.numeric import U256, Uint

from belmont.chain.audit.command import require_specification
from belmont.chain.audit.delegated import NAMES, native_precompiles
from belmont.chain.audit.replay import Report, audit
from belmont.chain.audit.source import ChainDirectory
from belmont.chain.audit.specification import RELAXED, Specification
from belmont.chain.engine import Engine
from belmont.chain.errors import AuditUnavailable, ChainDirectoryError
from belmont.chain.process import ChainProcess
from belmont.chain.rows import checksum
from belmont.chain.transport import JsonRpcTransport
from belmont.lab import Consortium

KEYS = {"blocks": ("number",), "transactions": ("block", "position"), "logs": ("block", "position")}


def audited(directory: Path, **options: Any) -> Report:
    with contextlib.closing(ChainDirectory(directory)) as source, native_precompiles():
        return audit(source, **options)


def copy_of(directory: Path, place: Path) -> Path:
    shutil.copytree(directory, place)
    return place


class Forger:
    """Changes a stopped chain's database; with a fresh checksum, as somebody would who wants not to be found."""

    def __init__(self, directory: Path, with_checksum: bool = True) -> None:
        self.directory = directory
        self.with_checksum = with_checksum

    def run(self, statement: str, *arguments: Any) -> Any:
        with contextlib.closing(sqlite3.connect(self.directory / "chain.sqlite")) as database, database:
            return database.execute(statement, arguments).fetchall()

    def columns(self, table: str) -> list[str]:
        return [row[1] for row in self.run(f"pragma table_info({table})")]

    def row(self, table: str, *place: int) -> dict[str, Any]:
        columns = self.columns(table)
        where = " and ".join(f"{key}=?" for key in KEYS[table])
        (found,) = self.run(f"select {','.join(columns)} from {table} where {where}", *place)
        return dict(zip(columns, found, strict=True))

    def change(self, table: str, *place: int, **values: Any) -> None:
        row = self.row(table, *place) | values
        if self.with_checksum:
            row["checksum"] = checksum([row[name] for name in self.columns(table) if name != "checksum"])
        where = " and ".join(f"{key}=?" for key in KEYS[table])
        sets = ",".join(f"{name}=?" for name in row)
        self.run(f"update {table} set {sets} where {where}", *row.values(), *place)

    def header(self, number: int, **values: Any) -> None:
        """Another header, under its own hash."""
        header = specified_rlp.decode_to(Header, self.row("blocks", number)["header"])
        encoded = specified_rlp.encode(dataclasses.replace(header, **values))
        self.change("blocks", number, header=encoded, hash=keccak(encoded))

    def document(self, table: str, *place: int, column: str = "document", **values: Any) -> None:
        document = json.loads(self.row(table, *place)[column]) | values
        self.change(table, *place, **{column: json.dumps(document)})


def flipped(value: bytes, at: int = -1) -> bytes:
    changed = bytearray(value)
    changed[at] ^= 1
    return bytes(changed)


# -- agreement --


@pytest.fixture(scope="module")
def consortium_chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The consortium's real contracts, three proved datasets, and a study with its permit."""
    home = tmp_path_factory.mktemp("audited") / "consortium"
    with Consortium.local(hospitals=3, patients=450, seed=5, home=home) as consortium:
        study = consortium.propose("An audited study", rounds=1, queries=1, min_cohort=10)
        study.vote(*consortium.board[:2], approve=True, reason="small enough")
        study.accept(*consortium.hospitals)
        study.permit()
    return home / "chain"


def test_the_consortiums_contracts_and_proofs_agree_with_the_specification(consortium_chain: Path) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in consortium_chain.iterdir())
    report = audited(consortium_chain)
    assert report.divergence is None
    assert report.blocks == report.last + 1 > 40
    assert report.transactions > 40
    assert report.logs > 30
    assert report.nodes > 500
    after = sorted((path.name, path.stat().st_mtime_ns) for path in consortium_chain.iterdir())
    assert after == before, "an audit writes nothing"


def test_every_kind_of_transaction_agrees_with_the_specification(busy_chain: Path) -> None:
    report = audited(busy_chain)
    assert report.divergence is None
    assert report.transactions == 16


def test_nothing_delegated_gives_the_same_as_delegated_precompiles(busy_chain: Path) -> None:
    """The busy chain has additions, multiplications, a map, and half a pair: what pure Python does in seconds."""
    own = dict(mapping.PRE_COMPILED_CONTRACTS)
    delegated = audited(busy_chain)
    assert own == mapping.PRE_COMPILED_CONTRACTS, "delegation ends with the audit"
    with contextlib.closing(ChainDirectory(busy_chain)) as source:
        pure = audit(source)
    assert pure.divergence is None
    assert (pure.blocks, pure.transactions, pure.head) == (delegated.blocks, delegated.transactions, delegated.head)


def test_a_chain_is_audited_while_it_is_served(tmp_path: Path, sign: Any) -> None:
    with ChainProcess.start(tmp_path, heartbeat_seconds=0.1) as chain:
        transport = JsonRpcTransport(chain.url, 20)
        account = Account.create()
        for nonce in range(3):
            transport.request("eth_sendRawTransaction", ["0x" + sign(account, nonce=nonce).hex()])
        report = audited(tmp_path)
        transport.request("eth_sendRawTransaction", ["0x" + sign(account, nonce=3).hex()])
    assert report.divergence is None
    assert report.transactions == 3


def test_a_chain_whose_server_was_killed_is_audited_with_what_its_wal_holds(tmp_path: Path, sign: Any) -> None:
    with ChainProcess.start(tmp_path) as chain:
        raw = sign(Account.create())
        JsonRpcTransport(chain.url, 20).request("eth_sendRawTransaction", ["0x" + raw.hex()])
        chain.kill()
    assert (tmp_path / "chain.sqlite-wal").stat().st_size > 0
    report = audited(tmp_path)
    assert report.divergence is None
    assert report.transactions == 1


def test_a_part_of_a_chain_is_compared_and_the_state_still_comes_from_the_beginning(busy_chain: Path) -> None:
    report = audited(busy_chain, first=3, last=5)
    assert report.divergence is None
    assert report.blocks == 3


# -- what is relaxed, and nothing else --


def test_only_an_equal_timestamp_is_relaxed(busy_chain: Path) -> None:
    with contextlib.closing(ChainDirectory(busy_chain)) as source:
        blocks = [source.block(number) for number in range(2)]
    genesis, header = (specified_rlp.decode_to(Header, block.row.header) for block in blocks if block)
    specification = Specification(1337, int(genesis.timestamp))
    specification.check_header(dataclasses.replace(header, timestamp=genesis.timestamp))
    with pytest.raises(Exception, match="before the parent's"):
        specification.check_header(dataclasses.replace(header, timestamp=genesis.timestamp - U256(1)))
    with pytest.raises(Exception):  # noqa: B017 the specification itself takes no equal timestamp
        validate_header(specification._chain, dataclasses.replace(header, timestamp=genesis.timestamp))
    forgeries = {
        "number": Uint(2),
        "parent_hash": Bytes32(bytes(32)),
        "difficulty": Uint(1),
        "base_fee_per_gas": Uint(1),
    }
    for name, value in forgeries.items():
        with pytest.raises(Exception, match=f"header field {name} "):
            specification.check_header(dataclasses.replace(header, **{name: value}))
    assert RELAXED == ("a block's timestamp may equal its parent's",)


# -- one altered byte --

Alteration = Callable[[Forger], None]

FORGED: dict[str, tuple[Alteration, str]] = {
    "a receipt's status": (
        lambda f: f.document("transactions", 2, 1, column="receipt", status="0x1"),
        r"block 2, transaction 1: receipt, status: stored 0x1, specified 0x0",
    ),
    "a receipt's gas": (
        lambda f: f.document("transactions", 2, 0, column="receipt", gasUsed="0x1"),
        r"block 2, transaction 0: receipt, gasUsed",
    ),
    "a receipt's bloom": (
        lambda f: f.document("transactions", 2, 0, column="receipt", logsBloom="0x" + "00" * 256),
        r"block 2, transaction 0: receipt, logsBloom",
    ),
    "a receipt's new field": (
        lambda f: f.document("transactions", 2, 0, column="receipt", root="0x00"),
        r"block 2, transaction 0: receipt, root: stored 0x00",
    ),
    "a log's data": (
        lambda f: f.document("logs", 2, 0, data="0x" + "00" * 64),
        r"block 2, transaction 0: log 0, data",
    ),
    "a log's topic in its column": (
        lambda f: f.change("logs", 2, 0, topic0=flipped(f.row("logs", 2, 0)["topic0"])),
        r"block 2, transaction 0: log 0, columns of topics",
    ),
    "a log's address in its column": (
        lambda f: f.change("logs", 2, 0, address=bytes(20)),
        r"block 2, transaction 0: log 0, column address",
    ),
    "a log that is missing": (
        lambda f: f.run("delete from logs where block=2"),
        r"block 2, transaction 0: number of logs",
    ),
    "a log that was added": (
        lambda f: f.run(
            "insert into logs select block, position + 50, transaction_position, address, topic0, topic1, topic2,"
            " topic3, document, checksum from logs where block=2 and position=0"
        ),
        r"block 2, transaction 0: number of logs",
    ),
    "where a log's block is named": (
        lambda f: f.change("blocks", 5, logs_before=0),
        r"block 5: last block with logs before it",
    ),
    "the addresses of logs": (lambda f: f.change("blocks", 2, emitters=b""), r"block 2: addresses of logs"),
    "a raw transaction": (
        lambda f: f.change("transactions", 2, 1, raw=flipped(f.row("transactions", 2, 1)["raw"])),
        r"block 2, transaction 1: transaction hash",
    ),
    "a raw transaction under its hash": (
        lambda f: f.change("transactions", 2, 1, raw=b"\x02\xc0", hash=keccak(b"\x02\xc0")),
        r"block 2: header field transactions_root",
    ),
    "a transaction's document": (
        lambda f: f.document("transactions", 1, 0, input="0x"),
        r"block 1, transaction 0: transaction, input",
    ),
    "a transaction that is missing": (
        lambda f: f.run("delete from transactions where block=2 and position=3"),
        r"block 2: number of transactions",
    ),
    "a header": (
        lambda f: f.change("blocks", 2, header=flipped(f.row("blocks", 2)["header"])),
        r"block 2: block hash",
    ),
    "a header that is no RLP": (lambda f: f.change("blocks", 2, header=b"\xf9\x02"), r"block 2: the header is no RLP"),
    "a header's gas, under its hash": (lambda f: f.header(2, gas_used=Uint(21_000)), r"block 2: header field gas_used"),
    "a header's state root, under its hash": (
        lambda f: f.header(2, state_root=Bytes32(bytes(32))),
        r"block 2: header field state_root",
    ),
    "a header's receipts root, under its hash": (
        lambda f: f.header(2, receipt_root=Bytes32(bytes(32))),
        r"block 2: header field receipt_root",
    ),
    "a header's bloom, under its hash": (
        lambda f: f.header(2, bloom=bytes(256)),
        r"block 2: header field bloom",
    ),
    "a header's parent": (
        lambda f: f.header(2, parent_hash=Bytes32(bytes(32))),
        r"block 2: the specification refuses it: header field parent_hash",
    ),
    "a header's timestamp back": (
        lambda f: f.header(2, timestamp=U256(1)),
        r"block 2: the specification refuses it: timestamp 1 is before",
    ),
    "a header's timestamp forth, under its hash": (
        lambda f: f.header(2, timestamp=U256(2**40)),
        r"block 2, transaction 0: transaction, blockHash",
    ),
    "the genesis": (lambda f: f.header(0, extra_data=b"other"), r"block 0: header field extra_data"),
    "a block that is missing": (lambda f: f.run("delete from blocks where number=3"), r"block 3: the block is missing"),
    "the newest block": (
        lambda f: f.run("delete from blocks where number=(select max(number) from blocks)"),
        r"was acknowledged and is missing \(chain\.head names it\)",
    ),
    "a node of a state": (
        lambda f: f.run("update nodes set value=value || x'00' where hash=(select min(hash) from nodes)"),
        r"node 0x[0-9a-f]{64} is altered",
    ),
    "a node of a state that is missing": (
        lambda f: f.run("delete from nodes where hash=(select max(hash) from nodes)"),
        r"its state is not stored whole: node 0x[0-9a-f]{64} is missing",
    ),
    "a stray node": (
        lambda f: f.run("insert into nodes values(?,?)", bytes(32), b"stray"),
        r"node 0x0{64} of a state is altered",
    ),
    "a transaction of no block": (
        lambda f: f.run(
            "insert into transactions select zeroblob(32), 999, 0, raw, document, receipt, 0, checksum"
            " from transactions where block=1"
        ),
        r"there is a transaction of block 999, which does not exist",
    ),
    "a log of no block": (
        lambda f: f.run(
            "insert into logs select 998, 0, 0, address, topic0, topic1, topic2, topic3, document, checksum"
            " from logs where block=2 and position=0"
        ),
        r"there is a log of block 998, which does not exist",
    ),
    "a transaction in the genesis": (
        lambda f: f.run("update transactions set block=0 where block=1"),
        r"block 0: number of transactions",
    ),
    "the chain's id": (
        lambda f: f.run("update meta set value='1338' where key='chain_id'"),
        r"block 1, transaction 0: chain id: stored 0x539, specified 0x53a",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_altered_is_found_and_named_although_its_checksum_fits(
    busy_chain: Path, tmp_path: Path, name: str
) -> None:
    alter, message = FORGED[name]
    directory = copy_of(busy_chain, tmp_path / "copy")
    alter(Forger(directory))
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(str(audited(directory).divergence))


@pytest.mark.parametrize("table", ["blocks", "transactions", "logs"])
def test_a_checksum_that_does_not_fit_is_found_where_nothing_else_differs(
    busy_chain: Path, tmp_path: Path, table: str
) -> None:
    directory = copy_of(busy_chain, tmp_path / "copy")
    forger = Forger(directory, with_checksum=False)
    place = (2,) if table == "blocks" else (2, 0)
    forger.change(table, *place, checksum=bytes(16))
    divergence = audited(directory).divergence
    assert divergence is not None
    assert divergence.block == 2
    assert divergence.what.startswith(f"checksum of the row of {table[:-1]}")


def test_a_broken_page_is_reported_with_the_block_where_it_was_met(busy_chain: Path, tmp_path: Path) -> None:
    directory = copy_of(busy_chain, tmp_path / "copy")
    (page,) = Forger(directory).run("select rootpage from sqlite_schema where name='logs'")[0]
    content = bytearray((directory / "chain.sqlite").read_bytes())
    content[4096 * (page - 1)] = 0xFF
    (directory / "chain.sqlite").write_bytes(content)
    divergence = audited(directory).divergence
    assert divergence is not None
    assert "the database cannot be read: database disk image is malformed" in str(divergence)


# -- the command --


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "belmont.cli", "chain", "audit", *words], capture_output=True, text=True, timeout=120
    )


def test_the_command_says_what_was_compared_what_was_relaxed_and_what_was_delegated(busy_chain: Path) -> None:
    done = command("--dir", str(busy_chain), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["divergence"] is None
    assert report["relaxed"] == list(RELAXED)
    assert report["delegated"] == list(NAMES)
    assert report["specification"].startswith("ethereum-execution ")
    assert {"blocks", "transactions", "seconds", "head"} <= report.keys()
    shown = command("--dir", str(busy_chain), "--from", "1", "--blocks", "2")
    assert shown.returncode == 0
    assert "relaxed: a block's timestamp may equal its parent's" in shown.stdout
    assert "nothing differs up to block 2" in shown.stdout


def test_the_command_fails_with_the_place_where_a_chain_differs(busy_chain: Path, tmp_path: Path) -> None:
    directory = copy_of(busy_chain, tmp_path / "copy")
    Forger(directory).document("transactions", 2, 1, column="receipt", status="0x1")
    done = command("--dir", str(directory), "--json")
    assert done.returncode == 1
    divergence = json.loads(done.stdout)["divergence"]
    assert divergence == {
        "block": 2,
        "transaction": 1,
        "what": "receipt, status",
        "stored": "0x1",
        "specified": "0x0",
    }
    shown = command("--dir", str(directory))
    assert shown.returncode == 1
    assert "DIFFERS at block 2, transaction 1: receipt, status: stored 0x1, specified 0x0" in shown.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "1000"], "the chain has blocks 0 to"),
        (["--from", "-1"], "the chain has blocks 0 to"),
        (["--blocks", "0"], "choose at least 1"),
    ],
)
def test_what_cannot_be_audited_is_told_with_status_2(busy_chain: Path, words: list[str], message: str) -> None:
    done = command("--dir", str(busy_chain), *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_directory_without_a_chain_and_one_of_another_format_are_refused(busy_chain: Path, tmp_path: Path) -> None:
    with pytest.raises(ChainDirectoryError, match="holds no chain"):
        ChainDirectory(tmp_path)
    directory = copy_of(busy_chain, tmp_path / "copy")
    Forger(directory).run("update meta set value='1' where key='format'")
    with pytest.raises(ChainDirectoryError, match="format '1'"):
        ChainDirectory(directory)
    (directory / "chain.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(ChainDirectoryError, match="cannot be read as a chain"):
        ChainDirectory(directory)


def test_a_server_that_starts_during_the_audit_of_a_stopped_chain_ends_the_audit(
    busy_chain: Path, tmp_path: Path
) -> None:
    directory = copy_of(busy_chain, tmp_path / "copy")
    with contextlib.closing(ChainDirectory(directory)) as source:
        engine = Engine.open(directory)
        engine.seal()
        with pytest.raises(ChainDirectoryError, match="audit again"):
            audit(source)
        engine.close()


def test_without_the_specification_the_command_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(AuditUnavailable, match="pip install --no-deps ethereum-execution=="):
        require_specification()
