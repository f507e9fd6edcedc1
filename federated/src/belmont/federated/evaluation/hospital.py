"""What an app answers when a model is evaluated: sums over a hospital's patients, in the form that was approved.

    @app.evaluate()
    def evaluate(message, context):
        return evaluated(message, context, lambda design: predict(design, model))

Models of codes answer by ``evaluated_codes`` instead, models of survival by ``evaluated_survival``. Code that sums up
by itself is held by the node to the least that follows from 2 and 4 (`layout.refuse_small_sums`), and to no more.

1. Only patients whom the hospital kept apart tell how well a model does; the others tell what it remembers of them.
2. A part that is too small is left out, that is it adds zeros: fewer patients than the permit's minimum cohort, or
   fewer than the smallest cell of either outcome: of survival, with the event by the last cut point, and without; of a
   value that is one of few, fewer than that of any of them who occurs: sums of y and y^2 would count them.
3. What is left over of a group may not be small either, or its parts would show it by subtraction: then the group's
   smallest part is left out as well, and so on (Hundepool et al., Statistical Disclosure Control, 2012, chapter 4).
   Of survival, small classes are run together (`evaluation.times`): by the same runs for all who were kept apart and
   the others, and by runs of these for the parts of a group and what is left over of it.
4. Before they are counted, scores are grouped (`evaluation.microaggregation`): those of patients with one outcome, or
   of survival in one set, so that each cell rests on at least the smallest cell, or of values all together.
5. A hospital's own results, where they are asked for, are made of the same grouped scores, to three digits, and of
   patients to the nearest ten; nothing where the part is too small.
6. With noise none of this is done, since each patient's contribution may rest on that patient alone: the noise is in
   its place.
"""

from collections.abc import Callable
from dataclasses import dataclass
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
    SURVIVAL,
    VALUE,
    bins_of,
    evaluated_class_of,
    evaluation_cuts_of,
    evaluation_sum,
    groups_of,
    holdout_of,
    noise_of,
    reports_hospitals,
    row_weight,
    scores_of,
    slots_of,
)
from belmont.federated.evaluation.microaggregation import microaggregated
from belmont.federated.evaluation.risks import RiskSums
from belmont.federated.evaluation.survival import SurvivalSums
from belmont.federated.evaluation.times import are_events, classes_of, run_together, sets_of
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
from belmont.federated.node.survival import FEW_VALUES, checked_event

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Predict: TypeAlias = Callable[[Floats], Floats]
"""From a design of shape (rows, columns) to risks or values of shape (rows,)."""
PredictCodes: TypeAlias = Callable[[NDArray[np.uint16]], Floats]
"""From codes of shape (rows, features) to the same."""
_Keep: TypeAlias = tuple[float, float]
LARGEST = 1e6
"""A value that is predicted, or a log hazard ratio: what is above counts as this."""


@dataclass(frozen=True)
class _Scored:
    """Outcomes and scores of some patients, (rows,) each."""

    outcome: Floats
    """Of survival, whether they had the event by the last cut point."""
    scores: Floats
    classes: Integers | None = None
    """Of a risk the outcome, of survival those of `evaluation.times`, of a value none."""

    @property
    def kinds(self) -> Integers:
        """Whose number may not be small, (rows,): of a value all alike, unless it has few values (2)."""
        values, places = np.unique(self.outcome, return_inverse=True)
        if self.classes is None and len(values) > FEW_VALUES:
            return np.zeros(len(self.outcome), np.int64)
        return (places if self.classes is None else self.outcome).astype(np.int64)


_Score: TypeAlias = Callable[[_Keep], _Scored]


def evaluated(
    message: Message, context: Context, predict: Predict, *, references: NDArray[np.float64] | None = None
) -> Message:
    """The reply of an evaluation round. Raises FederatedError where nobody is kept apart."""
    config = context.run_config
    features, missing = _names(config["features"]), _names(config["missing-indicators"])

    def score(keep: _Keep) -> _Scored:
        data = rows_to_score(context, features, str(config["outcome"]), missing, keep=keep, references=references)
        return _scored(config, data.outcome, predict(data.design) if len(data.outcome) else data.outcome)

    return _answered(message, context, score)


def evaluated_codes(message: Message, context: Context, predict: PredictCodes) -> Message:
    """The same for a model of codes."""
    config = context.run_config
    features = _names(config["features"])

    def score(keep: _Keep) -> _Scored:
        data = codes_to_score(context, features, str(config["outcome"]), keep=keep)
        return _scored(config, data.outcome, predict(data.codes) if len(data.outcome) else data.outcome)

    return _answered(message, context, score)


def evaluated_survival(message: Message, context: Context, predict: Predict) -> Message:
    """The same for a model of log hazard ratios, which ``predict`` gives. The column of times is the configuration's
    ``duration``; who has no time is not counted."""
    config = context.run_config
    cuts, duration = evaluation_cuts_of(config), str(config["duration"])
    if not cuts:
        raise FederatedError("this study's models are not evaluated as models of survival")
    features, missing = _names(config["features"]), _names(config["missing-indicators"])

    def score(keep: _Keep) -> _Scored:
        data = rows_to_score(context, features, str(config["outcome"]), missing, keep=keep, required=(duration,))
        times = data.values[duration]
        classes = classes_of(times, checked_event(times, data.outcome), cuts)
        found = _numbers(predict(data.design) if len(times) else times, times, 0.0, LARGEST)
        return _Scored(are_events(classes).astype(np.float64), scores_of(found), classes)

    return _answered(message, context, score, (duration,))


def _answered(message: Message, context: Context, score: _Score, required: tuple[str, ...] = ()) -> Message:
    """``required`` are columns without a value of which nobody is scored."""
    config = context.run_config
    holdout = holdout_of(config)
    if not holdout:
        raise FederatedError("no patients are kept apart: this study's models are not evaluated")
    shapes, is_value = dict(evaluation_sum(config).arrays), config[EVALUATES] == VALUE
    apart = (0.0, holdout)
    held, trained = score(apart), score((holdout, 1.0))
    columns = [group.column for group in groups_of(config)]
    found = [group_column(context, each, str(config["outcome"]), keep=apart, required=required) for each in columns]
    places = [group.places(column) for group, column in zip(groups_of(config), found, strict=True)]
    if noise_of(config) is not None:
        return _reply(message, {"counts": _by_row(config, held, trained, places)}, None)
    least, cell = min_cohort(context), smallest_cell(context)
    written = [_is_enough(each.kinds, least, cell, is_value) for each in (held, trained)]
    both = [(side, np.ones(len(side.outcome), bool)) for side in (held, trained)]
    whole = {slot: both[slot] for slot in (0, 1) if written[slot]}
    runs = _runs(list(whole.values()), np.arange(1 if is_value else shapes["counts"][2]), cell)
    arrays: Arrays = {name: np.zeros(shape) for name, shape in shapes.items()}
    for slot, (side, everybody) in whole.items():
        _add(arrays, slot, side, everybody, runs, cell)
    first = 2
    for group, place in zip(groups_of(config), places, strict=True):
        parts = [place == k for k in range(len(group.names))]
        shown = _shown(held.kinds, parts, least, cell, is_value)
        kept = [part for part, is_shown in zip(parts, shown, strict=True) if is_shown]
        if kept:
            own = _runs([(held, mask) for mask in (*kept, ~np.any(kept, axis=0))], runs, cell)
            for k in np.flatnonzero(shown):
                _add(arrays, first + int(k), held, parts[k], own, cell)
        first += len(parts)
    if reports_hospitals(config) and written[0]:
        position = int(context.node_config[POSITION_KEY])
        if position < MOST_HOSPITALS:
            arrays["hospitals"][position] = _own_results(config, arrays)
    return _reply(message, arrays, len(held.outcome) if written[0] else 0)


def _scored(config: RunConfig, outcome: Floats, scores: Floats) -> _Scored:
    if config[EVALUATES] not in (RISK, VALUE):
        raise FederatedError("models of survival are evaluated by evaluated_survival")
    if config[EVALUATES] == VALUE:
        return _Scored(outcome, _numbers(scores, outcome, 0.0, LARGEST))
    wanted = evaluated_class_of(config)
    if wanted is not None:
        outcome = (outcome == wanted).astype(np.float64)
    elif not np.isin(outcome, (0.0, 1.0)).all():
        raise FederatedError("a risk is of an outcome that is 0 or 1, unless evaluated-class names one of its values")
    return _Scored(outcome, np.clip(_numbers(scores, outcome, 0.5, 1.0), 0.0, 1.0), outcome.astype(np.int64))


def _numbers(scores: Floats, rows: Floats, none: float, most: float) -> Floats:
    """The scores, with ``none`` for what is no number, within ``most``: a round that failed because of one patient
    would tell of that patient. Raises FederatedError unless there is one for each row."""
    found = np.asarray(scores, np.float64)
    if found.shape != rows.shape:
        raise FederatedError("a model's predictions are numbers, one for each row")
    return np.clip(np.nan_to_num(found, nan=none, posinf=most, neginf=-most), -most, most)


def _runs(slots: list[tuple[_Scored, Mask]], within: Integers, cell: int) -> Integers:
    """The class that each class counts in, by runs of those of ``within`` (3). A risk's two stay as they are."""
    classes = [within[each.classes[mask]] for each, mask in slots if each.classes is not None]
    if len(within) <= 2 or not classes:
        return within
    return run_together(np.array([np.bincount(each, minlength=len(within)) for each in classes]), cell)[within]


def _is_enough(kinds: Integers, least: int, cell: int, is_value: bool) -> bool:
    """Rule 2. With a smallest cell of one, nothing is too small."""
    if len(kinds) < max(least, cell, 1):
        return False
    counts = np.bincount(kinds, minlength=1 if is_value else 2)
    return cell <= 1 or not ((counts < cell) & ((counts > 0) | (not is_value))).any()


def _shown(kinds: Integers, parts: list[Mask], least: int, cell: int, is_value: bool) -> list[bool]:
    """Which parts of a group are written (2, 3)."""
    shown = [_is_enough(kinds[part], least, cell, is_value) for part in parts]
    while any(shown):
        left = np.ones(len(kinds), bool)
        for part, is_shown in zip(parts, shown, strict=True):
            left &= ~part if is_shown else True
        counts = np.bincount(kinds[left])
        if not ((counts > 0) & (counts < cell)).any():
            break
        sizes = [part.sum() if is_shown else np.inf for part, is_shown in zip(parts, shown, strict=True)]
        shown[int(np.argmin(sizes))] = False
    return shown


def _add(arrays: Arrays, slot: int, part: _Scored, mask: Mask, runs: Integers, cell: int) -> None:
    """One slot's sums, of grouped scores (4)."""
    scores = part.scores[mask]
    if part.classes is None:
        y, f = part.outcome[mask], microaggregated(scores, cell, scores)
        arrays["moments"][slot] = [len(y), y.sum(), f.sum(), y @ y, f @ f, y @ f]
        return
    bins, classes = arrays["counts"].shape[1], runs[part.classes[mask]]
    counted = [classes == 0, classes == 1] if len(runs) == 2 else sets_of(classes, len(runs))
    for k, inside in enumerate(counted):
        own = microaggregated(scores[inside], cell, scores)
        arrays["counts"][slot, :, k] = np.bincount(bins_of(own, bins), minlength=bins)


def _by_row(config: RunConfig, held: _Scored, trained: _Scored, places: list[Integers]) -> NDArray[np.float32]:
    """Each row's own cells, (rows, slots, PRIVATE_BINS, 2) (6)."""
    outcome = np.concatenate([held.outcome, trained.outcome]).astype(np.int64)
    rows, apart = len(outcome), len(held.outcome)
    found = np.zeros((rows, len(slots_of(config)), PRIVATE_BINS, 2), np.float32)
    bins, weight = bins_of(np.concatenate([held.scores, trained.scores]), PRIVATE_BINS), row_weight(config)
    everybody = np.arange(rows)
    found[everybody, (everybody >= apart).astype(np.int64), bins, outcome] = weight
    first = 2
    for group, place in zip(groups_of(config), places, strict=True):
        inside = np.flatnonzero(place >= 0)
        found[inside, first + place[inside], bins[inside], outcome[inside]] = weight
        first += len(group.names)
    return found


def _own_results(config: RunConfig, arrays: Arrays) -> list[float]:
    """Rule 5, from this hospital's own sums over whom it kept apart."""
    if config[EVALUATES] == SURVIVAL:
        times = SurvivalSums(arrays["counts"][0], evaluation_cuts_of(config), grouped=True)
        last = len(times.cuts) - 1
        found = [times.concordance(), times.concordance_error(), times.auc(last), times.auc_error(last)]
        found.append(float(times.curve().survival[-1]))
        patients = times.patients
    elif config[EVALUATES] == RISK:
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
