"""The embedded chain's engine: executes transactions into blocks, and answers calls against any block's state.

Rules:
1. One block, one durable SQLite transaction. What `seal` reports as included is on disk.
2. The base fee is zero at genesis and stays zero: a block spends at most half its gas limit, which is EIP-1559's
   target, so the rule that raises the fee never applies. Everyone can transact with a balance of zero.
3. Transactions go in as they are given, those of one sender by nonce.
4. A transaction that makes the engine itself fail, or passes a limit of `belmont.chain.limits`, is refused alone; the
   others of its batch are sealed without it.
5. A block is closed to further transactions after one second of execution, or with 4,096 logs. With the last one's two
   seconds, and what went before a refused one executed again, a block takes four seconds at most; what is left over
   is deferred to the next one. So the head moves whatever is sent.
6. Once the database is found damaged, nothing more is sealed (`ChainDamaged`).
7. `seal` runs in one thread at a time; calls and reads run in any thread and see the last committed block.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import rlp
from eth.consensus.context import ConsensusContext
from eth.constants import BLANK_ROOT_HASH, POST_MERGE_NONCE, ZERO_ADDRESS, ZERO_HASH32
from eth.vm.chain_context import ChainContext
from eth.vm.forks.prague.constants import (
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
)
from eth_bloom.bloom import BloomFilter
from eth_utils.exceptions import ValidationError

from belmont.chain import documents
from belmont.chain.errors import ChainDamaged, ChainDirectoryError
from belmont.chain.frames import KnownCode
from belmont.chain.limits import LOGS_MAX, TRANSACTION_SECONDS_MAX, ExecutionStopped, TimeLimit, Unlimited
from belmont.chain.log_blocks import LogBlocks
from belmont.chain.quick_calls import Run, TranslatedCode
from belmont.chain.reading import FORMAT_VERSION, STATE_MISSING
from belmont.chain.rows import BlockRow
from belmont.chain.state_reads import StateReads
from belmont.chain.store import StateNodes, Store
from belmont.chain.system_contracts import CONSOLIDATION_REQUESTS_CODE, WITHDRAWAL_REQUESTS_CODE
from belmont.chain.vm import Block, EmbeddedVM, Header

BLOCK_GAS_LIMIT: Final = 60_000_000
BLOCK_GAS_SPENDABLE: Final = BLOCK_GAS_LIMIT // 2
BLOCK_SECONDS: Final = 1.0
DEFAULT_CHAIN_ID: Final = 1337
GENESIS_EXTRA: Final = b"belmont embedded chain"


@dataclass(frozen=True)
class Head:
    """A block header with what is often asked of it. `last_logs` is the last block, up to this one, that has logs."""

    header: Any
    size: int
    last_logs: int

    @property
    def number(self) -> int:
        """The block's number."""
        return int(self.header.block_number)

    @property
    def hash(self) -> bytes:
        """The block's hash."""
        return bytes(self.header.hash)

    @property
    def timestamp(self) -> int:
        """Whole seconds since 1970."""
        return int(self.header.timestamp)


@dataclass(frozen=True)
class Outcome:
    """What became of one transaction given to `seal`.

    included: on disk in the new block. refused: never valid here. early: its nonce is still to come.
    deferred: no room or time left in this block, give it to the next one.
    `wasted_seconds` of execution went into a transaction that is not included.
    """

    status: Literal["included", "refused", "early", "deferred"]
    reason: str = ""
    wasted_seconds: float = 0.0


class Engine:
    """One chain in one directory. Make it with `Engine.open`."""

    def __init__(self, store: Store, chain_id: int, head: Head) -> None:
        self.store = store
        self.chain_id = chain_id
        self.head = head
        self.context = ChainContext(chain_id)
        self.log_blocks = LogBlocks(store)
        self.reads = StateReads(store)
        self._codes = TranslatedCode()
        self._known_code = KnownCode(self.reads)
        self._sealing = threading.Lock()

    @classmethod
    def open(cls, directory: Path, chain_id: int | None = None) -> Engine:
        """Open the chain in `directory`, or create it with `chain_id` (1337 when None).

        Raises `ChainLocked` when another process serves it, `ChainDirectoryError` when it is another chain,
        `ChainDamaged` when what is in it is not what was written.
        """
        store = Store(directory)
        try:
            meta = store.meta()
            if not meta:
                _create(store, DEFAULT_CHAIN_ID if chain_id is None else chain_id)
                meta = store.meta()
            if meta.get("format") != FORMAT_VERSION:
                raise ChainDirectoryError(
                    f"{directory} holds a chain of format {meta.get('format')!r}; this version reads {FORMAT_VERSION!r}"
                )
            stored = int(meta["chain_id"])
            if chain_id is not None and chain_id != stored:
                raise ChainDirectoryError(
                    f"{directory} holds chain {stored}, not {chain_id}: choose another directory or leave the id out"
                )
            row = store.check()
            head = Head(_decode_header(row.header), row.size, row.number if row.logs else row.logs_before)
            if row.number and store.needed_block(row.number - 1).hash != head.header.parent_hash:
                raise store.damaged(f"block {row.number} does not follow block {row.number - 1}")
            if store.node(head.header.state_root) is None:
                raise store.damaged(f"the state of block {head.number} is missing")
        except (sqlite3.Error, OSError) as error:
            store.close()
            raise ChainDirectoryError(f"{directory} cannot be used as a chain: {error}") from error
        except BaseException:
            store.close()
            raise
        return cls(store, stored, head)

    def close(self) -> None:
        """Wait for a running `seal`, then close the files."""
        with self._sealing:
            self.store.close()

    # -- sealing --

    def seal(self, transactions: Sequence[Any] = ()) -> dict[bytes, Outcome]:
        """Put what can be included into one durable block; without transactions, an empty (heartbeat) block.

        Nothing is written when transactions are given and none can be included.
        """
        with self._sealing:
            closing = time.monotonic() + BLOCK_SECONDS
            poisoned: dict[bytes, Outcome] = {}
            settled: frozenset[bytes] = frozenset()
            while True:
                candidates = [t for t in transactions if t.hash not in poisoned]
                if transactions and not candidates:
                    return poisoned
                try:
                    with self.store.state_is_whole():
                        return {**self._seal(candidates, closing, settled), **poisoned}
                except _Excluded as excluded:
                    poisoned[excluded.transaction_hash] = excluded.outcome
                    settled = excluded.before

    def _seal(self, candidates: Sequence[Any], closing: float, settled: frozenset[bytes]) -> dict[bytes, Outcome]:
        """One attempt. The block takes nothing new after `closing`; `settled` went in before, and are no new ones."""
        parent = self.head.header
        header = Header(
            difficulty=0,
            block_number=parent.block_number + 1,
            gas_limit=parent.gas_limit,
            timestamp=max(int(time.time()), parent.timestamp),
            coinbase=ZERO_ADDRESS,
            parent_hash=parent.hash,
            state_root=parent.state_root,
            base_fee_per_gas=0,
            nonce=POST_MERGE_NONCE,
            parent_beacon_block_root=ZERO_HASH32,
        )
        nodes = StateNodes(self.store)
        vm = EmbeddedVM(header, VmChainDatabase(self.store, nodes), self.context, ConsensusContext(nodes))
        vm.state.use(self._known_code)
        empty_block = Block(header=header, transactions=[], uncles=[], withdrawals=[])
        vm.block_preprocessing(empty_block)
        outcomes: dict[bytes, Outcome] = {}
        included: list[Any] = []
        receipts: list[Any] = []
        computations: list[Any] = []
        log_count = 0
        deferred_senders: set[bytes] = set()
        for transaction in _by_nonce(candidates):
            outcome = _admissible(vm, header, transaction)
            if outcome.status in ("included", "early") and transaction.sender in deferred_senders:
                outcome = Outcome("deferred", "after a deferred one")
            elif outcome.status == "included" and transaction.hash not in settled:
                if time.monotonic() > closing:
                    outcome = Outcome("deferred", "no time left in this block")
                elif log_count >= LOGS_MAX:
                    outcome = Outcome("deferred", "no room for logs in this block")
            if outcome.status == "included":
                began = time.monotonic()
                vm.state.limit = TimeLimit(TRANSACTION_SECONDS_MAX)
                try:
                    receipt, computation = vm.apply_transaction(header, transaction)
                except ValidationError as error:
                    outcome = Outcome("refused", str(error))
                except (ChainDamaged, *STATE_MISSING):
                    raise
                except Exception as error:
                    why = str(error) if isinstance(error, ExecutionStopped) else f"the engine failed on it: {error!r}"
                    refusal = Outcome("refused", f"transaction not included: {why}", time.monotonic() - began)
                    raise _Excluded(transaction.hash, refusal, frozenset(t.hash for t in included)) from error
                else:
                    bloom = int(BloomFilter(header.bloom) | receipt.bloom)
                    header = header.copy(gas_used=receipt.gas_used, bloom=bloom)
                    log_count += len(receipt.logs)
                    included.append(transaction)
                    receipts.append(receipt)
                    computations.append(computation)
            elif outcome.status == "deferred":
                deferred_senders.add(transaction.sender)
            outcomes[transaction.hash] = outcome
        vm.state.limit = Unlimited()
        if candidates and not included:
            return outcomes
        block = vm.set_block_transactions_and_withdrawals(empty_block, header, included, receipts)
        block = vm.mine_block(vm.block_postprocessing(block)).block
        rows, logs = documents.transaction_rows(block.header, included, receipts, computations)
        size = len(rlp.encode(block))
        number = block.header.block_number
        row = BlockRow(
            number,
            block.header.hash,
            rlp.encode(block.header),
            size,
            len(included),
            len(logs),
            self.head.last_logs,
            b"".join(sorted({log.address for log in logs})),
        )
        with self.store.transaction():
            self.store.add_block(row, rows, logs, nodes.written.items())
        self.store.committed(row, rows, nodes.written)
        self.head = Head(block.header, size, number if logs else self.head.last_logs)
        return outcomes

    # -- reading --

    def header(self, number: int) -> Any:
        """The header of block `number`; None when there is none yet."""
        head = self.head
        if number == head.number:
            return head.header
        return _decode_header(self.store.needed_block(number).header) if 0 <= number < head.number else None

    def state(self, header: Any) -> Any:
        """py-evm's state after the block of `header`, in that block's own context; writes to it go nowhere."""
        nodes = StateNodes(self.store)
        previous = EmbeddedVM.get_prev_hashes(header.parent_hash, VmChainDatabase(self.store, nodes))
        state = EmbeddedVM.build_state(nodes, header, self.context, previous or ())
        state.use(self._known_code)
        return state

    def run(self, header: Any, limit: TimeLimit) -> Run:
        """What a quick call in the state after the block of `header` runs on (`belmont.chain.quick_calls`)."""
        return Run(self.reads, self._codes, header, self.chain_id, limit)


class VmChainDatabase:
    """The few things py-evm's VM asks of a chain database."""

    def __init__(self, store: Store, nodes: StateNodes) -> None:
        self._store = store
        self.db = nodes

    def get_block_header_by_hash(self, block_hash: bytes) -> Any:
        """A stored header; KeyError when there is none."""
        row = self._store.block_by_hash(block_hash)
        if row is None:
            raise KeyError(block_hash)
        return _decode_header(row.header)

    def exists(self, key: bytes) -> bool:
        """Whether a trie node is known."""
        return bool(self.db._exists(key))

    def persist_trie_data_dict(self, trie_data: dict[bytes, bytes]) -> None:
        """The tries of transactions and receipts are not kept: their contents are, and give the same roots."""


class _Excluded(Exception):
    """One transaction's execution did not end; `before` were executed before it and can be included."""

    def __init__(self, transaction_hash: bytes, outcome: Outcome, before: frozenset[bytes]) -> None:
        super().__init__(outcome.reason)
        self.transaction_hash = transaction_hash
        self.outcome = outcome
        self.before = before


def _by_nonce(transactions: Sequence[Any]) -> list[Any]:
    """The given order, in which each sender's places are taken by its own transactions in order of their nonces."""
    waiting: dict[bytes, list[Any]] = {}
    for transaction in transactions:
        waiting.setdefault(transaction.sender, []).append(transaction)
    for own in waiting.values():
        own.sort(key=lambda t: t.nonce, reverse=True)
    return [waiting[transaction.sender].pop() for transaction in transactions]


def _admissible(vm: Any, header: Any, transaction: Any) -> Outcome:
    nonce = vm.state.get_nonce(transaction.sender)
    if transaction.nonce < nonce:
        return Outcome("refused", f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}")
    if transaction.nonce > nonce:
        return Outcome("early", f"nonce too high: next nonce {nonce}, tx nonce {transaction.nonce}")
    if header.gas_used + transaction.gas > BLOCK_GAS_SPENDABLE:
        return Outcome("deferred", "no gas left in this block")
    return Outcome("included")


@lru_cache(maxsize=1024)
def _decode_header(encoded: bytes) -> Any:
    return rlp.decode(encoded, sedes=Header)


def _create(store: Store, chain_id: int) -> None:
    if not 0 < chain_id < 2**53:
        raise ChainDirectoryError(f"chain id {chain_id}: choose one between 1 and 2^53 - 1 (EIP-155, JSON numbers)")
    nodes = StateNodes(store)
    empty = Header(
        difficulty=0,
        block_number=0,
        gas_limit=BLOCK_GAS_LIMIT,
        timestamp=int(time.time()),
        state_root=BLANK_ROOT_HASH,
        nonce=POST_MERGE_NONCE,
        extra_data=GENESIS_EXTRA,
    )
    state = EmbeddedVM.build_state(nodes, empty, ChainContext(chain_id))
    for address, code in (
        (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUESTS_CODE),
        (CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUESTS_CODE),
    ):
        state.set_nonce(address, 1)
        state.set_code(address, code)
    state.persist()
    header = empty.copy(state_root=state.state_root)
    size = len(rlp.encode(Block(header=header, transactions=[], uncles=[], withdrawals=[])))
    row = BlockRow(0, header.hash, rlp.encode(header), size, 0)
    with store.transaction():
        store.write_meta({"format": FORMAT_VERSION, "chain_id": str(chain_id)})
        store.add_block(row, [], [], nodes.written.items())
    store.committed(row, [], nodes.written)
