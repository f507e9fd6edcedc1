"""What runs at each hospital: some steps of gradient descent on its own rows, from the model that everybody has.

The researcher averages the hospitals' weights by their rows (McMahan et al., AISTATS 2017) and sends out the mean.
An answer is arrays and metrics, nothing else leaves. Three things to keep, or a hospital answers nothing:

1. Ask for rows with `training_data`. It standardises columns by the dictionary's reference values, the same at every
   hospital, and refuses where there are too few rows for the permit.
2. Answer the arrays that `model.initial` has, by the same names and shapes, however many rows there are; and
   ``num-examples``. Where sums are secure these are added up over the hospitals, and nobody sees yours.
3. Use nothing but the message, the configuration and those rows: there is no network, no file and no environment at a
   hospital, and what differs between two runs on the same rows cannot be checked by anybody. Seed what is random.

Where the configuration asks for noise by row, answer each row's own gradient, computed from that row and the model
alone: the hospital cuts each, adds them up and adds noise (docs/differential_privacy.md). There are no metrics then.
"""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from numpy.typing import NDArray

from belmont.federated.evaluation.hospital import evaluated
from belmont.federated.node.data import training_data
from my_model.model import predictions

Floats = NDArray[np.float64]

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer with ``weights`` (columns,), the number of rows and the mean loss of the model that came.

    By row: with ``weights`` (rows, columns), each row's gradient.
    """
    config, model = context.run_config, _model(message)
    holdout = float(config.get("holdout", 0.0))  # these patients are kept apart: the model must not learn from them
    features, missing = _names(config["features"]), _names(config["missing-indicators"])
    references = model.get("references")  # of a preparation, where there is one (permit.prepare)
    data = training_data(context, features, str(config["outcome"]), missing, keep=(holdout, 1.0), references=references)
    x, y = data.design, data.outcome

    risk = predictions(x, model)
    if config.get("belmont-clipping") == "example":
        return _reply(message, {"weights": x * (risk - y)[:, None]}, {})

    loss = float(-np.mean(np.where(y > 0, np.log(np.maximum(risk, 1e-12)), np.log(np.maximum(1 - risk, 1e-12)))))
    weights = model["weights"]
    for _ in range(int(config["local-steps"])):
        gradient = x.T @ (predictions(x, {"weights": weights}) - y) / len(y)
        weights = weights - float(config["learning-rate"]) * gradient
    return _reply(message, {"weights": weights}, {"num-examples": len(y), "loss": loss})


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Answer with sums over patients who were kept apart, and over the others (`belmont.federated.evaluation`)."""
    model = _model(message)
    return evaluated(message, context, lambda x: predictions(x, model), references=model.get("references"))


def _model(message: Message) -> dict[str, Floats]:
    return {name: array.numpy() for name, array in message.content.array_records["arrays"].items()}


def _reply(message: Message, arrays: dict[str, Floats], metrics: dict[str, int | float]) -> Message:
    record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    return Message(RecordDict({"arrays": record, "metrics": MetricRecord(dict(metrics))}), reply_to=message)


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in str(value).split(",") if name)
