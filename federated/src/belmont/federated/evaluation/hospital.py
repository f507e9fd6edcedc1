"""What an app answers when a model is evaluated: sums over a hospital's patients, in the form that was approved.

    @app.evaluate()
    def evaluate(message, context):
        return evaluated(message, context, lambda design: predict(design, model))

1. Only patients whom the hospital kept apart tell how well a model does; the others tell what it remembers of them.
2. A part that is too small for the permit's safeguards is left out: it adds zeros.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.layout import BINS, EVALUATES, RISK, evaluation_sum, holdout_of
from belmont.federated.hashes import Arrays
from belmont.federated.node.data import training_data_or_none
from belmont.federated.node.design import TrainingData

Predict: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From a design of shape (rows, columns) to risks or values of shape (rows,)."""


def evaluated(
    message: Message, context: Context, predict: Predict, *, references: NDArray[np.float64] | None = None
) -> Message:
    """The reply of an evaluation round. Raises FederatedError where nobody is kept apart."""
    config = context.run_config
    holdout = holdout_of(config)
    if not holdout:
        raise FederatedError("no patients are kept apart: this study's models are not evaluated")
    features, missing = _names(config["features"]), _names(config["missing-indicators"])
    parts = [
        training_data_or_none(context, features, str(config["outcome"]), missing, keep=keep, references=references)
        for keep in ((0.0, holdout), (holdout, 1.0))
    ]
    sums = _risk_sums if config[EVALUATES] == RISK else _value_sums
    arrays: Arrays = {name: np.zeros(shape) for name, shape in evaluation_sum(config).arrays}
    for slot, data in enumerate(parts):
        if data is not None:
            sums(arrays, slot, data, predict(data.design))
    rows = 0 if parts[0] is None else len(parts[0].outcome)
    record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    return Message(RecordDict({"arrays": record, "metrics": MetricRecord({"num-examples": rows})}), reply_to=message)


def _risk_sums(arrays: Arrays, slot: int, data: TrainingData, risk: NDArray[np.float64]) -> None:
    bins = np.minimum((np.clip(risk, 0.0, 1.0) * BINS).astype(np.int64), BINS - 1)
    for outcome in (0, 1):
        arrays["counts"][slot, :, outcome] = np.bincount(bins[data.outcome == outcome], minlength=BINS)
    arrays["risks"][slot] = np.bincount(bins, weights=risk, minlength=BINS)


def _value_sums(arrays: Arrays, slot: int, data: TrainingData, value: NDArray[np.float64]) -> None:
    y, f = data.outcome, value
    arrays["moments"][slot] = [len(y), y.sum(), f.sum(), y @ y, f @ f, y @ f]


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in str(value).split(",") if name)
