"""``belmont service forget-keys``: remove the hardware keys of a member who lost them all, at the service's machine."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """forget-keys."""
    summary = "remove all hardware keys of an account that lost them, and end its sessions"
    parser = subparsers.add_parser("forget-keys", help=summary, description=summary)
    parser.add_argument("--config", type=Path, required=True, help="service.toml")
    parser.add_argument("--account", required=True, metavar="0x...", help="whose")
    parser.set_defaults(run=_forget)


def _forget(options: argparse.Namespace) -> int:
    from belmont.audit.database import open_engine
    from belmont.service.config import ServiceConfig
    from belmont.service.errors import ConfigRefused
    from belmont.service.sign_in.passkeys import Passkeys
    from belmont.service.sign_in.schemas import account_of
    from belmont.service.store.database import Store
    from belmont.service.store.sessions import Sessions

    config = ServiceConfig.read(options.config)
    try:
        account = account_of(options.account)
    except ValueError as error:
        raise ConfigRefused(f"--account: {error}") from error
    engine = open_engine(config.database)
    try:
        store = Store(engine)
        keys = Passkeys(store, config.name, config.origin).forget(account)
        ended = Sessions(store).end_all(account)
    finally:
        engine.dispose()
    print(f"{account}: {keys} hardware keys removed, {ended} sessions ended")
    return 0 if keys else 1
