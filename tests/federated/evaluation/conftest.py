"""Tables of a made-up study, and one hospital's answer or all hospitals' sum to an evaluation of a given model."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from belmont.federated.evaluation.layout import evaluation_config, evaluation_sum
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import newton
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.secagg.settings import SECURE_EVALUATION_KEY, SECURE_SUM_KEY, SecureSum

FEATURES = ("age", "sex=male")
MODEL = {"coefficients": np.array([-1.0, 0.8, 0.5])}


def table_of(age: Any, sex: Any, event: Any) -> ArrayTable:
    """``age`` in years, ``sex`` 0 for missing, 1 female, 2 male, ``event`` 0 or 1; (rows,) each."""
    age, sex, event = np.asarray(age, float), np.asarray(sex, np.uint16), np.asarray(event, float)
    yes = np.ones(len(age), bool)
    columns = {
        "age": (np.nan_to_num(age).astype(np.uint16), np.isfinite(age), age),
        "sex": (sex, sex > 0, np.where(sex > 0, sex - 1.0, np.nan)),
        "event": (event.astype(np.uint16), yes, event),
    }
    numbers = {"age": (60.0, 10.0, 120), "sex": (0.0, 1.0, 2), "event": (0.0, 1.0, 1)}
    return ArrayTable(len(age), columns, numbers, {"sex": ("female", "male")})


def hospital(rows: int, seed: int = 0, rate: float = -1.0) -> ArrayTable:
    source = np.random.default_rng(seed)
    age, sex = source.normal(60, 10, rows).clip(20, 100), source.integers(1, 3, rows)
    linear = rate + 0.8 * (age - 60) / 10 + 0.5 * (sex == 2)
    return table_of(age, sex, source.random(rows) < 1 / (1 + np.exp(-linear)))


def study(
    evaluates: str = "risk", groups: tuple[str, ...] = (), holdout: float = 0.5, *, report: bool = False, **more: Any
) -> dict[str, Any]:
    """The configuration of a secure study; ``more`` are keys of noise."""
    config = {
        "family": "binomial" if evaluates == "risk" else "gaussian",
        "features": ",".join(FEATURES),
        "missing-indicators": "",
        "outcome": "event" if evaluates == "risk" else "age",
        **evaluation_config(evaluates, holdout, groups, report_hospitals=report),
        **more,
    }
    bits = int(more.get("belmont-fraction-bits", 32))
    private = SecureSum((("gradient", (3,)),), fraction_bits=bits, private=True)
    exact = SecureSum((("gradient", (3,)), ("hessian", (3, 3))), ("loss",), False, bits)
    config[SECURE_SUM_KEY] = (private if more else exact).to_text()
    config[SECURE_EVALUATION_KEY] = evaluation_sum(config, bits).to_text()
    return config


Evaluate = Callable[..., dict[str, np.ndarray]]


@pytest.fixture
def evaluate() -> Evaluate:
    """The sums of an evaluation of ``model`` over tables, as a researcher reads them."""

    def run(
        tables: Sequence[ArrayTable],
        config: dict[str, Any],
        model: dict[str, np.ndarray] = MODEL,
        min_cohort: int = 10,
        smallest_cell: int = 8,
    ) -> dict[str, np.ndarray]:
        safeguards = {"min_cohort": min_cohort, "smallest_cell": smallest_cell}
        rehearsal = Rehearsal(shipped_bundle("glm"), config, model, newton(), tables, **safeguards)
        (update,) = rehearsal.evaluate()
        return dict(update.arrays)

    return run
