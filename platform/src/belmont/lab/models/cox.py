"""Cox's proportional hazards as an estimator: coefficients, hazard ratios and tests (`belmont.federated.models.cox`).

Coefficients are per reference standard deviation, as those of `lab.models.glm`; ``summary_`` has them per unit too.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.layout import evaluation_config
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.models.combine import Combine
from belmont.federated.models.cox import COEFFICIENTS, PROGRESS, CoxModel, Ties, baseline_hazard
from belmont.federated.models.survival_curves import chi_squared_tail
from belmont.federated.node.design import LEVEL_MARK
from belmont.federated.secagg.settings import SecureSum
from belmont.lab.errors import LabError, NotYet
from belmont.lab.models import survival_plots
from belmont.lab.models.concordance import concordance_index
from belmont.lab.models.survival import Floats, SurvivalModel
from belmont.lab.plots import Picture

if TYPE_CHECKING:
    import pandas as pd


@dataclass(eq=False, repr=False)
class CoxRegression(SurvivalModel):
    """Cox's proportional hazards of ``outcome`` after ``duration`` on ``features``.

    Each hospital has a baseline of its own, so the fit is the pooled one with hospitals as strata. With
    ``baseline="common"`` it is the pooled one without, times grouped by ``cuts``; sums by cell of time then leave each
    hospital, as secure sums only, and cells of few patients are refused (docs/survival.md).
    """

    app: ClassVar[str] = "cox"
    evaluates: ClassVar[str] = "survival"

    baseline: Literal["hospital", "common"] = "hospital"
    ties: Ties = "efron"
    ridge: float = 0.0
    """Penalty on the mean log-likelihood, ridge / 2 * |b|^2, b per reference deviation: lifelines' ``penalizer``, which
    takes each column's sample deviation."""
    penalty: Literal["ridge", "firth"] = "ridge"
    """``"firth"`` is for events that a column separates; it needs a baseline for each hospital."""
    evaluation_cuts: Sequence[float] = ()
    """With ``holdout``, times at which it is evaluated, the last the one that matters most. Without any, those of a
    common baseline's ``cuts``. The permit binds them."""

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
        if isinstance(self.evaluation_cuts, str):
            raise LabError("evaluation_cuts are numbers: (90, 180, 365)")
        if self.evaluation_cuts and not self.holdout:
            raise LabError("evaluation_cuts are for patients who are kept apart: give a holdout, such as 0.25")
        if self.holdout:
            self._refuse_no_evaluation()

    def _refuse_no_evaluation(self) -> None:
        if not self.evaluated_cuts:
            raise LabError(
                "give evaluation_cuts, such as (90, 180, 365): with patients kept apart, the model is evaluated by who "
                "had the event in which of the spans between them"
            )
        if not self.secure and self.largest is None:
            raise LabError("counts by spans of time leave only as secure sums: secure=True, or no holdout")
        if self.baseline == "common" and self.cuts and not set(self.evaluated_cuts) <= {float(c) for c in self.cuts}:
            raise LabError("evaluation_cuts are some of the common baseline's cuts: others would show who left between")
        try:
            evaluation_config(self.evaluates, float(self.holdout), cuts=self.evaluated_cuts)
        except FederatedError as error:
            raise LabError(str(error)) from error

    @property
    def form(self) -> CoxModel:
        """What is fitted. Raises FederatedError for settings that do not go together."""
        cuts = self.grid if self.baseline == "common" else ()
        return CoxModel(self.names[1:], self.duration, self.ties, cuts, self.ridge, self.penalty == "firth")

    @property
    def evaluated_cuts(self) -> tuple[float, ...]:
        if not self.holdout:
            return ()
        chosen = self.evaluation_cuts or (self.cuts if self.baseline == "common" else ())
        return tuple(float(cut) for cut in chosen)

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
