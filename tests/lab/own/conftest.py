"""A folder written from the template, edited line by line, and the checker's process for all tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from belmont.ehr.synthetic import coded_tables, generate_population
from belmont.federated.executor.limits import Limits
from belmont.lab.models import OwnModel
from belmont.lab.own.subject import Subject
from belmont.lab.own.templates import write_template
from belmont.lab.own.watched import WatchedRunner

FEATURES, OUTCOME = ("age", "hba1c", "smoking=current"), "cvd_event"
LIMITS = Limits(wall_seconds=8.0, cpu_seconds=6, memory_bytes=2 << 30)
TRAIN = "    risk = predictions(x, model)\n"
"""A line of the template's ``train``, after the rows were read."""


class Written:
    """The template in a folder, which can be changed."""

    def __init__(self, folder: Path) -> None:
        write_template(folder)
        self.path = folder
        self.app = folder / "my_model" / "client_app.py"
        self.side = folder / "my_model" / "model.py"

    def edit(self, old: str, new: str, file: Path | None = None) -> "Written":
        path = file or self.app
        text = path.read_text()
        assert text.count(old) == 1, old
        path.write_text(text.replace(old, new))
        return self

    def before_training(self, code: str) -> "Written":
        """``code`` runs in ``train``, with the rows as ``data``, ``x`` and ``y``."""
        lines = "".join(f"    {line}\n" for line in code.strip().split("\n"))
        return self.edit(TRAIN, lines + TRAIN)

    def model(self, **choices: Any) -> OwnModel:
        return OwnModel(self.path, FEATURES, OUTCOME, **choices)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "my_model")


@pytest.fixture(scope="session")
def hospitals() -> list[Any]:
    """Three small hospitals' tables."""
    return list(coded_tables(generate_population(3, 360, 7)))


@pytest.fixture(scope="session")
def runner() -> Iterator[WatchedRunner]:
    made = WatchedRunner(LIMITS)
    yield made
    made.close()


@pytest.fixture(scope="session")
def other_runner() -> Iterator[WatchedRunner]:
    made = WatchedRunner(LIMITS, seed=1)
    yield made
    made.close()


@pytest.fixture
def subject(hospitals: list[Any], runner: WatchedRunner) -> Callable[[OwnModel], Subject]:
    """A model as the checker takes it."""

    def made(model: OwnModel) -> Subject:
        return Subject(
            bundle=model.bundle,
            config=model.config,
            model=model.initial(),
            combine=model.combine(),
            features=tuple(model.features),
            outcome=model.outcome,
            tables=hospitals,
            min_cohort=20,
            runner=runner,
            holdout=model.holdout,
        )

    return made
