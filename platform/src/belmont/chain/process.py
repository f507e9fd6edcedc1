"""Starting a chain server as its own process, and ending it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from belmont.chain import errors
from belmont.chain.errors import ChainStartError

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
LOG_TAIL_CHARACTERS: Final = 2_000


class ChainProcess:
    """A running chain server. `with ChainProcess.start(directory) as chain: ... chain.url`.

    It ends with this process, however this process ends; its log is `DIR/server.log`.
    """

    def __init__(self, process: subprocess.Popen[bytes], directory: Path, facts: dict[str, Any]) -> None:
        self._process = process
        self.directory = directory
        self.url: str = facts["url"]
        self.port: int = facts["port"]
        self.chain_id: int = facts["chain_id"]

    @classmethod
    def start(
        cls, directory: Path, port: int = 0, heartbeat_seconds: float = 10.0, chain_id: int | None = None
    ) -> ChainProcess:
        """Start a server for `directory` and wait until it answers; port 0 finds a free one.

        Raises `ChainLocked`, `ChainDirectoryError` or `ChainStartError`.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        log_path = directory / "server.log"
        command = [sys.executable, "-P", "-m", "belmont.chain.server", str(directory), str(port), "--end-with-parent"]
        command += ["--heartbeat-seconds", str(heartbeat_seconds)]
        if chain_id is not None:
            command += ["--chain-id", str(chain_id)]
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        try:
            facts = _first_line(process, log_path)
        except BaseException:
            process.kill()
            _release(process)
            raise
        return cls(process, directory, facts)

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server process still lives."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it in order (SIGTERM): what is waiting is sealed first. Harmless when it has ended."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        _release(self._process)

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        if self.running:
            self._process.kill()
        _release(self._process)

    def __enter__(self) -> ChainProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"ChainProcess(url={self.url!r}, pid={self.pid}, running={self.running})"


def _first_line(process: subprocess.Popen[bytes], log_path: Path) -> dict[str, Any]:
    """The server's announcement; its own typed error when it announces one."""
    pipe = process.stdout
    if pipe is None:
        raise ChainStartError("the chain server was started without a pipe to report on")
    line, deadline = b"", time.monotonic() + START_SECONDS
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(pipe.fileno(), 65536) if ready else b""
        if not chunk:
            why = "ended before it answered" if ready else f"did not answer within {START_SECONDS:.0f} s"
            raise ChainStartError(f"the chain server {why}; end of {log_path}:\n{_tail(log_path)}")
        line += chunk
    try:
        facts: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise ChainStartError(f"the chain server reported {line!r}; see {log_path}") from error
    if "error" in facts:
        kind = getattr(errors, str(facts["error"]), ChainStartError)
        raise kind(str(facts["message"]))
    return facts


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:] if path.exists() else "(no log)"


def _release(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
