"""Multilayer perceptrons over hospitals; without hidden layers they are linear, logistic and multinomial regression.

The hospitals' part is the study in ``apps/network``: local steps, which any strategy combines (`strategies`), or with
noise each row's gradient (`gradient`). Layer k is the array ``layer-k`` of shape (1 + inputs, outputs), its first row
the bias; the inputs of the first are the features, then the indicators of missing values.

    network, local, strategy = Network(inputs=13, hidden=(16,)), LocalTraining(epochs=2), FedAdam()
    config = network_config(features, outcome, (), network, local, strategy, secure=True)
    model, combine = initial_network(network, local, strategy), network_combine(network, local, strategy)

Weights start from normal numbers of variance 2 / inputs before a ReLU (He et al., ICCV 2015), uniform ones within
sqrt(6 / (inputs + outputs)) elsewhere (Glorot and Bengio, AISTATS 2010), biases from 0; without hidden layers all start
from 0, as the loss is convex. They are drawn from the seed in the configuration.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays
from belmont.federated.models.apps.network.belmont_network import layers as rule
from belmont.federated.models.combine import Combine
from belmont.federated.models.configuration import study_config
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.gradient import gradient_steps, with_velocity
from belmont.federated.models.local import (
    FRACTION_BITS,
    LocalTraining,
    Target,
    private_sums,
    rounds_config,
    rounds_sums,
)
from belmont.federated.models.strategies import Strategy, parameters_of
from belmont.federated.secagg.settings import SecureSum

ACTIVATIONS = ("relu", "tanh")
_MOST_PARAMETERS = 2_000_000
"""With what a strategy remembers, a model is far below what a node reads (`belmont.federated.grid.records`)."""


@dataclass(frozen=True)
class Network:
    """A perceptron's form. Raises FederatedError for a form that is none."""

    inputs: int
    """Features and indicators of missing values."""
    hidden: tuple[int, ...] = (16,)
    """Units of each hidden layer; () for a regression."""
    activation: str = "relu"
    target: Target = field(default_factory=Target)

    def __post_init__(self) -> None:
        sizes = (self.inputs, *self.hidden)
        if any(type(size) is not int or size < 1 for size in sizes):
            raise FederatedError(f"inputs and hidden are {sizes}: give whole numbers of at least 1")
        if self.activation not in ACTIVATIONS:
            raise FederatedError(f"activation is {self.activation!r}: it is one of {', '.join(ACTIVATIONS)}")
        if self.parameters > _MOST_PARAMETERS:
            raise FederatedError(f"{self.parameters:,} parameters are more than {_MOST_PARAMETERS:,}: take fewer units")

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Of each layer's array, by name."""
        pairs = itertools.pairwise((self.inputs, *self.hidden, self.target.outputs))
        return {f"layer-{k}": (1 + inputs, outputs) for k, (inputs, outputs) in enumerate(pairs, 1)}

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes.values())


def network_settings(
    network: Network, local: LocalTraining, strategy: Strategy, private: PrivateSteps | None = None
) -> dict[str, str | int | float | bool]:
    """The app's own keys of a run configuration."""
    form = {"hidden": ",".join(map(str, network.hidden)), "activation": network.activation}
    return form | rounds_config(network.target, local, strategy, private)


def network_sums(
    network: Network,
    strategy: Strategy,
    private: PrivateSteps | None = None,
    *,
    fraction_bits: int = FRACTION_BITS,
) -> SecureSum:
    """What a round's sum is made of; with noise in the fraction bits of that."""
    blank: Arrays = {name: np.zeros(shape) for name, shape in network.shapes.items()}
    return rounds_sums(blank, strategy, fraction_bits) if private is None else private_sums(blank, private)


def network_config(
    features: Sequence[str],
    outcome: str,
    missing_indicators: Sequence[str],
    network: Network,
    local: LocalTraining,
    strategy: Strategy,
    *,
    secure: bool = False,
    private: PrivateSteps | None = None,
) -> dict[str, str | int | float | bool]:
    """The run configuration to apply with and to send. Raises FederatedError where the columns do not fit the form."""
    if len(features) + len(missing_indicators) != network.inputs:
        raise FederatedError(f"the network has {network.inputs} inputs, and not one for each column")
    sums = network_sums(network, strategy, private) if secure or private is not None else None
    settings = network_settings(network, local, strategy, private)
    return study_config(features, outcome, missing_indicators, settings, sums=sums, private=private)


def initial_layers(network: Network, seed: int, kind: DTypeLike = np.float64) -> Arrays:
    """The weights to start from; ``kind`` is float64 or float32, and that of everything computed from them."""
    draw, last = np.random.default_rng(seed), len(network.shapes)
    arrays: Arrays = {}
    for k, (name, (rows, outputs)) in enumerate(network.shapes.items(), 1):
        layer, inputs = np.zeros((rows, outputs)), rows - 1
        if k < last and network.activation == "relu":
            layer[1:] = draw.normal(0.0, math.sqrt(2.0 / inputs), (inputs, outputs))
        elif network.hidden:
            bound = math.sqrt(6.0 / (inputs + outputs))
            layer[1:] = draw.uniform(-bound, bound, (inputs, outputs))
        arrays[name] = layer.astype(kind)
    return arrays


def initial_network(
    network: Network, local: LocalTraining, strategy: Strategy, private: PrivateSteps | None = None
) -> Arrays:
    """The model to start from: layers, and what the strategy, or with noise the steps, remember."""
    layers = initial_layers(network, local.seed)
    return strategy.initial(layers) if private is None else with_velocity(layers)


def network_combine(
    network: Network, local: LocalTraining, strategy: Strategy, private: PrivateSteps | None = None
) -> Combine:
    """The combination rule: the strategy's, or with noise gradient steps."""
    if private is None:
        return strategy.combine()
    penalties = {}
    for name, shape in network.shapes.items():
        penalties[name] = np.full(shape, float(local.l2))
        penalties[name][0] = 0.0
    return gradient_steps(private.step, private.momentum, penalties)


def network_outputs(network: Network, design: NDArray[np.float64], model: Arrays) -> NDArray[np.float64]:
    """Predictions for a design matrix (rows, 1 + inputs): probabilities (rows, classes), or numbers (rows,) in the
    outcome's unit. Raises FederatedError for a model of another form."""
    arrays = parameters_of(model)
    if {name: array.shape for name, array in arrays.items()} != network.shapes:
        raise FederatedError("the model's layers are not of this network's form")
    z = rule.forward(design, list(arrays.values()), network.activation)[-1]
    return network.target.shown(rule.predictions(z, network.target.loss))
