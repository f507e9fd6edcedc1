"""``belmont status``: what of a consortium runs on this machine."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  belmont status                                 the consortium in ./consortium
  belmont status --home consortium --json

Exit status 1 where something is not running, or a node is not connected.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``belmont status``."""
    parser.add_argument("--home", type=Path, default=Path("consortium"), metavar="DIR", help="default consortium")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=status)


def status(options: argparse.Namespace) -> int:
    """Print a line for each process."""
    import json

    from belmont.deployment.status import status_of

    found = status_of(options.home)
    if options.json:
        print(json.dumps(found))
    else:
        print(f"chain {found['chain']}, block {found['block']}; coordinator {found['coordinator']}")
        print(f"service {found['service'] or 'not started'}")
        print(f"{'process':16} {'state':14} {'pid':>8} {'MB':>6}  log")
        for row in found["processes"]:
            print(f"{row['name']:16} {row['state']:14} {row['pid']:>8} {row['memory_mb']:>6.0f}  {row['log']}")
    return 0 if all(row["state"] in ("running", "connected") for row in found["processes"]) else 1
