"""Kills a chain's server in every phase of a block, again and again, and looks for what was acknowledged.

    python -m benchmarks.soak [--rounds 1000] [--dir DIR] [--seed N] [--json]          (make soak ROUNDS=1000)

One round: the server is started on the directory of the rounds before, four clients send transactions and note which
were acknowledged, and the server kills itself (SIGKILL) in the phase whose turn it is. Then the directory is opened
again: every acknowledged transaction must be there and have succeeded. In the end the contract's own count must be that
of the included transactions, and the whole chain is executed again by the executable specification.

The server is the real one. The phases are entered by replacing functions in the server's process, from here: nothing
that is shipped knows of them. Exit status: 0 nothing was lost, 1 something was.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
CLIENTS = 4
PER_CLIENT = 40
START_SECONDS = 60
ROUND_SECONDS = 60
COMMIT_SECONDS = 0.006
"""About as long as one commit takes: the killing thread draws its moment from it."""


@dataclass
class Tally:
    """What all rounds saw. `lost` names what was acknowledged and is not there."""

    rounds: int = 0
    acknowledged: int = 0
    included: int = 0
    blocks: int = 0
    phases: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0


# -- in the server's process --


def die() -> None:
    """As a crash would."""
    os.kill(os.getpid(), signal.SIGKILL)


class Trigger:
    """Comes due in the `after`-th block with transactions."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.due = False

    def count(self, transactions: Any) -> None:
        """Called when a block is begun."""
        if transactions:
            self.left -= 1
            self.due = self.left <= 0


def around(owner: Any, name: str, before: Callable[..., None] | None, after: Callable[..., None] | None = None) -> None:
    """Replace `owner.name` by itself with something before and after it."""
    original = getattr(owner, name)

    def replaced(*arguments: Any, **named: Any) -> Any:
        if before is not None:
            before(*arguments, **named)
        result = original(*arguments, **named)
        if after is not None:
            after(*arguments, **named)
        return result

    setattr(owner, name, replaced)


def die_soon(seconds: float) -> None:
    """In another thread, while this one goes on into what is to be interrupted."""
    moment = random.uniform(0, seconds)

    def wait() -> None:
        time.sleep(moment)
        die()

    threading.Thread(target=wait, daemon=True).start()


def arm(phase: str, after: int) -> None:
    """Make this process die in that phase."""
    from belmont.chain.engine import Engine
    from belmont.chain.node import Node
    from belmont.chain.store import Store
    from belmont.chain.vm import EmbeddedComputation, EmbeddedVM

    trigger = Trigger(after)
    around(Engine, "seal", lambda engine, transactions=(): trigger.count(transactions))

    def when_due(*arguments: Any, **named: Any) -> None:
        if trigger.due:
            die()

    def commit_begins(statement: str) -> None:
        if trigger.due and statement == "commit":
            die_soon(COMMIT_SECONDS)

    def watch_commits(store: Store, *arguments: Any) -> None:
        store._writer.set_trace_callback(commit_begins)

    def checkpoint_always(store: Store, *arguments: Any) -> None:
        store._writer.execute("pragma wal_autocheckpoint=1")
        watch_commits(store)

    def between_rows(store: Store, block: Any, transactions: Any, logs: Any, nodes: Any) -> None:
        """Some rows of the block are written, in a transaction that is still open."""
        if trigger.due:
            store._writer.executemany("insert or ignore into nodes values(?,?)", nodes)
            store._writer.execute("insert into blocks values(?,?,?,?,?,?,?,?,?)", block.values())
            die()

    opcodes = random.randrange(1, 200)

    def in_an_opcode(*arguments: Any, **named: Any) -> None:
        nonlocal opcodes
        if trigger.due:
            opcodes -= 1
            if opcodes == 0:
                die()

    enter: dict[str, Callable[[], None]] = {
        "before execution": lambda: around(Engine, "_seal", when_due),
        "during execution": lambda: around(EmbeddedComputation, "consume_gas", in_an_opcode),
        "between transactions": lambda: around(EmbeddedVM, "apply_transaction", None, when_due),
        "before the database's transaction": lambda: around(Store, "transaction", when_due),
        "between rows": lambda: around(Store, "add_block", between_rows),
        "before the commit": lambda: around(Store, "add_block", None, when_due),
        "inside the commit": lambda: around(Store, "__init__", None, watch_commits),
        "inside the checkpoint": lambda: around(Store, "__init__", None, checkpoint_always),
        "after the commit": lambda: around(Store, "committed", when_due),
        "before the reply": lambda: around(Node, "_finish", when_due),
    }
    if phase in enter:
        enter[phase]()


PHASES = (
    "before execution",
    "during execution",
    "between transactions",
    "before the database's transaction",
    "between rows",
    "before the commit",
    "inside the commit",
    "inside the checkpoint",
    "after the commit",
    "before the reply",
    "at any time",
)
"""The last one is not entered by the server: the clients' process kills it."""


def serve(directory: Path, phase: str, after: int) -> int:
    """The server, armed."""
    from belmont.chain import server

    arm(phase, after)
    return server.main([str(directory), "0", "--end-with-parent", "--heartbeat-seconds", "0.5"])


# -- in the clients' process --


@contextlib.contextmanager
def started(directory: Path, phase: str, after: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An armed server and its port; gone in the end."""
    words = ["--serve", str(directory), "--phase", phase, "--after", str(after)]
    with (directory.parent / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.soak", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=REPOSITORY,
        )
    try:
        if process.stdout is None:
            raise RuntimeError("the server has no standard output")
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        facts = json.loads(process.stdout.readline() or b"{}") if ready else {}
        if "port" not in facts:
            raise RuntimeError(f"the server did not start again: {facts}")
        yield process, facts["port"]
    finally:
        process.kill()
        process.communicate()


class Client(threading.Thread):
    """Sends one account's transactions one after the other, until the server is gone."""

    def __init__(self, port: int, raws: list[bytes]) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.raws = raws
        self.acknowledged: list[bytes] = []

    def run(self) -> None:
        """Note what was acknowledged."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ROUND_SECONDS)
        try:
            for raw in self.raws:
                request = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": ["0x" + raw.hex()]}
                connection.request("POST", "/", json.dumps(request), {"Content-Type": "application/json"})
                answer = json.loads(connection.getresponse().read())
                if "result" in answer:
                    self.acknowledged.append(bytes.fromhex(answer["result"][2:]))
        except (OSError, http.client.HTTPException, ValueError):
            return
        finally:
            connection.close()


class Soak:
    """All rounds on one directory."""

    def __init__(self, folder: Path, seed: int) -> None:
        from belmont.chain.compiler import compile_contract
        from benchmarks.chain import CONTRACT, new_account, signed

        self.directory = folder / "chain"
        self.random = random.Random(seed)
        self.tally = Tally()
        self._signed = signed
        self._accounts = [new_account() for _ in range(CLIENTS)]  # few, so that the last audit has a small state
        self._nonces = [0] * CLIENTS
        (folder / "Ledger.vy").write_text(CONTRACT)
        self._contract = self._deployed(compile_contract("Ledger", folder))

    def _deployed(self, compiled: Any) -> Any:
        from belmont.chain.client import ChainClient
        from belmont.chain.deployment import deploy
        from belmont.chain.process import ChainProcess
        from benchmarks.chain import new_account

        with ChainProcess.start(self.directory) as chain:
            client = ChainClient(chain.url)
            return client.contract_at(compiled.abi, deploy(client, new_account(), compiled).address)

    def round(self, phase: str) -> None:
        """Start, send, die, look."""
        queues = []
        for account, first in zip(self._accounts, self._nonces, strict=True):
            nonces = range(first, first + PER_CLIENT)
            data = {nonce: self._contract.encode_abi("record", [nonce + 1]) for nonce in nonces}
            queues.append([self._signed(account, self._contract.address, data[n], n) for n in nonces])
        with started(self.directory, phase, self.random.randint(1, 12)) as (process, port):
            clients = [Client(port, queue) for queue in queues]
            for client in clients:
                client.start()
            if phase == "at any time":
                time.sleep(self.random.uniform(0.01, 0.4))
                process.kill()
            try:
                status = process.wait(ROUND_SECONDS)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"the server did not die: {phase}") from None
            if status != -signal.SIGKILL:
                raise RuntimeError(f"the server ended with {status}: {phase}")
            for client in clients:
                client.join(ROUND_SECONDS)
        self._look(phase, [key for client in clients for key in client.acknowledged])

    def _look(self, phase: str, acknowledged: list[bytes]) -> None:
        from belmont.chain.engine import Engine

        engine = Engine.open(self.directory)
        try:
            for key in acknowledged:
                row = engine.store.transaction_by_hash(key)
                if row is None or row.block > engine.head.number or json.loads(row.receipt)["status"] != "0x1":
                    self.tally.lost.append(f"round {self.tally.rounds}, {phase}: 0x{key.hex()}")
            self.tally.blocks = engine.head.number
            state = engine.state(engine.head.header)
            self._nonces = [state.get_nonce(bytes.fromhex(account.address[2:])) for account in self._accounts]
        finally:
            engine.close()
        self.tally.rounds += 1
        self.tally.acknowledged += len(acknowledged)
        self.tally.phases[phase] = self.tally.phases.get(phase, 0) + 1

    def finish(self) -> None:
        """The contract's count, and the specification. Raises `RuntimeError` when they differ."""
        from belmont.chain.audit.delegated import native_precompiles
        from belmont.chain.audit.replay import audit
        from belmont.chain.audit.source import ChainDirectory
        from belmont.chain.engine import Engine

        with contextlib.closing(ChainDirectory(self.directory)) as source, native_precompiles():
            report = audit(source)
        if report.divergence is not None:
            raise RuntimeError(f"the chain differs from the specification: {report.divergence}")
        self.tally.included = report.transactions - 1  # without the contract's creation
        engine = Engine.open(self.directory)
        try:
            address = bytes.fromhex(self._contract.address[2:])
            counted = engine.state(engine.head.header).get_storage(address, 0)
        finally:
            engine.close()
        if not self.tally.acknowledged <= self.tally.included == counted:
            raise RuntimeError(f"the contract counted {counted} transactions: {self.tally}")


def run(rounds: int, folder: Path, seed: int, tell: Callable[[str], None] = lambda line: None) -> Tally:
    """`rounds` rounds, the phases in turn, in `folder`."""
    began = time.monotonic()
    soak = Soak(folder, seed)
    for number in range(rounds):
        soak.round(PHASES[number % len(PHASES)])
        if (number + 1) % 25 == 0 or number + 1 == rounds:
            tally = soak.tally
            tell(
                f"{number + 1} of {rounds} rounds, {tally.acknowledged} transactions acknowledged, "
                f"{len(tally.lost)} lost, {tally.blocks} blocks, {time.monotonic() - began:.0f} s"
            )
    soak.finish()
    soak.tally.seconds = round(time.monotonic() - began, 1)
    return soak.tally


def main(arguments: list[str] | None = None) -> int:
    """Entry of `python -m benchmarks.soak`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--dir", dest="folder", type=Path, help="an empty or new folder (default: one that goes away)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    for hidden in ("--serve", "--phase", "--after"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        return serve(Path(options.serve), options.phase, int(options.after))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tally = run(options.rounds, folder, options.seed, lambda line: print(line, file=sys.stderr, flush=True))
    if options.json:
        print(json.dumps(vars(tally)))
    else:
        phases = "\n".join(f"  {count:5d}  {phase}" for phase, count in tally.phases.items())
        print(
            f"{tally.rounds} rounds in {tally.seconds:.0f} s: {tally.acknowledged} transactions acknowledged, "
            f"{len(tally.lost)} of them lost, {tally.included} included, {tally.blocks} blocks, the same in the "
            f"executable specification\n{phases}"
        )
        for line in tally.lost:
            print(f"LOST {line}")
    return 1 if tally.lost else 0


if __name__ == "__main__":
    sys.exit(main())
