"""How hospitals' local models become the next model: FedAvg, FedAvgM, FedProx, FedAdagrad, FedAdam, FedYogi, SCAFFOLD.

1. A hospital starts from the parameters x that it is sent, takes steps on its own rows, and answers with its own
   parameters under the same names, Flower's convention. Every strategy needs only their mean over all rows, so each
   works on a secure sum (`SecureSum(weighted=True)`: one update, which is the mean) as on single updates.
2. Whatever a strategy remembers from round to round is part of the model's arrays, named ``state/parameter``, so that
   training goes on from arrays alone and the hash that opens a round covers all of it. A parameter's name has no ``/``.
   `REFERENCES`, by which hospitals standardise their rows, travels along and is never changed.
3. What changes at the hospital is in the approved configuration (``config``); the rest is the researcher's business.
4. An update that reports ``diverged`` rows stops training with what to change; the model is as it was.
5. Numbers are computed in float64 and kept in the parameter's own kind.

Sources: McMahan et al., AISTATS 2017 (FedAvg); Hsu, Qi and Brown, arXiv 1909.06335 (FedAvgM); Li et al., MLSys 2020
(FedProx); Reddi et al., ICLR 2021, Algorithm 2 (FedAdagrad, FedAdam, FedYogi); Karimireddy et al., ICML 2020,
Algorithm 1 (SCAFFOLD).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import Diverged, FederatedError
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Combine, Update, like, mean_update
from belmont.federated.node.design import REFERENCES

STATE_MARK = "/"
GRADIENT = "gradient"
"""State and answer of SCAFFOLD: ``gradient/parameter``."""
DIVERGED = "diverged"
"""The metric by which a hospital says that its local steps ran away: 1 where they did, so that the mean over rows is
the share of rows that this holds for."""
PROXIMAL_KEY = "proximal-mu"
CONTROL_KEY = "control-variates"

_Floats: TypeAlias = dict[str, NDArray[np.float64]]


def parameters_of(model: Arrays) -> Arrays:
    """The arrays that are trained: no strategy's state, and no references (2)."""
    return {name: array for name, array in model.items() if STATE_MARK not in name and name != REFERENCES}


@dataclass(frozen=True)
class Strategy(ABC):
    """What every strategy does alike. A strategy says what it remembers (`_states`), and how it goes on (`_next`)."""

    def config(self) -> dict[str, str | int | float | bool]:
        """Keys of the run configuration that the hospitals' code reads (3)."""
        return {PROXIMAL_KEY: 0.0, CONTROL_KEY: False}

    def summed(self, parameters: Arrays) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Names and shapes of what a hospital answers: the arrays of a `SecureSum`."""
        return tuple((name, tuple(array.shape)) for name, array in parameters.items())

    def initial(self, parameters: Arrays) -> Arrays:
        """The model to start from: the parameters, and this strategy's state (2).

        Raises FederatedError for a parameter's name that a state could have.
        """
        marked = [name for name in parameters if STATE_MARK in name or name == REFERENCES]
        if marked:
            raise FederatedError(f"a parameter cannot be called {marked[0]!r}: the name means something else")
        return parameters | {
            f"{state}{STATE_MARK}{name}": self._start(state, array)
            for state in self._states()
            for name, array in parameters.items()
        }

    def combine(self) -> Combine:
        """The combination rule. It raises Diverged (4), and FederatedError for an update or a model of another form."""

        def step(model: Arrays, updates: Sequence[Update]) -> Arrays:
            parameters = parameters_of(model)
            mean = mean_update(updates, self.summed(parameters))
            refuse_diverged(updates, mean)
            x = {name: np.asarray(array, np.float64) for name, array in parameters.items()}
            states: dict[str, _Floats] = {state: self._read(model, state, parameters) for state in self._states()}
            after, kept = self._next(x, mean, states)
            flat = {f"{state}{STATE_MARK}{name}": a for state, each in kept.items() for name, a in each.items()}
            moved = after | flat
            return {name: like(array, moved[name]) if name in moved else array for name, array in model.items()}  # 5

        return step

    def _states(self) -> tuple[str, ...]:
        """Names of what is remembered of each parameter."""
        return ()

    def _start(self, state: str, parameter: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.zeros_like(parameter)

    def _read(self, model: Arrays, state: str, parameters: Arrays) -> _Floats:
        found: _Floats = {}
        for name, array in parameters.items():
            kept = model.get(f"{state}{STATE_MARK}{name}")
            if kept is None or kept.shape != self._start(state, array).shape:
                raise FederatedError(
                    f"the model has no {state} of {name!r}: begin with {type(self).__name__}.initial()"
                )
            found[name] = np.asarray(kept, np.float64)
        return found

    @abstractmethod
    def _next(self, x: _Floats, mean: _Floats, states: dict[str, _Floats]) -> tuple[_Floats, dict[str, _Floats]]:
        """The next parameters and states."""


@dataclass(frozen=True)
class FedAvg(Strategy):
    """The next model is the mean of the hospitals' models over all rows."""

    def _next(self, x: _Floats, mean: _Floats, states: dict[str, _Floats]) -> tuple[_Floats, dict[str, _Floats]]:
        return mean, {}


@dataclass(frozen=True)
class FedProx(FedAvg):
    """FedAvg whose local steps are held back to the model that was sent: mu / 2 * |w - x|^2 is added to the local loss.

    For hospitals that differ much. ``mu`` above 0; the paper tries 0.001 to 1.
    """

    mu: float = 0.01

    def __post_init__(self) -> None:
        check_number("mu", self.mu, above=0.0)

    def config(self) -> dict[str, str | int | float | bool]:
        return super().config() | {PROXIMAL_KEY: float(self.mu)}


@dataclass(frozen=True)
class FedAvgM(Strategy):
    """FedAvg with momentum at the server: v <- momentum * v + (mean - x), x <- x + learning_rate * v."""

    learning_rate: float = 1.0
    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_number("momentum", self.momentum, least=0.0, below=1.0)

    def _states(self) -> tuple[str, ...]:
        return ("velocity",)

    def _next(self, x: _Floats, mean: _Floats, states: dict[str, _Floats]) -> tuple[_Floats, dict[str, _Floats]]:
        v = {name: self.momentum * states["velocity"][name] + (mean[name] - x[name]) for name in x}
        return {name: x[name] + self.learning_rate * v[name] for name in x}, {"velocity": v}


@dataclass(frozen=True)
class _Adaptive(Strategy):
    """Algorithm 2 of Reddi et al.: with d = mean - x,

        m <- beta1 * m + (1 - beta1) * d        x <- x + learning_rate * m / (sqrt(v) + tau)

    and v the strategy's own. ``tau`` says how adaptive it is: the larger, the more like FedAvgM. v starts from
    ``first_second_moment``, which Algorithm 2 wants to be tau^2 at least, and which is tau^2 where it is None; Flower
    starts from 0.
    """

    learning_rate: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3
    first_second_moment: float | None = None

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_number("beta1", self.beta1, least=0.0, below=1.0)
        check_number("beta2", self.beta2, least=0.0, below=1.0)
        check_number("tau", self.tau, above=0.0)
        if self.first_second_moment is not None:
            check_number("first_second_moment", self.first_second_moment, least=0.0)

    def _states(self) -> tuple[str, ...]:
        return ("moment", "second-moment")

    def _start(self, state: str, parameter: NDArray[np.floating]) -> NDArray[np.floating]:
        if state != "second-moment":
            return super()._start(state, parameter)
        first = self.tau**2 if self.first_second_moment is None else self.first_second_moment
        return np.full_like(parameter, first)

    def _next(self, x: _Floats, mean: _Floats, states: dict[str, _Floats]) -> tuple[_Floats, dict[str, _Floats]]:
        after, moments, seconds = {}, {}, {}
        for name in x:
            change = mean[name] - x[name]
            moments[name] = self.beta1 * states["moment"][name] + (1.0 - self.beta1) * change
            seconds[name] = self._second(states["second-moment"][name], change**2)
            after[name] = x[name] + self.learning_rate * moments[name] / (np.sqrt(seconds[name]) + self.tau)
        return after, {"moment": moments, "second-moment": seconds}

    @abstractmethod
    def _second(self, v: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
        """The next v, from the last and the change's square."""


@dataclass(frozen=True)
class FedAdagrad(_Adaptive):
    """v <- v + d^2. See `_Adaptive`; beta2 is not used."""

    beta1: float = 0.0

    def _second(self, v: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
        return v + square


@dataclass(frozen=True)
class FedAdam(_Adaptive):
    """v <- beta2 * v + (1 - beta2) * d^2. See `_Adaptive`.

    Algorithm 2 does not correct the bias of the first rounds. Flower's FedAdam multiplies the learning rate of round t
    by sqrt(1 - beta2^(t+1)) / (1 - beta1^(t+1)), as Kingma and Ba do but with t + 1 for t; so does ``flower_bias``.
    """

    flower_bias: bool = False

    def _states(self) -> tuple[str, ...]:
        return (*super()._states(), *(("rounds",) if self.flower_bias else ()))

    def _start(self, state: str, parameter: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.zeros(1, parameter.dtype) if state == "rounds" else super()._start(state, parameter)

    def _second(self, v: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.beta2 * v + (1.0 - self.beta2) * square

    def _next(self, x: _Floats, mean: _Floats, states: dict[str, _Floats]) -> tuple[_Floats, dict[str, _Floats]]:
        after, kept = super()._next(x, mean, states)
        if not self.flower_bias:
            return after, kept
        rounds = {name: done + 1.0 for name, done in states["rounds"].items()}
        for name, t in rounds.items():
            factor = np.sqrt(1.0 - self.beta2 ** (t + 1.0)) / (1.0 - self.beta1 ** (t + 1.0))
            after[name] = x[name] + factor * (after[name] - x[name])
        return after, kept | {"rounds": rounds}


@dataclass(frozen=True)
class FedYogi(_Adaptive):
    """v <- v - (1 - beta2) * d^2 * sign(v - d^2): v grows and shrinks by what is new, not by what it is."""

    learning_rate: float = 0.03

    def _second(self, v: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
        return v - (1.0 - self.beta2) * square * np.sign(v - square)


@dataclass(frozen=True)
class Scaffold(Strategy):
    """SCAFFOLD: each local step is corrected by c - c_i, so that hospitals that differ do not pull the model apart.

    Hospitals keep nothing between rounds. With option I of Algorithm 1, c_i is the gradient over all of hospital i's
    rows at the server's model of the round before: the hospital computes it anew from that model, which is sent along
    (``previous/``), as is c (``control/``). It answers with its gradient at the model that it was sent, of which the
    mean is the next c. Where every hospital takes part in each round this is the stateful algorithm, its means weighted
    by rows; a hospital that was away corrects by a newer gradient than the stateful one would. The first round has no
    correction: ``started/`` is 0 until there is a c.
    """

    learning_rate: float = 1.0

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0.0)

    def _states(self) -> tuple[str, ...]:
        return ("previous", "control", "started")

    def config(self) -> dict[str, str | int | float | bool]:
        return super().config() | {CONTROL_KEY: True}

    def summed(self, parameters: Arrays) -> tuple[tuple[str, tuple[int, ...]], ...]:
        own = super().summed(parameters)
        return (*own, *((f"{GRADIENT}{STATE_MARK}{name}", shape) for name, shape in own))

    def _start(self, state: str, parameter: NDArray[np.floating]) -> NDArray[np.floating]:
        if state == "started":
            return np.zeros(1, parameter.dtype)
        return parameter.copy() if state == "previous" else super()._start(state, parameter)

    def _next(self, x: _Floats, mean: _Floats, states: dict[str, _Floats]) -> tuple[_Floats, dict[str, _Floats]]:
        after = {name: x[name] + self.learning_rate * (mean[name] - x[name]) for name in x}
        control = {name: mean[f"{GRADIENT}{STATE_MARK}{name}"] for name in x}
        return after, {"previous": x, "control": control, "started": {name: np.ones(1) for name in x}}


def refuse_diverged(updates: Sequence[Update], mean: _Floats) -> None:
    """Raises Diverged where hospitals say so, or the mean is not finite (4)."""
    total = sum(update.rows for update in updates)
    share = sum(update.metrics.get(DIVERGED, 0.0) * update.rows for update in updates) / total
    if share > 0.0 or not all(np.isfinite(array).all() for array in mean.values()):
        raise Diverged(share)


def mean_loss(updates: Sequence[Update]) -> float:
    """The mean over all rows of what hospitals report as ``loss``. Raises FederatedError where one does not."""
    if any("loss" not in update.metrics for update in updates):
        raise FederatedError("an update reports no loss")
    return sum(update.metrics["loss"] * update.rows for update in updates) / sum(update.rows for update in updates)


def check_number(
    name: str, value: object, *, above: float = -math.inf, least: float = -math.inf, below: float = math.inf
) -> None:
    """Raises FederatedError for what is no finite number within the bounds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (above < value < below and value >= least):  # type: ignore[operator]
        low = f"above {above:g}" if above > -math.inf else f"of at least {least:g}"
        high = f" and below {below:g}" if below < math.inf else ""
        raise FederatedError(f"{name} is {value!r}: give a number {low}{high}")
