"""The sequencer: collects transactions, seals them into blocks off the event loop, beats when idle.

1. `submit` returns when the transaction's block is durable, and not before (group commit: whatever is waiting when the
   sealing thread becomes free goes into one block).
2. A transaction whose nonce is still to come is held for at most two seconds, so that a sender's transactions may
   arrive in any order; then it is refused with the nonce that was expected.
3. When no block came for `heartbeat_seconds`, an empty one is sealed before anything else, so a live chain's head is
   never old: it is at most that and the four seconds that a block can take (`belmont.chain.engine`).
4. Small transactions go first, by their gas limit. One over 3,000,000 gas, and what its sender sends after it, waits in
   a second queue that has every other block while both have something; after 30 s there it is refused. So a small
   transaction waits for one large one at most, and gas limits near what is needed are rewarded.
5. A sender whose transaction was executed and not included (it ran too long) is held back fifteen times as long as that
   took: what it has waiting is refused, and what it sends until then.
6. A failed write (a full disk) refuses the batch and nothing else: the node goes on, and seals again once it can.
7. A damaged database is another matter: nothing more is admitted or sealed, not even heartbeats, so everybody who asks
   for the head's age notices. What is asked and not damaged is still answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import sys
import time
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine, Outcome
from belmont.chain.errors import ChainDamaged, TransactionRefused
from belmont.chain.lanes import Lanes
from belmont.chain.threads import deep_stack_executor
from belmont.chain.transactions import admit

HOLD_EARLY_SECONDS: Final = 2.0
PENDING_MAX: Final = 4096
PENDING_PER_SENDER_MAX: Final = 256
LARGE_GAS: Final = 3_000_000
LARGE_WAIT_SECONDS: Final = 30.0
HELD_BACK_FACTOR: Final = 15.0
HELD_BACK_MAX: Final = 4096
STOP_SECONDS: Final = 5.0
READER_THREADS: Final = 4
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
        self._stop_by = float("inf")
        self._held_back: dict[bytes, float] = {}
        self._large_turn = False
        self._task: asyncio.Task[None] | None = None
        self._last_block = time.monotonic()
        self._sealed = asyncio.Event()
        self.readers: Executor = deep_stack_executor("chain-read", READER_THREADS)
        # apart, so that long calls hold up neither reads nor the admission of transactions
        self.lanes = Lanes()
        self._sealer: Executor = deep_stack_executor("chain-seal", 1)

    async def start(self) -> None:
        """Begin sealing; the head is fresh when this returns."""
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        await self._in(self._sealer, self.engine.seal)
        self._last_block = time.monotonic()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Seal what has arrived, for five seconds at most, refuse what is too early, and end."""
        self._stop_by = time.monotonic() + STOP_SECONDS
        self._wake.set()
        if self._task is not None:
            await self._task
        self.readers.shutdown(wait=True)
        self.lanes.stop()
        self._sealer.shutdown(wait=True)

    @property
    def _stopping(self) -> bool:
        return self._stop_by < float("inf")

    async def submit(self, raw: bytes) -> bytes:
        """Admit a raw transaction and wait for its block; its hash. Raises `TransactionRefused`, `ChainDamaged`."""
        if self.engine.store.damage:
            raise ChainDamaged(self.engine.store.damage)
        transaction = await self._in(self.readers, admit, raw, self.engine.chain_id, BLOCK_GAS_SPENDABLE)
        transaction_hash: bytes = transaction.hash
        if transaction_hash in self.waiting or self.engine.store.has_transaction(transaction_hash):
            raise TransactionRefused("already known")
        if self._stopping:
            raise TransactionRefused("the server is stopping: send the transaction again later")
        held_back = self._why_held_back(transaction.sender)
        if held_back:
            raise TransactionRefused(held_back)
        if len(self.waiting) >= PENDING_MAX:
            raise TransactionRefused("txpool is full: send the transaction again later")
        if sum(w.transaction.sender == transaction.sender for w in self.waiting.values()) >= PENDING_PER_SENDER_MAX:
            raise TransactionRefused("txpool is full for this sender: wait for earlier transactions")
        entry = Waiting(transaction, asyncio.get_running_loop().create_future(), time.monotonic())
        self.waiting[transaction_hash] = entry
        self._wake.set()
        return await entry.done

    async def head_after(self, number: int) -> int:
        """The head's number, once it is higher than ``number``."""
        while self.engine.head.number <= number:
            await self._sealed.wait()
        return self.engine.head.number

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
            if not self.waiting and self._stopping:
                return
            if time.monotonic() - self._last_block >= self.heartbeat_seconds:
                await self._seal([])
            if self.waiting:
                await self._seal(self._next_batch())

    def _next_batch(self) -> list[Waiting]:
        """Those whose turn it is, in their order (rule 4)."""
        small: list[Waiting] = []
        large: list[Waiting] = []
        most_gas: dict[bytes, int] = {}
        ranked: list[tuple[int, float, int, Waiting]] = []
        for entry in sorted(self.waiting.values(), key=lambda w: w.transaction.nonce):
            transaction = entry.transaction
            gas = most_gas[transaction.sender] = max(most_gas.get(transaction.sender, 0), transaction.gas)
            ranked.append((gas, entry.arrived, len(ranked), entry))
        for gas, _, _, entry in sorted(ranked):
            (large if gas > LARGE_GAS else small).append(entry)
        if large and (self._large_turn or not small):
            self._large_turn = False
            return large
        self._large_turn = True
        return small

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
            age = now - entry.arrived
            if entry.early_reason and (self._stopping or age >= HOLD_EARLY_SECONDS):
                self._finish(entry, Outcome("refused", entry.early_reason))
            elif now >= self._stop_by:
                self._finish(entry, Outcome("refused", "the server is stopping: send the transaction again later"))
            elif age >= LARGE_WAIT_SECONDS and entry.transaction.gas > LARGE_GAS:
                reason = (
                    f"no block had time for it in {LARGE_WAIT_SECONDS:.0f} s: send it again, with less gas if it can"
                )
                self._finish(entry, Outcome("refused", reason))

    async def _seal(self, batch: list[Waiting]) -> None:
        try:
            outcomes = await self._in(self._sealer, self.engine.seal, [w.transaction for w in batch])
        except Exception as error:
            # what has a name needs no traceback
            named = isinstance(error, ChainDamaged | sqlite3.Error)
            log.error("a block could not be sealed: %s", error, exc_info=None if named else error)
            for entry in batch:
                self._finish(entry, Outcome("refused", f"the block could not be written: {error}"))
            # a heartbeat that fails is tried again after the usual time, not at once
            self._last_block = time.monotonic()
            return
        included = any(outcome.status == "included" for outcome in outcomes.values())
        self._sealed.set()
        self._sealed = asyncio.Event()
        if not batch or included:
            self._last_block = time.monotonic()
        if included:
            for entry in self.waiting.values():
                entry.early_reason = None
        for entry in batch:
            outcome = outcomes[entry.transaction.hash]
            if outcome.status in ("included", "refused"):
                self._finish(entry, outcome)
            else:
                entry.early_reason = outcome.reason if outcome.status == "early" else None
        for entry in batch:
            self._hold_back(entry.transaction.sender, outcomes[entry.transaction.hash].wasted_seconds)
        if any(entry.early_reason is None for entry in self.waiting.values()):
            self._wake.set()

    def _hold_back(self, sender: bytes, wasted_seconds: float) -> None:
        """Rule 5. The longest held are forgotten first when they are too many."""
        if not wasted_seconds:
            return
        now = time.monotonic()
        self._held_back = {held: until for held, until in self._held_back.items() if until > now}
        while len(self._held_back) >= HELD_BACK_MAX:
            del self._held_back[next(iter(self._held_back))]
        self._held_back[sender] = now + HELD_BACK_FACTOR * wasted_seconds
        for entry in [w for w in self.waiting.values() if w.transaction.sender == sender]:
            self._finish(entry, Outcome("refused", self._why_held_back(sender)))

    def _why_held_back(self, sender: bytes) -> str:
        """Empty when it is not."""
        seconds = self._held_back.get(sender, 0.0) - time.monotonic()
        return (
            f"the sender is held back for {seconds:.1f} s more, because a transaction of it took too long here: "
            "send again after that, and only what takes less"
            if seconds > 0
            else ""
        )

    def _finish(self, entry: Waiting, outcome: Outcome) -> None:
        transaction_hash = entry.transaction.hash
        self.waiting.pop(transaction_hash, None)
        if entry.done.done():
            return
        if outcome.status == "included":
            entry.done.set_result(transaction_hash)
        else:
            entry.done.set_exception(TransactionRefused(outcome.reason))
