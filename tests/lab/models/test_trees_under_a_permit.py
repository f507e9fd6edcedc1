"""Boosted trees under a permit: applied for, voted, accepted, fitted by gated rounds."""

import numpy as np
import pandas as pd
import pytest

from belmont.lab import Consortium
from belmont.lab.models import HistGradientBoostingClassifier
from belmont.lab.permit import Permit

FEATURES = ("age", "sex", "egfr", "prior_event")


def permit_for(consortium: Consortium, model: HistGradientBoostingClassifier, rounds: int) -> Permit:
    study = consortium.propose("Trees", model=model, rounds=rounds, min_cohort=10)
    study.vote(*consortium.board[:2], approve=True, reason="trees of four columns")
    return study.accept(*consortium.hospitals).permit()


def test_a_fit_under_a_permit_grows_its_trees_and_ends_when_they_are_grown(consortium: Consortium) -> None:
    model = HistGradientBoostingClassifier(FEATURES, "cvd_event", trees=3, max_depth=2)
    permit = permit_for(consortium, model, model.rounds + 2)
    model.fit(permit)
    assert len(model.result_.rounds) == model.rounds == 6 == permit.record.rounds_opened
    assert model.to_frame()["tree"].nunique() == 3 and model.feature_importances_.sum() == pytest.approx(1)
    assert model.references_["age"].center == consortium.dictionary.column("age").center
    two = pd.DataFrame({"age": [90, 30], "sex": ["male", "male"], "egfr": [40, np.nan], "prior_event": [1, 0]})
    oldest, youngest = model.predict_values(two)
    assert oldest > youngest


def test_a_fit_with_noise_under_a_permit_costs_what_was_applied_for(consortium: Consortium) -> None:
    model = HistGradientBoostingClassifier(FEATURES, "cvd_event").with_noise(epsilon=10, rounds=3)
    permit = permit_for(consortium, model, 3)
    model.fit(permit)
    assert len(model.result_.rounds) == 3 and 9.9 < model.result_.epsilon <= 10
    assert set(model.step_frame()["feature"]) == set(FEATURES)
