"""Walks the stored states: every node that a block's state needs is there, and hashes to its name.

States share nodes, so what one block has shown need not be walked again for the next one.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from ethereum.crypto.hash import keccak256
from ethereum_rlp import rlp

EMPTY_ROOT: Final = bytes(keccak256(rlp.encode(b"")))
EMPTY_CODE: Final = bytes(keccak256(b""))
BRANCH_ITEMS: Final = 17
LEAF_FLAG: Final = 0x20
HASH_BYTES: Final = 32


class NodeStore(Protocol):
    """Where nodes come from."""

    def node(self, key: bytes) -> bytes | None:
        """A node or code by its hash."""


class BadNode(Exception):
    """A node is missing or altered; the message says which."""


class StateWalk:
    """Remembers what was shown to be there: 32 bytes for each node."""

    def __init__(self, nodes: NodeStore) -> None:
        self._nodes = nodes
        self._seen: set[bytes] = {EMPTY_ROOT, EMPTY_CODE}
        self.count = 0

    def walk(self, root: bytes) -> None:
        """All of one state that was not walked before. Raises `BadNode`."""
        waiting = [(root, True)]
        while waiting:
            key, accounts = waiting.pop()
            if key in self._seen:
                continue
            self._visit(self._load(key), accounts, waiting)
            self._seen.add(key)

    def _load(self, key: bytes) -> bytes:
        value = self._nodes.node(key)
        if value is None:
            raise BadNode(f"node 0x{key.hex()} is missing")
        if not isinstance(value, bytes) or keccak256(value) != key:
            raise BadNode(f"node 0x{key.hex()} is altered")
        self.count += 1
        return value

    def _visit(self, encoded: bytes, accounts: bool, waiting: list[tuple[bytes, bool]]) -> None:
        items = [rlp.decode(encoded)]
        while items:
            node: Any = items.pop()
            if len(node) == BRANCH_ITEMS:
                below = node[:16]
            elif node[0][0] & LEAF_FLAG:
                if accounts:
                    self._account(node[1], waiting)
                continue
            else:
                below = [node[1]]
            for child in below:
                if isinstance(child, bytes):
                    if len(child) == HASH_BYTES:
                        waiting.append((bytes(child), accounts))
                else:  # a node shorter than 32 bytes stands inside its parent
                    items.append(child)

    def _account(self, encoded: bytes, waiting: list[tuple[bytes, bool]]) -> None:
        _, _, storage_root, code_hash = rlp.decode(encoded)
        waiting.append((bytes(storage_root), False))
        code = bytes(code_hash)
        if code not in self._seen:
            self._load(code)
            self._seen.add(code)
