"""A multilayer perceptron in numpy: forward, backward, one row at a time (Goodfellow, Bengio and Courville, 2016, 6.5).

Layer k is an array of shape (1 + inputs, outputs): its first row is the bias, since every layer's input begins with a
1, as the hospital's standardised rows do. Without hidden layers it is a linear or logistic regression.

For the three losses the gradient of one row's loss by the last layer's linear output is prediction - target:

    squared     |z - t|^2 / 2                    t of shape (rows, 1)
    logistic    log(1 + exp(z)) - t z            t of shape (rows, 1), 0 or 1
    softmax     log(sum exp(z)) - t . z          t of shape (rows, classes), one 1 a row
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[Any]
_CELLS_AT_ONCE = 1 << 20


def forward(x: Floats, layers: list[Floats], activation: str) -> list[Floats]:
    """The input of each layer, each beginning with a 1, and at the end the last layer's linear output."""
    inputs = [x]
    for layer in layers[:-1]:
        z = inputs[-1] @ layer
        hidden = np.maximum(z, 0.0) if activation == "relu" else np.tanh(z)
        inputs.append(np.concatenate([np.ones((len(x), 1), x.dtype), hidden], axis=1))
    return [*inputs, inputs[-1] @ layers[-1]]


def predictions(z: Floats, loss: str) -> Floats:
    """What the linear output says: numbers, probabilities of class 1, or of each class; of the shape of ``z``."""
    if loss == "squared":
        return z
    if loss == "logistic":
        risk: Floats = 0.5 * (1.0 + np.tanh(0.5 * z))
        return risk
    grown: Floats = np.exp(z - z.max(axis=1, keepdims=True))
    shares: Floats = grown / grown.sum(axis=1, keepdims=True)
    return shares


def losses(z: Floats, target: Floats, loss: str) -> Floats:
    """Of each row, of shape (rows,)."""
    found: Floats
    if loss == "squared":
        found = 0.5 * ((z - target) ** 2).sum(axis=1)
    elif loss == "logistic":
        found = (np.logaddexp(0.0, z) - target * z).sum(axis=1)
    else:
        top = z.max(axis=1)
        found = top + np.log(np.exp(z - top[:, None]).sum(axis=1)) - (target * z).sum(axis=1)
    return found


def gradients(x: Floats, target: Floats, layers: list[Floats], activation: str, loss: str) -> list[Floats]:
    """Of the mean loss over the rows, by each layer; zeros where there are no rows."""
    inputs, deltas = _backward(x, target, layers, activation, loss)
    return [h.T @ delta / max(1, len(x)) for h, delta in zip(inputs, deltas, strict=True)]


def row_gradients(x: Floats, target: Floats, layers: list[Floats], activation: str, loss: str) -> list[Floats]:
    """Of each row's own loss, by each layer: of shape (rows, 1 + inputs, outputs).

    A row's gradient is the outer product of the layer's input and its delta, so beside the result only some rows' worth
    of memory is taken.
    """
    found = [np.empty((len(x), *layer.shape), x.dtype) for layer in layers]
    step = max(1, _CELLS_AT_ONCE // sum(layer.size for layer in layers))
    for at in range(0, len(x), step):
        part = slice(at, at + step)
        inputs, deltas = _backward(x[part], target[part], layers, activation, loss)
        for out, h, delta in zip(found, inputs, deltas, strict=True):
            np.multiply(h[:, :, None], delta[:, None, :], out=out[part])
    return found


def _backward(
    x: Floats, target: Floats, layers: list[Floats], activation: str, loss: str
) -> tuple[list[Floats], list[Floats]]:
    """Each layer's input and, of each row, the gradient by its linear output."""
    *inputs, z = forward(x, layers, activation)
    deltas = [predictions(z, loss) - target]
    for layer, h in zip(layers[:0:-1], inputs[:0:-1], strict=True):
        hidden = h[:, 1:]
        slope = (hidden > 0.0).astype(x.dtype) if activation == "relu" else 1.0 - hidden**2
        deltas.insert(0, (deltas[0] @ layer[1:].T) * slope)
    return inputs, deltas
