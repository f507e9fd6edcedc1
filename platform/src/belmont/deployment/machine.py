"""A whole consortium as processes on this machine: ``belmont up``, ``status`` and ``down``.

1. ``up`` starts what is not running, in order: chain, coordinator, one node for each hospital, and the service, whose
   configuration is then left to whoever edits it (``service_toml``). It can be called again at any time, also for what
   was killed, and leaves alone what runs. Addresses stay the same.
2. A process is started detached, logs to ``deployment/<name>.log``, and counts once it said on its standard output that
   it is ready. It is written down before that, so that ``down`` finds it whatever happens.
3. ``down`` ends what ``up`` started, by number and start time, in the opposite order, and waits until it has ended.
4. An ``up`` that fails or is interrupted ends what it started itself, and nothing that ran before. What it learned of
   addresses stays, since its refusal may name them.
5. Whoever calls either holds the home (`lock`) from before this object is made until it is done with it: what it read
   of what runs then stays true.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from belmont.deployment.errors import NotRunning
from belmont.deployment.hospital_config import HospitalConfig
from belmont.deployment.service_toml import Serving
from belmont.lab.home import Home
from belmont.lab.running import CHAIN, COORDINATOR, FOLDER, SERVICE, Deployment, Started, started
from belmont.registry.types import Role

START_SECONDS = 120.0
STOP_SECONDS = 20.0
_LOG_TAIL_CHARACTERS = 2_000


class Machine:
    """The processes of one consortium's home on this machine."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._begun: dict[str, Started] = {}
        self._deployment = Deployment.read(home) or Deployment(
            "", "", home / FOLDER / COORDINATOR / "authority.pem", {}
        )

    @property
    def deployment(self) -> Deployment:
        """What was started."""
        return self._deployment

    @property
    def hospitals(self) -> list[str]:
        """The slugs of the hospitals in this home."""
        return [person.slug for person in Home(self.home).read().people if Role.DATA_HOLDER in person.roles]

    @property
    def _name(self) -> str:
        """What people call the service: the first hospital, which operates it."""
        names = [person.name for person in Home(self.home).read().people if Role.DATA_HOLDER in person.roles]
        return names[0] if names else self.home.resolve().name

    def up(
        self,
        told: Callable[[str], None],
        isolation: str = "isolated",
        allow_weaker: tuple[str, ...] = (),
        taken_back: Callable[[list[str]], None] = lambda names: None,
    ) -> None:
        """Start what is not running (1). ``told`` hears of each process that is ready, and ``taken_back`` of what was
        ended again where that failed (4). Raises NotRunning, ConfigError."""
        self._begun = {}
        try:
            self._up(told, isolation, allow_weaker)
        except BaseException:
            taken_back(self._take_back())
            raise

    def _up(self, told: Callable[[str], None], isolation: str, allow_weaker: tuple[str, ...]) -> None:
        folder = self.home / FOLDER
        folder.mkdir(exist_ok=True, mode=0o700)
        knows_addresses = bool(self._deployment.chain)
        port = self._deployment.chain.rpartition(":")[2] or "0"
        facts = self._start(CHAIN, "chain", "serve", "--dir", str(Home(self.home).chain), "--port", port)
        self._keep(replace(self._deployment, chain=facts.get("url", self._deployment.chain)))
        told(CHAIN)
        port = self._deployment.coordinator.rpartition(":")[2] or "0"
        members = str(Home(self.home).read().members_address)
        words = ["--dir", str(folder / COORDINATOR), "--chain", self._deployment.chain, "--members", members]
        facts = self._start(COORDINATOR, "coordinator", "serve", *words, "--port", port)
        self._keep(replace(self._deployment, coordinator=facts.get("address", self._deployment.coordinator)))
        told(COORDINATOR)
        configured = folder / f"{SERVICE}.toml"
        Serving(self._name, self._deployment.chain, members, self.hospitals).prepare(
            configured, knows_addresses=knows_addresses
        )
        waiting = []
        for slug in self.hospitals:
            config = HospitalConfig(
                self.home.resolve(),
                slug,
                self._deployment.chain,
                self._deployment.coordinator,
                self._deployment.authority.resolve(),
                isolation,
                allow_weaker,
            )
            path = folder / f"{slug}.toml"
            path.write_text(config.to_toml(), encoding="utf-8")
            waiting.append((slug, self._launch(slug, "node", "serve", "--config", str(path))))
        serving = self._launch_service(configured)
        for slug, process in waiting:
            self._ready(slug, process)
            told(slug)
        facts = self._ready(SERVICE, serving)
        self._keep(replace(self._deployment, service=facts.get("url", self._deployment.service)))
        told(SERVICE)

    def _launch_service(self, path: Path) -> subprocess.Popen[bytes] | None:
        port = urlsplit(self._deployment.service).port or 0
        return self._launch(SERVICE, "service", "serve", "--config", str(path), "--port", str(port))

    def down(self, told: Callable[[str], None]) -> None:
        """End everything that was started (3)."""
        for name in reversed(list(self._deployment.processes)):
            process = self._deployment.processes[name]
            _end(process)
            left = {key: value for key, value in self._deployment.processes.items() if key != name}
            self._keep(replace(self._deployment, processes=left))
            told(name)

    def log(self, name: str) -> Path:
        """Where a process logs."""
        return self.home / FOLDER / f"{name}.log"

    def _take_back(self) -> list[str]:
        """End what this ``up`` started (4), and then forget it; whom that met running."""
        begun = list(reversed(self._begun.items()))
        running = [name for name, process in begun if process.runs]
        for _, process in begun:
            _end(process)
        left = {name: each for name, each in self._deployment.processes.items() if name not in self._begun}
        self._keep(replace(self._deployment, processes=left))
        return running

    def _start(self, name: str, *words: str) -> Mapping[str, Any]:
        return self._ready(name, self._launch(name, *words))

    def _launch(self, name: str, *words: str) -> subprocess.Popen[bytes] | None:
        """A new process; None where it runs already."""
        known = self._deployment.processes.get(name)
        if known is not None and known.runs:
            return None
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "belmont.cli", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._begun[name] = started(process.pid)
        processes = dict(self._deployment.processes) | {name: self._begun[name]}
        self._keep(replace(self._deployment, processes=processes))  # 2
        return process

    def _ready(self, name: str, process: subprocess.Popen[bytes] | None) -> Mapping[str, Any]:
        """What a process says once it is ready. Raises NotRunning with the end of its log."""
        if process is None or process.stdout is None:
            return {}
        line, deadline = b"", time.monotonic() + START_SECONDS
        with process.stdout as pipe:
            while not line.endswith(b"\n"):
                readable, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
                chunk = os.read(pipe.fileno(), 65_536) if readable else b""
                if not chunk:
                    why = "ended before it was ready" if readable else f"was not ready within {START_SECONDS:.0f} s"
                    tail = self.log(name).read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:]
                    raise NotRunning(f"{name} {why}; the end of {self.log(name)}:\n{tail}")
                line += chunk
        facts = json.loads(line)
        return facts if isinstance(facts, dict) else {}

    def _keep(self, deployment: Deployment) -> None:
        self._deployment = deployment
        deployment.write(self.home)


def _end(process: Started) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not process.runs:
            return
        os.kill(process.pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while process.runs and time.monotonic() < deadline:
            time.sleep(0.05)
            _reap(process.pid)


def _reap(pid: int) -> None:
    """Where the process is a child of ours, let it go."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
