"""A small table, and choices over it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belmont.federated.profile.document import Profile, drawn
from belmont.federated.profile.tables import Choices, Groups
from belmont.registry.types import DatasetId, MicroRho

SMOKING = Groups("smoking", (0, 1, 2, 3), 3)
AGE = Groups("age", (1, 3), 5)
EVENT = Groups("event", (0, 1), 1)
RHO = MicroRho(24_355)
"""Epsilon 1 at delta 10^-6."""
PLAIN = Choices((SMOKING, AGE), None, RHO)
BY_EVENT = Choices((SMOKING, AGE), EVENT, RHO)
CONSORTIUM = "eip155:1337:0x" + "ab" * 20
DATASET = DatasetId(b"\x07" * 32)
DICTIONARY = b"\x0d" * 32


@dataclass(frozen=True)
class Rows:
    """Codes of each column, and what `Choices` needs of a hospital's table beside them."""

    columns: dict[str, NDArray[np.uint16]]

    @property
    def rows(self) -> int:
        return len(self.columns["event"])

    def codes(self, column: str) -> NDArray[np.uint16]:
        return self.columns[column]


def rows_of(*patients: tuple[int, int, int]) -> Any:
    """A table of (smoking, age, event)."""
    codes = np.array(patients, np.uint16).reshape(-1, 3)
    return Rows({"smoking": codes[:, 0], "age": codes[:, 1], "event": codes[:, 2]})


def seeded(seed: int) -> Any:
    """Random bytes that are the same in every run: for tests alone."""
    return np.random.default_rng(seed).bytes


def profile_of(choices: Choices, table: Any, seed: int = 0, **changed: Any) -> Profile:
    about: dict[str, Any] = {
        "consortium": CONSORTIUM,
        "dataset_id": DATASET,
        "version": 1,
        "dictionary_hash": DICTIONARY,
        "spent": choices.plan.rho,
    }
    return drawn(choices, choices.release(table, seeded(seed)), **about | changed)
