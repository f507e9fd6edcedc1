"""Execution without inclusion: `eth_call`, `eth_estimateGas` and `eth_getProof`.

A call at block N runs in the state after N and in N's own context (number, timestamp), as geth does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import rlp
from eth.constants import BLANK_ROOT_HASH, ZERO_ADDRESS
from eth.exceptions import OutOfGas, Revert
from eth.rlp.accounts import Account
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth.vm.spoof import SpoofTransaction
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from trie import HexaryTrie

from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine
from belmont.chain.store import StateNodes
from belmont.chain.transactions import gas_min
from belmont.chain.vm import CallTimedOut

CALL_GAS_MAX: Final = 50_000_000
CALL_SECONDS_MAX: Final = 5.0
TRANSFER_GAS: Final = 21_000
STIPEND_GAS: Final = 2_300


@dataclass(frozen=True)
class Call:
    """A message to execute: `to` is None for a contract's creation; `value` in wei."""

    sender: bytes = ZERO_ADDRESS
    to: bytes | None = None
    data: bytes = b""
    value: int = 0
    gas: int = CALL_GAS_MAX


@dataclass(frozen=True)
class CallResult:
    """What the execution gave. `gas_spent` is before refunds, `gas_used` after; `failure` is "" on success."""

    success: bool
    reverted: bool
    output: bytes
    gas_used: int
    gas_spent: int
    failure: str


class CallImpossible(Exception):
    """The call cannot begin or end: no balance for the value, not enough gas for its data, no time left."""


def execute(engine: Engine, header: Any, call: Call, deadline: float | None = None) -> CallResult:
    """Run one call against the state of `header`, five seconds at most unless a `deadline` (monotonic) is given.

    Raises `CallImpossible`, also when the time is over.
    """
    needed = gas_min(call.data, call.to is None)
    if call.gas < needed:
        raise CallImpossible(f"intrinsic gas too low: have {call.gas}, want {needed}")
    state = engine.state(header)
    state.deadline = time.monotonic() + CALL_SECONDS_MAX if deadline is None else deadline
    unsigned = PragueTransactionBuilder.create_unsigned_transaction(
        nonce=state.get_nonce(call.sender),
        gas_price=0,
        gas=call.gas,
        to=b"" if call.to is None else call.to,
        value=call.value,
        data=call.data,
    )
    try:
        computation = state.apply_transaction(SpoofTransaction(unsigned, from_=call.sender, is_simulation=True))
    except CallTimedOut:
        raise CallImpossible(f"execution aborted (timeout = {CALL_SECONDS_MAX:.0f}s)") from None
    except ValidationError as error:
        raise CallImpossible(f"insufficient funds for transfer: {error}") from error
    spent = call.gas - computation.get_gas_remaining()
    used = max(spent - min(computation.get_gas_refund(), spent // 5), needed)
    if computation.is_success:
        return CallResult(True, False, computation.output, used, max(spent, needed), "")
    reverted = isinstance(computation.error, Revert)
    if isinstance(computation.error, OutOfGas):
        failure = "out of gas"
    else:
        failure = f"{type(computation.error).__name__}: {computation.error}".rstrip(": ")
    return CallResult(False, reverted, computation.output if reverted else b"", used, spent, failure)


def estimate_gas(engine: Engine, header: Any, call: Call) -> tuple[int, CallResult]:
    """A gas limit with which the call succeeds, checked by executing it, at most about 2 % above what is needed.

    When the call fails at the largest limit, the limit is 0 and the result says why.
    """
    largest = min(call.gas, BLOCK_GAS_SPENDABLE)
    deadline = time.monotonic() + CALL_SECONDS_MAX
    if call.to is not None and not call.data and not engine.state(header).get_code(call.to):
        result = execute(engine, header, Call(call.sender, call.to, b"", call.value, TRANSFER_GAS))
        return (TRANSFER_GAS, result) if result.success else (0, result)
    result = execute(engine, header, Call(call.sender, call.to, call.data, call.value, largest), deadline)
    if not result.success:
        return 0, result
    limit = result.gas_spent + result.gas_spent // 63 + STIPEND_GAS
    while limit < largest:
        attempt = execute(engine, header, Call(call.sender, call.to, call.data, call.value, limit), deadline)
        if attempt.success:
            return limit, attempt
        limit = limit * 3 // 2
    return largest, result


def proof(engine: Engine, header: Any, address: bytes, slots: list[int]) -> dict[str, Any]:
    """Merkle proofs of an account and of storage slots against the state root of `header` (EIP-1186)."""
    nodes = StateNodes(engine.store)
    accounts = HexaryTrie(nodes, header.state_root)
    encoded = accounts.get(keccak(address))
    account = rlp.decode(encoded, Account) if encoded else Account()
    storage = HexaryTrie(nodes, account.storage_root)
    entries = []
    for slot in slots:
        key = keccak(slot.to_bytes(32, "big"))
        value = storage.get(key)
        empty = account.storage_root == BLANK_ROOT_HASH
        entries.append(
            {
                "key": hex(slot),
                "value": hex(rlp.decode(value, rlp.sedes.big_endian_int) if value else 0),
                "proof": [] if empty else _encoded(storage.get_proof(key)),
            }
        )
    return {
        "address": "0x" + address.hex(),
        "accountProof": _encoded(accounts.get_proof(keccak(address))),
        "balance": hex(account.balance),
        "nonce": hex(account.nonce),
        "codeHash": "0x" + account.code_hash.hex(),
        "storageHash": "0x" + account.storage_root.hex(),
        "storageProof": entries,
    }


def _encoded(nodes: Any) -> list[str]:
    return ["0x" + rlp.encode(node).hex() for node in nodes if node != b""]
