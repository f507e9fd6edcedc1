"""The sorted Merkle tree of a batch of consents (docs/consents.md, "Two ways to consent").

1. Leaves are sorted by key, each key once.
2. What fills the tree up to a power of two is the hash of one zero byte, which no leaf is.
3. The root binds the number of leaves, and with it the height of the tree: a path has exactly that length, and a place
   is below that number, so what fills up is nobody's leaf.
4. Absence: two neighbours side by side around the key, or the first or last leaf, or a batch without any.
5. That leaves are sorted is not proved by a path. Whoever has them all builds the tree and compares its root.

A proof as bytes, integers big-endian: number of leaves shown u8 (1 membership; 0 to 2 absence), count of all u64, then
of each leaf shown its key, scope hash, and, of the first, its place u64; then the path. Two neighbours have a path
that parts at one height only: below it each has its own siblings, above it they share them.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from belmont.registry.consents.errors import AttestationRefused, PathMalformed

_sha = hashlib.sha256
PADDING = _sha(b"\x00").digest()
LEAVES_MAX = 1 << 32
HASH_BYTES = 32


@dataclass(frozen=True)
class Batch:
    """What a hospital publishes of all consents that it attests."""

    root: bytes
    count: int


def leaf_hash(key: bytes, scope_hash: bytes) -> bytes:
    return _sha(b"\x00" + key + scope_hash).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return _sha(b"\x01" + left + right).digest()


def batch_root(count: int, top: bytes) -> bytes:
    return _sha(b"\x02" + count.to_bytes(8) + top).digest()


def height(count: int) -> int:
    """Of the tree of so many leaves: the length of every path in it."""
    return max(count - 1, 0).bit_length()


EMPTY_BATCH = Batch(batch_root(0, PADDING), 0)


@dataclass(frozen=True)
class Leaf:
    """A leaf with its path."""

    key: bytes
    scope_hash: bytes
    place: int
    path: tuple[bytes, ...]

    def is_in(self, batch: Batch) -> bool:
        """Whether the batch holds this leaf at this place."""
        if not 0 <= self.place < batch.count <= LEAVES_MAX or len(self.path) != height(batch.count):  # 3
            return False
        if any(len(each) != HASH_BYTES for each in (self.key, self.scope_hash, *self.path)):
            return False
        return batch_root(batch.count, self.node(len(self.path))) == batch.root

    def node(self, level: int) -> bytes:
        """What the leaf and the first siblings of its path hash to."""
        node = leaf_hash(self.key, self.scope_hash)
        for bit, sibling in enumerate(self.path[:level]):
            node = node_hash(sibling, node) if self.place >> bit & 1 else node_hash(node, sibling)
        return node


@dataclass(frozen=True)
class Membership:
    """Shows that a batch holds a key with a scope."""

    count: int
    leaf: Leaf

    def holds(self, root: bytes) -> bool:
        return self.leaf.is_in(Batch(root, self.count))

    def to_bytes(self) -> bytes:
        return _to_bytes(self.count, (self.leaf,))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Membership":
        """Raises PathMalformed."""
        count, leaves = _from_bytes(data)
        if len(leaves) != 1:
            raise PathMalformed("This is no proof of membership: it does not show one leaf.")
        return cls(count, leaves[0])


@dataclass(frozen=True)
class Absence:
    """Shows that a batch holds no leaf of a key."""

    count: int
    neighbours: tuple[Leaf, ...]

    def holds(self, root: bytes, key: bytes) -> bool:
        batch = Batch(root, self.count)
        if len(key) != HASH_BYTES or len(self.neighbours) > 2:
            return False
        if not self.neighbours:
            return batch == EMPTY_BATCH  # 4
        if not all(leaf.is_in(batch) for leaf in self.neighbours):
            return False
        first, last = self.neighbours[0], self.neighbours[-1]
        if len(self.neighbours) == 2:
            return last.place == first.place + 1 and first.key < key < last.key  # 4
        return (first.place == 0 and key < first.key) or (first.place == self.count - 1 and first.key < key)  # 4

    def to_bytes(self) -> bytes:
        return _to_bytes(self.count, self.neighbours)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Absence":
        """Raises PathMalformed."""
        return cls(*_from_bytes(data))


class ConsentTree:
    """All leaves of a batch; 100,000 take a tenth of a second."""

    def __init__(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """``entries`` are keys with scope hashes, in any order. Raises AttestationRefused where a key comes twice."""
        self._entries = sorted(entries)  # 1
        self._places = {key: place for place, (key, _) in enumerate(self._entries)}
        if len(self._places) != len(self._entries):
            raise AttestationRefused("Two patients have the same key: every key stands once in a batch.")
        self._levels = _levels([_sha(b"\x00" + key + scope).digest() for key, scope in self._entries])
        count = len(self._entries)
        self.batch = Batch(batch_root(count, self._levels[-1][0]), count)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def membership(self, key: bytes) -> Membership:
        """Raises AttestationRefused where the key is not in the batch."""
        if key not in self._places:
            raise AttestationRefused("No leaf has this key: show its absence instead.")
        return Membership(self.batch.count, self._leaf(self._places[key]))

    def absence(self, key: bytes) -> Absence:
        """Raises AttestationRefused where the key is in the batch."""
        if key in self._places:
            raise AttestationRefused("A leaf has this key: show its membership instead.")
        after = _first_after(self._entries, key)
        around = (place for place in (after - 1, after) if 0 <= place < len(self._entries))
        return Absence(self.batch.count, tuple(self._leaf(place) for place in around))

    def _leaf(self, place: int) -> Leaf:
        path = []
        for bit, level in enumerate(self._levels[:-1]):
            sibling = place >> bit ^ 1
            path.append(level[sibling] if sibling < len(level) else _EMPTY_SUBTREES[bit])
        return Leaf(*self._entries[place], place, tuple(path))


def _empty_subtrees() -> list[bytes]:
    nodes = [PADDING]
    for _ in range(height(LEAVES_MAX)):
        nodes.append(node_hash(nodes[-1], nodes[-1]))
    return nodes


_EMPTY_SUBTREES = _empty_subtrees()
"""By height, subtrees that hold nothing but padding."""


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """Every level without the padding at its end (2)."""
    levels = [leaves or [PADDING]]
    for bit in range(height(len(leaves))):
        below = levels[-1]
        whole = below if len(below) % 2 == 0 else [*below, _EMPTY_SUBTREES[bit]]
        pairs = zip(whole[::2], whole[1::2], strict=True)
        levels.append([_sha(b"\x01" + left + right).digest() for left, right in pairs])
    return levels


def _first_after(entries: Sequence[tuple[bytes, bytes]], key: bytes) -> int:
    low, high = 0, len(entries)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if entries[middle][0] < key else (low, middle)
    return low


def _parting(place: int) -> int:
    """The height below which the paths of ``place`` and ``place + 1`` differ: they meet in one node above it."""
    return (~place & (place + 1)).bit_length() - 1


def _to_bytes(count: int, leaves: Sequence[Leaf]) -> bytes:
    parts = [bytes([len(leaves)]), count.to_bytes(8)]
    for leaf in leaves:
        parts += [leaf.key, leaf.scope_hash]
    if leaves:
        parts.append(leaves[0].place.to_bytes(8))
    if len(leaves) == 1:
        parts += leaves[0].path
    elif leaves:
        at = _parting(leaves[0].place)
        parts += [*leaves[0].path[:at], *leaves[1].path[:at], *leaves[0].path[at + 1 :]]
    return b"".join(parts)


def _from_bytes(data: bytes) -> tuple[int, tuple[Leaf, ...]]:
    shown, count = (data[0] if data else 3), int.from_bytes(data[1:9])
    if shown == 0 and len(data) == 9:
        return count, ()
    long = height(count)
    place = int.from_bytes(data[9 + 64 * shown : 17 + 64 * shown])
    at = _parting(place)
    hashes = long if shown == 1 else long - 1 + at
    is_placed = shown in (1, 2) and place + shown <= count <= LEAVES_MAX
    if not is_placed or len(data) != 17 + 64 * shown + HASH_BYTES * hashes:
        raise PathMalformed("These bytes are no proof about a batch of consents; ask for it once more.")
    found = [(data[start : start + 32], data[start + 32 : start + 64]) for start in range(9, 9 + 64 * shown, 64)]
    rest = data[17 + 64 * shown :]
    path = tuple(rest[start : start + HASH_BYTES] for start in range(0, len(rest), HASH_BYTES))
    if shown == 1:
        return count, (Leaf(*found[0], place, path),)
    left = Leaf(*found[0], place, path[:at])
    right = Leaf(*found[1], place + 1, path[at : 2 * at])
    above = path[2 * at :]
    return count, (
        Leaf(left.key, left.scope_hash, place, (*left.path, right.node(at), *above)),
        Leaf(right.key, right.scope_hash, place + 1, (*right.path, left.node(at), *above)),
    )
