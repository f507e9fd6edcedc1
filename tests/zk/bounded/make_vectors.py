"""Writes tests/vectors/bounded.json anew: proofs of updates and totals, and mostly forgeries of both.

    python tests/zk/bounded/make_vectors.py

Proofs and blinding take their randomness from the system: the list of cases is fixed, their bytes are not.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from py_arkworks_bls12381 import G1Point

from belmont.zk.bounded.proof import prove_update
from belmont.zk.bounded.statement import UpdateStatement
from belmont.zk.bounded.sums import add_openings
from belmont.zk.bounded.update import CommittedUpdate, UpdateOpening, commit_update, commit_vector
from belmont.zk.curve import COMPRESSED_BYTES, GENERATOR, IDENTITY, compressed
from belmont.zk.field import ORDER, A, word

VECTORS = Path(__file__).parents[2] / "vectors" / "bounded.json"
Json = dict[str, Any]
HEAD = 15 + 2 + 32
HOSPITALS = tuple(bytes([number]) * 32 for number in (7, 3, 9))
STATEMENT = UpdateStatement("31337/0xc0", 2, 4, HOSPITALS[0], HOSPITALS, b"l" * 32, 6, 1_000)
NORM = replace(STATEMENT, norm_squared=1_000_000)
VALUES = np.array([1_000, -1_000, 0, 1, -1, 517])
SHORT = np.array([600, -600, 0, 1, -1, 517])
ONE_LIMB = replace(STATEMENT, bound=3)


def statement_json(said: UpdateStatement) -> Json:
    return {
        "consortium": said.consortium,
        "permit_id": said.permit_id,
        "round": said.round,
        "dataset": said.dataset.hex(),
        "participants": [each.hex() for each in said.participants],
        "layout_hash": said.layout_hash.hex(),
        "dimension": said.dimension,
        "bound": said.bound,
        "norm_squared": said.norm_squared,
        "digest": said.digest.hex(),
    }


def proofs() -> Iterator[Json]:
    """Every case that is one proof under one statement."""

    def case(name: str, accept: bool, said: UpdateStatement, data: bytes) -> Json:
        return {"name": name, "accept": accept, "statement": statement_json(said), "proof": data.hex()}

    def dishonest(said: UpdateStatement, place: int, value: int, of: np.ndarray) -> bytes:
        values = of.copy()
        values[place] = value
        return prove_update(commit_vector(said, values), check=False).to_bytes()

    honest = prove_update(commit_update(STATEMENT, VALUES))
    data = honest.to_bytes()
    with_norm = prove_update(commit_update(NORM, SHORT)).to_bytes()
    yield case("honest", True, STATEMENT, data)
    yield case("honest, one limb", True, ONE_LIMB, prove_update(commit_update(ONE_LIMB, VALUES.clip(-3, 3))).to_bytes())
    yield case("honest, with a norm", True, NORM, with_norm)
    wide = replace(NORM, bound=100, dimension=A + 5)
    two_slots = np.zeros(A + 5, np.int64)
    two_slots[[0, 1, A, A + 4]] = (100, -100, 99, -1)
    yield case("honest, two slots and a norm", True, wide, prove_update(commit_update(wide, two_slots)).to_bytes())
    yield case("two slots and a norm, one beyond the bound", False, wide, dishonest(wide, A + 3, 101, two_slots))
    far = replace(STATEMENT, bound=(1 << 31) - 1, dimension=25_000)
    long_values = np.zeros(25_000, np.int64)
    long_values[[0, 6 * A, 24_999]] = (far.bound, -far.bound, 5)
    two_chunks = prove_update(commit_update(far, long_values))
    yield case("honest, two chunks", True, far, two_chunks.to_bytes())
    half = len(two_chunks.columns) // 2
    swapped = replace(two_chunks, columns=two_chunks.columns[half:] + two_chunks.columns[:half])
    yield case("two chunks swapped", False, far, swapped.to_bytes())
    yield case("one more than the bound in the last chunk", False, far, dishonest(far, 24_999, 1 << 31, long_values))
    yield case("one more than the bound", False, STATEMENT, dishonest(STATEMENT, 5, 1_001, VALUES))
    yield case("one less than minus the bound", False, STATEMENT, dishonest(STATEMENT, 0, -1_001, VALUES))
    yield case("far beyond the bound", False, STATEMENT, dishonest(STATEMENT, 3, 1 << 50, VALUES))
    yield case("one more than the bound, one limb", False, ONE_LIMB, dishonest(ONE_LIMB, 1, 4, VALUES.clip(-3, 3)))
    yield case("squares add up to too much", False, NORM, dishonest(NORM, 2, 300, SHORT))
    yield case("a norm, and a coordinate beyond the bound", False, NORM, dishonest(NORM, 2, 1_001, SHORT * 0))
    for name, changes in (
        ("another round", {"round": 5}),
        ("another permit", {"permit_id": 3}),
        ("another consortium", {"consortium": "31337/0xc1"}),
        ("another hospital", {"dataset": HOSPITALS[1]}),
        ("another layout", {"layout_hash": b"L" * 32}),
        ("another bound", {"bound": 1_001}),
        ("participants in another order", {"participants": HOSPITALS[::-1]}),
    ):
        other = replace(STATEMENT, **changes)
        yield case(f"{name}, by the digest", False, other, data)
        yield case(f"{name}, relabelled", False, other, replace(honest, statement=other).to_bytes())
    moved = replace(honest, columns=(honest.columns[0] + GENERATOR, honest.columns[1]))
    yield case("a commitment plus G1", False, STATEMENT, moved.to_bytes())
    yield case("columns swapped", False, STATEMENT, replace(honest, columns=honest.columns[::-1]).to_bytes())
    yield case("a commitment at infinity", False, STATEMENT, with_point(data, HEAD, IDENTITY))
    torsion = G1Point.from_compressed_bytes_unchecked(b"\x80" + bytes(47))
    for name, at in (("a commitment", HEAD), ("an opening", len(data) - COMPRESSED_BYTES)):
        own = G1Point.from_compressed_bytes(data[at : at + COMPRESSED_BYTES])
        yield case(f"{name} plus a point of order 3", False, STATEMENT, with_point(data, at, own + torsion))
    value = honest.argument.phi_next
    yield case("a scalar plus r", False, STATEMENT, data.replace(word(value), word(value + ORDER)))
    yield case("a scalar plus one", False, STATEMENT, data.replace(word(value), word((value + 1) % ORDER)))
    yield case("a byte too many", False, STATEMENT, data + b"\0")
    yield case("a byte too few", False, STATEMENT, data[:-1])
    yield case("nothing", False, STATEMENT, b"")


def with_point(data: bytes, at: int, point: G1Point) -> bytes:
    return data[:at] + compressed(point) + data[at + COMPRESSED_BYTES :]


def totals() -> Iterator[Json]:
    """Every case that is a total over verified commitments."""
    updates = [commit_update(STATEMENT.of(name), np.roll(VALUES, i)) for i, name in enumerate(HOSPITALS)]

    def case(name: str, accept: bool, summed: list[CommittedUpdate], total: UpdateOpening) -> Json:
        return {
            "name": name,
            "accept": accept,
            "statements": [statement_json(each.statement) for each in summed],
            "commitments": [[compressed(point).hex() for point in each.commitment] for each in summed],
            "vector": total.vector.tolist(),
            "blinding": [b"".join(map(word, rows)).hex() for rows in total.blinding],
        }

    def altered(total: UpdateOpening, change: Callable[[np.ndarray], None]) -> UpdateOpening:
        values = total.vector.copy()
        change(values)
        return replace(total, vector=values)

    total = add_openings(STATEMENT.shape, [each.opening for each in updates])
    two = add_openings(STATEMENT.shape, [each.opening for each in updates[:2]])
    yield case("all three", True, updates, total)
    yield case("two survivors", True, updates[:2], two)
    yield case("one alone, as a disclosure", True, updates[:1], updates[0].opening)
    yield case("one hospital dropped from the total", False, updates, two)
    yield case("one hospital added to the total", False, updates[:2], total)
    yield case("a coordinate plus one", False, updates, altered(total, lambda v: v.__setitem__(2, v[2] + 1)))
    yield case(
        "moved to another coordinate", False, updates, altered(total, lambda v: v.__setitem__([2, 3], v[[3, 2]]))
    )
    yield case("beyond what three can have", False, updates, altered(total, lambda v: v.__setitem__(0, 3_001)))
    rows = total.blinding[0]
    yield case("other blinding", False, updates, replace(total, blinding=((*rows[1:], rows[0]),)))


def main() -> int:
    found = {"proofs": list(proofs()), "totals": list(totals())}
    VECTORS.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{VECTORS}: {len(found['proofs'])} proofs, {len(found['totals'])} totals")
    return 0


if __name__ == "__main__":
    sys.exit(main())
