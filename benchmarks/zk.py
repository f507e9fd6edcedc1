"""Proofs of data validity: rate, size, time to verify and gas for a million committed values, beside their peers.

    python -m benchmarks.zk [--json] [--quick] [--peers] [--values 1000000]

A *value* is one committed column in one data row, as the proof covers it: dictionary columns, their `observed` bits,
`present`, the pseudonym and its limbs. `dictionary_values_per_s_core` counts the dictionary's columns alone. Rates are
over processor time of all processes and include committing; c-kzg's tables are loaded before. The prover runs in a
process of its own, and `peak_mb` is that process's.

`gas` is what one transaction took that sent the proof of eight chunks (200 column chunks) to the contract `Proofs`, on
the embedded chain; `chain_seconds` is that transaction from sending to durable.

The peers prove less (`benchmarks.zk_peers`): a total of values in a range, bound to no commitment. They run on values
of this table's widest column with `--peers`; without, their last figures come from `zk_peers.json`, which names its
machine. `ratio_groth16` divides the rates. `limit_numpy_values_per_s` is the check itself without any proof.
"""

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from eth_account import Account

from belmont.chain.client import ChainClient
from belmont.chain.process import ChainProcess
from belmont.registry.founding import found
from belmont.registry.types import Address, DatasetId, MemberProfile, MicroRho, PartStart, Role
from belmont.zk.commitment import commit_table
from belmont.zk.field import A
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.srs import reference_string
from belmont.zk.statement import Statement
from belmont.zk.validity import ValidityProof, prove_part
from belmont.zk.verifiers import native

WIDEST = 1_999
LAYOUT = Layout(
    (
        ColumnKind(Kind.RANGE, 93),
        *(ColumnKind(Kind.RANGE_OR_MISSING, w) for w in (2, 3, WIDEST, 201, 131, 186, 235)),
        *(ColumnKind(Kind.BIT, 1),) * 2,
    )
)
"""Ten columns like the built-in dictionary's, one of them as wide as the peers' range: 25 committed ones a chunk."""
SEED = 7
CHAIN_CHUNKS = 8
TEXT_HASH = b"\3" * 32
PEERS = ("groth16py", "ezkl")
PEERS_FILE = Path(__file__).with_name("zk_peers.json")
ROOT = Path(__file__).resolve().parents[1]


def rows(count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The same coded rows in every process."""
    draw = np.random.default_rng(SEED)
    codes = [draw.integers(int(c.kind is Kind.RANGE), c.width + 1, count) for c in LAYOUT.columns]
    return codes, np.cumsum(draw.integers(1, 1 << 48, count, dtype=np.uint64))


def run(quick: bool = False, peers: bool = False, values: int = 1_000_000) -> dict[str, Any]:
    """All figures of one run; `quick` proves two chunks."""
    chunks = 2 if quick else max(1, round(values / A / LAYOUT.committed))
    with tempfile.TemporaryDirectory() as name, ChainProcess.start(Path(name) / "chain") as server:
        folder = Path(name)
        chain = _Chain(server.url)
        one = _step(folder, chunks, 1, chain.said)
        two = _step(folder, chunks, 2, chain.said) if chunks > 1 else None
        proof = ValidityProof.from_bytes((folder / "whole").read_bytes())
        figures = {
            "values": one["values"],
            "column_chunks": len(proof.columns),
            "rows": proof.statement.rows,
            "prove_values_per_s_core": one["values_per_s_core"],
            "dictionary_values_per_s_core": round(one["values_per_s_core"] * len(LAYOUT.columns) / LAYOUT.committed, 1),
            "commit_seconds": one["commit_seconds"],
            "prove_seconds": one["prove_seconds"],
            "seconds_with_1_process": round(one["commit_seconds"] + one["prove_seconds"], 3),
            "seconds_with_2_processes": None if two is None else round(two["commit_seconds"] + two["prove_seconds"], 3),
            "values_per_s_core_with_2_processes": None if two is None else two["values_per_s_core"],
            **_verify(folder / "whole"),
            "proof_bytes": proof.size,
            "file_bytes": len(proof.to_bytes()),
            **chain.send(ValidityProof.from_bytes((folder / "part").read_bytes()), chunks, bytes.fromhex(one["root"])),
            "peak_mb": one["peak_mb"],
            "peak_mb_of_each_of_2_processes": None if two is None else two["peak_mb"],
            "limit_numpy_values_per_s": _numpy_rate(proof.statement.rows),
        }
    return figures | _peers(peers, figures["prove_values_per_s_core"], figures["dictionary_values_per_s_core"], quick)


class _Chain:
    """A consortium with one dataset on a chain of its own."""

    def __init__(self, url: str) -> None:
        self._client = ChainClient(url)
        hospital, *board = [Account.create() for _ in range(3)]
        founders = [
            MemberProfile(Address(account.address), name, f"did:ethr:{account.address}", role)
            for account, name, role in (
                (hospital, "hospital", Role.DATA_HOLDER),
                *((member, f"board {i}", Role.ETHICS_BOARD) for i, member in enumerate(board)),
            )
        ]
        self._registry = found(url, "benchmark", founders).as_(hospital)
        until = int(time.time()) + 4 * 366 * 24 * 3600
        dictionary = hashlib.sha256(LAYOUT.hash + TEXT_HASH).digest()
        self._dataset: DatasetId = self._registry.register_dataset(
            "records", 1 << 4, dictionary, 1, 1, until, MicroRho(0)
        )
        domain = self._registry.proof_domain
        self.said = {
            "chain_id": domain.chain_id,
            "contract": domain.contract.hex(),
            "owner": hospital.address[2:],
            "dataset": self._dataset.hex(),
        }
        """What a proof of the dataset's first version states."""

    def send(self, part: ValidityProof, chunks: int, root: bytes) -> dict[str, Any]:
        """Register tables and version, and have the contract verify the part."""
        consents = self._registry.consents.root(self._dataset)
        cid = b"\x01\x71\x12\x20" + bytes(32)
        number = self._registry.add_version(self._dataset, cid, chunks * A, root, consents)
        self._registry.register_tables(LAYOUT)
        tables_gas, _ = self._last_transaction()
        started = time.perf_counter()
        self._registry.prove_version(self._dataset, number, TEXT_HASH, part, PartStart())
        seconds = time.perf_counter() - started
        gas, calldata = self._last_transaction()
        return {
            "gas": gas,
            "gas_column_chunks": len(part.columns),
            "gas_of_tables": tables_gas,
            "calldata_bytes": calldata,
            "chain_seconds": round(seconds, 3),
        }

    def _last_transaction(self) -> tuple[int, int]:
        block = self._client.transport.request("eth_getBlockByNumber", ["latest", True])
        (transaction,) = block["transactions"]
        return int(block["gasUsed"], 16), len(transaction["input"]) // 2 - 1


def _step(folder: Path, chunks: int, processes: int, said: dict[str, Any]) -> dict[str, Any]:
    """Commit and prove in a fresh process, which leaves its proofs in ``folder``."""
    command = [sys.executable, "-m", "benchmarks.zk", "--step", str(folder)]
    order = json.dumps({"chunks": chunks, "processes": processes, "said": said})
    done = subprocess.run(command, input=order, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def prove_step(folder: Path, chunks: int, processes: int, said: dict[str, Any]) -> dict[str, Any]:
    """What the fresh process does."""
    codes, pseudonyms = rows(chunks * A)
    setup = reference_string()
    _ = setup.kzg, setup.lagrange
    whole, part = (
        Statement(
            said["chain_id"],
            *(bytes.fromhex(said[name]) for name in ("contract", "owner", "dataset")),
            version=1,
            layout=LAYOUT,
            first=0,
            chunks=count,
            rows=count * A,
        )
        for count in (chunks, min(chunks, CHAIN_CHUNKS))
    )
    began, processor = time.perf_counter(), _processor_seconds()
    table = commit_table(LAYOUT, codes, pseudonyms, seed=bytes(32), processes=processes)
    committed = time.perf_counter()
    proof = prove_part(table, whole, processes=processes)
    ended, spent = time.perf_counter(), _processor_seconds() - processor
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    (folder / "whole").write_bytes(proof.to_bytes())
    if processes == 1:
        (folder / "part").write_bytes((proof if part == whole else prove_part(table, part)).to_bytes())
    return {
        "root": table.root.hex(),
        "values": len(proof.columns) * A,
        "values_per_s_core": round(len(proof.columns) * A / spent, 1),
        "commit_seconds": round(committed - began, 3),
        "prove_seconds": round(ended - committed, 3),
        "peak_mb": round(peak / 1024, 1),
    }


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _verify(path: Path) -> dict[str, float]:
    """Milliseconds to verify, as who has the file does it, and without reading it. The first also computes tables."""
    data = path.read_bytes()
    first = _milliseconds(lambda: native.verify(ValidityProof.from_bytes(data)))
    proof = ValidityProof.from_bytes(data)
    return {
        "verify_first_ms": round(first, 2),
        "verify_ms": round(_median(lambda: native.verify(ValidityProof.from_bytes(data))), 2),
        "verify_parsed_ms": round(_median(lambda: native.verify(proof)), 2),
    }


def _numpy_rate(count: int) -> float:
    """Values a second of comparing every code with its bounds, and of adding up each column."""
    codes, _ = rows(count)

    def check() -> None:
        for each, kind in zip(codes, LAYOUT.columns, strict=True):
            if not bool(np.all((each >= (kind.kind is Kind.RANGE)) & (each <= kind.width))):
                raise ValueError("a code is out of range")
            each.sum()

    return round(1_000 * count * len(codes) / _median(check), 1)


def _median(work: Callable[[], object], times: int = 7) -> float:
    return statistics.median(_milliseconds(work) for _ in range(times))


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1_000 * (time.perf_counter() - started)


def _peers(measure: bool, rate: float, dictionary_rate: float, quick: bool) -> dict[str, Any]:
    """The peers' rates at the size that suits each best."""
    found = json.loads(PEERS_FILE.read_text())
    machine = found["machine"]
    source = f"{PEERS_FILE.name}, {found['date']}, {machine['cores']} cores of {machine['cpu']}"
    if measure:
        from benchmarks.zk_peers import SIZES, measure_peers

        sizes = SIZES[:1] if quick else SIZES
        widest = next(j for j, each in enumerate(LAYOUT.columns) if each.width == WIDEST)
        found = measure_peers(rows(sizes[-1])[0][widest].tolist(), WIDEST + 1, sizes, 1 if quick else 3)
        source = "this run, values of its widest column"
    groth16, ezkl = (_best(found[name]) for name in PEERS)
    return {
        "groth16_values_per_s_core": groth16,
        "ezkl_values_per_s_core": ezkl,
        "ratio_groth16": None if groth16 is None else round(rate / groth16, 1),
        "ratio_groth16_dictionary": None if groth16 is None else round(dictionary_rate / groth16, 1),
        "peers_from": source,
        "peers": {name: found[name] for name in PEERS},
    }


def _best(sizes: dict[str, Any]) -> float | None:
    """None for a peer that says why it is unavailable."""
    return max((row["values_per_s_core"] for row in sizes.values() if isinstance(row, dict)), default=None)


def main(argv: list[str] | None = None) -> int:
    """Entry of `python -m benchmarks.zk`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zk", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="two chunks; a look, not a measurement")
    parser.add_argument("--peers", action="store_true", help="run the peers too, on the same values")
    parser.add_argument("--values", type=int, default=1_000_000, help="committed values to prove, about")
    parser.add_argument("--step", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.step:
        print(json.dumps(prove_step(options.step, **json.load(sys.stdin))))
        return 0
    figures = run(options.quick, options.peers, options.values)
    if options.json:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        if name != "peers":
            print(f"{name:36} {value:,}" if isinstance(value, int | float) else f"{name:36} {value}")
    for name, sizes in figures["peers"].items():
        if "unavailable" in sizes:
            print(f"{name:36} unavailable: {sizes['unavailable']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
