"""The light client's RLP decoder against rlp's own, and what it refuses."""

import sys
import time
from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st
from rlp.exceptions import DecodingError

from belmont.light.encoding import decode, encode, from_number, number
from belmont.light.errors import ProofRefused

ITEMS = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=5), max_leaves=12)


def plain(item: Any) -> Any:
    return [plain(each) for each in item] if isinstance(item, list | tuple) else item


@given(ITEMS)
def test_an_item_reads_back_as_it_was_written(item: Any) -> None:
    assert decode(encode(item), "T2", "an item") == item


@given(st.binary(max_size=80) | ITEMS.map(rlp.encode), st.data())
def test_it_reads_what_rlp_reads_and_refuses_what_rlp_refuses(data: bytes, draw: st.DataObject) -> None:
    if data and draw.draw(st.booleans()):
        place = draw.draw(st.integers(0, len(data) - 1))
        data = data[:place] + bytes([draw.draw(st.integers(0, 255))]) + data[place + 1 :]
    try:
        expected = plain(rlp.decode(data))
    except DecodingError:
        with pytest.raises(ProofRefused):
            decode(data, "T2", "an item")
        return
    assert decode(data, "T2", "an item") == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81\x01",
        b"\xb8\x01\xff",
        b"\xb9\x00\x40" + bytes(64),
        b"\xf8\x01\x80",
        b"\xb8",
        b"\xbf" + b"\xff" * 8,
        b"\x01\x02",
    ],
)
def test_what_has_a_shorter_encoding_or_no_end_is_refused(data: bytes) -> None:
    with pytest.raises(ProofRefused):
        decode(data, "T2", "an item")


def test_lists_too_deep_in_one_another_are_refused_at_once() -> None:
    parts, size = [], 0
    while size < 1_000_000:
        head = rlp.codec.length_prefix(size, 0xC0)
        parts.append(head)
        size += len(head)
    deep = b"".join(reversed(parts))
    began, limit = time.monotonic(), sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        with pytest.raises(ProofRefused):
            decode(deep, "T2", "an item")
    finally:
        sys.setrecursionlimit(limit)
    assert time.monotonic() - began < 1


@given(st.integers(0, 2**64 - 1))
def test_numbers_have_no_leading_zeros(value: int) -> None:
    assert number(from_number(value), "H1", "a number") == value
    with pytest.raises(ProofRefused):
        number(b"\0" + from_number(value), "H1", "a number")
