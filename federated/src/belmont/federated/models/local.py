"""What networks of every kind are trained by at a hospital: the outcome's loss, and local steps. Both are approved.

1. A regression's outcome is standardised by a center and a scale that the configuration names: steps of one size fit no
   unit but that one.
2. Sums are in units of 2^-24: hospitals with two million rows fit, and the mean over rows is right to far below 1e-9.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.strategies import DIVERGED, Strategy, check_number
from belmont.federated.secagg.settings import SecureSum

LOSSES = ("logistic", "softmax", "squared")
FRACTION_BITS = 24


@dataclass(frozen=True)
class Target:
    """What the last layer is to give. Raises FederatedError for a form that is none."""

    loss: str = "logistic"
    """``logistic`` for two classes, ``softmax`` for more, ``squared`` for numbers."""
    classes: tuple[float, ...] = (0.0, 1.0)
    """The outcome's values, in the order of probabilities; not used with squared loss."""
    center: float = 0.0
    scale: float = 1.0
    """Of a regression's outcome (1)."""

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise FederatedError(f"loss is {self.loss!r}: it is one of {', '.join(LOSSES)}")
        if self.loss != "squared":
            for each in self.classes:
                check_number("a class", each)
            if len(set(self.classes)) != len(self.classes):
                raise FederatedError(f"classes {self.classes} name one value twice")
        if self.loss == "logistic" and len(self.classes) != 2:
            raise FederatedError(f"logistic loss is for two classes, and not for {len(self.classes)}: take softmax")
        if self.loss == "softmax" and len(self.classes) < 2:
            raise FederatedError("softmax is for two classes at least")
        check_number("the outcome's center", self.center)
        check_number("the outcome's scale", self.scale, above=0.0)

    @property
    def outputs(self) -> int:
        """Columns of the last layer's output."""
        return len(self.classes) if self.loss == "softmax" else 1

    def config(self) -> dict[str, str | int | float | bool]:
        """Keys of the run configuration."""
        if self.loss == "squared":
            return {"loss": self.loss, "outcome-center": float(self.center), "outcome-scale": float(self.scale)}
        return {"loss": self.loss, "classes": ",".join(f"{each:.17g}" for each in self.classes)}

    def shown(self, found: NDArray[np.floating]) -> NDArray[np.float64]:
        """What a network predicts, of shape (rows, outputs), as probabilities (rows, classes), or numbers (rows,) in
        the outcome's unit."""
        numbers: NDArray[np.float64] = np.asarray(found, np.float64)
        if self.loss == "squared":
            return numbers[:, 0] * self.scale + self.center
        return np.column_stack([1.0 - numbers[:, 0], numbers[:, 0]]) if self.loss == "logistic" else numbers


@dataclass(frozen=True)
class LocalTraining:
    """What a hospital does in a round. Raises FederatedError for numbers that lead nowhere."""

    epochs: int = 1
    """Times that a round goes over the hospital's rows."""
    batch_size: int = 32
    """Rows of a step; 0 for all. The last batch of an epoch may be smaller."""
    learning_rate: float = 0.05
    momentum: float = 0.0
    l2: float = 1e-4
    """Penalty on the mean loss, l2 / 2 * |w|^2, without biases."""
    seed: int = 0
    """Of the first weights, and with the round's number of the order of rows."""

    def __post_init__(self) -> None:
        wholes = (("epochs", self.epochs, 1), ("batch_size", self.batch_size, 0), ("seed", self.seed, 0))
        for name, value, least in wholes:
            if type(value) is not int or not least <= value < 2**63:
                raise FederatedError(f"{name} is {value!r}: give a whole number of at least {least}")
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_number("momentum", self.momentum, least=0.0, below=1.0)
        check_number("l2", self.l2, least=0.0)

    def config(self) -> dict[str, str | int | float | bool]:
        """Keys of the run configuration."""
        return {
            "epochs": self.epochs,
            "batch-size": self.batch_size,
            "learning-rate": float(self.learning_rate),
            "local-momentum": float(self.momentum),
            "l2": float(self.l2),
            "seed": self.seed,
        }


def rounds_config(
    target: Target, local: LocalTraining, strategy: Strategy, private: PrivateSteps | None = None
) -> dict[str, str | int | float | bool]:
    """The keys of a study that is trained so; with noise there are no local steps, and nothing is said of them."""
    if private is None:
        return target.config() | local.config() | strategy.config()
    return target.config() | {"l2": float(local.l2), "seed": local.seed}


def rounds_sums(parameters: Arrays, strategy: Strategy, fraction_bits: int = FRACTION_BITS) -> SecureSum:
    """What a round's sum is made of, without noise (2)."""
    return SecureSum(strategy.summed(parameters), ("loss", DIVERGED), True, fraction_bits)


def private_sums(parameters: Arrays, private: PrivateSteps) -> SecureSum:
    """What a round's sum is made of, with noise: each parameter's gradient."""
    shapes = tuple((name, tuple(array.shape)) for name, array in parameters.items())
    return SecureSum(shapes, fraction_bits=private.noise.fraction_bits, private=True)
