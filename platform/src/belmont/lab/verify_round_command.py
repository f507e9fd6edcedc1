"""``belmont verify-round``: compute a secure round's total again, and check every part against the chain."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from belmont.registry.protocol import Registry
    from belmont.registry.types import DatasetId

EXAMPLES = """examples:
  belmont verify-round round-3.json --url http://127.0.0.1:8545
  belmont verify-round round-3.json --url http://127.0.0.1:8545 --json

The record comes from whoever trained: Path("round-3.json").write_bytes(result.record(3).to_bytes()). Compared with the
chain: configuration, participants, whose vectors are in the sum, and the hash of each. Where the configuration bounds
updates, each is proved to be within the bound, and the total is the sum of exactly these. Not shown: that an update was
computed from records. Exit status 1: refused, with whom it was if that is known.
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
    from belmont.lab.errors import LabError
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
        _, metrics = record.secure.decode(opened.total)
    except FederatedError as refused:
        print(json.dumps({"accepted": False, "why": str(refused)}) if options.json else f"REFUSED  {refused}")
        return 1
    inside = [_name(registry, each) for each in opened.sum.recorded]
    bounds = record.bounds
    facts = {
        "permit": record.permit_id,
        "round": record.n,
        "in the sum": ", ".join(inside),
        "left out": ", ".join(_name(registry, each) for each in record.participants if each not in opened.sum.recorded)
        or "nobody",
        "rows": int(metrics["num-examples"]) if "num-examples" in metrics else "not in a private sum",
        "numbers": len(opened.total),
        "every update": "not bounded"
        if bounds is None
        else f"proved: at most {bounds.bound} / 2^{record.secure.fraction_bits} each"
        + ("" if bounds.squares is None else f", squares at most {bounds.squares}"),
        "milliseconds": round(1000 * (time.perf_counter() - started)),
    }
    if options.json:
        print(json.dumps({"accepted": True, "total": opened.total.tolist()} | facts))
        return 0
    print("ACCEPTED")
    for name, value in facts.items():
        print(f"  {name:14} {value}")
    return 0


def _name(registry: "Registry", dataset_id: "DatasetId") -> str:
    dataset = registry.dataset(dataset_id)
    return dataset_id.hex()[:12] if dataset is None else dataset.name
