"""How well a model of survival does on patients whom the hospitals kept apart: who has the event sooner.

    performance = permit.evaluate(cox)            or cox.fit(permit).performance_
    performance.concordance                       of pairs of which it is known who had the event first
    performance.table                             one row a slot: concordance, AUC at the last cut point, survival there
    performance.over_time()                       AUC and survival at each cut point
    performance.risk_groups()                     Kaplan-Meier of thirds by score
    performance.fairness()                        how subgroups differ, with intervals
    performance.hospitals, performance.membership, performance.record       as of every evaluation

What these are, and of whom, is in `belmont.federated.evaluation.survival`.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from belmont.federated.evaluation.comparison import differences_of_survival
from belmont.federated.evaluation.intervals import LEVEL, Estimate, logit_normal
from belmont.federated.evaluation.layout import HELD_OUT, SURVIVAL_COLUMNS
from belmont.federated.evaluation.survival import RiskGroup, SurvivalSums
from belmont.federated.query.aggregate import SMALLEST_CELL
from belmont.lab import plots
from belmont.lab.errors import LabError
from belmont.lab.models import survival_plots
from belmont.lab.performance import FEW, Performance, columns

if TYPE_CHECKING:
    import pandas as pd

_NO_RISKS = "this model predicts who has the event sooner, and no risk: take {}"
_THIRDS = ("lowest scores", "middle scores", "highest scores")


class SurvivalPerformance(Performance):
    """Of one model of survival in one evaluation round."""

    @property
    def concordance(self) -> Estimate:
        """On patients who were kept apart."""
        return self.slot_of_survival(HELD_OUT).concordance_interval()

    @property
    def auc(self) -> Estimate:
        """At the last cut point, on patients who were kept apart."""
        return self.slot_of_survival(HELD_OUT).auc_interval(self._last)

    @property
    def cuts(self) -> tuple[float, ...]:
        """At which it was evaluated, in the unit of the duration."""
        return self.results.survivals[HELD_OUT].cuts

    def over_time(self, slots: Sequence[str] = (HELD_OUT,), level: float = LEVEL) -> "pd.DataFrame":
        """At each cut point, by slot: events by then, AUC, and survival by Kaplan and Meier, with intervals.

        ``coarse`` says that there are so few events by then that the AUC looks too high.
        """
        import pandas as pd

        rows = []
        for name in slots:
            found = self.slot_of_survival(name)
            curve = found.curve(level)
            for k, cut in enumerate(found.cuts):
                bounds = found.auc_bounds(k)
                rows.append(
                    {
                        "patients who are": name,
                        "time": cut,
                        "events": found.events_by(k),
                        **columns("auc", found.auc_interval(k, level)),
                        "auc at least": bounds[0],
                        "auc at most": bounds[1],
                        **columns("survival", curve.estimate(k)),
                        "coarse": self._is_few(found, k),
                    }
                )
        return pd.DataFrame(rows).set_index(["patients who are", "time"])

    def risk_groups(self, slot: str = HELD_OUT, level: float = LEVEL) -> "pd.DataFrame":
        """Survival of thirds by score at each cut point: curves that lie apart are what scores are good for."""
        import pandas as pd

        rows = [
            {"group": name, "time": cut, "patients": each.patients, **columns("survival", each.curve.estimate(k))}
            for name, each in _named(self.slot_of_survival(slot).risk_groups(level=level)).items()
            for k, cut in enumerate(self.cuts)
        ]
        return pd.DataFrame(rows).set_index(["group", "time"])

    def fairness(self, threshold: float | None = None, level: float = LEVEL) -> "pd.DataFrame":
        """How each subgroup differs from the largest of its group, one row each: concordance, and AUC and survival at
        the last cut point.

        There is no threshold. A difference of survival is one of patients, and none of the model.
        """
        if threshold is not None:
            raise LabError(_NO_RISKS.format("fairness() without a threshold"))

        def differ(name: str, largest: str) -> dict[str, Estimate]:
            survivals = self.results.survivals
            found = differences_of_survival(survivals[name], survivals[largest], level)
            return {"concordance": found.concordance, "auc": found.auc, "survival": found.survival}

        return self._compared(differ)

    @cached_property
    def hospitals(self) -> "pd.DataFrame":
        """Each hospital's own results, one row each, NaN where its part is too small; AUC and survival are at the last
        cut point.

        Raises ``NotYet`` where the permit does not show them: report-hospitals is not set.
        """
        frame = self._reported(SURVIVAL_COLUMNS)
        smaller = frame["patients"] * np.minimum(frame["survival"], 1 - frame["survival"])
        for name, error in (("concordance", "standard error"), ("auc", "auc standard error")):
            found = [
                logit_normal(value, each, max(few, 1.0)) if np.isfinite(value) else Estimate(np.nan)
                for value, each, few in zip(frame[name], frame[error], smaller, strict=True)
            ]
            frame[f"{name} low"], frame[f"{name} high"] = [each.low for each in found], [each.high for each in found]
        return frame

    # --- pictures ---

    def plot_survival_groups(self, slot: str = HELD_OUT, level: float = LEVEL) -> plots.Picture:
        """Kaplan-Meier of thirds by score, with intervals, and who is at risk below."""
        groups = _named(self.slot_of_survival(slot).risk_groups(level=level))
        return survival_plots.steps({name: each.curve for name, each in groups.items()}, self._duration, level)

    def plot_auc_over_time(self, slots: Sequence[str] = (HELD_OUT,), level: float = LEVEL) -> plots.Picture:
        """AUC at each cut point with its interval; ``slots`` are rows of ``table``."""
        curves: dict[str, list[tuple[float, float, float, float]]] = {}
        for name in slots:
            found = self.slot_of_survival(name)
            areas = [found.auc_interval(k, level) for k in range(len(found.cuts))]
            curves[name] = [(cut, a.value, a.low, a.high) for cut, a in zip(found.cuts, areas, strict=True)]
        return survival_plots.over_time(curves, self._duration, f"AUC over time, {level:.0%} intervals")

    def plot_hospitals(self) -> plots.Picture:
        """The concordance of each hospital, and of all together."""
        frame = self.hospitals.dropna(subset=["concordance"])
        bounds = ("concordance", "concordance low", "concordance high")
        rows = {str(name): (row[bounds[0]], row[bounds[1]], row[bounds[2]]) for name, row in frame.iterrows()}
        every = self.concordance
        rows["all together"] = (every.value, every.low, every.high)
        return plots.forest(rows, "concordance", "Concordance of each hospital")

    def slot_of_survival(self, name: str) -> SurvivalSums:
        """The sums of one slot, with everything that follows from them. Raises ``LabError`` for an unknown one."""
        if name not in self.results.survivals:
            raise LabError(f"there is no slot {name!r}; there are {', '.join(self.table.index)}")
        return self.results.survivals[name]

    # --- inside ---

    @property
    def _why_no_risks(self) -> str:
        return _NO_RISKS.format("over_time(), plot_auc_over_time(), plot_survival_groups()")

    @property
    def _last(self) -> int:
        return len(self.cuts) - 1

    @property
    def _duration(self) -> str:
        return str(self._config["duration"])

    def _row(self, name: str) -> dict[str, float]:
        found = self.results.survivals[name]
        bounds = found.concordance_bounds()
        return {
            "patients": found.patients,
            "events": found.events,
            **columns("concordance", found.concordance_interval()),
            "concordance at least": bounds[0],
            "concordance at most": bounds[1],
            **columns("auc", found.auc_interval(self._last)),
            **columns("survival", found.curve().estimate(self._last)),
            "coarse": self._is_few(found, self._last),
        }

    @property
    def note(self) -> str:
        """What to be careful about, or nothing."""
        found = self.results.survivals[HELD_OUT]
        if self._is_few(found, self._last):
            return f"only {found.events:.0f} events: in groups of {SMALLEST_CELL} the concordance looks too high"
        return ""

    def _is_few(self, found: SurvivalSums, k: int) -> bool:
        return min(found.events_by(k), found.later_than(k)) < FEW * max(self.answered, 1)


def _named(groups: Sequence[RiskGroup]) -> dict[str, RiskGroup]:
    names = _THIRDS if len(groups) == len(_THIRDS) else [f"scores {k + 1} of {len(groups)}" for k in range(len(groups))]
    return dict(zip(names, groups, strict=True))
