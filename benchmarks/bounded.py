"""Bounded updates: time and bytes to commit, prove, verify, add up and settle a dispute, beside what others publish.

    python -m benchmarks.bounded [--json] [--quick] [--coordinates 10000] [--bound 1048576] [--hospitals 5]

Milliseconds are processor time, which a busy machine changes less, except where the name says ``wall``. The prover runs
in a process of its own, with c-kzg's tables loaded before; `peak_mb` is that process's. Its first proof computes what
later ones share; medians are over the others. One chunk is proven by one process, so a second helps from two chunks on.
``norm_`` are the same figures with a bound on the sum of squares too. `verify_first_ms` also computes the commitments
of tables. ``dispute_`` is paid only if a total is refuted: a hospital's commitments to its masks, and judging all.

Limits of this run: `limit_msm_ms` are the multi-scalar multiplications that commit and prove cannot do without, alone;
`limit_one_vector_ms` is one commitment to all coordinates at once, as schemes over a vector commitment begin with;
`limit_each_coordinate_ms` is one Pedersen commitment for every coordinate, x·G + s·H, as others do. The last two prove
nothing. What others publish is in `bounded_published.json`: other machines, languages and statements.
"""

import argparse
import json
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from belmont.zk.bounded.dispute import MaskedUpdate, add_masks, commit_elements, investigate
from belmont.zk.bounded.proof import UpdateCommitment, UpdateProof, prove_update, verify_update
from belmont.zk.bounded.shape import Shape
from belmont.zk.bounded.statement import UpdateStatement
from belmont.zk.bounded.sums import add_openings, add_updates, check_sum
from belmont.zk.bounded.update import CommittedUpdate, commit_update, sum_of_squares
from belmont.zk.curve import multiply, multiply_sum
from belmont.zk.field import ORDER, A, B, N
from belmont.zk.srs import reference_string

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = Path(__file__).with_name("bounded_published.json")
COORDINATES = 10_000
BOUND = 1 << 20
HOSPITALS = 5
REPETITIONS = 3
SAMPLE = 500
"""Coordinates that are committed to one by one: the rest is multiplied."""


def statement(coordinates: int, bound: int, hospitals: int, norm_squared: int | None = None) -> UpdateStatement:
    names = tuple(i.to_bytes(32, "big") for i in range(1, hospitals + 1))
    return UpdateStatement("benchmark", 1, 1, names[0], names, bytes(32), coordinates, bound, norm_squared)


def vector(said: UpdateStatement, hospital: int) -> np.ndarray:
    """Normally distributed, clipped at the bound: the same in every process."""
    drawn = np.random.default_rng(hospital).normal(0, said.bound / 3, said.dimension)
    return drawn.clip(-said.bound, said.bound).round().astype(np.int64)


def run(
    quick: bool = False, coordinates: int = COORDINATES, bound: int = BOUND, hospitals: int = HOSPITALS
) -> dict[str, Any]:
    """All figures of one run; `quick` has a tenth of the coordinates."""
    said = statement(coordinates // 10 if quick else coordinates, bound, hospitals)
    norm = replace(said, norm_squared=max(1, sum_of_squares(vector(said, 0))))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, two, with_norm = (
            _step(folder / label, each, processes)
            for label, each, processes in (("one", said, 1), ("two", said, 2), ("norm", norm, 1))
        )
        proofs = {label: (folder / label).read_bytes() for label in ("one", "norm")}
    shape = said.shape
    limit = _milliseconds(_msm_limit(shape))
    return {
        "coordinates": said.dimension,
        "bound": bound,
        "hospitals": hospitals,
        "chunks": shape.chunks,
        "slots": shape.slots,
        "limbs": len(shape.limbs),
        **{name: value for name, value in one.items() if name != "peak_mb"},
        "commit_and_prove_wall_ms_with_2_processes": two["commit_and_prove_wall_ms"],
        **_verify(proofs["one"], said),
        "proof_bytes": len(proofs["one"]),
        "norm_commit_ms": with_norm["commit_ms"],
        "norm_prove_ms": with_norm["prove_ms"],
        "norm_verify_ms": _verify(proofs["norm"], norm)["verify_ms"],
        "norm_proof_bytes": len(proofs["norm"]),
        **_sums(said),
        "peak_mb": one["peak_mb"],
        "peak_mb_verifier": _peak_mb(),
        "limit_msm_ms": round(limit, 1),
        "ratio_msm": round((one["commit_ms"] + one["prove_ms"]) / limit, 2),
        **_vector_limits(said),
    }


def _verify(data: bytes, said: UpdateStatement) -> dict[str, float]:
    """As who has the file does it, and without reading it."""
    first = _milliseconds(lambda: verify_update(UpdateProof.from_bytes(data, said), said))
    proof = UpdateProof.from_bytes(data, said)
    return {
        "verify_first_ms": round(first, 1),
        "verify_ms": round(_median(lambda: verify_update(UpdateProof.from_bytes(data, said), said)), 2),
        "verify_parsed_ms": round(_median(lambda: verify_update(proof, said)), 2),
    }


def _sums(said: UpdateStatement) -> dict[str, float]:
    """Checking a total, and what a dispute over it takes."""
    shape = said.shape
    committed = [commit_update(said.of(name), vector(said, i)) for i, name in enumerate(said.participants)]
    updates = [UpdateCommitment(each.statement, each.commitment) for each in committed]
    total = add_openings(shape, [each.opening for each in committed])
    summed = add_updates(updates)
    sum_check = _median(lambda: check_sum(summed, total), 3)
    masks = _masks(committed)
    own = masks[said.dataset]
    mask_commitments = _milliseconds(lambda: [commit_elements(shape, mask) for mask in own.values()])
    points = {pair: commit_elements(shape, mask) for pair, mask in _pairs(masks).items()}
    claims = {a: {b: points[min(a, b), max(a, b)] for b in masks[a]} for a in masks}
    masked = [
        MaskedUpdate(update, add_masks(each.statement, each.opening.elements(shape), masks[each.statement.dataset]))
        for each, update in zip(committed, updates, strict=True)
    ]
    if not investigate(masked, claims).nobody:
        raise ValueError("an honest hospital was named")
    return {
        "sum_check_ms": round(sum_check, 1),
        "masked_vector_bytes": 32 * N * shape.chunks,
        "dispute_mask_commitments_ms": round(mask_commitments, 1),
        "dispute_judge_ms": round(_median(lambda: investigate(masked, claims), 3), 1),
    }


def _masks(committed: Sequence[CommittedUpdate]) -> dict[bytes, dict[bytes, list[int]]]:
    """Every pair's mask, at both ends."""
    names = [each.statement.dataset for each in committed]
    size = committed[0].statement.shape.chunks * N
    found: dict[bytes, dict[bytes, list[int]]] = {name: {} for name in names}
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            found[a][b] = found[b][a] = [secrets.randbelow(ORDER) for _ in range(size)]
    return found


def _pairs(masks: dict[bytes, dict[bytes, list[int]]]) -> dict[tuple[bytes, bytes], list[int]]:
    return {(a, b): mask for a, own in masks.items() for b, mask in own.items() if a < b}


def _msm_limit(shape: Shape) -> Callable[[], None]:
    """The multi-scalar multiplications of `commit_update` and `prove_update`, with random numbers of the same sizes."""
    lagrange = reference_string().lagrange
    table = sum({limb.width for limb in shape.limbs})
    looked_up = [limb.width for limb in shape.limbs] * shape.slots * shape.chunks
    sizes = [*((width, 8) for width in looked_up), (table, 24)]  # columns and m on data rows
    sizes += [*((width, 255) for width in looked_up), (table, 255)]  # h and g
    sizes += [(B, 255)] * (2 * len(looked_up) + 3)  # blinding rows of all these, and the second piece of the quotient
    sizes += [(N, 255)] * 5  # u, phi, the first piece of the quotient, two openings
    ready = [(lagrange[:count], [secrets.randbits(bits) for _ in range(count)]) for count, bits in sizes]

    def work() -> None:
        for points, numbers in ready:
            multiply_sum(points, numbers)

    return work


def _vector_limits(said: UpdateStatement) -> dict[str, float]:
    """Commitments to the same coordinates in other forms, with this library, and no proof."""
    lagrange = reference_string().lagrange
    values = vector(said, 0)
    points = [*lagrange[:A]] * said.shape.blocks
    shifted = (values + said.bound).tolist()
    one = _median(lambda: multiply_sum(points[: said.dimension], shifted), 3)
    g, h = lagrange[0], lagrange[1]
    few = [(x, secrets.randbelow(ORDER)) for x in shifted[:SAMPLE]]
    each = _milliseconds(lambda: [multiply(g, x) + multiply(h, s) for x, s in few])
    return {
        "limit_one_vector_ms": round(one, 1),
        "limit_each_coordinate_ms": round(each * said.dimension / len(few), 1),
    }


def _step(path: Path, said: UpdateStatement, processes: int) -> dict[str, Any]:
    """Commit and prove in a fresh process, which leaves its proof at ``path``."""
    command = [sys.executable, "-m", "benchmarks.bounded", "--step", str(path)]
    order = json.dumps([said.dimension, said.bound, len(said.participants), said.norm_squared, processes, REPETITIONS])
    done = subprocess.run(command, input=order, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def prove_step(path: Path, order: Sequence[Any]) -> dict[str, Any]:
    """What the fresh process does."""
    *sizes, processes, repetitions = order
    said = statement(*sizes)
    setup = reference_string()
    _ = setup.kzg, setup.lagrange
    commit_ms, prove_ms, wall_ms = [], [], []
    for _ in range(1 + repetitions):
        began, spent = time.perf_counter(), _processor_seconds()
        committed = commit_update(said, vector(said, 0), processes)
        commit_ms.append(1_000 * (_processor_seconds() - spent))
        spent = _processor_seconds()
        proof = prove_update(committed, processes=processes)
        prove_ms.append(1_000 * (_processor_seconds() - spent))
        wall_ms.append(1_000 * (time.perf_counter() - began))
    path.write_bytes(proof.to_bytes())
    return {
        "commit_ms": round(statistics.median(commit_ms[1:]), 1),
        "prove_ms": round(statistics.median(prove_ms[1:]), 1),
        "prove_first_ms": round(prove_ms[0], 1),
        "commit_and_prove_wall_ms": round(statistics.median(wall_ms[1:]), 1),
        "peak_mb": _peak_mb(),
    }


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _median(work: Callable[[], object], times: int = 7) -> float:
    return statistics.median(_milliseconds(work) for _ in range(times))


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return 1_000 * (time.process_time() - started)


def main(argv: list[str] | None = None) -> int:
    """Entry of `python -m benchmarks.bounded`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bounded", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="a tenth of the coordinates; a look, not a measurement")
    parser.add_argument("--coordinates", type=int, default=COORDINATES)
    parser.add_argument("--bound", type=int, default=BOUND, help="the largest coordinate")
    parser.add_argument("--hospitals", type=int, default=HOSPITALS)
    parser.add_argument("--step", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.step:
        print(json.dumps(prove_step(options.step, json.load(sys.stdin))))
        return 0
    figures = run(options.quick, options.coordinates, options.bound, options.hospitals)
    if options.json:
        print(json.dumps({**figures, "published": json.loads(PUBLISHED.read_text())}))
        return 0
    for name, value in figures.items():
        print(f"{name:42} {value:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
