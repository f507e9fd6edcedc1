"""Runs a study's code in the node's own process: for notebooks and synthetic data.

Nothing confines the code. It can read the node's files, environment and keys, open sockets, change what later tasks
run, and run for ever. A hospital uses `belmont.federated.executor.isolated`.

Tasks of one process run one at a time. NumPy reads an array's header with Python's parser, whose depth counter the
threads of an interpreter share until Python 3.13: two that parse at once fail at random with a `SystemError`.
"""

import threading
from typing import Any

from belmont.federated.executor.compute import compute
from belmont.federated.executor.protocol import Outcome, Task
from belmont.federated.table import NodeTable

_ONE_AT_A_TIME = threading.Lock()


class InProcessRunner:
    """See the module: nothing is confined. What was made of the newest table is kept for the next round."""

    def __init__(self) -> None:
        self._table: NodeTable | None = None
        self._made: dict[object, Any] = {}

    def run(self, task: Task) -> Outcome:
        """Run one task here."""
        with _ONE_AT_A_TIME:
            if task.table is not self._table:
                self._table, self._made = task.table, {}
            return compute(task, self._made)

    def close(self) -> None:
        """There is nothing to end."""

    def __repr__(self) -> str:
        return "InProcessRunner(the study's code shares the node's process: for development and synthetic data)"
