"""Native precompiles against py-evm's pure Python ones and against vectors of the EIP."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from eth.db.atomic import AtomicDB
from eth.precompiles import point_evaluation
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.message import Message
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from belmont.chain import precompiles
from belmont.chain.errors import ChainError
from belmont.chain.vm import EmbeddedComputation, EmbeddedState

VECTORS = json.loads((Path(__file__).parent / "eip2537_vectors.json").read_text())
R = precompiles.SCALAR_ORDER
P = int.from_bytes(precompiles.MODULUS, "big")
GAS = 10_000_000
ADD_1, MSM_1, ADD_2, MSM_2, PAIRING, MAP_1, MAP_2 = range(0x0B, 0x12)
rng = random.Random(2537)


def run(computation_class: Any, address: int, data: bytes, gas: int = GAS) -> tuple[bool, bytes, int]:
    """(success, output, gas spent) of a call to a precompile, through the whole message call."""
    context = ExecutionContext(bytes(20), 1, 1, 0, bytes(32), 30_000_000, [], 1337, 0, 0)
    state = EmbeddedState(AtomicDB(), context, EMPTY_ROOT)
    message = Message(gas=gas, to=address.to_bytes(20, "big"), sender=bytes(20), value=0, data=data, code=b"")
    computation = computation_class.apply_message(state, message, CancunTransactionContext(0, bytes(20)))
    return computation.is_success, bytes(computation.output), gas - computation.get_gas_remaining()


EMPTY_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")


def both(address: int, data: bytes, gas: int = GAS) -> tuple[bool, bytes, int]:
    """Native result, after checking that py-evm's is the same in success, output and gas."""
    native = run(EmbeddedComputation, address, data, gas)
    assert native == run(PragueComputation, address, data, gas)
    return native


def field(value: int) -> bytes:
    return value.to_bytes(64, "big")


def encoded(point: Any) -> bytes:
    raw = point.to_xy_bytes_be()
    return b"".join(bytes(16) + raw[i : i + 48] for i in range(0, len(raw), 48))


def g1(k: int) -> bytes:
    return encoded(G1Point() * Scalar(k % R))


def g2(k: int) -> bytes:
    return encoded(G2Point() * Scalar(k % R))


def scalar(value: int) -> bytes:
    return value.to_bytes(32, "big")


INFINITY_1, INFINITY_2 = bytes(128), bytes(256)
OFF_SUBGROUP_1 = field(0) + field(2)  # order 3
NOT_ON_CURVE_1 = field(1) + field(1)


def off_subgroup_g2() -> bytes:
    """A point on the twist outside the subgroup, found by trying x."""
    for c0 in range(1, 50):
        coordinates = c0.to_bytes(48, "big") + bytes(48)
        compressed = bytearray(coordinates[48:] + coordinates[:48])
        compressed[0] |= 0x80
        try:
            point = G2Point.from_compressed_bytes_unchecked(bytes(compressed))
        except ValueError:
            continue
        if not point.is_in_subgroup():
            return encoded(point)
    raise AssertionError("no point found")


OFF_SUBGROUP_2 = off_subgroup_g2()
NOT_ON_CURVE_2 = field(1) + field(0) + field(1) + field(0)
GOOD_1, GOOD_2 = g1(5), g2(7)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_vectors_of_the_eip_give_the_expected_output_and_gas(vector: dict[str, Any]) -> None:
    success, output, gas = run(EmbeddedComputation, vector["address"], bytes.fromhex(vector["input"]))
    if "expected" in vector:
        assert (success, output.hex(), gas) == (True, vector["expected"], vector["gas"])
    else:
        assert (success, output, gas) == (False, b"", GAS)


@pytest.mark.parametrize(
    ("address", "data"),
    [
        (ADD_1, g1(3) + g1(4)),
        (ADD_1, g1(3) + g1(3)),
        (ADD_1, g1(3) + g1(R - 3)),
        (ADD_1, g1(3) + INFINITY_1),
        (ADD_1, INFINITY_1 + INFINITY_1),
        (ADD_1, OFF_SUBGROUP_1 + GOOD_1),
        (ADD_1, OFF_SUBGROUP_1 + OFF_SUBGROUP_1),
        (MSM_1, GOOD_1 + scalar(R + 1)),
        (MSM_1, GOOD_1 + scalar(2**256 - 1)),
        (MSM_1, GOOD_1 + scalar(R)),
        (MSM_1, INFINITY_1 + scalar(9)),
        (MSM_1, b"".join(g1(k) + scalar(rng.getrandbits(256)) for k in (1, 2, 3))),
        (MSM_1, GOOD_1 + scalar(0) + INFINITY_1 + scalar(0)),
        (ADD_2, g2(3) + g2(4)),
        (ADD_2, g2(3) + g2(3)),
        (ADD_2, g2(3) + g2(R - 3)),
        (ADD_2, INFINITY_2 + GOOD_2),
        (ADD_2, OFF_SUBGROUP_2 + GOOD_2),
        (MSM_2, g2(3) + scalar(rng.getrandbits(256)) + g2(4) + scalar(R - 1)),
        (MSM_2, INFINITY_2 + scalar(1)),
        (PAIRING, g1(6) + g2(1) + g1(R - 2) + g2(3)),
        (PAIRING, g1(6) + g2(1) + g1(R - 2) + g2(4)),
        (PAIRING, INFINITY_1 + GOOD_2),
        (PAIRING, GOOD_1 + INFINITY_2),
        (MAP_1, field(0)),
        (MAP_1, field(P - 1)),
        (MAP_1, field(rng.randrange(P))),
        (MAP_2, field(0) + field(0)),
        (MAP_2, field(rng.randrange(P)) + field(rng.randrange(P))),
    ],
)
def test_accepted_inputs_agree_with_py_evm_in_output_and_gas(address: int, data: bytes) -> None:
    success, output, _ = both(address, data)
    assert success
    assert output


@pytest.mark.parametrize(
    ("address", "data"),
    [
        *[(address, b"") for address in range(0x0A, 0x12)],
        *[(address, bytes(100)) for address in range(0x0A, 0x12)],
        (ADD_1, NOT_ON_CURVE_1 + GOOD_1),
        (ADD_1, GOOD_1 + field(P) + field(2)),
        (ADD_1, b"\x01" + GOOD_1[1:] + GOOD_1),
        (ADD_1, GOOD_1 + GOOD_1[:15] + b"\x01" + GOOD_1[16:]),
        (ADD_1, GOOD_1 + bytes(16) + b"\x40" + bytes(47) + field(0)),
        (ADD_1, GOOD_1 + bytes(16) + b"\x80" + GOOD_1[17:]),
        (ADD_1, GOOD_1 + GOOD_1 + b"\x00"),
        (MSM_1, OFF_SUBGROUP_1 + scalar(1)),
        (MSM_1, OFF_SUBGROUP_1 + scalar(0)),
        (MSM_1, GOOD_1 + scalar(2) + OFF_SUBGROUP_1 + scalar(3)),
        (MSM_1, NOT_ON_CURVE_1 + scalar(1)),
        (MSM_1, (GOOD_1 + scalar(2))[:-1]),
        (ADD_2, NOT_ON_CURVE_2 + GOOD_2),
        (ADD_2, GOOD_2 + field(P) + GOOD_2[64:]),
        (MSM_2, OFF_SUBGROUP_2 + scalar(1)),
        (MSM_2, NOT_ON_CURVE_2 + scalar(1)),
        (PAIRING, OFF_SUBGROUP_1 + GOOD_2),
        (PAIRING, GOOD_1 + OFF_SUBGROUP_2),
        (PAIRING, NOT_ON_CURVE_1 + GOOD_2),
        (MAP_1, field(P)),
        (MAP_1, b"\x01" + bytes(63)),
        (MAP_2, field(0) + field(P)),
        (MAP_2, field(2**384 - 1) + field(0)),
    ],
)
def test_forged_inputs_are_refused_and_take_all_gas_as_in_py_evm(address: int, data: bytes) -> None:
    assert both(address, data) == (False, b"", GAS)


@pytest.mark.parametrize("k", [1, 2, 16, 127, 128, 129, 200])
def test_multi_scalar_multiplication_charges_the_discounted_gas_of_the_eip(k: int) -> None:
    discount_1 = {1: 1000, 2: 949, 16: 677, 127: 520, 128: 519}.get(k, 519)
    discount_2 = {1: 1000, 2: 1000, 16: 717, 127: 524, 128: 524}.get(k, 524)
    assert run(EmbeddedComputation, MSM_1, (GOOD_1 + scalar(k)) * k, 50_000_000)[2] == k * 12_000 * discount_1 // 1000
    assert run(EmbeddedComputation, MSM_2, (GOOD_2 + scalar(k)) * k, 50_000_000)[2] == k * 22_500 * discount_2 // 1000


def test_a_large_multiplication_is_the_sum_of_its_parts() -> None:
    pairs = [(rng.randrange(R), rng.getrandbits(256)) for _ in range(150)]
    data = b"".join(g1(k) + scalar(s) for k, s in pairs)
    success, output, _ = run(EmbeddedComputation, MSM_1, data)
    assert success
    assert output == g1(sum(k * s for k, s in pairs))


@pytest.mark.parametrize("address", range(0x0A, 0x12))
def test_one_gas_too_little_is_out_of_gas(address: int) -> None:
    data = {
        0x0A: bytes(192),
        ADD_1: GOOD_1 * 2,
        MSM_1: GOOD_1 + scalar(1),
        ADD_2: GOOD_2 * 2,
        MSM_2: GOOD_2 + scalar(1),
        PAIRING: GOOD_1 + GOOD_2,
        MAP_1: field(1),
        MAP_2: field(1) * 2,
    }[address]
    cost = {0x0A: 50_000, ADD_1: 375, MSM_1: 12_000, ADD_2: 600, MSM_2: 22_500, PAIRING: 70_300}.get(address)
    cost = cost or {MAP_1: 5_500, MAP_2: 23_800}[address]
    assert run(EmbeddedComputation, address, data, cost - 1) == (False, b"", cost - 1)


# -- 0x0a --


def evaluation_input(y_offset: int = 0, z: int = 12_345) -> bytes:
    """An honest opening of the polynomial 7 + 3 x at z, by the setup's own [1]G1 and [tau]G1, y moved by `y_offset`."""
    tau_g1 = setup_tau_g1()
    commitment = (G1Point() * Scalar(7) + tau_g1 * Scalar(3)).to_compressed_bytes()
    proof = (G1Point() * Scalar(3)).to_compressed_bytes()
    versioned = b"\x01" + hashlib.sha256(commitment).digest()[1:]
    y = (7 + 3 * z) % R + y_offset
    return versioned + scalar(z) + scalar(y) + commitment + proof


def setup_tau_g1() -> G1Point:
    """[tau]G1: the second monomial of the pinned setup (4096 Lagrange and 65 G2 lines come before)."""
    lines = Path(precompiles.TRUSTED_SETUP_PATH).read_text().split()
    return G1Point.from_compressed_bytes(bytes.fromhex(lines[2 + 4096 + 65 + 1]))


def test_point_evaluation_accepts_an_honest_opening_as_py_evm_does(monkeypatch: pytest.MonkeyPatch) -> None:
    # py-evm reads the setup anew at every call, which takes two seconds
    monkeypatch.setattr(point_evaluation, "load_trusted_setup", lambda *_: precompiles.trusted_setup())
    success, output, gas = both(0x0A, evaluation_input())
    assert success
    assert output == (4096).to_bytes(32, "big") + R.to_bytes(32, "big")
    assert gas == 50_000


@pytest.mark.parametrize(
    "forged",
    [
        evaluation_input(y_offset=1),
        evaluation_input(y_offset=R),
        b"\x02" + evaluation_input()[1:],
        evaluation_input()[:32] + scalar(R) + evaluation_input()[64:],
        evaluation_input()[:-1] + bytes([evaluation_input()[-1] ^ 1]),
        evaluation_input() + b"\x00",
        evaluation_input()[:-48] + b"\xc0" + bytes(47),
    ],
    ids=["wrong y", "y above the order", "wrong version", "z above the order", "wrong proof", "too long", "zero proof"],
)
def test_point_evaluation_refuses_forged_openings(forged: bytes) -> None:
    assert run(EmbeddedComputation, 0x0A, forged) == (False, b"", GAS)


def test_another_trusted_setup_than_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forged = tmp_path / "setup.txt"
    forged.write_text(Path(precompiles.TRUSTED_SETUP_PATH).read_text().replace("a", "b", 1))
    monkeypatch.setattr(precompiles, "TRUSTED_SETUP_PATH", str(forged))
    precompiles._load_trusted_setup.cache_clear()
    with pytest.raises(ChainError, match="SHA-256"):
        precompiles.trusted_setup()
    monkeypatch.undo()
    precompiles._load_trusted_setup.cache_clear()
