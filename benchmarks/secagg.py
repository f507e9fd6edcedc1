"""Milliseconds of secure aggregation, by phase, against a plain sum and the masks of Flower's SecAgg+ at the same size.

    python -m benchmarks.secagg            a table
    python -m benchmarks.secagg --json     one JSON object

For each number of hospitals, all but one of them the threshold:

setup         one hospital deals its packages and opens those of all others
encode        floats to integers        client   masks one hospital's vector        record   hashes it for the chain
server        checks all vectors and shares and opens the sum; server_with_dropout: of all but one
repair        of that, what takes off the masks that the missing hospital leaves
plain         adds up the same vectors in numpy
flower_masks  the masks of one client of Flower's SecAgg+ (its own and one a peer) by the function that its mod calls,
              at Flower's default modulus of 2^32; not the additions, which ``client`` does count

``exact`` says that both sums are right to the last bit. Medians over repetitions, in one process.
"""

import hashlib
import json
import secrets
import statistics
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

from belmont.federated.secagg.context import SECRET_BYTES, Context
from belmont.federated.secagg.encoding import Layout, decode, encode
from belmont.federated.secagg.groups import WORDS
from belmont.federated.secagg.masking import mask, pair_stream
from belmont.federated.secagg.opening import open_sum
from belmont.federated.secagg.release import release
from belmont.federated.secagg.setup import deal, deal_secrets, exchange, join, public_part
from belmont.registry.types import DatasetId, PermitId
from benchmarks import options

HOSPITALS = (3, 5, 10)
FLOWER_MODULUS = 1 << 32
T = TypeVar("T")


def timed(run: Callable[[], T], repetitions: int) -> tuple[float, T]:
    """Median milliseconds, and what the last call gave."""
    taken = []
    for _ in range(repetitions):
        started = time.perf_counter()
        result = run()
        taken.append(1_000 * (time.perf_counter() - started))
    return statistics.median(taken), result


def measure(hospitals: int, parameters: int, repetitions: int) -> dict[str, Any]:
    """One round of this many hospitals."""
    ids = tuple(DatasetId(hashlib.sha256(bytes([i])).digest()) for i in range(hospitals))
    roots = [secrets.token_bytes(SECRET_BYTES) for _ in ids]
    keys = [X25519PrivateKey.generate() for _ in ids]
    public = [key.public_key().public_bytes_raw() for key in keys]
    # Also of three, where the default threshold spares none, so that there is a repair to measure.
    threshold = hospitals - 1
    context = Context("a consortium", PermitId(1), 1, ids, threshold)
    drawn = np.random.default_rng(1)
    updates = [drawn.normal(size=parameters) for _ in ids]
    layout = Layout.of({"weights": updates[0]}, counts=("rows",))

    dealt = {each: deal(context, each, roots[i], keys[i], public) for i, each in enumerate(ids)}

    def packages_to(holder: DatasetId) -> dict[DatasetId, bytes]:
        return {dealer: packages[holder] for dealer, packages in dealt.items() if dealer != holder}

    def set_up() -> None:
        deal(context, ids[0], roots[0], keys[0], public)
        join(context, ids[0], roots[0], keys[0], public, packages_to(ids[0]))

    setup_ms, _ = timed(set_up, repetitions)
    joined = [join(context, each, roots[i], keys[i], public, packages_to(each)) for i, each in enumerate(ids)]
    encode_ms, _ = timed(lambda: encode(layout, {"weights": updates[0]}, hospitals, counts={"rows": 7}), repetitions)
    vectors = [encode(layout, {"weights": each}, hospitals, counts={"rows": 7}) for each in updates]
    client_ms, _ = timed(lambda: mask(joined[0], layout.hash, vectors[0]), repetitions)
    masked = {each: mask(joined[i], layout.hash, vectors[i]) for i, each in enumerate(ids)}
    record_ms, _ = timed(lambda: masked[ids[0]].recorded_hash(context), repetitions)
    hashes = {each: vector.recorded_hash(context) for each, vector in masked.items()}
    parts = [public_part(context, dealt[each][ids[0] if i else ids[1]]) for i, each in enumerate(ids)]

    def opened(recorded: tuple[DatasetId, ...]) -> tuple[float, bool]:
        shares = {each: release(joined[ids.index(each)], recorded, closed=True) for each in recorded}
        known = {each: hashes[each] for each in recorded}
        taken, result = timed(lambda: open_sum(context, parts, known, masked, shares), repetitions)
        plain = sum(vectors[ids.index(each)] for each in recorded)
        rows = decode(layout, result.total).counts["rows"]
        return taken, bool(np.array_equal(result.total, plain)) and rows == 7 * len(recorded)

    server_ms, exact_all = opened(ids)
    dropped_ms, exact_dropped = opened(ids[1:])

    scratch = vectors[0].astype(np.uint64)

    def repair() -> None:
        key = X25519PrivateKey.from_private_bytes(deal_secrets(context, ids[0], roots[0]).key)
        for own in range(1, hospitals):
            shared = exchange(key, parts[own].key, ids[own])
            WORDS.add_stream(scratch, pair_stream(context, joined[0].transcript, layout.hash, own, 0, shared), 1)

    def plain() -> None:
        total = vectors[0].copy()
        for each in vectors[1:]:
            total += each

    plain_ms, _ = timed(plain, repetitions)
    repair_ms, _ = timed(repair, repetitions)

    def flower() -> None:
        for _ in ids:
            pseudo_rand_gen(secrets.token_bytes(32), FLOWER_MODULUS, [(parameters,)])

    flower_ms, _ = timed(flower, repetitions)
    return {
        "threshold": threshold,
        "setup_ms": round(setup_ms, 2),
        "encode_ms": round(encode_ms, 2),
        "client_ms": round(client_ms, 2),
        "record_ms": round(record_ms, 2),
        "server_ms": round(server_ms, 2),
        "repair_ms": round(repair_ms, 2),
        "server_with_dropout_ms": round(dropped_ms, 2),
        "plain_ms": round(plain_ms, 2),
        "flower_masks_ms": round(flower_ms, 2),
        "server_times_plain": round(server_ms / plain_ms, 1),
        "client_times_flower_masks": round(client_ms / flower_ms, 3),
        "package_bytes": len(dealt[ids[0]][ids[1]]),
        "exact": exact_all and exact_dropped,
    }


def run(quick: bool = False) -> dict[str, Any]:
    """Measure 3, 5 and 10 hospitals."""
    parameters, repetitions = (100_000, 3) if quick else (1_000_000, 7)
    out: dict[str, Any] = {"parameters": parameters, "repetitions": repetitions}
    for hospitals in HOSPITALS:
        out[f"hospitals_{hospitals}"] = measure(hospitals, parameters, repetitions)
    return out


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    arguments = options.parse("secagg", __doc__, "fewer parameters and repetitions", argv)
    result = run(arguments.quick)
    if arguments.json:
        print(json.dumps(result))
        return 0
    print(f"{result['parameters']} parameters, milliseconds")
    for hospitals in HOSPITALS:
        row = result[f"hospitals_{hospitals}"]
        exact = "exact" if row["exact"] else "WRONG"
        print(
            f"  {hospitals:2} hospitals: client {row['client_ms']:.1f} (+ encode {row['encode_ms']:.1f}, record "
            f"{row['record_ms']:.1f}), Flower's masks {row['flower_masks_ms']:.1f}, server {row['server_ms']:.1f} "
            f"(with a dropout {row['server_with_dropout_ms']:.1f}, repair {row['repair_ms']:.1f}), "
            f"plain sum {row['plain_ms']:.1f}, setup {row['setup_ms']:.1f}  {exact}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
