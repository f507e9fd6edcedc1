"""Command line of the chain: `belmont chain serve`, `belmont chain audit`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from belmont.chain.audit.command import add_audit

EXAMPLES = """examples:
  belmont chain serve --dir ./chain --port 8545
  belmont chain serve --dir ./chain --port 0            (a free port, printed once it answers)
  belmont chain serve --dir ./ours --port 8545 --chain-id 4242
  belmont chain audit --dir ./chain

Standard output gets one line of JSON with the url once the chain answers. One process serves one directory: a second
one is refused. Ctrl-C ends it in order: what is waiting is sealed first.
"""


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of the group `chain`."""
    parser = subparsers.add_parser(
        "serve",
        help="serve the embedded chain of a directory over Ethereum JSON-RPC",
        description="Serve the embedded chain of a directory over Ethereum JSON-RPC; it is created when it is new.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--dir", dest="directory", metavar="DIR", type=Path, required=True, help="where the chain is kept"
    )
    parser.add_argument("--port", type=int, default=8545, help="TCP port, 0 for a free one (default: 8545)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine)")
    parser.add_argument("--chain-id", type=int, help="of a new chain (default: 1337); must match an existing one")
    parser.add_argument(
        "--heartbeat-seconds",
        metavar="SECONDS",
        type=float,
        default=10.0,
        help="an empty block after so long without one (default: 10)",
    )
    parser.set_defaults(run=_serve)
    add_audit(subparsers)


def _serve(arguments: argparse.Namespace) -> int:
    from belmont.chain.server import Facts, print_facts, serve

    def announce(facts: Facts) -> None:
        print(
            f"chain {facts['chain_id']} in {arguments.directory} listens on {facts['url']}; Ctrl-C ends it",
            file=sys.stderr,
            flush=True,
        )
        print_facts(facts)

    block = serve(
        arguments.directory,
        arguments.port,
        host=arguments.host,
        chain_id=arguments.chain_id,
        heartbeat_seconds=arguments.heartbeat_seconds,
        announce=announce,
    )
    print(f"stopped at block {block}", file=sys.stderr)
    return 0
