"""What an app answers when a model is evaluated: sums over a hospital's patients, in the form that was approved.

    @app.evaluate()
    def evaluate(message, context):
        return evaluated(message, context, lambda design: predict(design, model))

Models of codes answer by ``evaluated_codes`` instead.

1. Only patients whom the hospital kept apart tell how well a model does; the others tell what it remembers of them.
2. A part that is too small for the permit's safeguards is left out: it adds zeros.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.layout import BINS, EVALUATES, RISK, evaluation_sum, holdout_of
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.node.data import coded_data_or_none, training_data_or_none

Floats: TypeAlias = NDArray[np.float64]
Predict: TypeAlias = Callable[[Floats], Floats]
"""From a design of shape (rows, columns) to risks or values of shape (rows,)."""
PredictCodes: TypeAlias = Callable[[NDArray[np.uint16]], Floats]
"""From codes of shape (rows, features) to the same."""
Part: TypeAlias = tuple[Floats, Floats] | None
"""Outcomes and predictions of a slot's patients, (rows,) each; None where they are too few."""


def evaluated(
    message: Message, context: Context, predict: Predict, *, references: NDArray[np.float64] | None = None
) -> Message:
    """The reply of an evaluation round. Raises FederatedError where nobody is kept apart."""
    config = context.run_config
    features, missing, outcome = (
        _names(config["features"]),
        _names(config["missing-indicators"]),
        str(config["outcome"]),
    )
    parts: list[Part] = []
    for keep in _kept(config):
        data = training_data_or_none(context, features, outcome, missing, keep=keep, references=references)
        parts.append(None if data is None else (data.outcome, predict(data.design)))
    return _reply(message, config, parts)


def evaluated_codes(message: Message, context: Context, predict: PredictCodes) -> Message:
    """The same for a model of codes."""
    config = context.run_config
    parts: list[Part] = []
    for keep in _kept(config):
        data = coded_data_or_none(context, _names(config["features"]), str(config["outcome"]), keep=keep)
        parts.append(None if data is None else (data.outcome, predict(data.codes)))
    return _reply(message, config, parts)


def _kept(config: RunConfig) -> tuple[tuple[float, float], ...]:
    """The fractions of patients in each slot (1)."""
    holdout = holdout_of(config)
    if not holdout:
        raise FederatedError("no patients are kept apart: this study's models are not evaluated")
    return (0.0, holdout), (holdout, 1.0)


def _reply(message: Message, config: RunConfig, parts: Sequence[Part]) -> Message:
    sums = _risk_sums if config[EVALUATES] == RISK else _value_sums
    arrays: Arrays = {name: np.zeros(shape) for name, shape in evaluation_sum(config).arrays}
    for slot, part in enumerate(parts):
        if part is not None:
            sums(arrays, slot, *part)
    rows = 0 if parts[0] is None else len(parts[0][0])
    record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    return Message(RecordDict({"arrays": record, "metrics": MetricRecord({"num-examples": rows})}), reply_to=message)


def _risk_sums(arrays: Arrays, slot: int, y: Floats, risk: Floats) -> None:
    bins = np.minimum((np.clip(risk, 0.0, 1.0) * BINS).astype(np.int64), BINS - 1)
    for outcome in (0, 1):
        arrays["counts"][slot, :, outcome] = np.bincount(bins[y == outcome], minlength=BINS)
    arrays["risks"][slot] = np.bincount(bins, weights=risk, minlength=BINS)


def _value_sums(arrays: Arrays, slot: int, y: Floats, f: Floats) -> None:
    arrays["moments"][slot] = [len(y), y.sum(), f.sum(), y @ y, f @ f, y @ f]


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in str(value).split(",") if name)
