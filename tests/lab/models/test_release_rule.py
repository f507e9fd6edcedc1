"""The rule for releases that a permit binds, and the arrays that a model may have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.lab.errors import LabError
from belmont.lab.models import LogisticRegression, MLPClassifier
from belmont.lab.release_rule import RELEASE_KEY, STRICT, ReleaseRule, read_release_rule

COUNTS = st.integers(1, 10**9)


@given(COUNTS, st.floats(0, 1), COUNTS, COUNTS)
def test_a_rule_is_read_as_it_was_written(most: int, advantage: float, rows: int, hospitals: int) -> None:
    rule = ReleaseRule(most, advantage, rows, hospitals)
    assert read_release_rule({RELEASE_KEY: rule.to_text()}) == rule


def test_without_a_rule_the_strict_one_counts() -> None:
    assert read_release_rule({}) == STRICT
    assert read_release_rule(LogisticRegression(("age",), "event").config) == STRICT


def test_the_permit_binds_it_by_the_configurations_hash() -> None:
    rule = ReleaseRule(50, 0.2, 500, 3)
    free, bound = LogisticRegression(("age",), "event"), LogisticRegression(("age",), "event", release=rule)
    assert read_release_rule(bound.config) == rule and free.config_hash != bound.config_hash


@pytest.mark.parametrize(
    "changed",
    [
        {"max_parameters": 0},
        {"max_parameters": 1.5},
        {"max_parameters": True},
        {"max_membership_advantage": -0.1},
        {"max_membership_advantage": 1.1},
        {"max_membership_advantage": float("nan")},
        {"max_membership_advantage": "0.1"},
        {"min_rows": 0},
        {"min_hospitals": "3"},
    ],
)
def test_a_limit_that_is_none_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(LabError):
        ReleaseRule(
            **({"max_parameters": 1, "max_membership_advantage": 0.1, "min_rows": 1, "min_hospitals": 1} | changed)
        )


GOOD = ReleaseRule(50, 0.2, 500, 3).to_text()


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", 7, True, GOOD.replace("min_rows", "min_row"), GOOD[:-1] + ',"more":1}', "[" * 100_000],
)
def test_a_text_that_is_no_rule_never_becomes_one(text: Any) -> None:
    with pytest.raises(LabError):
        read_release_rule({RELEASE_KEY: text})


def test_arrays_that_a_fit_leaves_in_the_model_are_declared() -> None:
    import numpy as np

    x = np.linspace(-1, 1, 40)
    for model in (
        LogisticRegression(("x0",), "event", penalty="firth"),
        MLPClassifier(("x0",), "event", hidden=(3,)),
    ):
        model.fit(x[:, None], (x > 0).astype(int), rounds=3)
        declared = model.declared()
        assert all(declared[name] == array.shape for name, array in model.arrays_.items())
