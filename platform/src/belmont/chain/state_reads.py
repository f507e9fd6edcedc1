"""Reading accounts and storage straight from the state's tries, for calls that change nothing.

1. Every node comes from `Store.node`, which compares it with its hash. A node is decoded once; what is remembered is
   remembered by that hash, so it can never be of another state or out of date.
2. A node that is missing is `ChainDamaged`: every state since genesis is kept.
3. What is remembered is bounded, and forgotten as a whole when it is too much.

Layout of nodes and keys: Yellow Paper, appendix D (Merkle Patricia tries), with hashed keys as the state has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from eth.constants import BLANK_ROOT_HASH, EMPTY_SHA3
from eth_utils.crypto import keccak

from belmont.chain.errors import ChainDamaged
from belmont.chain.reading import CheckedReads

DECODED_NODES_MAX: Final = 30_000
HASHES_MAX: Final = 100_000
HASHED_BYTES_MAX: Final = 128
_NIBBLE: Final = {digit: value for value, digit in enumerate("0123456789abcdef")}
_BRANCH_ITEMS: Final = 17

Node = list[Any] | tuple[bool, str, Any]
"""A branch: 16 children and a value. Anything else: whether it is a leaf, its part of the path, value or child."""


@dataclass(frozen=True)
class Account:
    """What a call needs of an account."""

    storage_root: bytes
    code_hash: bytes


NOBODY: Final = Account(BLANK_ROOT_HASH, EMPTY_SHA3)


class StateReads:
    """The tries of one chain; safe to share between threads."""

    def __init__(self, store: CheckedReads) -> None:
        self._store = store
        self._decoded: dict[bytes, Node] = {}
        self._hashes: dict[bytes, bytes] = {}

    def account(self, state_root: bytes, address: bytes) -> Account | None:
        """An account in the state with this root; None where there is none."""
        encoded = self._get(state_root, self.hash(address))
        if encoded is None:
            return None
        _nonce, _balance, storage_root, code_hash = _list(encoded)
        return Account(storage_root, code_hash)

    def slot(self, storage_root: bytes, slot: int) -> int:
        """What a slot holds in the storage with this root."""
        if storage_root == BLANK_ROOT_HASH:
            return 0
        encoded = self._get(storage_root, self.hash(slot.to_bytes(32, "big")))
        if encoded is None:
            return 0
        return encoded[0] if len(encoded) == 1 else int.from_bytes(encoded[1:], "big")

    def encoded_slot(self, storage_root: bytes, slot: bytes) -> bytes:
        """What the storage with this root, which is not empty, has under a slot of 32 bytes; nothing for no value."""
        return self._get(storage_root, self.hash(slot)) or b""

    def code(self, code_hash: bytes) -> bytes:
        """Code by its hash."""
        return b"" if code_hash == EMPTY_SHA3 else self._node_bytes(code_hash)

    def hash(self, data: bytes) -> bytes:
        """Keccak-256, remembered for what is short: the same keys are asked for again and again."""
        found = self._hashes.get(data)
        if found is None:
            found = bytes(keccak(data))
            if len(data) <= HASHED_BYTES_MAX:
                if len(self._hashes) >= HASHES_MAX:
                    self._hashes.clear()  # 3
                self._hashes[data] = found
        return found

    def _get(self, root: bytes, key: bytes) -> bytes | None:
        """The value under a hashed key; None where there is none."""
        path, at, node = key.hex(), 0, self._node(root)
        while True:
            if isinstance(node, list):
                child = node[_NIBBLE[path[at]]]
                at += 1
            else:
                is_leaf, part, child = node
                if not path.startswith(part, at):
                    return None
                at += len(part)
                if is_leaf:
                    return bytes(child) if at == len(path) else None
            if not child:
                return None
            # A node of less than 32 bytes stands in its parent instead of its hash.
            node = _shaped(child) if isinstance(child, list) else self._node(child)

    def _node(self, key: bytes) -> Node:
        node = self._decoded.get(key)
        if node is None:
            node = _shaped(_list(self._node_bytes(key)))
            if len(self._decoded) >= DECODED_NODES_MAX:
                self._decoded.clear()  # 3
            self._decoded[key] = node
        return node

    def _node_bytes(self, key: bytes) -> bytes:
        found = self._store.node(key)  # 1
        if found is None:
            raise self._missing(key)  # 2
        return found

    def _missing(self, key: bytes) -> ChainDamaged:
        return self._store.damaged(f"a part of the state is missing: 0x{key.hex()}")


def _shaped(items: list[Any]) -> Node:
    """A node, with the path of a leaf or an extension as hexadecimal digits (hex-prefix encoding)."""
    if len(items) == _BRANCH_ITEMS:
        return items
    path = items[0].hex()
    flags = _NIBBLE[path[0]]
    return flags >= 2, path[1:] if flags & 1 else path[2:], items[1]


def _list(data: bytes) -> list[Any]:
    """The items of an RLP list. What is read here was compared with its hash, and written by the chain itself."""
    first = data[0]
    start = 1 if first < 0xF8 else first - 0xF6
    return _items(data, start, len(data))


def _items(data: bytes, at: int, end: int) -> list[Any]:
    items: list[Any] = []
    while at < end:
        first = data[at]
        if first < 0x80:
            start, size = at, 1
        elif first < 0xB8:
            start, size = at + 1, first - 0x80
        elif first < 0xC0:
            start = at + first - 0xB6
            size = int.from_bytes(data[at + 1 : start], "big")
        else:
            start = at + (1 if first < 0xF8 else first - 0xF6)
            size = first - 0xC0 if first < 0xF8 else int.from_bytes(data[at + 1 : start], "big")
        items.append(data[start : start + size] if first < 0xC0 else _items(data, start, start + size))
        at = start + size
    return items
