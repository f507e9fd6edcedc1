"""Prague as the embedded chain runs it: py-evm's Prague VM with the changes listed here, and no other.

1. Blocks may share a timestamp with their parent. Ethereum asks for strictly later; blocks here follow one another
   within a second and timestamps are whole seconds of the real clock, never before the parent's. This is the one
   consensus rule relaxed.
2. A transaction's signature and fields are checked when it is admitted (`belmont.chain.transactions`), once, and not
   again while its block is built.
3. EIP-3607: a sender with code (other than an EIP-7702 delegation) is refused; py-evm does not check it.
4. `gas_used` follows EIP-7623 when the calldata floor and a refund meet; py-evm caps the refund by the floored amount.
5. BLS12-381 and KZG precompiles run natively (`belmont.chain.precompiles`), bit for bit and gas for gas as the EIPs.
6. Genesis holds the system contracts of `belmont.chain.system_contracts`; the fork sets none of its own. A deposit
   contract cannot exist here, so no receipt is searched for deposits.
7. An execution ends at its state's time limit, and steps that would take too long are refused: both raise
   `ExecutionStopped`, which ends the execution without a result and is no outcome in the EVM (`belmont.chain.limits`).
8. No proof of work or stake: the one sequencer's order is final. `prevrandao` is zero; contracts must not use it.
9. Between operations that touch the state, frames run translated (`belmont.chain.frames`), with the same results, gas
   and state.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

from eth.consensus.noproof import NoProofConsensus
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.blocks import PragueBlock, PragueBlockHeader
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.constants import DELEGATION_DESIGNATION_PREFIX
from eth.vm.forks.prague.state import PragueState, PragueTransactionExecutor
from eth_utils.exceptions import ValidationError

from belmont.chain import frames
from belmont.chain.limits import LOGS_MAX, TimeLimit, TooCostly, Unlimited, bounded_precompiles
from belmont.chain.precompiles import NATIVE_PRECOMPILES

DELEGATION_LENGTH = 23


class EmbeddedComputation(PragueComputation):  # type: ignore[misc]
    """Prague's opcodes with native precompiles (change 5) and limits on time (change 7)."""

    _precompiles: ClassVar[dict[bytes, Any]] = {
        **PragueComputation.get_precompiles(),
        **bounded_precompiles(PragueComputation.get_precompiles()),
        **NATIVE_PRECOMPILES,
    }

    @classmethod
    def apply_computation(
        cls, state: Any, message: Any, transaction_context: Any, parent_computation: Any = None
    ) -> Any:
        """Run one frame (change 9)."""
        known = state.known_code
        if known is None or message.is_create or message.code_address in cls._precompiles:
            stretches = None
        else:
            stretches = known.of(message.code)
        if stretches is None:
            return super().apply_computation(state, message, transaction_context, parent_computation)
        with cls(state, message, transaction_context) as computation:
            if computation.is_origin_computation:
                computation.contracts_created = []
            if parent_computation is not None:
                computation.contracts_created = parent_computation.contracts_created
            frames.run(computation, stretches)
        return computation

    def consume_gas(self, amount: int, reason: str) -> None:
        """Every opcode passes here; a clock reading is a twentieth of its cost."""
        self._gas_meter.consume_gas(amount, reason)
        limit = self.state.limit
        if time.monotonic() > limit.next_look:
            limit.look()

    def add_log_entry(self, account: bytes, topics: tuple[int, ...], data: bytes) -> None:
        """Refused beyond what a block can well hold; reverted logs count."""
        super().add_log_entry(account, topics, data)
        if self._log_entries[-1][0] >= LOGS_MAX:
            raise TooCostly(f"one transaction emits at most {LOGS_MAX} logs here: emit them in several transactions")


class EmbeddedTransactionExecutor(PragueTransactionExecutor):  # type: ignore[misc]
    """Executes transactions that were checked at admission (change 2)."""

    def validate_transaction(self, transaction: Any) -> None:
        """Check what depends on the state only: nonce, balance, sender's code."""
        self.vm_state.validate_transaction(transaction)


class EmbeddedState(PragueState):  # type: ignore[misc]
    """Prague's state with changes 3, 6, 7 and 9. `limit` is set before each execution that has one."""

    account_db_class = frames.EmbeddedAccountDB
    computation_class = EmbeddedComputation
    known_code: frames.KnownCode | None = None
    limit: TimeLimit = Unlimited()
    transaction_executor_class = EmbeddedTransactionExecutor

    def use(self, known_code: frames.KnownCode) -> None:
        """Run what is known translated, from now on (change 9)."""
        self.known_code = self._account_db.known_code = known_code

    def set_system_contracts(self) -> None:
        """They are in the genesis state (change 6)."""

    def validate_transaction(self, transaction: Any) -> None:
        """Prague's rules and EIP-3607 (change 3); a simulated call may come from any address."""
        super().validate_transaction(transaction)
        if getattr(transaction, "is_simulation", False):
            return
        code = self.get_code(transaction.sender)
        if code and not (len(code) == DELEGATION_LENGTH and code.startswith(DELEGATION_DESIGNATION_PREFIX)):
            raise ValidationError("the sender has code: a contract cannot sign transactions (EIP-3607)")


class EmbeddedVM(PragueVM):  # type: ignore[misc]
    """Prague's VM with changes 1, 4 and 6."""

    _state_class = EmbeddedState
    consensus_class = NoProofConsensus

    @classmethod
    def validate_header(cls, header: Any, parent_header: Any) -> None:
        """All of Prague's header rules; the timestamp may equal the parent's (change 1)."""
        if header.timestamp < parent_header.timestamp:
            raise ValidationError(
                f"timestamp {header.timestamp} is before the parent's {parent_header.timestamp}",
            )
        strict = header.copy(timestamp=max(header.timestamp, parent_header.timestamp + 1))
        super().validate_header(strict, parent_header)

    @classmethod
    def finalize_gas_used(cls, transaction: Any, computation: Any) -> int:
        """EIP-7623: max(used - refund, floor), the refund at most a fifth of what was used (change 4)."""
        used: int = transaction.gas - computation.get_gas_remaining()
        refund: int = min(computation.get_gas_refund(), used // 5)
        floor_surcharge: int = computation.data_floor_gas
        return used - refund + floor_surcharge

    def process_deposit_request_data(self, block: Any) -> None:
        """No deposit contract exists on this chain (change 6)."""


Header = PragueBlockHeader
Block = PragueBlock
