"""``belmont prove``: prove a registered dataset to the contract, or a coded table to whoever reads the file."""

import argparse
import os
from pathlib import Path

EXAMPLES = """examples:
  belmont prove hospital-1 --home consortium --url http://127.0.0.1:8545
  belmont prove "Northgate Hospital: type 2 diabetes" --home consortium --url http://127.0.0.1:8545
  belmont prove hospital-1.table --dictionary diabetes_cvd --out proofs

DATASET is a hospital of a consortium's directory, or its dataset's name: its newest version is read from the vault,
proved part by part, and sent to the contract, which verifies it; only then can the version be used. Stopped half-way,
the same command goes on where the chain is. Or DATASET is a coded table (`belmont data code`): its proofs go to
the new folder --out and are bound to no chain, so they show that the table can be proved, and nothing about what is
registered. Check proof files with `belmont verify`.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``belmont prove``."""
    parser.add_argument("dataset", metavar="DATASET", help="a hospital or dataset in --home, or a coded table's file")
    parser.add_argument("--home", type=Path, metavar="DIR", help="a consortium's directory: keys, vaults")
    parser.add_argument("--url", help="the chain's JSON-RPC address")
    parser.add_argument("--dictionary", metavar="D", help="of a coded table: a file or a name")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where a coded table's proofs go")
    cpus = os.cpu_count() or 1
    parser.add_argument("--processes", type=int, default=cpus, metavar="P", help=f"default {cpus}, one for each core")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=prove)


def prove(options: argparse.Namespace) -> int:
    """Proves, with progress, and prints what was proved."""
    import json

    from belmont.lab.errors import LabError
    from belmont.lab.proving import prove_file, prove_registered

    if options.processes < 1:
        raise LabError(f"--processes is {options.processes}: take 1 or more")
    if options.home and options.url:
        proof = prove_registered(options.dataset, options.home, options.url, options.processes)
    elif options.dictionary and options.out:
        proof = prove_file(Path(options.dataset), options.dictionary, options.out, options.processes)
    else:
        raise LabError("give --home and --url for a registered dataset, or --dictionary and --out for a table's file")
    if options.json:
        print(json.dumps(proof.to_dict()))
    else:
        print(proof.summary())
    return 0
