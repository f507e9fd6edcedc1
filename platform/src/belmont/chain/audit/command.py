"""`belmont chain audit`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from belmont.chain.errors import AuditUnavailable, ChainDirectoryError

if TYPE_CHECKING:
    from belmont.chain.audit.replay import Report

PACKAGE = "ethereum-execution"
INSTALL = f"pip install --no-deps {PACKAGE}==2.20.0, after pip install 'belmont[audit]'"

EXAMPLES = """examples:
  belmont chain audit --dir ./chain                    every block, until the first difference
  belmont chain audit --dir ./chain --from 5000        compare from block 5000 on (those before are executed only)
  belmont chain audit --dir ./chain --blocks 100       the first 100 blocks that are compared
  belmont chain audit --dir ./chain --pure --json      nothing delegated: slow, BLS12-381 in pure Python

The chain may be stopped or being served: its directory is only read. Exit status: 0 nothing differs, 1 something
differs, 2 it cannot be audited.
"""


def add_audit(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "audit",
        help="execute every block again in Ethereum's executable specification, and compare",
        description="Execute every block of a directory again in Ethereum's executable specification, another EVM, "
        "and compare state roots, gas, receipts, logs, headers and stored states.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dir", dest="directory", metavar="DIR", type=Path, required=True, help="where the chain is")
    parser.add_argument("--from", dest="first", metavar="N", type=int, default=0, help="first block that is compared")
    parser.add_argument("--blocks", metavar="N", type=int, help="how many blocks are compared (default: all)")
    parser.add_argument("--pure", action="store_true", help="delegate no precompile to native code")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run_audit)


def run_audit(arguments: argparse.Namespace) -> int:
    """Exit status 0: nothing differs. 1: something does. Raises `ChainDirectoryError`, `AuditUnavailable`."""
    require_specification()
    from belmont.chain.audit.delegated import NAMES, native_precompiles
    from belmont.chain.audit.replay import audit
    from belmont.chain.audit.source import ChainDirectory
    from belmont.chain.audit.specification import RELAXED

    source = ChainDirectory(arguments.directory)
    with contextlib.closing(source):
        first, blocks = arguments.first, arguments.blocks
        if not 0 <= first <= source.last:
            raise ChainDirectoryError(f"--from {first}: the chain has blocks 0 to {source.last}")
        if blocks is not None and blocks < 1:
            raise ChainDirectoryError(f"--blocks {blocks}: choose at least 1")
        last = source.last if blocks is None else min(source.last, first + blocks - 1)
        delegated = contextlib.nullcontext() if arguments.pure else native_precompiles()
        with delegated, _progress(last, silent=arguments.json) as progress:
            report = audit(source, first, last, progress)
    report.relaxed = RELAXED
    report.delegated = () if arguments.pure else NAMES
    if arguments.json:
        print(json.dumps(document(report)))
    else:
        print(summary(report))
    return 1 if report.divergence else 0


def require_specification() -> None:
    """Raises `AuditUnavailable` where the specification is not installed."""
    if importlib.util.find_spec("ethereum") is None or importlib.util.find_spec("ethereum_rlp") is None:
        raise AuditUnavailable(f"the executable specification is not installed: {INSTALL}")


def specification_version() -> str:
    """Name and version of the package that executes."""
    try:
        return f"{PACKAGE} {version(PACKAGE)}, prague"
    except PackageNotFoundError:
        return f"{PACKAGE}, prague"


def document(report: Report) -> dict[str, Any]:
    """The report as JSON; `divergence` is null, or says block, transaction and what differs."""
    values = dataclasses.asdict(report)
    return {**values, "specification": specification_version()}


def summary(report: Report) -> str:
    """The report for a person."""
    lines = [
        f"chain {report.chain_id}: {report.blocks} blocks, {report.transactions} transactions, {report.logs} logs and "
        f"{report.nodes} state nodes compared in {report.seconds:.1f} s",
        f"executed by {specification_version()}; slowest block {report.slowest_block} ({report.slowest_seconds:.2f} s)",
        f"relaxed: {', '.join(report.relaxed)}",
    ]
    if report.delegated:
        lines.append(f"computed natively, with the specification's gas: {', '.join(report.delegated)} (--pure: none)")
    if report.divergence:
        lines.append(f"DIFFERS at {report.divergence}")
    else:
        lines.append(f"nothing differs up to block {report.last}, {report.head}: compare this hash with other parties")
    return "\n".join(lines)


@contextlib.contextmanager
def _progress(last: int, silent: bool) -> Iterator[Callable[[int], None]]:
    """A bar on standard error for a person; nothing where none looks."""
    if silent or not sys.stderr.isatty():
        yield lambda number: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("block"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("audit", total=last)
        yield lambda number: bar.update(task, completed=number)
