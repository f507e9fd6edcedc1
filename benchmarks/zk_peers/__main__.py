"""Command line of `benchmarks.zk_peers`."""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.zk_peers import PEERS, __doc__, run

LAST_FIGURES = Path(__file__).resolve().parents[1] / "zk_peers.json"
COLUMNS = ("values", "setup_seconds", "prove_seconds", "verify_ms", "proof_bytes", "peak_mb", "values_per_s_core")


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def main(argv: list[str] | None = None) -> int:
    """Prints a table, or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zk_peers", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one small size, once")
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {LAST_FIGURES.name}")
    arguments = parser.parse_args(argv)
    result = {"date": datetime.now(UTC).date().isoformat(), "machine": machine()} | run(arguments.quick)
    if arguments.write:
        LAST_FIGURES.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.json:
        print(json.dumps(result))
        return 0
    print(f"values in 0..{result['width'] - 1}, {result['threads']} thread")
    for name in PEERS:
        for size, row in result[name].items():
            if size == "unavailable":
                print(f"  {name} unavailable: {row}")
            else:
                print(f"  {name:10} {row['version']:8}" + "".join(f"  {column} {row[column]:g}" for column in COLUMNS))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
