"""What an evaluation sums, as the approved configuration fixes it: both sides read it here.

    holdout = 0.25                       the part of each hospital's patients that is kept apart (docs/evaluation.md)
    evaluates = "risk"                   a probability of an outcome that is 0 or 1; or "value", a number

1. ``risk``: for each slot and each of ``BINS`` equal bins of the predicted risk, how many patients have either outcome
   (``counts``, of shape (slots, BINS, 2)) and the sum of their risks (``risks``, of shape (slots, BINS)).
2. ``value``: for each slot the moments of outcome y and prediction f (``moments``, of shape (slots, 6)): 1, y, f, y^2,
   f^2, y f, summed over patients.
3. Slots are who is counted: ``held out``, who was kept apart, and ``trained on``, all others.
"""

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import RunConfig
from belmont.federated.secagg.encoding import FRACTION_BITS
from belmont.federated.secagg.settings import SecureSum

HOLDOUT, EVALUATES = "holdout", "evaluates"
RISK, VALUE = "risk", "value"
BINS = 100
MOMENTS = 6
HELD_OUT, TRAINED_ON = "held out", "trained on"


def slots_of(config: RunConfig) -> tuple[str, ...]:
    """Names of the slots, in order."""
    return (HELD_OUT, TRAINED_ON)


def holdout_of(config: RunConfig) -> float:
    """The part of the patients that is kept apart; 0 for none. Raises FederatedError."""
    value = config.get(HOLDOUT, 0.0)
    if type(value) is not float or not 0.0 <= value < 1.0:
        raise FederatedError(f"{HOLDOUT} is a float from 0 to below 1")
    return value


def evaluation_config(evaluates: str, holdout: float) -> dict[str, str | int | float | bool]:
    """The keys of a configuration whose models are evaluated; none where nobody is kept apart."""
    return {HOLDOUT: holdout, EVALUATES: evaluates} if holdout else {}


def evaluation_sum(config: RunConfig, fraction_bits: int = FRACTION_BITS) -> SecureSum:
    """What is summed (1, 2). Raises FederatedError for a configuration that names nothing of it."""
    slots, kind = len(slots_of(config)), config.get(EVALUATES)
    if kind == RISK:
        return SecureSum((("counts", (slots, BINS, 2)), ("risks", (slots, BINS))), (), False, fraction_bits)
    if kind == VALUE:
        return SecureSum((("moments", (slots, MOMENTS)),), (), False, fraction_bits)
    raise FederatedError(f'{EVALUATES} is "{RISK}" or "{VALUE}"')
