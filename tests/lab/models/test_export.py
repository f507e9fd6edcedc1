"""Fitted models as files: an ONNX runtime computes the same risks from raw columns, skops gives the estimator back."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from belmont.federated.hashes import model_hash
from belmont.federated.node.design import REFERENCES
from belmont.lab.errors import LabError
from belmont.lab.export import about
from belmont.lab.models import (
    HistGradientBoostingClassifier,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    PoissonRegression,
    StudyModel,
    load,
)
from belmont.lab.models.saved import LEFT_OUT

FEATURES = ("age", "sex=male", "bmi", "smoking", "statin")
ROWS = 500


def frame(seed: int = 0) -> pd.DataFrame:
    source = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "age": source.normal(60, 10, ROWS).round(1),
            "sex": source.choice(["female", "male"], ROWS),
            "bmi": source.normal(27, 4, ROWS).round(1),
            "smoking": source.choice(["never", "former", "current"], ROWS),
            "statin": source.integers(0, 2, ROWS),
        }
    )
    for name, share in (("sex", 0.1), ("bmi", 0.3), ("smoking", 0.1)):
        found.loc[source.random(ROWS) < share, name] = None
    return found


def outcome(rows: pd.DataFrame) -> pd.Series:
    linear = (rows["age"] - 60) / 10 + (rows["sex"] == "male") + rows["bmi"].isna()
    return (np.random.default_rng(1).random(len(rows)) < 1 / (1 + np.exp(-linear))).rename("event").astype(int)


def feed(rows: pd.DataFrame) -> dict[str, Any]:
    """What a runtime is given: text for categories, float for all else."""
    words = ("sex", "smoking")
    return {
        name: rows[[name]].fillna("").to_numpy(object) if name in words else rows[[name]].to_numpy(np.float32)
        for name in rows
    }


def run(path: Path, rows: pd.DataFrame) -> list[Any]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {name: each for name, each in feed(rows).items() if name in given_names(session)})


def given_names(session: onnxruntime.InferenceSession) -> set[str]:
    return {each.name for each in session.get_inputs()}


@pytest.fixture(scope="module")
def model() -> LogisticRegression:
    rows = frame()
    return LogisticRegression(FEATURES, "event", ("bmi",)).fit(rows, outcome(rows))


@pytest.fixture
def path(model: LogisticRegression, tmp_path: Path) -> Path:
    return model.export(tmp_path / "risk.onnx")


def test_an_onnx_runtime_gives_the_risks_of_predict_proba_missing_values_too(
    model: LogisticRegression, path: Path
) -> None:
    rows = frame(5)
    assert rows["bmi"].isna().any() and rows["sex"].isna().any()
    label, probabilities = run(path, rows)
    assert np.abs(probabilities - model.predict_proba(rows)).max() < 1e-6
    assert (model.classes_[label] == model.predict(rows)).all()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_one_row_has_the_same_risk(model: LogisticRegression, data: st.DataObject) -> None:
    content = onnx_bytes(model)
    missing = st.none()
    row = {
        "age": data.draw(st.floats(-100, 200, width=32)),
        "sex": data.draw(st.sampled_from(["female", "male"]) | missing),
        "bmi": data.draw(st.floats(10, 80, width=32) | st.just(float("nan"))),
        "smoking": data.draw(st.sampled_from(["never", "former", "current"]) | missing),
        "statin": data.draw(st.sampled_from([0, 1])),
    }
    rows = pd.DataFrame([row]).astype({"sex": "object", "smoking": "object"})
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert np.abs(session.run(None, feed(rows))[1] - model.predict_proba(rows)).max() < 1e-6


_made: dict[int, bytes] = {}


def onnx_bytes(model: StudyModel) -> bytes:
    from belmont.lab.export import to_onnx

    return _made.setdefault(id(model), to_onnx(model))


def test_a_model_with_prepared_references_is_exported_with_them(tmp_path: Path) -> None:
    rows = frame()
    model = LogisticRegression(FEATURES, "event").fit(rows, outcome(rows))
    prepared = np.column_stack([np.arange(5) + 0.5, np.arange(5) * 2.0, np.arange(5) + 1.0])
    model.arrays_ = model.arrays_ | {REFERENCES: prepared}
    _, probabilities = run(model.export(tmp_path / "prepared.onnx"), rows)
    assert np.abs(probabilities - model.predict_proba(rows)).max() < 1e-6


@pytest.mark.parametrize("kind", [LinearRegression, PoissonRegression])
def test_models_of_values_have_one_output(kind: Any, tmp_path: Path) -> None:
    rows = frame()
    model = kind(("age", "sex=male"), "event").fit(rows, outcome(rows))
    (prediction,) = run(model.export(tmp_path / "value.onnx"), rows)
    assert prediction.shape == (ROWS, 1) and np.abs(prediction[:, 0] - model.predict(rows)).max() < 1e-6


@pytest.mark.parametrize(("hidden", "activation"), [((), "relu"), ((5,), "relu"), ((4, 3), "tanh")])
def test_perceptrons_have_an_onnx_form_too(hidden: tuple[int, ...], activation: str, tmp_path: Path) -> None:
    rows = frame()
    form = {"hidden": hidden, "activation": activation, "missing_indicators": ("bmi",)}
    model = MLPClassifier(FEATURES, "event", **form).fit(rows, outcome(rows), rounds=3)
    _, probabilities = run(model.export(tmp_path / "network.onnx"), rows)
    assert np.abs(probabilities - model.predict_proba(rows)).max() < 1e-6
    value = MLPRegressor(("age",), "bmi", hidden=hidden).fit(rows[["age", "bmi"]].dropna(), rounds=2)
    (prediction,) = run(value.export(tmp_path / "value.onnx"), rows[["age"]])
    assert np.abs(prediction[:, 0] - value.predict(rows[["age"]])).max() < 1e-5


def test_files_of_other_families_come_back_and_have_no_onnx_form(tmp_path: Path) -> None:
    rows = frame()[["age", "bmi"]]
    y = (rows["age"] > 60).rename("event").astype(int)
    trees = HistGradientBoostingClassifier(("age", "bmi"), "event", trees=3).fit(rows, y)
    again = load(trees.export(tmp_path / "trees.skops"))
    assert (again.predict_proba(rows) == trees.predict_proba(rows)).all()
    with pytest.raises(LabError, match=r"no ONNX form.*\.skops"):
        trees.export(tmp_path / "trees.onnx")
    assert not (tmp_path / "trees.onnx").exists()


def test_a_file_names_its_columns_and_holds_card_and_hashes(model: LogisticRegression, path: Path) -> None:
    file = onnx.load(path)
    said = {each.key: each.value for each in file.metadata_props}
    assert said["belmont-model-hash"] == model_hash(model.arrays_).hex()
    assert said["belmont-card-sha256"] == hashlib.sha256(said["belmont-card"].encode()).hexdigest()
    assert json.loads(said["belmont-card"])["model"]["model hash"] == "0x" + said["belmont-model-hash"]
    columns = json.loads(said["belmont-columns"])
    assert columns["sex"] == {"kind": "category", "levels": ["female", "male"]}
    assert columns["bmi"] == {"kind": "number"} and columns["statin"] == {"kind": "bit"}
    assert {each.name for each in file.graph.input} == set(columns) == set(frame().columns)


def test_an_unknown_level_counts_as_missing_in_a_file_and_is_refused_by_predict(
    model: LogisticRegression, path: Path
) -> None:
    rows = frame().head(3).assign(sex="unknown", smoking=None)
    with pytest.raises(LabError, match="no level"):
        model.predict_proba(rows)
    assert np.allclose(run(path, rows)[1], model.predict_proba(rows.assign(sex=None)), atol=1e-6)


def test_skops_gives_the_estimator_back_without_what_the_fit_left_beside_it(
    model: LogisticRegression, tmp_path: Path
) -> None:
    rows = frame(2)
    again = load(model.export(tmp_path / "risk.skops"))
    assert type(again) is LogisticRegression and again.get_params() == model.get_params()
    assert (again.predict_proba(rows) == model.predict_proba(rows)).all()
    assert (again.summary() == model.summary()).all(axis=None)
    assert again.about_["belmont-model-hash"] == model_hash(model.arrays_).hex()
    assert not any(hasattr(again, name) for name in LEFT_OUT if name != "plan")


def test_a_private_model_is_saved_with_its_noise_settings(tmp_path: Path) -> None:
    rows = frame()
    private = LogisticRegression(("age", "statin"), "event").with_noise(epsilon=8, rounds=2)
    model = private.fit(rows, outcome(rows), rounds=2)
    assert load(model.export(tmp_path / "private.skops")).private == private.private


def test_a_file_whose_arrays_were_changed_is_refused(model: LogisticRegression, tmp_path: Path) -> None:
    other = replace(model)
    other.__dict__.update({name: each for name, each in model.__dict__.items() if name.endswith("_")})
    other.arrays_ = {"coefficients": model.arrays_["coefficients"] + 1.0}
    good, bad = model.export(tmp_path / "good.skops"), other.export(tmp_path / "bad.skops")
    forged = tmp_path / "forged.skops"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad) as changed, zipfile.ZipFile(forged, "w") as target:
        theirs = {name: changed.read(name) for name in changed.namelist()}
        mine = [name for name in source.namelist() if name.endswith(".npy")]
        coefficients = {np_of(source.read(name)): name for name in mine}
        swapped = {np_of(each): each for name, each in theirs.items() if name.endswith(".npy")}
        own, new = (bytes_of(each.arrays_["coefficients"]) for each in (model, other))
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, swapped[new] if coefficients.get(own) == name else content)
    with pytest.raises(LabError, match="other arrays"):
        load(forged)


def np_of(content: bytes) -> bytes:
    return bytes_of(np.load(io.BytesIO(content), allow_pickle=True))


def bytes_of(array: np.ndarray) -> bytes:
    return array.tobytes()


def test_a_file_with_other_classes_is_not_trusted(model: LogisticRegression, tmp_path: Path) -> None:
    from skops import io as skops_io

    path = tmp_path / "other.skops"
    skops_io.dump({"model": Path("elsewhere")}, path)
    with pytest.raises(LabError, match="not trusted"):
        load(path)
    skops_io.dump({"nothing": 1}, path)
    with pytest.raises(LabError, match="no model"):
        load(path)
    path.write_bytes(b"not a file of skops")
    with pytest.raises(LabError, match="no skops file"):
        load(path)
    strange = replace(model)
    strange.arrays_, strange.references_ = model.arrays_, model.references_
    strange.feature_names_in_ = Path("elsewhere")
    with pytest.raises(LabError, match="not trusted"):
        strange.export(tmp_path / "strange.skops")


def test_what_cannot_be_exported_says_so_and_writes_nothing(model: LogisticRegression, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"\.onnx or \.skops"):
        model.export(tmp_path / "risk.pickle")
    with pytest.raises(NotFittedError):
        LogisticRegression(FEATURES, "event").export(tmp_path / "none.onnx")
    assert list(tmp_path.iterdir()) == []


def rewritten(source: Path, target: Path, old: bytes, new: bytes) -> Path:
    """The same file with other words in what describes it."""
    with zipfile.ZipFile(source) as read, zipfile.ZipFile(target, "w") as written:
        for name in read.namelist():
            content = read.read(name)
            if name == "schema.json":
                assert old in content
                content = content.replace(old, new)
            written.writestr(name, content)
    return target


def test_a_file_that_reads_rows_otherwise_with_the_same_arrays_is_refused(
    model: LogisticRegression, tmp_path: Path
) -> None:
    """The arrays' hash is that of the chain, and another column's coefficient is a patient's age."""
    good = model.export(tmp_path / "good.skops")
    center = json.dumps(model.references_["age"].center).encode()
    with pytest.raises(LabError, match="changed"):
        load(rewritten(good, tmp_path / "center.skops", center, b"0.0"))
    other = replace(model)
    other.__dict__.update({name: each for name, each in model.__dict__.items() if name.endswith("_")})
    other.classes_ = model.classes_[::-1].copy()
    said = about(model)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("belmont.lab.models.saved.about", lambda _: said)
        with pytest.raises(LabError, match="changed"):
            load(other.export(tmp_path / "classes.skops"))
        other.classes_, other.features = model.classes_, tuple(reversed(FEATURES))
        with pytest.raises(LabError, match="changed"):
            load(other.export(tmp_path / "features.skops"))


def test_a_file_whose_card_was_changed_is_refused(model: LogisticRegression, tmp_path: Path) -> None:
    good = model.export(tmp_path / "good.skops")
    with pytest.raises(LabError, match="changed"):
        load(
            rewritten(good, tmp_path / "card.skops", b"How well it does is not known", b"It is the best of them all   ")
        )
