"""A chain over JSON-RPC, as the registry asks for it (``ChainPort``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from belmont.chain.client import ChainClient
from belmont.chain.client import Log as ChainLog
from belmont.chain.errors import BadChainData, ChainError, ContractReverted, RpcRefused
from belmont.chain.heads import HeadWatch
from belmont.registry.chain_port import Creation, Log
from belmont.registry.errors import (
    RangeRefused,
    RegistryArgumentError,
    RegistryError,
    RegistryRefused,
    RegistryUnreachable,
)
from belmont.registry.protocol import Account
from belmont.registry.types import Address, Head

BATCH = 100
"""Calls in one round trip: servers refuse larger batches at some point, and time runs out over them."""
EXECUTION_REVERTED, SERVER_ERROR = 3, -32_000
"""What servers answer of a call that reverted, or that ran out of gas or failed otherwise (geth's codes)."""
Request = tuple[str, Sequence[Any]]
"""A method and its parameters."""


class RpcChain:
    """Implements ``ChainPort`` over a ``ChainClient``; safe to share between threads."""

    def __init__(self, client: ChainClient) -> None:
        self._client = client

    def __repr__(self) -> str:
        return f"RpcChain({self._client.url!r})"

    @property
    def chain_id(self) -> int:
        with _registry_errors():
            return self._client.chain_id

    def head(self) -> Head:
        with _registry_errors():
            head = self._client.head()
            return Head(head.number, head.hash, head.timestamp)

    def calls(self, calls: Sequence[tuple[Address, bytes]], block: int | None = None) -> list[bytes]:
        requests = _calls(calls, "latest" if block is None else hex(block))
        with _registry_errors():
            return [_raw(answer) for answer in self._batches(requests)]

    def ask(self, to: Address, data: bytes, gas: int) -> bytes | None:
        fields = {"to": to, "data": "0x" + data.hex(), "gas": hex(gas)}
        with _registry_errors():
            try:
                return _raw(self._client.transport.request("eth_call", [fields, "latest"]))
            except RpcRefused as refused:
                if refused.code in (EXECUTION_REVERTED, SERVER_ERROR):
                    return None
                raise

    def look(
        self, places: Sequence[tuple[Address, int]], calls: Sequence[tuple[Address, bytes]], block: int
    ) -> tuple[list[bytes], list[bytes | RegistryError]]:
        tag = hex(block)
        requests = _slots(places, tag) + _calls(calls, tag)
        with _registry_errors():
            answers = self._answers(requests)
            slots = [_word(_given(answer)) for answer in answers[: len(places)]]
        found: list[bytes | RegistryError] = []
        for answer in answers[len(places) :]:
            try:
                with _registry_errors():
                    found.append(_raw(_given(answer)))
            except RegistryError as error:
                found.append(error)
        return slots, found

    def send(self, account: Account, to: Address | None, data: bytes) -> tuple[tuple[Log, ...], Address | None]:
        if not isinstance(account, LocalAccount):
            raise RegistryArgumentError("Only a LocalAccount of eth-account can sign; bind the registry to one.")
        with _registry_errors():
            receipt = self._client.transact(account, to, data)
        logs = tuple(_sent_log(each) for each in receipt.logs)
        created = receipt.contract_address
        return logs, Address(to_checksum_address(created)) if created else None

    def watch(self) -> HeadWatch:
        return HeadWatch(self._client.url)

    def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        with _registry_errors():
            found = self._batches([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
            return [_block(each) for each in found]

    def logs(
        self,
        addresses: Sequence[Address],
        topics: Sequence[bytes] = (),
        from_block: int = 0,
        to_block: int | None = None,
    ) -> list[Log]:
        query: dict[str, Any] = {
            "fromBlock": hex(from_block),
            "toBlock": "latest" if to_block is None else hex(to_block),
        }
        if addresses:
            query["address"] = list(addresses)
        if topics:
            query["topics"] = [["0x" + topic.hex() for topic in topics]]
        with _registry_errors():
            try:
                entries = self._client.transport.request("eth_getLogs", [query])
            except RpcRefused as error:
                raise RangeRefused(str(error)) from error
            times = self._timestamps(entries)
            return [_log(entry, times) for entry in entries]

    def code(self, address: Address) -> bytes:
        with _registry_errors():
            return self._client.code(address)

    def storage(self, places: Sequence[tuple[Address, int]], block: int | None = None) -> list[bytes]:
        requests = _slots(places, "latest" if block is None else hex(block))
        with _registry_errors():
            return [_word(answer) for answer in self._batches(requests)]

    def creation(self, transaction: bytes) -> Creation | None:
        digest = "0x" + transaction.hex()
        with _registry_errors():
            sent, receipt = self._batches(
                [("eth_getTransactionByHash", [digest]), ("eth_getTransactionReceipt", [digest])]
            )
            if not sent or not receipt or sent.get("to") or not receipt.get("contractAddress"):
                return None
            return Creation(
                sender=Address(to_checksum_address(sent["from"])),
                contract=Address(to_checksum_address(receipt["contractAddress"])),
                code=_raw(sent["input"]),
            )

    def _batches(self, requests: Sequence[Request]) -> list[Any]:
        """The results of any number of requests, or the first refusal among them."""
        return [_given(answer) for answer in self._answers(requests)]

    def _answers(self, requests: Sequence[Request]) -> list[Any]:
        """The results of any number of requests; a refused one's place holds its refusal."""
        answers: list[Any] = []
        for start in range(0, len(requests), BATCH):
            answers += self._client.transport.batch(requests[start : start + BATCH])
        return answers

    def _timestamps(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """Block times for a server that does not give them with each event."""
        missing = sorted({entry["blockNumber"] for entry in entries if not entry.get("blockTimestamp")})
        blocks = self._batches([("eth_getBlockByNumber", [number, False]) for number in missing])
        return {number: int(block["timestamp"], 16) for number, block in zip(missing, blocks, strict=True)}


def _log(entry: Mapping[str, Any], times: Mapping[str, int]) -> Log:
    given = entry.get("blockTimestamp")
    return Log(
        address=Address(to_checksum_address(entry["address"])),
        topics=tuple(_raw(topic) for topic in entry["topics"]),
        data=_raw(entry["data"]),
        block=int(entry["blockNumber"], 16),
        timestamp=int(given, 16) if given else times[entry["blockNumber"]],
        transaction=_raw(entry["transactionHash"]),
        index=int(entry["logIndex"], 16),
        block_hash=_raw(entry["blockHash"]),
    )


def _sent_log(log: ChainLog) -> Log:
    """Of a receipt, which has no time."""
    address = Address(to_checksum_address(log.address))
    return Log(address, log.topics, log.data, log.block_number, 0, b"", log.log_index, log.block_hash)


def _block(document: Mapping[str, Any] | None) -> Head | None:
    if document is None:
        return None
    return Head(int(document["number"], 16), _raw(document["hash"]), int(document["timestamp"], 16))


def _calls(calls: Sequence[tuple[Address, bytes]], tag: str) -> list[Request]:
    return [("eth_call", [{"to": to, "data": "0x" + data.hex()}, tag]) for to, data in calls]


def _slots(places: Sequence[tuple[Address, int]], tag: str) -> list[Request]:
    return [("eth_getStorageAt", [address, hex(slot), tag]) for address, slot in places]


def _given(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _word(text: str) -> bytes:
    return _raw(text).rjust(32, b"\0")


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


@contextmanager
def _registry_errors() -> Iterator[None]:
    """A revert is a refusal; anything else that is not a readable answer counts as unreachable."""
    try:
        yield
    except ContractReverted as error:
        raise RegistryRefused(error.reason) from error
    except ChainError as error:
        raise RegistryUnreachable(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RegistryUnreachable(str(BadChainData(f"unreadable answer: {error!r}"))) from error
