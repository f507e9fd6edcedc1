"""Two other proof systems on the statement of `benchmarks.zk`, at sizes they can do: peers, never dependencies.

    python -m benchmarks.zk_peers            a table
    python -m benchmarks.zk_peers --json     one JSON object
    python -m benchmarks.zk_peers --write    the same, and benchmarks/zk_peers.json with the machine

groth16py   Groth16 from a Circom circuit (`groth16.py`)
ezkl        Halo2 from an ONNX model (`halo2.py`)

The statement: n private values, each in 0..width - 1, and their total is public. **It is easier than Belmont's**: the
peers' values are bound to no commitment registered beforehand, no row is absent or missing, and no other total can be
asked for later. To say the same, a peer would have to hash each column in its circuit. Both peers work over BN254, a
smaller and faster curve than BLS12-381, and need a setup of their own for each size, measured beside the proof
(`ezkl` makes its reference string anew in it). Both are compiled code, run with one thread; `values_per_s_core` is over
processor time, so that it stands when the machine is busy, which ``prove_seconds`` does not.

Every figure comes from a proof that was verified; before it counts, the peer must also refuse -1, the width itself and
another total (``refused``). Both packages and `onnx` are in the extra ``bench``; what is missing is said in
``unavailable``.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.zk_peers import groth16, halo2
from benchmarks.zk_peers.figures import THREADS, PeerFigures, PeerUnavailable, PeerWrong

__all__ = ["PEERS", "SIZES", "PeerFigures", "PeerUnavailable", "PeerWrong", "measure_peers", "run"]

PEERS: dict[str, Callable[[Sequence[int], int, int], PeerFigures]] = {
    groth16.PACKAGE: groth16.prove_range,
    halo2.PACKAGE: halo2.prove_range,
}
SIZES = (64, 256, 1_024, 4_096)
WIDTH, SEED = 2_000, 7


def measure_peers(
    values: Sequence[int], width: int, sizes: Sequence[int] = SIZES, repetitions: int = 3
) -> dict[str, dict[str, Any]]:
    """For each peer, by size, the figures for the first so many values; or why there are none."""
    results: dict[str, dict[str, Any]] = {}
    for name, prove_range in PEERS.items():
        rows = results[name] = {}
        for size in (size for size in sizes if size <= len(values)):
            try:
                rows[str(size)] = asdict(prove_range(values[:size], width, repetitions))
            except PeerUnavailable as error:
                rows["unavailable"] = str(error)
                break
    return results


def run(quick: bool = False) -> dict[str, Any]:
    """Both peers on values drawn for this; `quick` takes one small size, once."""
    draw = random.Random(SEED)
    values = [draw.randrange(WIDTH) for _ in range(SIZES[-1])]
    sizes, repetitions = ((64,), 1) if quick else (SIZES, 3)
    peers = measure_peers(values, WIDTH, sizes, repetitions)
    return {"width": WIDTH, "seed": SEED, "threads": THREADS, "repetitions": repetitions} | peers
