"""Firth's score is answered where the configuration asks for it, and no leverage is more than a row can have."""

import numpy as np
import pytest

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import INVERSE, PREVIOUS, glm_config, initial_model
from belmont.federated.models.rehearsal import Rehearsal
from belmont.lab import LogisticRegression

FEATURES = ("age", "hba1c")
OUTCOME = "cvd_event"
PLAIN = glm_config(FEATURES, OUTCOME)
APPROVED = PLAIN | {"penalty": "firth"}


def gradient(table: object, config: RunConfig, more: Arrays) -> np.ndarray:
    """With an intercept at which everybody's risk is 0, so that leverages count half."""
    model = initial_model(FEATURES)
    model["coefficients"] = np.array([-60.0, 0.0, 0.0])
    study = shipped_bundle("glm"), config, model | more, lambda model, updates: model
    rehearsal = Rehearsal(*study, [table], min_cohort=50, smallest_cell=8)
    rehearsal.round()
    return rehearsal.updates[0].arrays["gradient"]


def crafted(factor: float) -> Arrays:
    """No inverse of any Hessian: every row's leverage is a quarter of ``factor``."""
    inverse = np.zeros((3, 3))
    inverse[0, 0] = factor
    return {PREVIOUS: np.zeros(3), INVERSE: inverse}


@pytest.mark.parametrize("left_out", [(), (PREVIOUS,), (INVERSE,)])
def test_a_model_with_an_inverse_is_refused_where_no_penalty_was_approved(tables, left_out) -> None:
    given = {name: array for name, array in crafted(1.0).items() if name not in left_out}
    with pytest.raises(FederatedError, match="Firth"):
        gradient(tables[0], PLAIN, given)


def test_where_it_was_approved_leverages_are_at_most_one(tables) -> None:
    plain, most, beyond = gradient(tables[0], APPROVED, {}), crafted(4.0), crafted(4e6)
    one = gradient(tables[0], APPROVED, most)
    assert not np.allclose(one, plain)
    assert np.array_equal(gradient(tables[0], APPROVED, beyond), one)
    assert np.allclose(gradient(tables[0], APPROVED, crafted(-4e6)), plain)


def test_the_penalty_is_part_of_what_the_permit_names() -> None:
    plain = LogisticRegression(FEATURES, OUTCOME)
    firth = LogisticRegression(FEATURES, OUTCOME, penalty="firth")
    assert "penalty" not in plain.config
    assert firth.config["penalty"] == "firth"
    assert firth.config_hash != plain.config_hash
