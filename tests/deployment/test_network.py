"""Cut lines between real processes in network namespaces: the study goes on as if nothing was, or says why not.

Chain, coordinator, three hospitals and the researcher are processes with an address each. The researcher stops before
it sends the messages of the second round, which is open on chain then; there the line is cut.

All namespaces are those of one holding process, so nothing of the machine's own network is touched, and all of it is
gone when that process ends. Where the user is not root, a user namespace makes it root inside.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from belmont.deployment.hospital_config import HospitalConfig
from belmont.lab import Consortium
from belmont.lab.running import Deployment
from belmont.registry.types import UseKind

RESEARCHER = Path(__file__).with_name("researcher.py")
HOSPITALS = ("hospital-1", "hospital-2", "hospital-3")
CHAIN_PORT, COORDINATOR_PORT = 8545, 9443
ROUNDS, STUDIES = 3, 8
STOP = 2
LONG = 20.0
"""Seconds; more than after which either side of a connection gives up what is not acknowledged."""


PREFIX = "10.77.0."


def why_not() -> str:
    """Why this machine gives no namespaces; empty where it does."""
    missing = [each for each in ("ip", "unshare", "nsenter") if shutil.which(each) is None]
    if missing:
        return f"there is no {missing[0]}"
    try:
        with Network(["probe"]) as network:
            network.run("probe", ["true"], check=True)
    except (subprocess.SubprocessError, OSError) as error:
        return f"no network namespaces here: {error}"
    return ""


class Network:
    """Parts by name, with an address each.

    A line is ``down`` as if the cable was pulled, or ``silent``: both ends see a link, and nothing passes.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self.address = {name: f"{PREFIX}{10 + k}" for k, name in enumerate(parts)}
        as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        self._holder = subprocess.Popen(
            ["unshare", *as_root, "--net", "--mount", "sh", "-c", "echo ready && exec sleep 3600"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            _, said = self._holder.communicate()
            raise subprocess.SubprocessError(said.strip())
        users = ["--user", "--preserve-credentials"] if as_root else []
        self._enter = ["nsenter", "--target", str(self._holder.pid), *users, "--net", "--mount", "--"]
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """The parts' processes have to be ended before."""
        self._holder.kill()
        self._holder.communicate()

    def down(self, part: str) -> None:
        """The cable is pulled."""
        self._ip("link", "set", f"v-{part}", "down")

    def silent(self, part: str) -> None:
        """The cable is in, and nothing passes."""
        self._ip("link", "set", f"v-{part}", "nomaster")

    def restore(self, part: str) -> None:
        """As it was."""
        self._ip("link", "set", f"v-{part}", "master", "bridge")
        self._ip("link", "set", f"v-{part}", "up")

    def command(self, part: str, words: Sequence[str]) -> list[str]:
        """A command as it runs in a part's namespace."""
        return [*self._enter, "nsenter", f"--net=/run/netns/{part}", "--", *words]

    def run(self, part: str, words: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command in a part's namespace, to its end."""
        return subprocess.run(self.command(part, words), capture_output=True, text=True, timeout=60, **options)

    def _build(self) -> None:
        self._in_holder("mount", "-t", "tmpfs", "tmpfs", "/run")
        self._ip("link", "add", "bridge", "type", "bridge")
        self._ip("link", "set", "bridge", "up")
        for name, address in self.address.items():
            self._ip("netns", "add", name)
            self._ip("link", "add", f"v-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
            self.restore(name)
            self._ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            self._ip("-n", name, "link", "set", "lo", "up")
            self._ip("-n", name, "link", "set", "eth0", "up")

    def _ip(self, *words: str) -> None:
        self._in_holder("ip", *words)

    def _in_holder(self, *words: str) -> None:
        done = subprocess.run([*self._enter, *words], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise subprocess.SubprocessError(f"{' '.join(words)}: {done.stderr.strip()}")


@dataclass
class World:
    """The processes of one consortium, each in its namespace."""

    network: Network
    home: Path
    permits: list[int]
    running: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)

    def start(self, part: str, *words: str) -> None:
        """Start a part, and wait until it says that it is ready."""
        log = (self.home.parent / f"{part}.log").open("a")
        command = self.network.command(part, [sys.executable, "-m", "belmont.cli", *words])
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        self.running[part] = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (self.home.parent / f"{part}.log").read_text()[-2_000:]

    def start_chain(self) -> None:
        host = self.network.address["chain"]
        words = ("chain", "serve", "--dir", str(self.home / "chain"), "--host", host, "--port", str(CHAIN_PORT))
        self.start("chain", *words)

    def start_all(self, members: str) -> None:
        self.start_chain()
        chain = f"http://{self.network.address['chain']}:{CHAIN_PORT}"
        coordinator = f"{self.network.address['coordinator']}:{COORDINATOR_PORT}"
        folder = self.home / "deployment" / "coordinator"
        host, port = coordinator.split(":")
        words = ("--chain", chain, "--members", members, "--host", host, "--port", port, "--name", host)
        self.start("coordinator", "coordinator", "serve", "--dir", str(folder), *words)
        authority = folder / "authority.pem"
        for name in HOSPITALS:
            config = HospitalConfig(self.home, name, chain, coordinator, authority, "in-process", ())
            path = self.home / "deployment" / f"{name}.toml"
            path.write_text(config.to_toml())
            self.start(name, "node", "serve", "--config", str(path))
        Deployment(chain, coordinator, authority, {}).write(self.home)

    def stop_all(self) -> dict[str, int]:
        """The exit status of each."""
        for process in reversed(self.running.values()):
            process.send_signal(signal.SIGTERM)
        status = {}
        for name, process in self.running.items():
            try:
                status[name] = process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                status[name] = process.wait()
        return status

    def study(
        self, patience: int, cut: Callable[[], Any], seconds: float, restore: Callable[[], Any], timeout: int = 4
    ) -> "Study":
        """Train under the next permit, cut in the second round for a while, to the end."""
        permit = self.permits.pop(0)
        words = [sys.executable, str(RESEARCHER), str(self.home), *map(str, (permit, ROUNDS, timeout, patience, STOP))]
        process = subprocess.Popen(
            self.network.command("researcher", words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None and process.stdout is not None
        events = []
        with ExitStack() as stack:
            stack.callback(process.kill)
            for line in process.stdout:
                events.append(json.loads(line))
                if events[-1]["event"] == "asking":
                    break
            cut()
            process.stdin.write("go\n")
            process.stdin.flush()
            time.sleep(seconds)
            restore()
            rest, errors = process.communicate(timeout=180)
        assert process.returncode == 0, errors[-3_000:]
        events += [json.loads(line) for line in rest.splitlines()]
        return Study(events, self.charged(permit))

    def charged(self, permit: int) -> list[list[int]]:
        """The rounds that each hospital recorded on chain."""
        read = (
            "import json, sys; from belmont.lab import Consortium\n"
            "with Consortium.deployed(sys.argv[1]) as c:\n"
            "    uses = c.registry.uses(c.permit(int(sys.argv[2])).id)\n"
            "    print(json.dumps([[u.dataset_id.hex(), u.n, u.kind.name] for u in uses]))"
        )
        done = self.network.run("researcher", [sys.executable, "-c", read, str(self.home), str(permit)])
        assert done.returncode == 0, done.stderr
        by_dataset: dict[str, list[int]] = {}
        for dataset, n, kind in json.loads(done.stdout):
            assert kind == UseKind.ROUND.name
            by_dataset.setdefault(dataset, []).append(n)
        return sorted(sorted(rounds) for rounds in by_dataset.values())


@dataclass(frozen=True)
class Study:
    """What a researcher told."""

    events: list[dict[str, Any]]
    charged: list[list[int]]

    @property
    def model(self) -> str:
        return str(self.events[-1]["hash"])

    @property
    def rounds(self) -> int:
        return int(self.events[-1]["rounds"])

    @property
    def said(self) -> list[str]:
        """What hospitals said in the second round, as often as they were asked."""
        said = [each for each in self.events if each["event"] == "said" and each["n"] == STOP]
        return [each["reason"] or each["status"] for each in said]

    @property
    def stopped(self) -> dict[str, Any] | None:
        return next((each for each in self.events if each["event"] == "stopped"), None)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("network") / "consortium"
    permits = []
    with Consortium.local(hospitals=3, patients=600, seed=5, home=home) as made:
        for k in range(STUDIES):
            study = made.propose(f"Study {k}", rounds=ROUNDS, queries=1, min_cohort=10)
            study.vote(*made.board[:2], approve=True, reason="small enough")
            study.accept(*made.hospitals)
            permits.append(int(study.permit().id))
        members = str(made.home_here.read().members_address)
    (home / "deployment").mkdir(exist_ok=True)
    with Network(["chain", "coordinator", *HOSPITALS, "researcher"]) as network:
        running = World(network, home, permits)
        try:
            running.start_all(members)
            yield running
        finally:
            status = running.stop_all()
    assert set(status.values()) == {0}, status


def nothing() -> None:
    """No cut."""


@pytest.fixture(scope="module")
def uncut(world: World) -> Study:
    study = world.study(0, nothing, 0.0, nothing)
    assert_as_if_nothing_was(study, study)
    return study


def assert_as_if_nothing_was(study: Study, uncut: Study) -> None:
    """All rounds, once each, to the same model."""
    assert study.stopped is None
    assert (study.rounds, study.model) == (ROUNDS, uncut.model)
    assert study.charged == [list(range(1, ROUNDS + 1))] * 3


@pytest.mark.parametrize(("how", "seconds"), [("down", 8.0), ("silent", LONG)])
def test_a_hospital_whose_line_is_cut_in_a_round_is_waited_for(
    world: World, uncut: Study, how: str, seconds: float
) -> None:
    network = world.network
    cut = network.down if how == "down" else network.silent
    study = world.study(120, lambda: cut("hospital-2"), seconds, lambda: network.restore("hospital-2"))
    assert "silent" in study.said
    assert_as_if_nothing_was(study, uncut)


def test_a_hospital_that_stays_away_ends_the_round_with_that_reason(world: World, uncut: Study) -> None:
    network = world.network
    study = world.study(5, lambda: network.silent("hospital-3"), 20, lambda: network.restore("hospital-3"))
    assert study.stopped is not None
    assert study.stopped["kind"] == "RoundRefused" and "no reply in time" in study.stopped["why"]
    assert study.rounds == 1 and study.model != uncut.model
    assert study.charged == [[1], [1, 2], [1, 2]]


def test_a_researcher_that_is_cut_off_from_the_coordinator_goes_on_afterwards(world: World, uncut: Study) -> None:
    network = world.network
    study = world.study(120, lambda: network.silent("researcher"), 10, lambda: network.restore("researcher"))
    assert_as_if_nothing_was(study, uncut)


def test_a_coordinator_that_is_cut_off_from_everybody_is_waited_for(world: World, uncut: Study) -> None:
    network = world.network
    study = world.study(120, lambda: network.down("coordinator"), 10, lambda: network.restore("coordinator"))
    assert_as_if_nothing_was(study, uncut)


def test_a_chain_that_stands_still_is_said_to_and_the_study_goes_on(world: World, uncut: Study) -> None:
    chain = world.running["chain"]
    pause, go = (lambda number=number: chain.send_signal(number) for number in (signal.SIGSTOP, signal.SIGCONT))
    study = world.study(120, pause, 15, go, timeout=20)
    assert "CHAIN_UNREACHABLE" in study.said
    assert_as_if_nothing_was(study, uncut)


def test_a_chain_that_is_killed_and_started_again_is_said_to_be_away_and_the_study_goes_on(
    world: World, uncut: Study
) -> None:
    def kill() -> None:
        world.running["chain"].kill()
        world.running["chain"].wait()

    study = world.study(120, kill, 4, world.start_chain)
    assert "CHAIN_UNREACHABLE" in study.said
    assert_as_if_nothing_was(study, uncut)
