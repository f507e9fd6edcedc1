"""What is measured of a peer, each of its steps in a child process of its own.

1. setup: circuit, reference string and keys, made in a temporary folder
2. prove: witness and proof, several times; processor time of all threads and of children, and the greatest memory
3. verify: must accept the true total and refuse another one
4. refuse: columns with one value out of range must not be provable

A peer that is not installed, or whose step dies, is `PeerUnavailable`. One that accepts what it should refuse, or the
other way round, is `PeerWrong`: then no figure is worth anything.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

THREADS = 1
"""Threads of a prover: one, so that wall time and processor time tell the same."""

LIMIT_SECONDS = 600
"""Longest a step may take."""

ROOT = Path(__file__).resolve().parents[2]


class PeerUnavailable(Exception):
    """The peer could not be run here; the message says why."""


class PeerWrong(Exception):
    """The peer accepted what is false or refused what is true."""


@dataclass(frozen=True)
class PeerFigures:
    """One peer at one size; `values_per_s_core` is over processor time, and the rest over the wall clock."""

    peer: str
    version: str
    values: int
    setup_seconds: float
    prove_seconds: float
    verify_ms: float
    proof_bytes: int
    peak_mb: float
    values_per_s_core: float
    refused: tuple[str, ...]


def measure(module: str, package: str, values: Sequence[int], width: int, repetitions: int) -> PeerFigures:
    """Every step of the peer in `benchmarks.zk_peers.<module>`, which runs the PyPI package named."""
    if width < 2 or not values or not all(0 <= value < width for value in values):
        raise ValueError(f"values must be in 0..{width - 1}, and there must be one at least")
    if importlib.util.find_spec(package) is None:
        raise PeerUnavailable(f"{package} is not installed: it is in the extra 'bench'")
    column = list(values)
    with tempfile.TemporaryDirectory(prefix="belmont-zk-peer-") as folder:
        setup = _step(folder, module, "setup", count=len(column), width=width)
        proved = _step(folder, module, "prove", values=column, repetitions=repetitions)
        checked = _step(folder, module, "verify", total=sum(column), repetitions=repetitions)
        if not checked["accepted"]:
            raise PeerWrong(f"{package} refused a true statement of {len(column)} values")
        if not checked["other_total_refused"]:
            raise PeerWrong(f"{package} accepted a total that is off by one")
        for wrong in (-1, width):
            if not _step(folder, module, "refuse", values=[*column[:-1], wrong])["refused"]:
                raise PeerWrong(f"{package} proved the value {wrong} to be in 0..{width - 1}")
    return PeerFigures(
        peer=package,
        version=version(package),
        values=len(column),
        setup_seconds=round(setup["seconds"], 3),
        prove_seconds=round(proved["seconds"], 3),
        verify_ms=round(checked["milliseconds"], 2),
        proof_bytes=proved["proof_bytes"],
        peak_mb=round(proved["peak_mb"], 1),
        values_per_s_core=round(len(column) / proved["processor_seconds"], 1),
        refused=("-1", str(width), "another total"),
    )


def _step(folder: str, module: str, step: str, **arguments: Any) -> dict[str, Any]:
    """Run one step in a child and read the JSON object in its last line."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "RAYON_NUM_THREADS": str(THREADS),
        "EZKL_REPO_PATH": folder,  # ezkl keeps its tables there; by default in the home directory
    }
    command = [sys.executable, "-m", "benchmarks.zk_peers.step", module, step, folder]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(arguments),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise PeerUnavailable(f"{module}: {step} not done after {LIMIT_SECONDS} s") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines or not lines[-1].startswith("{"):
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1][:300]
        raise PeerUnavailable(f"{module}: {step} failed: {reason}")
    result: dict[str, Any] = json.loads(lines[-1])
    return result
