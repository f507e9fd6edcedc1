"""``belmont verify-round``: compute a secure round's total again, and check every part against the chain."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from belmont.federated.bounded.record import RoundRecord
    from belmont.federated.hashes import Arrays
    from belmont.registry.protocol import Registry
    from belmont.registry.types import DatasetId

EXAMPLES = """examples:
  belmont verify-round round-3.json --url http://127.0.0.1:8545
  belmont verify-round round-3.json --url http://127.0.0.1:8545 --json

The record comes from whoever trained: Path("round-3.json").write_bytes(result.record(3).to_bytes()). Compared with the
chain: configuration, participants, whose vectors are in the sum, and the hash of each. Where the configuration bounds
updates, each is proved to be within the bound, and the total is the sum of exactly these. Not shown: that an update was
computed from records, or that noise was added. Rows are what the hospitals say; with noise, what the chain has.
Of an evaluation, as the evidence of a release is one: which model, and what the permit's rule for releases finds in it.
Exit status 1: refused, with whom it was if that is known. The chain of belmont up: belmont status says its address.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``belmont verify-round``."""
    parser.add_argument("record", type=Path, metavar="RECORD", help="the file of a round's record")
    parser.add_argument("--url", required=True, help="the chain's JSON-RPC address")
    parser.add_argument("--members", metavar="ADDRESS", help="which consortium, where the chain has several")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=verify)


def verify(options: argparse.Namespace) -> int:
    """Verifies, prints what was compared, and says 1 if anything is refused."""
    import json
    import time

    from belmont.federated.bounded.record import MAX_RECORD_BYTES, RoundRecord, open_round
    from belmont.federated.errors import FederatedError
    from belmont.federated.node.noise import read_noise
    from belmont.lab.errors import LabError
    from belmont.lab.protection import bound_text
    from belmont.registry.chain_registry import ChainRegistry

    if not options.record.is_file():
        raise LabError(f"{options.record} is no file: name the record of a round, as result.record(n).to_bytes() is")
    with options.record.open("rb") as file:
        content = file.read(MAX_RECORD_BYTES + 1)
    registry = ChainRegistry.connect(options.url, options.members)
    started = time.perf_counter()
    try:
        record = RoundRecord.from_bytes(content)
        opened = open_round(record, registry)
        arrays, metrics = record.secure.decode(opened.total)
        noise = read_noise(record.config, record.secure)
        evaluated = _evaluated(record, arrays, len(opened.sum.recorded)) if record.kind == "evaluate" else {}
    except FederatedError as refused:
        print(json.dumps({"accepted": False, "why": str(refused)}) if options.json else f"REFUSED  {refused}")
        return 1
    inside = [_name(registry, each) for each in opened.sum.recorded]
    bounds = record.bounds
    facts = {
        "permit": record.permit_id,
        "round": record.n,
        "kind": "evaluation" if record.kind == "evaluate" else "training",
        "model": _model(registry, record),
        "in the sum": ", ".join(inside),
        "left out": ", ".join(_name(registry, each) for each in record.participants if each not in opened.sum.recorded)
        or "nobody",
        "rows": int(metrics.get("num-examples", 0)) or _rows(registry, record, opened.sum.recorded),
        "numbers": len(opened.total),
        "every update": "not bounded" if bounds is None else f"proved: {bound_text(record.secure, bounds)}",
        "noise": "none: the total is exact"
        if noise is None
        else f"each hospital's is to cost {noise.rho_per_round:,} micro-rho; that it was added is not proved",
        **evaluated,
        "milliseconds": round(1000 * (time.perf_counter() - started)),
    }
    if options.json:
        print(json.dumps({"accepted": True, "total": opened.total.tolist()} | facts))
        return 0
    print("ACCEPTED")
    for name, value in facts.items():
        print(f"  {name:14} {value}")
    return 0


def _model(registry: "Registry", record: "RoundRecord") -> str:
    """The hash of the model that the round was opened with, under which a release of it is on chain."""
    from belmont.registry.types import UseKind

    opened = registry.opened(record.permit_id, UseKind.ROUND, record.n)
    return "unknown" if opened is None else "0x" + opened.subject_hash.hex()


def _evaluated(record: "RoundRecord", arrays: "Arrays", hospitals: int) -> dict[str, str]:
    """What an evaluation's sums say of the model, by the permit's rule (`belmont.lab.output_check`). Nothing where its
    form is the study's own."""
    from belmont.federated.evaluation.layout import EVALUATES
    from belmont.federated.evaluation.results import Results
    from belmont.federated.models.combine import Update
    from belmont.lab.release_rule import RELEASE_KEY, read_release_rule

    if EVALUATES not in record.config:
        return {}
    found, rule = Results.of(record.config, [Update(arrays, {})], hospitals), read_release_rule(record.config)
    advantage = found.membership()
    upper = float("nan") if advantage is None else advantage.upper
    within = "passed" if upper <= rule.max_membership_advantage else "NOT passed"
    return {
        "kept apart": f"{found.patients:,.0f} patients: {found.headline}",
        "remembers": f"advantage of guessing who was trained on at most {upper:.3f}; "
        f"{'the permit has' if RELEASE_KEY in record.config else 'without a rule of the permit,'} at most "
        f"{rule.max_membership_advantage:g}: {within}",
    }


def _rows(registry: "Registry", record: "RoundRecord", recorded: "Sequence[DatasetId]") -> int:
    """Of the versions in the sum, by the chain: with noise, no hospital says how many rows it took."""
    from belmont.registry.types import UseKind

    rows = 0
    for use in registry.uses(record.permit_id):
        if (use.kind, use.n) == (UseKind.ROUND, record.n) and use.dataset_id in recorded:
            version = registry.version(use.dataset_id, use.version)
            rows += 0 if version is None else version.rows
    return rows


def _name(registry: "Registry", dataset_id: "DatasetId") -> str:
    dataset = registry.dataset(dataset_id)
    return dataset_id.hex()[:12] if dataset is None else dataset.name
