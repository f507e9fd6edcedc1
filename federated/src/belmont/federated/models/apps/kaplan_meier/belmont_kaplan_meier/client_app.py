"""Events and withdrawals of one hospital, by group and cell of a public grid of times.

Their sums over hospitals are all that Kaplan and Meier's estimate (J Am Stat Assoc 53:457, 1958), Greenwood's variance
and the log-rank test need.

Where the configuration asks for noise by row, the answer is each row's own contribution, a single 1, so that the
hospital can add them up and add noise (docs/differential_privacy.md).
"""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from belmont.federated.node.survival import departures

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer with ``leaving`` (groups, cells, 2): how many leave without an event, and with one.

    By row: with ``leaving`` (rows, groups, cells, 2).
    """
    config = context.run_config
    cuts, groups = tuple(float(each) for each in _names(config["cuts"])), _names(config["by"])
    found = departures(
        context,
        str(config["duration"]),
        str(config["outcome"]),
        cuts,
        groups,
        merge=config["small-cells"] == "merge",
        keep=(float(config.get("holdout", 0.0)), 1.0),
    )
    shape = max(1, len(groups)), len(cuts), 2
    place = (found.group * len(cuts) + found.cell) * 2 + found.event
    if config.get("belmont-clipping") == "example":
        by_row = np.zeros((len(place), *shape), np.float32)
        by_row.reshape(len(place), -1)[np.arange(len(place)), place] = 1.0
        return _reply(message, by_row, {})
    counts = np.bincount(place, minlength=int(np.prod(shape))).reshape(shape)
    return _reply(message, counts.astype(np.float64), {"num-examples": len(place)})


def _reply(message: Message, leaving: np.ndarray, metrics: dict[str, float]) -> Message:
    record = ArrayRecord({"leaving": Array(leaving)})
    return Message(RecordDict({"arrays": record, "metrics": MetricRecord(dict(metrics))}), reply_to=message)


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in str(value).split(",") if name)
