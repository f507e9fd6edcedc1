"""How well a model does on patients whom the hospitals kept apart: a card, tables and pictures.

    performance = permit.evaluate(model)          or model.fit(permit).performance_
    performance.table                             one row a slot: everybody, then each subgroup, then who was trained on
    performance.at(0.2)                           rates at a threshold
    performance.fairness()                        how subgroups differ, with intervals
    performance.hospitals                         each hospital's own, where the permit has report-hospitals
    performance.membership                        whether the model remembers whom it saw

All of it follows from one round's sums (`belmont.federated.evaluation`), which anybody can compute again from
``performance.record`` where they were secure. Intervals are at 95 percent unless ``level`` is given. Models of survival
have measures of their own (`belmont.lab.survival_performance`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from belmont.federated.bounded.record import RoundRecord
from belmont.federated.evaluation.comparison import Membership, differences
from belmont.federated.evaluation.intervals import LEVEL, Estimate, logit_normal
from belmont.federated.evaluation.layout import HELD_OUT, RISK_COLUMNS, TRAINED_ON, VALUE_COLUMNS, evaluated_class_of
from belmont.federated.evaluation.results import Results
from belmont.federated.evaluation.risks import RiskSums
from belmont.federated.models.training import EvaluationResult
from belmont.federated.query.aggregate import SMALLEST_CELL
from belmont.lab import cards, evaluations, plots
from belmont.lab.errors import LabError, NotYet

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.models import StudyModel
    from belmont.lab.permit import Permit

FEW = 5 * SMALLEST_CELL
"""Fewer patients of one outcome a hospital than this are so few groups that the AUC looks too high
(docs/evaluation.md)."""
_RATES = ("accuracy", "sensitivity", "specificity", "ppv", "npv")


class Performance:
    """Of one model in one evaluation round."""

    def __init__(self, model: "StudyModel", permit: "Permit", result: EvaluationResult) -> None:
        self.n = result.n
        self.model_hash = result.model_hash
        """As the round was opened with it on chain."""
        self.result = result
        self.permit_id = permit.id
        self.evaluations_left = evaluations.known_left(permit, model)
        """After this one, by what ran from here; None where only rounds and budgets bound them, or it is not known."""
        names = permit.consortium.dataset_names
        self.participants = tuple(names[each] for each in result.participants)
        self.answered = sum(each.answered for each in result.hospitals)
        self._config = model.config
        self._outcome = permit.consortium.dictionary.column(model.outcome_name)
        references = model.references_
        levels = {name: references[name].levels for name in references}
        self.results = Results.of(self._config, result.updates, self.answered, levels)

    @property
    def record(self) -> RoundRecord:
        """The round as anybody can check it, with ``belmont verify-round``. Raises ``NotYet`` where it has none."""
        if self.result.record is None:
            raise NotYet("there is no record of this round: only secure sums have one")
        return self.result.record

    @property
    def evaluated_class(self) -> float | None:
        """The outcome's value that was told apart from all others; None where the outcome is 0 or 1, or a number."""
        return evaluated_class_of(self._config)

    @property
    def patients(self) -> int:
        """Who were kept apart, at hospitals with enough of them; with noise, about so many."""
        return round(self.results.patients)

    @property
    def epsilon(self) -> float | None:
        """Of all rounds so far with this one, for the dataset that has spent most; None where there was no noise."""
        privacy = self.result.privacy
        return None if privacy is None else privacy.epsilon

    @property
    def auc(self) -> Estimate:
        """On patients who were kept apart."""
        return self._risks[HELD_OUT].auc_interval()

    @cached_property
    def table(self) -> "pd.DataFrame":
        """One row a slot: who was kept apart, each subgroup of them, and last who was trained on.

        ``coarse`` says that there are so few patients of one outcome that the AUC looks too high.
        """
        import pandas as pd

        slots = [HELD_OUT, *(name for parts in self.results.groups.values() for name in parts), TRAINED_ON]
        return pd.DataFrame([self._row(name) for name in slots], index=pd.Index(slots, name="patients who are"))

    def at(self, threshold: float, level: float = LEVEL) -> "pd.DataFrame":
        """Rates of each slot where who is at or above ``threshold`` counts as positive. Raises for models of values."""
        import pandas as pd

        rows = {}
        if not 0.0 <= threshold <= 1.0:
            raise LabError(f"a threshold is a risk from 0 to 1, and not {threshold!r}")
        for name in self.table.index:
            found = self._risks[name].at(threshold, level)
            rows[name] = {"threshold": found.threshold, "positives": found.positives}
            for rate in _RATES:
                rows[name] |= columns(rate, getattr(found, rate))
        return pd.DataFrame.from_dict(rows, orient="index")

    def fairness(self, threshold: float | None = None, level: float = LEVEL) -> "pd.DataFrame":
        """How each subgroup differs from the largest of its group, one row each.

        At a threshold, by default the observed rate; an interval that excludes 0 is a difference that chance does not
        explain at this level, one comparison at a time. Which differences are unfair is not for numbers to say.
        """
        risks = self._risks
        chosen = risks[HELD_OUT].observed_rate() if threshold is None else threshold

        def differ(name: str, largest: str) -> dict[str, Estimate]:
            found = differences(risks[name], risks[largest], chosen, level)
            measures = ("sensitivity", "false_positive_rate", "ppv", "calibration_gap")
            return {measure.replace("_", " "): getattr(found, measure) for measure in measures}

        return self._compared(differ)

    def _compared(self, differ: Callable[[str, str], Mapping[str, Estimate]]) -> "pd.DataFrame":
        """What ``differ`` says of each part and the largest of its group, one row each. Raises ``NotYet``."""
        import pandas as pd

        rows = []
        for column, parts in self.results.groups.items():
            if len(parts) < 2:
                continue
            largest = max(parts, key=lambda name: self.results.slots[name].patients)
            for name in parts:
                if name != largest:
                    row: dict[str, object] = {"group": column, "part": name, "against": largest}
                    for measure, found in differ(name, largest).items():
                        row |= columns(measure, found)
                    rows.append(row)
        if not rows and self.results.groups:
            raise NotYet(
                "there are no two subgroups to compare: parts of fewer patients than the permit's minimum, or with "
                "fewer than 8 of either outcome at a hospital, are left out; take fewer parts, or a larger holdout"
            )
        if not rows:
            raise NotYet("there are no two subgroups to compare: apply with groups=('sex', 'age:40,60') or the like")
        return pd.DataFrame(rows).set_index(["group", "part"])

    @cached_property
    def membership(self) -> Membership | None:
        """The advantage of guessing who was trained on; None where a side is empty."""
        return self.results.membership()

    @cached_property
    def hospitals(self) -> "pd.DataFrame":
        """Each hospital's own results, one row each, NaN where its part is too small.

        Raises ``NotYet`` where the permit does not show them: sums are secure, and report-hospitals is not set.
        """
        frame = self._reported(RISK_COLUMNS if self.results.is_risk else VALUE_COLUMNS)
        if self.results.is_risk:
            smaller = frame["patients"] * np.minimum(frame["observed rate"], 1 - frame["observed rate"])
            found = [
                logit_normal(value, error, max(few, 1.0)) if np.isfinite(value) else Estimate(np.nan)
                for value, error, few in zip(frame["auc"], frame["standard error"], smaller, strict=True)
            ]
            frame["auc low"], frame["auc high"] = [each.low for each in found], [each.high for each in found]
        return frame

    def _reported(self, names: Sequence[str]) -> "pd.DataFrame":
        """What hospitals wrote, under these names. Raises ``NotYet``."""
        import pandas as pd

        table = self.results.reported
        if table is None:
            raise NotYet("hospitals' own results are not shown: apply with a model that has report_hospitals=True")
        own = np.where(table[:, :1] > 0.5, table, np.nan)[: len(self.participants)]
        index = pd.Index(self.participants[: len(own)], name="dataset")
        return pd.DataFrame(own[:, 1:], columns=list(names[1:]), index=index)

    # --- pictures ---

    def plot_roc(self, slots: Sequence[str] = (HELD_OUT,)) -> plots.Picture:
        """ROC curves with the interval of each point; ``slots`` are rows of ``table``."""
        found = {name: self.slot(name) for name in slots}
        return plots.roc_bands({name: (*each.roc(), f"AUC {each.auc_interval()}") for name, each in found.items()})

    def plot_calibration(self, slots: Sequence[str] = (HELD_OUT,)) -> plots.Picture:
        """Observed against predicted, in ten groups of equally many patients."""
        curves: Mapping[str, list[tuple[float, float, float, float]]] = {
            name: [
                (each.mean_risk, each.observed.value, each.observed.low, each.observed.high)
                for each in self.slot(name).calibration_curve()
            ]
            for name in slots
        }
        return plots.calibration(curves)

    def plot_hospitals(self) -> plots.Picture:
        """The AUC of each hospital, and of all together."""
        frame = self.hospitals.dropna(subset=["auc"]) if self.results.is_risk else None
        if frame is None:
            raise LabError("this picture is of AUCs, and this model predicts values: take performance.hospitals")
        rows = {str(name): (row["auc"], row["auc low"], row["auc high"]) for name, row in frame.iterrows()}
        rows["all together"] = (self.auc.value, self.auc.low, self.auc.high)
        return plots.forest(rows, "AUC", "AUC of each hospital")

    def slot(self, name: str) -> RiskSums:
        """The sums of one slot, with everything that follows from them. Raises ``LabError`` for an unknown one."""
        if name not in self._risks:
            raise LabError(f"there is no slot {name!r}; there are {', '.join(self.table.index)}")
        return self._risks[name]

    # --- inside ---

    @property
    def _risks(self) -> Mapping[str, RiskSums]:
        if not self.results.is_risk:
            raise LabError(self._why_no_risks)
        return self.results.risks

    @property
    def _why_no_risks(self) -> str:
        return "this model predicts values and no risks: performance.table has what there is"

    def _row(self, name: str) -> dict[str, float]:
        return self._risk_row(name) if self.results.is_risk else self._value_row(name)

    def _risk_row(self, name: str) -> dict[str, float]:
        found = self._risks[name]
        bounds = found.auc_bounds()
        return {
            "patients": found.patients,
            "outcomes": found.cases,
            **columns("auc", found.auc_interval()),
            "auc at least": bounds[0],
            "auc at most": bounds[1],
            "brier": found.brier(),
            "log loss": found.log_loss(),
            **columns("calibration intercept", found.calibration_intercept()),
            **columns("calibration slope", found.calibration_slope()),
            **columns("observed / expected", found.observed_to_expected()),
            "calibration error": found.ece(),
            "coarse": self._is_coarse(found),
        }

    def _value_row(self, name: str) -> dict[str, float]:
        found = self.results.values[name]
        return {
            "patients": found.patients,
            "r2": found.r2(),
            **columns("rmse", found.rmse_interval()),
            **columns("correlation", found.correlation()),
            **columns("calibration slope", found.slope_interval()),
            **columns("mean error", found.bias()),
        }

    @property
    def note(self) -> str:
        """What to be careful about, or nothing."""
        if not self.results.is_risk:
            return ""
        found = self._risks[HELD_OUT]
        fewer = min(found.cases, found.controls)
        if found.noise_deviation:
            return f"each count has noise of standard deviation {found.noise_deviation:.3g}; intervals count it in"
        if self._is_coarse(found):
            return f"only {fewer:.0f} patients of one outcome: in groups of {SMALLEST_CELL} the AUC looks too high"
        return ""

    def _is_coarse(self, found: RiskSums) -> bool:
        return found.grouped and min(found.cases, found.controls) < FEW * max(self.answered, 1)

    def __repr__(self) -> str:
        n = self.evaluations_left
        left = "" if n is None else f", {n} evaluation{'' if n == 1 else 's'} left"
        return f"Performance(round {self.n}, {self.patients:,} patients kept apart, {self.results.headline}{left})"

    def _repr_html_(self) -> str:
        frame = self.table
        names = [each for each in frame.columns if not each.endswith((" low", " high", " at least", " at most"))]
        rows = [[name, *(_cell(frame, name, column) for column in names)] for name in frame.index]
        facts = {"round": self.n, "hospitals": self.answered, "model": cards.short(self.model_hash)}
        if self.evaluated_class is not None:
            name = self._outcome.named(self.evaluated_class)
            facts["evaluated"] = f"{self._outcome.name} is {name}, against all others"
        advantage = self.membership
        if advantage is not None:
            facts["guessing who was trained on"] = f"advantage {advantage.advantage}, at most {advantage.upper:.3f}"
        if self.evaluations_left is not None:
            facts["evaluations left"] = self.evaluations_left
        if self.note:
            facts["note"] = self.note
        return cards.card(
            f"Performance on {self.patients:,} patients kept apart", cards.facts(facts), cards.table(["", *names], rows)
        )


def columns(name: str, found: Estimate) -> dict[str, float]:
    """A number and its interval, as columns of a table."""
    return {name: found.value, f"{name} low": found.low, f"{name} high": found.high}


def _cell(frame: "pd.DataFrame", slot: str, column: str) -> str:
    value = frame.loc[slot, column]
    if column == "coarse":
        return "yes" if value else "no"
    if column in ("patients", "outcomes", "events"):
        return f"{value:,.0f}"
    if f"{column} low" not in frame.columns:
        return f"{value:.3f}"
    return f"{value:.3f} ({frame.loc[slot, f'{column} low']:.3f} to {frame.loc[slot, f'{column} high']:.3f})"
