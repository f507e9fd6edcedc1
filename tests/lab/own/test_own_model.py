"""OwnModel: scikit-learn's habits, the configuration it applies with, and the folder's own functions."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from tests.lab.own.conftest import FEATURES, OUTCOME, Written

from belmont.federated.models.combine import Update
from belmont.federated.node.design import design
from belmont.federated.secagg.settings import read_secure_sum
from belmont.lab.errors import LabError
from belmont.lab.models import OwnModel
from belmont.lab.models.references import merged


def test_the_template_learns_what_pooled_rows_would_teach(written: Written, hospitals: list[Any]) -> None:
    pooled = merged(hospitals)
    model = written.model(app_config={"local-steps": 100, "learning-rate": 1.0}).fit(pooled, rounds=20)
    rows = design(pooled, FEATURES, OUTCOME)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(rows.design[:, 1:], rows.outcome)
    assert np.allclose(model.arrays_["weights"], np.r_[peer.intercept_, peer.coef_[0]], atol=1e-4)
    assert np.allclose(
        model.predictions(rows.design, model.arrays_), peer.predict_proba(rows.design[:, 1:])[:, 1], atol=1e-4
    )


def test_rounds_over_several_hospitals_average_by_rows(written: Written, hospitals: list[Any]) -> None:
    model = written.model().fit(hospitals, rounds=1)
    apart = [written.model().fit(each, rounds=1) for each in hospitals]
    rows = [each.history_[0]["rows"] for each in apart]
    mean = np.average([each.arrays_["weights"] for each in apart], axis=0, weights=rows)
    assert np.allclose(model.arrays_["weights"], mean, atol=1e-8)
    assert model.history_[0]["rows"] == sum(rows)


def test_it_has_scikit_learns_habits(written: Written, hospitals: list[Any]) -> None:
    model = written.model(app_config={"local-steps": 3}, holdout=0.2)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert copied.config_hash == model.config_hash and copied.code_hash == model.code_hash
    frame = pd.DataFrame({"age": [40.0, 50.0, 60.0, 70.0] * 10, "event": [0, 0, 1, 1] * 10})
    fitted = OwnModel(written.path).fit(frame[["age"]], frame["event"])
    assert fitted.predict_proba(frame).shape == (40, 2)
    assert fitted.score(frame, frame["event"]) == 1.0
    assert list(fitted.coefficients(fitted.arrays_)) == ["intercept", "age"]


def test_the_secure_sums_layout_follows_from_the_first_models_arrays(written: Written) -> None:
    found = read_secure_sum(written.model().config)
    assert found is not None
    assert found.arrays == (("weights", (4,)),) and found.weighted and found.sums == ("loss",)
    arrays = {"a": np.zeros((2, 3), np.float32), "b": np.zeros(())}
    other = read_secure_sum(written.model(initial_arrays=arrays, metrics=()).config)
    assert other is not None and other.arrays == (("a", (2, 3)), ("b", ())) and other.sums == ()


def test_a_hospital_gets_the_declared_value_of_every_key_that_is_not_given(written: Written) -> None:
    config = written.model(app_config={"local-steps": 3}).config
    assert config["local-steps"] == 3 and config["learning-rate"] == 0.5


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"local-step": 3}, "declares no key 'local-step'"),
        ({"local-steps": 3.0}, "give a int"),
        ({"local-steps": True}, "give a int"),
        ({"learning-rate": 1}, "give a float"),
        ({"features": "age"}, "OwnModel writes"),
        ({"belmont-secure-sum": ""}, "OwnModel writes"),
        ({" Belmont-clipping": "none"}, "OwnModel writes"),
        ({"holdout": 0.0}, "OwnModel writes"),
    ],
)
def test_a_configuration_that_the_app_did_not_declare_is_refused(written: Written, given: Any, what: str) -> None:
    with pytest.raises(LabError, match=what):
        _ = written.model(app_config=given).config


@pytest.mark.parametrize(
    "arrays",
    [{}, {"w": np.zeros(2, int)}, {1: np.zeros(2)}, {"w": np.array([np.nan])}, {"velocity/w": np.zeros(1)}, [1.0]],
)
def test_a_first_model_that_is_no_model_is_refused(written: Written, arrays: Any) -> None:
    with pytest.raises(LabError, match="first model"):
        written.model(initial_arrays=arrays).initial()


def test_own_rules_of_combination_come_from_the_parameter_or_from_the_folder(written: Written) -> None:
    update = Update({"weights": np.ones(4)}, {"num-examples": 1.0})
    model = {"weights": np.zeros(4), "references": np.zeros((3, 3))}
    assert list(written.model().combine()(model, [update])) == ["weights"]
    written.side.write_text(written.side.read_text() + "\n\ndef combine(model, updates):\n    return {'weights': 7}\n")
    assert written.model().combine()({}, []) == {"weights": 7}
    chosen = written.model(combination=lambda model, updates: {"weights": 8}).combine()
    assert chosen({}, []) == {"weights": 8}


def test_what_the_folder_lacks_is_named_with_what_to_use_instead(written: Written) -> None:
    written.side.unlink()
    written.edit("from my_model.model import predictions\n", "predictions = None\n")
    with pytest.raises(LabError, match="initial_arrays="):
        written.model().initial()
    model = written.model(initial_arrays={"weights": np.zeros(4)})
    assert list(model.initial()) == ["weights"]
    with pytest.raises(LabError, match="'predictions'"):
        model.predictions(np.ones((1, 4)), model.initial())


def test_the_functions_used_here_are_those_of_the_bundle_that_is_approved(written: Written, tmp_path: Any) -> None:
    model = written.model()
    written.edit("np.zeros(len(names))", "np.ones(len(names))", written.side)
    assert model.initial()["weights"].sum() == 4, "the folder changed, and so did the bundle"
    assert model.code_hash != Written(tmp_path / "again").model().code_hash


def test_side_code_that_fails_is_an_error_that_says_where(written: Written) -> None:
    written.side.write_text("raise SystemExit(3)")
    with pytest.raises(LabError, match=r"my_model\.model of the app does not run here: SystemExit"):
        written.model().initial()


def test_with_noise_rows_gradients_are_summed_and_steps_follow_them(written: Written, hospitals: list[Any]) -> None:
    model = written.model().with_noise(epsilon=1000, rounds=4)
    assert model.rho_per_round > 0 and "local-steps" in model.config
    model.fit(hospitals, rounds=4)
    exact = written.model(secure=False).fit(hospitals, rounds=4)
    assert np.sign(model.arrays_["weights"][1]) == np.sign(exact.arrays_["weights"][1])
    assert set(model.arrays_) == {"weights", "velocity/weights"}


def test_changed_code_is_refused_by_the_names_of_its_files(written: Written) -> None:
    model = written.model()
    approved, kept = model.code_hash, model.bundle
    model.refuse_other_code(approved, kept)
    written.edit("some steps of", "more steps of")
    (written.path / "my_model" / "extra.py").write_text("")
    with pytest.raises(LabError, match=r"my_model/client_app.py \(changed\), my_model/extra.py \(new\)"):
        model.refuse_other_code(approved, kept)
    with pytest.raises(LabError, match="which is not on this machine"):
        model.refuse_other_code(approved, None)


@pytest.mark.parametrize("choice", [{"metrics": "loss"}, {"evaluated_as": "class"}, {"holdout": 1.0}, {"largest": -1}])
def test_parameters_that_mean_nothing_are_refused(written: Written, choice: Any) -> None:
    with pytest.raises(LabError):
        written.model(**choice)
