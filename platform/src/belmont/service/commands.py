"""``belmont service``: an institution's service, the ethics board's console, the patient's page."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  belmont service init --chain http://127.0.0.1:8545 --public-url https://belmont.hospital.example
  belmont service serve --config service.toml      answers requests until Ctrl-C
  belmont service token --url https://belmont.hospital.example --key board.json     for other software

belmont up writes and starts one by itself: deployment/service.toml is an example. docs/service.md says how an
institution runs one: TLS, PostgreSQL, backups, what is in the database. Standard output of serve gets one line of JSON
once requests are answered; standard error is its log.
"""


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of the group ``service``."""
    init = _parser(subparsers, "init", "write a configuration to begin with")
    init.add_argument("--chain", required=True, metavar="URL", help="the consortium's chain")
    init.add_argument("--members", metavar="0x...", help="which consortium, where the chain has several")
    init.add_argument("--public-url", required=True, metavar="URL", help="as browsers reach it")
    init.add_argument("--name", default="Belmont", help="shown to whoever signs in")
    init.add_argument("--database", metavar="URL", default="sqlite:///service.sqlite", help="SQLite or PostgreSQL")
    init.add_argument(
        "--port",
        type=int,
        metavar="N",
        help="default 8600, or that of an address of this machine",
    )
    init.add_argument("--out", type=Path, default=Path("service.toml"), metavar="FILE", help="default service.toml")
    init.set_defaults(run=_init)
    serve = _parser(subparsers, "serve", "answer requests")
    serve.add_argument("--config", type=Path, required=True, metavar="FILE", help="the service's configuration")
    serve.add_argument("--port", type=int, metavar="N", help="another than the configuration's; 0 for a free one")
    serve.set_defaults(run=_serve)


def _parser(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str
) -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    return subparsers.add_parser(name, help=summary, description=summary, epilog=EXAMPLES, formatter_class=formatter)


def _init(options: argparse.Namespace) -> int:
    from belmont.service.config_file import Beginning, port_of

    url = options.public_url.rstrip("/")
    beginning = Beginning(
        options.name, options.chain, url, options.members, options.database, port_of(url, options.port)
    )
    beginning.write(options.out)
    print(f"{options.out} is written: belmont service serve --config {options.out}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    import json
    import logging
    import sys
    from dataclasses import replace

    from belmont.service.config import ServiceConfig
    from belmont.service.errors import ConfigRefused
    from belmont.service.serving import serve

    config = ServiceConfig.read(options.config)
    if options.port is not None:
        if not 0 <= options.port <= 65_535:
            raise ConfigRefused(f"there is no port {options.port}")
        config = replace(config, port=options.port)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("belmont").setLevel(logging.INFO)
    print(f"{config.name} starts: reads what is new on {config.chain}", file=sys.stderr, flush=True)

    def announce(url: str) -> None:
        print(f"{config.name} at {url}; Ctrl-C ends it", file=sys.stderr, flush=True)
        print(json.dumps({"url": url}), flush=True)

    serve(config, announce)
    return 0
