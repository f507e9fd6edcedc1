"""Milliseconds for one hospital's private update: cut, round, add discrete Gaussian noise; all in one run.

    python -m benchmarks.accounting            a table
    python -m benchmarks.accounting --json     one JSON object

release     what a node does with one update: clip, quantise, check the norm, noise (`ReleasePlan.release`)
clip        its part without noise
noise       its part that draws the noise: exact, randomness from the operating system
opendp      opendp's exact discrete Gaussian noise for the same cells and sigma
numpy       ``Generator.normal`` in float64, which is neither exact nor secret: the limit
by_row      clipping by row, as many cells in all, without noise

Medians, of opendp one run; ``times_numpy`` is the ratio to numpy's noise, ``opendp_times_noise`` how much longer opendp
takes than ours, and ``plan`` what the settings come to. opendp comes with the extras ``dev`` and ``bench``.
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from belmont.federated.accounting.clipping import clip_client, clip_examples
from belmont.federated.accounting.epsilon import shown_epsilon, zcdp_epsilon
from belmont.federated.accounting.noise import discrete_gaussian
from belmont.federated.accounting.release import plan_release
from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.registry.types import MicroRho
from benchmarks import options

DELTA = 1e-6
ROUNDS = 100
SETTINGS = PrivacySettings(Clipping.CLIENT, 1.0, 20, MicroRho(10_000), 3)


def _milliseconds(repetitions: int, action: Callable[[], object]) -> float:
    times = []
    for _ in range(repetitions):
        started = time.perf_counter()
        action()
        times.append(1_000 * (time.perf_counter() - started))
    return round(statistics.median(times), 2)


def _opendp(cells: int, sigma: float) -> Callable[[], object]:
    import opendp.prelude as dp

    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T="i64"), size=cells)
    measurement, zeros = dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=sigma), [0] * cells
    return lambda: measurement(zeros)


def run(quick: bool = False) -> dict[str, Any]:
    """Measure everything; ``quick`` takes a tenth of the cells and fewer repetitions."""
    cells, repetitions = (100_000, 3) if quick else (1_000_000, 9)
    rng = np.random.default_rng(7)
    update = {"weights": rng.normal(size=cells)}
    rows = {"weights": rng.normal(size=(cells // 100, 100))}
    plan = plan_release(SETTINGS, cells)
    bound, bits = SETTINGS.bound, SETTINGS.fraction_bits
    plan.release(update)  # warm
    figures: dict[str, Any] = {
        "release": _milliseconds(repetitions, lambda: plan.release(update)),
        "clip": _milliseconds(repetitions, lambda: clip_client(update, bound, bits)),
        "noise": _milliseconds(repetitions, lambda: discrete_gaussian(cells, plan.sigma)),
        "numpy": _milliseconds(repetitions, lambda: rng.normal(0.0, float(plan.sigma), cells)),
        "by_row": _milliseconds(repetitions, lambda: clip_examples(rows, bound, bits)),
    }
    ratios = {"times_numpy": round(figures["noise"] / figures["numpy"], 1)}
    try:
        figures["opendp"] = _milliseconds(1, _opendp(cells, float(plan.sigma)))
        ratios["opendp_times_noise"] = round(figures["opendp"] / figures["noise"], 1)
    except ModuleNotFoundError as error:
        figures["opendp"] = f"skipped: {error}"
    spent = MicroRho(ROUNDS * plan.rho)
    started = time.perf_counter()
    epsilon = shown_epsilon(spent, DELTA, sigma=plan.sigma, honest=1, cells_released=ROUNDS * cells)
    figures["epsilon"] = round(1_000 * (time.perf_counter() - started), 2)
    return {
        "cells": cells,
        "plan": {
            "micro_rho_per_round": plan.rho,
            "sigma_in_clip_norms": round(float(plan.sigma) / bound, 3),
            f"epsilon_after_{ROUNDS}_rounds": round(epsilon, 3),
            f"zcdp_bound_after_{ROUNDS}_rounds": round(zcdp_epsilon(spent, DELTA), 3),
        },
        "milliseconds": figures,
        "ratio": ratios,
    }


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    arguments = options.parse("accounting", __doc__, "fewer cells and repetitions", argv)
    result = run(arguments.quick)
    if arguments.json:
        print(json.dumps(result))
        return 0
    print(f"{result['cells']} cells, ms")
    for part in ("milliseconds", "ratio", "plan"):
        for name, value in result[part].items():
            print(f"  {name:32} {value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
