"""The root that a trie has once some keys hold other values, from proofs of these keys alone.

The proofs have every node that such a change touches: the rest of the trie stays as it is, behind hashes. So if a trie
is known to have that root afterwards, nothing else in it changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from belmont.light.encoding import EMPTY_ROOT, Item, decode, encode, keccak, nibbles
from belmont.light.errors import ProofRefused
from belmont.light.trie import HASH_BYTES, proven, read_path
from belmont.light.trie_build import Path, write_path


@dataclass(frozen=True)
class Change:
    """``key`` holds ``value`` afterwards, never nothing; ``proof`` is of what it holds before."""

    key: bytes
    value: bytes
    proof: Sequence[bytes]


def root_after(root: bytes, changes: Iterable[Change]) -> bytes:
    """The root after all changes. Raises ``ProofRefused`` for a proof that does not hold before them."""
    trie = _Part(root)
    for change in changes:
        if not change.value:
            raise ProofRefused("T3", "a value is never empty")
        proven(root, change.key, change.proof)
        trie.learn(change.proof)
        trie.set(nibbles(change.key), change.value)
    return trie.root


class _Part:
    """The nodes of a trie that are known."""

    def __init__(self, root: bytes) -> None:
        self.root = root
        self._nodes: dict[bytes, list[Item]] = {}

    def learn(self, proof: Sequence[bytes]) -> None:
        for encoded in proof:
            node = decode(encoded, "T2", "a node")
            if not isinstance(node, bytes):
                self._nodes.setdefault(keccak(encoded), node)

    def set(self, path: Path, value: bytes) -> None:
        node = self._set(b"" if self.root == EMPTY_ROOT else self.root, path, value)
        self.root = keccak(encode(node))
        self._nodes[self.root] = node

    def _set(self, reference: Item, path: Path, value: bytes) -> list[Item]:
        """The node that stands where ``reference`` leads to."""
        if reference == b"":
            return [write_path(path, is_leaf=True), value]
        node = self._nodes[reference] if isinstance(reference, bytes) else reference
        if len(node) == 17:
            return _with(node, path, self._refer(self._set(node[path[0]], path[1:], value)) if path else value)
        is_leaf, own = read_path(node[0])
        shared = 0
        while shared < min(len(own), len(path)) and own[shared] == path[shared]:
            shared += 1
        if shared == len(own) and not is_leaf:
            return [node[0], self._refer(self._set(node[1], path[shared:], value))]
        if own == path:
            return [node[0], value]
        return self._parted(node, is_leaf, own, shared, path, value)

    def _parted(self, node: list[Item], is_leaf: bool, own: Path, shared: int, path: Path, value: bytes) -> list[Item]:
        """A branch where a leaf's or extension's path and the key's part, beneath what they share."""
        branch: list[Item] = [b""] * 17
        for rest, leaf, content in ((own[shared:], is_leaf, node[1]), (path[shared:], True, value)):
            if len(rest) > 1 or (rest and leaf):
                content = self._refer([write_path(rest[1:], leaf), content])
            branch = _with(branch, rest, content)
        return [write_path(path[:shared], is_leaf=False), self._refer(branch)] if shared else branch

    def _refer(self, node: list[Item]) -> Item:
        encoded = encode(node)
        if len(encoded) < HASH_BYTES:
            return node
        digest = keccak(encoded)
        self._nodes[digest] = node
        return digest


def _with(branch: list[Item], path: Path, content: Item) -> list[Item]:
    """A branch with another item where the path goes on, or ends."""
    place = path[0] if path else 16
    return [content if each == place else item for each, item in enumerate(branch)]
