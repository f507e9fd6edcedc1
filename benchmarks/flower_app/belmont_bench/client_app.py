"""Sums of one Newton step over 5,000 generated rows, or the model as it came."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()
ROWS = 5_000


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer with gradient and Hessian, or with the model."""
    model = message.content.array_records["arrays"]["coefficients"].numpy()
    if context.run_config["echo"]:
        arrays = {"coefficients": Array(model)}
    else:
        rng = np.random.default_rng(context.node_id % 2**32)
        x, y = rng.standard_normal((ROWS, len(model))), rng.integers(0, 2, ROWS).astype(float)
        risk = 0.5 * (1.0 + np.tanh(0.5 * (x @ model)))
        hessian = np.ascontiguousarray((x * (risk * (1.0 - risk))[:, None]).T @ x)
        arrays = {"gradient": Array(x.T @ (risk - y)), "hessian": Array(hessian)}
    metrics = MetricRecord({"num-examples": ROWS})
    return Message(RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics}), reply_to=message)
