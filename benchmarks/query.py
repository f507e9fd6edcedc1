"""Seconds for one encrypted query over four hospitals, by phase, against the sum of the same vectors in the clear.

    python -m benchmarks.query            a table
    python -m benchmarks.query --json     one JSON object

``hospitals`` runs all four on this machine: each decides, aggregates, masks, encrypts, records its use. ``exact`` says
that the decrypted totals equal the clear ones. Medians over repetitions.
"""

import json
import statistics
import time
from typing import Any

from belmont.ehr.coded import CodedTable
from belmont.federated.grid.in_process import InProcessGrid
from belmont.federated.query.aggregate import clear_totals
from belmont.federated.query.answer import Answer, ask
from belmont.federated.query.question import Query, between, count, histogram, mean
from benchmarks import options
from benchmarks.parties import HOSPITALS, Parties, parties, tables

QUERIES: dict[str, Query] = {
    "count": count(between("age", 30, 60)),
    "mean": mean("hba1c", between("age", 30, 60)),
    "histogram": histogram("egfr"),
}


def measure(made: Parties, hospitals: list[CodedTable], query: Query, repetitions: int) -> dict[str, Any]:
    """One kind of query, asked several times under one permit."""
    width = 0 if query.column is None else hospitals[0].width(query.column)
    grid = InProcessGrid(made.nodes)
    answers: list[Answer] = []
    seconds: list[float] = []
    for _ in range(repetitions):
        started = time.perf_counter()
        answers.append(ask(made.registry, grid, made.permit_id, query, width=width, participants=made.participants))
        seconds.append(time.perf_counter() - started)
    started = time.perf_counter()
    clear = clear_totals(hospitals, query)
    clear_seconds = time.perf_counter() - started
    phases = {
        phase: round(statistics.median(answer.milliseconds[phase] for answer in answers) / 1_000, 5)
        for phase in answers[0].milliseconds
    }
    whole = statistics.median(seconds)
    return {
        "cells": len(clear),
        "seconds": round(whole, 4),
        "phases": phases,
        "clear_seconds": round(clear_seconds, 6),
        "times_clear": round(whole / clear_seconds, 1),
        "exact": all(answer.cells == clear for answer in answers),
    }


def run(quick: bool = False) -> dict[str, Any]:
    """Measure every kind of query, with the registry in memory and on a chain."""
    patients, repetitions = (2_000, 3) if quick else (100_000, 7)
    hospitals = tables(patients)
    out: dict[str, Any] = {"hospitals": HOSPITALS, "patients": patients, "repetitions": repetitions}
    for registry, on_chain in (("memory", False), ("chain", True)):
        with parties(hospitals, 1, repetitions * len(QUERIES), on_chain) as made:
            out[registry] = {name: measure(made, hospitals, query, repetitions) for name, query in QUERIES.items()}
    return out


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    arguments = options.parse("query", __doc__, "fewer patients and repetitions", argv)
    result = run(arguments.quick)
    if arguments.json:
        print(json.dumps(result))
        return 0
    print(f"{result['hospitals']} hospitals, {result['patients']} patients, seconds")
    for registry in ("memory", "chain"):
        for name, row in result[registry].items():
            phases = ", ".join(f"{phase} {seconds:.3f}" for phase, seconds in row["phases"].items())
            exact = "exact" if row["exact"] else "WRONG"
            print(
                f"  {registry:7}{name:10} {row['seconds']:.3f}  clear {row['clear_seconds']:.5f}  {exact}  ({phases})"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
