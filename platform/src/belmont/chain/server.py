"""Serves one chain directory: `python -m belmont.chain.server DIR PORT`.

Prints one JSON line once it answers, {"url", "port", "chain_id", "pid"}, or {"error", "message"} when it cannot start
(exit code 2). Port 0 asks the system for a free port. SIGTERM and SIGINT end it after the waiting transactions are
sealed (exit code 0). With `--end-with-parent` it also ends when the process that started it is gone.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from belmont.chain.errors import ChainError, ChainStartError

PARENT_POLL_SECONDS: Final = 1.0
SHUTDOWN_SECONDS: Final = 10
KEEP_ALIVE_SECONDS: Final = 75

Facts = dict[str, Any]


def print_facts(facts: Facts) -> None:
    """The announcement that a starting program waits for: one JSON line on standard output."""
    print(json.dumps(facts), flush=True)


def serve(
    directory: Path,
    port: int,
    *,
    host: str = "127.0.0.1",
    chain_id: int | None = None,
    heartbeat_seconds: float = 10.0,
    announce: Callable[[Facts], None] = print_facts,
) -> int:
    """Serve the chain in `directory` until SIGINT or SIGTERM ends it; made with `chain_id` (default 1337) when new.

    `announce` is called once it answers. Returns the number of the last block. Raises `ChainLocked`,
    `ChainDirectoryError`, or `ChainStartError` when it cannot listen there; nothing is made in `directory` then.
    """
    if not 0 <= port <= 65535:
        raise ChainStartError(f"port {port} does not exist: choose one from 1 to 65535, or 0 for a free one")
    if not 0 < heartbeat_seconds < float("inf"):
        raise ChainStartError(f"heartbeat of {heartbeat_seconds} s: choose a positive number of seconds")
    listening = _bind(host, port)
    try:
        import uvicorn

        from belmont.chain.connections import BoundedProtocol, BoundedSocket, allow_open_files
        from belmont.chain.engine import Engine
        from belmont.chain.node import Node
        from belmont.chain.rpc import RpcApplication
        from belmont.chain.serving import AnnouncingServer
        from belmont.chain.sockets import MESSAGE_BYTES_MAX

        allow_open_files()
        engine = Engine.open(directory, chain_id)
    except BaseException:
        listening.close()
        raise
    try:
        port = listening.getsockname()[1]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        facts = {"url": url, "port": port, "chain_id": engine.chain_id, "pid": os.getpid()}
        application = RpcApplication(Node(engine, heartbeat_seconds), frozenset({"localhost", host}))
        config = uvicorn.Config(
            application,
            lifespan="on",
            http=BoundedProtocol,
            ws=BoundedSocket,
            ws_max_size=MESSAGE_BYTES_MAX,
            ws_per_message_deflate=False,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        server = AnnouncingServer(config, lambda: announce(facts))
        server.run(sockets=[listening])
        if not server.started:
            raise ChainStartError(f"{directory}: the chain was opened and did not begin to serve; see the log above")
    finally:
        listening.close()
        engine.close()
    return engine.head.number


def _bind(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that a port that is taken shows before anything is made."""
    if not host:
        raise ChainStartError("no address to listen on: use 127.0.0.1 for this machine only, 0.0.0.0 for every network")
    from belmont.chain.serving import listening_socket

    try:
        return listening_socket(host, port)
    except (OSError, TypeError) as error:
        raise ChainStartError(f"cannot listen on {host} port {port}: {error}; {_remedy(error)}") from error


def _remedy(error: OSError | TypeError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EACCES:
        return "choose a port from 1024, or 0 for a free one"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "choose another port, or 0 for a free one"
    return "give the host as an address of this machine, such as 127.0.0.1"


def end_with_parent() -> None:
    """End this process when its parent is gone: standard input closes, or the parent's id changes."""
    parent = os.getppid()

    def watch() -> None:
        readable = [sys.stdin.fileno()]
        while os.getppid() == parent:
            ready, _, _ = select.select(readable, [], [], PARENT_POLL_SECONDS)
            if ready and not os.read(readable[0], 4096):
                break
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SHUTDOWN_SECONDS + 5)
        os._exit(1)

    threading.Thread(target=watch, name="chain-parent", daemon=True).start()


def main(arguments: list[str] | None = None) -> int:
    """Entry of `python -m belmont.chain.server`."""
    parser = argparse.ArgumentParser(prog="python -m belmont.chain.server", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--chain-id", type=int)
    parser.add_argument("--heartbeat-seconds", type=float, default=10.0)
    parser.add_argument("--end-with-parent", action="store_true")
    options = parser.parse_args(arguments)
    if options.end_with_parent:
        end_with_parent()
    try:
        serve(
            options.directory,
            options.port,
            host=options.host,
            chain_id=options.chain_id,
            heartbeat_seconds=options.heartbeat_seconds,
        )
    except ChainError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}), flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
