"""The Ethereum JSON-RPC methods, as geth answers them.

Answers are made from committed blocks. `pending`, `safe` and `finalized` mean the latest block: with one sequencer and
durable blocks they are the same; only `eth_getTransactionCount` counts waiting transactions for `pending`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from eth_utils.address import to_checksum_address

from belmont.chain import parameters as read
from belmont.chain.calls import CALL_GAS_MAX, Call, CallImpossible, CallResult, estimate_gas, execute
from belmont.chain.documents import Document, block_document, hex_bytes
from belmont.chain.errors import TransactionRefused
from belmont.chain.filters import Filters, LogQuery, find_logs
from belmont.chain.lanes import Share
from belmont.chain.limits import TimeLimit
from belmont.chain.node import Node
from belmont.chain.parameters import RpcError
from belmont.chain.proofs import proof, raw_block, raw_header, raw_receipt
from belmont.chain.reverts import revert_message
from belmont.chain.rows import BlockRow, TransactionRow

CLIENT_VERSION: Final = "belmont-embedded/0.1 (py-evm; prague)"
FEE_HISTORY_MAX: Final = 1024
PROOF_SLOTS_MAX: Final = 1024
SLOTS_AT_ONCE: Final = 32


class Methods:
    """All methods of one node. `call` answers one request's method and parameters."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.engine = node.engine
        self.filters = Filters(node.engine)
        # `at_once` answers from memory on the event loop, `in_thread` reads the disk, `in_lanes` runs the EVM
        self._at_once: dict[str, Callable[[list[Any]], Any]] = {
            "eth_chainId": lambda p: hex(self.engine.chain_id),
            "eth_blockNumber": lambda p: hex(self.engine.head.number),
            "net_version": lambda p: str(self.engine.chain_id),
            "net_listening": lambda p: True,
            "web3_clientVersion": lambda p: CLIENT_VERSION,
            "eth_syncing": lambda p: False,
            "eth_accounts": lambda p: [],
            "eth_gasPrice": lambda p: "0x0",
            "eth_maxPriorityFeePerGas": lambda p: "0x0",
            "eth_blobBaseFee": lambda p: "0x1",
        }
        self._in_thread: dict[str, Callable[[list[Any]], Any]] = {
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockTransactionCountByNumber": lambda p: self._transaction_count(self._row(read.item(p, 0))),
            "eth_getBlockTransactionCountByHash": lambda p: self._transaction_count(self._row_by_hash(p)),
            "eth_getBlockReceipts": self._block_receipts,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionByBlockNumberAndIndex": lambda p: self._at(self._row(read.item(p, 0)), p),
            "eth_getTransactionByBlockHashAndIndex": lambda p: self._at(self._row_by_hash(p), p),
            "eth_getTransactionReceipt": self._receipt,
            "eth_getTransactionCount": self._nonce,
            "eth_getBalance": lambda p: hex(self._account_state(p, 1).get_balance(self._address(p))),
            "eth_getCode": lambda p: hex_bytes(self._account_state(p, 1).get_code(self._address(p))),
            "eth_getStorageAt": self._storage,
            "eth_getProof": self._proof,
            "eth_feeHistory": self._fee_history,
            "eth_getLogs": lambda p: find_logs(self.engine, LogQuery.read(read.needed(p, 0, "filter"), self.engine)),
            "eth_newFilter": lambda p: self.filters.add_logs(read.needed(p, 0, "filter")),
            "eth_newBlockFilter": lambda p: self.filters.add_blocks(),
            "eth_newPendingTransactionFilter": lambda p: self.filters.add_pending(),
            "eth_getFilterChanges": lambda p: self.filters.changes(read.needed(p, 0, "filter id")),
            "eth_getFilterLogs": lambda p: self.filters.logs(read.needed(p, 0, "filter id")),
            "eth_uninstallFilter": lambda p: self.filters.remove(read.needed(p, 0, "filter id")),
            "debug_getRawHeader": lambda p: hex_bytes(raw_header(self._header(read.needed(p, 0, "block")))),
            "debug_getRawBlock": lambda p: hex_bytes(raw_block(self.engine, self._header(read.needed(p, 0, "block")))),
            "debug_getRawReceipts": self._raw_receipts,
            "debug_getRawTransaction": self._raw_transaction,
        }

        self._in_lanes: dict[str, Callable[[list[Any], TimeLimit], Any]] = {
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
        }

    async def call(self, method: str, parameters: list[Any], share: Share) -> Any:
        """The result of one method, within its request's `share` of the server. Raises `RpcError`."""
        if method == "eth_sendRawTransaction":
            return await self._send(parameters)
        handler = self._at_once.get(method)
        if handler is not None:
            return handler(parameters)
        if method == "eth_getStorageAt":  # of which a batch has many
            return await self._slot(parameters, share)
        execution = self._in_lanes.get(method)
        if execution is not None:
            return await self.node.lanes.run(share, execution, parameters)
        handler = self._in_thread.get(method)
        if handler is None:
            raise RpcError(read.METHOD_NOT_FOUND, f"the method {method} does not exist/is not available")
        async with share.reading:
            share.refuse_when_spent()
            answer: Awaitable[Any] = asyncio.get_running_loop().run_in_executor(self.node.readers, handler, parameters)
            return await answer

    async def _slot(self, parameters: list[Any], share: Share) -> str:
        """One slot, read together with others of the same request: a thread's turn takes longer than reading one."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()
        share.slots.append((parameters, answer))
        await asyncio.sleep(0)  # the others of a batch come now
        async with share.reading:
            if not answer.done():
                share.refuse_when_spent()
                taken, share.slots = share.slots[:SLOTS_AT_ONCE], share.slots[SLOTS_AT_ONCE:]
                try:
                    found = await loop.run_in_executor(self.node.readers, self._slots, [asked for asked, _ in taken])
                except BaseException:
                    for _, waiting in taken:
                        waiting.cancel()
                    raise
                for (_, waiting), outcome in zip(taken, found, strict=True):
                    if isinstance(outcome, Exception):
                        waiting.set_exception(outcome)
                    else:
                        waiting.set_result(outcome)
        return await answer

    def _slots(self, asked: list[list[Any]]) -> list[str | Exception]:
        found: list[str | Exception] = []
        for parameters in asked:
            try:
                found.append(self._storage(parameters))
            except Exception as error:
                found.append(error)
        return found

    async def _send(self, p: list[Any]) -> str:
        raw = read.data(read.needed(p, 0, "raw transaction"), "raw transaction")
        try:
            return hex_bytes(await self.node.submit(raw))
        except TransactionRefused as error:
            raise RpcError(read.SERVER_ERROR, str(error)) from error

    # -- blocks --

    def _row(self, tag: Any) -> BlockRow | None:
        """A block that there is, or None."""
        number = block_number(tag, self.engine.head.number)
        if number is None:
            raise read.invalid("invalid block number: expected a number or a tag")
        return self.engine.store.needed_block(number) if number <= self.engine.head.number else None

    def _row_by_hash(self, p: list[Any]) -> BlockRow | None:
        row = self.engine.store.block_by_hash(read.data(read.needed(p, 0, "block hash"), "block hash", 32))
        return row if row is not None and row.number <= self.engine.head.number else None

    def _block(self, row: BlockRow | None, full: Any) -> Document | None:
        if row is None:
            return None
        rows = self.engine.store.transactions(row)
        transactions = [json.loads(each.document) if full is True else hex_bytes(each.hash) for each in rows]
        return block_document(self.engine.header(row.number), row.size, transactions)

    def _block_by_number(self, p: list[Any]) -> Document | None:
        return self._block(self._row(read.needed(p, 0, "block number")), read.item(p, 1))

    def _block_by_hash(self, p: list[Any]) -> Document | None:
        return self._block(self._row_by_hash(p), read.item(p, 1))

    @staticmethod
    def _transaction_count(row: BlockRow | None) -> str | None:
        return None if row is None else hex(row.transactions)

    def _block_receipts(self, p: list[Any]) -> list[Document] | None:
        tag = read.needed(p, 0, "block")
        by_hash = isinstance(tag, str) and len(tag) == 66
        row = self._row_by_hash([tag]) if by_hash else self._row(_plain_tag(tag, self.engine))
        if row is None:
            return None
        return [self._with_logs(each) for each in self.engine.store.transactions(row)]

    def _raw_receipts(self, p: list[Any]) -> list[str] | None:
        receipts = self._block_receipts(p)
        return None if receipts is None else [hex_bytes(raw_receipt(receipt)) for receipt in receipts]

    # -- transactions --

    def _transaction(self, p: list[Any]) -> Document | None:
        key = read.data(read.needed(p, 0, "transaction hash"), "transaction hash", 32)
        row = self.engine.store.transaction_by_hash(key)
        return json.loads(row.document) if row else None

    def _raw_transaction(self, p: list[Any]) -> str | None:
        key = read.data(read.needed(p, 0, "transaction hash"), "transaction hash", 32)
        row = self.engine.store.transaction_by_hash(key)
        return hex_bytes(row.raw) if row else None

    def _at(self, row: BlockRow | None, p: list[Any]) -> Document | None:
        if row is None:
            return None
        index = read.quantity(read.needed(p, 1, "index"), "index")
        return json.loads(self.engine.store.transactions(row)[index].document) if index < row.transactions else None

    def _receipt(self, p: list[Any]) -> Document | None:
        key = read.data(read.needed(p, 0, "transaction hash"), "transaction hash", 32)
        row = self.engine.store.transaction_by_hash(key)
        return self._with_logs(row) if row else None

    def _with_logs(self, row: TransactionRow) -> Document:
        receipt: Document = json.loads(row.receipt)
        receipt["logs"] = [json.loads(log.document) for log in self.engine.store.logs_of(row)]
        return receipt

    # -- state --

    def _header(self, tag: Any) -> Any:
        if isinstance(tag, str) and len(tag) == 66:
            tag = {"blockHash": tag}
        if isinstance(tag, dict) and "blockHash" in tag:
            row = self._row_by_hash([tag["blockHash"]])
            header = self.engine.header(row.number) if row else None
        else:
            tag = _plain_tag(tag, self.engine)
            number = block_number(tag, self.engine.head.number)
            if number is None:
                raise read.invalid("invalid block: expected a number, a tag or {blockHash} (EIP-1898)")
            header = self.engine.header(number)
        if header is None:
            raise RpcError(read.SERVER_ERROR, "header not found")
        return header

    def _account_state(self, p: list[Any], tag_position: int) -> Any:
        return self.engine.state(self._header(read.item(p, tag_position, "latest")))

    @staticmethod
    def _address(p: list[Any]) -> bytes:
        return read.address(read.needed(p, 0, "address"))

    def _nonce(self, p: list[Any]) -> str:
        sender = self._address(p)
        nonce = self._account_state(p, 1).get_nonce(sender)
        if read.item(p, 1) == "pending":
            nonce = self.node.pending_nonce(sender, nonce)
        return hex(nonce)

    def _storage(self, p: list[Any]) -> str:
        slot = read.quantity(read.needed(p, 1, "storage slot"), "storage slot")
        reads, header = self.engine.reads, self._header(read.item(p, 2, "latest"))
        account = reads.account(bytes(header.state_root), self._address(p))
        return f"0x{reads.slot(account.storage_root, slot) if account else 0:064x}"

    def _proof(self, p: list[Any]) -> Document:
        keys = read.item(p, 1, [])
        if not isinstance(keys, list) or len(keys) > PROOF_SLOTS_MAX:
            raise read.invalid(f"invalid storage keys: expected a list of at most {PROOF_SLOTS_MAX}")
        slots = [read.quantity(key, "storage key") for key in keys]
        document = proof(self.engine, self._header(read.item(p, 2, "latest")), self._address(p), slots)
        document["address"] = to_checksum_address(document["address"])
        for entry, key in zip(document["storageProof"], keys, strict=True):
            if isinstance(key, str) and len(key) == 66:  # a key is given back as it came, like geth
                entry["key"] = key.lower()
        return document

    # -- execution --

    def _read_call(self, p: list[Any]) -> Call:
        fields = read.needed(p, 0, "transaction")
        if not isinstance(fields, dict):
            raise read.invalid("invalid transaction: expected an object")
        if read.item(p, 2) not in (None, {}):
            raise read.invalid("state overrides are not supported")
        payload, older = fields.get("input"), fields.get("data")
        if payload is not None and older is not None and payload != older:
            raise read.invalid('both "data" and "input" are set and not equal')
        payload = older if payload is None else payload
        to = fields.get("to")
        sender = fields.get("from")
        return Call(
            sender=bytes(20) if sender is None else read.address(sender, "from"),
            to=None if to is None else read.address(to, "to"),
            data=b"" if payload is None else read.data(payload, "input"),
            value=read.quantity(fields.get("value") or 0, "value"),
            gas=min(read.quantity(fields.get("gas") or CALL_GAS_MAX, "gas"), CALL_GAS_MAX),
        )

    def _call(self, p: list[Any], limit: TimeLimit) -> str:
        call, header = self._read_call(p), self._header(read.item(p, 1, "latest"))
        try:
            result = execute(self.engine, header, call, limit)
        except CallImpossible as error:
            raise RpcError(read.SERVER_ERROR, str(error)) from error
        return hex_bytes(_successful(result).output)

    def _estimate(self, p: list[Any], limit: TimeLimit) -> str:
        call, header = self._read_call(p), self._header(read.item(p, 1, "latest"))
        try:
            gas, result = estimate_gas(self.engine, header, call, limit)
        except CallImpossible as error:
            raise RpcError(read.SERVER_ERROR, str(error)) from error
        _successful(result)
        return hex(gas)

    def _fee_history(self, p: list[Any]) -> Document:
        count = min(read.quantity(read.needed(p, 0, "block count"), "block count"), FEE_HISTORY_MAX)
        newest = self._header(read.item(p, 1, "latest")).block_number
        percentiles = read.item(p, 2, [])
        if not isinstance(percentiles, list) or len(percentiles) > 100:
            raise read.invalid("invalid reward percentiles: expected a list of at most 100")
        count = min(count, newest + 1)
        if not count:
            return {"oldestBlock": "0x0", "gasUsedRatio": []}
        headers = [self.engine.header(number) for number in range(newest - count + 1, newest + 1)]
        history: Document = {
            "oldestBlock": hex(newest - count + 1),
            "baseFeePerGas": ["0x0"] * (count + 1),
            "baseFeePerBlobGas": ["0x1"] * (count + 1),
            "blobGasUsedRatio": [0.0] * count,
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        }
        if percentiles:
            history["reward"] = [["0x0"] * len(percentiles) for _ in headers]
        return history


def block_number(tag: Any, head: int) -> int | None:
    """The number a block tag means; None when it is no tag."""
    if tag is None or tag in read.LATEST_TAGS:
        return head
    if tag == "earliest":
        return 0
    try:
        return min(read.quantity(tag, "block number"), 2**62)
    except RpcError:
        return None


def _plain_tag(tag: Any, engine: Any) -> Any:
    if isinstance(tag, dict):
        if "blockHash" in tag:
            key = read.data(tag["blockHash"], "block hash", 32)
            row = engine.store.block_by_hash(key)
            return row.number if row else 2**62
        return tag.get("blockNumber")
    return tag


def _successful(result: CallResult) -> CallResult:
    if result.success:
        return result
    if result.reverted:
        reason = revert_message(result.output)
        message = f"execution reverted: {reason}" if reason else "execution reverted"
        raise RpcError(read.EXECUTION_REVERTED, message, hex_bytes(result.output))
    raise RpcError(read.SERVER_ERROR, result.failure)
