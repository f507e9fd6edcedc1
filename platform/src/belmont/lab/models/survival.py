"""Survival: Cox's proportional hazards, and Kaplan-Meier curves, fitted under a permit or to rows here.

    model = CoxRegression(features=("age", "ldl"), duration="days", outcome="cvd_event")
    model.fit(permit).summary_

    curves = KaplanMeier(duration="days", outcome="cvd_event", cuts=(90, 180, 365, 730), by=("sex=female", "sex=male"))
    curves.fit(permit).plot()

Docs: `belmont.federated.models.cox`, `.kaplan_meier` and docs/survival.md. ``outcome`` is 1 where the event was seen,
``duration`` the time until then, or until the patient was last seen. Coefficients are per reference standard deviation,
as those of `lab.models.glm`; ``summary_`` has them per unit too.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from belmont.federated.errors import RoundRefused
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.models.combine import Combine
from belmont.federated.models.cox import COEFFICIENTS, PROGRESS, CoxModel, Ties, baseline_hazard
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.kaplan_meier import LEAVING, CurveModel, count
from belmont.federated.models.survival_curves import Curve, LogRank, chi_squared_tail, curve, log_rank
from belmont.federated.node.design import LEVEL_MARK
from belmont.federated.secagg.settings import SecureSum
from belmont.lab.errors import LabError, NotYet
from belmont.lab.models import survival_plots
from belmont.lab.models.base import StudyModel
from belmont.lab.models.concordance import concordance_index
from belmont.lab.models.references import References
from belmont.lab.plots import Picture
from belmont.registry.reasons import Reason

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.permit import Permit

Floats = NDArray[np.float64]
COARSER = (
    "too few patients at a hospital, of one outcome, of a value of a column, or in a cell of the grid of times: take "
    "coarser cut points (cuts), leave out rare levels, or let each hospital have its own baseline, which needs no grid"
)


@dataclass(eq=False, repr=False)
class _Survival(StudyModel):
    """What both have in common: a duration, and a public grid of times."""

    duration: str = ""
    cuts: Sequence[float] = ()
    """Ends of the cells of time, ascending: (0, c1], (c1, c2], ... Who is followed longer is withdrawn at the last.
    Where rows are here and none are given, all times that occur."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.duration:
            raise LabError("name the column of times: duration=")
        if self.holdout:
            raise LabError(
                "survival models have no evaluation under a permit: leave holdout at 0, and score on rows here"
            )

    @property
    def grid(self) -> tuple[float, ...]:
        """The cut points. Raises LabError where there are none."""
        found = tuple(float(cut) for cut in self.cuts) or tuple(getattr(self, "cuts_", ()))
        if not found:
            raise LabError("give cuts: under a permit the grid of times is public, and in the application")
        return found

    @property
    def outcomes(self) -> tuple[float, ...]:
        return (0.0, 1.0)

    @property
    def other_columns(self) -> tuple[str, ...]:
        return (self.duration,)

    def _take_names(self, found: tuple[str, ...]) -> None:
        super()._take_names(tuple(name for name in found if name != self.duration))

    def _fit_rows(self, X: Any, y: Any, **choices: Any) -> Any:
        frame = self._frame(X)
        if self.duration not in frame.columns:
            raise LabError(f"the rows have no column of times {self.duration!r}; duration= names it")
        try:
            times = np.asarray(frame[self.duration], np.float64)
        except (TypeError, ValueError) as error:
            raise LabError(f"{self.duration!r} is no column of times: {error}") from error
        if np.nanmin(times, initial=0.0) < 0:
            raise LabError(f"{int((times < 0).sum())} times in {self.duration!r} are negative: they start at 0")
        if y is None and self.outcome not in frame.columns:
            raise LabError(f"the rows have no outcome {self.outcome!r}: give y, or the outcome among the columns")
        event = np.asarray(frame[self.outcome] if y is None else y, np.float64)
        if not np.isin(event[np.isfinite(event)], (0.0, 1.0)).all():
            raise LabError("the outcome is 1 where the event was seen and 0 where not, and it has other values")
        self.cuts_ = tuple(np.unique(times[np.isfinite(times) & (times > 0)]).tolist())
        return super()._fit_rows(frame, y, **choices)

    def _fit_permit(self, permit: "Permit", rounds: int | None = None, **choices: Any) -> Any:
        columns = References.of_dictionary(permit.consortium.dictionary)
        if self.duration not in columns:
            raise LabError(f"the dictionary has no column {self.duration!r}: duration= names the column of times")
        if columns[self.duration].values.min() < 0:
            raise LabError(f"{self.duration!r} can be negative by the dictionary: times start at 0")
        try:
            return super()._fit_permit(permit, rounds, **choices)
        except RoundRefused as refused:
            if any(each.reason is Reason.COHORT_TOO_SMALL for each in refused.hospitals):
                refused.add_note(COARSER)
            raise


@dataclass(eq=False, repr=False)
class CoxRegression(_Survival):
    """Cox's proportional hazards of ``outcome`` after ``duration`` on ``features``.

    Each hospital has a baseline of its own, so the fit is the pooled one with hospitals as strata. With
    ``baseline="common"`` it is the pooled one without, times grouped by ``cuts``; sums by cell of time then leave each
    hospital, as secure sums only, and cells of few patients are refused (docs/survival.md).
    """

    app: ClassVar[str] = "cox"
    evaluates: ClassVar[str] = "value"

    baseline: Literal["hospital", "common"] = "hospital"
    ties: Ties = "efron"
    ridge: float = 0.0
    """Penalty on the mean log-likelihood, ridge / 2 * |b|^2, b per reference deviation: lifelines' ``penalizer``, which
    takes each column's sample deviation."""
    penalty: Literal["ridge", "firth"] = "ridge"
    """``"firth"`` is for events that a column separates; it needs a baseline for each hospital."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.baseline not in ("hospital", "common"):
            raise LabError(f'baseline is {self.baseline!r}: it is "hospital" or "common"')
        if self.penalty not in ("ridge", "firth"):
            raise LabError(f'penalty is {self.penalty!r}: it is "ridge" or "firth"')
        if self.baseline == "common" and not self.secure and self.largest is None:
            raise LabError("a common baseline needs sums by cell of time, which leave only as secure sums: secure=True")
        if self.private is not None:
            raise LabError("CoxRegression has no form with noise: take KaplanMeier, or LogisticRegression at one time")

    @property
    def form(self) -> CoxModel:
        """What is fitted. Raises FederatedError for settings that do not go together."""
        cuts = self.grid if self.baseline == "common" else ()
        return CoxModel(self.names[1:], self.duration, self.ties, cuts, self.ridge, self.penalty == "firth")

    def settings(self) -> RunConfig:
        return self.form.settings()

    def sums(self) -> SecureSum:
        return self.form.sums(self.fraction_bits)

    def initial(self) -> Arrays:
        return self.form.initial()

    def combine(self) -> Combine:
        return self.form.combine()

    def is_finished(self, before: Arrays, after: Arrays) -> bool:
        return self.form.is_settled(before, after)

    def predictions(self, rows: Floats, arrays: Arrays) -> Floats:
        return np.asarray(rows[:, 1:] @ np.asarray(arrays[COEFFICIENTS], np.float64))

    def coefficients(self, arrays: Arrays) -> dict[str, float]:
        return dict(zip(self.names[1:], arrays[COEFFICIENTS].tolist(), strict=True))

    def learned(self, updates: Any) -> None:
        self.coef_ = np.array(self.arrays_[COEFFICIENTS], np.float64)
        if not self.arrays_[PROGRESS][5]:
            raise NotYet("the first round gives a common baseline's hazard and no coefficients yet: run more rounds")
        if not self.is_finished(self.arrays_, self.arrays_):
            warnings.warn("the coefficients still move: run more rounds", ConvergenceWarning, stacklevel=2)
        self.covariance_ = self.form.covariance(self.arrays_)
        _, loss, null_loss, events, rows, _ = (float(each) for each in self.arrays_[PROGRESS])
        self.log_likelihood_, self.null_log_likelihood_ = -loss, -null_loss
        self.n_events_, self.n_rows_ = round(events), round(rows)

    @property
    def summary_(self) -> "pd.DataFrame":
        """``summary()`` at 95 %."""
        return self.summary()

    def summary(self, level: float = 0.95) -> "pd.DataFrame":
        """Coefficients and hazard ratios per reference standard deviation, with Wald's tests and intervals, by name.

        ``per unit`` is the coefficient in the column's own unit, NaN where the unit is not known. With a penalty errors
        are of the penalised likelihood.
        """
        import pandas as pd
        from scipy.stats import norm

        self._arrays  # noqa: B018  raises where there is none
        errors = np.sqrt(np.diag(self.covariance_))
        z, half = self.coef_ / errors, norm.ppf(0.5 + level / 2) * errors
        table = {
            "coefficient": self.coef_,
            "standard error": errors,
            "z": z,
            "p": 2 * norm.sf(np.abs(z)),
            "low": self.coef_ - half,
            "high": self.coef_ + half,
            "hazard ratio": np.exp(self.coef_),
            "hazard ratio low": np.exp(self.coef_ - half),
            "hazard ratio high": np.exp(self.coef_ + half),
            "per unit": self.coef_ / self._scales(),
        }
        return pd.DataFrame(table, index=pd.Index(self.names[1:], name="term"))

    def likelihood_ratio_test(self) -> tuple[float, int, float]:
        """Against no effect at all: chi squared, degrees of freedom, p. Raises LabError with a penalty."""
        self._arrays  # noqa: B018  raises where there is none
        if self.ridge or self.penalty == "firth":
            raise LabError("a penalised likelihood has no likelihood ratio test of this kind")
        statistic = 2 * (self.log_likelihood_ - self.null_log_likelihood_)
        return statistic, len(self.coef_), chi_squared_tail(statistic, len(self.coef_))

    @property
    def baseline_survival_(self) -> "pd.DataFrame":
        """Survival and cumulative hazard at the cut points, of a patient with the reference value of every feature.

        Raises LabError where each hospital has a baseline of its own: those stay there.
        """
        import pandas as pd

        arrays = self._arrays
        if self.baseline != "common":
            raise LabError('each hospital has a baseline of its own here, and keeps it: fit with baseline="common"')
        hazard = baseline_hazard(arrays)
        index = pd.Index(self.grid, name=self.duration)
        return pd.DataFrame({"survival": np.exp(-hazard), "cumulative hazard": hazard}, index=index)

    def predict(self, X: Any) -> Floats:
        """Log partial hazards, shape (n,): 0 for the reference value of every feature, larger is sooner."""
        return self.predict_values(X)

    def predict_survival(self, X: Any, times: Sequence[float]) -> Floats:
        """The chance to be without event at each of ``times``, shape (n, times); NaN beyond the grid.

        Raises LabError where each hospital has a baseline of its own.
        """
        hazard = np.concatenate([[0.0], self.baseline_survival_["cumulative hazard"]])
        asked = np.asarray(times, np.float64)
        at = np.where(asked > self.grid[-1], np.nan, hazard[np.searchsorted(self.grid, asked, side="right")])
        return np.asarray(np.exp(-np.exp(self.predict(X))[:, None] * at))

    def score(self, X: Any, y: Any = None) -> float:
        """Harrell's concordance index (`lab.models.concordance`) of rows with the duration and outcome, or ``y``."""
        frame = self._frame(X)
        event = frame[self.outcome_name] if y is None else y
        risk = self.predict(frame)
        return concordance_index(np.asarray(frame[self.duration], np.float64), risk, np.asarray(event, np.float64))

    def plot(self, level: float = 0.95) -> Picture:
        """Hazard ratios with intervals, one line a term."""
        table = self.summary(level)
        ratio, low, high = (
            np.asarray(table[name], np.float64) for name in ("hazard ratio", "hazard ratio low", "hazard ratio high")
        )
        return survival_plots.forest(tuple(table.index), ratio, low, high, level)

    def _scales(self) -> Floats:
        """Of each term; NaN where references are not known."""
        known = self.references_
        scales = [
            1.0 if LEVEL_MARK in name else known[name].scale if name in known else np.nan for name in self.columns
        ]
        return np.array([*scales, *(1.0 for _ in self.missing_indicators)])


@dataclass(eq=False, repr=False)
class KaplanMeier(_Survival):
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
