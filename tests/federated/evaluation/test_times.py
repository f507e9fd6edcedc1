"""Spans of time, sets of patients one in another, and small spans that are run together."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from belmont.federated.evaluation.times import are_events, classes_of, in_classes, run_together, sets_of

CELL = 8


def test_a_span_ends_at_its_cut_point_and_who_is_followed_beyond_the_last_has_no_event() -> None:
    times = np.array([0.0, 90.0, 90.5, 180.0, 180.5, 900.0])
    assert classes_of(times, np.ones(6, bool), (90.0, 180.0)).tolist() == [1, 1, 3, 3, 4, 4]
    assert classes_of(times, np.zeros(6, bool), (90.0, 180.0)).tolist() == [0, 0, 2, 2, 4, 4]


@given(st.integers(1, 5), st.lists(st.integers(0, 100), max_size=60))
def test_classes_follow_from_how_many_are_in_the_sets(cuts: int, drawn: list[int]) -> None:
    classes = np.array([each % (2 * cuts + 1) for each in drawn], np.int64)
    sets = np.array([inside.sum() for inside in sets_of(classes, 2 * cuts + 1)])
    assert in_classes(sets).tolist() == np.bincount(classes, minlength=2 * cuts + 1).tolist()
    assert sets[0] == len(drawn) and sets[-2] == are_events(classes).sum()


def test_where_every_class_has_enough_or_nobody_all_stay_where_they_are() -> None:
    assert run_together(np.array([[8, 9, 0, 12, 40]]), CELL).tolist() == [0, 1, 2, 3, 4]


def test_the_few_of_a_small_span_count_in_the_span_beside_it_and_not_the_many_in_theirs() -> None:
    early = np.array([[0, 3, 0, 20, 0, 30, 50]])
    assert run_together(early, CELL).tolist() == [0, 3, 2, 3, 4, 5, 6]
    late = np.array([[0, 30, 0, 20, 0, 3, 50]])
    assert run_together(late, CELL).tolist() == [0, 1, 2, 3, 4, 3, 6], "the last few join those before"
    leaving = np.array([[5, 20, 0, 20, 0, 20, 50]])
    assert run_together(leaving, CELL).tolist()[0] == 6, "who left without an event is run together with such alone"


def counted(runs: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.array([np.bincount(runs, weights=each, minlength=len(runs)) for each in counts])


@given(
    st.integers(1, 6).flatmap(
        lambda cuts: st.lists(
            st.lists(st.integers(0, 20), min_size=2 * cuts + 1, max_size=2 * cuts + 1), min_size=1, max_size=4
        )
    )
)
def test_after_it_every_class_of_every_slot_has_nobody_or_enough_and_nobody_is_lost(rows: list[list[int]]) -> None:
    counts = np.array(rows)
    sides = counts[:, 1::2].sum(axis=1), counts[:, 0::2].sum(axis=1)
    assume(all(((side == 0) | (side >= CELL)).all() for side in sides))
    found = counted(run_together(counts, CELL), counts)
    assert ((found == 0) | (found >= CELL)).all()
    assert (found[:, 1::2].sum(axis=1) == sides[0]).all() and (found[:, 0::2].sum(axis=1) == sides[1]).all()


@given(st.lists(st.lists(st.integers(0, 12), min_size=7, max_size=7), min_size=2, max_size=4))
def test_parts_by_runs_of_the_wholes_runs_leave_nobody_or_enough_in_every_difference(rows: list[list[int]]) -> None:
    """What is left of the whole, less any of the parts, is whole classes of the other parts."""
    parts = np.array(rows)
    sides = parts[:, 1::2].sum(axis=1), parts[:, 0::2].sum(axis=1)
    assume(all(((side == 0) | (side >= CELL)).all() for side in sides))
    whole = run_together(parts.sum(axis=0)[None], CELL)
    own = run_together(counted(whole, parts).astype(int), CELL)[whole]
    shown = counted(own, parts)
    assert ((shown == 0) | (shown >= CELL)).all()
    coarse, fine = counted(own, parts.sum(axis=0)[None]), counted(whole, parts.sum(axis=0)[None])
    assert (shown.sum(axis=0) == coarse[0]).all()
    assert {tuple(np.flatnonzero(own == each)) for each in own} == {
        tuple(np.flatnonzero(np.isin(whole, np.unique(whole[own == each])))) for each in own
    }, "a run of the parts is runs of the whole"
    assert ((fine == 0) | (fine >= CELL)).all()
