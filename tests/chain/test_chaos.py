"""Killed in every phase, full disks, clocks that jump, two writers: nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import importlib
import json
import resource
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from belmont.chain import engine as engine_module
from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine
from belmont.chain.errors import ChainLocked, RpcRefused
from belmont.chain.process import ChainProcess
from belmont.chain.transactions import admit
from belmont.chain.transport import JsonRpcTransport
from belmont.registry.decide import HEAD_MAX_AGE_SECONDS

ROUNDS = 22
"""Each phase twice; `make soak ROUNDS=1000` is the long run."""


def new_account() -> LocalAccount:
    return Account.from_key(secrets.token_bytes(32))


# -- killed --


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program of `make soak`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks.soak")


def test_nothing_acknowledged_is_lost_when_the_server_is_killed_in_every_phase_of_a_block(
    soak: Any, tmp_path: Path
) -> None:
    tally = soak.run(ROUNDS, tmp_path.resolve(), seed=secrets.randbits(32))
    assert tally.lost == []
    assert tally.phases == {phase: ROUNDS // len(soak.PHASES) for phase in soak.PHASES}
    assert 50 < tally.acknowledged <= tally.included


def test_the_soak_notices_a_transaction_that_was_acknowledged_and_is_not_there(soak: Any, tmp_path: Path) -> None:
    rounds = soak.Soak(tmp_path, seed=1)
    missing = bytes(32)
    rounds._look("before the reply", [missing])
    assert rounds.tally.lost == [f"round 0, before the reply: 0x{missing.hex()}"]


# -- a full disk --


class Served:
    """A server that a test started by itself, with its port and process."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path) -> None:
        if process.stdout is None:
            raise AssertionError("no standard output")
        self.process = process
        self.facts: dict[str, Any] = json.loads(process.stdout.readline() or b"{}")
        self.directory = directory

    @property
    def transport(self) -> JsonRpcTransport:
        return JsonRpcTransport(self.facts["url"], 30)

    def send(self, raw: bytes) -> str:
        sent: str = self.transport.request("eth_sendRawTransaction", ["0x" + raw.hex()])
        return sent

    def has(self, transaction_hash: str) -> bool:
        receipt = self.transport.request("eth_getTransactionReceipt", [transaction_hash])
        return receipt is not None and receipt["status"] == "0x1"


@contextlib.contextmanager
def served(command: list[str], directory: Path, preexec: Callable[[], None] | None = None) -> Iterator[Served]:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=preexec
    )
    try:
        yield Served(process, directory)
    finally:
        process.kill()
        process.communicate()


def server_command(directory: Path, heartbeat_seconds: float = 0.2) -> list[str]:
    return [
        sys.executable,
        *("-m", "belmont.chain.server", str(directory), "0", "--end-with-parent"),
        *("--heartbeat-seconds", str(heartbeat_seconds)),
    ]


def fill(chain: Served, sign: Any, account: LocalAccount) -> tuple[list[str], str, int]:
    """What was acknowledged until a block could not be written, the refusal, and the nonce that it left free."""
    acknowledged = []
    for nonce in range(400):
        raw = sign(account, nonce=nonce, data=secrets.token_bytes(60_000), gas=5_000_000)
        try:
            acknowledged.append(chain.send(raw))
        except RpcRefused as refused:
            return acknowledged, str(refused), nonce
    raise AssertionError("the disk was never full")


def goes_on(chain: Served, sign: Any, account: LocalAccount, nonce: int) -> str:
    """The next transaction, once there is room: the write-ahead log may have to be moved first."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return chain.send(sign(account, nonce=nonce))
        except RpcRefused:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def mountable() -> bool:
    tried = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return tried.returncode == 0


def test_a_full_disk_refuses_what_does_not_fit_keeps_what_was_acknowledged_and_the_chain_goes_on_with_room(
    tmp_path: Path, sign: Any, replay: Callable[[Path], int]
) -> None:
    """ENOSPC from a file system of its own, four megabytes large, that only the server sees."""
    if not shutil.which("unshare") or not mountable():
        pytest.skip("this machine lets nobody mount a tmpfs in a namespace of its own")
    directory = tmp_path / "disk"
    directory.mkdir()
    ballast = directory / "ballast"
    script = (
        f"mount -t tmpfs -o size=4m none '{directory}' && "
        f"dd if=/dev/zero of='{ballast}' bs=1024 count=1024 status=none && exec \"$@\""
    )
    command = ["unshare", "-rm", "sh", "-c", script, "sh"]
    account = new_account()
    with served([*command, *server_command(directory / "chain")], directory) as chain:
        acknowledged, refusal, nonce = fill(chain, sign, account)
        assert "could not be written: database or disk is full" in refusal
        assert len(acknowledged) > 5
        assert all(chain.has(key) for key in acknowledged)
        head = chain.transport.request("eth_blockNumber")
        assert chain.process.poll() is None
        inside = Path(f"/proc/{chain.process.pid}/root")
        (inside / ballast.relative_to("/")).unlink()
        acknowledged.append(goes_on(chain, sign, account, nonce))
        assert int(chain.transport.request("eth_blockNumber"), 16) > int(head, 16)
        chain.process.send_signal(signal.SIGSTOP)  # as it is now, also if a checkpoint is under way
        shutil.copytree(inside / directory.relative_to("/") / "chain", tmp_path / "kept")
    engine = Engine.open(tmp_path / "kept")
    assert all(engine.store.transaction_by_hash(bytes.fromhex(key[2:])) for key in acknowledged)
    engine.close()
    assert replay(tmp_path / "kept") == len(acknowledged)


def test_a_file_that_may_not_grow_is_a_refused_block_and_no_lost_one(
    tmp_path: Path, sign: Any, replay: Callable[[Path], int]
) -> None:
    """EFBIG by RLIMIT_FSIZE, wherever the tests run; the limit is lifted while the server goes on."""
    limit = 2 * 1024 * 1024

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    account = new_account()
    with served(server_command(tmp_path / "chain"), tmp_path / "chain", small_files) as chain:
        acknowledged, refusal, nonce = fill(chain, sign, account)
        assert "the block could not be written" in refusal
        assert all(chain.has(key) for key in acknowledged)
        resource.prlimit(chain.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        acknowledged.append(goes_on(chain, sign, account, nonce))
        assert all(chain.has(key) for key in acknowledged)
    engine = Engine.open(tmp_path / "chain")
    assert all(engine.store.transaction_by_hash(bytes.fromhex(key[2:])) for key in acknowledged)
    engine.close()
    assert replay(tmp_path / "chain") == len(acknowledged)


def test_a_disk_that_is_full_at_the_very_beginning_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    def no_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    with served(server_command(tmp_path / "chain"), tmp_path / "chain", no_files) as chain:
        assert "error" in chain.facts
        assert chain.process.wait(20) == 2
    Engine.open(tmp_path / "chain").close()


# -- clocks --


def test_a_clock_that_jumps_back_never_takes_the_heads_time_with_it_and_the_chain_goes_on(
    tmp_path: Path, sign: Any, monkeypatch: pytest.MonkeyPatch, replay: Callable[[Path], int]
) -> None:
    now = [time.time()]
    monkeypatch.setattr(engine_module.time, "time", lambda: now[0])
    engine = Engine.open(tmp_path)
    account = new_account()
    engine.seal([admit(sign(account), 1337, BLOCK_GAS_SPENDABLE)])
    before = engine.head.timestamp
    now[0] -= 3600
    engine.seal()
    outcomes = engine.seal([admit(sign(account, nonce=1), 1337, BLOCK_GAS_SPENDABLE)])
    assert [outcome.status for outcome in outcomes.values()] == ["included"]
    assert engine.head.timestamp == before
    # a node's clock that is right, or as wrong as this one, is far from the head: CHAIN_STALE, so nothing is computed
    assert abs(now[0] - engine.head.timestamp) > HEAD_MAX_AGE_SECONDS
    engine.close()
    engine = Engine.open(tmp_path)
    now[0] = before + 5
    engine.seal()
    assert engine.head.timestamp == int(before + 5)
    engine.close()
    assert replay(tmp_path) == 2


# -- two writers --


def test_a_second_server_on_a_directory_is_refused_by_whatever_name_it_goes(tmp_path: Path) -> None:
    (tmp_path / "other name").symlink_to(tmp_path / "chain", target_is_directory=True)
    with ChainProcess.start(tmp_path / "chain") as first:
        for directory in (tmp_path / "chain", tmp_path / "other name"):
            with pytest.raises(ChainLocked, match=f"process {first.pid}"):
                ChainProcess.start(directory)
        first.kill()
        ChainProcess.start(tmp_path / "other name").stop()


def test_two_writers_without_a_lock_between_them_make_no_second_history(tmp_path: Path, sign: Any) -> None:
    """Somebody deleted the lock's file: the second writer's block number is taken, so it cannot write."""
    first = Engine.open(tmp_path)
    (tmp_path / "chain.lock").unlink()
    second = Engine.open(tmp_path)
    first.seal([admit(sign(new_account()), 1337, BLOCK_GAS_SPENDABLE)])
    with pytest.raises(sqlite3.IntegrityError):
        second.seal([admit(sign(new_account()), 1337, BLOCK_GAS_SPENDABLE)])
    first.seal()
    with pytest.raises(sqlite3.IntegrityError):
        second.seal()
    head = first.head
    second.close()
    first.close()
    engine = Engine.open(tmp_path)
    assert engine.head.hash == head.hash
    engine.close()
