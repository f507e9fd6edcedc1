"""The chain as the rest of Belmont calls it: any Ethereum JSON-RPC server, through web3.py's contracts and codec.

- Nothing is asked twice: the chain id is read once, a call is one round trip, a sent transaction three.
- `send` first simulates: a transaction that would revert is not sent and raises `ContractReverted` with the reason.
- Keys stay here: transactions are signed locally, at a gas price of zero.
- Off-chain lookups (CCIP-read) are off: a contract cannot make this client fetch a URL.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from belmont.chain.compiler import compile_contract
from belmont.chain.decoding import decode_output
from belmont.chain.errors import BadChainData, ContractReverted, RpcRefused, TransactionRefused, WrongChain
from belmont.chain.transport import JsonRpcTransport, StaleConnection

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3
    from web3.contract import Contract

GAS_MARGIN_PERCENT: Final = 25
SEND_SECONDS_MIN: Final = 30.0
RECEIPT_POLL_SECONDS: Final = 0.05
NONCE_ATTEMPTS: Final = 5
# "already known": the same transaction, to the bit, from another client of this account; it is not ours
NONCE_TAKEN: Final = ("nonce too low", "already known", "replacement transaction underpriced")


@dataclass(frozen=True)
class ChainHead:
    """The latest block. `timestamp` is in whole seconds since 1970, by the chain's clock."""

    number: int
    hash: bytes
    timestamp: int


@dataclass(frozen=True)
class Log:
    """One event log as stored on chain."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    log_index: int


@dataclass(frozen=True)
class Event:
    """A decoded log: the event's name and arguments, and where it stands on the chain."""

    name: str
    args: Mapping[str, Any]
    address: str
    block_number: int
    transaction_hash: bytes
    log_index: int


@dataclass(frozen=True)
class Receipt:
    """A transaction that was included and succeeded."""

    transaction_hash: bytes
    block_number: int
    block_hash: bytes
    gas_used: int
    contract_address: str | None
    logs: tuple[Log, ...]


class ChainClient:
    """One chain at one URL; safe to share between threads."""

    def __init__(self, url: str, timeout_seconds: float = 5.0, expected_chain_id: int | None = None) -> None:
        self.url = url
        self.timeout_seconds = timeout_seconds
        self._expected_chain_id = expected_chain_id
        self.transport = JsonRpcTransport(url, timeout_seconds)
        self._account_locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def __repr__(self) -> str:
        return f"ChainClient({self.url!r})"

    @cached_property
    def chain_id(self) -> int:
        """The chain's id, read once. Raises `WrongChain` when another was expected."""
        found = _number(self.transport.request("eth_chainId"))
        if self._expected_chain_id is not None and found != self._expected_chain_id:
            raise WrongChain(f"{self.url} serves chain {found}, expected {self._expected_chain_id}: check the URL")
        return found

    @cached_property
    def web3(self) -> Web3:
        """web3.py over this client's connections and errors, for what this class does not offer."""
        from belmont.chain.provider import web3_over

        return web3_over(self.transport, self.chain_id)

    def head(self) -> ChainHead:
        """The latest block."""
        block = self.transport.request("eth_getBlockByNumber", ["latest", False])
        with _reading("a block"):
            return ChainHead(_number(block["number"]), _bytes(block["hash"]), _number(block["timestamp"]))

    def code(self, address: str) -> bytes:
        """The code at an address; empty when there is none."""
        with _reading("code"):
            return _bytes(self.transport.request("eth_getCode", [address, "latest"]))

    def contract(self, name: str, address: str) -> Contract:
        """web3.py's object for a contract of `belmont/contracts` at an address."""
        return self.contract_at(compile_contract(name).abi, address)

    def contract_at(self, abi: Sequence[Mapping[str, Any]], address: str) -> Contract:
        """web3.py's object for any ABI at an address."""
        from eth_utils.address import to_checksum_address

        bound: Contract = self.web3.eth.contract(address=to_checksum_address(address), abi=list(abi))
        return bound

    def call(self, function: Any, block: int | str | None = None, sender: str | None = None) -> Any:
        """The value of a view function (`contract.functions.NAME(...)`), at the latest block or at `block`.

        One round trip. Raises `ContractReverted` with the reason, or `ChainUnreachable`.
        """
        fields = {"to": function.address, "data": function._encode_transaction_data()}
        if sender is not None:
            fields["from"] = sender
        tag = hex(block) if isinstance(block, int) else block or "latest"
        answer = self.transport.request("eth_call", [fields, tag])
        with _reading("return data"):
            data = _bytes(answer)
        return decode_output(function.abi["outputs"], data, f"{function.fn_name} at {function.address}")

    def send(self, account: LocalAccount, function: Any, value_wei: int = 0) -> Receipt:
        """Send a contract function as a transaction of `account`; returns when it is included and durable.

        Raises `ContractReverted` with the reason (nothing was sent), `TransactionRefused`, or `ChainUnreachable` (then
        it may or may not have been included: ask the contract before trying again).
        """
        return self.transact(account, function.address, function._encode_transaction_data(), value_wei)

    def transact(self, account: LocalAccount, to: str | None, data: bytes | str, value_wei: int = 0) -> Receipt:
        """Send raw call data; `to` None creates a contract. As `send` otherwise."""
        fields = {"from": account.address, "data": data if isinstance(data, str) else "0x" + data.hex()}
        fields["value"] = hex(value_wei)
        if to is not None:
            fields["to"] = to
        with self._lock_of(account.address):
            for attempt in range(NONCE_ATTEMPTS):
                gas, nonce = self._prepare(fields)
                unsigned: dict[str, Any] = {
                    "type": 2,
                    "chainId": self.chain_id,
                    "nonce": nonce,
                    "to": "" if to is None else to,
                    "data": fields["data"],
                    "value": value_wei,
                    "gas": gas,
                    "maxFeePerGas": 0,
                    "maxPriorityFeePerGas": 0,
                }
                signed = account.sign_transaction(unsigned)
                try:
                    return self._send_signed(bytes(signed.raw_transaction), bytes(signed.hash), fields)
                except TransactionRefused as error:
                    # another process of the same account was quicker: take the next nonce
                    if attempt + 1 == NONCE_ATTEMPTS or not str(error).startswith(NONCE_TAKEN):
                        raise
        raise TransactionRefused(f"{account.address}: its nonce kept changing; send from one place at a time")

    def logs(
        self,
        address: str | Sequence[str] | None = None,
        topics: Sequence[Any] | None = None,
        from_block: int = 0,
        to_block: int | None = None,
    ) -> list[Log]:
        """Logs in chain order. `topics` as in JSON-RPC: per position bytes, a list of alternatives, or None for any."""
        query: dict[str, Any] = {
            "fromBlock": hex(from_block),
            "toBlock": "latest" if to_block is None else hex(to_block),
        }
        if address is not None:
            query["address"] = address if isinstance(address, str) else list(address)
        if topics is not None:
            query["topics"] = [_topic(topic) for topic in topics]
        found = self.transport.request("eth_getLogs", [query])
        with _reading("logs"):
            return [_log(entry) for entry in found]

    def events(self, contracts: Sequence[Contract], from_block: int = 0, to_block: int | None = None) -> list[Event]:
        """All events of the contracts, decoded, in chain order; one round trip."""
        by_address = {contract.address.lower(): event_decoders(contract) for contract in contracts}
        decoded = []
        for log in self.logs([contract.address for contract in contracts], None, from_block, to_block):
            decoder = by_address.get(log.address.lower(), {}).get(log.topics[0]) if log.topics else None
            if decoder is not None:
                decoded.append(decoder(log))
        return decoded

    # -- sending --

    @property
    def _sending_seconds(self) -> float:
        """For each step, of which the estimate executes the transaction too: seconds for a proof, more when busy."""
        return max(self.timeout_seconds, SEND_SECONDS_MIN)

    def _lock_of(self, address: str) -> threading.Lock:
        with self._guard:
            return self._account_locks.setdefault(address, threading.Lock())

    def _prepare(self, fields: Mapping[str, str]) -> tuple[int, int]:
        """Gas limit by simulation, and the next nonce, in one round trip."""
        gas, nonce = self.transport.batch(
            [("eth_estimateGas", [fields]), ("eth_getTransactionCount", [fields["from"], "pending"])],
            self._sending_seconds,
        )
        for answer in (gas, nonce):
            if isinstance(answer, RpcRefused):
                raise answer
        # the state may have moved on by the time it is executed
        return _number(gas) * (100 + GAS_MARGIN_PERCENT) // 100, _number(nonce)

    def _send_signed(self, raw: bytes, transaction_hash: bytes, fields: Mapping[str, str]) -> Receipt:
        timeout, parameters = self._sending_seconds, ["0x" + raw.hex()]
        try:
            try:
                self.transport.request("eth_sendRawTransaction", parameters, timeout, resend=False)
            except StaleConnection:
                try:
                    self.transport.request("eth_sendRawTransaction", parameters, timeout)
                except RpcRefused as error:
                    # the server had it from the first attempt
                    if "already known" not in error.message:
                        raise
        except ContractReverted:
            raise
        except RpcRefused as error:
            raise TransactionRefused(error.message) from error
        receipt = self._receipt(transaction_hash, timeout)
        if _number(receipt["status"]) != 1:
            self._raise_reason(fields, _number(receipt["blockNumber"]))
        with _reading("a receipt"):
            return Receipt(
                transaction_hash=_bytes(receipt["transactionHash"]),
                block_number=_number(receipt["blockNumber"]),
                block_hash=_bytes(receipt["blockHash"]),
                gas_used=_number(receipt["gasUsed"]),
                contract_address=receipt.get("contractAddress"),
                logs=tuple(_log(entry) for entry in receipt["logs"]),
            )

    def _receipt(self, transaction_hash: bytes, timeout: float) -> Any:
        """At once on the embedded chain, whose answer to a transaction means it is included; others are polled."""
        deadline = time.monotonic() + timeout
        while True:
            receipt = self.transport.request("eth_getTransactionReceipt", ["0x" + transaction_hash.hex()])
            if receipt is not None:
                return receipt
            if time.monotonic() > deadline:
                raise TransactionRefused(
                    f"transaction 0x{transaction_hash.hex()} was taken and not included within {timeout:.0f} s: "
                    "look for its receipt before sending again"
                )
            time.sleep(RECEIPT_POLL_SECONDS)

    def _raise_reason(self, fields: Mapping[str, str], block: int) -> None:
        """It reverted although the simulation passed: another transaction came in between. Find out why."""
        self.transport.request("eth_call", [dict(fields), hex(block)])
        raise TransactionRefused(f"the transaction reverted in block {block}: the state had changed; try again")


def event_decoders(contract: Contract) -> dict[bytes, Callable[[Log], Event]]:
    """Per first topic, what turns a log of this contract into an event."""
    from eth_utils.abi import abi_to_signature
    from eth_utils.crypto import keccak

    decoders: dict[bytes, Callable[[Log], Event]] = {}
    for entry in contract.abi:
        if entry["type"] == "event":
            decoders[keccak(text=abi_to_signature(entry))] = _decoder(contract, entry["name"])
    return decoders


def _decoder(contract: Contract, name: str) -> Callable[[Log], Event]:
    from hexbytes import HexBytes

    event = contract.events[name]()

    def decode(log: Log) -> Event:
        entry = {
            "address": log.address,
            "topics": [HexBytes(topic) for topic in log.topics],
            "data": HexBytes(log.data),
            "blockNumber": log.block_number,
            "blockHash": HexBytes(log.block_hash),
            "transactionHash": HexBytes(log.transaction_hash),
            "transactionIndex": 0,
            "logIndex": log.log_index,
        }
        args = dict(event.process_log(entry)["args"])
        return Event(name, args, log.address, log.block_number, log.transaction_hash, log.log_index)

    return decode


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadChainData(f"the chain's server answered with something that is not {what}: {error!r}") from error


def _number(value: Any) -> int:
    if not isinstance(value, str):
        raise BadChainData(f"the chain's server answered {value!r} where a number was expected")
    try:
        return int(value, 16)
    except ValueError as error:
        raise BadChainData(f"the chain's server answered {value!r} where a number was expected") from error


def _bytes(value: Any) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))


def _topic(topic: Any) -> Any:
    if isinstance(topic, bytes):
        return "0x" + topic.hex()
    if isinstance(topic, list | tuple):
        return [_topic(entry) for entry in topic]
    return topic


def _log(entry: Mapping[str, Any]) -> Log:
    return Log(
        address=entry["address"],
        topics=tuple(_bytes(topic) for topic in entry["topics"]),
        data=_bytes(entry["data"]),
        block_number=_number(entry["blockNumber"]),
        block_hash=_bytes(entry["blockHash"]),
        transaction_hash=_bytes(entry["transactionHash"]),
        log_index=_number(entry["logIndex"]),
    )
