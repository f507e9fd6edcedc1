"""Gradient steps with noise, for any model that is named arrays: one rule for all families that answer by row.

A hospital sends the sum of its rows' gradients, each cut to a norm, with noise (`belmont.federated.accounting`), and
the researcher takes steps of a fixed size with momentum, for each parameter w:

    v  <-  momentum * v + sum g / N + penalty * w        w  <-  w - step * v

N is the number of rows that the chain has. The velocity v is part of the model (``velocity/parameter``), so that
training goes on where it stopped; a parameter's gradient comes under the parameter's name.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Combine, Update
from belmont.federated.models.strategies import STATE_MARK, parameters_of

VELOCITY = "velocity"
LARGEST = 1e4


def with_velocity(parameters: Arrays) -> Arrays:
    """The model to start from: the parameters, and no velocity."""
    at_rest = {f"{VELOCITY}{STATE_MARK}{name}": np.zeros_like(array) for name, array in parameters.items()}
    return parameters | at_rest


def gradient_steps(step: float, momentum: float, penalties: Mapping[str, NDArray[np.float64]]) -> Combine:
    """The combination rule above. ``penalties`` has a parameter's penalty, of a shape that is broadcast to it.

    The rule raises FederatedError for an update or a model of another form, and where the steps run away.
    """

    def combine(model: Arrays, updates: Sequence[Update]) -> Arrays:
        rows = sum(update.rows for update in updates)
        parameters, velocities = {}, {}
        for name, array in parameters_of(model).items():
            kept = f"{VELOCITY}{STATE_MARK}{name}"
            found = [update.arrays.get(name, np.zeros(0)) for update in updates]
            if kept not in model or any(each.shape != array.shape for each in found):
                raise FederatedError(f"{name!r} has no gradient of its shape in an update, or no velocity in the model")
            w = np.asarray(array, np.float64)
            velocity = momentum * np.asarray(model[kept], np.float64) + np.sum(found, axis=0) / rows
            velocity = velocity + penalties[name] * w
            moved = w - step * velocity
            if not np.isfinite(moved).all() or np.abs(moved).max(initial=0.0) > LARGEST:
                raise FederatedError(f"{name!r} runs away: take a smaller step, less momentum or a larger epsilon")
            velocities[kept], parameters[name] = velocity.astype(array.dtype), moved.astype(array.dtype)
        return {**model, **parameters, **velocities}

    return combine
