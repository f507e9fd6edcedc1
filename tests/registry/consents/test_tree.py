"""The Merkle tree of a batch: what its proofs show, and what forged ones do not."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.registry.consents.errors import AttestationRefused, PathMalformed
from belmont.registry.consents.tree import EMPTY_BATCH, PADDING, Absence, Batch, ConsentTree, Leaf, Membership

SCOPE = b"\x55" * 32


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def key(number: int) -> bytes:
    """Keys in ascending order, with room between them."""
    return (2 * number + 2).to_bytes(32, "big")


def between(number: int) -> bytes:
    """After key ``number - 1`` and before key ``number``."""
    return (2 * number + 1).to_bytes(32, "big")


def tree_of(count: int) -> ConsentTree:
    return ConsentTree((key(number), sha(key(number))) for number in reversed(range(count)))


def naive_root(entries: list[tuple[bytes, bytes]]) -> bytes:
    """As docs/consents.md says it, with every padding leaf written out."""
    nodes = [sha(b"\x00" + leaf + scope) for leaf, scope in sorted(entries)]
    while len(nodes) & (len(nodes) - 1) or not nodes:
        nodes.append(sha(b"\x00"))
    while len(nodes) > 1:
        nodes = [sha(b"\x01" + nodes[place] + nodes[place + 1]) for place in range(0, len(nodes), 2)]
    return sha(b"\x02" + len(entries).to_bytes(8, "big") + nodes[0])


@given(st.sets(st.binary(min_size=32, max_size=32), max_size=40))
def test_the_root_is_the_one_that_is_written_down(keys):
    entries = [(each, sha(each)) for each in keys]
    assert ConsentTree(entries).batch == Batch(naive_root(entries), len(entries))


def test_the_empty_batch_has_the_root_that_the_contract_starts_from():
    assert ConsentTree([]).batch == EMPTY_BATCH == Batch(naive_root([]), 0)


@pytest.mark.parametrize("count", range(1, 20))
def test_every_leaf_is_shown_and_every_other_key_is_shown_to_be_absent(count):
    tree = tree_of(count)
    root = tree.batch.root
    for number in range(count):
        assert tree.membership(key(number)).holds(root)
        assert tree.membership(key(number)).leaf.scope_hash == sha(key(number))
    for number in range(count + 1):
        assert tree.absence(between(number)).holds(root, between(number))


@pytest.mark.parametrize("count", range(1, 20))
def test_proofs_as_bytes_come_back_as_they_were(count):
    tree = tree_of(count)
    for number in range(count):
        shown = tree.membership(key(number))
        assert Membership.from_bytes(shown.to_bytes()) == shown
    for number in range(count + 1):
        absent = tree.absence(between(number))
        assert Absence.from_bytes(absent.to_bytes()) == absent
    assert Absence.from_bytes(tree_of(0).absence(SCOPE).to_bytes()) == Absence(0, ())


@pytest.mark.parametrize("number", range(13))
def test_no_byte_of_a_membership_can_be_changed(number):
    tree = tree_of(13)
    content = tree.membership(key(number)).to_bytes()
    for place in range(len(content)):
        for bit in (1, 128):
            changed = content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
            assert not accepted(Membership, changed, tree.batch.root), place


@pytest.mark.parametrize("number", range(14))
def test_no_byte_of_an_absence_can_be_changed(number):
    tree = tree_of(13)
    content = tree.absence(between(number)).to_bytes()
    for place in range(len(content)):
        for bit in (1, 128):
            changed = content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
            assert not accepted(Absence, changed, tree.batch.root, between(number)), place


@pytest.mark.parametrize("kind", [Membership, Absence])
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes_are_a_proof_of_nothing_or_malformed(kind, data):
    root = tree_of(5).batch.root
    assert not accepted(kind, data, root, *([key(9)] if kind is Absence else []))


def test_cut_and_longer_bytes_are_malformed():
    content = tree_of(5).membership(key(2)).to_bytes()
    for changed in (*(content[:end] for end in range(len(content))), content + b"\x00", content + bytes(32)):
        with pytest.raises(PathMalformed):
            Membership.from_bytes(changed)
    with pytest.raises(PathMalformed):
        Membership.from_bytes(tree_of(5).absence(between(2)).to_bytes())


def accepted(kind, content: bytes, *claim) -> bool:
    try:
        return kind.from_bytes(content).holds(*claim)
    except PathMalformed:
        return False


def test_another_key_or_scope_is_not_shown():
    tree = tree_of(6)
    shown = tree.membership(key(3))
    for change in ({"key": key(4)}, {"scope_hash": SCOPE}, {"place": 2}, {"path": shown.leaf.path[:-1]}):
        assert not replace(shown, leaf=replace(shown.leaf, **change)).holds(tree.batch.root)
    assert not replace(shown, count=7).holds(tree.batch.root)


@pytest.mark.parametrize("count", [3, 5, 6, 7, 9])
def test_what_fills_the_tree_up_is_nobodys_leaf(count):
    """The padding leaf has no key and scope that hash to it, and its place is not below the count."""
    tree = tree_of(count)
    width = 1 << (count - 1).bit_length()
    last = tree.membership(key(count - 1)).leaf
    for place in range(count, width):
        assert not Membership(count, replace(last, place=place)).holds(tree.batch.root)
    # As many leaves as places, with the padding counted in: the root binds the true number.
    padded = Leaf(bytes(32), bytes(32), width - 1, last.path)
    assert not Membership(width, padded).holds(tree.batch.root)
    assert sha(b"\x00" + bytes(64)) != PADDING


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_a_place_is_below_the_count_whatever_its_low_bits_say(count):
    tree = tree_of(count)
    width = 1 << (count - 1).bit_length()
    for number in range(count):
        shown = tree.membership(key(number))
        for place in (number + width, number + 4 * width, number - width):
            assert not replace(shown, leaf=replace(shown.leaf, place=place)).holds(tree.batch.root)


def test_a_tree_that_is_higher_than_its_count_shows_nothing():
    """Whoever publishes a root over more leaves than it says cannot show any of them."""
    tree = tree_of(9)
    shown = tree.membership(key(3))
    node = shown.leaf.node(len(shown.leaf.path))
    root = sha(b"\x02" + (5).to_bytes(8, "big") + node)
    assert not replace(shown, count=5).holds(root)
    assert shown.holds(sha(b"\x02" + (9).to_bytes(8, "big") + node))


def test_an_inner_node_is_not_a_leaf():
    """Two hashes that hash to a node are 64 bytes, as a key and a scope are; leaves are hashed otherwise."""
    tree = tree_of(4)
    left, right = (sha(b"\x00" + key(number) + sha(key(number))) for number in (0, 1))
    above = tree.membership(key(0)).leaf.path[1:]
    assert not Membership(4, Leaf(left, right, 0, above)).holds(tree.batch.root)
    assert not Membership(2, Leaf(left, right, 0, above)).holds(tree.batch.root)


def test_leaves_that_are_no_neighbours_show_no_absence():
    tree = tree_of(8)
    root, leaf = tree.batch.root, lambda number: tree.membership(key(number)).leaf
    for first in range(8):
        for last in range(8):
            if last - first != 1:
                assert not Absence(8, (leaf(first), leaf(last))).holds(root, key(4))
                assert not Absence(8, (leaf(first), leaf(last))).holds(root, between(4))


def test_neighbours_show_nothing_about_keys_that_are_not_between_them():
    tree = tree_of(8)
    around = tree.absence(between(4))
    for asked in (key(3), key(4), between(3), between(5), key(0), between(0), between(8)):
        assert not around.holds(tree.batch.root, asked)


def test_one_leaf_shows_absence_at_the_ends_only():
    tree = tree_of(8)
    root = tree.batch.root
    for number in range(8):
        alone = Absence(8, (tree.membership(key(number)).leaf,))
        assert alone.holds(root, between(0)) == (number == 0)
        assert alone.holds(root, between(8)) == (number == 7)
        assert not any(alone.holds(root, key(each)) for each in range(8))
        assert not any(alone.holds(root, between(each)) for each in range(1, 8))


def test_no_leaf_at_all_shows_absence_in_the_empty_batch_only():
    assert Absence(0, ()).holds(EMPTY_BATCH.root, key(1))
    assert not Absence(0, ()).holds(tree_of(2).batch.root, key(1))
    assert not Absence(2, ()).holds(tree_of(2).batch.root, key(1))


def test_a_proof_shows_nothing_about_another_batch():
    shown, absent = tree_of(6).membership(key(3)), tree_of(6).absence(between(3))
    other = ConsentTree([(key(number), SCOPE) for number in range(6)]).batch.root
    assert not shown.holds(other)
    assert not absent.holds(other, between(3))


def test_a_revoked_patient_is_absent_from_the_next_batch():
    before = tree_of(6)
    after = ConsentTree((key(number), sha(key(number))) for number in range(6) if number != 3)
    assert before.membership(key(3)).holds(before.batch.root)
    assert not before.membership(key(3)).holds(after.batch.root)
    assert after.absence(key(3)).holds(after.batch.root, key(3))


def test_a_key_twice_is_refused():
    with pytest.raises(AttestationRefused, match="same key"):
        ConsentTree([(key(1), SCOPE), (key(2), SCOPE), (key(1), sha(SCOPE))])


def test_who_is_in_is_not_shown_to_be_absent_nor_the_other_way_round():
    with pytest.raises(AttestationRefused, match="membership"):
        tree_of(3).absence(key(1))
    with pytest.raises(AttestationRefused, match="absence"):
        tree_of(3).membership(between(1))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=40, unique=True), st.integers(0, 121))
def test_every_key_is_either_in_or_absent(numbers, asked):
    tree = ConsentTree((key(number), SCOPE) for number in numbers)
    wanted = asked.to_bytes(32, "big")
    if wanted in tree:
        assert tree.membership(wanted).holds(tree.batch.root)
    else:
        assert tree.absence(wanted).holds(tree.batch.root, wanted)
