"""What the stored answers of a block must be, from the specification's objects alone.

The chain stores the JSON of transactions, receipts and logs once and serves it as it is. Here the same is made again
from raw transactions and from the receipts that the specification arrived at, by other code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address
from ethereum.crypto.hash import keccak256
from ethereum.forks.prague.transactions import (
    FeeMarketTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    decode_transaction,
    recover_sender,
)
from ethereum_rlp import rlp
from ethereum_types.bytes import Bytes
from ethereum_types.numeric import U64

from belmont.chain.audit.specification import LEGACY_FROM

Document = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    """One transaction's documents, and its logs with what they are found by."""

    document: Document
    receipt: Document
    logs: list[tuple[bytes, tuple[bytes, ...], Document]]


def expected(
    chain_id: int, header: Any, block_hash: bytes, raws: Sequence[bytes], receipts: Sequence[bytes]
) -> list[Expected]:
    """For each transaction of a block, an `Expected`."""
    made: list[Expected] = []
    gas_before = log_count = 0
    for position, (raw, encoded) in enumerate(zip(raws, receipts, strict=True)):
        where = {
            "blockHash": _hex(block_hash),
            "blockNumber": hex(header.number),
            "transactionHash": _hex(keccak256(raw)),
            "transactionIndex": hex(position),
        }
        legacy = raw[0] >= LEGACY_FROM
        transaction = rlp.decode_to(LegacyTransaction, raw) if legacy else decode_transaction(Bytes(raw))
        sender = bytes(recover_sender(U64(chain_id), transaction))
        status, gas, bloom, logs = rlp.decode(encoded if legacy else encoded[1:])
        cumulative = int.from_bytes(gas, "big")
        document = {
            **where,
            **_fields(chain_id if legacy else int(transaction.chain_id), transaction, 0 if legacy else raw[0], sender),
        }
        document["hash"] = document.pop("transactionHash")
        created = keccak256(rlp.encode([sender, transaction.nonce]))[12:]
        receipt = {
            **where,
            "type": document["type"],
            "from": document["from"],
            "to": document["to"],
            "status": "0x1" if status else "0x0",
            "gasUsed": hex(cumulative - gas_before),
            "cumulativeGasUsed": hex(cumulative),
            "effectiveGasPrice": document["gasPrice"],
            "contractAddress": None if document["to"] else to_checksum_address(bytes(created)),
            "logsBloom": _hex(bloom),
        }
        found = []
        for address, topics, data in logs:
            log = {
                **where,
                "address": to_checksum_address(bytes(address)),
                "topics": [_hex(topic) for topic in topics],
                "data": _hex(data),
                "logIndex": hex(log_count),
                "blockTimestamp": hex(header.timestamp),
                "removed": False,
            }
            found.append((bytes(address), tuple(bytes(topic) for topic in topics), log))
            log_count += 1
        gas_before = cumulative
        made.append(Expected(document, receipt, found))
    return made


def _hex(value: Any) -> str:
    return "0x" + bytes(value).hex()


def _fields(chain_id: int, transaction: Any, type_id: int, sender: bytes) -> Document:
    legacy = isinstance(transaction, LegacyTransaction)
    priced = isinstance(transaction, FeeMarketTransaction | SetCodeTransaction)
    # the base fee is zero, so the price paid is the tip
    price = transaction.max_priority_fee_per_gas if priced else transaction.gas_price
    document: Document = {
        "type": hex(type_id),
        "chainId": hex(chain_id),
        "nonce": hex(transaction.nonce),
        "from": to_checksum_address(sender),
        "to": to_checksum_address(bytes(transaction.to)) if transaction.to else None,
        "gas": hex(transaction.gas),
        "gasPrice": hex(price),
        "value": hex(transaction.value),
        "input": _hex(transaction.data),
        "v": hex(transaction.v if legacy else transaction.y_parity),
        "r": hex(transaction.r),
        "s": hex(transaction.s),
    }
    if not legacy:
        document["yParity"] = hex(transaction.y_parity)
        document["accessList"] = [
            {"address": to_checksum_address(bytes(each.account)), "storageKeys": [_hex(slot) for slot in each.slots]}
            for each in transaction.access_list
        ]
    if priced:
        document["maxFeePerGas"] = hex(transaction.max_fee_per_gas)
        document["maxPriorityFeePerGas"] = hex(transaction.max_priority_fee_per_gas)
    if isinstance(transaction, SetCodeTransaction):
        document["authorizationList"] = [
            {
                "chainId": hex(each.chain_id),
                "address": to_checksum_address(bytes(each.address)),
                "nonce": hex(each.nonce),
                "yParity": hex(each.y_parity),
                "r": hex(each.r),
                "s": hex(each.s),
            }
            for each in transaction.authorizations
        ]
    return document
