"""Quick calls give what py-evm gives, to the byte and to the gas, or nothing at all.

Programs at random, and the forms that are hard to get right one by one; each runs both ways on the same state.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_account import Account
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from belmont.chain import calls, quick_calls, state_reads
from belmont.chain.calls import Call, CallResult, execute
from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine
from belmont.chain.errors import ChainDamaged
from belmont.chain.limits import TimeIsOver, TimeLimit
from belmont.chain.transactions import admit, intrinsic_gas
from belmont.chain.translation import BLOCK_OPS_MAX

WORD = 32
SLOTS = {0: 7, 1: 2**256 - 1, 2: 1, 5: 1 << 255, 1 << 200: 300}
"""What every contract here has in its storage."""
EMPTY_ACCOUNT = 0xEE << 100


def push(value: int, size: int = 0) -> bytes:
    data = value.to_bytes(size or max(1, (value.bit_length() + 7) // 8), "big")
    return bytes([0x5F + len(data)]) + data


def returning(code: bytes) -> bytes:
    """`code`, and then the two topmost values, how much gas is left, and 64 bytes of memory as the output."""
    return code + push(64) + b"\x52" + push(96) + b"\x52\x5a" + push(128) + b"\x52" + push(160) + b"\x5f\xf3"


def creation(runtime: bytes) -> bytes:
    stores = b"".join(push(value) + push(slot) + b"\x55" for slot, value in SLOTS.items())
    head = len(stores) + 13
    return stores + push(len(runtime), 2) + push(head, 2) + b"\x5f\x39" + push(len(runtime), 2) + b"\x5f\xf3" + runtime


class Scene:
    """A chain with contracts on it, and both ways to call them."""

    def __init__(self, engine: Engine, sign: Any) -> None:
        self.engine, self._sign = engine, sign

    def deploy(self, *runtimes: bytes) -> list[bytes]:
        owner = Account.from_key(secrets.token_bytes(32))
        raws = [
            self._sign(owner, nonce=nonce, to="", data=creation(each), gas=1_500_000)
            for nonce, each in enumerate(runtimes)
        ]
        outcomes = self.engine.seal([admit(raw, 1337, BLOCK_GAS_SPENDABLE) for raw in raws])
        assert {each.status for each in outcomes.values()} == {"included"}
        maker = bytes.fromhex(owner.address[2:])
        return [keccak(rlp.encode([maker, nonce]))[12:] for nonce in range(len(runtimes))]

    def quick(self, call: Call) -> tuple[bytes, int] | None:
        run = self.engine.run(self.engine.head.header, TimeLimit(5))
        return calls.quick(run, call.sender, call.to or b"", call.data, call.gas - intrinsic_gas(call.data))

    def by_py_evm(self, call: Call) -> CallResult:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(calls, "quick", lambda *_: None)
            return execute(self.engine, self.engine.head.header, call)

    def agree(self, call: Call) -> bool:
        """Both ways agree; whether the quick one had an answer."""
        slow = self.by_py_evm(call)
        assert execute(self.engine, self.engine.head.header, call) == slow
        return self.quick(call) is not None


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, sign: Any) -> Iterator[Scene]:
    engine = Engine.open(tmp_path_factory.mktemp("quick"))
    yield Scene(engine, sign)
    engine.close()


@pytest.fixture(scope="module")
def helpers(scene: Scene) -> list[bytes]:
    """Contracts that others call: an echo, one that reads, one that reverts, one that fails, one that writes."""
    echo = bytes.fromhex("365f5f37365ff3")
    reads = bytes.fromhex("5f545f525f5f5360205ff3")
    reverts, fails, writes = bytes.fromhex("60205ffd"), b"\xfe", bytes.fromhex("60015f5500")
    return scene.deploy(echo, reads, reverts, fails, writes)


WORDS = st.one_of(
    st.sampled_from([0, 1, 2, 3, 31, 32, 33, 64, 255, 256, 257, 2**255, 2**255 - 1, 2**256 - 1, 1 << 200]),
    st.integers(0, 2**256 - 1),
)
BINARY = [
    0x01,
    0x02,
    0x03,
    0x04,
    0x06,
    0x0A,
    0x0B,
    0x10,
    0x11,
    0x12,
    0x13,
    0x14,
    0x16,
    0x17,
    0x18,
    0x1A,
    0x1B,
    0x1C,
    0x1D,
]
OTHERS = [0x05, 0x07, 0x31, 0x40, 0x41, 0x44, 0x47, 0x48, 0x49, 0x1E, 0xF0, 0xF5, 0xFF]
"""Not known to quick calls."""


@st.composite
def steps(draw: Any) -> bytes:
    """A step of a program, which mostly leaves the stack higher than it found it."""
    small = st.sampled_from([0, 1, 5, 31, 32, 60, 200])
    match draw(st.integers(0, 15)):
        case 0 | 1:
            return push(draw(WORDS))
        case 2 | 3:
            return push(draw(WORDS)) + push(draw(WORDS)) + bytes([draw(st.sampled_from(BINARY))])
        case 4:
            return bytes([draw(st.sampled_from([0x80, 0x81, 0x83, 0x8F, 0x90, 0x91, 0x94, 0x15, 0x19]))])
        case 5:
            return push(draw(small)) + bytes([draw(st.sampled_from([0x51, 0x35, 0x54, 0x5C]))])
        case 6:
            return push(draw(WORDS)) + push(draw(small)) + bytes([draw(st.sampled_from([0x52, 0x53]))])
        case 7:
            operation = draw(st.sampled_from([0x37, 0x39, 0x5E, 0x3E]))
            return push(draw(small)) + push(draw(small)) + push(draw(small)) + bytes([operation])
        case 8:
            return push(draw(small)) + push(draw(small)) + b"\x20"
        case 9:
            names = [0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3A, 0x3D, 0x42, 0x43, 0x46, 0x58, 0x59, 0x5A, 0x5F]
            return bytes([draw(st.sampled_from(names))])
        case 10:
            return push(draw(WORDS)) + push(draw(WORDS)) + push(draw(WORDS)) + bytes([draw(st.sampled_from([8, 9]))])
        case 11 | 12:
            slot, value = draw(st.sampled_from([0, 1, 2, 3, 5])), draw(st.sampled_from([0, 1, 7, 2**255]))
            return push(value) + push(slot) + bytes([draw(st.sampled_from([0x55, 0x55, 0x5D]))])
        case 13:
            topics = draw(st.integers(0, 4))
            return push(9) * topics + push(draw(small)) + push(draw(small)) + bytes([0xA0 + topics])
        case 14:
            return b"CALL" + bytes([draw(st.integers(0, 9)), draw(st.integers(0, 2)), draw(st.integers(0, 90))])
        case _:
            return b"JUMP" + bytes([draw(st.integers(0, 2))])


def assembled(parts: list[bytes], targets: list[bytes]) -> bytes:
    """Calls and jumps with their addresses; jumps go forward over one push."""
    code = b"".join(push(3 + place, 1) for place in range(17))
    for part in parts:
        if part.startswith(b"CALL"):
            address = push(int.from_bytes(targets[part[4] % len(targets)], "big"))
            kind = (0xFA, 0xF4, 0xF1)[part[5]]
            value = b"\x5f" if kind == 0xF1 else b""
            code += push(40) + push(7) + push(part[6]) + push(3) + value + address + b"\x5a" + bytes([kind])
        elif part.startswith(b"JUMP"):
            condition = push(part[4] & 1) if part[4] else b""
            landing = len(code) + len(condition) + 5 + (part[4] == 2)
            code += condition + push(landing, 2) + (b"\x57" if condition else b"\x56") + b"\x5f\x5b"
        else:
            code += part
    return returning(code)


def test_programs_at_random_give_what_py_evm_gives(scene: Scene, helpers: list[bytes]) -> None:
    precompiled = [number.to_bytes(20, "big") for number in (1, 2, 4)]
    targets = [*helpers[:2], *precompiled[1:], helpers[2], helpers[3], helpers[4], precompiled[0], b"\xee" * 20]
    answered = []

    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.lists(steps(), min_size=1, max_size=14), min_size=12, max_size=12), st.binary(max_size=80))
    def run(programs: list[list[bytes]], data: bytes) -> None:
        for address in scene.deploy(*(assembled(each, targets) for each in programs)):
            answered.append(scene.agree(Call(to=address, data=data)))

    run()
    assert len(answered) == 144
    assert sum(answered) > 40, "too few were quick to show anything"


@pytest.mark.parametrize("operation", [*BINARY, 8, 9])
def test_arithmetic_at_the_edges(scene: Scene, operation: int) -> None:
    edges = [0, 1, 2, 31, 32, 255, 256, 2**255 - 1, 2**255, 2**256 - 2, 2**256 - 1]
    pairs = [(a, b) for a in edges for b in edges]
    third = push(7) if operation in (8, 9) else b""
    code = b"".join(
        third + push(b) + push(a) + bytes([operation]) + push(WORD * place, 2) + b"\x52"
        for place, (a, b) in enumerate(pairs)
    )
    (address,) = scene.deploy(code + push(WORD * len(pairs), 2) + b"\x5f\xf3")
    assert scene.agree(Call(to=address))


@pytest.mark.parametrize("operation", OTHERS)
def test_what_it_does_not_know_is_left_to_py_evm(scene: Scene, operation: int) -> None:
    (address,) = scene.deploy(returning(b"\x5f" * 8 + bytes([operation]) + b"\x5f" * 3))
    assert not scene.agree(Call(to=address))


def test_reverts_faults_and_precompiles_are_left_to_py_evm(scene: Scene, helpers: list[bytes]) -> None:
    _, _, reverts, fails, _ = helpers
    for address in (reverts, fails, (4).to_bytes(20, "big"), bytes(20)):
        assert not scene.agree(Call(to=address))
    faults = {
        "a stack that is empty": b"\x50",
        "a jump to no destination": push(9) + b"\x56\x5b",
        "a jump into a number": push(4) + b"\x56\x61\x5b\x5b",
        "a jump beyond the code": push(2**255) + b"\x56",
        "data that was not returned": push(1) + b"\x5f\x5f\x3e",
        "memory without end": push(2**255) + b"\x51",
        "a stack that is too high": b"\x5b" + b"\x5f" * 200 + b"\x5f\x56",
    }
    for address in scene.deploy(*faults.values()):
        assert not scene.agree(Call(to=address))


def test_gas_that_is_not_enough_is_left_to_py_evm_and_enough_is_exact(scene: Scene, helpers: list[bytes]) -> None:
    inner = push(int.from_bytes(helpers[1], "big"))
    (address,) = scene.deploy(returning(b"\x5f" * 4 + inner + b"\x5a\xfa\x5f\x54"))
    spent = scene.by_py_evm(Call(to=address)).gas_spent
    assert scene.agree(Call(to=address, gas=spent + 3_000))
    answered = {scene.agree(Call(to=address, gas=spent - less)) for less in range(1, 400, 13)}
    assert answered == {False}


WRITTEN = [0, 1, 7, 2**255]


@pytest.mark.parametrize("before", [0, 7])
def test_every_order_of_three_writes_to_one_slot_costs_and_gives_back_what_it_should(scene: Scene, before: int) -> None:
    """EIP-2200 and EIP-3529 tell apart what was there, what is there and what is written."""
    slot = {0: 3, 7: 0}[before]
    orders = [(a, b, c) for a in WRITTEN for b in WRITTEN for c in WRITTEN]
    codes = [returning(b"".join(push(v) + push(slot) + b"\x55" for v in each) + b"\x5f" * 2) for each in orders]
    for start in range(0, len(codes), 16):
        for address in scene.deploy(*codes[start : start + 16]):
            assert scene.agree(Call(to=address))


CALL, DELEGATE, STATIC = 0xF1, 0xF4, 0xFA


def calling(kind: int, address: bytes) -> bytes:
    """A call with neither data nor value, all gas, and nothing taken of its output; leaves whether it succeeded."""
    value = b"\x5f" if kind == CALL else b""
    return b"\x5f" * 4 + value + push(int.from_bytes(address, "big")) + b"\x5a" + bytes([kind])


def words(output: bytes) -> list[int]:
    return [int.from_bytes(output[at : at + WORD], "big") for at in range(0, len(output), WORD)]


def test_writes_are_seen_by_the_call_itself_and_by_nobody_else(scene: Scene) -> None:
    # Adds one to transient slot 0 and to slot 0, which holds 7, and gives both.
    (counts,) = scene.deploy(bytes.fromhex("60015f5c01805f5d5f5260015f5401805f5560205260405ff3"))
    header = scene.engine.head.header
    for _ in range(2):
        assert scene.agree(Call(to=counts))
        assert words(execute(scene.engine, header, Call(to=counts)).output) == [1, 8]
    twice = (
        calling(CALL, counts) + b"\x50" + calling(CALL, counts) + push(64) + b"\x5f\x5f\x3e" + push(64) + b"\x5f\xf3"
    )
    (address,) = scene.deploy(twice)
    assert scene.agree(Call(to=address))
    assert words(execute(scene.engine, scene.engine.head.header, Call(to=address)).output) == [2, 9]


@pytest.mark.parametrize("change", ["5f5f55", "5f5f5d", "5f5fa0", "5f5f5fa1"])
def test_a_change_inside_a_call_that_only_reads_is_left_to_py_evm(scene: Scene, change: str) -> None:
    (inner,) = scene.deploy(bytes.fromhex(change))
    (through,) = scene.deploy(calling(DELEGATE, inner) + b"\x50")
    tells = b"\x5f\x52" + push(WORD) + b"\x5f\xf3"
    for target in (inner, through):
        assert scene.agree(Call(to=target))
        (static,) = scene.deploy(calling(STATIC, target) + tells)
        assert not scene.agree(Call(to=static))
    (static,) = scene.deploy(calling(STATIC, inner) + tells)
    assert words(execute(scene.engine, scene.engine.head.header, Call(to=static)).output) == [0]


def test_a_write_with_the_stipend_left_is_left_to_py_evm(scene: Scene) -> None:
    """EIP-2200: with 2,300 gas or less nothing is written, whatever it would cost."""
    (address,) = scene.deploy(push(7) + b"\x5f\x55")
    before = 21_000 + 5
    assert not scene.agree(Call(to=address, gas=before + 2_300))
    assert scene.agree(Call(to=address, gas=before + 2_301))


def test_an_estimate_is_a_limit_with_which_the_transaction_is_included(scene: Scene, sign: Any) -> None:
    """Also where gas is given back only after it was needed."""
    clears = b"".join(b"\x5f" + push(slot) + b"\x55" for slot in SLOTS)
    sets = b"".join(push(9) + push(slot, 2) + b"\x55" for slot in range(300, 310))
    for address in scene.deploy(clears, sets + b"\x5f\x5f\xa0"):
        owner = Account.from_key(secrets.token_bytes(32))
        call = Call(sender=bytes.fromhex(owner.address[2:]), to=address)
        gas, result = calls.estimate_gas(scene.engine, scene.engine.head.header, call)
        assert scene.quick(call) is not None
        raw = sign(owner, to=address, gas=gas)
        transaction = admit(raw, 1337, BLOCK_GAS_SPENDABLE)
        scene.engine.seal([transaction])
        row = scene.engine.store.transaction_by_hash(transaction.hash)
        receipt = json.loads(row.receipt)  # type: ignore[union-attr]
        assert receipt["status"] == "0x1"
        assert int(receipt["gasUsed"], 16) == result.gas_used <= gas


def test_a_block_of_code_longer_than_is_taken_at_once(scene: Scene) -> None:
    code = (push(1) + b"\x01") * BLOCK_OPS_MAX
    (address,) = scene.deploy(returning(b"\x5f" + code + b"\x5f"))
    assert scene.agree(Call(to=address))


def test_calls_in_calls_are_answered_to_a_depth_and_beyond_it_by_py_evm(scene: Scene) -> None:
    """A contract that calls itself as often as its data say."""
    body = "5f35 8015 601f 57 6001 9003 5f52 6020 6020 6020 5f 30 5a fa 6020 51 6001 01 5f52 6020 5ff3 5b5f5260205ff3"
    code = bytearray(bytes.fromhex(body.replace(" ", "")))
    code[5] = code.index(0x5B)
    (address,) = scene.deploy(bytes(code))
    deep = {depth: scene.agree(Call(to=address, data=depth.to_bytes(32, "big"))) for depth in (0, 1, 20, 40)}
    assert deep == {0: True, 1: True, 20: True, 40: False}


def test_delegated_code_is_left_to_py_evm(scene: Scene, sign: Any, helpers: list[bytes]) -> None:
    owner, other = (Account.from_key(secrets.token_bytes(32)) for _ in range(2))
    named = {"chainId": 1337, "address": helpers[0], "nonce": 0}
    raw = sign(other, type=4, gas=300_000, authorizationList=[owner.sign_authorization(named)])
    scene.engine.seal([admit(raw, 1337, BLOCK_GAS_SPENDABLE)])
    owner_address = bytes.fromhex(owner.address[2:])
    assert not scene.agree(Call(to=owner_address, data=b"hello"))
    assert scene.by_py_evm(Call(to=owner_address, data=b"hello")).output == b"hello"


def test_an_account_that_nobody_made_answers_with_nothing(scene: Scene) -> None:
    assert scene.agree(Call(to=b"\xee" * 20, data=b"\x01\x02"))


def test_endless_code_ends_with_its_time(scene: Scene) -> None:
    (address,) = scene.deploy(b"\x5b\x5f\x56")
    run = scene.engine.run(scene.engine.head.header, TimeLimit(0.05))
    began = time.monotonic()
    with pytest.raises(TimeIsOver):
        calls.quick(run, bytes(20), address, b"", 10**12)
    assert time.monotonic() - began < 5


def test_a_call_sees_the_block_that_it_is_asked_for(scene: Scene, sign: Any) -> None:
    # Without data it returns slot 0, with data it adds one to it.
    (address,) = scene.deploy(bytes.fromhex("36600c575f545f5260205ff35b60015f54015f5500"))
    before = scene.engine.head.header
    assert execute(scene.engine, before, Call(to=address)).output == (7).to_bytes(32, "big")
    owner = Account.from_key(secrets.token_bytes(32))
    scene.engine.seal([admit(sign(owner, to=address, data=b"\x01"), 1337, BLOCK_GAS_SPENDABLE)])
    after = scene.engine.head.header
    for header, value in ((after, 8), (before, 7), (after, 8)):
        result = execute(scene.engine, header, Call(to=address))
        assert int.from_bytes(result.output, "big") == value


def test_slots_and_accounts_are_those_of_py_evms_state(scene: Scene, helpers: list[bytes]) -> None:
    header, reads = scene.engine.head.header, scene.engine.reads
    state = scene.engine.state(header)
    for address in (*helpers, b"\xee" * 20, bytes(20)):
        account = reads.account(bytes(header.state_root), address)
        assert (account is not None) == state.account_exists(address)
        for slot in (*SLOTS, 3, 2**256 - 1):
            found = reads.slot(account.storage_root, slot) if account else 0
            assert found == state.get_storage(address, slot)
        if account:
            assert reads.code(account.code_hash) == state.get_code(address)


def test_a_part_of_the_state_that_is_missing_is_damage_and_no_answer(tmp_path: Path, sign: Any) -> None:
    engine = Engine.open(tmp_path)
    try:
        scene = Scene(engine, sign)
        (address,) = scene.deploy(returning(b"\x5f\x54\x5f\x54"))
        assert scene.agree(Call(to=address))
        root = engine.reads.account(bytes(engine.head.header.state_root), address).storage_root  # type: ignore[union-attr]
    finally:
        engine.close()
    engine = Engine.open(tmp_path)
    try:
        with engine.store.transaction():
            engine.store._writer.execute("delete from nodes where hash=?", (root,))
        with pytest.raises(ChainDamaged, match="missing"):
            execute(engine, engine.head.header, Call(to=address))
    finally:
        engine.close()


def test_what_is_remembered_is_bounded_and_forgotten_as_a_whole(
    scene: Scene, helpers: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for remembered in (scene.engine._codes._known, scene.engine.reads._decoded, scene.engine.reads._hashes):
        remembered.clear()
    monkeypatch.setattr(quick_calls, "CODES_MAX", 2)
    monkeypatch.setattr(state_reads, "DECODED_NODES_MAX", 3)
    monkeypatch.setattr(state_reads, "HASHES_MAX", 3)
    for _ in range(2):
        for address in (*helpers, *helpers):
            scene.agree(Call(to=address))
            assert len(scene.engine._codes._known) <= 2
            assert len(scene.engine.reads._decoded) <= 3 and len(scene.engine.reads._hashes) <= 3
