"""The whole trie of a block's transactions or receipts, built again from what a source gave, and proofs out of it.

The root is compared with the header's before anything is made of it; the proofs are for ``belmont.light.trie``.
"""

from collections.abc import Mapping, Sequence

from belmont.light.encoding import EMPTY_ROOT, Item, encode, from_number, keccak, nibbles
from belmont.light.trie import HASH_BYTES, read_path

Path = tuple[int, ...]


def index_key(index: int) -> bytes:
    """Under which a block's trie keeps its transaction or receipt number ``index``."""
    return encode(from_number(index))


class Trie:
    """An unchanging trie of these contents; no value may be empty."""

    def __init__(self, contents: Mapping[bytes, bytes]) -> None:
        self._nodes: dict[bytes, list[Item]] = {}
        entries = sorted((nibbles(key), value) for key, value in contents.items())
        if any(not value for _, value in entries):
            raise ValueError("a trie holds no empty value")
        self.root = EMPTY_ROOT
        if entries:
            node = self._node(entries, 0)
            self.root = keccak(encode(node))
            self._nodes[self.root] = node

    @classmethod
    def of_list(cls, items: Sequence[bytes]) -> "Trie":
        """As a header commits to a list."""
        return cls({index_key(position): item for position, item in enumerate(items)})

    def proof(self, key: bytes) -> list[bytes]:
        """The nodes from the root towards a key, whether it is there or not."""
        proof: list[bytes] = []
        reference: Item = self.root if self._nodes else b""
        rest = nibbles(key)
        while reference:
            node = self._nodes[reference] if isinstance(reference, bytes) else reference
            if isinstance(reference, bytes):
                proof.append(encode(node))
            if len(node) == 17:
                reference, rest = (node[rest[0]], rest[1:]) if rest else (b"", rest)
                continue
            is_leaf, path = read_path(node[0])
            follows = not is_leaf and rest[: len(path)] == path
            reference, rest = (node[1], rest[len(path) :]) if follows else (b"", rest)
        return proof

    def _node(self, entries: Sequence[tuple[Path, bytes]], depth: int) -> list[Item]:
        """The node for entries that agree in their first ``depth`` nibbles, in order of their keys."""
        first, last = entries[0][0], entries[-1][0]
        if len(entries) == 1:
            return [write_path(first[depth:], is_leaf=True), entries[0][1]]
        shared = depth
        while shared < min(len(first), len(last)) and first[shared] == last[shared]:
            shared += 1
        if shared > depth:
            return [write_path(first[depth:shared], is_leaf=False), self._reference(entries, shared)]
        branch: list[Item] = [b""] * 17
        if len(first) == depth:
            branch[16] = entries[0][1]
            entries = entries[1:]
        for nibble in range(16):
            below = [entry for entry in entries if entry[0][depth] == nibble]
            if below:
                branch[nibble] = self._reference(below, depth + 1)
        return branch

    def _reference(self, entries: Sequence[tuple[Path, bytes]], depth: int) -> Item:
        node = self._node(entries, depth)
        encoded = encode(node)
        if len(encoded) < HASH_BYTES:
            return node
        digest = keccak(encoded)
        self._nodes[digest] = node
        return digest


def write_path(path: Path, is_leaf: bool) -> bytes:
    """Hex-prefix encoding."""
    flag = 2 * is_leaf + len(path) % 2
    full = (flag, *path) if len(path) % 2 else (flag, 0, *path)
    return bytes(high << 4 | low for high, low in zip(full[::2], full[1::2], strict=True))
