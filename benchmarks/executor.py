"""Milliseconds for one task of a study's code, by where it runs; all in one run, one after the other in turns.

    python -m benchmarks.executor [--json] [--quick]

in_process    the node's own process: nothing is confined, the limit
isolated      the hospital's own runner: a warm process forks one for each task, confined, and it is gone afterwards
fresh         a new Python interpreter for each task, which imports what it needs and is not confined: what Flower's own
              ``--isolation process`` starts for each message, without its polling

small   the shipped study, one Newton step over 2,000 rows and 12 columns
large   1,000,000 float64 parameters, which come back changed: 8 MB each way

Medians and the quickest; ``overhead`` is a median less that of the same work in process. ``start`` is the runner's own
start with the attacks on itself, once for each node.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from belmont.federated.errors import NotIsolated
from belmont.federated.executor.answer import HEAD, read_outcome
from belmont.federated.executor.in_process import InProcessRunner
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.executor.parcel import ArrayTable, packed
from belmont.federated.executor.probe import WAIVABLE
from belmont.federated.executor.protocol import Answer, Outcome, Task
from belmont.federated.executor.root import needed_view
from belmont.federated.hashes import code_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, initial_model
from belmont.federated.node.bundle import build_bundle
from benchmarks import options

ROWS, COLUMNS, PARAMETERS = 2_000, 12, 1_000_000
PYPROJECT = """
[project]
name = "halve"
version = "1.0.0"
license = "Apache-2.0"
dependencies = ["flwr>=1.41.0"]
[tool.flwr.app]
publisher = "belmont"
[tool.flwr.app.components]
serverapp = "halve.client_app:app"
clientapp = "halve.client_app:app"
"""
APP = """
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.train()
def train(message, context):
    halved = ArrayRecord({"w": Array(message.content["arrays"]["w"].numpy() / 2)})
    return Message(RecordDict({"arrays": halved, "metrics": MetricRecord({"num-examples": 1})}), reply_to=message)
"""
FRESH = """
import os, sys
sys.path += sys.argv[3:]
from belmont.federated.executor.answer import write_outcome
from belmont.federated.executor.compute import compute
from belmont.federated.executor.parcel import unpack
with os.fdopen(int(sys.argv[2]), "wb") as answer:
    for part in write_outcome(compute(unpack(int(sys.argv[1])))):
        answer.write(part)
"""


def small() -> Task:
    """The shipped study on a small table."""
    random = np.random.default_rng(1)
    names = [f"x{i}" for i in range(COLUMNS)]
    every = np.ones(ROWS, bool)
    columns = {name: (np.ones(ROWS, np.uint16), every, random.normal(size=ROWS)) for name in names}
    outcome = (np.arange(ROWS) % 2).astype(np.float64)
    columns["y"] = outcome.astype(np.uint16), every, outcome
    table = ArrayTable(ROWS, columns, dict.fromkeys(columns, (0.0, 1.0, 100)))
    bundle = shipped_bundle("glm")
    return Task(bundle, code_hash(bundle), glm_config(names, "y"), initial_model(names), 1, 1, 1, table, 100, 8)


def large() -> Task:
    """Many parameters, in and out."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "halve").mkdir()
        (Path(folder) / "halve/__init__.py").touch()
        (Path(folder) / "halve/client_app.py").write_text(APP)
        (Path(folder) / "pyproject.toml").write_text(PYPROJECT)
        bundle = build_bundle(Path(folder))
    arrays = {"w": np.random.default_rng(2).normal(size=PARAMETERS)}
    return replace(small(), bundle=bundle, code_hash=code_hash(bundle), config={}, arrays=arrays)


class FreshInterpreterRunner:
    """A new interpreter for each task."""

    def __init__(self) -> None:
        self._packages = needed_view().packages

    def run(self, task: Task) -> Outcome:
        """Run one task."""
        with packed(task) as parcel:
            reading, writing = os.pipe()
            command = [sys.executable, "-I", "-S", "-c", FRESH, str(parcel), str(writing), *self._packages]
            with subprocess.Popen(command, pass_fds=[parcel, writing], env={"OPENBLAS_NUM_THREADS": "1"}):
                os.close(writing)
                with os.fdopen(reading, "rb") as answer:
                    kind, length = HEAD.unpack(answer.read(HEAD.size))
                    return read_outcome(kind, answer.read(length))

    def close(self) -> None:
        """Nothing is left of any."""


def run(quick: bool = False) -> dict[str, Any]:
    """Milliseconds by task and runner."""
    started = time.perf_counter()
    try:
        isolated = IsolatedRunner()
    except NotIsolated:
        isolated = IsolatedRunner(allow_weaker=WAIVABLE)
    figures: dict[str, Any] = {
        "start": 1_000 * (time.perf_counter() - started),
        "isolation": str(isolated.isolation),
        "load_average": os.getloadavg()[0],
        "cores": os.cpu_count(),
    }
    runners: dict[str, Callable[[Task], Outcome]] = {
        "in_process": InProcessRunner().run,
        "isolated": isolated.run,
        "fresh": FreshInterpreterRunner().run,
    }
    for name, task in (("small", small()), ("large", large())):
        figures[name] = _in_turns(runners, task, turns=5 if quick else 40)
    isolated.close()
    return figures


def _in_turns(runners: dict[str, Callable[[Task], Outcome]], task: Task, turns: int) -> dict[str, Any]:
    times: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(turns + 1):
        for name, one in runners.items():
            if name == "fresh" and turn > max(3, turns // 8):
                continue
            started = time.perf_counter()
            outcome = one(task)
            times[name].append(1_000 * (time.perf_counter() - started))
            assert isinstance(outcome, Answer), outcome
    out: dict[str, Any] = {}
    for name, each in times.items():
        out[name] = {"median": statistics.median(each[1:]), "quickest": min(each[1:])}
    for name in ("isolated", "fresh"):
        out[name]["overhead"] = out[name]["median"] - out["in_process"]["median"]
    return out


def main() -> int:
    """Print a table, or one JSON object."""
    asked = options.parse("executor", __doc__, "fewer turns")
    figures = run(quick=asked.quick)
    if asked.json:
        print(json.dumps(figures))
        return 0
    for task in ("small", "large"):
        for runner, numbers in figures[task].items():
            words = "  ".join(f"{name} {value:7.1f}" for name, value in numbers.items())
            print(f"{task}  {runner:10}  {words}  ms")
    print(f"start {figures['start']:.0f} ms; {figures['isolation']}; load {figures['load_average']:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
