"""``belmont data retention``: which datasets are kept until when, and destroying what is due."""

from __future__ import annotations

import argparse

from belmont.lab.options import hospital_command

EXAMPLES = """examples:
  belmont data retention --home consortium --url http://127.0.0.1:8545
  belmont data retention --home consortium --url http://127.0.0.1:8545 --destroy-due

For the machine that holds a hospital's keys and vault. Without --destroy-due it only lists. With it, every dataset
whose date is over, by this machine's clock and by the chain's, is destroyed for good, as consortium.destroy does it.
Nothing polls: run it as often as the rules of the house ask. Exit status 1: something is due and was not destroyed.
"""


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``retention`` to the group `data`."""
    parser = hospital_command(
        subparsers,
        "retention",
        retention,
        "list what is kept until when; destroy what is due",
        "List a hospital's datasets with their retention dates, and destroy those that are due.",
        EXAMPLES,
    )
    parser.add_argument("--destroy-due", action="store_true", help="destroy what is due, for good")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def retention(options: argparse.Namespace) -> int:
    """Lists, and destroys what is due where it was asked to."""
    import json
    import time

    from belmont.lab.consortium import Consortium
    from belmont.lab.retention import kept

    with Consortium.connect(options.url, options.home) as consortium:
        destroyed = consortium.destroy_due() if options.destroy_due else []
        lines = [
            {
                "dataset": each.hospital.dataset_name,
                "until": time.strftime("%Y-%m-%d", time.gmtime(each.until)),
                "days_left": None if each.is_destroyed else round(each.days_left, 1),
                "status": each.status.name.lower(),
                "due": each.is_due,
            }
            for each in kept(consortium)
        ]
    reports = [str(each.path) for each in destroyed]
    if options.json:
        print(json.dumps({"datasets": lines, "reports": reports}))
    else:
        for line in lines:
            left = "" if line["days_left"] is None else f"  ({line['days_left']} days left)"
            left = "  (DUE: destroy it with --destroy-due)" if line["due"] else left
            print(f"{line['until']}  {line['status']:10} {line['dataset']}{left}")
        for report in reports:
            print(f"destroyed; the report, whose SHA-256 is on chain: {report}")
    return 1 if any(line["due"] for line in lines) else 0
