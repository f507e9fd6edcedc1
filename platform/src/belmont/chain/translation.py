"""EVM code as Python functions, block by block, for calls of which nothing stays (`belmont.chain.quick_calls`).

1. A block begins where it is jumped to, or where the one before it ends, and runs to its next jump or end. It becomes
   one function of the frame, its stack and its memory, which returns where the next block begins.
2. Inside a block the stack is names: what is pushed, duplicated and swapped costs nothing when it runs. What stays is
   put on the frame's stack at the end.
3. Gas is exact: the fixed costs of a stretch are taken at its beginning, and a stretch ends with `GAS`, `SSTORE` and
   calls, where it shows how much is left. Costs that depend on values are taken by the function that does the work.
4. What is not known here, or is a fault in the EVM, raises `NotQuick`: whoever runs the code then has all of it run by
   py-evm from the beginning. So nothing here decides how an execution fails.

The source that is compiled holds numbers and the forms below, and nothing else of the code it comes from. Costs:
Yellow Paper, appendix G, with EIP-2929, EIP-3855 and EIP-5656.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

BLOCK_OPS_MAX: Final = 256
"""Longer ones are cut: this bounds how much one adds to the stack, and how long one runs."""
STACK_AT_BLOCK_MAX: Final = 1024 - BLOCK_OPS_MAX - 1
ENDED: Final = -1
"""What a block returns instead of a place, when the frame's output is there."""

WORD: Final = (1 << 256) - 1
_JUMPDEST, _PUSH0, _PUSH1, _PUSH32, _DUP1, _SWAP1, _SWAP16 = 0x5B, 0x5F, 0x60, 0x7F, 0x80, 0x90, 0x9F
_STOP, _JUMP, _JUMPI, _GAS, _RETURN, _POP, _PC = 0x00, 0x56, 0x57, 0x5A, 0xF3, 0x50, 0x58

Block = Callable[[Any, list[int], bytearray], int]


class NotQuick(Exception):
    """py-evm has to run this."""


# Operations that give one value from others: cost and form. {0} is the topmost operand.
VALUES: Final[dict[int, tuple[int, str]]] = {
    0x01: (3, "({0} + {1}) & WORD"),
    0x02: (5, "({0} * {1}) & WORD"),
    0x03: (3, "({0} - {1}) & WORD"),
    0x04: (5, "{0} // {1} if {1} else 0"),
    0x06: (5, "{0} % {1} if {1} else 0"),
    0x08: (8, "({0} + {1}) % {2} if {2} else 0"),
    0x09: (8, "({0} * {1}) % {2} if {2} else 0"),
    0x0A: (10, "f.exp({0}, {1})"),
    0x0B: (5, "sign_extended({0}, {1})"),
    0x10: (3, "+({0} < {1})"),
    0x11: (3, "+({0} > {1})"),
    0x12: (3, "+(signed({0}) < signed({1}))"),
    0x13: (3, "+(signed({0}) > signed({1}))"),
    0x14: (3, "+({0} == {1})"),
    0x15: (3, "+(not {0})"),
    0x16: (3, "{0} & {1}"),
    0x17: (3, "{0} | {1}"),
    0x18: (3, "{0} ^ {1}"),
    0x19: (3, "{0} ^ WORD"),
    0x1A: (3, "({1} >> 8 * (31 - {0})) & 255 if {0} < 32 else 0"),
    0x1B: (3, "({1} << {0}) & WORD if {0} < 256 else 0"),
    0x1C: (3, "{1} >> {0} if {0} < 256 else 0"),
    0x1D: (3, "(signed({1}) >> min({0}, 256)) & WORD"),
    0x20: (30, "f.keccak(M, {0}, {1})"),
    0x30: (2, "f.address"),
    0x32: (2, "f.run.sender"),
    0x33: (2, "f.caller"),
    0x34: (2, "0"),
    0x35: (3, 'number(f.data[{0} : {0} + 32].ljust(32, b"\\0"), "big")'),
    0x36: (2, "len(f.data)"),
    0x38: (2, "len(f.code)"),
    0x3A: (2, "0"),
    0x3B: (0, "f.code_size({0})"),
    0x3D: (2, "len(f.returned)"),
    0x3F: (0, "f.code_hash({0})"),
    0x42: (2, "f.run.timestamp"),
    0x43: (2, "f.run.number"),
    0x46: (2, "f.run.chain_id"),
    0x51: (3, "f.load(M, {0})"),
    0x54: (0, "f.sload({0})"),
    0x59: (2, "len(M)"),
    0x5A: (2, "f.gas"),
    0x5C: (100, "f.tload({0})"),
    0xF1: (0, "f.call(M, {0}, {1}, {2}, {3}, {4}, {5}, {6})"),
    0xF4: (0, "f.delegate_call(M, {0}, {1}, {2}, {3}, {4}, {5})"),
    0xFA: (0, "f.static_call(M, {0}, {1}, {2}, {3}, {4}, {5})"),
}
# Operations that give none.
EFFECTS: Final[dict[int, tuple[int, str]]] = {
    0x37: (3, "f.copy(M, f.data, {0}, {1}, {2})"),
    0x39: (3, "f.copy(M, f.code, {0}, {1}, {2})"),
    0x3E: (3, "f.copy_returned(M, {0}, {1}, {2})"),
    0x52: (3, "f.store(M, {0}, {1})"),
    0x53: (3, "f.store_byte(M, {0}, {1})"),
    0x55: (0, "f.sstore({0}, {1})"),
    0x5D: (100, "f.tstore({0}, {1})"),
    0x5E: (3, "f.move(M, {0}, {1}, {2})"),
    0xA0: (375, "f.log(M, {0}, {1})"),
    0xA1: (750, "f.log(M, {0}, {1}, {2})"),
    0xA2: (1125, "f.log(M, {0}, {1}, {2}, {3})"),
    0xA3: (1500, "f.log(M, {0}, {1}, {2}, {3}, {4})"),
    0xA4: (1875, "f.log(M, {0}, {1}, {2}, {3}, {4}, {5})"),
}
_ENDS_STRETCH: Final = {_GAS, 0x55, 0xF1, 0xF4, 0xFA}
# What touches stack and memory only, and what was given to the frame; nothing of the state, and no gas that is left.
_PURE_VALUES: Final = {
    operation: cost_and_form
    for operation, cost_and_form in VALUES.items()
    if operation <= 0x20 or operation in (0x33, 0x35, 0x36, 0x38, 0x3D, 0x51)
} | {0x34: (2, "f.value"), 0x59: (2, "f.memory_size()")}
_PURE_EFFECTS: Final = {operation: EFFECTS[operation] for operation in (0x37, 0x39, 0x3E, 0x52, 0x53, 0x5E)}


def signed(value: int) -> int:
    """A word as a number in two's complement."""
    return value - (1 << 256) if value >> 255 else value


def sign_extended(place: int, value: int) -> int:
    """SIGNEXTEND: the byte at `place`, from the lowest, holds the sign."""
    if place > 30:
        return value
    bits = 8 * (place + 1)
    low = value & ((1 << bits) - 1)
    return low if not low >> (bits - 1) else low | (WORD ^ ((1 << bits) - 1))


_NAMES: Final[dict[str, Any]] = {
    "WORD": WORD,
    "number": int.from_bytes,
    "signed": signed,
    "sign_extended": sign_extended,
}


class Translated:
    """One contract's code, of which blocks are translated as they are reached."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.blocks: dict[int, Block] = {}
        self._allowed = _allowed(code)

    def block(self, at: int) -> Block:
        """The block that begins at a place where execution can be."""
        found = self.blocks.get(at)
        if found is None:
            names = _NAMES | {"NotQuick": NotQuick, "allowed": self._allowed}
            exec(compile(_Writer(self.code, at, self._allowed).source(), "<evm>", "exec"), names)  # noqa: S102
            found = self.blocks[at] = names["block"]
        return found


@dataclass(frozen=True)
class Stretch:
    """Code of a stretch that touches only stack and memory, and what it takes: gas, values on the stack, room on it."""

    run: Block
    gas: int
    needs: int
    room: int


class Stretches:
    """One contract's code, of which such stretches are translated as they are reached, for py-evm's own frames.

    A stretch ends before the first operation that is none of them. Nothing in it can fail once its gas and its stack
    are known to suffice, but a jump (`f.refuse`) and memory that is too dear, which ends the frame without gas whatever
    comes before it.
    """

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.known: dict[int, Stretch | None] = {}
        self.executions = 0
        self._allowed = _allowed(code)

    def stretch(self, at: int) -> Stretch | None:
        """The stretch that begins at a place; None where there is none."""
        writer = _StretchWriter(self.code, at, self._allowed)
        source = writer.source()
        found = None
        if writer.operations:
            names = _NAMES | {"allowed": self._allowed}
            exec(compile(source, "<evm>", "exec"), names)  # noqa: S102
            found = Stretch(names["block"], writer.gas, writer.needs, writer.room)
        self.known[at] = found
        return found


class _Writer:
    """Writes one block."""

    values: Mapping[int, tuple[int, str]] = VALUES
    effects: Mapping[int, tuple[int, str]] = EFFECTS

    def __init__(self, code: bytes, at: int, allowed: bytes) -> None:
        self._code, self._at, self._allowed = code, at, allowed
        self._lines: list[str] = []
        self._stack: list[str] = []
        """Names and numbers; what is below them is on the frame's stack."""
        self._names = 0
        self._stretch = 0
        self._cost = 0

    def source(self) -> str:
        self._begin_stretch()
        for _ in range(BLOCK_OPS_MAX):
            operation = self._code[self._at] if self._at < len(self._code) else _STOP
            if self._write(operation):
                break
        else:
            self._leave(str(self._at))
        self._end_stretch()
        return "def block(f, S, M):\n" + "\n".join(f"    {line}" for line in self._lines)

    def _write(self, operation: int) -> bool:
        """One operation; whether the block ends with it."""
        at = self._at
        self._at += 1
        if operation == _JUMPDEST:
            self._cost += 1
        elif _PUSH0 <= operation <= _PUSH32:
            size = operation - _PUSH0
            pushed = self._code[at + 1 : at + 1 + size].ljust(size, b"\0")
            self._cost += 3 if size else 2
            self._stack.append(str(int.from_bytes(pushed, "big")))
            self._at += size
        elif _DUP1 <= operation < _SWAP1:
            self._need(operation - _DUP1 + 1)
            self._cost += 3
            self._stack.append(self._stack[_DUP1 - operation - 1])
        elif _SWAP1 <= operation <= _SWAP16:
            below = _SWAP1 - operation - 2
            self._need(-below)
            self._cost += 3
            self._stack[-1], self._stack[below] = self._stack[below], self._stack[-1]
        elif operation == _POP:
            self._pop()
            self._cost += 2
        elif operation == _PC:
            self._stack.append(str(at))
            self._cost += 2
        elif operation in self.values:
            cost, form = self.values[operation]
            self._cost += cost
            value = self._filled(form)
            if operation in _ENDS_STRETCH:
                self._end_stretch()
            self._push(value)
            if operation in _ENDS_STRETCH:
                self._begin_stretch()
        elif operation in self.effects:
            cost, form = self.effects[operation]
            self._cost += cost
            effect = self._filled(form)
            if operation in _ENDS_STRETCH:
                self._end_stretch()
            self._lines.append(effect)
            if operation in _ENDS_STRETCH:
                self._begin_stretch()
        else:
            return self._end(operation)
        return False

    def _end(self, operation: int) -> bool:
        if operation == _JUMP:
            self._cost += 8
            self._leave(self._checked(self._pop()))
        elif operation == _JUMPI:
            self._cost += 10
            to, condition = self._pop(), self._pop()
            self._put_back()
            self._lines += [f"if {condition}:", f"    return {self._checked(to)}", f"return {self._at}"]
        elif operation == _RETURN:
            self._lines += [f"f.output = f.read(M, {self._pop()}, {self._pop()})", f"return {ENDED}"]
        elif operation == _STOP:
            self._lines.append(f"return {ENDED}")
        else:
            self._lines.append("raise NotQuick")  # 4
        return True

    def _leave(self, to: str) -> None:
        self._put_back()
        self._lines.append(f"return {to}")

    def _checked(self, to: str) -> str:
        """Where a jump goes, once it is known to be allowed to go there."""
        if to.isdecimal():
            return to if int(to) < len(self._allowed) and self._allowed[int(to)] else f"f.refuse({to})"
        return f"{to} if {to} < {len(self._allowed)} and allowed[{to}] else f.refuse({to})"

    def _put_back(self) -> None:
        if self._stack:
            self._lines.append(f"S += ({', '.join(self._stack)},)")

    def _filled(self, form: str) -> str:
        count = next(count for count in range(8) if f"{{{count}}}" not in form)
        operands = [self._pop() for _ in range(count)]
        return form.format(*operands)

    def _pop(self) -> str:
        self._need(1)
        return self._stack.pop()

    def _push(self, value: str) -> None:
        self._stack.append(self._name())
        self._lines.append(f"{self._stack[-1]} = {value}")

    def _need(self, count: int) -> None:
        """So many of the frame's stack are names."""
        while len(self._stack) < count:
            self._stack.insert(0, self._name())
            self._lines.append(f"{self._stack[0]} = S.pop()")

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"

    def _begin_stretch(self) -> None:
        self._stretch = len(self._lines)
        self._lines += ["", ""]
        self._cost = 0

    def _end_stretch(self) -> None:
        """The fixed costs of a stretch, at its beginning (3)."""
        taken = [f"f.gas -= {self._cost}", "if f.gas < 0: raise NotQuick"] if self._cost else ["pass", "pass"]
        self._lines[self._stretch : self._stretch + 2] = taken


class _StretchWriter(_Writer):
    """Writes one stretch."""

    values = _PURE_VALUES
    effects = _PURE_EFFECTS

    def __init__(self, code: bytes, at: int, allowed: bytes) -> None:
        super().__init__(code, at, allowed)
        self.operations = self.gas = self.needs = self.room = 0

    def _write(self, operation: int) -> bool:
        ends = super()._write(operation)
        self.room = max(self.room, len(self._stack) - self.needs)
        self.operations += 1
        return ends

    def _end(self, operation: int) -> bool:
        if operation in (_JUMP, _JUMPI):
            return super()._end(operation)
        self._leave(str(self._at - 1))
        self.operations -= 1
        return True

    def _need(self, count: int) -> None:
        self.needs += max(0, count - len(self._stack))
        super()._need(count)

    def _end_stretch(self) -> None:
        """Who runs it takes the gas."""
        self.gas += self._cost
        self._lines[self._stretch : self._stretch + 2] = ["pass", "pass"]


def _allowed(code: bytes) -> bytes:
    """For each place whether a jump may go there: to a JUMPDEST that is no part of a number that is pushed."""
    found, at = bytearray(len(code)), 0
    while at < len(code):
        operation = code[at]
        found[at] = operation == _JUMPDEST
        at += operation - _PUSH0 + 1 if _PUSH1 <= operation <= _PUSH32 else 1
    return bytes(found)
