"""Options that commands of this area have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from belmont.ehr.commands import add_command


def hospital_command(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Adds a command for the machine that has a hospital's keys and vault: where these are, and where the chain is."""
    parser = add_command(subparsers, name, run, summary, description, examples)
    parser.add_argument("--home", type=Path, required=True, metavar="DIR", help="a consortium's directory: keys, vault")
    parser.add_argument("--url", required=True, help="the chain's JSON-RPC address")
    return parser
