"""A configuration's two forms of sums differ, so that rounds of two kinds cannot be added up."""

import numpy as np
import pytest

from belmont.federated.errors import FederatedError
from belmont.federated.secagg.settings import SECURE_EVALUATION_KEY, SECURE_SUM_KEY, SecureSum, read_secure_sum

UPDATE = SecureSum((("update", (4,)),))


def config(evaluation: SecureSum) -> dict[str, str]:
    return {SECURE_SUM_KEY: UPDATE.to_text(), SECURE_EVALUATION_KEY: evaluation.to_text()}


def test_of_one_form_the_hospital_that_was_asked_to_train_is_alone_among_those_that_evaluate_to_nothing() -> None:
    """Masks are derived from the form, and not from the kind: without the rule, these would cancel out."""
    assert UPDATE.layout.hash == SecureSum((("update", (4,)),), weighted=True).layout.hash
    secret = np.array([1.0, 2.0, 3.0, 4.0])
    trains = UPDATE.encode({"update": secret}, {"num-examples": 9}, 3)
    evaluates = UPDATE.encode({"update": np.zeros(4)}, {"num-examples": 0}, 3)
    arrays, _ = UPDATE.decode(trains + 2 * evaluates)
    assert np.array_equal(arrays["update"], secret)


@pytest.mark.parametrize("kind", ["train", "evaluate"])
@pytest.mark.parametrize("other", [UPDATE, SecureSum(UPDATE.arrays, weighted=True)])
def test_a_configuration_with_two_of_one_form_is_refused(kind: str, other: SecureSum) -> None:
    with pytest.raises(FederatedError, match="of the same form"):
        read_secure_sum(config(other), kind)


def test_two_forms_are_read_each_by_its_kind() -> None:
    other = SecureSum((("counts", (4,)),))
    assert read_secure_sum(config(other)) == UPDATE
    assert read_secure_sum(config(other), "evaluate") == other


def test_an_evaluation_that_cannot_be_read_is_refused_in_training_too() -> None:
    with pytest.raises(FederatedError, match="does not say"):
        read_secure_sum(config(UPDATE) | {SECURE_EVALUATION_KEY: "[]"})
