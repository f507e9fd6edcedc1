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
from belmont.light.accounts import IMPLEMENTATION_SLOT, CodeProof, account, address_in, slot_value
from belmont.light.encoding import encode
from belmont.light.errors import SourceUnreachable
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
        """Proofs of which code a contract runs after a block. Raises ``ProofRefused`` where they do not hold."""
        of_account, (of_slot,) = self.proof(header, address, [IMPLEMENTATION_SLOT])
        storage_root = account(header, address, of_account).storage_root
        points_to = slot_value(storage_root, IMPLEMENTATION_SLOT, of_slot)
        if not points_to:
            return CodeProof(of_account, of_slot)
        behind, _ = self.proof(header, address_in(points_to), [])
        return CodeProof(of_account, of_slot, behind)

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

    def _batch(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        answers = self._transport.batch(requests)
        for (method, _), answer in zip(requests, answers, strict=True):
            if isinstance(answer, Exception):
                raise SourceUnreachable(f"{self.url} does not answer {method}: {answer}") from answer
        return answers

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """An answer that is none, or not what the protocol says, counts as no answer."""
        try:
            yield
        except ChainError as error:
            raise SourceUnreachable(str(error)) from error
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, DecodingError) as error:
            raise SourceUnreachable(f"{self.url} gave an answer that cannot be read: {error!r}") from error


def _log(entry: Any) -> FoundLog:
    return FoundLog(
        block=int(entry["blockNumber"], 16),
        transaction_index=int(entry["transactionIndex"], 16),
        log_index=int(entry["logIndex"], 16),
        address=_bytes(entry["address"]),
        topics=tuple(_bytes(topic) for topic in entry["topics"]),
        data=_bytes(entry["data"]),
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
