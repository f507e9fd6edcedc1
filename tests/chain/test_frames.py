"""Frames that run translated between operations give what py-evm alone gives: output, gas, failure, logs and state.

Programs at random, with all gas that they need and with less, each on the same state both ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth.vm.spoof import SpoofTransaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.chain.test_quick_calls import (
    BINARY,
    CALL,
    DELEGATE,
    STATIC,
    Scene,
    assembled,
    calling,
    push,
    returning,
    steps,
)

from belmont.chain import frames
from belmont.chain.engine import Engine, VmChainDatabase
from belmont.chain.limits import TimeIsOver, TimeLimit
from belmont.chain.store import StateNodes
from belmont.chain.vm import EmbeddedVM

SENDER = b"\xaa" * 20
ENOUGH = 3_000_000


def outcome(engine: Engine, known: frames.KnownCode | None, to: bytes, data: bytes, gas: int, value: int = 0) -> Any:
    """Everything that a transaction leaves behind, without or with `known` code."""
    header = engine.head.header
    nodes = StateNodes(engine.store)
    previous = EmbeddedVM.get_prev_hashes(header.parent_hash, VmChainDatabase(engine.store, nodes))
    state = EmbeddedVM.build_state(nodes, header, engine.context, previous or ())
    assert state.known_code is None
    if known is not None:
        state.use(known)
    state.limit = TimeLimit(20)
    state.set_balance(SENDER, 10**18)
    unsigned = PragueTransactionBuilder.create_unsigned_transaction(
        nonce=state.get_nonce(SENDER), gas_price=0, gas=gas, to=to, value=value, data=data
    )
    computation = state.apply_transaction(SpoofTransaction(unsigned, from_=SENDER, is_simulation=True))
    return (
        computation.is_success,
        None if computation.is_success else type(computation.error).__name__,
        computation.output,
        computation.get_gas_remaining(),
        computation.get_gas_refund(),
        computation.get_log_entries() if computation.is_success else None,
        state.make_state_root(),
    )


class Both:
    """Runs both ways, and holds the two together."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.known = frames.KnownCode(engine.reads)

    def agree(self, to: bytes, data: bytes = b"", gas: int = ENOUGH, value: int = 0) -> Any:
        alone = outcome(self.engine, None, to, data, gas, value)
        assert outcome(self.engine, self.known, to, data, gas, value) == alone
        return alone


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, sign: Any) -> Iterator[Scene]:
    engine = Engine.open(tmp_path_factory.mktemp("frames"))
    yield Scene(engine, sign)
    engine.close()


@pytest.fixture
def both(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Both:
    monkeypatch.setattr(frames, "TRANSLATED_FROM", 1)
    return Both(scene.engine)


@pytest.fixture(scope="module")
def helpers(scene: Scene) -> list[bytes]:
    """Contracts that others call: an echo, one that reads, reverts with data, fails, and writes and logs."""
    echo = bytes.fromhex("365f5f37365ff3")
    reads = bytes.fromhex("5f545f525f5f5360205ff3")
    reverts, fails, writes = bytes.fromhex("600a5f52600160015560205ffd"), b"\xfe", bytes.fromhex("60015f545f5560205fa0")
    return scene.deploy(echo, reads, reverts, fails, writes)


def test_programs_at_random_leave_what_py_evm_leaves(scene: Scene, helpers: list[bytes], both: Both) -> None:
    targets = [*helpers, *(number.to_bytes(20, "big") for number in (1, 2, 4)), b"\xee" * 20]
    succeeded = []

    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(st.lists(steps(), min_size=1, max_size=14), min_size=12, max_size=12),
        st.binary(max_size=80),
        st.integers(1, 99),
    )
    def run(programs: list[list[bytes]], data: bytes, share: int) -> None:
        for address in scene.deploy(*(assembled(each, targets) for each in programs)):
            found = both.agree(address, data)
            succeeded.append(found[0])
            least = 21_000 + 16 * len(data) + 10 * 4 * len(data)
            spent = ENOUGH - found[3]
            both.agree(address, data, max(least, spent * share // 100))
            both.agree(address, data, value=share)

    run()
    assert len(succeeded) == 120
    assert sum(len(each.known) for each in both.known._known.values()) > 500, "nothing ran translated"
    assert 30 < sum(succeeded) < 120, "too few succeed, or too few fail, to show anything"


def test_every_amount_of_gas_that_is_not_enough_fails_as_in_py_evm(
    scene: Scene, helpers: list[bytes], both: Both
) -> None:
    """One unit less at a time, through memory, hashing, calls and writes."""
    body = push(200) + b"\x51\x50" + push(96) + b"\x5f\x20" + push(300) + push(3) + b"\x0a\x01"
    body += push(70) + b"\x5f" + push(10) + b"\x37" + push(40) + b"\x5f" + push(500) + b"\x5e"
    body += calling(CALL, helpers[0]) + calling(STATIC, helpers[1]) + push(7) + push(9) + b"\x55"
    (address,) = scene.deploy(returning(body))
    spent = ENOUGH - both.agree(address, b"x" * 40)[3]
    least = 21_000 + 16 * 40 + 40 * 40
    errors = {both.agree(address, b"x" * 40, gas)[1] for gas in range(spent - 25_000, spent + 30, 97) if gas >= least}
    errors |= {both.agree(address, b"x" * 40, gas)[1] for gas in range(spent - 40, spent + 3)}
    assert errors >= {None, "OutOfGas"}


FAULTS = {
    "a stack that is empty": b"\x50",
    "a jump to no destination": push(9) + b"\x56\x5b",
    "a jump into a number": push(4) + b"\x56\x61\x5b\x5b",
    "a jump beyond the code": push(2**255) + b"\x56",
    "a conditional jump into a number": push(1) + push(6) + b"\x57\x61\x5b\x5b",
    "a jump that is not taken": b"\x5f" + push(2**200) + b"\x57" + push(3) + b"\x5f\x52" + push(32) + b"\x5f\xf3",
    "data that was not returned": push(1) + b"\x5f\x5f\x3e",
    "memory without end": push(2**255) + b"\x51",
    "a copy without end": push(2**255) + b"\x5f\x5f\x37",
    "hashing without end": push(2**255) + b"\x5f\x20",
    "a stack that is too high, at once": b"\x5f" * 1025,
    "a stack that is too high, by and by": b"\x5b" + b"\x5f" * 200 + b"\x5f\x56",
    "the highest stack": b"\x5f" * 1024 + b"\x00",
    "a number cut off by the end": push(5) + b"\x7f\x01\x02",
    "an operation that there is none of": push(1) + b"\x0c",
    "nothing": b"\x00",
    "a revert with data": push(77) + b"\x5f\x52" + push(32) + b"\x5f\xfd",
    "a jump at the end of the code": push(3) + b"\x56\x5b",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_py_evms(scene: Scene, both: Both, fault: str) -> None:
    (address,) = scene.deploy(FAULTS[fault])
    for gas in (ENOUGH, 22_000, 21_100):
        both.agree(address, gas=gas)


@pytest.mark.parametrize("operation", [*BINARY, 8, 9, 0x05, 0x07])
def test_arithmetic_at_the_edges(scene: Scene, both: Both, operation: int) -> None:
    edges = [0, 1, 2, 31, 32, 255, 256, 2**255 - 1, 2**255, 2**256 - 2, 2**256 - 1]
    pairs = [(a, b) for a in edges for b in edges]
    third = push(7) if operation in (8, 9) else b""
    code = b"".join(
        third + push(b) + push(a) + bytes([operation]) + push(32 * place, 2) + b"\x52"
        for place, (a, b) in enumerate(pairs)
    )
    (address,) = scene.deploy(code + push(32 * len(pairs), 2) + b"\x5f\xf3")
    assert both.agree(address)[0]


@pytest.mark.parametrize("operation", [0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3A, 0x3D, *range(0x41, 0x4B), 0x58, 0x59])
def test_what_py_evm_pushes_as_bytes_is_the_same_number_after(scene: Scene, both: Both, operation: int) -> None:
    """Compared, negated, stored and returned right after it was pushed."""
    argument = push(0) if operation == 0x49 else b""
    one = argument + bytes([operation])
    code = one + b"\x15" + one + one + b"\x14" + one + b"\x19" + one + push(1) + b"\x01"
    stores = b"".join(push(32 * place) + b"\x52" for place in range(4))
    (address,) = scene.deploy(code + stores + push(128) + b"\x5f\xf3")
    assert both.agree(address, b"data", value=3)[0]


def test_a_call_that_is_reverted_leaves_nothing_and_one_that_calls_itself_ends(
    scene: Scene, helpers: list[bytes], both: Both
) -> None:
    writes_and_asks = (
        push(5)
        + push(1)
        + b"\x55"
        + b"".join(calling(kind, helper) for kind in (CALL, DELEGATE, STATIC) for helper in helpers)
    )
    endless = b"\x5f" * 5 + b"\x30\x5a\xf1\x00"
    for address in scene.deploy(returning(writes_and_asks), endless):
        both.agree(address, gas=400_000)


def test_code_runs_translated_from_the_third_time_on_and_a_creation_never(scene: Scene) -> None:
    both = Both(scene.engine)
    (address,) = scene.deploy(returning(push(2) + push(3) + b"\x01" + push(1)))
    for times in range(1, 5):
        outcome(scene.engine, both.known, address, b"", ENOUGH)
        (stretches,) = both.known._known.values()
        assert bool(stretches.known) == (times >= frames.TRANSLATED_FROM)
    creation = returning(push(2) + push(3) + b"\x01" + push(1))
    for _ in range(5):
        outcome(scene.engine, both.known, b"", creation, ENOUGH)
    assert len(both.known._known) == 1


def test_endless_code_ends_with_its_time_translated_too(scene: Scene, both: Both) -> None:
    (address,) = scene.deploy(b"\x5b\x5f\x56")
    state = scene.engine.state(scene.engine.head.header)
    state.use(both.known)
    state.limit = TimeLimit(0.05)
    unsigned = PragueTransactionBuilder.create_unsigned_transaction(
        nonce=0, gas_price=0, gas=10**9, to=address, value=0, data=b""
    )
    with pytest.raises(TimeIsOver):
        state.apply_transaction(SpoofTransaction(unsigned, from_=SENDER, is_simulation=True))


def test_what_is_translated_is_bounded_and_forgotten_as_a_whole(
    scene: Scene, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "CODES_MAX", 3)
    for address in scene.deploy(*(returning(push(n) + push(n)) for n in range(1, 9))):
        both.agree(address)
        assert len(both.known._known) <= 3
