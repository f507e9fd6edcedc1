"""Strangers who want the chain to stop: gas is free, so time is limited. An honest client is served beside them."""

from __future__ import annotations

import http.client
import itertools
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth.vm.forks.prague.computation import PragueComputation
from eth_account import Account
from eth_account.signers.local import LocalAccount

from belmont.chain import engine as engine_module
from belmont.chain import limits
from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine
from belmont.chain.errors import ChainError, RpcRefused
from belmont.chain.limits import TooCostly
from belmont.chain.node import HELD_BACK_MAX, Node
from belmont.chain.process import ChainProcess
from belmont.chain.transactions import admit
from belmont.chain.transport import JsonRpcTransport
from belmont.chain.vm import EmbeddedComputation

HONEST_SECONDS = 6.0
"""More than the four that one block may take: the machine that runs this is shared."""

ENDLESS = bytes.fromhex("5b600056")
LOG_FLOOD = bytes.fromhex("5b" + "5f5fa0" * 100 + "5a6203d09010600057")
G1 = (1).to_bytes(32) + (2).to_bytes(32)
G2 = b"".join(
    number.to_bytes(32)
    for number in (
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
    )
)


def blake2_input(rounds: int) -> bytes:
    return rounds.to_bytes(4) + bytes(208) + b"\x01"


def modexp_input(base: int, exponent: int, modulus: int) -> bytes:
    lengths = b"".join(length.to_bytes(32) for length in (base, exponent, modulus))
    return lengths + b"\xff" * (base + exponent) + b"\xff" * (modulus - 1) + b"\xfd"


def precompile(number: int) -> str:
    return f"0x{number:040x}"


ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "an endless loop": ({"to": "", "data": ENDLESS, "gas": BLOCK_GAS_SPENDABLE}, "more than 2 s"),
    "350 pairings": ({"to": precompile(8), "data": (G1 + G2) * 350, "gas": 20_000_000}, "350 pairs"),
    "a long exponent": ({"to": precompile(5), "data": modexp_input(1, 100_000, 1), "gas": 20_000_000}, "0x05"),
    "many rounds": ({"to": precompile(9), "data": blake2_input(20_000_000), "gas": 25_000_000}, "20000000 rounds"),
    "a flood of logs": ({"to": "", "data": LOG_FLOOD, "gas": BLOCK_GAS_SPENDABLE}, "4096 logs"),
}


def new_account() -> LocalAccount:
    return Account.from_key(secrets.token_bytes(32))


@pytest.fixture
def attacked(tmp_path: Path) -> Iterator[ChainProcess]:
    """A chain of its own; killed in the end, for what it still executes."""
    with ChainProcess.start(tmp_path / "chain", heartbeat_seconds=1) as process:
        yield process
        process.kill()


class Honest:
    """An account that sends small transactions, and looks at the head's age."""

    def __init__(self, url: str, sign: Any) -> None:
        self.transport = JsonRpcTransport(url, 20)
        self.account = new_account()
        self.nonces = itertools.count()
        self.sign = sign
        self.worst_head_age = 0.0

    def sends(self) -> float:
        """Seconds until a transaction is sealed."""
        started = time.monotonic()
        raw = self.sign(self.account, nonce=next(self.nonces))
        sealed = self.transport.request("eth_sendRawTransaction", ["0x" + raw.hex()])
        seconds = time.monotonic() - started
        assert self.transport.request("eth_getTransactionReceipt", [sealed])["status"] == "0x1"
        self.looks()
        return seconds

    def looks(self) -> None:
        head = self.transport.request("eth_getBlockByNumber", ["latest", False])
        self.worst_head_age = max(self.worst_head_age, time.time() - int(head["timestamp"], 16))

    def calls(self) -> float:
        """Seconds until a call is answered."""
        started = time.monotonic()
        assert self.transport.request("eth_call", [{"to": precompile(4), "data": "0x01"}, "latest"]) == "0x01"
        return time.monotonic() - started


@pytest.fixture
def honest(attacked: ChainProcess, sign: Any) -> Honest:
    return Honest(attacked.url, sign)


def send(url: str, raw: bytes) -> str:
    """The refusal, or "" when it was included."""
    try:
        JsonRpcTransport(url, 60).request("eth_sendRawTransaction", ["0x" + raw.hex()])
    except RpcRefused as error:
        return str(error)
    return ""


def test_every_attack_is_refused_while_an_honest_transaction_is_sealed(
    attacked: ChainProcess, honest: Honest, sign: Any
) -> None:
    with ThreadPoolExecutor(1) as pool:
        for name, (fields, message) in ATTACKS.items():
            attack = pool.submit(send, attacked.url, sign(new_account(), **fields))
            time.sleep(0.05)
            assert honest.sends() < HONEST_SECONDS, name
            assert message in attack.result(), name
    assert honest.worst_head_age < HONEST_SECONDS


def test_many_strangers_with_endless_loops_do_not_keep_an_honest_transaction_waiting(
    attacked: ChainProcess, honest: Honest, sign: Any
) -> None:
    fields, _ = ATTACKS["an endless loop"]
    raws = [sign(new_account(), **fields) for _ in range(20)]
    threads = [threading.Thread(target=_ignoring, args=(send, attacked.url, raw), daemon=True) for raw in raws]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert max(honest.sends() for _ in range(4)) < HONEST_SECONDS
    assert honest.worst_head_age < HONEST_SECONDS
    assert any(thread.is_alive() for thread in threads), "the attack was over before the honest client was served"
    attacked.kill()
    for thread in threads:
        thread.join(10)


def _ignoring(function: Callable[..., Any], *arguments: Any) -> None:
    try:
        function(*arguments)
    except ChainError:
        return


def test_a_sender_that_wasted_time_is_held_back_and_others_are_not(
    attacked: ChainProcess, honest: Honest, sign: Any
) -> None:
    stranger = new_account()
    endless = [sign(stranger, to="", data=ENDLESS, gas=BLOCK_GAS_SPENDABLE - n) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        started = time.monotonic()
        refusals = list(pool.map(lambda raw: send(attacked.url, raw), endless))
    assert time.monotonic() - started < 2 * HONEST_SECONDS
    assert sum("more than 2 s" in refusal for refusal in refusals) == 1
    assert sum("held back" in refusal for refusal in refusals) == 3
    assert "held back for" in send(attacked.url, sign(stranger))
    assert honest.sends() < HONEST_SECONDS


def test_transactions_that_come_too_early_do_not_stop_the_heartbeat(
    attacked: ChainProcess, honest: Honest, sign: Any
) -> None:
    first = int(honest.transport.request("eth_blockNumber"), 16)
    with ThreadPoolExecutor(15) as pool:
        for _ in range(15):
            pool.submit(send, attacked.url, sign(new_account(), nonce=5))
            time.sleep(0.2)
            honest.looks()
    assert int(honest.transport.request("eth_blockNumber"), 16) > first
    assert honest.worst_head_age < 3.5


def endless_call(identifier: int) -> dict[str, Any]:
    parameters = [{"data": "0x" + ENDLESS.hex()}, "latest"]
    return {"jsonrpc": "2.0", "id": identifier, "method": "eth_call", "params": parameters}


def post(port: int, document: Any) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/", json.dumps(document).encode(), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_a_batch_of_endless_calls_has_five_seconds_in_all_and_honest_calls_go_on(
    attacked: ChainProcess, honest: Honest
) -> None:
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        attack = pool.submit(post, attacked.port, [endless_call(n) for n in range(200)])
        time.sleep(0.3)
        assert max(honest.calls() for _ in range(10)) < 2
        assert honest.sends() < 2
        assert not attack.done()
        answers = attack.result()
    assert time.monotonic() - started < 20
    assert len(answers) == 200
    assert all("execution aborted (timeout" in answer["error"]["message"] for answer in answers)
    assert honest.worst_head_age < 4


def test_endless_calls_over_many_connections_leave_honest_calls_an_answer(
    attacked: ChainProcess, honest: Honest
) -> None:
    def attack() -> None:
        try:
            post(attacked.port, endless_call(1))
        except (OSError, http.client.HTTPException):
            return  # the chain was killed below

    threads = [threading.Thread(target=attack, daemon=True) for _ in range(24)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    assert max(honest.calls() for _ in range(4)) < HONEST_SECONDS
    assert honest.sends() < HONEST_SECONDS
    attacked.kill()
    for thread in threads:
        thread.join(10)


# -- the engine --


def admitted(raw: bytes) -> Any:
    return admit(raw, 1337, BLOCK_GAS_SPENDABLE)


def test_the_rest_of_a_batch_is_sealed_and_replays_without_the_one_that_took_too_long(
    tmp_path: Path, sign: Any, monkeypatch: pytest.MonkeyPatch, replay: Callable[[Path], int]
) -> None:
    monkeypatch.setattr(engine_module, "TRANSACTION_SECONDS_MAX", 0.5)
    engine = Engine.open(tmp_path)
    stranger = new_account()
    writes = bytes.fromhex("600160005560015f55") + ENDLESS[:1] + bytes.fromhex("600956")  # two slots, then for ever
    batch = [
        admitted(sign(new_account(), to="", data=bytes.fromhex("60015f55"), gas=200_000)),
        admitted(sign(stranger, to="", data=writes, gas=20_000_000)),
        admitted(sign(stranger, nonce=1)),
        admitted(sign(new_account(), to="", data=bytes.fromhex("60025f55"), gas=200_000)),
    ]
    outcomes = engine.seal(batch)
    assert [outcomes[tx.hash].status for tx in batch] == ["included", "refused", "early", "included"]
    assert 0.5 <= outcomes[batch[1].hash].wasted_seconds < 5
    assert engine.state(engine.head.header).get_nonce(bytes.fromhex(stranger.address[2:])) == 0
    engine.close()
    assert replay(tmp_path) == 2


def test_a_block_takes_nothing_new_after_its_time_and_nothing_after_a_deferred_one(
    tmp_path: Path, sign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.open(tmp_path)
    busy = new_account()
    batch = [admitted(sign(busy, nonce=n, to="", data=b"", gas=100_000)) for n in range(3)]
    looks = itertools.count(step=0.4 * engine_module.BLOCK_SECONDS)  # at the clock: its time is over at the fourth
    clock = SimpleNamespace(time=time.time, monotonic=lambda: next(looks))
    monkeypatch.setattr(engine_module, "time", clock)
    outcomes = engine.seal(batch)
    assert [outcomes[tx.hash].status for tx in batch] == ["included", "deferred", "deferred"]
    assert [o.status for o in engine.seal(batch[1:]).values()] == ["included", "deferred"]
    engine.close()


def test_a_contract_cannot_catch_that_its_call_was_too_costly(tmp_path: Path, sign: Any) -> None:
    engine = Engine.open(tmp_path)
    # CALL 0x08 with five pairs of zeros, drop the result, return
    code = bytes.fromhex("5f5f6103c05f5f60085af1505f5ff3")
    (outcome,) = engine.seal([admitted(sign(new_account(), to="", data=code, gas=1_000_000))]).values()
    assert outcome.status == "refused"
    assert "5 pairs, at most 4" in outcome.reason
    engine.close()


def run_precompile(kind: Any, number: int, data: bytes, gas: int = 30_000_000) -> tuple[bytes, int]:
    """Output and gas, by `kind`'s own table."""
    used = 0

    def consume_gas(amount: int, reason: str) -> None:
        nonlocal used
        used += amount

    computation = SimpleNamespace(
        msg=SimpleNamespace(data=data, data_as_bytes=data),
        output=b"",
        consume_gas=consume_gas,
        get_gas_remaining=lambda: gas,
    )
    kind.get_precompiles()[number.to_bytes(20)](computation)
    return computation.output, used


@pytest.mark.parametrize(
    ("number", "fits", "exceeds"),
    [
        (0x05, modexp_input(256, 32, 256), modexp_input(512, 512, 512)),
        (0x05, modexp_input(1, 45_000, 1), modexp_input(1, 46_000, 1)),
        (0x08, (bytes(64) + G2) * 2, bytes(192) * 5),
        (0x09, blake2_input(1_000), blake2_input(10_001)),
    ],
)
def test_a_limited_precompile_does_what_py_evms_does_or_is_refused(number: int, fits: bytes, exceeds: bytes) -> None:
    assert run_precompile(EmbeddedComputation, number, fits) == run_precompile(PragueComputation, number, fits)
    with pytest.raises(TooCostly, match=f"{number:#04x} is not run here"):
        run_precompile(EmbeddedComputation, number, exceeds)


@pytest.mark.parametrize(
    ("number", "cost", "data"),
    [
        *[
            (0x05, limits.modexp_cost, modexp_input(*sizes))
            for sizes in itertools.product((0, 1, 64), (0, 1, 33, 90), (1, 32))
        ],
        (0x05, limits.modexp_cost, b""),
        (0x05, limits.modexp_cost, b"\xff" * 96),
        (0x05, limits.modexp_cost, modexp_input(3, 40, 5)[:110]),
        (0x08, limits.pairing_cost, b""),
        (0x08, limits.pairing_cost, bytes(192)),
        (0x09, limits.blake2_cost, blake2_input(77)),
    ],
)
def test_the_gas_that_decides_whether_a_precompile_could_be_paid_is_py_evms(
    number: int, cost: Callable[[bytes], tuple[int, str]], data: bytes
) -> None:
    charged = []

    class Charged(Exception):
        pass

    def consume_gas(amount: int, reason: str) -> None:
        charged.append(amount)
        raise Charged

    message = SimpleNamespace(data=data, data_as_bytes=data)
    with pytest.raises(Charged):
        PragueComputation.get_precompiles()[number.to_bytes(20)](SimpleNamespace(msg=message, consume_gas=consume_gas))
    assert cost(data)[0] == charged[0]


def test_what_could_not_be_paid_fails_as_everywhere(tmp_path: Path, sign: Any, replay: Callable[[Path], int]) -> None:
    engine = Engine.open(tmp_path)
    raw = sign(new_account(), to=precompile(8), data=bytes(192) * 5, gas=100_000)
    assert [o.status for o in engine.seal([admitted(raw)]).values()] == ["included"]
    engine.close()
    assert replay(tmp_path) == 1


def test_the_senders_held_back_are_forgotten_in_time_and_never_too_many(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    node = Node(engine)
    try:
        for number in range(HELD_BACK_MAX + 50):
            node._hold_back(number.to_bytes(20), 1.0)
        assert len(node._held_back) == HELD_BACK_MAX
        node._hold_back(b"short", 0.001)
        time.sleep(0.05)
        assert node._why_held_back(b"short") == ""
        assert "held back for" in node._why_held_back((HELD_BACK_MAX + 49).to_bytes(20))
    finally:
        node.lanes.stop()
        node.readers.shutdown()
        node._sealer.shutdown()
        engine.close()
