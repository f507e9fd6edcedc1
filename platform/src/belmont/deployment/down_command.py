"""``belmont down``: ends the processes of a consortium on this machine."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  belmont down                                   the consortium in ./consortium
  belmont down --home consortium                 its files stay: belmont up goes on with them
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``belmont down``."""
    parser.add_argument("--home", type=Path, default=Path("consortium"), metavar="DIR", help="default consortium")
    parser.set_defaults(run=down)


def down(options: argparse.Namespace) -> int:
    """End what was started, the last first."""
    import sys

    from belmont.deployment.lock import locked
    from belmont.deployment.machine import Machine
    from belmont.lab.home import Home

    Home(options.home).read()  # a directory that is no consortium's is not made one
    with locked(options.home, lambda state: print(state, file=sys.stderr, flush=True)):
        Machine(options.home).down(lambda name: print(f"{name} ended"))
    return 0
