"""When shares leave a hospital: every combination of recorded sets, closed or not, is tried."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.federated.secagg.parties import context_of, hospitals

from belmont.federated.errors import ReleaseRefused
from belmont.federated.secagg.release import kinds_due
from belmont.federated.secagg.setup import Kind


def subsets(items):
    return itertools.chain.from_iterable(itertools.combinations(items, size) for size in range(len(items) + 1))


@pytest.mark.parametrize(("count", "threshold"), [(3, 2), (3, 3), (4, 3), (4, 4), (5, 3), (5, 4)])
def test_shares_are_released_for_a_final_set_of_enough_hospitals_and_for_nothing_else(count, threshold):
    context = context_of(hospitals(count), threshold)
    for own, recorded, closed in itertools.product(context.participants, subsets(context.participants), (False, True)):
        final = closed or len(recorded) == count
        if own in recorded and final and len(recorded) >= threshold:
            kinds = kinds_due(context, own, recorded, closed)
            assert kinds == tuple(Kind.SEED if each in recorded else Kind.KEY for each in context.participants)
        else:
            with pytest.raises(ReleaseRefused):
                kinds_due(context, own, recorded, closed)


@given(st.integers(3, 6), st.data())
def test_in_any_history_of_one_round_no_hospital_releases_two_kinds_for_one_participant(count, data):
    """The chain takes records in any order until it is closed. Hospitals ask at every moment, and remember nothing."""
    context = context_of(hospitals(count), data.draw(st.integers(count // 2 + 1, count)))
    order = data.draw(st.permutations(context.participants))
    closes_after = data.draw(st.integers(0, count))
    released: dict = {}
    recorded: set = set()
    for moment in range(count + 2):
        closed = moment > closes_after
        if not closed and moment < count:
            recorded.add(order[moment])
        for own in context.participants:
            try:
                kinds = kinds_due(context, own, recorded, closed)
            except ReleaseRefused:
                continue
            for participant, kind in zip(context.participants, kinds, strict=True):
                released.setdefault(participant, set()).add(kind)
    assert all(len(kinds) == 1 for kinds in released.values())


def test_a_hospital_that_is_not_recorded_does_not_release_though_enough_others_are():
    context = context_of(hospitals(5), 3)
    with pytest.raises(ReleaseRefused, match="has not recorded"):
        kinds_due(context, context.participants[4], context.participants[:4], closed=True)


def test_nothing_is_released_while_a_record_may_still_follow():
    context = context_of(hospitals(4))
    with pytest.raises(ReleaseRefused, match="more may follow"):
        kinds_due(context, context.participants[0], context.participants[:3], closed=False)


def test_what_the_ledger_says_was_released_before_binds_even_against_the_chain():
    context = context_of(hospitals(4))
    own, three, four = context.participants[0], context.participants[:3], context.participants
    assert kinds_due(context, own, three, True, released_for=three) == kinds_due(context, own, three, True)
    with pytest.raises(ReleaseRefused, match="another set"):
        kinds_due(context, own, four, True, released_for=three)
    with pytest.raises(ReleaseRefused, match="another set"):
        kinds_due(context, own, three, True, released_for=four)


def test_a_record_of_somebody_who_takes_no_part_is_refused():
    context = context_of(hospitals(3))
    with pytest.raises(ReleaseRefused, match="takes no part"):
        kinds_due(context, context.participants[0], (*context.participants, b"\1" * 32), True)
