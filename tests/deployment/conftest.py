"""Commands of ours as processes, and one consortium that ``belmont up`` runs for the whole folder."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Belmont = Callable[..., "subprocess.CompletedProcess[str]"]


def run_belmont(*arguments: str, timeout: float = 300) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "belmont.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="session")
def belmont() -> Belmont:
    return run_belmont


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a consortium of four hospitals whose processes run."""
    home = tmp_path_factory.mktemp("up") / "consortium"
    done = run_belmont("up", "--hospitals", "4", "--patients", "4000", "--seed", "7", "--home", str(home))
    assert done.returncode == 0, done.stderr
    assert f'Consortium.deployed("{home}")' in done.stdout
    yield home
    done = run_belmont("down", "--home", str(home))
    assert done.returncode == 0, done.stderr
    left = [line for line in _commands() if str(home) in line]
    assert left == []


@pytest.fixture
def states(up: Path) -> Callable[[], dict[str, str]]:
    """What ``belmont status`` says of each process."""

    def asked() -> dict[str, str]:
        done = run_belmont("status", "--home", str(up), "--json")
        found: dict[str, Any] = json.loads(done.stdout)
        said = {row["name"]: row["state"] for row in found["processes"]}
        assert done.returncode == (0 if set(said.values()) <= {"running", "connected"} else 1)
        return said

    return asked


def _commands() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in found if "belmont.cli" in line]
