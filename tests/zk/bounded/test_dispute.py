"""If a total is refuted the liar is found without any update being shown, and no honest hospital is named."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.zk.bounded.dispute import (
    Findings,
    MaskedUpdate,
    add_masks,
    commit_elements,
    investigate,
    is_mask,
    sign_of,
)
from belmont.zk.bounded.sums import add_updates, open_sum
from belmont.zk.curve import GENERATOR
from belmont.zk.errors import UpdateError, UpdateRefuted
from belmont.zk.field import ORDER, N


class Round:
    """Three hospitals that aggregate under pair masks. Tests change what one of them does."""

    def __init__(self, rounds, long=False, survivors=(0, 1, 2)):
        self.shape = rounds.committed(0, long).statement.shape
        self.names = [rounds.hospitals[i] for i in survivors]
        self.verified = [rounds.verified(i, long) for i in survivors]
        self.statements = [each.statement for each in self.verified]
        self.own = [rounds.committed(i, long).opening.elements(self.shape) for i in survivors]
        draw = random.Random(3)
        self.pair = {
            frozenset((a, b)): [draw.randrange(ORDER) for _ in range(self.shape.chunks * N)]
            for i, a in enumerate(self.names)
            for b in self.names[i + 1 :]
        }
        points = {pair: commit_elements(self.shape, mask) for pair, mask in self.pair.items()}
        self.masks = {a: {b: points[frozenset((a, b))] for b in self.names if b != a} for a in self.names}
        self.sent = [
            add_masks(said, own, {b: self.pair[frozenset((said.dataset, b))] for b in self.names if b != said.dataset})
            for said, own in zip(self.statements, self.own, strict=True)
        ]

    def total(self) -> list[int]:
        return [sum(each) % ORDER for each in zip(*self.sent, strict=True)]

    def investigate(self) -> Findings:
        return investigate(
            [MaskedUpdate(u, tuple(s)) for u, s in zip(self.verified, self.sent, strict=True)], self.masks
        )


@pytest.fixture
def masked(rounds):
    return Round(rounds)


def with_change(elements, place, change):
    found = list(elements)
    found[place] = (found[place] + change) % ORDER
    return tuple(found)


def test_masks_cancel_and_nobody_is_named(masked):
    open_sum(add_updates(masked.verified), masked.total())
    assert masked.investigate() == Findings((), ())
    assert masked.investigate().nobody


def test_a_masked_vector_shows_nothing_of_the_update(masked):
    for own, sent in zip(masked.own, masked.sent, strict=True):
        assert not any(a == b for a, b in zip(own, sent, strict=True))


@pytest.mark.parametrize("hospital", [0, 1, 2])
@pytest.mark.parametrize("place", [0, 19, N - 1])
def test_whoever_sends_something_else_than_it_committed_to_is_named(masked, hospital, place):
    masked.sent[hospital] = with_change(masked.sent[hospital], place, 1)
    with pytest.raises(UpdateRefuted):
        open_sum(add_updates(masked.verified), masked.total())
    assert masked.investigate() == Findings((masked.names[hospital],), ())


def test_lies_that_cancel_leave_a_true_total_and_are_found_all_the_same(masked):
    masked.sent[0] = with_change(masked.sent[0], 3, 5)
    masked.sent[1] = with_change(masked.sent[1], 3, -5)
    open_sum(add_updates(masked.verified), masked.total())
    assert masked.investigate().unfit == tuple(masked.names[:2])


def test_a_mask_commitment_that_hides_the_lie_puts_the_pair_in_dispute(masked):
    """Hospital 0 sent one more, and commits to a mask with hospital 1 that is one more too."""
    a, b = masked.names[0], masked.names[1]
    masked.sent[0] = with_change(masked.sent[0], 3, 1)
    false = commit_elements(masked.shape, with_change(masked.pair[frozenset((a, b))], 3, 1))
    masked.masks[a] = {**masked.masks[a], b: false}
    assert masked.investigate() == Findings((), ((a, b),))
    proven = masked.pair[frozenset((a, b))]  # what grows from the seed that both keys on chain give
    assert not is_mask(masked.shape, masked.masks[a][b], proven)
    assert is_mask(masked.shape, masked.masks[b][a], proven)


def test_a_mask_that_two_liars_made_up_still_cancels(masked):
    a, b = masked.names[0], masked.names[1]
    masked.sent[0], masked.sent[1] = with_change(masked.sent[0], 3, 1), with_change(masked.sent[1], 3, -1)
    made_up = commit_elements(masked.shape, with_change(masked.pair[frozenset((a, b))], 3, 1))
    masked.masks[a], masked.masks[b] = {**masked.masks[a], b: made_up}, {**masked.masks[b], a: made_up}
    assert masked.investigate().nobody
    open_sum(add_updates(masked.verified), masked.total())


def test_whoever_commits_to_no_masks_or_too_many_is_named(masked):
    a = masked.names[0]
    complete = masked.masks[a]
    first = masked.names[1]
    for claims in (
        {},
        {first: complete[first]},
        {**complete, b"z" * 32: complete[first]},
        {**complete, first: ()},
        {**complete, first: (*complete[first], GENERATOR)},
    ):
        masked.masks[a] = claims
        assert masked.investigate() == Findings((a,), ())
    del masked.masks[a]
    assert masked.investigate() == Findings((a,), ())


def test_elements_that_are_none_name_their_sender(masked):
    for bad in (masked.sent[1][:-1], (ORDER, *masked.sent[1][1:]), ()):
        masked.sent[1] = bad
        assert masked.investigate() == Findings((masked.names[1],), ())


def test_survivors_alone_are_judged_by_their_own_pairs(rounds):
    masked = Round(rounds, survivors=(0, 2))
    open_sum(add_updates(masked.verified), masked.total())
    assert masked.investigate().nobody
    masked.sent[1] = with_change(masked.sent[1], 0, 1)
    assert masked.investigate() == Findings((masked.names[1],), ())


def test_several_chunks_are_judged_together(rounds):
    masked = Round(rounds, long=True)
    open_sum(add_updates(masked.verified), masked.total())
    assert masked.investigate().nobody
    masked.sent[2] = with_change(masked.sent[2], N + 4, 1)
    assert masked.investigate() == Findings((masked.names[2],), ())


@given(st.integers(0, 2), st.integers(0, N - 1), st.integers(1, ORDER - 1))
@settings(max_examples=6, deadline=None)
def test_no_honest_hospital_is_named_whatever_another_sends(rounds, hospital, place, change):
    masked = Round(rounds)
    masked.sent[hospital] = with_change(masked.sent[hospital], place, change)
    other = masked.names[(hospital + 1) % 3]
    own = masked.names[hospital]
    masked.masks[own] = {**masked.masks[own], other: tuple(GENERATOR for _ in masked.masks[own][other])}
    found = masked.investigate()
    assert set(found.unfit) <= {own}
    assert all(own in pair for pair in found.disputes)
    assert not found.nobody


def test_signs_are_opposite_at_the_two_ends_of_a_pair(masked):
    for said in masked.statements:
        for other in masked.statements:
            if said != other:
                assert sign_of(said, other.dataset) == -sign_of(other, said.dataset)
    for nobody in (masked.names[0], b"z" * 32):
        with pytest.raises(UpdateError):
            sign_of(masked.statements[0], nobody)


def test_updates_of_different_rounds_are_not_judged_together(masked):
    masked.verified[1] = replace(masked.verified[1], statement=replace(masked.statements[1], round=9))
    with pytest.raises(UpdateError, match="one round"):
        masked.investigate()


def test_a_mask_of_another_length_is_refused(masked):
    for bad in ([1, 2], [ORDER] * N, [1.5] * N):
        with pytest.raises(UpdateError):
            commit_elements(masked.shape, bad)
        with pytest.raises(UpdateError):
            add_masks(masked.statements[0], masked.own[0], {masked.names[1]: bad})
    assert not is_mask(masked.shape, (), masked.own[0])
