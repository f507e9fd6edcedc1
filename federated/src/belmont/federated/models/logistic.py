"""The study that ships with Belmont: logistic regression by federated Newton steps.

Each hospital sends gradient and Hessian sums (`logistic_app`), the researcher takes the step of the pooled data:

    w  <-  w - (sum H + ridge * N * I)^-1 (sum g + ridge * N * w)

with N rows in all; the intercept is not penalised. Five to seven steps reach the pooled maximum likelihood to ten
digits from w = 0. A step is shortened so that no coefficient moves by more than ``LARGEST_STEP``, which keeps the first
steps of unbalanced outcomes stable.
"""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Combine, Update
from belmont.federated.node.bundle import build_bundle
from belmont.federated.secagg.encoding import FRACTION_BITS
from belmont.federated.secagg.settings import SECURE_SUM_KEY, SecureSum

COEFFICIENTS = "coefficients"
LARGEST_STEP = 4.0


def logistic_bundle() -> bytes:
    """The Flower App Bundle of the shipped study."""
    with resources.as_file(resources.files("belmont.federated.models") / "logistic_app") as folder:
        return build_bundle(Path(folder))


def logistic_config(
    features: Sequence[str],
    outcome: str,
    missing_indicators: Sequence[str] = (),
    *,
    secure: bool = False,
    bounds: UpdateBounds | None = None,
    fraction_bits: int = FRACTION_BITS,
) -> dict[str, str | int | float | bool]:
    """The run configuration to apply with and to send; with ``secure``, only sums over the hospitals can be read.

    With ``bounds`` every hospital proves its sums to be within them, in units of 2^-``fraction_bits``.
    """
    if any("," in name for name in (*features, *missing_indicators)):
        raise FederatedError("a column's name holds a comma, which separates names in a Flower configuration")
    config: dict[str, str | int | float | bool] = {
        "features": ",".join(features),
        "missing-indicators": ",".join(missing_indicators),
        "outcome": outcome,
    }
    if secure or bounds is not None:
        size = 1 + len(features) + len(missing_indicators)
        summed = SecureSum((("gradient", (size,)), ("hessian", (size, size))), ("loss",), False, fraction_bits)
        config[SECURE_SUM_KEY] = summed.to_text()
    if bounds is not None:
        config |= bounds.to_config()
    return config


def initial_model(features: Sequence[str], missing_indicators: Sequence[str] = ()) -> Arrays:
    """Zero coefficients: intercept, features, then missing indicators."""
    return {COEFFICIENTS: np.zeros(1 + len(features) + len(missing_indicators))}


def newton(ridge: float = 1e-4) -> Combine:
    """The combination rule of this study. ``ridge`` penalises the mean log-likelihood by ridge / 2 * |w|^2."""

    def step(model: Arrays, updates: Sequence[Update]) -> Arrays:
        w: NDArray[np.float64] = np.asarray(model[COEFFICIENTS], np.float64)
        size = len(w)
        gradient, hessian = np.zeros(size), np.zeros((size, size))
        rows = 0.0
        for update in updates:
            g, h = update.arrays.get("gradient"), update.arrays.get("hessian")
            if g is None or h is None or g.shape != (size,) or h.shape != (size, size):
                raise FederatedError("an update has no gradient and Hessian of the model's size")
            gradient += g
            hessian += h
            rows += update.rows
        penalty = np.full(size, ridge * rows)
        penalty[0] = 0.0
        try:
            move = np.linalg.solve(hessian + np.diag(penalty), gradient + penalty * w)
        except np.linalg.LinAlgError as error:
            raise FederatedError("the Hessian is singular: leave out constant columns, or raise ridge") from error
        largest = float(np.abs(move).max())
        return {COEFFICIENTS: w - move * min(1.0, LARGEST_STEP / largest) if largest > 0 else w}

    return step


def risk(design: NDArray[np.float64], model: Arrays) -> NDArray[np.float64]:
    """Predicted probabilities for a design matrix (`belmont.federated.node.data.design`), shape (rows,)."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * (design @ model[COEFFICIENTS]))), np.float64)
