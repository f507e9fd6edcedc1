"""RLP of what strangers send, and nibbles of keys."""

from typing import Final, TypeAlias

import rlp
from eth_utils.crypto import keccak as _keccak
from rlp.exceptions import DecodingError

from belmont.light.errors import ProofRefused

Item: TypeAlias = "bytes | list[Item]"

EMPTY_ROOT: Final = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
"""Root of the empty trie: Keccak of the RLP of nothing."""


def keccak(data: bytes) -> bytes:
    return bytes(_keccak(data))


def decode(data: bytes, rule: str, what: str) -> Item:
    """Exactly one RLP item, in the one encoding that is allowed. Raises ``ProofRefused`` under ``rule``."""
    try:
        return plain(rlp.decode(data, strict=True))
    except (DecodingError, RecursionError) as error:
        raise ProofRefused(rule, f"{what} is not RLP") from error


def decode_list(data: bytes, length: int, rule: str, what: str) -> list[Item]:
    """A list of ``length`` items."""
    item = decode(data, rule, what)
    if isinstance(item, bytes) or len(item) != length:
        raise ProofRefused(rule, f"{what} is not a list of {length}")
    return item


def plain(item: object) -> Item:
    """rlp's sequences as lists."""
    return [plain(each) for each in item] if isinstance(item, list | tuple) else bytes(item)  # type: ignore[call-overload]


def encode(item: Item) -> bytes:
    return bytes(rlp.encode(item))


def number(item: Item, rule: str, what: str, size: int = 8) -> int:
    """An unsigned number of at most ``size`` bytes without leading zeros."""
    if not isinstance(item, bytes) or len(item) > size or item[:1] == b"\0":
        raise ProofRefused(rule, f"{what} is no number of at most {size} bytes")
    return int.from_bytes(item, "big")


def fixed(item: Item, size: int, rule: str, what: str) -> bytes:
    """Bytes of exactly this length."""
    if not isinstance(item, bytes) or len(item) != size:
        raise ProofRefused(rule, f"{what} is not {size} bytes")
    return item


def from_number(value: int) -> bytes:
    """A number as RLP has it: big-endian, no leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def nibbles(key: bytes) -> tuple[int, ...]:
    return tuple(part for byte in key for part in (byte >> 4, byte & 15))
