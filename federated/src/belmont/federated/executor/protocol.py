"""Where a study's code runs at a hospital: what it is given, and the only things that can come of it.

1. A runner compares the bundle's full SHA-256 with the permit's once more, itself, just before it loads it.
2. Only four things come of a task: arrays and metrics that were read strictly, "too small", "failed" and
   "stopped". Nothing of an exception leaves the hospital; a place for its own log is all that is kept of one.
3. A runner never raises for what the study's code does. NodeFault says that the hospital's machine could not run it.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.table import NodeTable

Kind: TypeAlias = Literal["train", "evaluate"]
"""Which of the app's functions runs; Flower's names of message types."""


@dataclass(frozen=True)
class Task:
    """One round of a study at one hospital. ``table`` holds the permitted rows and no other."""

    bundle: bytes
    code_hash: bytes
    """SHA-256 that the permit names, 32 bytes."""
    config: RunConfig
    arrays: Arrays
    permit_id: int
    n: int
    node_id: int
    table: NodeTable
    min_cohort: int
    smallest_cell: int
    noisy: bool = False
    """Whether noise is added to the arrays: numbers that are not finite do not stop them, and metrics are left out."""
    fractions: NDArray[np.float64] | None = None
    """In [0, 1), of each row's patient: who is kept apart for evaluation (`belmont.federated.node.data`)."""
    kind: Kind = "train"
    position: int = 0
    """Of this hospital among the round's participants, from 0."""


@dataclass(frozen=True)
class Answer:
    """What the code answered, read strictly: float32 or float64 arrays, finite numbers unless the task is noisy."""

    arrays: Arrays
    metrics: dict[str, float]


@dataclass(frozen=True)
class TooSmall:
    """The code asked for rows that are too few (`belmont.federated.node.data`); whatever it answered is dropped."""


@dataclass(frozen=True)
class Failed:
    """The code raised, ended, or answered what a node may not release. ``place`` is for the hospital's own log.

    ``error`` is for whoever runs own code on own rows (`belmont.federated.models.rehearsal`); no node reads it.
    """

    place: str
    error: BaseException | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Stopped:
    """The code was stopped at one of the hospital's limits. ``limit`` is for the hospital's own log."""

    limit: str


Computed: TypeAlias = Answer | TooSmall | Failed
"""What comes of code that was run to its end."""
Outcome: TypeAlias = Computed | Stopped


class AppRunner(Protocol):
    """Runs tasks, from several threads at once."""

    def run(self, task: Task) -> Outcome:
        """Run one task to its end. Raises NodeFault where this machine cannot run it."""

    def close(self) -> None:
        """End whatever the runner started. It runs nothing afterwards."""
