"""One Newton step's ingredients from one hospital: gradient and Hessian of the log-likelihood, summed over its rows.

Summed over hospitals they are exactly those of the pooled rows, so that the federated model is the pooled one, however
much the hospitals differ (Wu et al., J Am Med Inform Assoc 19:758, 2012; DataSHIELD fits its models the same way).
The links are the canonical ones (McCullagh and Nelder, Generalized Linear Models, 1989, table 2.1).

Where the configuration has ``penalty = "firth"`` and the model comes with the previous one and the inverse of all
rows' Hessian there, the score is Firth's (Biometrika 80:27, 1993; Heinze and Schemper, Stat Med 21:2409, 2002), which
is finite where an outcome is separated. Whoever sends the model chooses that inverse, so a row's leverage counts as 0
to 1, which it is by the true one. Where the configuration does not say so, such a model is refused.

Where the configuration asks for noise by row, the answer is each row's own gradient, computed from that row and the
model alone, so that the hospital can cut each, add them up and add noise (docs/differential_privacy.md). It has no
metrics.
"""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from numpy.typing import NDArray

from belmont.federated.evaluation.hospital import evaluated
from belmont.federated.node.data import training_data

Floats = NDArray[np.float64]

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer with ``gradient`` (p,), ``hessian`` (p, p), the number of rows and the mean loss.

    By row: with ``gradient`` (rows, p).
    """
    config, model = context.run_config, _model(message)
    family, holdout = str(config["family"]), float(config.get("holdout", 0.0))
    features, missing = _names(config["features"]), _names(config["missing-indicators"])
    references = model.get("references")
    data = training_data(context, features, str(config["outcome"]), missing, keep=(holdout, 1.0), references=references)
    x, y = data.design, data.outcome
    linear = x @ model["coefficients"]
    mean = _mean(family, linear)
    if config.get("belmont-clipping") == "example":
        return _reply(message, {"gradient": x * (mean - y)[:, None]}, {})
    weight = _weight(family, mean)
    gradient = x.T @ (mean - y)
    if "inverse" in model or "previous" in model:
        if config.get("penalty") != "firth":
            raise ValueError("the model asks for Firth's score, and the configuration does not")
        before = _weight(family, _mean(family, x @ model["previous"]))
        leverage = np.clip(before * np.einsum("ij,jk,ik->i", x, model["inverse"], x), 0.0, 1.0)
        gradient -= x.T @ (leverage * (0.5 - mean))
    arrays = {"gradient": gradient, "hessian": np.ascontiguousarray((x * weight[:, None]).T @ x)}
    loss = float(np.mean(_losses(family, linear, mean, y))) if len(y) else 0.0
    return _reply(message, arrays, {"num-examples": len(y), "loss": loss})


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Answer with sums over patients who were kept apart, and over the others (`belmont.federated.evaluation`)."""
    model, family = _model(message), str(context.run_config["family"])
    return evaluated(
        message, context, lambda x: _mean(family, x @ model["coefficients"]), references=model.get("references")
    )


def _mean(family: str, linear: Floats) -> Floats:
    if family == "binomial":
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * linear)))
    return np.asarray(np.exp(linear)) if family == "poisson" else linear


def _weight(family: str, mean: Floats) -> Floats:
    """Variance of the outcome at this mean."""
    if family == "binomial":
        return mean * (1.0 - mean)
    return mean if family == "poisson" else np.ones_like(mean)


def _losses(family: str, linear: Floats, mean: Floats, y: Floats) -> Floats:
    """Negative log-likelihood of each row, without what does not depend on the model; of a line half the square."""
    if family == "binomial":
        return np.asarray(np.logaddexp(0.0, linear) - y * linear)
    return np.asarray(mean - y * linear if family == "poisson" else 0.5 * (y - mean) ** 2)


def _model(message: Message) -> dict[str, Floats]:
    return {name: array.numpy() for name, array in message.content.array_records["arrays"].items()}


def _reply(message: Message, arrays: dict[str, Floats], metrics: dict[str, int | float]) -> Message:
    record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    return Message(RecordDict({"arrays": record, "metrics": MetricRecord(dict(metrics))}), reply_to=message)


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in str(value).split(",") if name)
