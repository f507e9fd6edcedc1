"""Seconds and rounds to the pooled result, beside scikit-learn on pooled rows and Flower's own example, in one run.

    python -m benchmarks.models            a table
    python -m benchmarks.models --json     one JSON object

Four hospitals with 4,000 synthetic patients together. ``belmont``: rounds under a permit with secure sums, real nodes
with gate and ledger in this process, registry in memory, until the model says that it has ended, or (where training has
no end of its own) until its AUC on fresh patients is within 0.001 of the peer's. ``sklearn``: the peer fitted to all
rows in one place, which no study may do. ``flower``: Flower's quickstart for scikit-learn (each client takes one step
of lbfgs from the mean of all, ``flwr.serverapp.strategy.FedAvg``) over the same messages, without gate, chain or masks.

``seconds`` are of training alone; ``times_sklearn`` is their ratio; ``difference`` is the largest of a coefficient.
"""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg as FlowerFedAvg
from flwr.supercore.task_identity import TaskIdentity
from sklearn.ensemble import HistGradientBoostingClassifier as SklearnBoosting
from sklearn.linear_model import LinearRegression as SklearnLinear
from sklearn.linear_model import LogisticRegression as SklearnLogistic
from sklearn.neural_network import MLPClassifier as SklearnMLP

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.federated.grid.in_process import InProcessGrid
from belmont.federated.models.strategies import FedAdam, FedAvg, Scaffold
from belmont.federated.models.training import Training
from belmont.federated.node.design import TrainingData, design
from belmont.lab.home import SyntheticSource
from belmont.lab.metrics import auc
from belmont.lab.models import (
    HistGradientBoostingClassifier,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    StudyModel,
)
from belmont.lab.models.references import References
from belmont.lab.yardstick import Yardstick
from benchmarks import options
from benchmarks.parties import HOSPITALS, SEED, features, parties, tables

PATIENTS = 4_000
OUTCOME = "cvd_event"
WITHIN = 0.001
MOST_ROUNDS = 200


def _data(hospitals: list[CodedTable], names: tuple[str, ...], outcome: str) -> TrainingData:
    parts = [design(table, names, outcome) for table in hospitals]
    rows, labels = np.vstack([each.design for each in parts]), np.concatenate([each.outcome for each in parts])
    return TrainingData(rows, labels, parts[0].columns)


def _gated(
    model: StudyModel, hospitals: list[CodedTable], is_good: Callable[[StudyModel], bool] | None = None
) -> dict[str, Any]:
    """Train until the end, or until it is good."""
    with parties(hospitals, MOST_ROUNDS, 1, on_chain=False, bundle=model.bundle, config=model.config) as made:
        grid = InProcessGrid(made.nodes)
        grid.deliver(made.bundle)
        training = Training(
            made.registry,
            grid,
            made.permit_id,
            config=made.config,
            model=model.start(),
            combine=model.step(),
            participants=made.participants,
        )
        dictionary = References.of_dictionary(Dictionary.builtin())
        seconds, rounds, reached = 0.0, 0, False
        while rounds < MOST_ROUNDS and not reached:
            before = training.model
            started = time.perf_counter()
            training.round()
            seconds += time.perf_counter() - started
            rounds += 1
            model.adopt(training.model, training.updates, dictionary)
            finished = model.is_finished(before, training.model)
            reached = finished if is_good is None else is_good(model)
            if finished and not reached:
                break
    return {"rounds": rounds, "seconds": round(seconds, 3), "reached": reached}


def _timed(fit: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    fitted = fit()
    return fitted, time.perf_counter() - started


def _compared(found: dict[str, Any], seconds: float, **more: float) -> dict[str, Any]:
    return found | {
        "sklearn_seconds": round(seconds, 4),
        "times_sklearn": round(found["seconds"] / seconds, 2),
        **more,
    }


def logistic(hospitals: list[CodedTable]) -> dict[str, Any]:
    data = _data(hospitals, features(), OUTCOME)
    peer, seconds = _timed(
        lambda: SklearnLogistic(C=np.inf, tol=1e-10, max_iter=1_000).fit(data.design[:, 1:], data.outcome)
    )
    model = LogisticRegression(features(), OUTCOME, ridge=0.0)
    found = _gated(model, hospitals)
    ours = model.arrays_["coefficients"]
    difference = float(np.abs(ours - np.concatenate([peer.intercept_, peer.coef_[0]])).max())
    return _compared(found, seconds, difference=difference)


def linear(hospitals: list[CodedTable]) -> dict[str, Any]:
    names = tuple(name for name in features() if name != "systolic")
    data = _data(hospitals, names, "systolic")
    peer, seconds = _timed(lambda: SklearnLinear().fit(data.design[:, 1:], data.outcome))
    model = LinearRegression(names, "systolic")
    found = _gated(model, hospitals)
    ours = model.arrays_["coefficients"]
    return _compared(found, seconds, difference=float(np.abs(ours - [peer.intercept_, *peer.coef_]).max()))


def learned(
    model: StudyModel, hospitals: list[CodedTable], peer: Any, fresh: CodedTable, *, on_codes: bool = False
) -> dict[str, Any]:
    """A model that is compared by its AUC on fresh patients."""
    data, there = _data(hospitals, features(), OUTCOME), design(fresh, features(), OUTCOME)
    fitted, seconds = _timed(lambda: peer.fit(data.design[:, 1:], data.outcome))
    goal = auc(fitted.predict_proba(there.design[:, 1:])[:, 1], there.outcome)

    def score(trained: StudyModel) -> float:
        risk = trained.predict_values(fresh) if on_codes else trained.predictions(there.design, trained.arrays_)
        return auc(np.asarray(risk).reshape(len(there.outcome), -1)[:, -1], there.outcome)

    found = _gated(model, hospitals, lambda trained: score(trained) >= goal - WITHIN)
    return _compared(found, seconds, auc=round(score(model), 4), sklearn_auc=round(goal, 4))


class QuickstartNode:
    """One client of Flower's quickstart for scikit-learn: one step of lbfgs from what the server sent."""

    def __init__(self, node_id: int, data: TrainingData) -> None:
        self.node_id = node_id
        self._model = SklearnLogistic(max_iter=1, warm_start=True)
        self._app = ClientApp()

        @self._app.train()
        def train(message: Message, context: Context) -> Message:
            w = message.content.array_records["arrays"]["w"].numpy()
            self._model.coef_, self._model.intercept_ = w[None, 1:].copy(), w[:1].copy()
            self._model.classes_ = np.array([0.0, 1.0])
            self._model.fit(data.design[:, 1:], data.outcome)
            found = np.concatenate([self._model.intercept_, self._model.coef_[0]])
            metrics = MetricRecord({"num-examples": len(data.outcome)})
            record = {"arrays": ArrayRecord({"w": Array(found)}), "metrics": metrics}
            return Message(RecordDict(record), reply_to=message)

    def deliver(self, run_id: int, bundle: bytes) -> None:
        """Its code is here."""

    def handle(self, message: Message) -> Message:
        """Train."""
        return self._app(message, Context(1, self.node_id, {}, RecordDict(), {}))


def flower(hospitals: list[CodedTable], fresh: CodedTable) -> dict[str, Any]:
    """Flower's example, until its AUC is within 0.001 of the pooled model's."""
    import warnings

    warnings.filterwarnings("ignore")
    logging.getLogger("flwr").setLevel(logging.ERROR)
    data, there = _data(hospitals, features(), OUTCOME), design(fresh, features(), OUTCOME)
    peer, seconds = _timed(lambda: SklearnLogistic().fit(data.design[:, 1:], data.outcome))
    goal = auc(peer.predict_proba(there.design[:, 1:])[:, 1], there.outcome)
    nodes = [QuickstartNode(k + 2, design(table, features(), OUTCOME)) for k, table in enumerate(hospitals)]
    grid = InProcessGrid(nodes)
    TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, 1  # as in a process that Flower started
    strategy = FlowerFedAvg(
        fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=HOSPITALS, min_available_nodes=HOSPITALS
    )
    w, spent, rounds, reached = np.zeros(len(features()) + 1), 0.0, 0, False
    while rounds < MOST_ROUNDS and not reached:
        started = time.perf_counter()
        result = strategy.start(grid, ArrayRecord({"w": Array(w)}), num_rounds=1)
        spent += time.perf_counter() - started
        w, rounds = result.arrays["w"].numpy(), rounds + 1
        reached = auc(there.design @ w, there.outcome) >= goal - WITHIN
    found = {"rounds": rounds, "seconds": round(spent, 3), "reached": reached}
    difference = float(np.abs(w - np.concatenate([peer.intercept_, peer.coef_[0]])).max())
    return _compared(found, seconds, auc=round(auc(there.design @ w, there.outcome), 4), difference=difference)


def run(quick: bool = False) -> dict[str, Any]:
    """Every model once; ``quick`` with a quarter of the patients."""
    patients = PATIENTS // 4 if quick else PATIENTS
    hospitals = tables(patients)
    fresh = Yardstick(SyntheticSource(HOSPITALS, patients, SEED), hospitals).fresh_table
    network = {"hidden": (16,), "learning_rate": 0.05, "batch_size": 32, "epochs": 1, "l2": 0.03}
    peer = SklearnMLP((16,), alpha=1.0, batch_size=32, max_iter=60, random_state=0)  # the best of a small grid
    figures: dict[str, Any] = {
        "rows": sum(table.rows for table in hospitals),
        "logistic": logistic(hospitals),
        "linear": linear(hospitals),
        "flower_quickstart_logistic": flower(hospitals, fresh),
    }
    for name, strategy in (("fedavg", FedAvg()), ("fedadam", FedAdam(learning_rate=0.05)), ("scaffold", Scaffold())):
        model = MLPClassifier(features(), OUTCOME, strategy=strategy, **network)
        figures[f"network_{name}"] = learned(model, hospitals, peer, fresh)
    trees = HistGradientBoostingClassifier(features(), OUTCOME, trees=50, max_depth=3, dictionary=Dictionary.builtin())
    boosted = SklearnBoosting(max_iter=50, max_depth=3, random_state=0)
    figures["trees"] = learned(trees, hospitals, boosted, fresh, on_codes=True)
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Prints what ``run`` gives."""
    asked = options.parse("models", __doc__, "a quarter of the patients", arguments)
    figures = run(quick=asked.quick)
    if asked.json:
        print(json.dumps(figures))
        return 0
    import pandas as pd

    print(f"{figures.pop('rows'):,} rows at {HOSPITALS} hospitals")
    print(pd.DataFrame.from_dict(figures, orient="index").to_string())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
