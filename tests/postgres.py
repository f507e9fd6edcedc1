"""A PostgreSQL server of a test session's own: made, started and ended here, reachable through its Unix socket only.

``with throw_away() as server: server.database()`` gives the URL of an empty database each time. Raises ``NoPostgres``,
which says why, where PostgreSQL is not to be had (``make postgres`` installs it).
"""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

DEBIAN = Path("/usr/lib/postgresql")
START_SECONDS = 60.0
STOP_SECONDS = 30.0
OPTIONS = ["fsync=off", "full_page_writes=off", "max_connections=50", "shared_buffers=32MB", "listen_addresses="]
"""Nothing of it outlives the session. A commit is still a commit to every process that is killed."""


class NoPostgres(Exception):
    """There is no PostgreSQL here, or it does not start."""


class Server:
    """A running server."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._serials = itertools.count(1)

    @property
    def url(self) -> str:
        """Of the database that everything is in."""
        return f"postgresql://belmont@/postgres?host={self._directory}"

    def database(self) -> str:
        """The URL of what looks like a new database: a schema of its own, since a database has a thousand files."""
        name = f"test_{os.getpid()}_{next(self._serials)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"create schema {name}")
        return f"{self.url}&options=-csearch_path%3D{name}"


@contextmanager
def throw_away() -> Iterator[Server]:
    """A server in a temporary directory, as an unprivileged user."""
    programs, user = _programs(), _unprivileged()
    directory = Path(tempfile.mkdtemp(prefix="belmont-pg-"))
    try:
        if user is not None:
            os.chown(directory, user.pw_uid, user.pw_gid)
        data = directory / "data"
        words = ["--auth=trust", "--username=belmont", "--encoding=UTF8", "--locale=C", "--no-sync"]
        _run([str(programs / "initdb"), *words, "--pgdata", str(data)], directory, user)
        process = _start([str(programs / "postgres"), "-D", str(data)], directory, user)
        try:
            yield _answering(process, directory)
        finally:
            process.send_signal(signal.SIGINT)  # disconnects whoever is left
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _programs() -> Path:
    """The directory with ``initdb`` and ``postgres``."""
    found = shutil.which("initdb")
    if found and (Path(found).resolve().parent / "postgres").exists():
        return Path(found).resolve().parent
    versions = [each for each in DEBIAN.glob("*/bin") if (each / "initdb").exists() and (each / "postgres").exists()]
    if not versions:
        raise NoPostgres("PostgreSQL is not installed: make postgres")
    return max(versions, key=lambda each: float(each.parent.name))


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


def _as(user: pwd.struct_passwd | None) -> dict[str, Any]:
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _run(words: list[str], directory: Path, user: pwd.struct_passwd | None) -> None:
    done = subprocess.run(words, cwd=directory, capture_output=True, text=True, timeout=120, **_as(user))
    if done.returncode:
        raise NoPostgres(f"initdb failed: {done.stderr[-1000:]}")


def _start(words: list[str], directory: Path, user: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
    options = [*OPTIONS, f"unix_socket_directories={directory}"]
    words = [*words, *(word for option in options for word in ("-c", option))]
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(words, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **_as(user))


def _answering(process: subprocess.Popen[bytes], directory: Path) -> Server:
    server, deadline = Server(directory), time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(server.url, connect_timeout=5).close()
            return server
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoPostgres(f"PostgreSQL does not start: {(directory / 'log').read_text()[-1000:]}") from error
            time.sleep(0.05)
