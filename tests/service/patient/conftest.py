"""A hospital with two patients who have accounts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.patient.scenes import Clinic


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """One for all tests that change nothing but files."""
    clinic = Clinic(tmp_path_factory.mktemp("clinic") / "home")
    clinic.files.close()
    return clinic


@pytest.fixture
def clinic(made: Clinic, tmp_path: Path) -> Iterator[Clinic]:
    """A copy of its files."""
    copied = made.copy(tmp_path / "home")
    yield copied
    copied.files.close()


@pytest.fixture
def own_clinic(tmp_path: Path) -> Iterator[Clinic]:
    """One of its own, for tests that change what stands on the chain."""
    clinic = Clinic(tmp_path / "home")
    yield clinic
    clinic.files.close()
