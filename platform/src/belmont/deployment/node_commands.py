"""``belmont node``: a hospital's node."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  belmont node serve --config hospital.toml        decides, computes and records for one dataset; Ctrl-C ends it
  belmont node register-key --config hospital.toml puts this node's key on chain in place of another

hospital.toml:
  home = "."                     # has members/<member>/: keys, vault, ledger
  member = "hospital-1"
  chain = "http://127.0.0.1:8545"
  [coordinator]
  address = "coordinator.example:9443"
  authority = "authority.pem"    # the coordinator's, as its operator gave it
  [isolation]                    # optional
  mode = "isolated"              # "in-process": the study's code runs inside the node, for synthetic data only
  allow_weaker = []              # what may be missing here, of "landlock", "other-user", "seccomp"

Paths are relative to the file. home also needs consortium.json. belmont up writes one such file for each hospital, as
deployment/hospital-1.toml.

Standard output gets one line of JSON once the node serves; standard error is its log.
"""


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of the group ``node``."""
    for name, run, summary in (
        ("serve", _serve, "serve one dataset behind a coordinator"),
        ("register-key", _register_key, "put this node's key on chain in place of another"),
    ):
        parser = subparsers.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the hospital's configuration")
        parser.set_defaults(run=run)


def _serve(options: argparse.Namespace) -> int:
    import json
    import os
    import signal
    import sys

    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
    from belmont.deployment.hospital_config import HospitalConfig
    from belmont.deployment.node import log_to_stderr, serve
    from belmont.federated.deployed.supernode import SuperNode

    config = HospitalConfig.read(options.config)
    log_to_stderr()
    announced, before = False, ""

    def told(state: str) -> None:
        nonlocal announced, before
        if state != before:
            print(f"{config.member}: {state}", file=sys.stderr, flush=True)
        before = state
        if state == "serving" and not announced:
            announced = True
            print(json.dumps({"member": config.member, "state": state}), flush=True)

    def started(supernode: SuperNode) -> None:
        def end(number: int, frame: object) -> None:
            supernode.stop()
            if supernode.is_idle:
                sys.exit(0)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)

    serve(config, told, started)
    return 0


def _register_key(options: argparse.Namespace) -> int:
    from belmont.deployment.hospital_config import HospitalConfig
    from belmont.deployment.node import hospital_of, register_key

    consortium, hospital = hospital_of(HospitalConfig.read(options.config))
    with consortium:
        register_key(consortium, hospital, replace=True)
    print(f"the chain has the key of the node of {hospital.name}")
    return 0
