"""One federated round over real processes, beside everything else that can run it; all in one run.

    python -m benchmarks.federated           a table
    python -m benchmarks.federated --json    one JSON object

numpy_ms              plain numpy in one loop: the limit
inprocess_ms          the in-process grid, gate and ledger, registry in memory
ray_ms                Flower's Ray simulation (extra ``bench``); null, and why in ray_skipped, where it does not run
flower_deployed_ms    Flower's SuperLink and SuperNodes as shipped, TLS and node keys: a process for each message
gated_deployed_ms     `belmont up`: the same over our coordinator, gated by the chain, code isolated
secure_deployed_ms    the same with a secure sum: packages dealt before, vectors, shares
ratio_gated_to_flower how many times Flower's takes what ours takes
permit_check_p95_ms   view over JSON-RPC and decision, 95th percentile, permit read before
params_1m_round_s     a round of 1,000,000 float64 parameters, gated and deployed
secagg_ms_per_client_1m  encode, mask and hash 1,000,000 parameters, one client of four

Four hospitals; Newton steps over 5,000 rows each (generated rows for Flower's as shipped, synthetic patients else).
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from belmont.federated.gate.gate import Asked
from belmont.federated.hashes import Arrays, RunConfig, code_hash, config_hash
from belmont.federated.models.combine import Combine, Update
from belmont.federated.node.bundle import build_bundle
from belmont.lab import Consortium, LogisticRegression
from belmont.registry.decide import decide
from belmont.registry.types import Request, UseKind
from benchmarks import flower_shipped, grid, options, secagg

HOSPITALS = 4
PARAMETERS_1M = 1_000_000


@dataclass(frozen=True)
class Echo:
    """A study whose code answers the model as it came: what is measured is the way there and back."""

    parameters: int
    private: None = None
    plan: None = None
    rho_per_round: int = 0

    @property
    def bundle(self) -> bytes:
        return build_bundle(flower_shipped.APP)

    @property
    def config(self) -> RunConfig:
        return {"echo": True, "rounds": 1, "parameters": self.parameters, "out": ""}

    @property
    def code_hash(self) -> bytes:
        return code_hash(self.bundle)

    @property
    def config_hash(self) -> bytes:
        return config_hash(self.config)

    def initial(self) -> Arrays:
        return {"coefficients": np.zeros(self.parameters)}

    def combine(self) -> Combine:
        def mean(model: Arrays, updates: list[Update]) -> Arrays:
            return {"coefficients": np.mean([each.arrays["coefficients"] for each in updates], axis=0)}

        return mean  # type: ignore[return-value]


@contextmanager
def deployed(patients: int) -> Iterator[Consortium]:
    """A consortium of four hospitals that ``belmont up`` runs."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "consortium"
        words = [sys.executable, "-m", "belmont.cli"]
        made = ["up", "--home", str(home), "--hospitals", str(HOSPITALS), "--patients", str(patients)]
        subprocess.run([*words, *made], check=True, capture_output=True)
        try:
            with Consortium.deployed(home) as consortium:
                yield consortium
        finally:
            subprocess.run([*words, "down", "--home", str(home)], check=True, capture_output=True)


def trained_ms(consortium: Consortium, model: Any, rounds: int) -> list[float]:
    """Milliseconds of each round but the first, under a permit of its own."""
    study = consortium.propose("Benchmark", model=model, rounds=rounds + 1, queries=0)
    study.vote(*consortium.board, approve=True)
    study.accept(*consortium.hospitals)
    training = study.permit().train(model=model)
    return [each.milliseconds for each in training.rounds][1:]


def permit_check_ms(consortium: Consortium, checks: int) -> list[float]:
    """What a node does about a permit before it computes: everything that it reads, at one block, and the decision."""
    registry = consortium.registry
    permit = registry.permits()[0]
    asked = Asked(permit.id, permit.covered[0], UseKind.ROUND, 1)
    found = []
    for _ in range(checks):
        started = time.perf_counter()
        view = registry.view(asked.permit_id, asked.dataset_id, asked.kind, asked.n)
        request = Request(
            asked.kind, asked.permit_id, asked.n, asked.dataset_id, permit.terms.purpose, permit.terms.code_hash,
            permit.terms.config_hash, bytes(32), permit.covered, 1000, 1, view.dataset.consent_root, 2**40, 0,
        )  # fmt: skip
        decide(view.permit, request, view, int(time.time()))
        found.append(1_000 * (time.perf_counter() - started))
    return found


def run(quick: bool = False) -> dict[str, Any]:
    """Measure everything; ``quick`` takes fewer rounds."""
    rounds, patients = (4, 4_000) if quick else (12, 20_000)
    engines = grid.run(quick)["engines"]
    out: dict[str, Any] = {
        "hospitals": HOSPITALS,
        "numpy_ms": engines["plain"]["milliseconds"],
        "inprocess_ms": engines["gated"]["milliseconds"],
        "inprocess_over_numpy_ms": round(engines["gated"]["milliseconds"] - engines["plain"]["milliseconds"], 2),
        "ray_ms": engines["ray"].get("milliseconds"),
    }
    if out["ray_ms"] is None:
        out["ray_skipped"] = engines["ray"].get("skipped")
    with deployed(patients) as consortium:
        default = LogisticRegression.default()
        gated = trained_ms(consortium, default, rounds)
        out["gated_deployed_ms"] = round(statistics.median(gated), 1)
        secure = LogisticRegression(default.features, default.outcome, secure=True)
        out["secure_deployed_ms"] = round(statistics.median(trained_ms(consortium, secure, rounds)), 1)
        checks = sorted(permit_check_ms(consortium, 50 if quick else 300))
        out["permit_check_p50_ms"] = round(statistics.median(checks), 2)
        out["permit_check_p95_ms"] = round(checks[int(0.95 * len(checks))], 2)
        large = trained_ms(consortium, Echo(PARAMETERS_1M), 2 if quick else 5)
        out["params_1m_round_s"] = round(statistics.median(large) / 1_000, 2)
    with tempfile.TemporaryDirectory() as folder:
        shipped = flower_shipped.rounds_ms(Path(folder), HOSPITALS, 2 if quick else 3, 16, False, 400)
    out["flower_deployed_ms"] = round(statistics.median(shipped), 1)
    out["ratio_gated_to_flower"] = round(out["flower_deployed_ms"] / out["gated_deployed_ms"], 1)
    client = secagg.measure(HOSPITALS, PARAMETERS_1M, 1 if quick else 3)
    out["secagg"] = client
    parts = ("encode_ms", "client_ms", "record_ms")
    out["secagg_ms_per_client_1m"] = round(sum(float(client[part]) for part in parts), 1)
    return out


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    arguments = options.parse("federated", __doc__, "fewer rounds", argv)
    result = run(arguments.quick)
    if arguments.json:
        print(json.dumps(result))
        return 0
    for name, figure in result.items():
        print(f"{name:26} {figure}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
