"""Networks as estimators: scikit-learn's habits on rows that are here, and gated rounds under a permit."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from belmont.federated.bounded.settings import read_bounds
from belmont.federated.errors import BundleError, Diverged, FederatedError
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.strategies import FedAdam, FedAvgM, Scaffold
from belmont.federated.node.bundle import read_bundle
from belmont.federated.secagg.settings import read_secure_sum
from belmont.lab.errors import LabError
from belmont.lab.models import MLPClassifier, MLPRegressor, TorchClassifier, TorchRegressor, networks
from belmont.registry.reasons import Reason

COLUMNS = ("age", "hba1c", "systolic")
MODULE = """
from torch import nn


def build():
    return nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, {outputs}))
"""


def rows(count=300, seed=0):
    """Columns in units of their own, and what follows from them."""
    draw = np.random.default_rng(seed)
    z = draw.normal(size=(count, 3))
    frame = pd.DataFrame({"age": 60 + 10 * z[:, 0], "hba1c": 52 + 9 * z[:, 1], "systolic": 135 + 15 * z[:, 2]})
    signal = z @ [1.2, -0.8, 0.6] + z[:, 0] * z[:, 1]
    return frame, signal, draw


@pytest.fixture
def binary():
    frame, signal, draw = rows()
    return frame, pd.Series((signal + draw.logistic(size=len(frame)) > 0).astype(int), name="event")


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "model.py"
    file.write_text(MODULE.format(outputs=1))
    return file


def test_parameters_are_kept_as_given_and_a_clone_is_unfitted(binary):
    strategy = FedAdam(0.05)
    model = MLPClassifier(COLUMNS, "event", hidden=(4, 3), strategy=strategy, epochs=2).fit(*binary, rounds=3)
    other = clone(model)
    assert other.get_params() == model.get_params() and other.get_params()["strategy"] == strategy
    assert not hasattr(other, "arrays_")
    with pytest.raises(NotFittedError):
        other.predict(binary[0])
    assert model.set_params(epochs=1).epochs == 1


def test_a_classifier_learns_probabilities_classes_and_a_loss_curve(binary):
    frame, y = binary
    model = MLPClassifier(hidden=(8,), learning_rate=0.1, momentum=0.5).fit(frame, y, rounds=30)
    shown = model.predict_proba(frame)
    assert shown.shape == (len(frame), 2) and np.allclose(shown.sum(axis=1), 1)
    assert set(model.predict(frame)) <= {0, 1} and model.score(frame, y) > 0.75
    assert len(model.loss_curve_) == len(model.history_) and model.loss_curve_[-1] < model.loss_curve_[0]
    assert list(model.classes_) == [0, 1]


def test_labels_may_be_words_and_more_than_two():
    frame, signal, _ = rows()
    words = np.array(["low", "middle", "high"])[np.digitize(signal, [-0.7, 0.7])]
    model = MLPClassifier(hidden=(8,), learning_rate=0.1, momentum=0.5).fit(frame, words, rounds=40)
    assert list(model.classes_) == ["high", "low", "middle"]
    assert model.predict_proba(frame).shape == (len(frame), 3) and model.score(frame, words) > 0.8


def test_a_regression_is_in_the_outcomes_unit_whatever_that_is():
    frame, signal, _ = rows()
    y = 5_000 + 800 * signal
    model = MLPRegressor(hidden=(8,), activation="tanh", learning_rate=0.1, momentum=0.5).fit(frame, y, rounds=60)
    assert model.score(frame, y) > 0.85
    assert abs(model.predict(frame).mean() - y.mean()) < 150


def test_without_hidden_layers_it_is_logistic_regression_by_gradient_rounds(binary):
    frame, y = binary
    model = MLPClassifier(hidden=(), batch_size=0, learning_rate=1.0, l2=0.01, tol=0.0, patience=50)
    model.fit(frame, y, rounds=300)
    z = (frame - frame.mean()) / frame.std(ddof=0)
    peer = Peer(C=1 / (0.01 * len(y)), tol=1e-10).fit(z, y)
    np.testing.assert_allclose(model.predict_proba(frame), peer.predict_proba(z), atol=1e-4)


def test_it_stops_where_the_loss_has_not_fallen_for_some_rounds(binary):
    model = MLPClassifier(hidden=(), batch_size=0, learning_rate=0.5, tol=1e-3, patience=3).fit(*binary, rounds=200)
    curve = model.loss_curve_
    assert 4 <= len(curve) < 100
    assert min(curve[-3:]) > min(curve[:-3]) - 1e-3
    whole = MLPClassifier(hidden=(), batch_size=0, learning_rate=0.5, tol=0.0, patience=100).fit(*binary, rounds=60)
    assert len(whole.loss_curve_) == 60


def test_it_works_in_a_pipeline_and_in_cross_validation(binary):
    frame, y = binary
    model = MLPClassifier(hidden=(6,), learning_rate=0.1, momentum=0.5, epochs=3)
    pipeline = Pipeline([("same", FunctionTransformer(lambda x: x)), ("model", model)])
    assert cross_val_score(pipeline, frame, y, cv=3).mean() > 0.7


def test_the_same_seed_gives_the_same_model_and_another_another(binary):
    def weights(seed):
        return MLPClassifier(hidden=(5,), seed=seed).fit(*binary, rounds=3).arrays_["layer-1"]

    assert np.array_equal(weights(1), weights(1)) and not np.array_equal(weights(1), weights(2))


def test_the_permit_binds_the_form_the_local_steps_and_what_of_the_strategy_is_done_at_hospitals():
    model = MLPClassifier(COLUMNS, "event")
    for other in (
        MLPClassifier(COLUMNS, "event", hidden=(8,)),
        MLPClassifier(COLUMNS, "event", activation="tanh"),
        MLPClassifier(COLUMNS, "event", learning_rate=0.01),
        MLPClassifier(COLUMNS, "event", seed=1),
        MLPClassifier(COLUMNS, "event", strategy=Scaffold()),
        MLPClassifier(COLUMNS, "event", secure=False),
    ):
        assert other.config_hash != model.config_hash and other.code_hash == model.code_hash
    assert MLPClassifier(COLUMNS, "event", strategy=FedAdam()).config_hash == model.config_hash


def test_numbers_of_an_update_can_be_bounded_in_the_units_of_the_bound():
    model = MLPClassifier(COLUMNS, "event", hidden=(2,), largest=50_000.0)
    assert read_bounds(model.config) is not None
    assert read_secure_sum(model.config).fraction_bits == model.fraction_bits < 24
    assert read_secure_sum(MLPClassifier(COLUMNS, "event").config).fraction_bits == 24


def test_the_permit_binds_a_studys_own_module(path):
    model = TorchClassifier(COLUMNS, "event", module=path)
    before = model.code_hash
    assert read_bundle(model.bundle)["belmont_torch/model.py"].decode() == path.read_text()
    path.write_text(path.read_text().replace("Tanh", "ReLU"))
    assert model.code_hash != before
    with pytest.raises(BundleError):
        _ = TorchClassifier(COLUMNS, "event", module=path.parent / "none.py").bundle


@pytest.mark.parametrize(
    "make",
    [
        lambda: MLPClassifier(COLUMNS, "event", strategy="FedAvg"),
        lambda: MLPClassifier(COLUMNS, "event", patience=0),
        lambda: MLPClassifier(COLUMNS, "event", strategy=FedAdam(), private=PrivateSteps.of_epsilon(5.0, 2, 4)),
        lambda: MLPClassifier(COLUMNS, "event", tol=-1.0),
        lambda: MLPClassifier(COLUMNS, "event", epochs=0),
        lambda: MLPClassifier(COLUMNS, "event", classes=(0.0,)),
        lambda: MLPClassifier(COLUMNS, "event", classes=(1.0, 2.0), holdout=0.2),
        lambda: MLPRegressor(COLUMNS, "hba1c", center=50.0),
        lambda: MLPRegressor(COLUMNS, "hba1c", center=50.0, scale=0.0).config,
        lambda: MLPRegressor(COLUMNS, "hba1c").config,
        lambda: MLPClassifier(COLUMNS, "event", hidden=(0,)).config,
    ],
)
def test_what_leads_nowhere_is_refused_before_a_permit_is_asked_for(make):
    with pytest.raises((LabError, FederatedError)):
        make()


def test_one_class_is_refused_and_an_exploding_loss_says_what_to_change(binary):
    frame, y = binary
    with pytest.raises(LabError, match="needs two"):
        MLPClassifier().fit(frame, np.zeros(len(frame)))
    with pytest.raises(Diverged, match="smaller learning rate"):
        MLPRegressor(center=0.0, scale=1.0, learning_rate=1.0, epochs=5).fit(frame, 1e3 + y, rounds=3)


def test_constant_columns_and_ten_rows_fit(binary):
    frame, y = binary
    few = frame.assign(constant=1.0, word="same").iloc[:10]
    model = MLPClassifier(("age", "constant"), "event", hidden=(4,)).fit(few, y[:10], rounds=3)
    assert np.isfinite(model.predict_proba(few)).all()


@pytest.mark.parametrize("kind", [MLPClassifier, TorchClassifier])
def test_a_permit_trains_a_network_by_gated_rounds_and_refuses_another(consortium, path, kind):
    choices = {"hidden": (6,)} if kind is MLPClassifier else {"module": path}
    if kind is TorchClassifier:
        pytest.importorskip("torch", reason="PyTorch is the optional extra belmont[torch]")
    model = kind(COLUMNS, "cvd_event", strategy=FedAvgM(), epochs=2, holdout=0.25, **choices)
    study = consortium.propose("A network", model=model, rounds=5, queries=0, min_cohort=10)
    study.vote(*consortium.board[:2], approve=True, reason="small enough")
    study.accept(*consortium.hospitals)
    permit = study.permit()
    with pytest.raises(FederatedError) as refused:
        clone(model).set_params(learning_rate=0.01).fit(permit, check=False)
    assert Reason.CONFIG_MISMATCH in getattr(refused.value, "reasons", ())
    model.fit(permit, rounds=2)
    assert len(model.loss_curve_) == 2 and all(0 < each < 2 for each in model.loss_curve_)
    assert model.loss_curve_ == [each.metrics["loss"] for each in model.result_.rounds]
    assert np.isfinite(model.predict_proba(pd.DataFrame({name: [1.0, np.nan] for name in COLUMNS}))).all()


def test_noise_by_row_takes_gradient_steps_and_charges_what_the_permit_says(consortium):
    model = MLPClassifier(COLUMNS, "cvd_event", hidden=()).with_noise(epsilon=20.0, rounds=2, step=1.0)
    assert model.private == PrivateSteps.of_epsilon(20.0, 2, 4, step=1.0)
    assert model.rho_per_round > 0 and model.plan.cells == 4
    study = consortium.propose("With noise", model=model, rounds=2, queries=0, min_cohort=10)
    study.vote(*consortium.board[:2], approve=True, reason="noise enough")
    study.accept(*consortium.hospitals)
    model.fit(study.permit())
    assert np.isfinite(model.arrays_["layer-1"]).all() and np.abs(model.arrays_["velocity/layer-1"]).max() > 0
    assert not hasattr(model, "loss_curve_")


def test_a_module_of_the_studys_own_learns_here_as_the_shipped_perceptron_does(binary, path):
    pytest.importorskip("torch", reason="PyTorch is the optional extra belmont[torch]")
    frame, y = binary
    model = TorchClassifier(module=path, learning_rate=0.1, momentum=0.5).fit(frame, y, rounds=30)
    assert model.score(frame, y) > 0.75 and model.predict_proba(frame).shape == (len(frame), 2)
    numbers = 300 + 50 * rows()[1]
    regression = TorchRegressor(module=path, learning_rate=0.1, momentum=0.5).fit(frame, numbers, rounds=60)
    assert regression.score(frame, numbers) > 0.8
    assert clone(model).get_params()["module"] == path


@pytest.mark.parametrize("form", [networks.NetworkModel, networks._Classifier, networks._Perceptron, networks._Torch])
def test_what_is_no_whole_model_cannot_be_made(form):
    with pytest.raises(TypeError, match="abstract"):
        form(COLUMNS, "label")
