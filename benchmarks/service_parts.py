"""A chain that is full, a service on it, and who signs in: what ``benchmarks.service`` is made of."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from belmont.chain.process import ChainProcess
from belmont.identity.keys import Identity
from belmont.lab.service_client import ServiceClient
from belmont.registry.chain_registry import ChainRegistry
from belmont.service.access.limits import DEFAULT_RATES
from benchmarks.populated import CHAIN_ID, Populated

START_SECONDS = 60
CATCH_UP_SECONDS = 300
OFTEN = "{ per_second = 100000, burst = 100000 }"


def identity(account: Any) -> Identity:
    """Who signs in with an account's key."""
    return Identity(account, X25519PrivateKey.generate(), CHAIN_ID)


@dataclass
class ServiceProcess:
    """``belmont service serve`` as its own process; it can be killed and started again on the same port."""

    config: Path
    process: subprocess.Popen[bytes] | None = None
    url: str = ""
    port: int = 0

    @classmethod
    def write(cls, folder: Path, chain: str, members: str, streams: int) -> ServiceProcess:
        """A configuration that lets everybody ask as often as they like."""
        config = folder / "service.toml"
        rates = "\n".join(f"{kind} = {OFTEN}" for kind in DEFAULT_RATES)
        config.write_text(
            f'name = "Benchmark"\nchain = "{chain}"\nmembers = "{members}"\npublic_url = "http://127.0.0.1:8600"\n'
            f'database = "sqlite:///service.sqlite"\nstreams = {streams}\nstreams_of_an_account = {streams}\n'
            f"[limits]\n{rates}\n",
            encoding="utf-8",
        )
        return cls(config)

    def start(self) -> None:
        """Start it, on the port of before if there was one."""
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "belmont.cli",
            "service",
            "serve",
            "--config",
            str(self.config),
        ]
        log = (self.config.parent / "service.log").open("ab")
        with log:
            self.process = subprocess.Popen([*command, "--port", str(self.port)], stdout=subprocess.PIPE, stderr=log)
        pipe = self.process.stdout
        if pipe is None or not select.select([pipe], [], [], START_SECONDS)[0]:
            self.process.send_signal(signal.SIGABRT)  # its log then says where it was
            raise RuntimeError(f"the service did not start, see {self.config.parent / 'service.log'}")
        line = pipe.readline()
        if not line:
            raise RuntimeError(f"the service ended: {(self.config.parent / 'service.log').read_text()[-2000:]}")
        self.url = json.loads(line)["url"]
        self.port = int(self.url.rpartition(":")[2])

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            if self.process.stdout is not None:
                self.process.stdout.close()
            self.process = None

    @property
    def cpu_seconds(self) -> float:
        """Processor time that it used so far."""
        if self.process is None:
            return 0.0
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class World:
    """Everything that runs."""

    people: Populated
    chain: ChainProcess
    registry: ChainRegistry
    service: ServiceProcess
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))
    """One for all: making one reads every certificate authority that there is."""

    def token(self, account: Any) -> str:
        """A bearer token from a sign-in with an account's key."""
        with ServiceClient(self.service.url) as client:
            return client.sign_in(identity(account))

    def wait(self, token: str) -> float:
        """Return when the service has read the whole chain; the seconds that it took."""
        started, head = time.monotonic(), self.registry.head().number
        with httpx.Client(base_url=self.service.url, headers=bearer(token), trust_env=False, timeout=30) as client:
            while time.monotonic() - started < CATCH_UP_SECONDS:
                found = client.get("/api/v1/health/ready").json()
                if found.get("ready") and found["block"] >= head:
                    return time.monotonic() - started
                time.sleep(0.1)
        raise RuntimeError("the service does not catch up with the chain")


def bearer(token: str) -> dict[str, str]:
    """The header of a program that is signed in."""
    return {"Authorization": f"Bearer {token}"}


@contextlib.contextmanager
def world(chain_directory: Path, folder: Path, people: Populated, streams: int) -> Iterator[World]:
    """A chain process and a service process on what is in a directory."""
    with ChainProcess.start(chain_directory, heartbeat_seconds=1.0) as chain:
        registry = people.open(chain.url)
        service = ServiceProcess.write(folder, chain.url, registry.addresses["Members"], streams)
        made = World(people, chain, registry, service)
        service.start()
        try:
            yield made
        finally:
            made.client.close()
            made.service.stop()
            made.chain.stop()


def loaded(
    url: str,
    token: str,
    paths: Sequence[str],
    *,
    per_second: float,
    seconds: float,
    stream: str = "",
    stream_tokens: Sequence[str] = (),
    seed: int = 7,
) -> dict[str, Any]:
    """What ``benchmarks.service_load`` sees, in a process of its own."""
    asked = {
        "url": url,
        "token": token,
        "paths": list(paths),
        "per_second": per_second,
        "seconds": seconds,
        "stream": stream,
        "stream_tokens": list(stream_tokens),
        "seed": seed,
    }
    command = [sys.executable, "-m", "benchmarks.service_load"]
    done = subprocess.run(command, input=json.dumps(asked).encode(), stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
