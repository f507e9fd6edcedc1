"""The ``belmont`` command: finds the group that was asked for and loads only that one.

Each group lives in a ``commands`` module of its area with ``add_commands(subparsers)``; heavy libraries are
imported by the handlers, so ``belmont --help`` and a mistyped option answer at once.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version

GROUPS = {
    "demo": ("belmont.lab.commands", "run one approved study from start to audit, and write a report"),
    "up": ("belmont.deployment.up_command", "start a whole consortium of processes on this machine"),
    "status": ("belmont.deployment.status_command", "what of a consortium runs on this machine"),
    "down": ("belmont.deployment.down_command", "end the processes of a consortium on this machine"),
    "node": ("belmont.deployment.node_commands", "serve a hospital's dataset behind a coordinator"),
    "coordinator": ("belmont.deployment.coordinator_commands", "deliver messages between researchers and hospitals"),
    "service": ("belmont.service.commands", "the ethics board's console, the patient's page, and an API"),
    "prove": ("belmont.lab.prove_command", "prove a dataset: allowed values, exact rows, no copies"),
    "verify": ("belmont.lab.verify_command", "verify proofs offline"),
    "verify-destruction": ("belmont.lab.verify_destruction_command", "check a report that a dataset is destroyed"),
    "verify-round": ("belmont.lab.verify_round_command", "compute a secure round's total again, and check every part"),
    "data": ("belmont.ehr.commands", "generate synthetic records; code records by a data dictionary"),
    "model": ("belmont.lab.own.commands", "a study's own code: a template, a check, its hash, what differs"),
    "key": ("belmont.registry.identities.commands", "make, show and rotate keys"),
    "sign": ("belmont.identity.sign_commands", "sign votes, consents and other messages with no network"),
    "relay": ("belmont.registry.relay.commands", "hand signed messages to the consortium's contracts"),
    "chain": ("belmont.chain.commands", "serve the embedded chain, and audit it"),
    "light": ("belmont.light.commands", "verify votes, uses, consents and permits offline, from headers alone"),
}

MORE = {
    "data": ("belmont.lab.retention_command", "belmont.lab.publish_command"),
    "sign": ("belmont.identity.sign_in_command",),
    "service": ("belmont.service.sign_in.token_command", "belmont.service.sign_in.forget_command"),
}
"""Commands of a group that other modules add: of areas above its own, or with a form of their own."""

EXAMPLES = """examples:
  belmont demo                                     watch one approved study, end to end
  belmont up --hospitals 4                         the same parts as processes; belmont status, belmont down
  belmont data generate --hospitals 4 --patients 4000 --seed 7 --out records
  belmont prove hospital-1 --home consortium --url http://127.0.0.1:8545
  belmont verify proofs/*.proof --dictionary diabetes_cvd
  belmont chain serve --dir chain --port 8545
  belmont light verify use.bundle --checkpoint 0x3ebc...

every command explains itself: belmont demo --help
"""


def build_parser(group: str | None) -> argparse.ArgumentParser:
    """The parser; only ``group``, where it names one, gets its real options."""
    parser = argparse.ArgumentParser(
        prog="belmont",
        description="Research on health records, run only as approved.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"belmont {version('belmont')}")
    groups = parser.add_subparsers(dest="group", metavar="COMMAND", required=True)
    for name, (module, summary) in GROUPS.items():
        group_parser = groups.add_parser(
            name, help=summary, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name != group:
            continue
        commands = importlib.import_module(module)
        group_parser.epilog = getattr(commands, "EXAMPLES", None)
        if hasattr(commands, "add_options"):
            commands.add_options(group_parser)
        else:
            subparsers = group_parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
            for each in (commands, *map(importlib.import_module, MORE.get(name, ()))):
                each.add_commands(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Exit status: 0 done, 1 done but something is not as it should be, 2 cannot be done."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    group = next((word for word in words if not word.startswith("-")), None)
    parsed = build_parser(group).parse_args(words)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        status: int = parsed.run(parsed)
    except KeyboardInterrupt:
        print("belmont: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if not is_explained(error) or os.environ.get("BELMONT_TRACEBACK"):
            raise
        print(f"belmont: {error}", file=sys.stderr)
        return 2
    return status


def is_explained(error: Exception) -> bool:
    """Whether the error is one of ours, or the operating system's about a file: its text then says what to do."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] == "belmont"


if __name__ == "__main__":
    sys.exit(main())
