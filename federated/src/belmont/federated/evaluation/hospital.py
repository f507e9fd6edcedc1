"""What an app answers when a model is evaluated: sums over a hospital's patients, in the form that was approved.

    @app.evaluate()
    def evaluate(message, context):
        return evaluated(message, context, lambda design: predict(design, model))

Models of codes answer by ``evaluated_codes`` instead. Code that sums up by itself is held by the node to the least that
follows from 2 and 4 (`layout.refuse_small_sums`), and to no more.

1. Only patients whom the hospital kept apart tell how well a model does; the others tell what it remembers of them.
2. A part that is too small is left out, that is it adds zeros: fewer patients than the permit's minimum cohort, or
   fewer than the smallest cell of either outcome.
3. What is left over of a group may not be small either, or its parts would show it by subtraction: then the group's
   smallest part is left out as well, and so on (Hundepool et al., Statistical Disclosure Control, 2012, chapter 4).
4. Before they are counted, scores are grouped (`evaluation.microaggregation`): those of patients with one outcome, so
   that each cell rests on at least the smallest cell, or of values all together.
5. A hospital's own results, where they are asked for, are made of the same grouped scores, to three digits, and of
   patients to the nearest ten; nothing where the part is too small.
6. With noise none of this is done, since each patient's contribution may rest on that patient alone: the noise is in
   its place.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.layout import (
    EVALUATES,
    MOST_HOSPITALS,
    PRIVATE_BINS,
    RISK,
    bins_of,
    evaluation_sum,
    groups_of,
    holdout_of,
    noise_of,
    reports_hospitals,
    row_weight,
    slots_of,
)
from belmont.federated.evaluation.microaggregation import microaggregated
from belmont.federated.evaluation.risks import RiskSums
from belmont.federated.evaluation.values import Moments
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.node.data import (
    POSITION_KEY,
    codes_to_score,
    group_column,
    min_cohort,
    rows_to_score,
    smallest_cell,
)

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Predict: TypeAlias = Callable[[Floats], Floats]
"""From a design of shape (rows, columns) to risks or values of shape (rows,)."""
PredictCodes: TypeAlias = Callable[[NDArray[np.uint16]], Floats]
"""From codes of shape (rows, features) to the same."""
_Keep: TypeAlias = tuple[float, float]
_Score: TypeAlias = Callable[[_Keep], tuple[Floats, Floats]]
"""Outcomes and predictions of a part's patients, (rows,) each."""


def evaluated(
    message: Message, context: Context, predict: Predict, *, references: NDArray[np.float64] | None = None
) -> Message:
    """The reply of an evaluation round. Raises FederatedError where nobody is kept apart."""
    config = context.run_config
    features, missing = _names(config["features"]), _names(config["missing-indicators"])

    def score(keep: _Keep) -> tuple[Floats, Floats]:
        data = rows_to_score(context, features, str(config["outcome"]), missing, keep=keep, references=references)
        return data.outcome, predict(data.design) if len(data.outcome) else data.outcome

    return _answered(message, context, score)


def evaluated_codes(message: Message, context: Context, predict: PredictCodes) -> Message:
    """The same for a model of codes."""
    config = context.run_config
    features = _names(config["features"])

    def score(keep: _Keep) -> tuple[Floats, Floats]:
        data = codes_to_score(context, features, str(config["outcome"]), keep=keep)
        return data.outcome, predict(data.codes) if len(data.outcome) else data.outcome

    return _answered(message, context, score)


def _answered(message: Message, context: Context, score: _Score) -> Message:
    config = context.run_config
    holdout = holdout_of(config)
    if not holdout:
        raise FederatedError("no patients are kept apart: this study's models are not evaluated")
    is_risk = config[EVALUATES] == RISK
    is_noisy = noise_of(config) is not None
    held, trained = (_checked(*score(keep), is_risk, is_noisy) for keep in ((0.0, holdout), (holdout, 1.0)))
    places = [
        group.places(group_column(context, group.column, str(config["outcome"]), keep=(0.0, holdout)))
        for group in groups_of(config)
    ]
    masks = [np.ones(len(held[0]), bool), np.ones(len(trained[0]), bool)]
    if is_noisy:
        return _reply(message, {"counts": _by_row(config, held, trained, places)}, None)
    least, cell = min_cohort(context), smallest_cell(context)
    written = [_is_enough(held[0], least, cell, is_risk), _is_enough(trained[0], least, cell, is_risk)]
    for group, place in zip(groups_of(config), places, strict=True):
        parts = [place == k for k in range(len(group.names))]
        masks += parts
        written += _shown(held[0], parts, least, cell, is_risk)
    arrays: Arrays = {name: np.zeros(shape) for name, shape in evaluation_sum(config).arrays}
    for slot, (mask, is_written) in enumerate(zip(masks, written, strict=True)):
        outcome, scores = trained if slot == 1 else held
        if is_written:
            _add(arrays, slot, outcome[mask], scores[mask], cell, is_risk)
    if reports_hospitals(config) and written[0]:
        position = int(context.node_config[POSITION_KEY])
        if position < MOST_HOSPITALS:
            arrays["hospitals"][position] = _own_results(arrays, is_risk)
    return _reply(message, arrays, len(held[0]) if written[0] else 0)


def _checked(outcome: Floats, scores: Floats, is_risk: bool, is_noisy: bool) -> tuple[Floats, Floats]:
    found = np.asarray(scores, np.float64)
    if is_noisy:
        found = np.nan_to_num(found, nan=0.5)  # a round that fails because of one patient tells of that patient
    if found.shape != outcome.shape or not np.isfinite(found).all():
        raise FederatedError("a model's predictions are finite numbers, one for each row")
    if is_risk and not np.isin(outcome, (0.0, 1.0)).all():
        raise FederatedError("a risk is of an outcome that is 0 or 1")
    return outcome, np.clip(found, 0.0, 1.0) if is_risk else found


def _is_enough(outcome: Floats, least: int, cell: int, is_risk: bool) -> bool:
    """Rule 2. With a smallest cell of one, nothing is too small."""
    if len(outcome) < max(least, cell, 1):
        return False
    cases = int(outcome.sum()) if is_risk else cell
    return cell <= 1 or not is_risk or cell <= cases <= len(outcome) - cell


def _shown(outcome: Floats, parts: list[Mask], least: int, cell: int, is_risk: bool) -> list[bool]:
    """Which parts of a group are written (2, 3)."""
    shown = [_is_enough(outcome[part], least, cell, is_risk) for part in parts]
    while any(shown):
        left = np.ones(len(outcome), bool)
        for part, is_shown in zip(parts, shown, strict=True):
            left &= ~part if is_shown else True
        counts = np.bincount(outcome[left].astype(np.int64), minlength=2) if is_risk else np.array([left.sum()])
        if not ((counts > 0) & (counts < cell)).any():
            break
        sizes = [part.sum() if is_shown else np.inf for part, is_shown in zip(parts, shown, strict=True)]
        shown[int(np.argmin(sizes))] = False
    return shown


def _add(arrays: Arrays, slot: int, outcome: Floats, scores: Floats, cell: int, is_risk: bool) -> None:
    """One slot's sums, of grouped scores (4)."""
    if not is_risk:
        y, f = outcome, microaggregated(scores, cell, scores)
        arrays["moments"][slot] = [len(y), y.sum(), f.sum(), y @ y, f @ f, y @ f]
        return
    bins = arrays["counts"].shape[1]
    for each in (0, 1):
        own = microaggregated(scores[outcome == each], cell, scores)
        arrays["counts"][slot, :, each] = np.bincount(bins_of(own), minlength=bins)


def _by_row(
    config: RunConfig, held: tuple[Floats, Floats], trained: tuple[Floats, Floats], places: list[NDArray[np.int64]]
) -> NDArray[np.float32]:
    """Each row's own cells, (rows, slots, PRIVATE_BINS, 2) (6)."""
    rows, apart = len(held[0]) + len(trained[0]), len(held[0])
    found = np.zeros((rows, len(slots_of(config)), PRIVATE_BINS, 2), np.float32)
    outcome = np.concatenate([held[0], trained[0]]).astype(np.int64)
    bins, weight = bins_of(np.concatenate([held[1], trained[1]]), PRIVATE_BINS), row_weight(config)
    everybody = np.arange(rows)
    found[everybody, (everybody >= apart).astype(np.int64), bins, outcome] = weight
    first = 2
    for group, place in zip(groups_of(config), places, strict=True):
        inside = np.flatnonzero(place >= 0)
        found[inside, first + place[inside], bins[inside], outcome[inside]] = weight
        first += len(group.names)
    return found


def _own_results(arrays: Arrays, is_risk: bool) -> list[float]:
    """Rule 5, from this hospital's own sums over whom it kept apart."""
    if is_risk:
        own = RiskSums(arrays["counts"][0], grouped=True)
        found = [own.auc(), own.auc_error(), own.brier(), own.mean_risk(), own.observed_rate()]
        patients = own.patients
    else:
        moments = Moments(arrays["moments"][0])
        found = [moments.r2(), moments.rmse(), moments.slope(), moments.mean_prediction(), moments.mean_outcome()]
        patients = moments.patients
    return [1.0, round(patients / 10) * 10.0, *(round(float(np.nan_to_num(each)), 3) for each in found)]


def _reply(message: Message, arrays: Arrays, rows: int | None) -> Message:
    record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    metrics = MetricRecord({} if rows is None else {"num-examples": rows})
    return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in str(value).split(",") if name)
