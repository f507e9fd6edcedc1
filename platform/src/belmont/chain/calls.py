"""Execution without inclusion: `eth_call` and `eth_estimateGas`.

A call at block N runs in the state after N and in N's own context (number, timestamp), as geth does. Most calls
succeed: `belmont.chain.quick_calls` answers these, with what py-evm would give. All others are py-evm's, and with them
every reason for which a call fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from eth.constants import ZERO_ADDRESS
from eth.exceptions import OutOfGas, Revert
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth.vm.spoof import SpoofTransaction
from eth_utils.exceptions import ValidationError

from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine
from belmont.chain.limits import CALL_SECONDS_MAX, ExecutionStopped, TimeIsOver, TimeLimit
from belmont.chain.quick_calls import quick
from belmont.chain.transactions import gas_min, intrinsic_gas

CALL_GAS_MAX: Final = 50_000_000
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


def execute(engine: Engine, header: Any, call: Call, limit: TimeLimit | None = None) -> CallResult:
    """Run one call against the state of `header`, five seconds at most unless a `limit` is given.

    Raises `CallImpossible`, also when a step would take too long here, and `TimeIsOver`.
    """
    needed = gas_min(call.data, call.to is None)
    if call.gas < needed:
        raise CallImpossible(f"intrinsic gas too low: have {call.gas}, want {needed}")
    limit = TimeLimit(CALL_SECONDS_MAX) if limit is None else limit
    if call.to is not None and not call.value:
        run, given = engine.run(header, limit), call.gas - intrinsic_gas(call.data)
        answer = quick(run, call.sender, call.to, call.data, given)
        if answer is not None:
            output, left = answer
            spent = call.gas - left
            used = max(spent - min(run.refund, spent // 5), needed)
            return CallResult(True, False, output, used, max(spent, needed), "")
    state = engine.state(header)
    state.limit = limit
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
    except TimeIsOver:
        raise
    except ExecutionStopped as stopped:
        raise CallImpossible(f"execution aborted: {stopped}") from None
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


def estimate_gas(engine: Engine, header: Any, call: Call, limit: TimeLimit | None = None) -> tuple[int, CallResult]:
    """A gas limit with which the call succeeds, checked by executing it, at most about 2 % above what is needed.

    When the call fails at the largest gas limit, it is 0 and the result says why. All attempts share one `limit` on
    time. Raises what `execute` does.
    """
    largest = min(call.gas, BLOCK_GAS_SPENDABLE)
    limit = TimeLimit(CALL_SECONDS_MAX) if limit is None else limit
    if call.to is not None and not call.data and not engine.state(header).get_code(call.to):
        result = execute(engine, header, Call(call.sender, call.to, b"", call.value, TRANSFER_GAS), limit)
        return (TRANSFER_GAS, result) if result.success else (0, result)
    result = execute(engine, header, Call(call.sender, call.to, call.data, call.value, largest), limit)
    if not result.success:
        return 0, result
    gas = result.gas_spent + result.gas_spent // 63 + STIPEND_GAS
    while gas < largest:
        attempt = execute(engine, header, Call(call.sender, call.to, call.data, call.value, gas), limit)
        if attempt.success:
            return gas, attempt
        gas = gas * 3 // 2
    return largest, result
