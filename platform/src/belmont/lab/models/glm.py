"""Generalised linear models: by Newton steps on summed statistics, so that the federated fit is the pooled one.

Docs: `belmont.federated.models.glm`. Coefficients are per reference standard deviation of the dictionary; ``summary``
has them per unit too.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning

from belmont.ehr.dictionary import Dictionary
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.models.combine import ROWS_METRIC, Combine, Update
from belmont.federated.models.glm import (
    COEFFICIENTS,
    INVERSE,
    LARGEST_STEP,
    PREVIOUS,
    PrivateSteps,
    glm_sums,
    gradient_steps,
    initial_model,
    newton,
    risk,
)
from belmont.federated.node.design import REFERENCES
from belmont.federated.secagg.settings import SecureSum
from belmont.lab.errors import LabError
from belmont.lab.models.base import StudyModel
from belmont.lab.models.first_use import labelled

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.export import Graph

Floats = NDArray[np.float64]
_LINKS = {"binomial": "Sigmoid", "poisson": "Exp"}
"""ONNX's names of the inverse links; of a line there is none."""
_OTHERS = "for a number take LinearRegression, for more classes MLPClassifier"


@dataclass(eq=False, repr=False)
class GeneralisedLinear(StudyModel):
    """What the three have in common."""

    app: ClassVar[str] = "glm"
    family: ClassVar[str] = ""
    takes_references: ClassVar[bool] = True
    largest_step: ClassVar[float] = LARGEST_STEP

    ridge: float = 0.0
    """Penalty on the mean log-likelihood, ridge / 2 * |w|^2, without the intercept."""
    tol: float = 1e-8
    """The fit has ended when no coefficient moves by more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.ridge, bool) or not isinstance(self.ridge, int | float) or not 0 <= self.ridge < np.inf:
            raise LabError(f"ridge is {self.ridge!r}: give a number from 0")

    def settings(self) -> RunConfig:
        return {"family": self.family} | ({"penalty": "firth"} if self._is_firth else {})

    def sums(self) -> SecureSum:
        return glm_sums(len(self.names), fraction_bits=self.fraction_bits)

    def private_sums(self, private: PrivateSteps) -> SecureSum:
        return glm_sums(len(self.names), private)

    def initial(self) -> Arrays:
        return initial_model(self.columns, self.missing_indicators, private=self.private)

    def combine(self) -> Combine:
        if self.private is not None:
            return gradient_steps(self.private, self.ridge)
        return newton(self.ridge, self.largest_step, firth=self._is_firth)

    @property
    def _is_firth(self) -> bool:
        return False

    def declared(self) -> dict[str, tuple[int, ...]]:
        size = len(self.names)
        return super().declared() | ({PREVIOUS: (size,), INVERSE: (size, size)} if self._is_firth else {})

    def to_onnx(self, builder: "Graph") -> str:
        weights = np.asarray(self._arrays[COEFFICIENTS], np.float64)
        linear = builder.node("MatMul", [builder.design, builder.constant(weights)])
        return builder.node(_LINKS[self.family], [linear]) if self.family in _LINKS else linear

    def is_finished(self, before: Arrays, after: Arrays) -> bool:
        if self.private is not None:
            return False
        return bool(np.abs(after[COEFFICIENTS] - before[COEFFICIENTS]).max() <= self.tol)

    def _tell_unfinished(self, rounds: int) -> None:
        if self.private is None:
            warnings.warn(
                f"the coefficients still moved in the last round, {rounds}: neither they nor the standard errors "
                "are those of the fit. Run more rounds; under a permit fit(permit, start=model.result_) goes on",
                ConvergenceWarning,
                stacklevel=4,
            )

    def coefficients(self, arrays: Arrays) -> dict[str, float]:
        return dict(zip(self.names, arrays[COEFFICIENTS].tolist(), strict=True))

    def learned(self, updates: Sequence[Update]) -> None:
        weights = np.asarray(self.arrays_[COEFFICIENTS], np.float64)
        self.intercept_, self.coef_ = float(weights[0]), weights[1:].copy()
        self.covariance_: Floats | None = None
        if self.private is None and updates:
            information = self._information(updates)
            used = np.diag(information) > 0
            covariance = np.full(information.shape, np.nan)
            inverse = np.asarray(np.linalg.inv(information[np.ix_(used, used)]), np.float64)
            covariance[np.ix_(used, used)] = self._dispersion(updates) * inverse
            self.covariance_ = covariance

    def _information(self, updates: Sequence[Update]) -> Floats:
        """Minus the penalised log-likelihood's second derivatives, at the model that the last round started from."""
        rows = sum(update.rows for update in updates)
        penalty = np.full(len(self.names), self.ridge * rows)
        penalty[0] = 0.0
        return np.asarray(sum(update.arrays["hessian"] for update in updates) + np.diag(penalty))

    def _dispersion(self, updates: Sequence[Update]) -> float:
        return 1.0

    def with_noise(self, *, epsilon: float, rounds: int, **choices: Any) -> "GeneralisedLinear":
        """The same model with noise, so that ``rounds`` rounds together come to ``epsilon`` at most for each dataset.

        ``choices`` are those of `PrivateSteps.of_epsilon`, such as ``delta=1e-6`` and ``min_contributors=3``.
        """
        return replace(self, private=PrivateSteps.of_epsilon(epsilon, rounds, len(self.names), **choices))

    def summary(self, level: float = 0.95) -> "pd.DataFrame":
        """Coefficients with standard errors, z, p and intervals (Wald), by name; without noise only.

        ``per unit`` is the coefficient in the column's own unit, without the standardisation. Standard errors are of
        the summed information at the model that the last round started from. Raises LabError with noise.
        """
        import pandas as pd
        from scipy.stats import norm

        weights = np.asarray(self._arrays[COEFFICIENTS], np.float64)
        if self.covariance_ is None:
            raise LabError("there are no standard errors: with noise no hospital sends its information matrix")
        errors = np.sqrt(np.diag(self.covariance_))
        z = weights / errors
        half = norm.ppf(0.5 + level / 2) * errors
        scales = [1.0, *self._scales, *(1.0 for _ in self.missing_indicators)]
        table = {
            "coefficient": weights,
            "standard error": errors,
            "z": z,
            "p": 2 * norm.sf(np.abs(z)),
            "low": weights - half,
            "high": weights + half,
            "per unit": weights / np.array(scales),
        }
        return pd.DataFrame(table, index=pd.Index(self.names, name="term"))

    @property
    def _scales(self) -> list[float]:
        """By which each feature was divided; an indicator was not."""
        given = self._arrays.get(REFERENCES)
        if given is not None:
            return [float(scale) for scale in given[:, 2]]
        known = self.references_
        return [known[name].scale if name in known else 1.0 for name in self.columns]


@dataclass(eq=False, repr=False)
class LogisticRegression(ClassifierMixin, GeneralisedLinear):  # type: ignore[misc]
    """Logistic regression of ``outcome`` on ``features``, standardised by the dictionary's reference values.

    ``penalty="firth"`` is for outcomes that a column separates (Firth, Biometrika 80:27, 1993).
    """

    family: ClassVar[str] = "binomial"

    ridge: float = 1e-4
    penalty: Literal["ridge", "firth"] = "ridge"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.penalty not in ("ridge", "firth"):
            raise LabError(f'penalty is {self.penalty!r}: it is "ridge" or "firth"')
        if self._is_firth and self.private is not None:
            raise LabError("Firth's penalty needs every hospital's leverages, which noise would drown: take a ridge")

    @staticmethod
    def default(
        dictionary: Dictionary | None = None, *, secure: bool = True, largest: float | None = None
    ) -> "LogisticRegression":
        """Every feature that the dictionary names, for the outcome that it names."""
        book = dictionary or Dictionary.builtin()
        if book.outcome is None:
            raise LabError(f"dictionary {book.name} names no outcome: give LogisticRegression(features, outcome)")
        return LogisticRegression(book.features, book.outcome, secure=secure, largest=largest)

    @property
    def _is_firth(self) -> bool:
        return self.penalty == "firth"

    @property
    def outcomes(self) -> tuple[float, ...]:
        return (0.0, 1.0)

    def predictions(self, rows: Floats, arrays: Arrays) -> Floats:
        return risk(rows, arrays)

    def learned(self, updates: Sequence[Update]) -> None:
        super().learned(updates)
        self.classes_ = getattr(self, "classes_", np.array([0, 1]))

    def _labels(self, y: Any) -> Any:
        self.classes_, labels = labelled(y)
        if len(self.classes_) != 2:
            raise LabError(f"the outcome needs two values, and these are {self.classes_[:5].tolist()}: {_OTHERS}")
        return labels.astype(np.float64)

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of both classes, shape (n, 2)."""
        risks = self.predict_values(X)
        return np.column_stack([1.0 - risks, risks])

    def predict(self, X: Any) -> Any:
        """The likelier class of each row."""
        likelier = self.predict_values(X) > 0.5
        return self.classes_[likelier.astype(int)]

    def decision_function(self, X: Any) -> Floats:
        """Log odds, shape (n,)."""
        return np.asarray(self.data_of(X).design @ self._arrays[COEFFICIENTS])


@dataclass(eq=False, repr=False)
class LinearRegression(RegressorMixin, GeneralisedLinear):  # type: ignore[misc]
    """Least squares of ``outcome``, in its own unit, on standardised ``features``."""

    family: ClassVar[str] = "gaussian"
    evaluates: ClassVar[str] = "value"
    largest_step: ClassVar[float] = np.inf

    def predictions(self, rows: Floats, arrays: Arrays) -> Floats:
        return np.asarray(rows @ np.asarray(arrays[COEFFICIENTS], np.float64))

    def predict(self, X: Any) -> Floats:
        """Expected values of the outcome."""
        return self.predict_values(X)

    def _dispersion(self, updates: Sequence[Update]) -> float:
        """The residual variance: of the model that the last round started from, which is the fit to rounding."""
        rows = sum(update.metrics[ROWS_METRIC] for update in updates)
        squares = sum(2.0 * update.metrics["loss"] * update.metrics[ROWS_METRIC] for update in updates)
        if rows <= len(self.names):
            raise LabError(f"{rows:.0f} rows do not fit {len(self.names)} coefficients")
        return float(squares / (rows - len(self.names)))


@dataclass(eq=False, repr=False)
class PoissonRegression(RegressorMixin, GeneralisedLinear):  # type: ignore[misc]
    """Poisson regression of a count on standardised ``features``, with the logarithm as link."""

    family: ClassVar[str] = "poisson"
    evaluates: ClassVar[str] = "value"

    def predictions(self, rows: Floats, arrays: Arrays) -> Floats:
        return np.asarray(np.exp(rows @ np.asarray(arrays[COEFFICIENTS], np.float64)))

    def predict(self, X: Any) -> Floats:
        """Expected counts."""
        return self.predict_values(X)

    def refuse_outcomes(self, values: Floats) -> None:
        if np.min(values, initial=0.0) < 0:
            raise LabError(f"the outcome of PoissonRegression is a count, and {self.outcome_name!r} can be negative")
