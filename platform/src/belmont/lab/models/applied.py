"""What a study applies with: a model's parameters, its code, its configuration, and how updates become the next model.

1. Parameters are kept as they were given, and what is learned ends with ``_``: ``clone`` and ``get_params`` work.
2. Everything that the permit binds follows from the parameters alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from belmont.federated.accounting.release import ReleasePlan, plan_release
from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.evaluation.layout import evaluation_config
from belmont.federated.hashes import Arrays, RunConfig, code_hash, config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.combine import Combine, Update
from belmont.federated.models.configuration import study_config
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.node.design import REFERENCES, column_of
from belmont.federated.secagg.encoding import FRACTION_BITS
from belmont.federated.secagg.settings import SecureSum
from belmont.lab.errors import LabError
from belmont.lab.models.first_use import NotEvaluated
from belmont.lab.release_rule import RELEASE_KEY, ReleaseRule
from belmont.registry.types import MicroRho

if TYPE_CHECKING:
    from belmont.lab.preparation import Preparation

Floats = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class AppliedModel(BaseEstimator, ABC):  # type: ignore[misc]
    """What every model has. ``features`` are columns, or ``column=level`` for one level of a category."""

    app: ClassVar[str] = ""
    """The folder of its code in `belmont.federated.models.apps`."""
    evaluates: ClassVar[str] = "risk"
    """``risk`` of an outcome that is 0 or 1, a ``value``, or ``survival`` (`belmont.federated.evaluation.layout`)."""

    takes_features: ClassVar[bool] = True
    takes_words: ClassVar[bool] = False
    """Whether a column of words can be a feature as a whole, and not only by its levels."""

    takes_references: ClassVar[bool] = False
    """Whether its code standardises by the model's array ``references`` where there is one."""

    features: Sequence[str] = ()
    outcome: str = ""
    missing_indicators: Sequence[str] = ()
    secure: bool = True
    """Whether only sums over the hospitals can be read (docs/secure_aggregation.md). The permit binds it."""
    largest: float | None = None
    """The largest number in a hospital's sums that is taken; each proves that its own are within it, and nobody sees
    them (docs/bounded_updates.md). Sums of a hospital's rows grow with their number: a few times the largest hospital's
    rows is enough."""
    private: PrivateSteps | None = None
    """Noise that each hospital adds to such sums, if any (docs/differential_privacy.md). The permit binds it."""
    holdout: float = 0.0
    """The part of each hospital's patients that is kept apart, to evaluate the model on (docs/evaluation.md)."""
    groups: Sequence[str] = ()
    """Subgroups to evaluate it on: ``sex`` (each level), ``age:40,60`` (cut points), ``smoking:never,current``."""
    report_hospitals: bool = False
    """Whether each hospital's own performance is shown, to three digits. The permit binds it."""
    release: ReleaseRule | None = None
    """What a model has to pass before it may leave (`belmont.lab.output_check`); without one, a strict rule."""
    evaluations: int | None = None
    """How many evaluations each hospital answers, over amendments; without a number, three, and with noise as many as
    there are rounds (docs/evaluation.md). The permit binds it."""

    def __post_init__(self) -> None:
        if any(isinstance(each, str) for each in (self.features, self.missing_indicators, self.groups)):
            raise LabError("features, missing_indicators and groups are lists of columns: ('age',) and not 'age'")
        twice = sorted({name for name in self.features if list(self.features).count(name) > 1})
        if twice:
            raise LabError(f"features name {', '.join(twice)} twice: name each once")
        if self.outcome and self.outcome in map(column_of, self.features):
            raise LabError(f"the outcome {self.outcome!r} is among the features, and would be told from itself")
        if not isinstance(self.holdout, int | float) or not 0.0 <= self.holdout < 1.0:
            raise LabError(f"holdout is {self.holdout!r}: give a part of the patients, from 0 to below 1")
        if self.evaluations is not None and (type(self.evaluations) is not int or self.evaluations < 1):
            raise LabError(f"evaluations is {self.evaluations!r}: give a whole number of at least 1, or None")
        if self.largest is not None:
            self._refuse_bound(self.largest)

    def _refuse_bound(self, largest: object) -> None:
        most = 2.0 ** (31 if self.private is None else 31 - self.private.noise.fraction_bits)
        if isinstance(largest, bool) or not isinstance(largest, int | float) or not 0 < largest < most:
            why = "" if self.private is None else ", with the fraction bits of this noise"
            raise LabError(f"largest is {largest!r}: give a number above 0 and below {most:,.0f}{why}")

    performance_ = NotEvaluated()

    # --- what a family gives ---

    @abstractmethod
    def settings(self) -> RunConfig:
        """The app's own configuration, beside features, outcome and what is common to all."""

    @abstractmethod
    def sums(self) -> SecureSum:
        """What a round sums where sums are secure, without noise."""

    @abstractmethod
    def initial(self) -> Arrays:
        """The model that the first round starts from."""

    @abstractmethod
    def combine(self) -> Combine:
        """How updates become the next model."""

    @abstractmethod
    def predictions(self, rows: Floats, arrays: Arrays) -> Floats:
        """Risks or values of standardised rows, shape (n, columns), by a model's arrays."""

    def start(self, preparation: "Preparation | None" = None) -> Arrays:
        """The model that the first round starts from, with what was prepared. Raises LabError."""
        if preparation is None:
            return self.initial()
        if not self.takes_references:
            raise LabError(f"the code of {type(self).__name__} reads no preparation: fit without it")
        return self.initial() | {REFERENCES: preparation.references(self.columns)}

    def step(self) -> Combine:
        """``combine``, which keeps what was prepared."""
        combine = self.combine()

        def keeping(model: Arrays, updates: Sequence[Update]) -> Arrays:
            kept: Arrays = {name: model[name] for name in (REFERENCES,) if name in model}
            return {**combine(model, updates), **kept}

        return keeping

    def is_finished(self, before: Arrays, after: Arrays) -> bool:
        """Whether another round would change nothing that matters; ``fit`` stops then."""
        return False

    def private_sums(self, private: PrivateSteps) -> SecureSum:
        """What a round sums where there is noise. Raises LabError for a model that has no such form."""
        raise LabError(f"{type(self).__name__} has no form with noise: take LogisticRegression or MLPClassifier")

    def coefficients(self, arrays: Arrays) -> dict[str, float]:
        """By name. Raises LabError for a model that has none."""
        raise LabError(f"{type(self).__name__} has no coefficients")

    def refuse_other_code(self, approved: bytes, kept: bytes | None) -> None:
        """Raises LabError where the code is one that can have changed since it was approved, and has; says what."""

    def learned(self, updates: Sequence[Update]) -> None:
        """Sets what users look for after a fit, from ``arrays_`` and what the last round was combined from."""

    # --- what the permit binds ---

    @property
    def evaluated_cuts(self) -> tuple[float, ...]:
        """Where an evaluation's spans of time end; none but for models of survival."""
        return ()

    @property
    def class_to_evaluate(self) -> float | None:
        """The outcome's value whose risk is evaluated against all others; None where the outcome is 0 or 1."""
        return None

    @property
    def columns(self) -> tuple[str, ...]:
        """The features; of a model that was fitted to rows without naming any, theirs."""
        return tuple(self.features) or tuple(getattr(self, "feature_names_in_", ()))

    @property
    def outcome_name(self) -> str:
        """The outcome; of a model that was fitted to rows without naming one, what it is called there."""
        return self.outcome or str(getattr(self, "outcome_", ""))

    @property
    def names(self) -> tuple[str, ...]:
        """One for each column of the design."""
        return ("intercept", *self.columns, *(f"{name} missing" for name in self.missing_indicators))

    @property
    def config(self) -> RunConfig:
        """The run configuration whose hash the permit names. Raises FederatedError or LabError."""
        settings = dict(self.settings())
        if self.release is not None:
            settings[RELEASE_KEY] = self.release.to_text()
        is_summed = self.secure or self.largest is not None
        bits = None if self.private is None else self.private.noise.fraction_bits
        return study_config(
            self.columns,
            self.outcome_name,
            self.missing_indicators,
            settings,
            sums=self.private_sums(self.private) if self.private is not None else self.sums() if is_summed else None,
            private=self.private,
            bounds=None if self.largest is None else UpdateBounds.of(self.largest, fraction_bits=bits)[0],
            evaluation=evaluation_config(
                self.evaluates,
                float(self.holdout),
                tuple(self.groups),
                report_hospitals=self.report_hospitals,
                evaluations=self.evaluations,
                cuts=self.evaluated_cuts,
                evaluated_class=self.class_to_evaluate,
            ),
        )

    @property
    def fraction_bits(self) -> int:
        """Of the numbers in a secure sum."""
        if self.private is not None:
            return self.private.noise.fraction_bits
        return FRACTION_BITS if self.largest is None else UpdateBounds.of(self.largest)[1]

    @property
    def bundle(self) -> bytes:
        """The Flower App Bundle that the hospitals run."""
        return shipped_bundle(self.app)

    @property
    def code_hash(self) -> bytes:
        return code_hash(self.bundle)

    @property
    def config_hash(self) -> bytes:
        return config_hash(self.config)

    @cached_property
    def plan(self) -> ReleasePlan | None:
        """What each hospital adds and is charged in a round; None without noise."""
        if self.private is None:
            return None
        return plan_release(self.private.noise, self.private_sums(self.private).layout.size)

    @property
    def rho_per_round(self) -> MicroRho:
        """What each dataset is charged for a round, in micro-rho; 0 without noise."""
        return MicroRho(0) if self.plan is None else self.plan.rho
