"""Patients of a made-up study of survival, one hospital's answer to its evaluation, and what rows say of the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from belmont.federated.evaluation.layout import SURVIVAL_BINS, bins_of, evaluation_config, scores_of
from belmont.federated.evaluation.survival import SurvivalSums
from belmont.federated.evaluation.times import classes_of, sets_of
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.configuration import study_config
from belmont.federated.models.cox import CoxModel
from belmont.federated.models.rehearsal import Rehearsal

CUTS = (90.0, 180.0, 360.0)
FEATURES = ("age", "sex=male")
MODEL = {"coefficients": np.array([0.8, 0.5])}
FORM = CoxModel(FEATURES, "days")


@dataclass(frozen=True)
class Patients:
    """Rows, (rows,) each: log hazard ratio, time until the event or until they left, and whether it was the event."""

    score: np.ndarray
    time: np.ndarray
    event: np.ndarray

    @classmethod
    def drawn(cls, rows: int, seed: int, rate: float = 0.3, leaving: float = 0.4) -> "Patients":
        """``rate`` have an event by the last cut point at a score of 0, and ``leaving`` of all may leave before it."""
        source = np.random.default_rng(seed)
        score = source.normal(0, 1, rows)
        time = source.exponential(1, rows) / (-np.log(1 - rate) / CUTS[-1] * np.exp(score))
        until = np.where(source.random(rows) < leaving, source.uniform(0, CUTS[-1], rows), 2 * CUTS[-1])
        return cls(score, np.minimum(time, until), time <= until)

    @classmethod
    def together(cls, several: Sequence["Patients"]) -> "Patients":
        return cls(*(np.concatenate([getattr(each, name) for each in several]) for name in ("score", "time", "event")))

    def __getitem__(self, rows: np.ndarray) -> "Patients":
        return Patients(self.score[rows], self.time[rows], self.event[rows])

    @property
    def bins(self) -> np.ndarray:
        return bins_of(scores_of(self.score), SURVIVAL_BINS)

    def sums(self, cuts: Sequence[float] = CUTS) -> SurvivalSums:
        """Exactly, nobody grouped."""
        sets = sets_of(classes_of(self.time, self.event, cuts), 2 * len(cuts) + 1)
        counts = [np.bincount(self.bins[inside], minlength=SURVIVAL_BINS) for inside in sets]
        return SurvivalSums(np.column_stack(counts).astype(float), tuple(cuts))

    def spans(self, cuts: Sequence[float] = CUTS) -> tuple[np.ndarray, np.ndarray]:
        """Times that spans show, and events: who leaves a span without is there when it begins, and no longer."""
        span = np.searchsorted(cuts, self.time, side="left").astype(float)
        event = self.event & (span < len(cuts))
        return np.where(event, span, span - 0.5), event


def table_of(age: Any, sex: Any, days: Any, event: Any) -> ArrayTable:
    """``age`` in years, ``sex`` 0 for missing, 1 female, 2 male, ``days`` NaN for missing, ``event`` 0 or 1."""
    age, sex, days, event = (np.asarray(each, float) for each in (age, sex, days, event))
    yes = np.ones(len(age), bool)
    columns = {
        "age": (age.astype(np.uint16), yes, age),
        "sex": (sex.astype(np.uint16), sex > 0, np.where(sex > 0, sex - 1.0, np.nan)),
        "days": (np.nan_to_num(days).astype(np.uint16), np.isfinite(days), days),
        "event": (event.astype(np.uint16), yes, event),
    }
    numbers = {"age": (60.0, 10.0, 120), "sex": (0.0, 1.0, 2), "days": (0.0, 1.0, 4000), "event": (0.0, 1.0, 1)}
    return ArrayTable(len(age), columns, numbers, {"sex": ("female", "male")})


def hospital(rows: int, seed: int = 0, rate: float = 0.3) -> ArrayTable:
    source = np.random.default_rng(seed)
    age, sex = source.normal(60, 10, rows).clip(20, 100), source.integers(1, 3, rows)
    hazard = -np.log(1 - rate) / CUTS[-1] * np.exp(0.8 * (age - 60) / 10 + 0.5 * (sex == 2))
    time = source.exponential(1, rows) / hazard
    until = np.where(source.random(rows) < 0.4, source.uniform(0, CUTS[-1], rows), 2 * CUTS[-1])
    return table_of(age, sex, np.minimum(time, until), time <= until)


def study(
    cuts: Sequence[float] = CUTS, groups: tuple[str, ...] = (), holdout: float = 0.5, *, report: bool = False
) -> dict[str, Any]:
    """The configuration of a study of Cox's model that is evaluated."""
    evaluation = evaluation_config("survival", holdout, groups, report_hospitals=report, cuts=cuts)
    return study_config(FEATURES, "event", (), FORM.settings(), sums=FORM.sums(), evaluation=evaluation)


def rehearsed(
    tables: Sequence[ArrayTable],
    config: dict[str, Any],
    *,
    model: dict[str, np.ndarray] = MODEL,
    bundle: bytes | None = None,
    min_cohort: int = 10,
    smallest_cell: int = 8,
) -> Rehearsal:
    """Rounds over tables; ``evaluate()`` gives what a researcher reads."""
    code = shipped_bundle("cox") if bundle is None else bundle
    safeguards = {"min_cohort": min_cohort, "smallest_cell": smallest_cell}
    return Rehearsal(code, config, model, FORM.combine(), tables, **safeguards)


def evaluated(tables: Sequence[ArrayTable], config: dict[str, Any], **more: Any) -> dict[str, np.ndarray]:
    (update,) = rehearsed(tables, config, **more).evaluate()
    return dict(update.arrays)
