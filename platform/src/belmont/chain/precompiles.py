"""BLS12-381 (EIP-2537, 0x0b to 0x11) and KZG point evaluation (EIP-4844, 0x0a) natively, by arkworks and c-kzg.

py-evm runs the same in pure Python and takes seconds for one multi-scalar multiplication. Outputs, gas and refusals
here are those of the EIPs, which the tests hold against py-evm's own functions:

1. Gas is charged before anything is decoded. A refusal is a `VMError`: the call fails and its gas is gone.
2. Lengths are exact. Multi-scalar multiplication and pairing refuse the empty input (k = 0).
3. A field element is 64 bytes: 16 zero bytes and a number below the modulus. Neither excess bits nor arkworks' own flag
   bits get through, since the bytes are compared with the modulus before arkworks sees them.
4. All zeros is the point at infinity; any other point must be on the curve.
5. Multi-scalar multiplication and pairing refuse points outside the subgroup; addition takes them, as the EIP says.
6. Scalars are any 256 bits, taken modulo the order: the points are in the subgroup, so this changes nothing.
7. `multiexp_unchecked` of arkworks cuts the longer list silently: both lists are made in one loop, and compared.
8. The maps to the curve are arkworks' too (simplified SWU with isogeny, then cofactor clearing, RFC 9380).
9. The trusted setup is the file that py-evm ships, pinned by its SHA-256. It is read at the first evaluation, which
   takes about two seconds, once per process; an execution's time limit is moved by as much.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from eth.exceptions import VMError
from eth.precompiles.bls12_381.constants import (
    BLS12_G1_ADD_GAS,
    BLS12_G1_MSM_GAS,
    BLS12_G2_ADD_GAS,
    BLS12_G2_MSM_GAS,
    BLS12_MAP_FP2_G2_GAS,
    BLS12_MAP_FP_G1_GAS,
    G1_MSM_DISCOUNTS,
    G1_MSM_MAX_DISCOUNT,
    G2_MSM_DISCOUNTS,
    G2_MSM_MAX_DISCOUNT,
    MSM_MULTIPLIER,
)
from eth.precompiles.point_evaluation import TRUSTED_SETUP_PATH
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from belmont.chain.errors import ChainError

MODULUS: Final = bytes.fromhex(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"
)
SCALAR_ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
FIELD_BYTES: Final = 64
PADDING: Final = bytes(16)
G1_BYTES: Final = 2 * FIELD_BYTES
G2_BYTES: Final = 4 * FIELD_BYTES
SCALAR_BYTES: Final = 32
PAIRING_BASE_GAS: Final = 37_700
PAIRING_PAIR_GAS: Final = 32_600
POINT_EVALUATION_GAS: Final = 50_000
FIELD_ELEMENTS_PER_BLOB: Final = 4096
TRUSTED_SETUP_SHA256: Final = "d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7"

Point = TypeVar("Point", G1Point, G2Point)


def _field_elements(data: bytes) -> bytes:
    """Rule 3: the 48 significant bytes of each field element, joined."""
    elements = []
    for start in range(0, len(data), FIELD_BYTES):
        padding, element = data[start : start + 16], data[start + 16 : start + FIELD_BYTES]
        if padding != PADDING or element >= MODULUS:
            raise VMError("field element is not below the modulus")
        elements.append(element)
    return b"".join(elements)


def _point(kind: type[Point], data: bytes, in_subgroup: bool) -> Point:
    """Rules 4 and 5."""
    if not any(data):
        return kind.identity()
    coordinates = _field_elements(data)
    try:
        if in_subgroup:
            return kind.from_xy_bytes_be(coordinates)
        return kind.from_xy_bytes_unchecked_be(coordinates)
    except ValueError as error:
        raise VMError(f"invalid point: {error}") from error


def _encoded(point: G1Point | G2Point) -> bytes:
    coordinates = point.to_xy_bytes_be()
    return b"".join(PADDING + coordinates[start : start + 48] for start in range(0, len(coordinates), 48))


def _add(kind: type[Point], point_bytes: int, gas: int) -> Callable[[Any], None]:
    def add(computation: Any) -> None:
        data = computation.msg.data_as_bytes
        computation.consume_gas(gas, reason="BLS12-381 addition")
        if len(data) != 2 * point_bytes:
            raise VMError(f"input must be {2 * point_bytes} bytes")
        first = _point(kind, data[:point_bytes], in_subgroup=False)
        second = _point(kind, data[point_bytes:], in_subgroup=False)
        computation.output = _encoded(first + second)

    return add


def _multiply(
    kind: type[Point], point_bytes: int, gas: int, discounts: list[int], discount_max: int
) -> Callable[[Any], None]:
    pair_bytes = point_bytes + SCALAR_BYTES

    def multiply(computation: Any) -> None:
        data = computation.msg.data_as_bytes
        count, rest = divmod(len(data), pair_bytes)
        if count == 0 or rest:
            raise VMError(f"input must be a positive multiple of {pair_bytes} bytes")
        discount = discounts[count - 1] if count <= len(discounts) else discount_max
        computation.consume_gas(count * gas * discount // MSM_MULTIPLIER, reason="BLS12-381 MSM")
        points, scalars = [], []
        for start in range(0, len(data), pair_bytes):
            middle, end = start + point_bytes, start + pair_bytes
            points.append(_point(kind, data[start:middle], in_subgroup=True))
            scalars.append(Scalar.from_be_bytes_mod_order(data[middle:end]))
        if not len(points) == len(scalars) == count:
            raise VMError("points and scalars differ in number")
        computation.output = _encoded(kind.multiexp_unchecked(points, scalars))

    return multiply


def _pairing_check(computation: Any) -> None:
    data = computation.msg.data_as_bytes
    pair_bytes = G1_BYTES + G2_BYTES
    count, rest = divmod(len(data), pair_bytes)
    if count == 0 or rest:
        raise VMError(f"input must be a positive multiple of {pair_bytes} bytes")
    computation.consume_gas(PAIRING_BASE_GAS + PAIRING_PAIR_GAS * count, reason="BLS12-381 pairing")
    first, second = [], []
    for start in range(0, len(data), pair_bytes):
        middle, end = start + G1_BYTES, start + pair_bytes
        first.append(_point(G1Point, data[start:middle], in_subgroup=True))
        second.append(_point(G2Point, data[middle:end], in_subgroup=True))
    computation.output = int(GT.pairing_check(first, second)).to_bytes(32, "big")


def _map_to_g1(computation: Any) -> None:
    data = computation.msg.data_as_bytes
    computation.consume_gas(BLS12_MAP_FP_G1_GAS, reason="BLS12-381 map to G1")
    if len(data) != FIELD_BYTES:
        raise VMError(f"input must be {FIELD_BYTES} bytes")
    computation.output = _encoded(G1Point.map_from_fp_be(_field_elements(data)))


def _map_to_g2(computation: Any) -> None:
    data = computation.msg.data_as_bytes
    computation.consume_gas(BLS12_MAP_FP2_G2_GAS, reason="BLS12-381 map to G2")
    if len(data) != 2 * FIELD_BYTES:
        raise VMError(f"input must be {2 * FIELD_BYTES} bytes")
    computation.output = _encoded(G2Point.map_from_fp2_be(_field_elements(data)))


def _point_evaluation(computation: Any) -> None:
    """versioned hash (32) | z (32) | y (32) | commitment (48) | proof (48): p(z) = y for the committed polynomial."""
    import ckzg

    data = computation.msg.data_as_bytes
    computation.consume_gas(POINT_EVALUATION_GAS, reason="point evaluation")
    if len(data) != 192:
        raise VMError("input must be 192 bytes")
    versioned_hash, z, y, commitment, proof = data[:32], data[32:64], data[64:96], data[96:144], data[144:]
    if versioned_hash != b"\x01" + hashlib.sha256(commitment).digest()[1:]:
        raise VMError("the commitment does not match the versioned hash")
    try:
        began = time.monotonic()
        setup = trusted_setup()
        computation.state.limit.extend(time.monotonic() - began)
        holds = ckzg.verify_kzg_proof(commitment, z, y, proof, setup)
    except (RuntimeError, ValueError) as error:
        raise VMError(f"malformed proof: {error}") from error
    if not holds:
        raise VMError("the proof does not hold")
    computation.output = FIELD_ELEMENTS_PER_BLOB.to_bytes(32, "big") + SCALAR_ORDER.to_bytes(32, "big")


_setup_guard = threading.Lock()


def trusted_setup() -> Any:
    """The Ethereum KZG trusted setup, read once. Raises `ChainError` when the installed file is not the pinned one."""
    with _setup_guard:
        return _load_trusted_setup()


@cache
def _load_trusted_setup() -> Any:
    import ckzg

    path = Path(TRUSTED_SETUP_PATH)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != TRUSTED_SETUP_SHA256:
        raise ChainError(f"{path} has SHA-256 {found}, not {TRUSTED_SETUP_SHA256}: reinstall py-evm")
    return ckzg.load_trusted_setup(str(path), 0)


NATIVE_PRECOMPILES: Final[dict[bytes, Callable[[Any], None]]] = {
    number.to_bytes(20, "big"): function
    for number, function in {
        0x0A: _point_evaluation,
        0x0B: _add(G1Point, G1_BYTES, BLS12_G1_ADD_GAS),
        0x0C: _multiply(G1Point, G1_BYTES, BLS12_G1_MSM_GAS, G1_MSM_DISCOUNTS, G1_MSM_MAX_DISCOUNT),
        0x0D: _add(G2Point, G2_BYTES, BLS12_G2_ADD_GAS),
        0x0E: _multiply(G2Point, G2_BYTES, BLS12_G2_MSM_GAS, G2_MSM_DISCOUNTS, G2_MSM_MAX_DISCOUNT),
        0x0F: _pairing_check,
        0x10: _map_to_g1,
        0x11: _map_to_g2,
    }.items()
}
