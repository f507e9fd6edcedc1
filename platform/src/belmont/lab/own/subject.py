"""What a check is of: a bundle with its configuration, the model so far, and hospitals made of rows that are here."""

import secrets
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from belmont.federated.executor.protocol import Kind, Task
from belmont.federated.hashes import Arrays, RunConfig, code_hash
from belmont.federated.models.combine import Combine
from belmont.federated.node.noise import read_noise
from belmont.federated.secagg.settings import SecureSum, read_secure_sum
from belmont.federated.table import NodeTable
from belmont.lab.own.watched import Trial, WatchedRunner


@dataclass
class Subject:
    """What is checked, and on which rows."""

    bundle: bytes
    config: RunConfig
    model: Arrays
    combine: Combine
    features: tuple[str, ...]
    outcome: str
    tables: list[NodeTable]
    min_cohort: int
    runner: WatchedRunner
    holdout: float = 0.0
    secure: SecureSum | None = field(init=False)
    numbers: int = field(default_factory=lambda: secrets.randbelow(1 << 30) + 1_000)
    """Where those of permit and nodes begin: another time in every check, so that code cannot know one by them."""

    def __post_init__(self) -> None:
        self.secure = read_secure_sum(self.config)
        self.noise = read_noise(self.config, self.secure)

    @property
    def is_noisy(self) -> bool:
        return self.noise is not None

    def task(
        self,
        table: NodeTable,
        *,
        kind: Kind = "train",
        node_id: int = 1,
        min_cohort: int = 1,
        smallest_cell: int = 1,
        fractions: NDArray[np.float64] | None = None,
    ) -> Task:
        """What a node would hand over for a table, in the first round."""
        return Task(
            bundle=self.bundle,
            code_hash=code_hash(self.bundle),
            config=self.config,
            arrays=self.model,
            permit_id=self.numbers,
            n=1,
            node_id=self.numbers + node_id,
            table=table,
            min_cohort=min_cohort,
            smallest_cell=smallest_cell,
            noisy=self.is_noisy,
            fractions=spread(table.rows) if fractions is None else fractions,
            kind=kind,
        )

    def run(self, table: NodeTable, runner: WatchedRunner | None = None, **choices: object) -> Trial:
        chosen = runner or self.runner
        chosen.run(self.task(table, **choices))  # type: ignore[arg-type]
        return chosen.trials[-1]


def spread(rows: int) -> NDArray[np.float64]:
    """Fractions of so many patients, each part of them as large as it says."""
    return ((np.arange(rows) * 0.6180339887) % 1.0).astype(np.float64)
