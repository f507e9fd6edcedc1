"""Admission: what is refused before it reaches a block, and why."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
import rlp
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.chain.errors import TransactionRefused
from belmont.chain.transactions import RAW_BYTES_MAX, admit

CHAIN, GAS_MAX = 1337, 30_000_000
ACCOUNT = Account.from_key(secrets.token_bytes(32))
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.mark.parametrize(
    "fields",
    [
        {"gasPrice": 0},
        {"gasPrice": 0, "type": 1, "accessList": [{"address": "0x" + "22" * 20, "storageKeys": ["0x" + "00" * 32]}]},
        {"type": 2},
        {"to": "", "data": b"\x00" * 100},
    ],
    ids=["legacy", "access list", "dynamic fee", "creation"],
)
def test_all_supported_types_are_admitted_with_their_sender(sign: Any, fields: dict[str, Any]) -> None:
    admitted = admit(sign(ACCOUNT, **fields), CHAIN, GAS_MAX)
    assert "0x" + admitted.sender.hex() == ACCOUNT.address.lower()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"chainId": 1}, "invalid chain id: have 1, want 1337"),
        ({"gasPrice": 0, "chainId": 1}, "invalid chain id: have 1, want 1337"),
        ({"gas": GAS_MAX + 1}, "exceeds block gas limit"),
        ({"gas": 20_999}, "intrinsic gas too low"),
        ({"gas": 21_000, "data": b"\x01"}, "intrinsic gas too low"),
        ({"gas": 21_000 + 39 * 1000, "data": b"\x01" * 1000}, "minimum needed 61000"),
        ({"gas": 53_000, "to": "", "data": b"\x00" * 64}, "intrinsic gas too low"),
        ({"gas": 5_000_000, "to": "", "data": b"\x00" * 49_153}, "max initcode size exceeded"),
        ({"maxPriorityFeePerGas": 1}, "max priority fee per gas higher"),
        ({"nonce": 2**64 - 1}, "nonce out of range"),
        ({"data": b"\x00" * (RAW_BYTES_MAX + 1), "gas": 10_000_000}, "oversized"),
    ],
)
def test_refusals_name_the_rule(sign: Any, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(TransactionRefused, match=reason):
        admit(sign(ACCOUNT, **fields), CHAIN, GAS_MAX)


def legacy(v: int, r: int = 1, s: int = 1) -> bytes:
    return rlp.encode([0, 0, 100_000, b"\x11" * 20, 0, b"", v, r, s])


def nested_lists(depth: int) -> bytes:
    encoded = b"\xc0"
    for _ in range(depth):
        size = len(encoded)
        encoded = (bytes([0xC0 + size]) if size < 56 else b"\xf9" + size.to_bytes(2, "big")) + encoded
    return encoded


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b"\x00", "not supported|malformed"),
        (b"\x02", "malformed"),
        (b"\x02\xc0", "malformed"),
        (b"\x7f\xc0", "not supported"),
        (b"\xff" * 40, "malformed"),
        (b"\x03" + rlp.encode([b""] * 14), "blob transactions"),
        (legacy(27), "replay-protected"),
        (legacy(28), "replay-protected"),
        (legacy(2709, s=SECP256K1_ORDER - 1), "out of range"),
        (legacy(2709, s=0), "out of range"),
        (legacy(2709, r=0), "out of range"),
        (legacy(2709, r=SECP256K1_ORDER), "invalid signature|malformed"),
        (legacy(2709) + b"\x00", "malformed"),
        (b"\xc1" * 60_000 + b"\xc0", "malformed"),
        (nested_lists(20_000), "malformed"),
    ],
)
def test_malformed_bytes_are_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(TransactionRefused, match=reason):
        admit(raw, CHAIN, GAS_MAX)


def test_a_second_signature_with_high_s_is_refused(sign: Any) -> None:
    raw = sign(ACCOUNT, gasPrice=0)
    fields = rlp.decode(raw)
    fields[6] = 2709 + 2710 - int.from_bytes(fields[6], "big")
    fields[8] = SECP256K1_ORDER - int.from_bytes(fields[8], "big")
    with pytest.raises(TransactionRefused, match="out of range"):
        admit(rlp.encode(fields), CHAIN, GAS_MAX)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bytes_whatever_do_anything_but_a_typed_refusal(data: st.DataObject, sign: Any) -> None:
    good = sign(ACCOUNT)
    position = data.draw(st.integers(0, len(good) - 1))
    damaged = data.draw(
        st.sampled_from([good[:position], good + b"\x00", good[:position] + b"\xff" + good[position + 1 :]])
        | st.binary(max_size=200)
    )
    try:
        admitted = admit(damaged, CHAIN, GAS_MAX)
    except TransactionRefused:
        return
    assert admitted.encode() == damaged
