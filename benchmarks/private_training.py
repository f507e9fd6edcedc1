"""AUC on fresh synthetic patients of the shipped study with noise, beside pooled rows and the truth.

    python -m benchmarks.private_training            a table
    python -m benchmarks.private_training --json     one JSON object

Four hospitals with 4,000 patients together (those who consent, some 3,900), as in the demonstration. Each hospital cuts
its rows' gradients, adds them up and adds its noise, by the code that a node runs; nothing is sent, and no chain is
asked. ``auc`` are the mean, the lowest and the highest of the runs at each epsilon (delta 10^-6, for each hospital's
dataset, all rounds together); ``rho_per_round`` is in millionths.
"""

import json
import sys
from typing import Any

import numpy as np

from belmont.ehr.synthetic import coded_tables, generate_population
from belmont.federated.models.combine import ROWS_METRIC, Update
from belmont.federated.models.glm import COEFFICIENTS
from belmont.federated.node.design import design
from belmont.lab.home import SyntheticSource
from belmont.lab.models import LogisticRegression
from belmont.lab.yardstick import Yardstick
from benchmarks import options

HOSPITALS, PATIENTS, SEED = 4, 4_000, 7
EPSILONS = (1.0, 3.0, 5.0, 10.0)
ROUNDS = 12


def _trained(model: LogisticRegression, parts: list[Any], rounds: int) -> Any:
    assert model.plan is not None
    weights, combine = model.initial(), model.combine()
    rows = float(sum(len(part.outcome) for part in parts))
    for _ in range(rounds):
        total = np.zeros(len(model.names), np.int64)
        for part in parts:
            risk = 0.5 * (1 + np.tanh(0.5 * (part.design @ weights[COEFFICIENTS])))
            total += model.plan.release({"gradient": part.design * (risk - part.outcome)[:, None]})
        gradient = total / 2.0**model.plan.settings.fraction_bits
        weights = combine(weights, [Update({"gradient": gradient}, {ROWS_METRIC: rows})])
    return weights


def run(quick: bool = False) -> dict[str, Any]:
    """Train at every epsilon; ``quick`` takes three runs of each in place of twenty."""
    tables = coded_tables(generate_population(HOSPITALS, PATIENTS, SEED))
    yardstick, exact = Yardstick(SyntheticSource(HOSPITALS, PATIENTS, SEED), tables), LogisticRegression.default()
    parts = [design(table, exact.features, exact.outcome) for table in tables]
    figures: dict[str, Any] = {
        "rows": sum(table.rows for table in tables),
        "auc_true_risk": round(yardstick.auc_true_risk(exact), 4),
        "auc_pooled": round(yardstick.auc(exact, yardstick.pooled(exact, {})), 4),
    }
    for epsilon in EPSILONS:
        model = exact.with_noise(epsilon=epsilon, rounds=ROUNDS)
        aucs = [yardstick.auc(model, _trained(model, parts, ROUNDS)) for _ in range(3 if quick else 20)]
        figures[f"epsilon_{epsilon:g}"] = {
            "rho_per_round": model.rho_per_round,
            "auc": round(float(np.mean(aucs)), 4),
            "lowest": round(min(aucs), 4),
            "highest": round(max(aucs), 4),
        }
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Prints what ``run`` gives."""
    asked = options.parse("private_training", __doc__, "three runs at each epsilon", arguments)
    figures = run(quick=asked.quick)
    if asked.json:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        print(f"{name:16} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
