"""What every benchmark is asked on the command line: ``--quick``, ``--json``."""

import argparse
from collections.abc import Sequence


def parse(name: str, about: str | None, quick: str, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of ``python -m benchmarks.NAME``; ``quick`` says what is smaller then."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help=f"{quick}: a look, not a measurement")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args(arguments)
