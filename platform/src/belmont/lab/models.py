"""Models that a study can apply with: their code, their configuration, and how updates become the next model."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from belmont.ehr.dictionary import Dictionary
from belmont.federated.accounting.release import ReleasePlan, plan_release
from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.hashes import Arrays, RunConfig, code_hash, config_hash
from belmont.federated.models.combine import Combine
from belmont.federated.models.logistic import (
    COEFFICIENTS,
    PrivateSteps,
    gradient_steps,
    initial_model,
    logistic_bundle,
    logistic_config,
    newton,
)
from belmont.federated.secagg.encoding import FRACTION_BITS
from belmont.lab.errors import LabError
from belmont.registry.types import MicroRho


@lru_cache(maxsize=1)
def _bundle() -> bytes:
    return logistic_bundle()


@dataclass(frozen=True)
class LogisticModel:
    """Logistic regression of ``outcome`` on ``features``, standardised by the dictionary's reference values."""

    features: tuple[str, ...]
    outcome: str
    missing_indicators: tuple[str, ...] = ()
    ridge: float = 1e-4
    """Penalty on the mean log-likelihood, ridge / 2 * |w|^2, without the intercept."""
    secure: bool = False
    """Whether only sums over the hospitals can be read (docs/secure_aggregation.md). The permit binds it."""
    largest: float | None = None
    """The largest number in a hospital's sums that is taken; each proves that its own are within it, and nobody sees
    them (docs/bounded_updates.md). Sums of a hospital's rows grow with their number: a few times the largest hospital's
    rows is enough."""
    private: PrivateSteps | None = None
    """Noise that each hospital adds to such sums, if any (docs/differential_privacy.md). The permit binds it."""

    def __post_init__(self) -> None:
        if isinstance(self.features, str) or isinstance(self.missing_indicators, str):
            raise LabError("features and missing_indicators are lists of columns: ('age',) and not 'age'")
        if self.largest is not None:
            self._refuse_bound(self.largest)

    def _refuse_bound(self, largest: object) -> None:
        most = 2.0 ** (31 if self.private is None else 31 - self.private.noise.fraction_bits)
        if isinstance(largest, bool) or not isinstance(largest, int | float) or not 0 < largest < most:
            why = "" if self.private is None else ", with the fraction bits of this noise"
            raise LabError(f"largest is {largest!r}: give a number above 0 and below {most:,.0f}{why}")

    def __repr__(self) -> str:
        parts = [f"{self.outcome!r} on {len(self.features)} features"]
        if self.secure or self.largest is not None or self.private is not None:
            parts.append("secure sums")
        if self.largest is not None:
            parts.append(f"numbers up to {self.largest:,g}")
        if self.private is not None:
            parts.append(f"noise for {self.rho_per_round:,} micro-rho a round")
        return f"LogisticModel({', '.join(parts)})"

    @staticmethod
    def default(
        dictionary: Dictionary | None = None, *, secure: bool = False, largest: float | None = None
    ) -> "LogisticModel":
        """Every feature that the dictionary names, for the outcome that it names."""
        book = dictionary or Dictionary.builtin()
        if book.outcome is None:
            raise LabError(f"dictionary {book.name} names no outcome: give model=LogisticModel(features, outcome)")
        return LogisticModel(book.features, book.outcome, secure=secure, largest=largest)

    def with_noise(self, *, epsilon: float, rounds: int, **choices: Any) -> "LogisticModel":
        """The same model with noise, so that ``rounds`` rounds together come to ``epsilon`` at most for each dataset.

        ``choices`` are those of `PrivateSteps.of_epsilon`, such as ``delta=1e-6`` and ``min_contributors=3``.
        """
        return replace(self, private=PrivateSteps.of_epsilon(epsilon, rounds, len(self.names), **choices))

    @property
    def rho_per_round(self) -> MicroRho:
        """What each dataset is charged for a round, in micro-rho; 0 without noise."""
        return MicroRho(0) if self.plan is None else self.plan.rho

    @cached_property
    def plan(self) -> ReleasePlan | None:
        """What each hospital adds and is charged in a round; None without noise."""
        return None if self.private is None else plan_release(self.private.noise, len(self.names))

    @property
    def bundle(self) -> bytes:
        """The Flower App Bundle that the hospitals run."""
        return _bundle()

    @property
    def config(self) -> RunConfig:
        bounds, bits = None, FRACTION_BITS
        if self.largest is not None:
            noisy = None if self.private is None else self.private.noise.fraction_bits
            bounds, bits = UpdateBounds.of(self.largest, fraction_bits=noisy)
        return logistic_config(
            self.features,
            self.outcome,
            self.missing_indicators,
            secure=self.secure,
            private=self.private,
            bounds=bounds,
            fraction_bits=bits,
        )

    @cached_property
    def code_hash(self) -> bytes:
        return code_hash(self.bundle)

    @cached_property
    def config_hash(self) -> bytes:
        return config_hash(self.config)

    @property
    def names(self) -> tuple[str, ...]:
        """One for each coefficient."""
        return ("intercept", *self.features, *(f"{name} missing" for name in self.missing_indicators))

    def initial(self) -> Arrays:
        return initial_model(self.features, self.missing_indicators, private=self.private)

    def combine(self) -> Combine:
        return newton(self.ridge) if self.private is None else gradient_steps(self.private, self.ridge)

    def coefficients(self, model: Arrays) -> dict[str, float]:
        return dict(zip(self.names, model[COEFFICIENTS].tolist(), strict=True))


Model = LogisticModel
