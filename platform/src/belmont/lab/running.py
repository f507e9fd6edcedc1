"""``deployment/deployment.json`` in a consortium's directory: what runs on this machine, and how to reach it.

A process is known by its number and the time at which it started, which the kernel keeps: a number alone may have been
given to another process since.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from belmont.lab.errors import HomeError

FORMAT = 1
FOLDER = "deployment"
FILE = "deployment.json"
CHAIN, COORDINATOR, SERVICE = "chain", "coordinator", "service"


@dataclass(frozen=True)
class Started:
    """One process."""

    pid: int
    started: int
    """In the kernel's clock ticks since the machine started; 0 where /proc does not say."""

    @property
    def runs(self) -> bool:
        """Whether this very process still lives."""
        state, started = _stat(self.pid)
        return state not in ("", "Z", "X") and started == self.started


@dataclass(frozen=True)
class Deployment:
    """What was started, by name: ``chain``, ``coordinator``, each hospital's slug, and ``service``."""

    chain: str
    coordinator: str
    authority: Path
    processes: Mapping[str, Started]
    service: str = ""
    """Its address; empty where none was started, as in the files of earlier releases."""

    @property
    def ended(self) -> list[str]:
        """Who was started here and does not run now."""
        return [name for name, process in self.processes.items() if not process.runs]

    @classmethod
    def read(cls, home: Path) -> "Deployment | None":
        """What a home's file says; None where there is none. Raises HomeError for a damaged one."""
        path = home / FOLDER / FILE
        if not path.exists():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise HomeError(f"{path} has format {content['format']}; this release reads {FORMAT}")
            processes = {
                str(name): Started(int(p["pid"]), int(p["started"])) for name, p in content["processes"].items()
            }
            addresses = str(content["chain"]), str(content["coordinator"]), Path(content["authority"])
            return cls(*addresses, processes, str(content.get("service", "")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HomeError(f"{path} is damaged: end its processes by hand, and remove it") from error

    def write(self, home: Path) -> None:
        """Keep it, whole or not at all."""
        folder = home / FOLDER
        folder.mkdir(exist_ok=True, mode=0o700)
        content = {
            "format": FORMAT,
            "chain": self.chain,
            "coordinator": self.coordinator,
            "authority": str(self.authority),
            "service": self.service,
            "processes": {name: asdict(each) for name, each in self.processes.items()},
        }
        draft = folder / f".{FILE}.{secrets.token_hex(4)}"
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        draft.replace(folder / FILE)


def started(pid: int) -> Started:
    """The process of a number, as it is now."""
    return Started(pid, _stat(pid)[1])


def memory_mb(pid: int) -> float:
    """What a process holds in memory that nobody else does not, in MB; 0 where /proc does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _stat(pid: int) -> tuple[str, int]:
    """State and start of a process (proc(5)); what follows the last parenthesis has no name in it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except FileNotFoundError:
        return _without_proc(pid)
    except (OSError, ValueError, IndexError):
        return "", 0


def _without_proc(pid: int) -> tuple[str, int]:
    if Path("/proc/self").exists():
        return "", 0
    try:
        os.kill(pid, 0)
    except OSError:
        return "", 0
    return "S", 0
