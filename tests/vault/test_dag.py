import sys
from typing import Any

import libipld
import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.vault.cid import DAG_CBOR, RAW, Cid
from belmont.vault.dag import MAX_BLOCK_BYTES, Layout, Leaf, Root, build_nodes, decode_root, encode_root, levels, walk
from belmont.vault.errors import BlockCorrupted, VaultCorrupted

LEAVES = [Cid.of(RAW, bytes((i,))) for i in range(3)]
NODE = Cid.of(DAG_CBOR, b"")
ROOT = Root(b"s" * 32, b"k" * 32, 70, Layout(chunk_bytes=32, fan_out=4), tuple(LEAVES))
FIELDS: dict[str, Any] = libipld.decode_dag_cbor(encode_root(ROOT))


def decode(block: bytes) -> Root:
    return decode_root(Cid.of(DAG_CBOR, block), block)


def test_a_root_reads_back() -> None:
    assert decode(encode_root(ROOT)) == ROOT


def test_links_of_a_root_are_cbor_tag_42() -> None:
    assert encode_root(ROOT).count(b"\xd8\x2a\x58\x25\x00\x01\x55\x12\x20") == 3


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_salt_never_becomes_a_link(salt: bytes, check: bytes) -> None:
    root = Root(salt, check, 0, Layout(), (LEAVES[0],))
    assert decode(encode_root(root)) == root
    assert encode_root(root).count(b"\xd8\x2a") == 1


def test_a_salt_that_parses_as_a_cid_stays_a_salt() -> None:
    salt = bytes((1, 0x55, 0, 28)) + bytes(28)
    assert libipld.encode_dag_cbor(salt)[:2] == b"\xd8\x2a"  # what the hex text is there to avoid
    root = Root(salt, salt, 0, Layout(), (LEAVES[0],))
    assert decode(encode_root(root)).salt == salt


@pytest.mark.parametrize(
    "change",
    [
        {"surplus": 1},
        {"format": "belmont-vault-node"},
        {"format": None},
        {"version": 0},
        {"version": 2},
        {"version": True},
        {"version": "1"},
        {"salt": "00" * 31},
        {"salt": "0" * 63},
        {"salt": "AA" * 32},
        {"salt": " " + "aa" * 32},
        {"salt": b"s" * 32},
        {"salt": "zz" * 32},
        {"key_check": ""},
        {"size": -1},
        {"size": 64},
        {"size": 97},
        {"size": True},
        {"size": 70.0},
        {"size": 2**63},
        {"chunk_bytes": 0},
        {"chunk_bytes": -32},
        {"chunk_bytes": 1 << 20},
        {"chunk_bytes": True},
        {"fan_out": 1},
        {"fan_out": 2},
        {"fan_out": 2**20},
        {"links": []},
        {"links": None},
        {"links": {}},
        {"links": FIELDS["links"][:2]},
        {"links": FIELDS["links"] + FIELDS["links"][:1]},
        {"links": [*FIELDS["links"][:2], 7]},
        {"links": [*FIELDS["links"][:2], str(LEAVES[2])]},
        {"links": [*FIELDS["links"][:2], b"\x01\x70" + LEAVES[2].binary[2:]]},
        {"links": [*FIELDS["links"][:2], NODE.binary]},
    ],
)
def test_a_root_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BlockCorrupted):
        decode(libipld.encode_dag_cbor(FIELDS | change))


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_root_without_one_of_its_fields_is_refused(field: str) -> None:
    with pytest.raises(BlockCorrupted):
        decode(libipld.encode_dag_cbor({name: value for name, value in FIELDS.items() if name != field}))


def non_canonical_roots() -> list[bytes]:
    block = encode_root(ROOT)
    size = b"\x64size\x18\x46"
    tag = b"\xd8\x2a\x58\x25\x00"
    return [
        block + b"\0",
        block[:-1],
        block.replace(size, b"\x64size\x19\x00\x46"),
        block.replace(b"\x67version\x01", b"\x67version\x18\x01"),
        block.replace(b"\x67version\x01", b"\x67version\xf9\x3c\x00"),
        block.replace(b"\x67version\x01", b"\x67version\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"),
        block.replace(tag, b"\x58\x24", 1),  # the CID as plain bytes instead of a link
        block.replace(tag, b"\xd9\x00\x2a\x58\x25\x00", 1),
        b"\xbf" + block[1:] + b"\xff",
        b"\xb8\x08" + block[1:],
        block.replace(size, b"", 1).replace(b"\xa8", b"\xa8" + size, 1),  # keys in another order
        b"\xa1" + block,
        b"",
        b"\xf6",
        b"\x80",
        b"\x81" * 100_000,
        b"\x9b" + b"\x7f" + b"\xff" * 7,
        b"\x5b" + b"\x7f" + b"\xff" * 7,
    ]


@pytest.mark.parametrize("block", non_canonical_roots())
def test_a_root_that_is_not_canonical_is_refused(block: bytes) -> None:
    assert block != encode_root(ROOT)
    with pytest.raises(BlockCorrupted):
        decode(block)


@pytest.mark.parametrize("unit", [b"\x81", b"\x9a\x00\x00\x00\x01", b"\xa1\x61a", b"\xd8\x2a", b"\xc1", b"\x82\x00"])
@pytest.mark.parametrize("inside", [b"", b"\xa1\x61a", b"\xa1\x61a\x81"])
def test_nesting_is_refused_before_it_can_overflow_the_stack(unit: bytes, inside: bytes) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)  # py_ecc does the like, and libipld's native recursion follows it
    try:
        with pytest.raises(BlockCorrupted, match="nested"):
            decode(inside + unit * 150_000 + b"\x00")
    finally:
        sys.setrecursionlimit(limit)


def test_an_oversized_root_is_refused() -> None:
    with pytest.raises(BlockCorrupted, match="larger"):
        decode(libipld.encode_dag_cbor(FIELDS | {"format": "x" * MAX_BLOCK_BYTES}))


def test_a_raw_block_is_no_root() -> None:
    block = encode_root(ROOT)
    with pytest.raises(BlockCorrupted):
        decode_root(Cid.of(RAW, block), block)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_fail_in_another_way(block: bytes) -> None:
    with pytest.raises(BlockCorrupted):
        decode(block)


@given(st.integers(0, len(encode_root(ROOT)) - 1), st.integers(1, 255))
def test_a_root_that_decodes_encodes_to_the_same_bytes(position: int, mask: int) -> None:
    block = bytearray(encode_root(ROOT))
    block[position] ^= mask
    try:
        root = decode(bytes(block))
    except BlockCorrupted:
        return
    assert encode_root(root) == bytes(block)


@pytest.mark.parametrize(
    ("chunks", "fan_out", "expected"),
    [
        (1, 2, [1]),
        (2, 2, [2]),
        (3, 2, [3, 2]),
        (5, 2, [5, 3, 2]),
        (1024, 1024, [1024]),
        (1025, 1024, [1025, 2]),
        (1024**2 + 1, 1024, [1024**2 + 1, 1025, 2]),
    ],
)
def test_the_shape_follows_from_the_count(chunks: int, fan_out: int, expected: list[int]) -> None:
    assert levels(chunks, fan_out) == expected


@given(st.integers(1, 200), st.integers(2, 6))
def test_a_walk_visits_every_leaf_in_order(chunks: int, fan_out: int) -> None:
    blocks: dict[Cid, bytes] = {}
    leaves = [Cid.of(RAW, i.to_bytes(2, "big")) for i in range(chunks)]
    links = build_nodes(leaves, fan_out, blocks.__setitem__)
    assert len(links) <= fan_out
    assert len(blocks) == sum(levels(chunks, fan_out)[1:])
    root = Root(bytes(32), bytes(32), chunks, Layout(1, fan_out), tuple(links))
    seen: list[Cid] = []
    found = list(walk(decode(encode_root(root)), lambda cid, what, chunk: blocks[cid], seen.append))
    assert found == [Leaf(i, leaf) for i, leaf in enumerate(leaves)]
    assert set(seen) == set(blocks) | set(leaves)


def test_every_block_stays_under_a_mebibyte() -> None:
    widest = Layout(chunk_bytes=MAX_BLOCK_BYTES - 16, fan_out=16384)
    links = tuple(LEAVES[0] for _ in range(16384))
    assert len(encode_root(Root(bytes(32), bytes(32), 16384 * widest.chunk_bytes, widest, links))) < MAX_BLOCK_BYTES


@pytest.mark.parametrize("layout", [(0, 2), (-1, 2), (MAX_BLOCK_BYTES, 2), (1, 1), (1, 16385)])
def test_a_layout_out_of_bounds_is_refused(layout: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="chunk_bytes"):
        Layout(*layout)


def node(level: int, links: list[Cid]) -> dict[str, Any]:
    return {"level": level, "links": [link.binary for link in links]}


@pytest.mark.parametrize(
    "fields",
    [
        node(2, LEAVES[:2]),
        node(True, LEAVES[:2]),
        node(1, LEAVES[:1]),
        node(1, LEAVES),
        node(1, [NODE, NODE]),
        node(1, LEAVES[:2]) | {"surplus": 0},
        {"links": []},
    ],
)
def test_a_node_of_another_form_is_refused_in_place(fields: dict[str, Any]) -> None:
    good, bad = (libipld.encode_dag_cbor(f) for f in (node(1, LEAVES[2:]), fields))
    blocks = {Cid.of(DAG_CBOR, block): block for block in (bad, good)}
    root = Root(bytes(32), bytes(32), 3, Layout(1, 2), tuple(blocks))
    first, second = walk(root, lambda cid, what, chunk: blocks[cid])
    assert isinstance(first, VaultCorrupted)
    assert second == Leaf(2, LEAVES[2])
