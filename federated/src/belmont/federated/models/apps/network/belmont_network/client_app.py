"""A hospital's part in a round of a multilayer perceptron (`belmont_network.layers`).

1. It starts from the layers x that it is sent, takes steps of stochastic gradient descent with momentum on its rows, in
   batches, ``epochs`` times over all of them (FedAvg: McMahan et al., AISTATS 2017, Algorithm 1), and answers with its
   layers. The order of the rows is drawn from the configuration's seed and the round's number: the one is approved, the
   other the hospital counts itself.
2. The loss of a batch is its mean loss, plus l2 / 2 * |w|^2 without the biases, plus proximal-mu / 2 * |w - x|^2
   (FedProx: Li et al., MLSys 2020).
3. With control variates each step is corrected by c - c_i (SCAFFOLD: Karimireddy et al., ICML 2020, Algorithm 1, option
   I): c comes with the model, c_i is this hospital's gradient at the model of the round before, which comes too. The
   answer then holds the gradient at x as well.
4. Steps that end in numbers that are not finite, or above `LARGEST`, are not answered: the hospital says ``diverged``.
5. Where the configuration asks for noise by row, the answer is each row's own gradient at x, from that row and the
   model alone, so that the hospital can cut each, add them up and add noise. It has no metrics.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from belmont.federated.evaluation.hospital import evaluated
from belmont.federated.evaluation.layout import place_of_class
from belmont.federated.node.data import training_data
from belmont_network.layers import Floats, forward, gradients, losses, predictions, row_gradients

Config: TypeAlias = dict[str, bool | float | int | str]
LARGEST = 1e4
app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer with ``layer-1``, ..., and with control variates ``gradient/layer-1``, ...; metrics are the rows, the mean
    loss at x, and ``diverged``. By row: with each layer's gradients, of shape (rows, 1 + inputs, outputs).
    """
    config, sent = context.run_config, message.content.array_records["arrays"]
    x = _layers(sent, "", config)
    here = _Hospital.of(context, _references(sent), x[0].dtype)
    if config.get("belmont-clipping") == "example":  # 5
        by_row = row_gradients(here.rows, here.target, x, here.activation, here.loss)
        return Message(RecordDict({"arrays": _named("", by_row), "metrics": MetricRecord()}), reply_to=message)
    with np.errstate(over="ignore", invalid="ignore"):
        correction, own = [np.zeros_like(w) for w in x], [np.zeros_like(w) for w in x]
        if config["control-variates"]:  # 3
            before = here.gradient(_layers(sent, "previous/", config))
            started, control = _layers(sent, "started/", config), _layers(sent, "control/", config)
            correction = [c - s * g for c, s, g in zip(control, started, before, strict=True)]
            own = here.gradient(x)
        loss = here.mean_loss(x)
        local = here.steps(x, correction, int(message.metadata.group_id))
        is_fine = loss < LARGEST and all(np.abs(w).max() < LARGEST for w in (*local, *own))
    if not is_fine:  # 4
        loss, local, own = 0.0, x, [np.zeros_like(w) for w in x]
    arrays = _named("", local)
    if config["control-variates"]:
        arrays.update(_named("gradient/", own))
    metrics = MetricRecord({"num-examples": len(here.rows), "loss": loss, "diverged": 0.0 if is_fine else 1.0})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Answer with sums over patients who were kept apart, and over the others (`belmont.federated.evaluation`)."""
    config, sent = context.run_config, message.content.array_records["arrays"]
    x, loss, (center, scale) = _layers(sent, "", config), str(config["loss"]), _unit(config)
    place = 0 if loss == "squared" else place_of_class(config, _classes(config))

    def predict(design: Floats) -> Floats:
        found = predictions(forward(design.astype(x[0].dtype), x, str(config["activation"]))[-1], loss)
        if loss == "logistic":
            found = np.hstack([1.0 - found, found])
        return np.asarray(found[:, place] * scale + center, np.float64)

    return evaluated(message, context, predict, references=_references(sent))


@dataclass(frozen=True)
class _Hospital:
    """Rows (n, 1 + features), what the last layer is to give for each (n, outputs), and how to train."""

    rows: Floats
    target: Floats
    config: Config

    @classmethod
    def of(cls, context: Context, references: Floats | None, kind: "np.dtype[np.floating]") -> "_Hospital":
        config = context.run_config
        names = _parts(config["features"]), str(config["outcome"]), _parts(config["missing-indicators"])
        keep = (float(config.get("holdout", 0.0)), 1.0)
        data = training_data(context, *names, keep=keep, references=references)
        return cls(data.design.astype(kind), _target(data.outcome, config).astype(kind), config)

    @property
    def activation(self) -> str:
        return str(self.config["activation"])

    @property
    def loss(self) -> str:
        return str(self.config["loss"])

    def mean_loss(self, layers: list[Floats]) -> float:
        by_row = losses(forward(self.rows, layers, self.activation)[-1], self.target, self.loss)
        return float(np.mean(by_row)) if len(by_row) else 0.0

    def gradient(self, layers: list[Floats], chosen: Floats | slice = slice(None)) -> list[Floats]:
        """Of the mean loss over the chosen rows, with the penalty on all but biases (2)."""
        found: list[Floats] = gradients(self.rows[chosen], self.target[chosen], layers, self.activation, self.loss)
        for g, w in zip(found, layers, strict=True):
            g[1:] += float(self.config["l2"]) * w[1:]
        return found

    def steps(self, x: list[Floats], correction: list[Floats], n: int) -> list[Floats]:
        """The layers after round n's local steps (1)."""
        config, rows = self.config, len(self.rows)
        order, batch = np.random.default_rng([int(config["seed"]), n]), int(config["batch-size"]) or max(1, rows)
        step, momentum, mu = (float(config[key]) for key in ("learning-rate", "local-momentum", "proximal-mu"))
        local, velocity = [w.copy() for w in x], [np.zeros_like(w) for w in x]
        for _ in range(int(config["epochs"])):
            shuffled = order.permutation(rows)
            for at in range(0, rows, batch):
                found = self.gradient(local, shuffled[at : at + batch])
                for k, g in enumerate(found):
                    velocity[k] = momentum * velocity[k] + g + mu * (local[k] - x[k]) + correction[k]
                    local[k] = local[k] - step * velocity[k]
        return local


def _target(outcome: Floats, config: Config) -> Floats:
    if config["loss"] == "squared":
        center, scale = _unit(config)
        return ((outcome - center) / scale)[:, None]
    is_class = outcome[:, None] == np.array(_classes(config))
    if not is_class.any(axis=1).all():
        raise ValueError("an outcome is none of the configuration's classes")
    return (is_class[:, 1:] if config["loss"] == "logistic" else is_class).astype(np.float64)


def _classes(config: Config) -> list[float]:
    return [float(each) for each in _parts(config["classes"])]


def _unit(config: Config) -> tuple[float, float]:
    """Center and scale of what is predicted: a probability has none."""
    return float(config.get("outcome-center", 0.0)), float(config.get("outcome-scale", 1.0))


def _references(sent: ArrayRecord) -> Floats | None:
    return sent["references"].numpy() if "references" in sent else None


def _layers(sent: ArrayRecord, prefix: str, config: Config) -> list[Floats]:
    return [sent[f"{prefix}layer-{k + 1}"].numpy() for k in range(1 + len(_parts(config["hidden"])))]


def _named(prefix: str, layers: list[Floats]) -> ArrayRecord:
    return ArrayRecord({f"{prefix}layer-{k + 1}": Array(np.ascontiguousarray(w)) for k, w in enumerate(layers)})


def _parts(value: object) -> tuple[str, ...]:
    return tuple(each for each in str(value).split(",") if each)
