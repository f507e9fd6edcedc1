"""Generalised linear models by federated Newton steps: logistic, linear and Poisson regression.

Each hospital sends gradient and Hessian sums (`apps/glm`), the researcher takes the step of the pooled data:

    w  <-  w - (sum H + ridge * N * I)^-1 (sum g + ridge * N * w)

with N rows in all; the intercept is not penalised. A line is reached in one step; five to seven steps reach the pooled
maximum likelihood of a logistic model to ten digits from w = 0. Where the mean is no line, a step is shortened so that
no coefficient moves by more than ``LARGEST_STEP``, which keeps the first steps of unbalanced outcomes stable. A column
that is 0 in every row of every hospital keeps its coefficient.

With Firth's score (`firth`; hospitals answer it where the configuration has ``penalty = "firth"``) the model carries
the coefficients before and the inverse of the Hessian there, from which each hospital computes its rows' leverages
(those of the newest coefficients with an older inverse would overshoot for ever); estimates stay finite where an
outcome is separated.

With noise (`PrivateSteps`) a hospital sends the sum of its rows' gradients, each cut to a norm, and the researcher
takes steps of a fixed size with momentum:

    v  <-  momentum * v + sum g / N + ridge * w        w  <-  w - step * v

N is the number of rows that the chain has. A Hessian would need p^2 cells with noise of their own, and the inverse of a
noisy one is no use when the budget is small.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.epsilon import DELTA, epsilon_of, zcdp_epsilon
from belmont.federated.accounting.release import plan_release
from belmont.federated.accounting.settings import MOST_RHO, Clipping, PrivacySettings
from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.errors import FederatedError, PrivacyError
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.models import gradient
from belmont.federated.models.combine import Combine, Update
from belmont.federated.models.configuration import study_config
from belmont.federated.secagg.encoding import FRACTION_BITS
from belmont.federated.secagg.settings import SecureSum
from belmont.registry.types import MicroRho

COEFFICIENTS = "coefficients"
PREVIOUS, INVERSE = "previous", "inverse"
FAMILIES = ("binomial", "gaussian", "poisson")
LARGEST_STEP = 4.0
WORST_CONDITION = 1e12
LARGEST_VARIANCE = 1e6


@dataclass(frozen=True)
class PrivateSteps:
    """Gradient steps with noise. The defaults are those that did well on the synthetic study
    (docs/differential_privacy.md). Raises FederatedError for steps that lead nowhere."""

    noise: PrivacySettings
    step: float = 4.0
    momentum: float = 0.5

    def __post_init__(self) -> None:
        if self.noise.clipping is not Clipping.EXAMPLE:
            raise FederatedError("the shipped study cuts each row's gradient: belmont-clipping is example")
        if not (type(self.step) is float and 0 < self.step < math.inf):
            raise FederatedError("step is a float above 0")
        if not (type(self.momentum) is float and 0 <= self.momentum < 1):
            raise FederatedError("momentum is a float from 0 to below 1")

    @staticmethod
    def of_epsilon(
        epsilon: float,
        rounds: int,
        cells: int,
        *,
        delta: float = DELTA,
        clip_norm: float = 2.0,
        fraction_bits: int = 20,
        min_contributors: int = 3,
        honest_contributors: int = 1,
        step: float = 4.0,
        momentum: float = 0.5,
    ) -> "PrivateSteps":
        """Steps of which ``rounds`` together come to ``epsilon`` at ``delta`` at most, for a model of ``cells``.

        Within a thousandth of the largest such charge. Raises PrivacyError where so little is not to be had.
        """

        def settings(rho: int) -> PrivacySettings:
            rules = Clipping.EXAMPLE, clip_norm, fraction_bits, MicroRho(rho), min_contributors, honest_contributors
            return PrivacySettings(*rules)

        def fits(rho: int) -> bool:
            plan = plan_release(settings(rho), cells)
            return epsilon_of(MicroRho(plan.rho * rounds), delta, plan, rounds) <= epsilon

        if not isinstance(epsilon, int | float) or not 0 < epsilon < math.inf:
            raise PrivacyError(f"epsilon is {epsilon!r}: give a number above 0")
        if type(rounds) is not int or rounds < 1:
            raise PrivacyError(f"rounds is {rounds!r}: give a whole number of at least 1")
        # The bound for any zCDP is quick, and never below the tighter one.
        rho = _last(lambda rho: zcdp_epsilon(MicroRho(rho * rounds), delta) <= epsilon, 0, MOST_RHO + 1)
        rho = _last(fits, rho, min(2 * rho, MOST_RHO) + 1, close=rho >> 10)
        if rho == 0:
            wanted = f"{rounds} rounds cost more than epsilon {epsilon} at delta {delta}"
            raise PrivacyError(f"{wanted}: take fewer rounds, or a larger epsilon")
        return PrivateSteps(settings(rho), step, momentum)


def glm_config(
    features: Sequence[str],
    outcome: str,
    missing_indicators: Sequence[str] = (),
    *,
    secure: bool = False,
    private: PrivateSteps | None = None,
    bounds: UpdateBounds | None = None,
    fraction_bits: int = FRACTION_BITS,
    family: str = "binomial",
    evaluation: RunConfig | None = None,
) -> dict[str, str | int | float | bool]:
    """The run configuration to apply with and to send; with ``secure``, only sums over the hospitals can be read, and
    with ``private`` only such sums with noise.

    ``evaluation`` are keys of `belmont.federated.evaluation.layout.evaluation_config`. With ``bounds`` every hospital
    proves its sums to be within them, in units of 2^-``fraction_bits``; with noise, in the units of that.
    """
    if family not in FAMILIES:
        raise FederatedError(f"family is {family!r}: it is one of {', '.join(FAMILIES)}")
    is_summed = secure or private is not None or bounds is not None
    return study_config(
        features,
        outcome,
        missing_indicators,
        {"family": family},
        sums=glm_sums(1 + len(features) + len(missing_indicators), private, fraction_bits) if is_summed else None,
        private=private,
        bounds=bounds,
        evaluation=evaluation,
    )


def glm_sums(size: int, private: PrivateSteps | None = None, fraction_bits: int = FRACTION_BITS) -> SecureSum:
    """What a round of ``size`` coefficients sums; with noise in the fraction bits of that."""
    if private is not None:
        return SecureSum((("gradient", (size,)),), fraction_bits=private.noise.fraction_bits, private=True)
    return SecureSum((("gradient", (size,)), ("hessian", (size, size))), ("loss",), False, fraction_bits)


def initial_model(
    features: Sequence[str], missing_indicators: Sequence[str] = (), *, private: PrivateSteps | None = None
) -> Arrays:
    """Zero coefficients: intercept, features, then missing indicators; with ``private`` no velocity either."""
    size = 1 + len(features) + len(missing_indicators)
    model: Arrays = {COEFFICIENTS: np.zeros(size)}
    return model if private is None else gradient.with_velocity(model)


def newton(ridge: float = 1e-4, largest_step: float = LARGEST_STEP, *, firth: bool = False) -> Combine:
    """The combination rule of this study. ``ridge`` penalises the mean log-likelihood by ridge / 2 * |w|^2.

    With ``firth`` the next model carries this one and its Hessian's inverse. What else the model carries is kept.
    """

    def step(model: Arrays, updates: Sequence[Update]) -> Arrays:
        w: NDArray[np.float64] = np.asarray(model[COEFFICIENTS], np.float64)
        size = len(w)
        gradient, hessian = np.zeros(size), np.zeros((size, size))
        rows = 0.0
        for update in updates:
            g, h = update.arrays.get("gradient"), update.arrays.get("hessian")
            if g is None or h is None or g.shape != (size,) or h.shape != (size, size):
                raise FederatedError("an update has no gradient and Hessian of the model's size")
            gradient += g
            hessian += h
            rows += update.rows
        penalty = np.full(size, ridge * rows)
        penalty[0] = 0.0
        curvature = hessian + np.diag(penalty)
        used = np.diag(hessian) > 0  # a column that is 0 in every row, such as a level that nobody has, stays out
        refuse_singular(curvature[np.ix_(used, used)])
        move = np.zeros(size)
        move[used] = np.linalg.solve(curvature[np.ix_(used, used)], (gradient + penalty * w)[used])
        largest = float(np.abs(move).max())
        moved: Arrays = {**model, COEFFICIENTS: w - move * min(1.0, largest_step / largest) if largest > 0 else w}
        if not firth:
            return moved
        inverse = np.zeros((size, size))
        inverse[np.ix_(used, used)] = np.linalg.inv(curvature[np.ix_(used, used)])
        return moved | {PREVIOUS: w, INVERSE: inverse}

    return step


def refuse_singular(hessian: NDArray[np.float64]) -> None:
    """Raises FederatedError for a Hessian that no step can be taken by: a column is constant, or follows from others;
    or for one by which a coefficient could be anything, as where a column separates the outcome."""
    scale = np.sqrt(np.abs(np.diag(hessian)))
    scaled = hessian / np.outer(scale, scale)
    if not np.isfinite(scaled).all() or np.linalg.cond(scaled) > WORST_CONDITION:
        raise FederatedError(
            "the Hessian is singular: leave out columns that are constant or follow from others, or raise ridge"
        )
    if np.diag(np.linalg.inv(hessian)).max() > LARGEST_VARIANCE:
        raise FederatedError(
            "a coefficient grows without end: a column separates the outcome, or hardly varies; leave it out, raise "
            "ridge, or use penalty='firth'"
        )


def gradient_steps(private: PrivateSteps, ridge: float = 1e-4) -> Combine:
    """The combination rule with noise (`belmont.federated.models.gradient`); the app calls its answer ``gradient``."""

    def combine(model: Arrays, updates: Sequence[Update]) -> Arrays:
        penalty = np.full(len(model[COEFFICIENTS]), ridge)
        penalty[0] = 0.0
        rule = gradient.gradient_steps(private.step, private.momentum, {COEFFICIENTS: penalty})
        named = [
            Update({COEFFICIENTS: update.arrays.get("gradient", np.zeros(0))}, update.metrics) for update in updates
        ]
        return rule(model, named)

    return combine


def _last(holds: Callable[[int], bool], low: int, high: int, close: int = 0) -> int:
    """The last number for which something holds, or ``close`` below it: it holds at ``low``, and not at ``high``."""
    while high - low > 1 + close:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def risk(design: NDArray[np.float64], model: Arrays) -> NDArray[np.float64]:
    """Predicted probabilities for a design matrix (`belmont.federated.node.data.design`), shape (rows,)."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * (design @ model[COEFFICIENTS]))), np.float64)
