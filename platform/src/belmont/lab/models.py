"""Models that a study can apply with: their code, their configuration, and how updates become the next model."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

from belmont.ehr.dictionary import Dictionary
from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.hashes import Arrays, RunConfig, code_hash, config_hash
from belmont.federated.models.combine import Combine
from belmont.federated.models.logistic import COEFFICIENTS, initial_model, logistic_bundle, logistic_config, newton
from belmont.federated.secagg.encoding import FRACTION_BITS
from belmont.lab.errors import LabError


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

    @staticmethod
    def default(dictionary: Dictionary | None = None) -> "LogisticModel":
        """Every feature that the dictionary names, for the outcome that it names."""
        book = dictionary or Dictionary.builtin()
        if book.outcome is None:
            raise LabError(f"dictionary {book.name} names no outcome: give model=LogisticModel(features, outcome)")
        return LogisticModel(book.features, book.outcome)

    @property
    def bundle(self) -> bytes:
        """The Flower App Bundle that the hospitals run."""
        return _bundle()

    @property
    def config(self) -> RunConfig:
        bounds, bits = (None, FRACTION_BITS) if self.largest is None else UpdateBounds.of(self.largest)
        return logistic_config(
            self.features, self.outcome, self.missing_indicators, secure=self.secure, bounds=bounds, fraction_bits=bits
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
        return initial_model(self.features, self.missing_indicators)

    def combine(self) -> Combine:
        return newton(self.ridge)

    def coefficients(self, model: Arrays) -> dict[str, float]:
        return dict(zip(self.names, model[COEFFICIENTS].tolist(), strict=True))


Model = LogisticModel
