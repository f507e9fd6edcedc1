"""``belmont demo``."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  belmont demo                                    about half a minute; writes demo-out/report.html
  belmont demo --hospitals 6 --patients 12000 --rounds 5 --seed 11
  belmont demo --json                             one JSON object on standard output, progress on standard error
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``belmont demo``."""
    parser.add_argument("--hospitals", type=int, default=4, metavar="K", help="3 to 16 (default 4)")
    parser.add_argument("--patients", type=int, default=4000, metavar="N", help="over all hospitals (default 4000)")
    parser.add_argument("--rounds", type=int, default=10, metavar="R", help="federated rounds (default 10)")
    parser.add_argument("--seed", type=int, default=7, metavar="S", help="of the synthetic records (default 7)")
    parser.add_argument("--out", type=Path, default=Path("demo-out"), metavar="DIR", help="default demo-out")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=demo)


def refuse_unwritable(folder: Path) -> None:
    """Raises ``LabError`` unless a file can be written in ``folder``, which is made if need be."""
    import tempfile

    from belmont.lab.errors import LabError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise LabError(
            f"--out {folder}: nothing can be written there ({error.strerror}); name another folder"
        ) from error


def demo(options: argparse.Namespace) -> int:
    """Runs the demonstration, writes the report and prints what happened. 1 if anything was not as approved."""
    import json
    import sys

    from belmont.lab.errors import LabError
    from belmont.lab.home import SyntheticSource
    from belmont.lab.sizes import refuse_sizes

    if not 1 <= options.rounds <= 1000:
        raise LabError(f"--rounds is {options.rounds}: take 1 to 1000")
    refuse_sizes(SyntheticSource(options.hospitals, options.patients, options.seed))
    refuse_unwritable(options.out)

    from belmont.lab.demo import run_demo
    from belmont.lab.report import write_report
    from belmont.lab.temporary import TemporaryDirectory

    with TemporaryDirectory() as home:
        result = run_demo(
            options.hospitals,
            options.patients,
            options.rounds,
            options.seed,
            home / "consortium",
            tell=lambda line: print(f"* {line}", file=sys.stderr, flush=True),
        )
        with result.consortium:
            summary = result.summary()
            report = write_report(result, options.out / "report.html")
    if options.json:
        print(json.dumps(summary))
    else:
        for name, value in summary.items():
            print(f"{name:22} {', '.join(value) if isinstance(value, list) else value}")
        print(f"\nthe whole story: {report}")
    return 0 if result.as_approved else 1
