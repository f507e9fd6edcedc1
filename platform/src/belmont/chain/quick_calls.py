"""`eth_call` and `eth_estimateGas` for what contracts are mostly asked, by translated code and direct reads.

1. What comes out is what py-evm gives, to the byte and to the gas (tests hold the two together), or nothing: then
   `quick` returns None, and py-evm runs the call from the beginning.
2. Only success is answered. Reverts, faults, precompiles (but SHA-256 and identity), value, creations, delegated code
   (EIP-7702) and everything rare is py-evm's. A frame that fails ends it all, so nothing is ever rolled back.
3. State is read by its roots (`belmont.chain.state_reads`), so a call sees one block and nothing of another one.
4. What a call writes is in its `Run`, which it alone reads, and which goes away with it. Nothing is remembered between
   calls but translated code, by the code's own hash.
5. The time limit of `belmont.chain.limits` holds: the clock is read before every block of code.

Costs of storage: EIP-2200, EIP-2929 and EIP-3529; of transient storage EIP-1153.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, Final

from belmont.chain.limits import LOGS_MAX, TimeLimit
from belmont.chain.state_reads import NOBODY, Account, StateReads
from belmont.chain.translation import ENDED, STACK_AT_BLOCK_MAX, NotQuick, Translated

MEMORY_BYTES_MAX: Final = 1 << 20
DEPTH_MAX: Final = 32
RESERVED_BELOW: Final = 1 << 16
"""Precompiles, and the block's beneficiary, which are warm and have rules of their own."""
CODES_MAX: Final = 512
BLOCKS_MAX: Final = 8_000
"""Translated at one time, all codes together."""
DELEGATED: Final = b"\xef\x01\x00"
COLD_ACCOUNT, COLD_SLOT, WARM = 2600, 2100, 100
SLOT_SET, SLOT_RESET, SLOT_CLEARED, STORE_GAS_LEAST = 20_000, 2_900, 4_800, 2_300
_ADDRESS: Final = (1 << 160) - 1


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


PRECOMPILED: Final[dict[int, tuple[int, int, Callable[[bytes], bytes]]]] = {2: (60, 12, _sha256), 4: (15, 3, bytes)}
"""Precompiles that reading takes: SHA-256 and identity. Gas, gas for each word, and what they give."""


class TranslatedCode:
    """Translated code by its hash; bounded, and shared by all calls."""

    def __init__(self) -> None:
        self._known: dict[bytes, Translated] = {}

    def of(self, code_hash: bytes, reads: StateReads) -> Translated:
        found = self._known.get(code_hash)
        if found is None:
            known = list(self._known.values())
            if len(known) >= CODES_MAX or sum(len(each.blocks) for each in known) > BLOCKS_MAX:
                self._known = {}
            found = self._known[code_hash] = Translated(reads.code(code_hash))
        return found


class Run:
    """One call: which state it reads, in which block, what it has touched, and what it wrote (4)."""

    def __init__(self, reads: StateReads, codes: TranslatedCode, header: Any, chain_id: int, limit: TimeLimit) -> None:
        self.reads, self.codes, self.limit = reads, codes, limit
        self.state_root = bytes(header.state_root)
        self.number, self.timestamp, self.chain_id = int(header.block_number), int(header.timestamp), chain_id
        self.sender = 0
        self.accounts: dict[int, Account | None] = {}
        self.warm_accounts: set[int] = set()
        self.warm_slots: set[tuple[int, int]] = set()
        self.written: dict[tuple[int, int], int] = {}
        self.transient: dict[tuple[int, int], int] = {}
        self.refund = self.logs = 0

    def account(self, address: int) -> Account | None:
        """An account that is none of those with rules of their own (2)."""
        try:
            return self.accounts[address]
        except KeyError:
            if address < RESERVED_BELOW:
                raise NotQuick from None
            found = self.accounts[address] = self.reads.account(self.state_root, address.to_bytes(20, "big"))
            return found

    def code(self, address: int) -> Translated:
        """The code at an address, which is its own (2)."""
        found = self.codes.of((self.account(address) or NOBODY).code_hash, self.reads)
        if found.code.startswith(DELEGATED):
            raise NotQuick
        return found


class Frame:
    """One contract's execution. Methods that cost gas take it, and raise `NotQuick` where there is none left."""

    __slots__ = (
        "_translated",
        "address",
        "caller",
        "code",
        "data",
        "depth",
        "gas",
        "output",
        "returned",
        "root",
        "run",
        "static",
    )

    def __init__(
        self,
        run: Run,
        translated: Translated,
        address: int,
        caller: int,
        data: bytes,
        gas: int,
        depth: int,
        static: bool,
    ) -> None:
        self.run, self._translated, self.address, self.caller = run, translated, address, caller
        self.code, self.data, self.gas, self.depth, self.static = translated.code, data, gas, depth, static
        self.root = (run.account(address) or NOBODY).storage_root
        self.returned = self.output = b""

    def execute(self) -> None:
        """Run to the end; the output is there then."""
        blocks, limit, at = self._translated.blocks, self.run.limit, 0
        stack: list[int] = []
        memory = bytearray()
        while at != ENDED:
            if time.monotonic() > limit.next_look:
                limit.look()  # 5
            if len(stack) > STACK_AT_BLOCK_MAX:
                raise NotQuick
            block = blocks.get(at) or self._translated.block(at)
            at = block(self, stack, memory)

    def take(self, gas: int) -> None:
        self.gas -= gas
        if self.gas < 0:
            raise NotQuick

    def refuse(self, to: int) -> int:
        """A jump to where none may go."""
        raise NotQuick

    # --- memory ---

    def reach(self, memory: bytearray, end: int) -> None:
        """Memory up to `end`, paid for (Yellow Paper, appendix H.1)."""
        if end > len(memory):
            if end > MEMORY_BYTES_MAX:
                raise NotQuick
            before, after = len(memory) // 32, (end + 31) // 32
            self.take(3 * (after - before) + after * after // 512 - before * before // 512)
            memory.extend(bytes(32 * (after - before)))

    def load(self, memory: bytearray, at: int) -> int:
        if at + 32 > len(memory):
            self.reach(memory, at + 32)
        return int.from_bytes(memory[at : at + 32], "big")

    def store(self, memory: bytearray, at: int, value: int) -> None:
        if at + 32 > len(memory):
            self.reach(memory, at + 32)
        memory[at : at + 32] = value.to_bytes(32, "big")

    def store_byte(self, memory: bytearray, at: int, value: int) -> None:
        self.reach(memory, at + 1)
        memory[at] = value & 255

    def read(self, memory: bytearray, at: int, size: int) -> bytes:
        if not size:
            return b""
        self.reach(memory, at + size)
        return bytes(memory[at : at + size])

    def copy(self, memory: bytearray, source: bytes, to: int, start: int, size: int) -> None:
        self.take(3 * ((size + 31) // 32))
        if size:
            self.reach(memory, to + size)
            memory[to : to + size] = source[start : start + size].ljust(size, b"\0")

    def copy_returned(self, memory: bytearray, to: int, start: int, size: int) -> None:
        if start + size > len(self.returned):
            raise NotQuick
        self.copy(memory, self.returned, to, start, size)

    def move(self, memory: bytearray, to: int, start: int, size: int) -> None:
        self.take(3 * ((size + 31) // 32))
        if size:
            self.reach(memory, max(to, start) + size)
            memory[to : to + size] = memory[start : start + size]

    # --- numbers ---

    def exp(self, base: int, exponent: int) -> int:
        self.take(50 * ((exponent.bit_length() + 7) // 8))
        return pow(base, exponent, 1 << 256)

    def keccak(self, memory: bytearray, at: int, size: int) -> int:
        self.take(6 * ((size + 31) // 32))
        return int.from_bytes(self.run.reads.hash(self.read(memory, at, size)), "big")

    # --- state ---

    def sload(self, slot: int) -> int:
        key = (self.address, slot)
        if key in self.run.warm_slots:
            self.take(WARM)
            if key in self.run.written:
                return self.run.written[key]
        else:
            self.run.warm_slots.add(key)
            self.take(COLD_SLOT)
        return self.run.reads.slot(self.root, slot)

    def sstore(self, slot: int, value: int) -> None:
        self._change()
        run, key = self.run, (self.address, slot)
        if self.gas <= STORE_GAS_LEAST:
            raise NotQuick
        if key not in run.warm_slots:
            run.warm_slots.add(key)
            self.take(COLD_SLOT)
        before = run.reads.slot(self.root, slot)
        now = run.written.get(key, before)
        if now == value:
            self.take(WARM)
        elif now == before:
            self.take(SLOT_RESET if before else SLOT_SET)
            run.refund += SLOT_CLEARED if before and not value else 0
        else:
            self.take(WARM)
            if before:
                run.refund += SLOT_CLEARED * (int(not value) - int(not now))
            if value == before:
                run.refund += (SLOT_RESET if before else SLOT_SET) - WARM
        run.written[key] = value

    def tload(self, slot: int) -> int:
        return self.run.transient.get((self.address, slot), 0)

    def tstore(self, slot: int, value: int) -> None:
        self._change()
        self.run.transient[(self.address, slot)] = value

    def log(self, memory: bytearray, at: int, size: int, *topics: int) -> None:
        """Nobody sees it, but it costs; its topics are paid for already."""
        self._change()
        self.take(8 * size)
        if size:
            self.reach(memory, at + size)
        self.run.logs += 1
        if self.run.logs >= LOGS_MAX:
            raise NotQuick

    def _change(self) -> None:
        """Nothing changes in a call that may only read."""
        if self.static:
            raise NotQuick

    def code_size(self, address: int) -> int:
        address &= _ADDRESS
        self._touch(address)
        account = self.run.account(address) or NOBODY
        return len(self.run.reads.code(account.code_hash))

    def code_hash(self, address: int) -> int:
        address &= _ADDRESS
        self._touch(address)
        account = self.run.account(address)
        if account is None or account.code_hash == NOBODY.code_hash:
            raise NotQuick  # an account can be there and count as empty (EIP-161)
        return int.from_bytes(account.code_hash, "big")

    def _touch(self, address: int) -> None:
        if address in self.run.warm_accounts or address in PRECOMPILED:
            self.take(WARM)
        elif address < RESERVED_BELOW:
            raise NotQuick
        else:
            self.run.warm_accounts.add(address)
            self.take(COLD_ACCOUNT)

    # --- calls ---

    def call(self, memory: bytearray, gas: int, to: int, value: int, *places: int) -> int:
        if value:
            raise NotQuick
        to &= _ADDRESS
        return self._call(memory, gas, to, to, self.address, self.static, *places)

    def static_call(self, memory: bytearray, gas: int, to: int, *places: int) -> int:
        to &= _ADDRESS
        return self._call(memory, gas, to, to, self.address, True, *places)

    def delegate_call(self, memory: bytearray, gas: int, to: int, *places: int) -> int:
        return self._call(memory, gas, to & _ADDRESS, self.address, self.caller, self.static, *places)

    def _call(
        self,
        memory: bytearray,
        gas: int,
        code_of: int,
        address: int,
        caller: int,
        static: bool,
        start: int,
        size: int,
        to: int,
        most: int,
    ) -> int:
        if size:
            self.reach(memory, start + size)
        if most:
            self.reach(memory, to + most)
        self._touch(code_of)
        if self.depth >= DEPTH_MAX:
            raise NotQuick
        given = min(gas, self.gas - self.gas // 64)  # EIP-150
        data = bytes(memory[start : start + size]) if size else b""
        if code_of in PRECOMPILED:
            base, each_word, function = PRECOMPILED[code_of]
            spent = base + each_word * ((size + 31) // 32)
            if spent > given:
                raise NotQuick
            self.gas -= spent
            self.returned = function(data)
        else:
            inner = Frame(self.run, self.run.code(code_of), address, caller, data, given, self.depth + 1, static)
            inner.execute()
            self.gas += inner.gas - given
            self.returned = inner.output
        written = self.returned[:most]
        if written:
            memory[to : to + len(written)] = written
        return 1


def quick(run: Run, sender: bytes, to: bytes, data: bytes, gas: int) -> tuple[bytes, int] | None:
    """The output of a call without value and the gas that is left of `gas`; None where py-evm has to run it.

    What it wrote, and the gas that is given back for that, are in `run` then. Raises `TimeIsOver`, and `ChainDamaged`
    where a part of the state is missing.
    """
    run.sender, target = int.from_bytes(sender, "big"), int.from_bytes(to, "big")
    run.warm_accounts |= {run.sender, target}
    try:
        frame = Frame(run, run.code(target), target, run.sender, data, gas, 0, False)
        frame.execute()
    except (NotQuick, IndexError):  # IndexError: the stack holds less than an operation takes
        return None
    return frame.output, frame.gas
