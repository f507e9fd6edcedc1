"""Datasets that packages ship, as coded tables of several hospitals, and the study's rounds on them."""

from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines.datasets import load_gbsg2, load_lung, load_rossi

from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.cox import CoxModel
from belmont.federated.models.kaplan_meier import CurveModel, count
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.secagg.settings import SECURE_SUM_KEY


def table_of(frame: pd.DataFrame, references: dict[str, tuple[float, float]] | None = None) -> ArrayTable:
    """A coded table: codes of numeric columns are from 1 by the sorted values, text columns are categories."""
    columns, numbers, levels = {}, {}, {}
    for name in frame.columns:
        values = frame[name]
        if not pd.api.types.is_numeric_dtype(values):
            levels[name] = tuple(sorted(values.dropna().unique()))
            values = values.map({level: float(k) for k, level in enumerate(levels[name])})
        values = values.to_numpy(np.float64)
        seen = np.isfinite(values)
        codes = np.zeros(len(values), np.uint16)
        if name in levels:
            codes[seen] = values[seen].astype(np.uint16) + 1
        else:
            codes[seen] = 1 + np.searchsorted(np.unique(values[seen]), values[seen])
        columns[name] = (codes, seen, values)
        center, scale = (references or {}).get(name, (0.0, 1.0))
        numbers[name] = (center, scale, int(codes.max(initial=1)))
    return ArrayTable(len(frame), columns, numbers, levels)


def split(frame: pd.DataFrame, by: Any, columns: Sequence[str]) -> list[ArrayTable]:
    """One table for each value of ``by``, all standardised by the whole frame's mean and deviation."""
    numeric = [name for name in columns if pd.api.types.is_numeric_dtype(frame[name])]
    references = {name: (float(frame[name].mean()), float(frame[name].std())) for name in numeric}
    codes = np.asarray(by)
    return [table_of(frame.loc[codes == each, list(columns)], references) for each in np.unique(codes)]


@cache
def rossi() -> SimpleNamespace:
    frame = load_rossi()
    features = ("fin", "age", "race", "wexp", "mar", "paro", "prio")
    return SimpleNamespace(
        frame=frame, features=features, duration="week", outcome="arrest", hospital=np.arange(len(frame)) % 4
    )


@cache
def lung() -> SimpleNamespace:
    """By institution, those with few patients together."""
    frame = load_lung()
    features = ("age", "sex", "ph.ecog", "wt.loss")
    frame = frame.dropna(subset=[*features, "inst"]).reset_index(drop=True)
    sizes = frame["inst"].map(frame["inst"].value_counts())
    hospital = np.where(sizes >= 20, frame["inst"], np.where(frame["inst"] < 13, 100, 200)).astype(int)
    return SimpleNamespace(frame=frame, features=features, duration="time", outcome="status", hospital=hospital)


@cache
def gbsg2() -> SimpleNamespace:
    frame = load_gbsg2()
    frame = frame.assign(hormones=(frame["horTh"] == "yes").astype(float), grade=frame["tgrade"].map(len).astype(float))
    features = ("hormones", "age", "tsize", "grade", "pnodes", "progrec", "estrec")
    return SimpleNamespace(
        frame=frame, features=features, duration="time", outcome="cens", hospital=np.arange(len(frame)) % 5
    )


DATASETS: dict[str, Callable[[], SimpleNamespace]] = {"rossi": rossi, "lung": lung, "gbsg2": gbsg2}


@pytest.fixture(params=sorted(DATASETS))
def study(request: pytest.FixtureRequest) -> SimpleNamespace:
    """One of three datasets: frame, features, duration, outcome and each row's hospital."""
    return DATASETS[request.param]()


def config_of(model: Any, sums: Any, features: Sequence[str], outcome: str) -> dict[str, Any]:
    base = {"features": ",".join(features), "missing-indicators": "", "outcome": outcome}
    return base | model.settings() | {SECURE_SUM_KEY: sums.to_text()}


def fit_cox(
    tables: Sequence[ArrayTable], outcome: str, model: CoxModel, rounds: int = 40, **safeguards: int
) -> SimpleNamespace:
    """The study's rounds until it has settled: coefficients and errors in the columns' units, and what led there."""
    config = config_of(model, model.sums(), model.columns, outcome)
    rehearsal = Rehearsal(shipped_bundle("cox"), config, model.initial(), model.combine(), tables, **safeguards)
    for _ in range(rounds):
        before = rehearsal.model
        after = rehearsal.round().model
        if model.is_settled(before, after):
            break
    else:
        raise AssertionError("the fit has not settled")
    scale = np.array([tables[0].scale(name) for name in model.columns])
    covariance = model.covariance(after)
    return SimpleNamespace(
        model=after,
        coefficients=after["coefficients"] / scale,
        errors=np.sqrt(np.diag(covariance)) / scale,
        loss=after["progress"][1],
        rehearsal=rehearsal,
    )


def count_cells(tables: Sequence[ArrayTable], outcome: str, model: CurveModel, **safeguards: int) -> np.ndarray:
    """What the hospitals count together."""
    config = config_of(model, model.sums(), (), outcome)
    rehearsal = Rehearsal(shipped_bundle("kaplan_meier"), config, model.initial(), count, tables, **safeguards)
    return rehearsal.round().model["leaving"]


@pytest.fixture
def tools() -> SimpleNamespace:
    """The functions of this file."""
    return SimpleNamespace(
        table_of=table_of, split=split, fit_cox=fit_cox, count_cells=count_cells, config_of=config_of, datasets=DATASETS
    )
