"""What one execution may cost in time. Gas is free here, so gas alone bounds nothing that a stranger would feel.

None of this is a rule of consensus: an execution that passes a limit is stopped by this server and leaves nothing
behind, as if it had never been sent; whatever is included replays in any Prague EVM. An `ExecutionStopped` is no error
of the EVM, so no contract can catch it.

1. A transaction: two seconds of the wall's clock while its block is built. Every opcode passes `consume_gas`, where the
   clock is read. One precompiled call is not interrupted, therefore rule 3.
2. A call (`eth_call`, `eth_estimateGas`): five seconds, and less of the processor's time (`belmont.chain.lanes`).
3. Precompiles that py-evm runs in pure Python or inside one long operation are refused when one call would take more
   than about a tenth of a second, although its gas is paid:

       0x05 modexp    iterations x (words^2 + 10) above 4,000,000: a 2048-bit RSA exponentiation passes, a verification
                      with 65537 passes up to about 120,000 bits (EIP-2565 defines words and iterations)
       0x08 pairing   more than 4 pairs, which is a Groth16 verification: about 0.2 s a pair, 0.8 s together
       0x09 blake2f   more than 10,000 rounds (BLAKE2b has 12)

   0x06 and 0x07 take 15 ms at most and have rule 1 between them; 0x0a to 0x11 run natively.
4. A transaction emits at most 4,096 logs: each costs 0.06 ms after execution too, where nothing can stop it, and one
   `eth_getLogs` could not answer for a block with more than 10,000.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from eth.precompiles.modexp import extract_lengths

TRANSACTION_SECONDS_MAX: Final = 2.0
CALL_SECONDS_MAX: Final = 5.0
MODEXP_WORK_MAX: Final = 4_000_000
PAIRINGS_MAX: Final = 4
PAIRING_BYTES: Final = 192
BLAKE2_ROUNDS_MAX: Final = 10_000
LOGS_MAX: Final = 4_096

Precompile = Callable[[Any], Any]


class ExecutionStopped(Exception):
    """This server will not go on with an execution; the message says why."""


class TimeIsOver(ExecutionStopped):
    """The execution ran past its `TimeLimit`."""


class TooCostly(ExecutionStopped):
    """One step would take unreasonably long here, or what it makes would."""


class TimeLimit:
    """When an execution ends: `seconds` from now, and not before `cpu_seconds` of this thread's own processor time.

    Made in the thread that executes. `next_look` is the time (of `time.monotonic`) from which `look` must be called.
    """

    __slots__ = ("_cpu_end", "_end", "next_look", "seconds")

    def __init__(self, seconds: float, cpu_seconds: float | None = None) -> None:
        now = time.monotonic()
        self.seconds = seconds
        self._end = now + seconds
        self._cpu_end = None if cpu_seconds is None else time.thread_time() + cpu_seconds
        self.next_look = self._end if cpu_seconds is None else min(self._end, now + cpu_seconds)

    def look(self) -> None:
        """Go on for a while, or raise `TimeIsOver`."""
        now = time.monotonic()
        if now < self._end and self._cpu_end is not None:
            left = self._cpu_end - time.thread_time()
            if left > 0:
                self.next_look = min(self._end, now + left)
                return
        raise TimeIsOver(f"the execution takes more than {self.seconds:g} s")

    def extend(self, seconds: float) -> None:
        """More time, for work that this execution was only the first to need."""
        self._end += seconds
        self.next_look += seconds
        if self._cpu_end is not None:
            self._cpu_end += seconds


class Unlimited(TimeLimit):
    """No limit, for what the node itself executes."""

    def __init__(self) -> None:
        super().__init__(float("inf"))


def bounded(number: int, precompile: Precompile, gas_and_excess: Callable[[bytes], tuple[int, str]]) -> Precompile:
    """`precompile`, refused with `TooCostly` where it could be paid for and would take too long (rule 3)."""

    def run(computation: Any) -> Any:
        gas, excess = gas_and_excess(computation.msg.data_as_bytes)
        if excess and computation.get_gas_remaining() >= gas:
            raise TooCostly(f"precompile {number:#04x} is not run here with {excess}")
        return precompile(computation)

    return run


def modexp_cost(data: bytes) -> tuple[int, str]:
    """Gas of EIP-2565, and what is too much about the input, if anything."""
    base_length, exponent_length, modulus_length = extract_lengths(data)
    start = 96 + base_length
    head_length = min(exponent_length, 32)
    head = int.from_bytes(data[start : start + head_length].ljust(head_length, b"\0"), "big")
    iterations = max(1, max(0, head.bit_length() - 1) + 8 * max(0, exponent_length - 32))
    words = (max(base_length, modulus_length) + 7) // 8
    too_much = words and iterations * (words**2 + 10) > MODEXP_WORK_MAX
    gas = max(200, words**2 * iterations // 3)
    return gas, "numbers this large: reduce the exponent or the modulus" if too_much else ""


def pairing_cost(data: bytes) -> tuple[int, str]:
    """Gas of EIP-1108, and what is too much about the input, if anything."""
    pairs, rest = divmod(len(data), PAIRING_BYTES)
    excess = f"{pairs} pairs, at most {PAIRINGS_MAX}: use BLS12-381 (0x0f)" if pairs > PAIRINGS_MAX and not rest else ""
    return 45_000 + 34_000 * pairs, excess


def blake2_cost(data: bytes) -> tuple[int, str]:
    """Gas of EIP-152, and what is too much about the input, if anything."""
    rounds = int.from_bytes(data[:4], "big") if len(data) == 213 and data[212] <= 1 else 0
    return rounds, f"{rounds} rounds, at most {BLAKE2_ROUNDS_MAX}" if rounds > BLAKE2_ROUNDS_MAX else ""


def bounded_precompiles(of: dict[bytes, Precompile]) -> dict[bytes, Precompile]:
    """Those of rule 3, made from py-evm's own."""
    costs = {0x05: modexp_cost, 0x08: pairing_cost, 0x09: blake2_cost}
    found = {number: number.to_bytes(20, "big") for number in costs}
    return {found[number]: bounded(number, of[found[number]], cost) for number, cost in costs.items()}
