"""Milliseconds for one federated round, four hospitals, logistic regression by Newton steps; all in one run.

    python -m benchmarks.grid            a table
    python -m benchmarks.grid --json     one JSON object

plain       numpy in one loop, design matrices made once: the limit
grid        Flower messages through the in-process grid, nodes that only run the study's code
gated       the same with gate and ledger, registry in memory; such a ledger is not waited for on the disk
chain       the same with the registry on a chain of its own process: each round is opened, read 8 times and recorded
ray         Flower's Ray simulation of the same computation, in a process of its own; starting it is not counted

Medians; ``times_plain`` is the ratio to plain numpy. With the extra ``bench``, linear algebra has one thread for each
hospital; without it, it takes as many as it likes, and ``ray`` says why it is missing.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flwr.app import Context, Message, RecordDict

from belmont.ehr.coded import CodedTable
from belmont.federated.errors import FederatedError
from belmont.federated.grid.in_process import InProcessGrid
from belmont.federated.grid.records import read_arrays, read_metrics
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Update
from belmont.federated.models.glm import initial_model, newton
from belmont.federated.models.training import Training
from belmont.federated.node.bundle import LoadedApp
from belmont.federated.node.data import NODE_CONFIG_KEY, offered
from belmont.federated.node.design import TrainingData, design
from belmont.federated.node.requests import Claim, round_content
from benchmarks import options
from benchmarks.parties import HOSPITALS, Parties, features, missing_indicators, parties, tables

RAY_LIMIT_SECONDS = 240


def local_update(data: TrainingData, model: Arrays) -> Update:
    """The shipped study's computation at one hospital, without Flower."""
    import numpy as np

    x, y = data.design, data.outcome
    linear = x @ model["coefficients"]
    risk = 0.5 * (1.0 + np.tanh(0.5 * linear))
    arrays: Arrays = {"gradient": x.T @ (risk - y), "hessian": (x * (risk * (1.0 - risk))[:, None]).T @ x}
    loss = float(np.mean(np.logaddexp(0.0, linear) - y * linear))
    return Update(arrays, {"num-examples": len(y), "loss": loss})


class OpenNode:
    """A node without a gate: it runs the study's code on whatever comes."""

    def __init__(self, node_id: int, table: CodedTable, bundle: bytes, config: dict[str, Any]) -> None:
        self.node_id = node_id
        self._table, self._config = table, config
        self._app = LoadedApp(bundle).app

    def deliver(self, run_id: int, bundle: bytes) -> None:
        """Nothing is delivered: the code is loaded already."""

    def handle(self, message: Message) -> Message:
        """Run the code."""
        with offered(self._table) as (ticket, _):
            context = Context(1, self.node_id, {NODE_CONFIG_KEY: ticket}, RecordDict(), dict(self._config))
            return self._app(message, context)


def _milliseconds(rounds: int, one_round: Callable[[], object]) -> list[float]:
    one_round()  # warm
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        one_round()
        times.append(1_000 * (time.perf_counter() - started))
    return times


def plain(hospitals: list[CodedTable], rounds: int) -> list[float]:
    data = [design(table, features(), "cvd_event", missing_indicators()) for table in hospitals]
    step, model = newton(), initial_model(features(), missing_indicators())

    def one_round() -> None:
        nonlocal model
        model = step(model, [local_update(each, model) for each in data])

    return _milliseconds(rounds, one_round)


def ungated(hospitals: list[CodedTable], rounds: int, made: Parties) -> list[float]:
    nodes = [OpenNode(i + 2, table, made.bundle, made.config) for i, table in enumerate(hospitals)]
    grid = InProcessGrid(nodes)
    step, model = newton(), initial_model(features(), missing_indicators())
    claim = Claim(made.permit_id, 1, 1, made.participants)

    def one_round() -> None:
        nonlocal model
        content = round_content(claim, made.config, model)
        replies = grid.send_and_receive([grid.create_message(content, "train", n.node_id, "1") for n in nodes])
        failed = [reply.error.reason for reply in replies if reply.has_error()]
        if failed:
            raise FederatedError(f"a node did not answer: {failed[0]}")
        contents = [reply.content for reply in replies]
        updates = [
            Update(read_arrays(c.array_records["arrays"]), read_metrics(c.metric_records["metrics"])) for c in contents
        ]
        model = step(model, updates)

    return _milliseconds(rounds, one_round)


def gated(rounds: int, made: Parties) -> list[float]:
    grid = InProcessGrid(made.nodes)
    grid.deliver(made.bundle)
    training = Training(
        made.registry,
        grid,
        made.permit_id,
        config=made.config,
        model=initial_model(features(), missing_indicators()),
        combine=newton(),
        participants=made.participants,
    )
    return _milliseconds(rounds, training.round)


def ray(patients: int, rounds: int) -> dict[str, Any]:
    """Flower's simulation in a child process; what it could not do is said in ``skipped``."""
    if find_spec("ray") is None:
        return {"skipped": "Ray is not installed: pip install -c constraints.txt -e '.[bench]'"}
    command = [sys.executable, "-m", "benchmarks.ray_simulation", str(patients), str(rounds)]
    paths = [str(Path(__file__).parent.parent), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=RAY_LIMIT_SECONDS,
            check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        return {"skipped": f"not done after {RAY_LIMIT_SECONDS} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines or not lines[-1].startswith("{"):
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        return {"skipped": " ".join(said[-5:])[-500:] or "no output"}
    result: dict[str, Any] = json.loads(lines[-1])
    return result | {"whole_seconds": round(time.perf_counter() - started, 1)}


def run(quick: bool = False) -> dict[str, Any]:
    """Measure everything; ``quick`` takes fewer rounds and patients."""
    with _one_thread_of_linear_algebra():
        return _run(quick)


def _one_thread_of_linear_algebra() -> AbstractContextManager[object]:
    """A limit where the extra ``bench`` is installed, and nothing where it is not."""
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def _run(quick: bool) -> dict[str, Any]:
    patients, rounds = (2_000, 8) if quick else (20_000, 30)
    hospitals = tables(patients)
    out: dict[str, Any] = {"hospitals": HOSPITALS, "patients": patients, "rounds": rounds}
    out["parameters"] = 1 + len(features()) + len(missing_indicators())
    engines: dict[str, dict[str, Any]] = {"plain": _summary(plain(hospitals, rounds))}
    with parties(hospitals, rounds + 1, 1, on_chain=False) as made:
        engines["grid"] = _summary(ungated(hospitals, rounds, made))
        engines["gated"] = _summary(gated(rounds, made))
    with parties(hospitals, rounds + 1, 1, on_chain=True) as made:
        engines["chain"] = _summary(gated(rounds, made))
    engines["ray"] = ray(patients, rounds)
    limit = engines["plain"]["milliseconds"]
    for engine in engines.values():
        if "milliseconds" in engine:
            engine["times_plain"] = round(engine["milliseconds"] / limit, 1)
    return out | {"engines": engines}


def _summary(times: list[float]) -> dict[str, Any]:
    return {"milliseconds": round(statistics.median(times), 2), "slowest": round(max(times), 2)}


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    arguments = options.parse("grid", __doc__, "fewer rounds and patients", argv)
    result = run(arguments.quick)
    if arguments.json:
        print(json.dumps(result))
        return 0
    print(
        f"{result['hospitals']} hospitals, {result['patients']} patients, {result['parameters']} parameters, ms a round"
    )
    for name, engine in result["engines"].items():
        if "skipped" in engine:
            print(f"  {name:8} skipped: {engine['skipped']}")
        else:
            print(f"  {name:8} {engine['milliseconds']:9.2f}  {engine['times_plain']:7.1f} x plain")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
