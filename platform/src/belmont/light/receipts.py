"""Transactions and their receipts, proved to be in a block; and the events in a receipt.

Rules:
  R1. Transaction and receipt stand under the same index in the tries of the header's two roots; the index's RLP is the
      key, so no proof for another index passes.
  R2. A receipt is legacy or typed (1 to 4, EIP-2718): status, gas, bloom filter, logs. A log is an address, at most
      four topics, and data.
  R3. The transaction succeeded: status 1. One that was reverted did nothing, whatever it says.
  R4. The transaction's own chain id, where it has one, is the checkpoint's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from belmont.light.encoding import Item, decode, encode, fixed, from_number, keccak, number
from belmont.light.errors import ProofRefused
from belmont.light.headers import Header
from belmont.light.trie import proven
from belmont.light.trie_build import index_key

TYPES: Final = (1, 2, 3, 4)
INDEX_MAX: Final = 2**24


@dataclass(frozen=True)
class Log:
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class Receipt:
    succeeded: bool
    gas_used_so_far: int
    bloom: bytes
    logs: tuple[Log, ...]
    type: int

    @classmethod
    def read(cls, encoded: bytes) -> "Receipt":
        """A receipt as a block commits to it (R2). Raises ``ProofRefused``."""
        type_, payload = _typed(encoded, "a receipt")
        item = decode(payload, "R2", "a receipt")
        if isinstance(item, bytes) or len(item) != 4 or item[0] not in (b"", b"\1") or isinstance(item[3], bytes):
            raise ProofRefused("R2", "a receipt is not status, gas, bloom filter and logs")
        gas, bloom = number(item[1], "R2", "gas used"), fixed(item[2], 256, "R2", "a bloom filter")
        return cls(item[0] == b"\1", gas, bloom, tuple(_log(each) for each in item[3]), type_)

    def to_bytes(self) -> bytes:
        """As a block commits to it."""
        logs: list[Item] = [[log.address, list(log.topics), log.data] for log in self.logs]
        payload = encode([b"\1" if self.succeeded else b"", from_number(self.gas_used_so_far), self.bloom, logs])
        return (bytes([self.type]) if self.type else b"") + payload

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> "Receipt":
        """From an entry of ``eth_getBlockReceipts``. Raises what reading foreign JSON raises."""
        logs = tuple(
            Log(_bytes(log["address"]), tuple(_bytes(each) for each in log["topics"]), _bytes(log["data"]))
            for log in document["logs"]
        )
        return cls(
            succeeded=int(document["status"], 16) == 1,
            gas_used_so_far=int(document["cumulativeGasUsed"], 16),
            bloom=_bytes(document["logsBloom"]),
            logs=logs,
            type=int(document.get("type", "0x0"), 16),
        )


@dataclass(frozen=True)
class IncludedTransaction:
    """A transaction that succeeded in a block, with its receipt."""

    hash: bytes
    raw: bytes
    index: int
    receipt: Receipt


def included(
    header: Header, index: int, transaction_proof: Sequence[bytes], receipt_proof: Sequence[bytes], chain_id: int
) -> IncludedTransaction:
    """Transaction ``index`` of the block of a trusted header (R1 to R4). Raises ``ProofRefused``."""
    if not 0 <= index < INDEX_MAX:
        raise ProofRefused("R1", f"no block has a transaction {index}")
    key = index_key(index)
    raw = proven(header.transactions_root, key, transaction_proof)
    encoded = proven(header.receipts_root, key, receipt_proof)
    if raw is None or encoded is None:
        raise ProofRefused("R1", f"block {header.number} has no transaction {index}")
    receipt = Receipt.read(encoded)
    if not receipt.succeeded:
        raise ProofRefused("R3", f"transaction {index} of block {header.number} was reverted: it did nothing")
    signed_for = chain_id_of(raw)
    if signed_for not in (None, chain_id):
        raise ProofRefused("R4", f"the transaction was signed for chain {signed_for}, not {chain_id}")
    return IncludedTransaction(keccak(raw), raw, index, receipt)


def chain_id_of(raw: bytes) -> int | None:
    """The chain that a transaction was signed for; None for one that says none (before EIP-155)."""
    type_, payload = _typed(raw, "a transaction")
    item = decode(payload, "R4", "a transaction")
    if isinstance(item, bytes) or len(item) < 9:
        raise ProofRefused("R4", "a transaction is no list of its fields")
    if type_:
        return number(item[0], "R4", "a chain id", 32)
    v = number(item[6], "R4", "a signature's v", 32)
    return (v - 35) // 2 if v >= 35 else None


def _typed(encoded: bytes, what: str) -> tuple[int, bytes]:
    """(type, payload) of an EIP-2718 envelope; legacy ones are type 0."""
    if encoded[:1] >= b"\xc0":
        return 0, encoded
    if not encoded or encoded[0] not in TYPES:
        raise ProofRefused("R2", f"{what} of an unknown type")
    return encoded[0], encoded[1:]


def _log(item: Item) -> Log:
    if isinstance(item, bytes) or len(item) != 3 or isinstance(item[1], bytes) or len(item[1]) > 4:
        raise ProofRefused("R2", "a log is not address, topics and data")
    if not isinstance(item[2], bytes):
        raise ProofRefused("R2", "a log's data is a list")
    topics = tuple(fixed(topic, 32, "R2", "a topic") for topic in item[1])
    return Log(fixed(item[0], 20, "R2", "a log's address"), topics, item[2])


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
