"""A PostgreSQL server of a test session's own: made, started and ended here, reachable by no other machine.

``with throw_away() as server: server.database()`` gives the URL of a new, empty database each time. Raises
``NoPostgres``, which says why, where PostgreSQL is not to be had (``make postgres`` installs it).
"""

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

DEBIAN = Path("/usr/lib/postgresql")
START_SECONDS = 60.0
STOP_SECONDS = 30.0
FAST = ["fsync=off", "full_page_writes=off", "max_connections=50", "shared_buffers=32MB"]
"""Nothing of it outlives the session. A commit is still a commit to every process that is killed."""


class NoPostgres(Exception):
    """There is no PostgreSQL here, or it does not start."""


def programs() -> Path:
    """The directory with ``initdb`` and ``postgres``. Raises ``NoPostgres``."""
    found = shutil.which("initdb")
    versions = [each for each in DEBIAN.glob("*/bin") if (each / "initdb").exists() and (each / "postgres").exists()]
    if found and (Path(found).resolve().parent / "postgres").exists():
        return Path(found).resolve().parent
    if versions:
        return max(versions, key=lambda each: float(each.parent.name))
    raise NoPostgres("PostgreSQL is not installed: make postgres")


class Server:
    """A running server, and its empty databases."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._serials = itertools.count(1)

    def url(self, database: str) -> str:
        return f"postgresql://belmont@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a new database."""
        name = f"test_{os.getpid()}_{next(self._serials)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name}")
        return self.url(name)


@contextmanager
def throw_away() -> Iterator[Server]:
    """A server in a temporary directory, on a free port of 127.0.0.1, as an unprivileged user."""
    bin_directory, user = programs(), _unprivileged()
    directory = Path(tempfile.mkdtemp(prefix="belmont-pg-"))
    try:
        if user is not None:
            os.chown(directory, user.pw_uid, user.pw_gid)
        data = directory / "data"
        words = ["--auth=trust", "--username=belmont", "--encoding=UTF8", "--locale=C", "--no-sync"]
        _run([str(bin_directory / "initdb"), *words, "--pgdata", str(data)], directory, user)
        port = _free_port()
        process = _start([str(bin_directory / "postgres"), "-D", str(data)], port, directory, user)
        try:
            yield _answering(process, port, directory / "log")
        finally:
            process.send_signal(signal.SIGINT)  # disconnects whoever is left
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _unprivileged() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to be run by root; then another user runs it."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgres("PostgreSQL does not run as root, and there is no other user to run it")


def _as(user: pwd.struct_passwd | None) -> dict[str, int]:
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid}


def _run(words: list[str], directory: Path, user: pwd.struct_passwd | None) -> None:
    done = subprocess.run(
        words, cwd=directory, capture_output=True, text=True, timeout=120, extra_groups=_groups(user), **_as(user)
    )
    if done.returncode:
        raise NoPostgres(f"initdb failed: {done.stderr[-1000:]}")


def _groups(user: pwd.struct_passwd | None) -> list[int] | None:
    return None if user is None else []


def _start(words: list[str], port: int, directory: Path, user: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
    options = [*FAST, "listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={directory}"]
    words = [*words, *(word for option in options for word in ("-c", option))]
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(
            words,
            cwd=directory,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            extra_groups=_groups(user),
            **_as(user),
        )


def _answering(process: subprocess.Popen[bytes], port: int, log: Path) -> Server:
    server, deadline = Server(port), time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(server.url("postgres"), connect_timeout=5).close()
            return server
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoPostgres(f"PostgreSQL does not start: {log.read_text()[-1000:]}") from error
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        return int(probing.getsockname()[1])
