"""The light client's own tries against those of the ``trie`` package, and proofs that prove nothing."""

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from belmont.light.encoding import EMPTY_ROOT, keccak
from belmont.light.errors import ProofRefused
from belmont.light.trie import NODE_BYTES_MAX, proven
from belmont.light.trie_build import Trie, index_key, write_path

KEYS = st.binary(max_size=4) | st.binary(min_size=32, max_size=32)
CONTENTS = st.dictionaries(KEYS, st.binary(min_size=1, max_size=40), max_size=40)


def reference(contents: dict[bytes, bytes]) -> HexaryTrie:
    trie = HexaryTrie({})
    for key, value in contents.items():
        trie[key] = value
    return trie


def listed(trie: HexaryTrie, key: bytes) -> list[bytes]:
    """The nodes of a proof that are referred to by hash, and the root's."""
    nodes = [rlp.encode(node) for node in trie.get_proof(key) if node != b""]
    return [node for place, node in enumerate(nodes) if place == 0 or len(node) >= 32]


@given(CONTENTS, KEYS)
def test_roots_and_proofs_are_those_of_the_other_implementation(contents: dict[bytes, bytes], other: bytes) -> None:
    trie, theirs = Trie(contents), reference(contents)
    assert trie.root == theirs.root_hash
    for key in [*contents, other]:
        assert trie.proof(key) == listed(theirs, key)
        assert proven(theirs.root_hash, key, listed(theirs, key)) == contents.get(key)


@given(st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=300))
@settings(max_examples=20)
def test_a_list_is_kept_under_the_rlp_of_each_index(items: list[bytes]) -> None:
    trie = Trie.of_list(items)
    assert trie.root == reference({rlp.encode(i): item for i, item in enumerate(items)}).root_hash
    for place in {0, len(items) // 2, len(items) - 1}:
        assert proven(trie.root, index_key(place), trie.proof(index_key(place))) == items[place]
    assert proven(trie.root, index_key(len(items)), trie.proof(index_key(len(items)))) is None


@given(CONTENTS.filter(bool), st.data())
def test_a_proof_with_any_bit_changed_is_refused(contents: dict[bytes, bytes], data: st.DataObject) -> None:
    trie = Trie(contents)
    key = data.draw(st.sampled_from(sorted(contents)))
    proof = trie.proof(key)
    place = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 8 * len(proof[place]) - 1))
    changed = bytearray(proof[place])
    changed[bit // 8] ^= 1 << bit % 8
    proof[place] = bytes(changed)
    with pytest.raises(ProofRefused):
        proven(trie.root, key, proof)


@given(CONTENTS, KEYS, st.data())
def test_a_proof_with_nodes_left_out_added_or_reordered_is_refused(
    contents: dict[bytes, bytes], key: bytes, data: st.DataObject
) -> None:
    trie = Trie(contents)
    proof = trie.proof(key)
    pool = [*proof, *(node for each in contents for node in trie.proof(each)), b"\xc0", b""]
    other = data.draw(st.lists(st.sampled_from(pool), max_size=len(proof) + 2).filter(lambda nodes: nodes != proof))
    with pytest.raises(ProofRefused):
        proven(trie.root, key, other)


@given(CONTENTS, KEYS, KEYS)
def test_the_proof_of_one_key_says_nothing_false_about_another(
    contents: dict[bytes, bytes], key: bytes, other: bytes
) -> None:
    trie = Trie(contents)
    try:
        found = proven(trie.root, other, trie.proof(key))
    except ProofRefused:
        return
    assert found == contents.get(other)


@given(st.lists(st.binary(max_size=64), max_size=6), st.binary(max_size=33))
def test_what_is_no_trie_is_refused_or_empty(nodes: list[bytes], key: bytes) -> None:
    root = keccak(nodes[0]) if nodes else EMPTY_ROOT
    try:
        found = proven(root, key, nodes)
    except ProofRefused:
        return
    assert found is None or len(found) > 0


def test_the_empty_trie_holds_nothing_and_has_no_nodes() -> None:
    assert Trie({}).root == EMPTY_ROOT == HexaryTrie({}).root_hash
    assert proven(EMPTY_ROOT, b"key", []) is None
    with pytest.raises(ProofRefused, match="T5"):
        proven(EMPTY_ROOT, b"key", [b"\x80"])


def leaf(path: tuple[int, ...], value: object) -> list[object]:
    return [write_path(path, is_leaf=True), value]


BRANCH = [b""] * 17
BIG = [b"", *[b"\x01" * 32] * 2, *[b""] * 14]
WRONG_NODES = {
    "a node that is no list": (b"node", "T2"),
    "a node of 3 items": ([b"", b"", b""], "T2"),
    "an empty node": ([], "T2"),
    "a leaf without value": (leaf((6, 11), b""), "T3"),
    "a leaf whose value is a list": (leaf((6, 11), [b"v"]), "T3"),
    "a path that is a list": ([[b"\x20"], b"v"], "T2"),
    "a path of no bytes": ([b"", b"v"], "T2"),
    "a path with an unknown flag": ([b"\x46", b"v"], "T2"),
    "a path with padding that is not zero": ([b"\x2f\x6b", b"v"], "T2"),
    "an extension without a path": ([b"\x00", b"\x01" * 32], "T2"),
    "an extension to nothing": ([b"\x16", b""], "T2"),
    "an extension that parts from the key and leads to nothing": ([b"\x17", b""], "T2"),
    "an extension to a leaf": ([b"\x16", leaf((11,), b"v")], "T2"),
    "a reference of 31 bytes": ([*BRANCH[:6], b"\x01" * 31, *BRANCH[7:]], "T2"),
    "a large node inside its parent": ([*BRANCH[:6], BIG, *BRANCH[7:]], "T2"),
    "a place of a branch that is a leaf's value": ([*BRANCH[:6], b"v", *BRANCH[7:]], "T2"),
    "lists within lists": ([[[[[b""]]]]], "T2"),
}


@pytest.mark.parametrize("name", WRONG_NODES)
def test_a_node_of_the_wrong_form_is_refused_although_its_hash_is_right(name: str) -> None:
    node, rule = WRONG_NODES[name]
    encoded = rlp.encode(node)
    with pytest.raises(ProofRefused) as refused:
        proven(keccak(encoded), b"\x6b", [encoded])
    assert refused.value.rule == rule


def test_a_branch_whose_value_is_a_list_is_refused() -> None:
    encoded = rlp.encode([*BRANCH[:16], [b"v"]])
    with pytest.raises(ProofRefused, match="T3"):
        proven(keccak(encoded), b"", [encoded])


@pytest.mark.parametrize("encoded", [b"", b"\x81\x01", b"\xf8\x01\x80", b"\xc2\x80", b"\xc1" * 5000, b"\xc0\xc0"])
def test_a_node_that_is_not_canonical_rlp_is_refused_although_its_hash_is_right(encoded: bytes) -> None:
    with pytest.raises(ProofRefused, match="T2"):
        proven(keccak(encoded), b"\x6b", [encoded])


def test_proofs_beyond_the_limits_are_refused_before_they_are_read() -> None:
    with pytest.raises(ProofRefused, match="T6"):
        proven(bytes(32), b"k", [b"\xc0"] * 4)
    large = bytes(NODE_BYTES_MAX + 1)
    with pytest.raises(ProofRefused, match="T6"):
        proven(keccak(large), b"k", [large])


def test_nodes_shorter_than_32_bytes_stand_inside_their_parents() -> None:
    contents = {b"\x10": b"a", b"\x11": b"b", b"\x20": b"c"}
    trie = Trie(contents)
    assert len(trie.proof(b"\x11")) == 1
    assert proven(trie.root, b"\x11", trie.proof(b"\x11")) == b"b"
    assert proven(trie.root, b"\x12", trie.proof(b"\x12")) is None
