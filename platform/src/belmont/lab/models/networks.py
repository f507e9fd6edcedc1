"""Networks by rounds of local steps: perceptrons that ship with Belmont, and PyTorch modules that a study brings.

    MLPClassifier(features, "cvd_event", hidden=(16,), strategy=FedAdam(), epochs=2).fit(permit)
    TorchClassifier(features, "cvd_event", module="model.py").fit(permit)

1. A round is ``epochs`` times over each hospital's rows; ``strategy`` says how the hospitals' models become the next
   (`belmont.federated.models.strategies`). Without hidden layers a perceptron is a regression by gradient rounds.
2. ``fit`` stops where the loss has not fallen by ``tol`` for ``patience`` rounds. ``loss_curve_`` has each round's mean
   loss over all rows, of the model that the round started from. With noise no loss is known: all rounds are run.
3. With ``private`` rounds are gradient steps with noise (`belmont.federated.models.gradient`): there is no strategy
   then, and what is said of local steps does not count.
4. A regression's outcome is standardised: by ``center`` and ``scale``, which a permit binds, or on rows that are here
   by those of the rows or the tables' dictionary.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin

from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.models.combine import Combine, Update
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.local import FRACTION_BITS, LocalTraining, Target, rounds_config
from belmont.federated.models.network import (
    Network,
    initial_network,
    network_combine,
    network_outputs,
    network_settings,
    network_sums,
)
from belmont.federated.models.strategies import FedAvg, Strategy, mean_loss, parameters_of
from belmont.federated.models.torch_modules import TorchNetwork, module_source, torch_bundle
from belmont.federated.secagg.settings import SecureSum
from belmont.federated.table import NodeTable
from belmont.lab.errors import LabError
from belmont.lab.models.base import StudyModel
from belmont.lab.models.first_use import check_class, labelled

if TYPE_CHECKING:
    from belmont.lab.export import Graph

Floats = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class NetworkModel(StudyModel):
    """What all four have in common; see the module."""

    strategy: Strategy = field(default_factory=FedAvg)
    epochs: int = 1
    batch_size: int = 32
    learning_rate: float = 0.05
    momentum: float = 0.0
    l2: float = 1e-4
    """Penalty on the mean loss, l2 / 2 * |w|^2, without biases."""
    seed: int = 0
    tol: float = 1e-4
    patience: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.strategy, Strategy):
            raise LabError(f"strategy is {self.strategy!r}: give one such as FedAvg() or FedAdam(learning_rate=0.05)")
        if self.private is not None and self.strategy != FedAvg():
            raise LabError("with noise a round is a gradient step: say how in PrivateSteps, and leave the strategy out")
        if not isinstance(self.tol, int | float) or not self.tol >= 0:
            raise LabError(f"tol is {self.tol!r}: give a number of at least 0")
        if type(self.patience) is not int or self.patience < 1:
            raise LabError(f"patience is {self.patience!r}: give a number of rounds, at least 1")
        self.local  # noqa: B018  raises for numbers that lead nowhere

    @property
    def local(self) -> LocalTraining:
        """What a hospital does in a round."""
        return LocalTraining(self.epochs, self.batch_size, self.learning_rate, self.momentum, self.l2, self.seed)

    @property
    @abstractmethod
    def target(self) -> Target:
        """What the network is to give."""

    @property
    def fraction_bits(self) -> int:
        if self.private is None and self.largest is None:
            return FRACTION_BITS
        return super().fraction_bits

    @property
    @abstractmethod
    def parameters(self) -> int:
        """How many numbers are trained."""

    @abstractmethod
    def _rule(self) -> Combine:
        """How updates become the next model."""

    @abstractmethod
    def _shown(self, found: Floats) -> Floats:
        """What is predicted, from what `Target.shown` gives."""

    def with_noise(self, *, epsilon: float, rounds: int, **choices: Any) -> Self:
        """The same model with noise, so that ``rounds`` rounds together come to ``epsilon`` at most for each dataset.

        ``choices`` are those of `PrivateSteps.of_epsilon`, such as ``delta=1e-6``, ``step=4.0`` and ``clip_norm=2.0``.
        """
        return replace(self, private=PrivateSteps.of_epsilon(epsilon, rounds, self.parameters, **choices))

    def combine(self) -> Combine:
        """The strategy's rule, which also keeps ``loss_curve_`` (2)."""
        rule, curve = self._rule(), list[float]()
        if self.private is not None:
            return rule
        self.loss_curve_ = curve

        def step(model: Arrays, updates: Sequence[Update]) -> Arrays:
            after = rule(model, updates)
            curve.append(mean_loss(updates))
            return after

        return step

    def is_finished(self, before: Arrays, after: Arrays) -> bool:
        losses = [] if self.private is not None else self.loss_curve_
        if len(losses) <= self.patience:
            return False
        return min(losses[-self.patience :]) > min(losses[: -self.patience]) - self.tol

    def fit(self, X: Any, y: Any = None, **choices: Any) -> Self:
        self._classes_here: int | None = None
        return super().fit(X, y, **choices)


@dataclass(eq=False, repr=False)
class _Classifier(NetworkModel):
    classes: tuple[float, ...] = (0.0, 1.0)
    """The outcome's values at the hospitals; of labels that are given with rows here, what they are does not matter."""
    evaluated_class: float | None = None
    """The one of them that an evaluation tells apart from all others; to be named where they are not 0 and 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.target  # noqa: B018  raises for classes that are none
        check_class(self.evaluated_class, tuple(self.classes), self.holdout)

    @property
    def target(self) -> Target:
        here = getattr(self, "_classes_here", None)
        classes = tuple(map(float, self.classes if here is None else range(here)))
        return Target("logistic" if len(classes) == 2 else "softmax", classes)

    @property
    def outcomes(self) -> tuple[float, ...]:
        return self.target.classes

    @property
    def class_to_evaluate(self) -> float | None:
        return None if self.evaluated_class is None else float(self.evaluated_class)

    def _labels(self, y: Any) -> Any:
        self.classes_, labels = labelled(y)
        if len(self.classes_) < 2:
            raise LabError(f"the outcome has one value, {self.classes_[0]!r}: a classifier needs two")
        self._classes_here = len(self.classes_)
        return labels.astype(np.float64)

    def learned(self, updates: Sequence[Update]) -> None:
        if getattr(self, "_classes_here", None) is None:
            self.classes_ = np.array([int(each) if float(each).is_integer() else each for each in self.classes])

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of each class, shape (n, classes), in the order of ``classes_``."""
        found = self.predict_values(X)
        return np.column_stack([1.0 - found, found]) if found.ndim == 1 else found

    def predict(self, X: Any) -> Any:
        """The likeliest class of each row."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]

    def _shown(self, found: Floats) -> Floats:
        """Of two classes the probability of the second alone, as evaluations want it."""
        return found[:, 1] if found.shape[1] == 2 else found


@dataclass(eq=False, repr=False)
class _Regressor(NetworkModel):
    evaluates: ClassVar[str] = "value"

    center: float | None = None
    scale: float | None = None
    """Of the outcome (4)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.center is None) != (self.scale is None):
            raise LabError("center and scale are given together, or neither")

    @property
    def target(self) -> Target:
        center, scale = self.center, self.scale
        if center is None or scale is None:
            center, scale = getattr(self, "outcome_center_", None), getattr(self, "outcome_scale_", None)
        if center is None or scale is None:
            raise LabError(
                "steps need the outcome's center and scale: give the dictionary's, "
                f"center=dictionary.column({self.outcome_name!r}).center and scale=....scale"
            )
        return Target("squared", center=center, scale=scale)

    def _fit_tables(self, tables: Sequence[NodeTable], *given: Any, **choices: Any) -> Self:
        if tables:
            self.outcome_center_ = float(tables[0].center(self.outcome_name))
            self.outcome_scale_ = float(tables[0].scale(self.outcome_name))
        return super()._fit_tables(tables, *given, **choices)

    def predict(self, X: Any) -> Floats:
        """Expected values of the outcome, in its unit."""
        return self.predict_values(X)

    def _shown(self, found: Floats) -> Floats:
        return found


@dataclass(eq=False, repr=False)
class _Perceptron(NetworkModel):
    app: ClassVar[str] = "network"

    hidden: tuple[int, ...] = (16,)
    """Units of each hidden layer; () for a regression."""
    activation: str = "relu"
    """``relu`` or ``tanh``."""

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, list | tuple):
            raise LabError(f"hidden is {self.hidden!r}: give the units of each layer, such as (16,)")
        super().__post_init__()

    @property
    def network(self) -> Network:
        """The form. Raises FederatedError where it is none."""
        return Network(len(self.names) - 1, tuple(self.hidden), self.activation, self.target)

    @property
    def parameters(self) -> int:
        return self.network.parameters

    def settings(self) -> RunConfig:
        return network_settings(self.network, self.local, self.strategy, self.private)

    def sums(self) -> SecureSum:
        return network_sums(self.network, self.strategy, fraction_bits=self.fraction_bits)

    def private_sums(self, private: PrivateSteps) -> SecureSum:
        return network_sums(self.network, self.strategy, private)

    def initial(self) -> Arrays:
        return initial_network(self.network, self.local, self.strategy, self.private)

    def _rule(self) -> Combine:
        return network_combine(self.network, self.local, self.strategy, self.private)

    def predictions(self, rows: Floats, arrays: Arrays) -> Floats:
        return self._shown(network_outputs(self.network, rows, arrays))

    def to_onnx(self, builder: "Graph") -> str:
        target = self.target
        if target.loss == "softmax":
            raise LabError("an ONNX form is of two classes or a number: export a model of more classes as .skops")
        inputs = linear = builder.design
        for k, layer in enumerate(parameters_of(self._arrays).values()):
            if k:
                hidden = builder.node("Relu" if self.activation == "relu" else "Tanh", [linear])
                inputs = builder.node("Concat", [builder.ones, hidden], axis=1)
            linear = builder.node("MatMul", [inputs, builder.constant(np.asarray(layer, np.float64))])
        flat = builder.node("Squeeze", [linear, builder.constant(np.array([1], np.int64))])
        if target.loss == "logistic":
            return builder.node("Sigmoid", [flat])
        scaled = builder.node("Mul", [flat, builder.constant(np.array(float(target.scale)))])
        return builder.node("Add", [scaled, builder.constant(np.array(float(target.center)))])


@dataclass(eq=False, repr=False)
class _Torch(NetworkModel):
    app: ClassVar[str] = "torch"

    module: str | Path | Callable[[], Any] = ""
    """A file ``model.py``, or a function that holds all it needs: ``build()`` gives a `torch.nn.Module` from
    standardised rows (n, columns) to (n, outputs)."""

    @property
    def _source(self) -> str:
        if self.module == "":
            raise LabError("there is no module: give module='model.py', or a function that builds one")
        return module_source(self.module)

    @property
    def network(self) -> TorchNetwork:
        """The module, as it is here. Raises FederatedError where PyTorch is missing."""
        return _torch_network(self._source, self.seed, self.target)

    @property
    def parameters(self) -> int:
        return sum(each.size for each in self.network.parameters.values())

    @property
    def bundle(self) -> bytes:
        return torch_bundle(self._source)

    def settings(self) -> RunConfig:
        return rounds_config(self.target, self.local, self.strategy, self.private)

    def sums(self) -> SecureSum:
        return self.network.sums(self.strategy, fraction_bits=self.fraction_bits)

    def private_sums(self, private: PrivateSteps) -> SecureSum:
        return self.network.sums(self.strategy, private)

    def initial(self) -> Arrays:
        return self.network.initial(self.strategy, self.private)

    def _rule(self) -> Combine:
        return self.network.combine(self.local, self.strategy, self.private)

    def predictions(self, rows: Floats, arrays: Arrays) -> Floats:
        return self._shown(self.network.outputs(rows, arrays))


@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, _Classifier, _Perceptron):  # type: ignore[misc]
    """A multilayer perceptron for two classes or more; see the module."""


@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, _Regressor, _Perceptron):  # type: ignore[misc]
    """A multilayer perceptron for a number; see the module."""


@dataclass(eq=False, repr=False)
class TorchClassifier(ClassifierMixin, _Classifier, _Torch):  # type: ignore[misc]
    """A PyTorch module of the study's own for two classes (one output) or more (one each); see the module."""


@dataclass(eq=False, repr=False)
class TorchRegressor(RegressorMixin, _Regressor, _Torch):  # type: ignore[misc]
    """A PyTorch module of the study's own for a number; see the module."""


@lru_cache(maxsize=8)
def _torch_network(source: str, seed: int, target: Target) -> TorchNetwork:
    return TorchNetwork(source, seed, target)
