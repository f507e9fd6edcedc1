"""JSON documents of the Ethereum JSON-RPC specification, for blocks, transactions, receipts and logs.

Transactions, receipts and logs are written once, when their block is sealed; blocks are made from the stored header.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from eth_utils.address import to_checksum_address

from belmont.chain.rows import LogRow, TransactionRow

Document = dict[str, Any]


def hex_bytes(value: bytes) -> str:
    """0x and all bytes."""
    return "0x" + value.hex()


def block_document(header: Any, size: int, transactions: Sequence[Any]) -> Document:
    """`eth_getBlockBy...`: `transactions` are hashes or whole documents; `size` is in bytes of RLP."""
    return {
        "number": hex(header.block_number),
        "hash": hex_bytes(header.hash),
        "parentHash": hex_bytes(header.parent_hash),
        "sha3Uncles": hex_bytes(header.uncles_hash),
        "miner": to_checksum_address(header.coinbase),
        "stateRoot": hex_bytes(header.state_root),
        "transactionsRoot": hex_bytes(header.transaction_root),
        "receiptsRoot": hex_bytes(header.receipt_root),
        "logsBloom": hex_bytes(header.bloom.to_bytes(256, "big")),
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "extraData": hex_bytes(header.extra_data),
        "mixHash": hex_bytes(header.mix_hash),
        "nonce": hex_bytes(header.nonce),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "withdrawalsRoot": hex_bytes(header.withdrawals_root),
        "blobGasUsed": hex(header.blob_gas_used),
        "excessBlobGas": hex(header.excess_blob_gas),
        "parentBeaconBlockRoot": hex_bytes(header.parent_beacon_block_root),
        "requestsHash": hex_bytes(header.requests_hash),
        "size": hex(size),
        "uncles": [],
        "withdrawals": [],
        "transactions": list(transactions),
    }


def header_document(header: Any) -> Document:
    """What `newHeads` tells of a block: its header, without what the block holds."""
    of_block = ("size", "uncles", "withdrawals", "transactions", "totalDifficulty")
    return {name: value for name, value in block_document(header, 0, ()).items() if name not in of_block}


def transaction_rows(
    header: Any, transactions: Sequence[Any], receipts: Sequence[Any], computations: Sequence[Any]
) -> tuple[list[TransactionRow], list[LogRow]]:
    """What is stored for a block's transactions and logs."""
    rows: list[TransactionRow] = []
    logs: list[LogRow] = []
    gas_before = 0
    for position, (transaction, receipt, computation) in enumerate(
        zip(transactions, receipts, computations, strict=True)
    ):
        where = {
            "blockHash": hex_bytes(header.hash),
            "blockNumber": hex(header.block_number),
            "transactionHash": hex_bytes(transaction.hash),
            "transactionIndex": hex(position),
        }
        document = {**where, **_transaction_fields(transaction)}
        document["hash"] = document.pop("transactionHash")
        receipt_document = {
            **where,
            "type": document["type"],
            "from": document["from"],
            "to": document["to"],
            "status": hex(int(computation.is_success)),
            "gasUsed": hex(receipt.gas_used - gas_before),
            "cumulativeGasUsed": hex(receipt.gas_used),
            "effectiveGasPrice": document["gasPrice"],
            "contractAddress": None if document["to"] else to_checksum_address(computation.msg.storage_address),
            "logsBloom": hex_bytes(receipt.bloom.to_bytes(256, "big")),
        }
        gas_before = receipt.gas_used
        for log in receipt.logs:
            topics = tuple(topic.to_bytes(32, "big") for topic in log.topics)
            log_document = {
                **where,
                "address": to_checksum_address(log.address),
                "topics": [hex_bytes(topic) for topic in topics],
                "data": hex_bytes(log.data),
                "logIndex": hex(len(logs)),
                "blockTimestamp": hex(header.timestamp),
                "removed": False,
            }
            logs.append(LogRow(header.block_number, len(logs), position, log.address, topics, json.dumps(log_document)))
        rows.append(
            TransactionRow(
                transaction.hash,
                header.block_number,
                position,
                transaction.encode(),
                json.dumps(document),
                json.dumps(receipt_document),
                len(receipt.logs),
            )
        )
    return rows, logs


def _transaction_fields(transaction: Any) -> Document:
    type_id = transaction.type_id or 0
    document: Document = {
        "type": hex(type_id),
        "chainId": hex(transaction.chain_id),
        "nonce": hex(transaction.nonce),
        "from": to_checksum_address(transaction.sender),
        "to": to_checksum_address(transaction.to) if transaction.to else None,
        "gas": hex(transaction.gas),
        # the base fee is zero for good, so the price paid is the tip asked for
        "gasPrice": hex(transaction.max_priority_fee_per_gas),
        "value": hex(transaction.value),
        "input": hex_bytes(transaction.data),
        "v": hex(transaction.v if type_id == 0 else transaction.y_parity),
        "r": hex(transaction.r),
        "s": hex(transaction.s),
    }
    if type_id >= 1:
        document["yParity"] = hex(transaction.y_parity)
        document["accessList"] = [
            {
                "address": to_checksum_address(entry[0]),
                "storageKeys": [hex_bytes(key.to_bytes(32, "big")) for key in entry[1]],
            }
            for entry in transaction.access_list
        ]
    if type_id >= 2:
        document["maxFeePerGas"] = hex(transaction.max_fee_per_gas)
        document["maxPriorityFeePerGas"] = hex(transaction.max_priority_fee_per_gas)
    if type_id == 4:
        document["authorizationList"] = [
            {
                "chainId": hex(entry.chain_id),
                "address": to_checksum_address(entry.address),
                "nonce": hex(entry.nonce),
                "yParity": hex(entry.y_parity),
                "r": hex(entry.r),
                "s": hex(entry.s),
            }
            for entry in transaction.authorization_list
        ]
    return document
