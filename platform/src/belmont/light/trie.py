"""Proofs against the root of a Merkle-Patricia trie: what a key holds, or that it holds nothing.

Rules:
  T1. The first node hashes to the root, each further one to the reference in the node before it, along the key's own
      nibbles. A node whose RLP is shorter than 32 bytes stands inside its parent and is not listed.
  T2. A node is a branch (17 items) or has a path (2 items) in hex-prefix encoding, with no bit that means nothing. A
      reference is 32 bytes, or such an inner node. An extension has a path, and leads to a branch.
  T3. A key holds the value of the leaf or branch where its nibbles end; a value is never empty.
  T4. A key holds nothing where its nibbles lead to an empty place of a branch or part from a node's path, or where the
      trie is empty. Nothing else shows absence: a proof that ends too early is refused.
  T5. Every listed node is used.
  T6. At most one node for each nibble and one more, each of at most 2 MiB.
"""

from collections.abc import Sequence
from typing import Final

from belmont.light.encoding import EMPTY_ROOT, Item, decode, encode, keccak, nibbles
from belmont.light.errors import ProofRefused

NODE_BYTES_MAX: Final = 2 * 1024 * 1024
HASH_BYTES: Final = 32


def proven(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The value that the trie with this root holds under ``key``; None when it provably holds none.

    Raises ``ProofRefused`` for anything that proves neither.
    """
    if len(proof) > 2 * len(key) + 1:
        raise ProofRefused("T6", f"{len(proof)} nodes for a key of {len(key)} bytes")
    if root == EMPTY_ROOT:
        if proof:
            raise ProofRefused("T5", "the trie is empty, and has no nodes")
        return None
    walk = _Walk(proof)
    node, rest, beneath_extension = walk.fetch(root), nibbles(key), False
    while True:
        if len(node) == 17:
            reference = node[rest[0]] if rest else node[16]
            if not rest or reference == b"":
                return walk.end(_value(reference))
            rest, beneath_extension = rest[1:], False
        elif len(node) == 2:
            if beneath_extension:
                raise ProofRefused("T2", "an extension leads to a node that is no branch")
            is_leaf, path = read_path(node[0])
            if is_leaf:
                value = _value(node[1], needed=True)
                return walk.end(value if rest == path else None)
            if rest[: len(path)] != path:
                _reference(node[1])
                return walk.end(None)
            reference, rest, beneath_extension = node[1], rest[len(path) :], True
        else:
            raise ProofRefused("T2", f"a node has {len(node)} items")
        node = walk.fetch(_reference(reference))


class _Walk:
    """The listed nodes, taken in order."""

    def __init__(self, proof: Sequence[bytes]) -> None:
        self._proof = proof
        self._used = 0

    def fetch(self, reference: Item) -> list[Item]:
        """The node behind a reference (T1)."""
        if not isinstance(reference, bytes):
            return reference
        if self._used == len(self._proof):
            raise ProofRefused("T4", "the proof ends before the key is found or shown to be absent")
        encoded = self._proof[self._used]
        self._used += 1
        if len(encoded) > NODE_BYTES_MAX:
            raise ProofRefused("T6", f"a node of {len(encoded)} bytes")
        if keccak(encoded) != reference:
            raise ProofRefused("T1", f"node {self._used} does not hash to what leads to it")
        node = decode(encoded, "T2", "a node")
        if isinstance(node, bytes):
            raise ProofRefused("T2", "a node is not a list")
        return node

    def end(self, value: bytes | None) -> bytes | None:
        if self._used != len(self._proof):
            raise ProofRefused("T5", f"{len(self._proof) - self._used} nodes lead nowhere")
        return value


def _value(item: Item, needed: bool = False) -> bytes | None:
    """A value, None for an empty place (T3)."""
    if not isinstance(item, bytes) or (needed and not item):
        raise ProofRefused("T3", "a value is a list, or a leaf's is empty")
    return item or None


def _reference(item: Item) -> Item:
    """What leads to the next node (T2)."""
    if isinstance(item, bytes):
        if len(item) != HASH_BYTES:
            raise ProofRefused("T2", f"a reference of {len(item)} bytes")
    elif len(encode(item)) >= HASH_BYTES:
        raise ProofRefused("T2", "a node of 32 bytes or more stands inside its parent")
    return item


def read_path(item: Item) -> tuple[bool, tuple[int, ...]]:
    """(leaf?, nibbles) of a hex-prefix path (T2)."""
    if not isinstance(item, bytes) or not item:
        raise ProofRefused("T2", "a path is a list or empty")
    flag, *rest = nibbles(item)
    is_leaf, is_odd = flag >= 2, flag % 2 == 1
    if flag > 3 or (not is_odd and rest[0] != 0):
        raise ProofRefused("T2", "a path has bits that mean nothing")
    path = tuple(rest if is_odd else rest[1:])
    if not path and not is_leaf:
        raise ProofRefused("T2", "an extension without a path")
    return is_leaf, path
