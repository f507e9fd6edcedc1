"""One Newton step's ingredients of Cox's model (J R Stat Soc B 34:187, 1972) from one hospital, summed over its rows.

Each row i has a weight w_i = exp(x_i b) and leaves at time t_i, with an event or without. At an event time with d
events, R are the sums over all who are still there and E over those with the event. Breslow's likelihood (Biometrics
30:89, 1974) has d equal terms, Efron's (J Am Stat Assoc 72:557, 1977) one for each l = 0 .. d - 1:

    D_l = R0 - l/d E0        m_l = (R1 - l/d E1) / D_l        with sums of w (0) and of w x (1)
    loss = sum log D_l - sum of x b over events
    gradient = sum m_l - sum of x over events        information = sum (second moment of x under D_l) - m_l m_l'

Without cut points, times are compared within this hospital only (a stratum of its own, with a baseline of its own), and
loss, gradient and information are sums over hospitals. With them, times are cells of that grid, the baseline is common,
and the hospital answers the sums that R and E are added up from over hospitals (WebDISCO: Lu et al., J Am Med Inform
Assoc 22:1212, 2015, who send them in the clear). Second moments then leave added up over all cells, with the factors of
the hazard that came with the model.

For Firth's penalty (Biometrika 80:27, 1993; Heinze and Schemper, Biometrics 57:114, 2001), under which estimates are
finite where the likelihood is monotone, the hospital adds its score, and the model has the inverse information.
"""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from belmont.federated.evaluation.hospital import evaluated_survival
from belmont.federated.node.survival import SurvivalData, survival_data

app = ClientApp()
Sums = dict[str, np.ndarray]


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer with loss, ``gradient`` (p,), ``information`` (p, p) and the number of events, or with sums by cell."""
    config = context.run_config
    model = {name: array.numpy() for name, array in message.content.array_records["arrays"].items()}
    cuts = tuple(float(each) for each in _names(config["cuts"]))
    data = survival_data(
        context,
        _names(config["features"]),
        str(config["duration"]),
        str(config["outcome"]),
        _names(config["missing-indicators"]),
        cuts=cuts,
        keep=(float(config.get("holdout", 0.0)), 1.0),
    )
    is_efron, rows = config["ties"] == "efron", len(data.event)
    linear = data.design @ model["coefficients"]
    if cuts:
        arrays = _by_cell(data, np.exp(linear), model["hazard"], len(cuts), is_efron)
    else:
        inverse = model["inverse"] if config["penalty"] == "firth" else None
        arrays, loss = _within(data, linear, is_efron, inverse)
    metrics = MetricRecord({"num-examples": rows} if cuts else {"num-examples": rows, "loss": loss / max(1, rows)})
    record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Answer with sums over patients who were kept apart, and over the others (`belmont.federated.evaluation`)."""
    coefficients = message.content.array_records["arrays"]["coefficients"].numpy()
    return evaluated_survival(message, context, lambda x: x[:, 1:] @ coefficients)


def _within(data: SurvivalData, linear: np.ndarray, is_efron: bool, inverse: np.ndarray | None) -> tuple[Sums, float]:
    """Cox's partial likelihood of this hospital's rows; zeros where nobody has an event."""
    x, event, size = data.design, data.event, data.design.shape[1]
    arrays = {
        "gradient": np.zeros(size),
        "information": np.zeros((size, size)),
        "events": np.array([1.0 * event.sum()]),
    }
    if inverse is not None:
        arrays["firth"] = np.zeros(size)
    if not event.any():
        return arrays, 0.0
    times = np.unique(data.duration[event])
    at = np.searchsorted(times, data.duration, side="right") - 1  # the last event time that the row is there at
    is_there = at >= 0
    x, event, linear, at = x[is_there], event[is_there], linear[is_there], at[is_there]
    shift = linear.max()
    w = np.exp(linear - shift)
    tied = np.where(event & is_efron, w, 0.0)
    events = np.bincount(at[event], minlength=len(times))
    k = np.repeat(np.arange(len(times)), events)  # one term for each event: its time, and its l / d
    f = (np.arange(len(k)) - np.repeat(np.cumsum(events) - events, events)) / events[k]

    def term(values: np.ndarray) -> np.ndarray:
        """R - l/d E of w * values, (terms, ...)."""
        factor = (slice(None), *(None for _ in values.shape[1:]))
        there = _sums(at, w[factor] * values, len(times))[::-1].cumsum(axis=0)[::-1]
        return np.asarray(there[k] - f[factor] * _sums(at, tied[factor] * values, len(times))[k])

    d = term(np.ones(len(w)))
    m = term(x) / d[:, None]
    hazard = np.cumsum(np.bincount(k, 1.0 / d))[at] - np.bincount(k, f / d)[at] * (tied > 0)
    data.hold(w * hazard)
    arrays["gradient"] = m.sum(axis=0) - x[event].sum(axis=0)
    arrays["information"] = (x * (w * hazard)[:, None]).T @ x - m.T @ m
    if inverse is not None:
        # Half the trace of inverse times the information's derivative, that is of third central moments.
        length = np.einsum("ij,jk,ik->i", x, inverse, x)
        data.hold(w * hazard * length)  # who sends the model chooses the inverse
        skew = term(length[:, None] * x) / d[:, None] - m * (term(length) / d)[:, None]
        c = term(x[:, :, None] * x[:, None, :]) / d[:, None, None] - m[:, :, None] * m[:, None, :]
        arrays["firth"] = 0.5 * (skew - 2.0 * np.einsum("kab,bc,kc->ka", c, inverse, m)).sum(axis=0)
    return arrays, float(np.log(d).sum() + shift * len(k) - linear[event].sum())


def _by_cell(data: SurvivalData, w: np.ndarray, hazard: np.ndarray, cells: int, is_efron: bool) -> Sums:
    """Sums over those who leave in each cell, for Efron's form apart for events; of second moments one sum."""
    x, kinds = data.design, 2 if is_efron else 1
    with_event = (data.event & is_efron).astype(np.int64)
    part = data.cell * kinds + with_event
    data.hold_parts(w, part)
    factor = w * (np.cumsum(hazard[0])[data.cell] - hazard[1][data.cell] * with_event)
    return {
        "events": np.bincount(data.cell[data.event], minlength=cells).astype(np.float64),
        "score": x[data.event].sum(axis=0),
        "weights": _sums(part, w, cells * kinds).reshape(cells, kinds),
        "moments": _sums(part, w[:, None] * x, cells * kinds).reshape(cells, kinds, x.shape[1]),
        "spread": np.ascontiguousarray((x * factor[:, None]).T @ x),
    }


def _sums(part: np.ndarray, values: np.ndarray, parts: int) -> np.ndarray:
    total = np.zeros((parts, *values.shape[1:]))
    np.add.at(total, part, values)
    return total


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in str(value).split(",") if name)
