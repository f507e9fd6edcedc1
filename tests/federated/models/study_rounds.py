"""Hospitals that are plain arrays, and rounds of a study on them, as the networks' tests need them."""

from collections.abc import Sequence

import numpy as np

from belmont.federated.executor.compute import compute
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.executor.protocol import Answer, Task
from belmont.federated.hashes import code_hash
from belmont.federated.models.combine import Update
from belmont.federated.secagg.settings import read_secure_sum

FEATURES = ("x0", "x1", "x2")
OUTCOME = "y"


def table(x, y, codes=None):
    """A hospital of rows x (n, p) and outcomes y (n,), with reference values 0 and 1."""
    columns = {f"x{k}": x[:, k] for k in range(x.shape[1])} | {OUTCOME: np.asarray(y, np.float64)}
    observed = {name: np.isfinite(values) for name, values in columns.items()}
    known = {name: np.nan_to_num(np.rint(100 * values) + 1000).astype(np.uint16) for name, values in columns.items()}
    return ArrayTable(
        len(x),
        {name: (known[name], observed[name], values) for name, values in columns.items()},
        dict.fromkeys(columns, (0.0, 1.0, 60_000)),
    )


def drawn(seed, sizes=(90, 41, 64), shifts=(0.0, 0.6, -0.5)):
    """Rows and outcomes (0 or 1) of hospitals whose patients differ."""
    draw, found = np.random.default_rng(seed), []
    for size, shift in zip(sizes, shifts, strict=True):
        x = draw.normal(shift, 1.0, (size, len(FEATURES)))
        found.append((x, (x @ [1.0, -1.0, 0.5] + x[:, 0] * x[:, 1] + draw.logistic(size=size) > 0).astype(np.float64)))
    return found


def answer(bundle, config, model, n, hospital, **fields):
    """What one hospital's code gives in round n."""
    choices = {"min_cohort": 1, "smallest_cell": 1} | fields
    return compute(Task(bundle, code_hash(bundle), config, model, 7, n, 1, hospital, **choices))


def rounds(bundle, config, model, combine, tables: Sequence[ArrayTable], count, secure=False):
    """The model after so many rounds, and each round's mean loss."""
    losses, layout = [], read_secure_sum(config)
    for n in range(1, count + 1):
        updates = []
        for hospital in tables:
            found = answer(bundle, config, model, n, hospital)
            assert isinstance(found, Answer), found
            updates.append(Update(found.arrays, found.metrics))
        if secure:
            total = np.sum([layout.encode(each.arrays, each.metrics, len(tables)) for each in updates], axis=0)
            updates = [Update(*layout.decode(total))]
        losses.append(sum(u.metrics["loss"] * u.rows for u in updates) / sum(u.rows for u in updates))
        model = combine(model, updates)
    return model, losses
