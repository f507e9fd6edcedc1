"""``belmont up``: a whole consortium of processes on this machine."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  belmont up                                     4 synthetic hospitals in ./consortium, or what is there already
  belmont up --hospitals 4 --patients 4000 --seed 7 --home consortium
  belmont up --home consortium                   once more: starts what was killed, and leaves alone what runs
  belmont status --home consortium
  belmont down --home consortium                 ends the processes; the consortium stays

In a notebook, in place of Consortium.local(...):  consortium = Consortium.deployed("consortium")
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``belmont up``."""
    parser.add_argument("--home", type=Path, default=Path("consortium"), metavar="DIR", help="default consortium")
    parser.add_argument("--hospitals", type=int, metavar="K", help="of a new consortium: 3 to 16 (default 4)")
    parser.add_argument("--patients", type=int, metavar="N", help="over all hospitals of a new one (default 4000)")
    parser.add_argument("--seed", type=int, metavar="S", help="of a new one's synthetic records (default 7)")
    parser.add_argument(
        "--in-process",
        action="store_true",
        help="nodes run the study's code in their own process: only for synthetic data, where isolation cannot be had",
    )
    parser.set_defaults(run=up)


def up(options: argparse.Namespace) -> int:
    """Make the consortium if there is none, and start what is not running."""
    import json
    import sys

    from belmont.deployment.lock import locked
    from belmont.deployment.machine import Machine
    from belmont.lab.consortium import Consortium
    from belmont.lab.home import Home
    from belmont.lab.progress import progress_bar

    home = Home(options.home)
    named = {"hospitals": options.hospitals, "patients": options.patients, "seed": options.seed}
    with locked(options.home, lambda state: print(state, file=sys.stderr, flush=True)):
        if not home.is_finished:
            Consortium.local(**named, home=options.home, with_auditor=True).close()
        elif any(value is not None for value in named.values()):
            Consortium.refuse_other_sizes(home, **named)
        machine = Machine(options.home)
        with progress_bar("Starting processes", 3 + len(machine.hospitals)) as bar:
            machine.up(
                lambda name: bar.advance(note=name),
                "in-process" if options.in_process else "isolated",
                taken_back=lambda names: print(_taken_back(names), file=sys.stderr, flush=True),
            )
    deployment = machine.deployment
    print(f"chain        {deployment.chain}")
    print(f"coordinator  {deployment.coordinator}, authority {deployment.authority}")
    print(f"service      {deployment.service}: the ethics board's console, the patient's page, the API")
    print(f"hospitals    {len(machine.hospitals)} nodes: belmont status --home {options.home}")
    print(f"notebook     consortium = Consortium.deployed({json.dumps(str(options.home))})")
    sys.stdout.flush()
    return 0


def _taken_back(names: list[str]) -> str:
    ended = f"ended what this belmont up had started: {', '.join(names)}" if names else "nothing was left started"
    return f"{ended}; what ran before runs on"
