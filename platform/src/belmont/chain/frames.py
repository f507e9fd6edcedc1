"""py-evm's frames, with what lies between two of its operations translated.

py-evm decides everything that a block's state can depend on: which frames there are, what they read and write, what is
logged, called, created and reverted, and what all of that costs. Between two such operations lie arithmetic, the stack,
memory and jumps: nine of ten operations, and half of its time.

1. A stretch of those runs as one translated function (`belmont.chain.translation.Stretches`), on py-evm's own stack,
   memory and gas, if its gas and its stack are known to suffice. Where they do not, py-evm runs the rest of the frame
   alone, one operation after the other, and so says how it fails.
2. Memory is extended, and paid for, by py-evm. Jumps to where none may go fail as in py-evm.
3. Code is translated from the third time on that it runs: what runs once, such as a creation, never is.
4. Storage and accounts are read from the tries by `belmont.chain.state_reads` while they are as the parent block left
   them; what a block changes is py-evm's from then on.

Tests hold results, gas and state roots of both together, and every block against Ethereum's executable specification
(`belmont chain audit`), which shares no code with this.
"""

from __future__ import annotations

import time
from typing import Any, Final

from eth.constants import BLANK_ROOT_HASH
from eth.db.account import AccountDB
from eth.db.cache import CacheDB
from eth.db.journal import JournalDB
from eth.db.storage import AccountStorageDB, StorageLookup
from eth.exceptions import Halt, InvalidInstruction, InvalidJumpDestination, OutOfBoundsRead
from eth.vm.computation import InvalidOpcode
from eth.vm.interrupt import MissingBytecode
from eth_utils.crypto import keccak

from belmont.chain.state_reads import StateReads
from belmont.chain.translation import Stretches

TRANSLATED_FROM: Final = 3
CODES_MAX: Final = 512
STRETCHES_MAX: Final = 16_000
"""Translated at one time, all codes together."""
STACK_MAX: Final = 1024
_JUMPDEST, _STOP = 0x5B, 0x00


class KnownCode:
    """Stretches of code by the code itself; bounded, and shared by all executions of one chain."""

    def __init__(self, reads: StateReads) -> None:
        self.reads = reads
        self._known: dict[bytes, Stretches] = {}

    def of(self, code: bytes) -> Stretches | None:
        """The stretches of code; None where it has not run often enough (3)."""
        found = self._known.get(code)
        if found is None:
            known = list(self._known.values())
            if len(known) >= CODES_MAX or sum(len(each.known) for each in known) > STRETCHES_MAX:
                self._known = {}
            found = self._known[code] = Stretches(code)
        found.executions += 1
        return found if found.executions >= TRANSLATED_FROM else None


class Frame:
    """What a stretch asks of its frame: memory, the frame's data, and gas where it depends on values."""

    __slots__ = ("_computation", "_data", "caller", "code", "memory", "value")

    def __init__(self, computation: Any, code: bytes) -> None:
        message = computation.msg
        self._computation, self.code, self.memory = computation, code, computation._memory
        self.caller, self.value = int.from_bytes(message.sender, "big"), message.value
        self._data: bytes | None = None

    @property
    def data(self) -> bytes:
        if self._data is None:
            self._data = bytes(self._computation.msg.data)
        return self._data

    @property
    def returned(self) -> bytes:
        data: bytes = self._computation.return_data
        return data

    def refuse(self, to: int) -> int:
        """A jump to where none may go (2)."""
        if to >= len(self.code) or self.code[to] != _JUMPDEST:
            raise InvalidJumpDestination("Invalid Jump Destination")
        raise InvalidInstruction("Jump resulted in invalid instruction")

    def take(self, gas: int) -> None:
        self._computation._gas_meter.consume_gas(gas, "by value")

    def memory_size(self) -> int:
        return len(self.memory._bytes)

    def load(self, _: object, at: int) -> int:
        if at + 32 > len(self.memory._bytes):
            self._computation.extend_memory(at, 32)
        return int.from_bytes(self.memory._bytes[at : at + 32], "big")

    def store(self, _: object, at: int, value: int) -> None:
        if at + 32 > len(self.memory._bytes):
            self._computation.extend_memory(at, 32)
        self.memory._bytes[at : at + 32] = value.to_bytes(32, "big")

    def store_byte(self, _: object, at: int, value: int) -> None:
        self._computation.extend_memory(at, 1)
        self.memory._bytes[at] = value & 255

    def copy(self, _: object, source: bytes, to: int, start: int, size: int) -> None:
        self._computation.extend_memory(to, size)
        self.take(3 * ((size + 31) // 32))
        if size:
            self.memory._bytes[to : to + size] = source[start : start + size].ljust(size, b"\0")

    def copy_returned(self, _: object, to: int, start: int, size: int) -> None:
        if start + size > len(self.returned):
            raise OutOfBoundsRead("Return data length is not sufficient to satisfy request.")
        self.copy(_, self.returned, to, start, size)

    def move(self, _: object, to: int, start: int, size: int) -> None:
        self._computation.extend_memory(max(to, start), size)
        self.take(3 * ((size + 31) // 32))
        if size:
            self.memory._bytes[to : to + size] = bytes(self.memory._bytes[start : start + size])

    def exp(self, base: int, exponent: int) -> int:
        self.take(50 * ((exponent.bit_length() + 7) // 8))
        return pow(base, exponent, 1 << 256)

    def keccak(self, _: object, at: int, size: int) -> int:
        self._computation.extend_memory(at, size)
        self.take(6 * ((size + 31) // 32))
        content = bytes(self.memory._bytes[at : at + size]) if size else b""
        return int.from_bytes(self._computation.state.known_code.reads.hash(content), "big")


def run(computation: Any, stretches: Stretches) -> None:
    """Run a frame's code to its end, as `eth.vm.computation` does. Raises what that does."""
    code, stream, state = stretches.code, computation.code, computation.state
    stack, meter, operations = computation._stack.values, computation._gas_meter, computation.opcodes
    known, limit, size, at = stretches.known, state.limit, len(stretches.code), 0
    frame = Frame(computation, code)
    while True:
        if time.monotonic() > limit.next_look:
            limit.look()
        stretch = known[at] if at in known else stretches.stretch(at)
        if stretch is not None:
            height = len(stack)
            if meter.gas_remaining < stretch.gas or height < stretch.needs or height + stretch.room > STACK_MAX:
                stream.program_counter = at
                _alone(computation)  # 1
                return
            meter.gas_remaining -= stretch.gas
            at = stretch.run(frame, stack, frame.memory._bytes)
            continue
        operation = code[at] if at < size else _STOP
        stream.program_counter = at + 1
        function = operations.get(operation) or InvalidOpcode(operation)
        try:
            function(computation=computation)
        except Halt:
            return
        at = stream.program_counter
        if stack and type(stack[-1]) is bytes:
            stack[-1] = int.from_bytes(stack[-1], "big")


def _alone(computation: Any) -> None:
    """py-evm's own loop, from where the frame is."""
    operations = computation.opcodes
    for operation in computation.code:
        function = operations.get(operation) or InvalidOpcode(operation)
        try:
            function(computation=computation)
        except Halt:
            return


class _Slots(StorageLookup):  # type: ignore[misc]
    """An account's slots (4)."""

    def __init__(self, db: Any, storage_root: bytes, address: bytes, reads: StateReads) -> None:
        super().__init__(db, storage_root, address)
        self._reads = reads

    def __getitem__(self, key: bytes) -> bytes:
        if self._write_trie is not None:
            changed: bytes = super().__getitem__(key)
            return changed
        if self._starting_root_hash == BLANK_ROOT_HASH:
            return b""
        return self._reads.encoded_slot(self._starting_root_hash, key.rjust(32, b"\0"))


class _Storage(AccountStorageDB):  # type: ignore[misc]
    """One account's storage, in py-evm's layers over `_Slots`."""

    def __init__(self, db: Any, storage_root: bytes, address: bytes, reads: StateReads) -> None:
        super().__init__(db, storage_root, address)
        self._storage_lookup = _Slots(db, storage_root, address, reads)
        self._storage_cache = CacheDB(self._storage_lookup)
        self._locked_changes = JournalDB(self._storage_cache)
        self._journal_storage = JournalDB(self._locked_changes)


class EmbeddedAccountDB(AccountDB):  # type: ignore[misc]
    """py-evm's accounts, without what it notes for witnesses, which nobody asks for."""

    known_code: KnownCode | None = None

    def get_code(self, address: bytes) -> bytes:
        """An account's code."""
        code_hash = self.get_code_hash(address)
        if code_hash == _EMPTY:
            return b""
        try:
            code: bytes = self._journaldb[code_hash]
        except KeyError:
            raise MissingBytecode(code_hash) from None
        return code

    def _get_address_store(self, address: bytes) -> Any:
        found = self._account_stores.get(address)
        if found is None and self.known_code is not None:
            root = self._get_storage_root(address)
            found = self._account_stores[address] = _Storage(self._raw_store_db, root, address, self.known_code.reads)
        return super()._get_address_store(address) if found is None else found


_EMPTY: Final = bytes(keccak(b""))
