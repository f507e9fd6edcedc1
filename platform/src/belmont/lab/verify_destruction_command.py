"""``belmont verify-destruction``: check a hospital's report that a dataset is gone, against the chain."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  belmont verify-destruction destruction-3ebc....json --url http://127.0.0.1:8545
  belmont verify-destruction report.json --url http://127.0.0.1:8545 --home consortium

Compares the report with the chain: signature of the dataset's holder, SHA-256 of the file, versions. With --home, the
hospital's directory, its vault is asked as well. That nobody kept a copy, no report can show. Exit status 1: refused.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``belmont verify-destruction``."""
    parser.add_argument("report", type=Path, metavar="REPORT", help="the file that the hospital's machine wrote")
    parser.add_argument("--url", required=True, help="the chain's JSON-RPC address")
    parser.add_argument("--home", type=Path, metavar="DIR", help="the hospital's directory, to ask its vault too")
    parser.add_argument("--members", metavar="ADDRESS", help="which consortium, where the chain has several")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=verify)


def verify(options: argparse.Namespace) -> int:
    """Verifies, prints what was compared, and says 1 if anything is refused."""
    import json

    from belmont.lab.destroyed import facts_of, verify_destruction
    from belmont.lab.destruction_report import MAX_BYTES, SignedReport
    from belmont.lab.errors import LabError, ReportRefused
    from belmont.lab.home import Home
    from belmont.registry.chain_registry import ChainRegistry

    if not options.report.is_file():
        raise LabError(
            f"{options.report} is no file: name the report, destruction-....json in the hospital's directory"
        )
    with options.report.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    home = Home(options.home) if options.home else None
    record = home.read() if home else None
    registry = ChainRegistry.connect(options.url, record.members_address if record else options.members)
    try:
        signed = SignedReport.from_bytes(content)
        people = record.people if record else ()
        slug = next((each.slug for each in people if each.address == signed.report.holder), None)
        if home is not None and slug is None:
            raise LabError(
                f"{home.path} is not the directory of the hospital that signed: leave --home out, or name its own"
            )
        shown = verify_destruction(content, registry, home, slug)
    except ReportRefused as refused:
        print(json.dumps({"accepted": False, "why": str(refused)}) if options.json else f"REFUSED  {refused}")
        return 1
    facts = {"dataset": signed.report.name, **facts_of(signed), **shown}
    if options.json:
        print(json.dumps({"accepted": True} | facts))
        return 0
    print("ACCEPTED")
    for name, value in facts.items():
        print(f"  {name:22} {value}")
    print("\nNot in our power:")
    for each in signed.report.not_in_our_power:
        print(f"  - {each}")
    return 0
