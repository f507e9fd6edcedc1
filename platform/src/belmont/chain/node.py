"""The sequencer: collects transactions, seals them into blocks off the event loop, beats when idle.

1. `submit` returns when the transaction's block is durable, and not before (group commit: whatever is waiting when the
   sealing thread becomes free goes into one block).
2. A transaction whose nonce is still to come is held for at most two seconds, so that a sender's transactions may
   arrive in any order; then it is refused with the nonce that was expected.
3. Without transactions an empty block is sealed every `heartbeat_seconds`, so a live chain's head is never old.
4. A failed write refuses the batch and nothing else: the node goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine, Outcome
from belmont.chain.errors import TransactionRefused
from belmont.chain.transactions import admit

HOLD_EARLY_SECONDS: Final = 2.0
PENDING_MAX: Final = 4096
PENDING_PER_SENDER_MAX: Final = 256
READER_THREADS: Final = 4
CALLER_THREADS: Final = 4
THREAD_STACK_BYTES: Final = 64 * 1024 * 1024
SWITCH_INTERVAL_SECONDS: Final = 0.001

log = logging.getLogger("belmont.chain")


@dataclass(eq=False)
class Waiting:
    """A transaction between arrival and its durable block. Times are of `time.monotonic`."""

    transaction: Any
    done: asyncio.Future[bytes]
    arrived: float
    early_reason: str | None = None


class Node:
    """Runs one engine. `start` and `stop` belong to the event loop that serves requests."""

    def __init__(self, engine: Engine, heartbeat_seconds: float = 10.0) -> None:
        if not heartbeat_seconds > 0:
            raise ValueError("heartbeat_seconds must be positive")
        self.engine = engine
        self.heartbeat_seconds = heartbeat_seconds
        self.waiting: dict[bytes, Waiting] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._last_block = time.monotonic()
        self.readers: Executor = deep_stack_executor("chain-read", READER_THREADS)
        # apart, so that long calls hold up neither reads nor the admission of transactions
        self.callers: Executor = deep_stack_executor("chain-call", CALLER_THREADS)
        self._sealer: Executor = deep_stack_executor("chain-seal", 1)

    async def start(self) -> None:
        """Begin sealing; the head is fresh when this returns."""
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        await self._in(self._sealer, self.engine.seal)
        self._last_block = time.monotonic()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Seal what has arrived, refuse what is too early, and end."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        self.readers.shutdown(wait=True)
        self.callers.shutdown(wait=True)
        self._sealer.shutdown(wait=True)

    async def submit(self, raw: bytes) -> bytes:
        """Admit a raw transaction and wait for its block; its hash. Raises `TransactionRefused`."""
        transaction = await self._in(self.readers, admit, raw, self.engine.chain_id, BLOCK_GAS_SPENDABLE)
        transaction_hash: bytes = transaction.hash
        if transaction_hash in self.waiting or self.engine.store.one(
            "select 1 from transactions where hash=?", transaction_hash
        ):
            raise TransactionRefused("already known")
        if self._stopping:
            raise TransactionRefused("the server is stopping: send the transaction again later")
        if len(self.waiting) >= PENDING_MAX:
            raise TransactionRefused("txpool is full: send the transaction again later")
        if sum(w.transaction.sender == transaction.sender for w in self.waiting.values()) >= PENDING_PER_SENDER_MAX:
            raise TransactionRefused("txpool is full for this sender: wait for earlier transactions")
        entry = Waiting(transaction, asyncio.get_running_loop().create_future(), time.monotonic())
        self.waiting[transaction_hash] = entry
        self._wake.set()
        return await entry.done

    def pending_nonce(self, sender: bytes, nonce: int) -> int:
        """The nonce after the transactions of `sender` that wait in sequence from `nonce`."""
        taken = {w.transaction.nonce for w in list(self.waiting.values()) if w.transaction.sender == sender}
        while nonce in taken:
            nonce += 1
        return nonce

    async def _in(self, executor: Executor, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(executor, function, *arguments)

    async def _run(self) -> None:
        while True:
            await self._sleep()
            self._wake.clear()
            self._expire()
            batch = list(self.waiting.values())
            if not batch:
                if self._stopping:
                    return
                if time.monotonic() - self._last_block < self.heartbeat_seconds:
                    continue
            await self._seal(batch)

    async def _sleep(self) -> None:
        """Until something arrives, a held transaction's time is over, or a heartbeat is due."""
        if self._stopping and not self.waiting:
            return
        until = self._last_block + self.heartbeat_seconds
        if self.waiting:
            until = min(until, min(w.arrived for w in self.waiting.values()) + HOLD_EARLY_SECONDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(0.0, until - time.monotonic()))

    def _expire(self) -> None:
        now = time.monotonic()
        for entry in list(self.waiting.values()):
            if entry.early_reason and (self._stopping or now - entry.arrived >= HOLD_EARLY_SECONDS):
                self._finish(entry, Outcome("refused", entry.early_reason))

    async def _seal(self, batch: list[Waiting]) -> None:
        try:
            outcomes = await self._in(self._sealer, self.engine.seal, [w.transaction for w in batch])
        except Exception as error:
            log.exception("a block could not be sealed")
            for entry in batch:
                self._finish(entry, Outcome("refused", f"the block could not be written: {error}"))
            # a heartbeat that fails is tried again after the usual time, not at once
            self._last_block = time.monotonic()
            return
        statuses = {outcome.status for outcome in outcomes.values()}
        if not batch or "included" in statuses:
            self._last_block = time.monotonic()
        for entry in batch:
            outcome = outcomes[entry.transaction.hash]
            if outcome.status in ("included", "refused"):
                self._finish(entry, outcome)
            else:
                entry.early_reason = outcome.reason if outcome.status == "early" else None
        if "deferred" in statuses:
            self._wake.set()

    def _finish(self, entry: Waiting, outcome: Outcome) -> None:
        transaction_hash = entry.transaction.hash
        self.waiting.pop(transaction_hash, None)
        if entry.done.done():
            return
        if outcome.status == "included":
            entry.done.set_result(transaction_hash)
        else:
            entry.done.set_exception(TransactionRefused(outcome.reason))


def deep_stack_executor(name: str, threads: int) -> Executor:
    """Threads whose C stack takes the EVM's 1024 nested calls; all are started here, where the size is set."""
    executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
    previous = threading.stack_size(THREAD_STACK_BYTES)
    try:
        barrier = threading.Barrier(threads + 1)
        for _ in range(threads):
            executor.submit(barrier.wait)
        barrier.wait()
    finally:
        threading.stack_size(previous)
    return executor
