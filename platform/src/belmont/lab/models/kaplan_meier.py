"""Kaplan-Meier curves as an estimator: survival, medians, log-rank (`belmont.federated.models.kaplan_meier`)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.models.combine import Combine
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.kaplan_meier import LEAVING, CurveModel, count
from belmont.federated.models.survival_curves import Curve, LogRank, curve, log_rank
from belmont.federated.secagg.settings import SecureSum
from belmont.lab.errors import LabError
from belmont.lab.models import survival_plots
from belmont.lab.models.survival import Floats, SurvivalModel
from belmont.lab.plots import Picture

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.permit import Permit


@dataclass(eq=False, repr=False)
class KaplanMeier(SurvivalModel):
    """Kaplan-Meier curves of ``outcome`` after ``duration``, from one round's counts by group and cell of ``cuts``.

    ``by`` are levels of one column, ``column=level``. A hospital refuses cells of few patients; with
    ``small_cells="merge"`` it counts such patients at a later cut point instead.
    """

    app: ClassVar[str] = "kaplan_meier"
    takes_features: ClassVar[bool] = False
    takes_words: ClassVar[bool] = True
    evaluates: ClassVar[str] = "value"

    by: Sequence[str] = ()
    small_cells: Literal["refuse", "merge"] = "refuse"
    level: float = 0.95
    """Of the intervals."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.by, str):
            raise LabError("by is a list of levels: ('sex=female', 'sex=male')")
        if self.features or self.missing_indicators:
            raise LabError("curves have no features: give the groups as by=('sex=female', 'sex=male')")
        if self.holdout:
            raise LabError("curves predict nothing that could be evaluated: leave holdout at 0")
        if not self.secure and self.largest is None and self.private is None:
            raise LabError("counts by cell of time leave only as secure sums: secure=True")

    @property
    def form(self) -> CurveModel:
        """What is counted. Raises FederatedError for settings that do not go together."""
        return CurveModel(self.duration, self.grid, tuple(self.by), self.small_cells)

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    @property
    def other_columns(self) -> tuple[str, ...]:
        return (self.duration, *self.by)

    def settings(self) -> RunConfig:
        return self.form.settings()

    def sums(self) -> SecureSum:
        return self.form.sums(0 if self.largest is None else self.fraction_bits)

    def private_sums(self, private: PrivateSteps) -> SecureSum:
        return self.form.sums(private.noise.fraction_bits, private=True)

    def with_noise(self, *, epsilon: float, **choices: Any) -> "KaplanMeier":
        """The same curves with noise, so that their round comes to ``epsilon`` at most for each dataset.

        ``choices`` are those of `PrivateSteps.of_epsilon`, such as ``delta=1e-6`` and ``min_contributors=3``.
        """
        cells = int(np.prod(self.form.shape))
        return replace(self, private=PrivateSteps.of_epsilon(epsilon, 1, cells, **{"clip_norm": 1.0, **choices}))

    def initial(self) -> Arrays:
        return self.form.initial()

    def combine(self) -> Combine:
        return count

    def is_finished(self, before: Arrays, after: Arrays) -> bool:
        return True

    def predictions(self, rows: Floats, arrays: Arrays) -> Floats:
        raise LabError("curves tell nothing of single patients: ask survival_at(times)")

    def _fit_permit(self, permit: "Permit", rounds: int | None = None, **choices: Any) -> Any:
        fitted = super()._fit_permit(permit, rounds, **choices)
        self.hospitals_ = sum(each.answered for each in self.result_.rounds[-1].hospitals)
        return fitted

    def _fit_tables(self, tables: Any, rounds: int = 1, **choices: Any) -> Any:
        self.hospitals_ = len(tables)
        return super()._fit_tables(tables, rounds, **choices)

    @property
    def noise_variance(self) -> float:
        """Of each count; 0 without noise."""
        if self.private is None or self.plan is None:
            return 0.0
        return float(self.hospitals_ * self.plan.sigma**2 / (1 << 2 * self.private.noise.fraction_bits))

    @property
    def curves_(self) -> dict[str, Curve]:
        """By group; ``all`` where there are none."""
        counts = np.asarray(self._arrays[LEAVING], np.float64)
        names = tuple(self.by) or ("all",)
        drawn = (curve(each, self.grid, self.level, self.noise_variance) for each in counts)
        return dict(zip(names, drawn, strict=True))

    @property
    def survival_(self) -> "pd.DataFrame":
        """One row for each group and cut point: at risk, events, withdrawn, survival, its error and interval."""
        import pandas as pd

        parts = {
            name: pd.DataFrame(
                {
                    "at risk": each.at_risk,
                    "events": each.events,
                    "withdrawn": each.withdrawn,
                    "survival": each.survival,
                    "standard error": each.standard_error,
                    "low": each.low,
                    "high": each.high,
                },
                index=pd.Index(each.times, name=self.duration),
            )
            for name, each in self.curves_.items()
        }
        return pd.concat(parts, names=["group"])

    @property
    def median_(self) -> "pd.DataFrame":
        """Median survival and its interval by group; infinite where the curve does not come to one half."""
        import pandas as pd

        rows = {name: (each.median, *each.median_interval) for name, each in self.curves_.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["median", "low", "high"])

    @property
    def logrank_(self) -> LogRank:
        """Whether the groups' curves differ. Raises LabError with noise, FederatedError for one group."""
        arrays = self._arrays
        if self.private is not None:
            raise LabError("a log-rank test of counts with noise would take the noise for a difference")
        return log_rank(np.asarray(arrays[LEAVING], np.float64))

    def survival_at(self, times: Sequence[float]) -> "pd.DataFrame":
        """The curves at any times, one column a group; NaN beyond the grid."""
        import pandas as pd

        index = pd.Index(times, name=self.duration)
        return pd.DataFrame({name: each.at(times) for name, each in self.curves_.items()}, index=index)

    def plot(self) -> Picture:
        """The curves as steps with their intervals, and who is at risk below."""
        return survival_plots.steps(self.curves_, self.duration, self.level)
