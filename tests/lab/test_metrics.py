"""The yardsticks agree with scikit-learn on the same numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from belmont.lab.errors import LabError
from belmont.lab.metrics import auc, pooled_logistic, roc_curve


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_auc_with_ties_equals_scikit_learns(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], dtype=float)
    outcome = np.array([case for _, case in pairs], dtype=float)
    if outcome.min() == outcome.max():
        with pytest.raises(LabError, match="at least one case and one control"):
            auc(scores, outcome)
        return
    assert auc(scores, outcome) == pytest.approx(roc_auc_score(outcome, scores))
    rates = roc_curve(scores, outcome)
    theirs = sklearn_roc_curve(outcome, scores, drop_intermediate=False)
    np.testing.assert_allclose(rates[0], theirs[0])
    np.testing.assert_allclose(rates[1], theirs[1])


def test_pooled_logistic_regression_equals_scikit_learns_without_penalty() -> None:
    generator = np.random.default_rng(5)
    design = np.column_stack([np.ones(2000), generator.normal(size=(2000, 4))])
    outcome = (generator.random(2000) < 1 / (1 + np.exp(-design @ np.array([-1.0, 0.5, -0.3, 0.0, 1.0])))).astype(float)
    theirs = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(design, outcome)
    np.testing.assert_allclose(pooled_logistic(design, outcome), theirs.coef_[0], atol=1e-5)


def test_perfect_separation_is_reported_and_not_returned_as_a_fit() -> None:
    design = np.column_stack([np.ones(10), np.arange(10.0) - 4.5])
    with pytest.raises(LabError, match="separate"):
        pooled_logistic(design, (design[:, 1] > 0).astype(float), iterations=5)
