"""What an evaluation sums, as the approved configuration fixes it: both sides read it here.

    holdout = 0.25                       the part of each hospital's patients that is kept apart (docs/evaluation.md)
    evaluates = "risk"                   a probability of an outcome that is 0 or 1; or "value", a number; or "survival"
    evaluated-class = 2.0                the outcome has more values or others: the risk is that of this one (10)
    evaluation-cuts = "90,180,365"       of survival: where spans of time end, in the unit of the duration (9)
    groups = "sex;age:40,60"             subgroups of the patients who were kept apart (`evaluation.groups`)
    report-hospitals = true              each hospital's own results are shown, and not only those of all together
    evaluations = 3                      how many evaluations each hospital answers (8)

1. ``risk``: for each slot, each of ``BINS`` bins of the predicted risk and each outcome, how many patients (``counts``,
   of shape (slots, BINS, 2)).
2. Bins are as wide as a risk's standard error is large: bin b ends at sin^2(pi (b + 1) / (2 BINS)), which is fine where
   outcomes are rare (Anscombe, Biometrika 35:246, 1948). Bin b of a risk is bin BINS - 1 - b of one minus the risk.
3. ``value``: for each slot the moments of outcome y and prediction f (``moments``, of shape (slots, 6)): 1, y, f, y^2,
   f^2, y f, summed over patients.
4. Slots are who is counted: ``held out``, who was kept apart; ``trained on``, all others; then each group's parts, of
   those who were kept apart.
5. ``hospitals``, of shape (16, 7), where the configuration asks for it: each hospital writes its own row alone, by its
   place among the round's participants; the node compares (`refuse_other_rows`). The 17th and later write nothing.
6. With noise by row a row is 1 in one cell of each slot that it is in, all of them scaled so that the row has the norm
   that is cut to; there are ``PRIVATE_BINS`` bins. There is no such form for values, for an update
   that is cut as a whole, nor for results of single hospitals.
7. Without noise a count is 0 or at least the node's smallest cell, and a slot's patients are nobody or at least the
   permit's minimum cohort (`evaluation.hospital` makes them so; the node compares: `refuse_small_sums`).
8. Without noise a line of permits has so many evaluations at each hospital, ``DEFAULT_EVALUATIONS`` where the
   configuration does not say; the node counts (`belmont.federated.gate.ledger`). With noise the budget is the bound,
   and the number one more where it is given.
9. ``survival``: for each slot, each of ``SURVIVAL_BINS`` bins of the score and each set, how many patients
   (``counts``, of shape (slots, SURVIVAL_BINS, 2 cuts + 1)). Set 0 is everybody; of cut point k, from 0, set 2k + 1 is
   who had the event by then and 2k + 2 who left later (`evaluation.times`). A score is a log hazard ratio, counted as
   the risk that has these log odds (`scores_of`): any rising map keeps the order. Such counts leave only as secure
   sums, a line of permits has the same cut points (`node.rounds`), and where training has cut points these are some of
   them: with two that lie close, the difference would be who left in between. Not only counts, but what their
   differences count is nobody or enough (7).
10. Of an outcome of several classes one is evaluated against all others, so that everything said of a risk holds. The
    configuration names it, and a line of permits has the same one (`node.rounds`): who is in neither of two classes
    may be few, and would be the difference.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.clipping import largest_scaled_norm
from belmont.federated.accounting.settings import Clipping, PrivacySettings, read_settings
from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.groups import Group, read_groups
from belmont.federated.evaluation.times import in_classes
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.node.noise import READ_ELSEWHERE
from belmont.federated.secagg.encoding import FRACTION_BITS
from belmont.federated.secagg.settings import SECURE_SUM_KEY, SecureSum

HOLDOUT, EVALUATES, GROUPS, REPORT_HOSPITALS = "holdout", "evaluates", "groups", "report-hospitals"
EVALUATIONS, EVALUATION_CUTS, EVALUATED_CLASS = "evaluations", "evaluation-cuts", "evaluated-class"
DEFAULT_EVALUATIONS = 3
"""One at the end of each of a few fits (8)."""
RISK, VALUE, SURVIVAL = "risk", "value", "survival"
BINS, PRIVATE_BINS, SURVIVAL_BINS = 100, 20, 50
MOST_CUTS = 12
MOMENTS = 6
HELD_OUT, TRAINED_ON = "held out", "trained on"
MOST_HOSPITALS = 16
RISK_COLUMNS = ("reported", "patients", "auc", "standard error", "brier", "mean risk", "observed rate")
VALUE_COLUMNS = ("reported", "patients", "r2", "rmse", "calibration slope", "mean prediction", "mean outcome")
SURVIVAL_COLUMNS = ("reported", "patients", "concordance", "standard error", "auc", "auc standard error", "survival")
"""The last three are at the last cut point."""


def groups_of(config: RunConfig) -> tuple[Group, ...]:
    """The groups whose parts are slots of their own. Raises FederatedError."""
    return read_groups(config.get(GROUPS, ""))


def slots_of(config: RunConfig) -> tuple[str, ...]:
    """Names of the slots, in order (4)."""
    return (HELD_OUT, TRAINED_ON, *(name for group in groups_of(config) for name in group.names))


def holdout_of(config: RunConfig) -> float:
    """The part of the patients that is kept apart; 0 for none. Raises FederatedError."""
    value = config.get(HOLDOUT, 0.0)
    if type(value) is not float or not 0.0 <= value < 1.0:
        raise FederatedError(f"{HOLDOUT} is a float from 0 to below 1")
    return value


def reports_hospitals(config: RunConfig) -> bool:
    """Whether each hospital's own results are shown (5). Raises FederatedError."""
    value = config.get(REPORT_HOSPITALS, False)
    if type(value) is not bool:
        raise FederatedError(f"{REPORT_HOSPITALS} is true or false")
    return value


def most_evaluations(config: RunConfig, *, noisy: bool) -> int | None:
    """How many evaluations a line of permits has at each hospital; None for as many as there are rounds (8). Raises
    FederatedError."""
    if EVALUATIONS not in config:
        return None if noisy else DEFAULT_EVALUATIONS
    value = config[EVALUATIONS]
    if type(value) is not int or value < 1:
        raise FederatedError(f"{EVALUATIONS} is a whole number of at least 1")
    return value


def evaluation_cuts_of(config: RunConfig) -> tuple[float, ...]:
    """Where an evaluation's spans of time end; none where it is not of survival (9). Raises FederatedError."""
    text = config.get(EVALUATION_CUTS)
    if config.get(EVALUATES) != SURVIVAL:
        if text is not None:
            raise FederatedError(f"{EVALUATION_CUTS} are of models of survival, and of no other")
        return ()
    try:
        cuts = tuple(float(each) for each in text.split(",")) if isinstance(text, str) else ()
    except ValueError:
        cuts = ()
    if not 1 <= len(cuts) <= MOST_CUTS or not np.isfinite(cuts).all() or cuts[0] <= 0 or (np.diff(cuts) <= 0).any():
        raise FederatedError(
            f"{EVALUATION_CUTS} are one to {MOST_CUTS} ascending times above 0, such as '90,180,365': survival is "
            "evaluated in the spans between them"
        )
    trained = config.get("cuts")
    if trained and not {f"{cut!r}" for cut in cuts} <= set(str(trained).split(",")):
        raise FederatedError(
            f"{EVALUATION_CUTS} are some of the cut points of training, {str(trained)[:200]}: with others the "
            "difference of what is trained on and evaluated would be who left in between"
        )
    return cuts


def evaluated_class_of(config: RunConfig) -> float | None:
    """The outcome's value whose risk is evaluated; None where the outcome is 0 or 1 (10). Raises FederatedError."""
    value = config.get(EVALUATED_CLASS)
    if value is None:
        return None
    if type(value) is not float or not math.isfinite(value):
        raise FederatedError(f"{EVALUATED_CLASS} is a value of the outcome, as a float")
    if config.get(EVALUATES) != RISK:
        raise FederatedError(f"{EVALUATED_CLASS} is of models of a risk, and of no other")
    return value


def place_of_class(config: RunConfig, classes: Sequence[float]) -> int:
    """Where the evaluated one is among a model's classes; where none is named, the second of two. Raises FederatedError
    where it is none of them (10)."""
    wanted = evaluated_class_of(config)
    if wanted is None and len(classes) == 2:
        return 1
    if wanted is None or wanted not in classes:
        raise FederatedError(f"{EVALUATED_CLASS} is one of the model's classes: {', '.join(map(str, classes))}")
    return list(classes).index(wanted)


def evaluation_config(
    evaluates: str,
    holdout: float,
    groups: tuple[str, ...] = (),
    *,
    report_hospitals: bool = False,
    evaluations: int | None = None,
    cuts: Sequence[float] = (),
    evaluated_class: float | None = None,
) -> dict[str, str | int | float | bool]:
    """The keys of a configuration whose models are evaluated; none where nobody is kept apart. Raises FederatedError
    for groups, reports, cut points, a class or a number of evaluations without anybody to evaluate on, and for what
    cannot be read."""
    if not holdout:
        if groups or report_hospitals or cuts or evaluations is not None or evaluated_class is not None:
            raise FederatedError(
                "groups, results of hospitals, cut points, a class and a number of evaluations are of patients who "
                "were kept apart: give a holdout"
            )
        return {}
    config: dict[str, str | int | float | bool] = {HOLDOUT: holdout, EVALUATES: evaluates}
    if cuts or evaluates == SURVIVAL:
        config[EVALUATION_CUTS] = ",".join(f"{cut:.15g}" for cut in cuts)
        evaluation_cuts_of(config)
    if evaluated_class is not None:
        config[EVALUATED_CLASS] = float(evaluated_class)
        evaluated_class_of(config)
    if groups:
        config[GROUPS] = ";".join(groups)
        groups_of(config)
    if evaluations is not None:
        config[EVALUATIONS] = evaluations
        most_evaluations(config, noisy=False)
    return config | ({REPORT_HOSPITALS: True} if report_hospitals else {})


def evaluation_sum(config: RunConfig, fraction_bits: int = FRACTION_BITS) -> SecureSum:
    """What is summed (1, 3, 5, 6, 9). Raises FederatedError for a configuration that names nothing of it."""
    slots, kind, noise = len(slots_of(config)), config.get(EVALUATES), noise_of(config)
    if kind not in (RISK, VALUE, SURVIVAL):
        raise FederatedError(f'{EVALUATES} is "{RISK}", "{VALUE}" or "{SURVIVAL}"')
    if kind == SURVIVAL and SECURE_SUM_KEY not in config:
        raise FederatedError("counts by spans of time leave a hospital only as a secure sum")
    cuts = evaluation_cuts_of(config)
    if noise is not None:
        return SecureSum((("counts", (slots, PRIVATE_BINS, 2)),), fraction_bits=noise.fraction_bits, private=True)
    arrays: tuple[tuple[str, tuple[int, ...]], ...] = (("moments", (slots, MOMENTS)),)
    if kind == RISK:
        arrays = (("counts", (slots, BINS, 2)),)
    elif kind == SURVIVAL:
        arrays = (("counts", (slots, SURVIVAL_BINS, 2 * len(cuts) + 1)),)
    if reports_hospitals(config):
        arrays += (("hospitals", (MOST_HOSPITALS, len(RISK_COLUMNS))),)
    return SecureSum(arrays, (), False, fraction_bits)


def noise_of(config: RunConfig) -> PrivacySettings | None:
    """The noise that a configuration asks for. Raises FederatedError where there is no evaluation with it (6)."""
    settings = read_settings(config, READ_ELSEWHERE)
    if not isinstance(settings, PrivacySettings):
        return None
    if settings.clipping is not Clipping.EXAMPLE:
        raise FederatedError("with noise, models are evaluated by row: belmont-clipping is example")
    if config.get(EVALUATES) != RISK:
        why = "survival has no such form" if config.get(EVALUATES) == SURVIVAL else "a value's square has no bound"
        raise FederatedError(f"with noise, only models of a risk are evaluated: {why}")
    if reports_hospitals(config):
        raise FederatedError(f"with noise there are no results of single hospitals: leave {REPORT_HOSPITALS} out")
    return settings


def row_weight(config: RunConfig) -> float:
    """What a row adds to a cell: 1 without noise, else so that the row has the norm that it is cut to (6)."""
    noise = noise_of(config)
    if noise is None:
        return 1.0
    norm = largest_scaled_norm(noise.bound, evaluation_sum(config).layout.size)
    return math.ldexp(norm, -noise.fraction_bits) / math.sqrt(1 + len(groups_of(config)))


def middles(bins: int = BINS) -> NDArray[np.float64]:
    """What a risk in each bin counts as, of shape (bins,)."""
    return np.asarray(np.sin(0.5 * np.pi * (np.arange(bins) + 0.5) / bins) ** 2, np.float64)


def edges(bins: int = BINS) -> NDArray[np.float64]:
    """Where bins begin and end, of shape (bins + 1,): from 0 to 1 (2)."""
    found = np.sin(0.5 * np.pi * np.arange(bins + 1) / bins) ** 2
    found[-1] = 1.0
    return np.asarray(found, np.float64)


def bins_of(risks: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """The bin of each risk from 0 to 1."""
    return np.minimum(np.searchsorted(edges(bins), risks, side="right") - 1, bins - 1).astype(np.int64)


def scores_of(log_ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """From log hazard ratios to (0, 1), where the bins are: what has these log odds (9)."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_ratios)), np.float64)


def refuse_other_rows(config: RunConfig, arrays: Arrays, position: int) -> None:
    """Raises FederatedError where a hospital's answer writes in another's row (5)."""
    if reports_hospitals(config):
        table = arrays.get("hospitals")
        if table is None or table.shape != (MOST_HOSPITALS, len(RISK_COLUMNS)):
            raise FederatedError("an evaluation answers without the hospitals' results, or in another form")
        if np.delete(table, position, axis=0).any() if position < MOST_HOSPITALS else table.any():
            raise FederatedError("an evaluation writes results of another hospital")


def refuse_small_sums(config: RunConfig, arrays: Arrays, min_cohort: int, smallest_cell: int) -> None:
    """Raises FederatedError where a hospital's evaluation rests on too few patients (7). With a smallest cell of one,
    as with noise, nothing is too few."""
    if smallest_cell <= 1 or not holdout_of(config) or config.get(EVALUATES) not in (RISK, VALUE, SURVIVAL):
        return
    name, shape = evaluation_sum(config).arrays[0]
    found = arrays.get(name)
    if found is None or found.shape != shape:
        raise FederatedError(f"an evaluation answers without {name}, or in another form")
    if config[EVALUATES] == VALUE:
        patients = cells = found[:, 0]
    elif config[EVALUATES] == RISK:
        patients, cells = found.sum(axis=(1, 2)), found
    else:
        sets = found.sum(axis=1)
        patients, cells = sets[:, 0], np.concatenate([found, in_classes(sets)[:, None]], axis=1)
    if ((cells != 0) & (cells < smallest_cell)).any() or ((patients != 0) & (patients < min_cohort)).any():
        raise FederatedError("an evaluation's sums rest on too few patients")
