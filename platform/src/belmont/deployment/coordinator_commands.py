"""``belmont coordinator``: delivers messages between researchers and hospitals' nodes."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  belmont coordinator serve --dir coordinator --chain http://127.0.0.1:8545
  belmont coordinator serve --dir coordinator --chain http://127.0.0.1:8545 --host 0.0.0.0 --port 9443 \\
      --name coordinator.example

The first start makes a certificate and its authority in the directory: give authority.pem to nodes and researchers. To
use a certificate of your own, put server.pem and server.key there, and its authority as authority.pem. Standard output
gets one line of JSON once requests are answered. Nobody has to trust a coordinator with anything but delivery.
"""


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of the group ``coordinator``."""
    summary = "serve Flower's SuperLink to the members of a consortium"
    parser = subparsers.add_parser(
        "serve",
        help=summary,
        description=summary,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dir", type=Path, required=True, metavar="DIR", help="its certificate")
    parser.add_argument("--chain", required=True, metavar="URL", help="the consortium's chain")
    parser.add_argument("--members", metavar="0x...", help="which consortium, where the chain has several")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=9443, help="TCP port, 0 for a free one (default 9443)")
    parser.add_argument("--name", help="the host name that others use (default: --host)")
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    import json
    import sys

    from belmont.deployment.coordinator import serve
    from belmont.deployment.node import log_to_stderr

    log_to_stderr()

    def announce(audience: str) -> None:
        authority = options.dir / "authority.pem"
        print(f"coordinator at {audience}, authority {authority}; Ctrl-C ends it", file=sys.stderr, flush=True)
        print(json.dumps({"address": audience, "authority": str(authority.resolve())}), flush=True)

    serve(options.dir, options.chain, options.members, options.host, options.port, options.name, announce)
    return 0
