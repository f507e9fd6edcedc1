"""One step of one peer, in a process of its own: its arguments are a JSON object on standard input.

    python -m benchmarks.zk_peers.step groth16 prove FOLDER

The last line printed is a JSON object; what comes before is the peer's own talk. Loading a library or a key that it can
keep is not counted.
"""

import importlib
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def processor_seconds() -> float:
    """Of all threads of this process and of its finished children."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def peak_mb() -> float:
    """Greatest memory of this process; the kernel's other figure, ru_maxrss, may include that of the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage / (1024 * 1024 if sys.platform == "darwin" else 1024)


def seconds(work: Callable[[], object]) -> float:
    """How long it took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def setup(peer: Any, folder: Path, count: int, width: int) -> dict[str, Any]:
    """Circuit and keys."""
    peer.load()
    return {"seconds": seconds(lambda: peer.setup(folder, count, width))}


def prove(peer: Any, folder: Path, values: list[int], repetitions: int) -> dict[str, Any]:
    """Medians over the repetitions; the last proof is kept."""
    make = peer.prover(folder, values)
    wall, processor = [], []
    proof = b""
    for _ in range(repetitions):
        begun, started = processor_seconds(), time.perf_counter()
        proof = make()
        wall.append(time.perf_counter() - started)
        processor.append(processor_seconds() - begun)
    (folder / "proof").write_bytes(proof)
    return {
        "seconds": statistics.median(wall),
        "processor_seconds": statistics.median(processor),
        "proof_bytes": len(proof),
        "peak_mb": peak_mb(),
    }


def verify(peer: Any, folder: Path, total: int, repetitions: int) -> dict[str, Any]:
    """The true total, timed, and one that is off by one."""
    accepts = peer.verifier(folder, (folder / "proof").read_bytes())
    accepted = accepts(total)
    times = [seconds(lambda: accepts(total)) for _ in range(repetitions + 2)]
    return {
        "accepted": accepted,
        "other_total_refused": not accepts(total + 1),
        "milliseconds": 1_000 * statistics.median(times),
    }


def refuse(peer: Any, folder: Path, values: list[int]) -> dict[str, Any]:
    """A column that is not in range."""
    return {"refused": peer.refuses(folder, values)}


STEPS = {"setup": setup, "prove": prove, "verify": verify, "refuse": refuse}

if __name__ == "__main__":
    chosen = importlib.import_module(f"benchmarks.zk_peers.{sys.argv[1]}")
    result = STEPS[sys.argv[2]](chosen, Path(sys.argv[3]), **json.load(sys.stdin))
    print(json.dumps(result), flush=True)
