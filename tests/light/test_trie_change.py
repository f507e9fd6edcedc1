"""Roots after a change, from proofs alone, against tries that are built anew with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.light.encoding import EMPTY_ROOT
from belmont.light.errors import ProofRefused
from belmont.light.trie_build import Trie
from belmont.light.trie_change import Change, root_after

KEYS = st.binary(max_size=3) | st.binary(min_size=32, max_size=32)
VALUES = st.binary(min_size=1, max_size=40)
CONTENTS = st.dictionaries(KEYS, VALUES, max_size=40)


def changes_of(contents: dict[bytes, bytes], changed: dict[bytes, bytes]) -> list[Change]:
    trie = Trie(contents)
    return [Change(key, value, trie.proof(key)) for key, value in changed.items()]


@given(CONTENTS, st.dictionaries(KEYS, VALUES, max_size=4))
def test_the_root_is_that_of_the_trie_with_the_change(
    contents: dict[bytes, bytes], changed: dict[bytes, bytes]
) -> None:
    assert root_after(Trie(contents).root, changes_of(contents, changed)) == Trie(contents | changed).root


@given(CONTENTS.filter(lambda contents: len(contents) > 1), VALUES, st.data())
def test_a_change_of_what_is_there_already_needs_no_other_node(
    contents: dict[bytes, bytes], value: bytes, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(contents)))
    assert root_after(Trie(contents).root, changes_of(contents, {key: value})) == Trie({**contents, key: value}).root


@given(CONTENTS.filter(lambda contents: len(contents) > 1), VALUES, st.data())
def test_a_second_change_or_a_dropped_key_gives_another_root(
    contents: dict[bytes, bytes], value: bytes, data: st.DataObject
) -> None:
    key, other = data.draw(st.permutations(sorted(contents)))[:2]
    claimed = root_after(Trie(contents).root, changes_of(contents, {key: value}))
    after = contents | {key: value}
    assert Trie(after | {other: after[other] + b"!"}).root != claimed
    assert Trie({each: after[each] for each in after if each != other}).root != claimed


def test_the_first_value_of_an_empty_trie() -> None:
    assert root_after(EMPTY_ROOT, [Change(b"key", b"value", [])]) == Trie({b"key": b"value"}).root


@given(CONTENTS.filter(bool), VALUES, st.data())
def test_a_proof_that_is_incomplete_or_of_another_trie_is_refused(
    contents: dict[bytes, bytes], value: bytes, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(contents)))
    trie, other = Trie(contents), Trie(contents | {key: contents[key] + b"!"})
    for proof in (trie.proof(key)[:-1], other.proof(key), [*trie.proof(key), b"\xc0"]):
        with pytest.raises(ProofRefused):
            root_after(trie.root, [Change(key, value, proof)])


def test_a_change_to_nothing_is_refused() -> None:
    """A dropped key is no change that can be proven."""
    trie = Trie({b"key": b"value", b"other": b"value"})
    with pytest.raises(ProofRefused):
        root_after(trie.root, [Change(b"key", b"", trie.proof(b"key"))])
