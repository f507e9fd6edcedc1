"""Every benchmark after the other: ``python -m benchmarks [--quick] [--json]``. Each also runs alone."""

import argparse
import importlib
import json
import sys
from collections.abc import Iterator, Mapping

NAMES = (
    "generator",
    "chain",
    "consents",
    "grid",
    "query",
    "accounting",
    "private_training",
    "models",
    "secagg",
    "executor",
    "zk",
    "bounded",
    "service",
)


def flat(figures: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """One row for each number, however deep it stands."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", value


def main(arguments: list[str] | None = None) -> int:
    """Prints a table of what each benchmark measured, or one JSON object with ``--json``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="examples:\n  python -m benchmarks --quick\n  python -m benchmarks.chain --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="smaller sizes: a look, not a measurement")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    results: dict[str, dict[str, object]] = {}
    for name in NAMES:
        print(f"benchmarks.{name} ...", file=sys.stderr, flush=True)
        results[name] = importlib.import_module(f"benchmarks.{name}").run(quick=options.quick)
    if options.json:
        print(json.dumps(results))
        return 0
    from rich.console import Console
    from rich.table import Table

    for name, figures in results.items():
        table = Table("figure", "value", title=f"benchmarks.{name}", title_justify="left")
        for figure, value in flat(figures):
            table.add_row(figure, f"{value:.4g}" if isinstance(value, float) else str(value))
        Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
