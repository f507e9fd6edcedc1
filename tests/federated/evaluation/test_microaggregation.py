"""Scores in groups of neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from belmont.federated.evaluation.microaggregation import microaggregated

SCORES = arrays(np.float64, st.integers(8, 60), elements=st.floats(0, 1))


@given(SCORES, st.integers(2, 8))
def test_every_score_that_is_left_is_that_of_at_least_k_patients_in_their_order(scores: np.ndarray, k: int) -> None:
    found = microaggregated(scores, k, scores)
    _, counts = np.unique(found, return_counts=True)
    assert counts.min() >= k
    order = np.argsort(scores, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    assert scores.min() <= found.min() and found.max() <= scores.max()


@given(SCORES, st.data())
def test_one_patient_among_equals_moves_nothing_however_the_model_scores_that_patient(
    scores: np.ndarray, data: st.DataObject
) -> None:
    same = np.full(len(scores), 0.3)
    aimed = same.copy()
    aimed[data.draw(st.integers(0, len(scores) - 1))] = data.draw(st.floats(0, 1))
    assert np.allclose(microaggregated(aimed, 8, aimed), same, atol=1e-12)


def test_groups_of_one_are_the_scores_themselves_and_too_few_are_refused() -> None:
    scores = np.array([0.2, 0.1])
    assert microaggregated(scores, 1, scores).tolist() == [0.2, 0.1]
    assert len(microaggregated(scores[:0], 8, scores)) == 0
    with pytest.raises(ValueError, match="fewer"):
        microaggregated(scores, 8, scores)
