"""Sources of headers and proofs: any node with Ethereum's JSON-RPC. Nothing that they say is believed unproven.

Used: eth_chainId, eth_blockNumber, eth_getLogs, eth_getProof, eth_getBlockReceipts, and debug_getRawHeader,
debug_getRawBlock as geth and Besu name them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import rlp
from rlp.exceptions import DecodingError

from belmont.chain.errors import ChainError
from belmont.chain.transport import JsonRpcTransport
from belmont.light.accounts import IMPLEMENTATION_SLOT, CodeProof, running
from belmont.light.encoding import encode
from belmont.light.errors import ProofRefused, SourceUnreachable
from belmont.light.headers import Header
from belmont.light.receipts import Receipt
from belmont.light.trie_build import Trie

BATCH: Final = 100
TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True)
class FoundLog:
    """A log as a source gives it; ``log_index`` counts through the block."""

    block: int
    transaction_index: int
    log_index: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class BlockTries:
    """A block's transactions and receipts, as tries with the header's roots."""

    header: Header
    transactions: Trie
    receipts: Trie
    logs_before: tuple[int, ...]
    """How many logs of the block come before each transaction's own."""


class Source:
    """One node."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._transport = JsonRpcTransport(url, TIMEOUT_SECONDS)

    def chain_id(self) -> int:
        with self._readable():
            return int(self._transport.request("eth_chainId"), 16)

    def head(self) -> int:
        """The number of the newest block."""
        with self._readable():
            return int(self._transport.request("eth_blockNumber"), 16)

    def headers(self, first: int, last: int) -> Iterator[Header]:
        """Headers by number, each checked by itself."""
        for start in range(first, last + 1, BATCH):
            numbers = range(start, min(start + BATCH, last + 1))
            with self._readable():
                answers = self._batch([("debug_getRawHeader", [hex(number)]) for number in numbers])
                headers = [Header.read(_bytes(answer)) for answer in answers]
            yield from headers

    def header(self, number: int) -> Header:
        (header,) = self.headers(number, number)
        return header

    def logs(self, address: bytes, topic: bytes, last: int) -> list[FoundLog]:
        """Logs of one contract with this first topic, up to a block, in chain order."""
        query = {
            "address": "0x" + address.hex(),
            "topics": ["0x" + topic.hex()],
            "fromBlock": "0x0",
            "toBlock": hex(last),
        }
        with self._readable():
            return [_log(entry) for entry in self._transport.request("eth_getLogs", [query])]

    def block(self, header: Header) -> BlockTries:
        """All of a block. Raises ``SourceUnreachable`` unless it has the header's roots."""
        with self._readable():
            raw, documents = self._batch(
                [("debug_getRawBlock", [hex(header.number)]), ("eth_getBlockReceipts", [hex(header.number)])]
            )
            raws = [each if isinstance(each, bytes) else encode(each) for each in rlp.decode(_bytes(raw))[1]]
            receipts = [Receipt.of_document(document) for document in documents]
        tries = Trie.of_list(raws), Trie.of_list([receipt.to_bytes() for receipt in receipts])
        if (tries[0].root, tries[1].root) != (header.transactions_root, header.receipts_root):
            raise SourceUnreachable(f"{self.url} gave other transactions or receipts than block {header.number} has")
        before = [0]
        for receipt in receipts:
            before.append(before[-1] + len(receipt.logs))
        return BlockTries(header, *tries, tuple(before[:-1]))

    def code_proof(self, header: Header, address: bytes) -> CodeProof:
        """Which code a contract runs, with proofs that hold against the header."""
        account, (slot,) = self.proof(header, address, [IMPLEMENTATION_SLOT])
        plain = CodeProof(account, slot)
        _, code = running(header, address, plain) if _is_plain(header, address, plain) else (None, None)
        if code is not None:
            return plain
        implementation = _implementation(header, address, plain)
        behind, _ = self.proof(header, implementation, [])
        proof = CodeProof(account, slot, behind)
        running(header, address, proof)
        return proof

    def proof(
        self, header: Header, address: bytes, slots: Sequence[int]
    ) -> tuple[tuple[bytes, ...], list[tuple[bytes, ...]]]:
        """(account's nodes, nodes of each slot) by ``eth_getProof``."""
        keys = [f"0x{slot:064x}" for slot in slots]
        with self._readable():
            answer = self._transport.request("eth_getProof", ["0x" + address.hex(), keys, hex(header.number)])
            account = tuple(_bytes(node) for node in answer["accountProof"])
            return account, [tuple(_bytes(node) for node in each["proof"]) for each in answer["storageProof"]]

    def code(self, address: bytes, number: int) -> bytes:
        with self._readable():
            return _bytes(self._transport.request("eth_getCode", ["0x" + address.hex(), hex(number)]))
