"""``belmont verify``: check validity proofs offline, believing nobody."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from belmont.zk.verifiers.native import ProvenTable

EXAMPLES = """examples:
  belmont verify hospital-1.proof
  belmont verify proofs/hospital-1/*.proof                 all parts of a large dataset, in order
  belmont verify hospital-1.proof --dictionary diabetes_cvd
  belmont verify hospital-1.proof --root 0x3ebc...     the root that the chain has, read elsewhere
  belmont verify hospital-1.proof --url http://127.0.0.1:8545
  belmont verify hospital-1.proof --at-least 20 --json

A proof says that every value is one that the layout in it allows, for so many rows, no pseudonym twice. Anybody can
make one: whose it is, and of what, is only claimed until it is compared. --dictionary compares the layout with a
dictionary's, --root the commitments with the root that a chain has, --url all of it with a consortium's chain. None of
it says that the patients exist: docs/proofs.md. Exit status 1: refused.
"""
HINT = (
    "Give all parts of one version, and no others. If these are they, whoever made the proof has to make it again, or "
    "did not prove what was registered."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``belmont verify``."""
    parser.add_argument("proofs", type=Path, nargs="+", metavar="PROOF", help="proof files: all parts of one version")
    parser.add_argument("--dictionary", metavar="D", help="a dictionary's file or name, to compare the layout with")
    parser.add_argument("--url", help="a chain's JSON-RPC address, to compare with what is registered there")
    parser.add_argument("--root", metavar="0x...", help="the registered commitments root, to compare with")
    parser.add_argument("--members", metavar="ADDRESS", help="which consortium, where the chain has several")
    parser.add_argument("--at-least", type=int, default=0, metavar="ROWS", help="refuse fewer rows: a minimum cohort")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=verify)


def verify(options: argparse.Namespace) -> int:
    """Verifies, prints what is shown and what is not, and says 1 if anything is refused."""
    import json
    import time

    from belmont.zk.errors import CommitmentMismatch, ProofMalformed, ProofRefused
    from belmont.zk.validity import ValidityProof
    from belmont.zk.verifiers.native import verify_table

    data = [_read(path) for path in options.proofs]
    started = time.perf_counter()
    try:
        proven = verify_table([ValidityProof.from_bytes(each) for each in data])
        milliseconds = 1000 * (time.perf_counter() - started)
        if proven.rows < options.at_least:
            raise ProofRefused("V1", f"{proven.rows} rows, and at least {options.at_least} were asked for")
        compared = _compared(options, proven)
    except (CommitmentMismatch, ProofMalformed, ProofRefused) as refused:
        if options.json:
            print(json.dumps({"accepted": False, "why": str(refused)}))
        else:
            print(f"REFUSED  {refused}\n{HINT}")
        return 1
    shown = _facts(proven, sum(map(len, data)), milliseconds) | compared
    if options.json:
        print(json.dumps({"accepted": True} | shown))
        return 0
    tied = options.url or options.root
    print("ACCEPTED" if tied else "HOLDS, but whose it is and of what is only claimed: compare it with --url or --root")
    for name, value in shown.items():
        print(f"  {name.replace('_', ' '):22} {value}")
    allowed = "the dictionary" if options.dictionary else "the layout in the proof"
    print(f"\nShown: only values that {allowed} allows, exactly so many rows, no pseudonym twice.")
    print("Not shown: that the patients exist.")
    return 0


def _read(path: Path) -> bytes:
    """The file, or one byte more than a proof can have of it. Raises LabError where there is no such file."""
    from belmont.lab.errors import LabError
    from belmont.zk.validity import MAX_PROOF_BYTES

    if not path.is_file():
        raise LabError(
            f"{path} is no file: name the files that belmont prove wrote (*.proof), all parts of one version"
        )
    with path.open("rb") as file:
        return file.read(MAX_PROOF_BYTES + 1)


def _facts(proven: "ProvenTable", size: int, milliseconds: float) -> dict[str, object]:
    statement = proven.statement
    return {
        "rows": proven.rows,
        "columns": len(statement.layout.columns),
        "column_chunks": statement.layout.committed * proven.chunks,
        "dataset": "0x" + statement.dataset.hex(),
        "version": statement.version,
        "owner": "0x" + statement.owner.hex(),
        "contract": "0x" + statement.contract.hex(),
        "chain_id": statement.chain_id,
        "layout": "0x" + statement.layout.hash.hex(),
        "commitments_root": "0x" + proven.root.hex(),
        "bytes": size,
        "milliseconds": round(milliseconds, 1),
    }


def _compared(options: argparse.Namespace, proven: "ProvenTable") -> dict[str, object]:
    """What was compared beyond the proof. Raises ProofRefused, CommitmentMismatch."""
    from belmont.lab.proofs import compare_with_chain, compare_with_dictionary
    from belmont.zk.errors import CommitmentMismatch

    compared: dict[str, object] = {"dictionary": "not compared", "chain": "not compared"}
    if options.dictionary:
        compared["dictionary"] = compare_with_dictionary(proven, options.dictionary)
    if options.root:
        if options.root.removeprefix("0x").lower() != proven.root.hex():
            raise CommitmentMismatch("the proof is about other columns than those of that root")
        compared["chain"] = "its commitments have the root that was given"
    if options.url:
        compared["chain"] = compare_with_chain(proven, options.url, options.members)
    return compared
