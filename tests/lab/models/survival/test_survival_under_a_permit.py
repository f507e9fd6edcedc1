"""Survival models fitted under a permit: proposed, voted, accepted, trained in gated rounds. eGFR stands for a time."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from belmont.federated.errors import RoundRefused
from belmont.lab import Consortium
from belmont.lab.errors import LabError, NotYet
from belmont.lab.models import CoxRegression, KaplanMeier

COX = CoxRegression(("age", "systolic"), "cvd_event", duration="egfr")
CURVES = KaplanMeier(outcome="cvd_event", duration="egfr", cuts=(80, 160))


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three hospitals with enough patients for cells of time."""
    home = tmp_path_factory.mktemp("survival") / "consortium"
    with Consortium.local(hospitals=3, patients=900, seed=3, home=home) as made:
        yield made


def permit_for(consortium: Consortium, model: Any, **terms: Any) -> Any:
    study = consortium.propose("Survival", model=model, **({"rounds": 12, "min_cohort": 10} | terms))
    study.vote(*consortium.board[:2], approve=True, reason="survival is the question")
    return study.accept(*consortium.hospitals).permit()


def test_cox_under_a_permit_is_the_fit_to_the_hospitals_tables(consortium: Consortium) -> None:
    permit = permit_for(consortium, COX)
    model = clone(COX).fit(permit)
    here = clone(COX).fit(list(consortium.yardstick.tables))
    assert permit.record.rounds_opened < 12, "it stops when it has settled"
    assert np.abs(model.coef_ - here.coef_).max() < 1e-9
    assert np.abs(model.covariance_ - here.covariance_).max() < 1e-9
    scale = consortium.dictionary.column("age").scale
    assert model.summary_.loc["age", "per unit"] == pytest.approx(model.coef_[0] / scale)
    assert "loss" in model.result_.history
    assert "round" in repr(model.result_) and model.result_._repr_html_()


def test_a_common_baseline_under_a_permit_gives_survival(consortium: Consortium) -> None:
    common = clone(COX).set_params(baseline="common", cuts=(80, 160))
    permit, model = permit_for(consortium, common), clone(common)
    with pytest.raises(NotYet, match="no coefficients yet"):
        model.fit(permit, rounds=1)
    model.fit(permit, start=model.result_)
    assert len(model.result_.rounds) == permit.record.rounds_opened
    here = clone(common).fit(list(consortium.yardstick.tables))
    assert np.abs(model.coef_ - here.coef_).max() < 1e-8
    assert np.abs(model.baseline_survival_ - here.baseline_survival_).to_numpy().max() < 1e-8


def test_curves_take_one_round(consortium: Consortium) -> None:
    permit = permit_for(consortium, CURVES)
    model = clone(CURVES).fit(permit)
    here = clone(CURVES).fit(list(consortium.yardstick.tables))
    assert permit.record.rounds_opened == 1 and model.hospitals_ == 3
    assert model.survival_.equals(here.survival_)
    assert len(model.result_.history) == 1
    assert "round" in repr(model.result_) and model.result_._repr_html_()


def test_curves_with_noise_cost_what_was_asked_for(consortium: Consortium) -> None:
    noisy = CURVES.with_noise(epsilon=4.0)
    permit = permit_for(consortium, noisy, rounds=1)
    model = clone(noisy).fit(permit)
    exact = clone(CURVES).fit(list(consortium.yardstick.tables))
    assert 3.9 < model.result_.epsilon <= 4
    assert model.noise_variance > 0
    assert np.abs(model.survival_["survival"] - exact.survival_["survival"]).max() < 0.2


def test_a_grid_that_is_too_fine_says_what_helps(consortium: Consortium) -> None:
    fine = clone(CURVES).set_params(cuts=tuple(range(3, 161)))
    with pytest.raises(RoundRefused) as refused:
        clone(fine).fit(permit_for(consortium, fine))
    assert any("coarser cut points" in note for note in refused.value.__notes__)
    assert "coarser cut points" in refused.value.hospitals[0].remedy


def test_a_duration_that_the_dictionary_does_not_have_opens_nothing(consortium: Consortium) -> None:
    other = clone(COX).set_params(duration="days")
    before = len(consortium.studies())
    with pytest.raises(LabError, match="no column days"):
        permit_for(consortium, other)
    assert len(consortium.studies()) == before
    permit = permit_for(consortium, clone(COX))
    with pytest.raises(LabError, match="no column 'days'"):
        clone(other).fit(permit)
    assert permit.record.rounds_opened == 0
