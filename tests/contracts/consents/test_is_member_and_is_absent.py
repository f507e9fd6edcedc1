"""The contract verifies paths as Python does, forged ones included."""

from dataclasses import replace

import pytest

from belmont.registry.consents.statements import account_key
from belmont.registry.consents.tree import Absence, Batch, ConsentTree, Leaf, Membership, batch_root

HASH = b"\x11" * 32


def key(number):
    return (2 * number + 2).to_bytes(32, "big")


def between(number):
    return (2 * number + 1).to_bytes(32, "big")


def tree_of(count):
    return ConsentTree((key(number), HASH) for number in range(count))


@pytest.fixture
def agreed(hospital):
    """What the contract and Python both say."""

    def ask(shown, asked=None):
        consents, root = hospital.consents(hospital.stranger), hospital.tree.batch.root
        if isinstance(shown, Membership):
            answers = consents.is_member(hospital.dataset, shown), shown.holds(root)
        else:
            answers = consents.is_absent(hospital.dataset, asked, shown), shown.holds(root, asked)
        assert answers[0] == answers[1]
        return answers[0]

    return ask


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9])
def test_every_key_is_shown_to_be_in_or_absent(hospital, agreed, count):
    hospital.publish(tree_of(count))
    for number in range(count):
        assert agreed(hospital.tree.membership(key(number)))
    for number in range(count + 1):
        assert agreed(hospital.tree.absence(between(number)), between(number))


def test_in_the_empty_batch_every_key_is_absent(hospital, agreed):
    hospital.tree = tree_of(0)
    assert agreed(Absence(0, ()), HASH)
    hospital.publish()
    assert agreed(Absence(0, ()), HASH)
    hospital.publish(tree_of(2))
    assert not agreed(Absence(2, ()), HASH)


def test_leaves_that_are_no_neighbours_show_no_absence(hospital, agreed):
    hospital.publish(tree_of(5))
    leaves = [hospital.tree.membership(key(number)).leaf for number in range(5)]
    for first in range(5):
        assert agreed(Absence(5, (leaves[first],)), between(0)) == (first == 0)
        assert agreed(Absence(5, (leaves[first],)), between(5)) == (first == 4)
        assert not agreed(Absence(5, (leaves[first],)), key(2))
        for last in range(5):
            shown = Absence(5, (leaves[first], leaves[last]))
            assert agreed(shown, between(2)) == ((first, last) == (1, 2))
            assert not agreed(shown, key(2))


def test_what_fills_the_tree_up_is_nobodys_leaf(hospital, agreed):
    hospital.publish(tree_of(5))
    last = hospital.tree.membership(key(4)).leaf
    for place in (5, 6, 7, 8, 4 + 8, 4 + 2**63, 2**64 - 1):
        assert not agreed(Membership(5, replace(last, place=place)))
        assert not agreed(Membership(5, Leaf(bytes(32), bytes(32), place, last.path)))
        assert not agreed(Absence(5, (last, replace(last, place=place))), between(5))


def test_forged_paths_show_nothing(hospital, agreed):
    hospital.publish(tree_of(5))
    shown = hospital.tree.membership(key(1))
    leaf = shown.leaf
    forged = [
        replace(leaf, key=key(2)),
        replace(leaf, scope_hash=bytes(32)),
        replace(leaf, place=0),
        replace(leaf, path=leaf.path[:-1]),
        replace(leaf, path=(*leaf.path, HASH)),
        replace(leaf, path=tuple(reversed(leaf.path))),
        replace(leaf, path=()),
    ]
    forged += [replace(leaf, path=(*leaf.path[:at], HASH, *leaf.path[at + 1 :])) for at in range(len(leaf.path))]
    assert not any(agreed(replace(shown, leaf=each)) for each in forged)
    around = hospital.tree.absence(between(1))
    for each in forged:
        assert not agreed(replace(around, neighbours=(around.neighbours[0], each)), between(1))


def test_a_tree_that_is_higher_than_its_count_shows_nothing(hospital):
    tree, consents = tree_of(9), hospital.consents(hospital.stranger)
    shown = tree.membership(key(3))
    lying = Batch(batch_root(5, shown.leaf.node(4)), 5)
    hospital.consents(hospital.consortium.holder).publish_batch(hospital.dataset, lying)
    assert not consents.is_member(hospital.dataset, shown)
    assert not replace(shown, count=5).holds(lying.root)


def test_a_count_that_is_not_the_trees_lets_nothing_be_shown(hospital):
    tree = tree_of(5)
    consents = hospital.consents(hospital.stranger)
    hospital.consents(hospital.consortium.holder).publish_batch(hospital.dataset, Batch(tree.batch.root, 6))
    assert not any(consents.is_member(hospital.dataset, tree.membership(key(number))) for number in range(5))
    assert not consents.is_absent(hospital.dataset, between(2), tree.absence(between(2)))


def test_arguments_that_are_no_paths_are_refused_before_anything_is_sent(hospital):
    consents = hospital.consents(hospital.stranger)
    leaf = hospital.tree.membership(account_key(hospital.patient.address)).leaf
    for wrong in (replace(leaf, path=(HASH,) * 33), replace(leaf, key=b"short"), replace(leaf, place=-1)):
        with pytest.raises(ValueError, match=r"path|32 bytes|whole number"):
            consents.is_member(hospital.dataset, Membership(7, wrong))
        with pytest.raises(ValueError, match=r"path|32 bytes|whole number"):
            consents.is_absent(hospital.dataset, HASH, Absence(7, (wrong,)))
    with pytest.raises(ValueError, match="neighbours"):
        consents.is_absent(hospital.dataset, HASH, Absence(7, (leaf,) * 3))
