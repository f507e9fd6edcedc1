"""Synthetic records and their ingest, in patients per second on one core, each beside a limit measured in the same run.

    python -m benchmarks.generator            a table
    python -m benchmarks.generator --json     one JSON object

Limits: for coded tables, numpy drawing as many normals as the generator makes draws, and nothing else; for FHIR out,
`json.dumps` of the very same resources; for FHIR in, `json.loads` of the very same lines; for CSV, Python's own writer
and reader of the very same rows. `share_of_limit` is how much of that speed is left. Each figure is the best of several
runs, taken in turn with its limit.
"""

import collections
import csv
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.ingest import read_csv, read_fhir
from belmont.ehr.synthetic import HospitalCohort, coded_tables, generate_population, write_csv, write_fhir
from benchmarks import options

SEED = 7
DRAWS_A_PATIENT = 58
"""Uniforms the generator takes for one patient, over the clinical model and the records."""

FLOORS = {"coded_tables": 50_000.0, "fhir_out": 500.0}
"""What the generator promises, in patients per second."""


def best_seconds(work: Callable[[], Any], limit: Callable[[], Any], runs: int) -> tuple[float, float]:
    """The shortest of several runs of each, taken in turn so that both meet the same machine."""
    best = [float("inf"), float("inf")]
    for _ in range(runs):
        for index, each in enumerate((work, limit)):
            begin = time.perf_counter()
            each()
            best[index] = min(best[index], time.perf_counter() - begin)
    return best[0], best[1]


def run(quick: bool = False) -> dict[str, Any]:
    """All measurements; `quick` takes a tenth of the patients and one run."""
    many, some, runs = (20_000, 400, 2) if quick else (100_000, 4_000, 5)
    result: dict[str, Any] = {"seed": SEED, "floors": FLOORS}
    generator = np.random.default_rng(SEED)

    def measure(
        name: str, patients: int, work: Callable[[], Any], limit: Callable[[], Any], limit_name: str
    ) -> dict[str, Any]:
        seconds, limit_seconds = best_seconds(work, limit, runs)
        result[name] = {
            "patients": patients,
            "seconds": seconds,
            "patients_per_second": patients / seconds,
            "limit": limit_name,
            "limit_seconds": limit_seconds,
            "share_of_limit": limit_seconds / seconds,
        }
        figure: dict[str, Any] = result[name]
        return figure

    measure(
        "coded_tables",
        many,
        lambda: coded_tables(generate_population(4, many, SEED)),
        lambda: generator.standard_normal((DRAWS_A_PATIENT, many)),
        "numpy normals",
    )
    cohorts = generate_population(4, some, SEED)
    dictionary = Dictionary.builtin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_fhir(cohorts, folder)
        lines = [line for path in sorted(folder.rglob("*.ndjson")) for line in path.read_text().splitlines()]
        resources = [json.loads(line) for line in lines]
        figure = measure(
            "fhir_out",
            some,
            lambda: _write_fhir(cohorts, folder),
            lambda: exhaust(map(json.dumps, resources)),
            "json.dumps",
        )
        figure |= {"resources": len(lines), "bytes": sum(len(line) + 1 for line in lines)}
        measure(
            "fhir_in",
            some,
            lambda: _read_fhir(cohorts, folder, dictionary),
            lambda: exhaust(map(json.loads, lines)),
            "json.loads",
        )
        tables = [write_csv(cohort, folder / f"{cohort.name}.csv") for cohort in cohorts]
        rows = [row for path in tables for row in csv.reader(path.open(newline=""))]
        measure(
            "csv_out",
            some,
            lambda: [write_csv(cohort, path) for cohort, path in zip(cohorts, tables, strict=True)],
            lambda: csv.writer(io.StringIO()).writerows(rows),
            "csv.writer",
        )
        measure(
            "csv_in",
            some,
            lambda: [
                read_csv(path, dictionary, cohort.pseudonym_key) for cohort, path in zip(cohorts, tables, strict=True)
            ],
            lambda: exhaust(row for path in tables for row in csv.reader(path.read_text().splitlines())),
            "csv.reader",
        )
    result["holds"] = all(result[key]["patients_per_second"] >= floor for key, floor in FLOORS.items())
    return result


def _write_fhir(cohorts: list[HospitalCohort], folder: Path) -> None:
    for cohort in cohorts:
        write_fhir(cohort, folder / cohort.name)


def _read_fhir(cohorts: list[HospitalCohort], folder: Path, dictionary: Dictionary) -> None:
    for cohort in cohorts:
        read_fhir(folder / cohort.name, dictionary, cohort.pseudonym_key)


def exhaust(items: Iterable[Any]) -> None:
    """Take every item and keep none."""
    collections.deque(items, maxlen=0)


def main(argv: list[str] | None = None) -> int:
    """Print the measurements; exit status 1 where a floor is missed."""
    arguments = options.parse("generator", __doc__, "fewer patients, one run", argv)
    result = run(arguments.quick)
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"{'':<14}{'patients/s':>12}{'floor':>10}{'of limit':>10}  limit")
        for name, figure in result.items():
            if isinstance(figure, dict) and "patients_per_second" in figure:
                floor = f"{FLOORS[name]:,.0f}" if name in FLOORS else ""
                share = f"{figure['share_of_limit']:.0%}" if "share_of_limit" in figure else ""
                rate = figure["patients_per_second"]
                print(f"{name:<14}{rate:>12,.0f}{floor:>10}{share:>10}  {figure.get('limit', '')}")
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
