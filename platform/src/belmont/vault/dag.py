"""The Merkle DAG of one object: raw leaves (sealed chunks), dag-cbor nodes above them, one dag-cbor root.

The root is a map: ``format``, ``version``, ``salt`` and ``key_check`` (32 bytes as lower-case hex text), ``size``,
``chunk_bytes``, ``fan_out``, ``links``. A node below it is a map of ``level`` and ``links``. Level 0 is the leaves;
every node but the last of its level is full, so the sizes in the root determine the shape, and a reader checks it.
The root tells its reader the size, and neither the label nor anything else of the content.

Why hex text: libipld writes any byte string that happens to parse as a CID as a link (tag 42), so 32 random bytes
would now and then change their type. Canonical form is checked by encoding what was decoded and comparing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import libipld

from belmont.vault.cid import CID_BYTES, DAG_CBOR, RAW, Cid
from belmont.vault.ciphers import MAX_CHUNKS, SALT_BYTES, TAG_BYTES
from belmont.vault.errors import BlockCorrupted, CidMalformed, VaultCorrupted

MAX_BLOCK_BYTES = 1024 * 1024
"""Bitswap and Kubo refuse larger blocks by default."""
FORMAT = "belmont-vault-object"
VERSION = 1
_BYTES, _TEXT, _LIST, _MAP, _TAG = range(2, 7)  # major types of RFC 8949, section 3.1
_DEEPEST = 3
_ROOT_FIELDS = {"format", "version", "salt", "key_check", "size", "chunk_bytes", "fan_out", "links"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a new object is cut. Every root carries its own layout, so a vault may hold objects of several."""

    chunk_bytes: int = 256 * 1024
    fan_out: int = 1024

    def __post_init__(self) -> None:
        if not _layout_allowed(self.chunk_bytes, self.fan_out):
            raise ValueError("chunk_bytes must be from 1 to 1 MiB less the tag, and fan_out from 2 to 16384")

    def chunks(self, size: int) -> int:
        """An empty object has one chunk too, so that its emptiness is authenticated."""
        return max(1, -(-size // self.chunk_bytes))


@dataclass(frozen=True, slots=True)
class Root:
    salt: bytes
    key_check: bytes
    size: int
    """Plaintext bytes."""
    layout: Layout
    links: tuple[Cid, ...]

    @property
    def chunks(self) -> int:
        return self.layout.chunks(self.size)


@dataclass(frozen=True, slots=True)
class Leaf:
    index: int
    cid: Cid


Fetch = Callable[[Cid, str, int | None], bytes]
"""Block by CID, already checked against it; the rest is for its errors: what the block is, and the chunk's index."""
Store = Callable[[Cid, bytes], None]


def encode_root(root: Root) -> bytes:
    return _encode(
        {
            "format": FORMAT,
            "version": VERSION,
            "salt": root.salt.hex(),
            "key_check": root.key_check.hex(),
            "size": root.size,
            "chunk_bytes": root.layout.chunk_bytes,
            "fan_out": root.layout.fan_out,
            "links": [link.binary for link in root.links],
        }
    )


def decode_root(cid: Cid, block: bytes) -> Root:
    """Reads a root strictly; raises ``BlockCorrupted`` for anything that ``encode_root`` would not have written."""
    fields = _decode(cid, block, "root")
    if fields.keys() != _ROOT_FIELDS or fields["format"] != FORMAT:
        raise _refused(cid, "its fields are not those of a vault object's root")
    if type(fields["version"]) is not int or fields["version"] != VERSION:
        raise _refused(cid, f"its version is not {VERSION}: a newer software may read it")
    salt, key_check = _hex32(cid, fields["salt"]), _hex32(cid, fields["key_check"])
    size, chunk_bytes, fan_out = fields["size"], fields["chunk_bytes"], fields["fan_out"]
    if type(size) is not int or size < 0 or not _layout_allowed(chunk_bytes, fan_out):
        raise _refused(cid, "its sizes are out of range")
    layout = Layout(chunk_bytes, fan_out)
    chunks = layout.chunks(size)
    if chunks > MAX_CHUNKS:
        raise _refused(cid, "its sizes are out of range")
    below = levels(chunks, fan_out)[-1]
    codec = RAW if chunks <= fan_out else DAG_CBOR
    return Root(salt, key_check, size, layout, _links(cid, fields["links"], below, codec, "root"))


def levels(chunks: int, fan_out: int) -> list[int]:
    """Blocks at each level below the root: the leaves first, the root's own links last."""
    counts = [chunks]
    while counts[-1] > fan_out:
        counts.append(-(-counts[-1] // fan_out))
    return counts


def build_nodes(leaves: list[Cid], fan_out: int, store: Store) -> list[Cid]:
    """Stores the nodes above the leaves, and returns the links of the root."""
    links, level = leaves, 0
    while len(links) > fan_out:
        level += 1
        above = []
        for first in range(0, len(links), fan_out):
            block = _encode({"level": level, "links": [link.binary for link in links[first : first + fan_out]]})
            above.append(Cid.of(DAG_CBOR, block))
            store(above[-1], block)
        links = above
    return links


def walk(root: Root, fetch: Fetch, visit: Callable[[Cid], None] | None = None) -> Iterator[Leaf | VaultCorrupted]:
    """Every leaf in order. A node that cannot be read comes as its error, in place of the leaves below it."""
    counts = levels(root.chunks, root.layout.fan_out)

    def below(links: tuple[Cid, ...], level: int, first: int) -> Iterator[Leaf | VaultCorrupted]:
        for index, link in enumerate(links, first):
            if visit is not None:
                visit(link)
            if level == 0:
                yield Leaf(index, link)
                continue
            start = index * root.layout.fan_out
            count = min(root.layout.fan_out, counts[level - 1] - start)
            try:
                block = fetch(link, f"node {index} of level {level}", None)
                children = _decode_node(link, block, level, count)
            except VaultCorrupted as error:
                yield error
                continue
            yield from below(children, level - 1, start)

    return below(root.links, len(counts) - 1, 0)


def _decode_node(cid: Cid, block: bytes, level: int, count: int) -> tuple[Cid, ...]:
    what = f"node of level {level}"
    fields = _decode(cid, block, what)
    if fields.keys() != {"level", "links"} or type(fields["level"]) is not int or fields["level"] != level:
        raise _refused(cid, f"it is no {what}")
    return _links(cid, fields["links"], count, RAW if level == 1 else DAG_CBOR, what)


def _encode(fields: dict[str, Any]) -> bytes:
    return bytes(libipld.encode_dag_cbor(fields))


def _decode(cid: Cid, block: bytes, what: str) -> dict[str, Any]:
    if cid.codec != DAG_CBOR or len(block) > MAX_BLOCK_BYTES:
        raise _refused(cid, f"{what}: not dag-cbor, or larger than {MAX_BLOCK_BYTES} bytes")
    if not _is_shallow(block):
        raise _refused(cid, f"{what}: nested deeper than any block of a vault")
    try:
        fields = libipld.decode_dag_cbor(block)
        canonical = isinstance(fields, dict) and _encode(fields) == block
    except (ValueError, RecursionError, TypeError) as error:
        raise _refused(cid, f"{what}: not dag-cbor") from error
    if not canonical:
        raise _refused(cid, f"{what}: not a map in canonical dag-cbor")
    return dict(fields)


def _is_shallow(block: bytes) -> bool:
    """Whether the CBOR in a block is no deeper than map, list, link.

    libipld's decoder recurses in native code as deep as Python's recursion limit allows, and py_ecc, which eth-account
    imports, raises that to 100,000: a block of nested lists would then end the process with a segmentation fault.
    """
    unread, position = [1], 0
    while unread:
        if unread[-1] == 0:
            unread.pop()
            continue
        unread[-1] -= 1
        if position >= len(block):
            return False
        major, info = divmod(block[position], 32)
        position += 1
        if info > 27:
            return False
        argument = info
        if info >= 24:
            width = 1 << (info - 24)
            argument = int.from_bytes(block[position : position + width], "big")
            position += width
        if major in (_BYTES, _TEXT):
            position += argument
        elif major in (_LIST, _MAP, _TAG):
            if len(unread) > _DEEPEST:
                return False
            unread.append(1 if major == _TAG else argument * (2 if major == _MAP else 1))
    return True


def _links(cid: Cid, links: object, count: int, codec: int, what: str) -> tuple[Cid, ...]:
    if not isinstance(links, list) or len(links) != count:
        raise _refused(cid, f"{what}: it should have {count} links")
    try:
        parsed = tuple(Cid(link) for link in links)
    except CidMalformed as error:
        raise _refused(cid, f"{what}: a link that no vault makes") from error
    if any(link.codec != codec for link in parsed):
        raise _refused(cid, f"{what}: a link to the wrong kind of block")
    return parsed


def _layout_allowed(chunk_bytes: object, fan_out: object) -> bool:
    return (
        type(chunk_bytes) is int
        and type(fan_out) is int
        and 1 <= chunk_bytes <= MAX_BLOCK_BYTES - TAG_BYTES
        and 2 <= fan_out <= 16384
        and fan_out * (CID_BYTES + 5) < MAX_BLOCK_BYTES
    )


def _hex32(cid: Cid, text: object) -> bytes:
    try:
        value = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        value = b""
    if len(value) != SALT_BYTES or value.hex() != text:
        raise _refused(cid, "root: a value that is not 32 bytes of hex")
    return value


def _refused(cid: Cid, what: str) -> BlockCorrupted:
    return BlockCorrupted(str(cid), what)
