"""Small studies, a small table, and the runners they run on."""

import os
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from belmont.federated.errors import NotIsolated
from belmont.federated.executor.in_process import InProcessRunner
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.probe import Property
from belmont.federated.executor.protocol import AppRunner, Task
from belmont.federated.hashes import code_hash

LIMITS = Limits(wall_seconds=20.0, cpu_seconds=10, memory_bytes=1 << 30, home_bytes=8 << 20, open_files=32, threads=8)
ALLOWED = () if os.geteuid() == 0 else (Property.OTHER_USER,)
"""What an ordinary user cannot have."""
ROWS = 120

HEAD = """
import contextlib, ctypes, gc, os, signal, socket, struct, sys, tempfile, threading, time
from pathlib import Path
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from belmont.federated.node.data import training_data

app = ClientApp()

def answer(message, arrays=None, **metrics):
    arrays = ArrayRecord({name: Array(each) for name, each in (arrays or {}).items()})
    return Message(RecordDict({"arrays": arrays, "metrics": MetricRecord(metrics)}), reply_to=message)

@app.train()
def train(message, context):
    config = context.run_config
"""


class HospitalTable:
    """Plain arrays, as a hospital's table gives them, pseudonyms among them."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.pseudonyms = np.arange(1, rows + 1, dtype=np.uint64)
        age = np.linspace(20, 90, rows)
        self._values = {"age": age, "ldl": np.where(np.arange(rows) % 10, age / 30, np.nan), "event": age % 2 // 1}
        self.columns = tuple(self._values)

    def select(self, rows: Any) -> Any:
        raise AssertionError("the node chose the rows already")

    def codes(self, column: str) -> Any:
        return np.nan_to_num(self._values[column] * 10, nan=0).astype(np.uint16)

    def observed(self, column: str) -> Any:
        return np.isfinite(self._values[column])

    def values(self, column: str) -> Any:
        return self._values[column].copy()

    def center(self, column: str) -> float:
        return {"age": 50.0, "ldl": 2.0}.get(column, 0.0)

    def scale(self, column: str) -> float:
        return {"age": 10.0}.get(column, 1.0)

    def width(self, column: str) -> int:
        return 1_000

    def levels(self, column: str) -> tuple[str, ...]:
        return ()


@pytest.fixture
def study(app_builder: Callable[..., bytes]) -> Callable[..., Task]:
    """A task whose app has this body; what else is given is its configuration, or a field of the task."""

    def build(body: str, config: Any = None, **fields: Any) -> Task:
        bundle = app_builder(HEAD + textwrap.indent(textwrap.dedent(body), "    "))
        given = {
            "bundle": bundle,
            "code_hash": code_hash(bundle),
            "config": config or {},
            "arrays": {"w": np.arange(3.0)},
            "permit_id": 7,
            "n": 2,
            "node_id": 9,
            "table": HospitalTable(ROWS),
            "min_cohort": 10,
            "smallest_cell": 5,
        }
        return Task(**(given | fields))

    return build


@pytest.fixture(scope="session")
def isolated() -> Iterator[AppRunner]:
    """What a hospital runs; tests of it are left out only where the machine cannot give it."""
    try:
        runner = IsolatedRunner(LIMITS, allow_weaker=ALLOWED)
    except NotIsolated as error:
        pytest.skip(str(error))
    yield runner
    runner.close()


@pytest.fixture
def in_process() -> AppRunner:
    return InProcessRunner()


@pytest.fixture(params=["in_process", "isolated"])
def runner(request: pytest.FixtureRequest) -> AppRunner:
    """Either: what a runner does is the same."""
    found: AppRunner = request.getfixturevalue(request.param)
    return found
