"""One small consortium for the whole area: a real chain process, three hospitals, real nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from belmont.lab import Consortium
from belmont.lab.permit import Permit


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab") / "consortium"


@pytest.fixture(scope="session")
def consortium(home: Path) -> Iterator[Consortium]:
    with Consortium.local(hospitals=3, patients=450, seed=3, home=home) as made:
        yield made


@pytest.fixture
def permit(consortium: Consortium) -> Permit:
    """A fresh permit: 3 rounds, 3 queries, at least 3 hospitals with 10 patients each."""
    study = consortium.propose("A small study", rounds=3, queries=3, min_cohort=10)
    study.vote(*consortium.board[:2], approve=True, reason="small enough")
    study.accept(*consortium.hospitals)
    return study.permit()
