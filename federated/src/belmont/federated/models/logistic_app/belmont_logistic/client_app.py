"""One Newton step's ingredients from one hospital: gradient and Hessian of the log-likelihood, summed over its rows.

Summed over hospitals they are exactly those of the pooled rows, so that the federated model is the pooled one, however
much the hospitals differ (Wu et al., J Am Med Inform Assoc 19:758, 2012; DataSHIELD fits its models the same way).

Where the configuration asks for noise by row, the answer is each row's own gradient, computed from that row and the
model alone, so that the hospital can cut each, add them up and add noise (docs/differential_privacy.md). It has no
metrics.
"""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from belmont.federated.node.data import training_data

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer with ``gradient`` (p,), ``hessian`` (p, p), the number of rows and the mean negative log-likelihood.

    By row: with ``gradient`` (rows, p).
    """
    config = context.run_config
    data = training_data(
        context, _names(config["features"]), str(config["outcome"]), _names(config["missing-indicators"])
    )
    x, y = data.design, data.outcome
    linear = x @ message.content.array_records["arrays"]["coefficients"].numpy()
    risk = 0.5 * (1.0 + np.tanh(0.5 * linear))
    if config.get("belmont-clipping") == "example":
        by_row = {"gradient": Array(x * (risk - y)[:, None])}
        return Message(RecordDict({"arrays": ArrayRecord(by_row), "metrics": MetricRecord()}), reply_to=message)
    arrays = {
        "gradient": Array(x.T @ (risk - y)),
        "hessian": Array(np.ascontiguousarray((x * (risk * (1.0 - risk))[:, None]).T @ x)),
    }
    loss = float(np.mean(np.logaddexp(0.0, linear) - y * linear)) if len(y) else 0.0
    metrics = MetricRecord({"num-examples": len(y), "loss": loss})
    return Message(RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics}), reply_to=message)


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in str(value).split(",") if name)
