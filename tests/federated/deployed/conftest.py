"""A coordinator over TLS and the nodes of four hospitals behind it, on the simulated registry, each in its thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from belmont.federated.deployed.certificates import make_certificates
from belmont.federated.deployed.coordinator.app import Coordinator
from belmont.federated.deployed.coordinator.server import Running, Serving
from belmont.federated.deployed.http import tls_context
from belmont.federated.deployed.node_keys import new_node_key, node_key_hash, public_node_key, read_node_key
from belmont.federated.deployed.supernode import Membership, SuperNode
from belmont.federated.grid.deployed import CoordinatorClient, DeployedGrid
from belmont.federated.models.bundles import shipped_bundle


@dataclass
class Deployment:
    """A coordinator and the nodes that joined it."""

    scene: Any
    serving: Serving
    authority: bytes
    keys: list[Any]
    running: Running
    supernodes: dict[int, tuple[SuperNode, threading.Thread]] = field(default_factory=dict)
    states: dict[int, list[str]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.running.audience

    def membership(self, i: int) -> Membership:
        return Membership(self.address, self.authority, self.scene.consortium.hospitals[i], self.keys[i])

    def start_node(self, i: int) -> None:
        serving = threading.Event()
        states = self.states.setdefault(i, [])

        def told(state: str) -> None:
            states.append(state)
            if state == "serving":
                serving.set()

        supernode = SuperNode(self.scene.nodes[i], self.membership(i), told, idle_seconds=0.3)
        thread = threading.Thread(target=supernode.run, daemon=True)
        thread.start()
        self.supernodes[i] = supernode, thread
        assert serving.wait(20), states

    def stop_node(self, i: int) -> None:
        supernode, thread = self.supernodes.pop(i)
        supernode.stop()
        thread.join(20)
        assert not thread.is_alive()

    def client(self, account: Any = None) -> CoordinatorClient:
        return CoordinatorClient(self.address, self.authority, account or self.scene.consortium.researcher)

    def grid(self, bundle: bytes | None = None) -> DeployedGrid:
        grid = DeployedGrid(self.client())
        grid.deliver(self.scene.bundle if bundle is None else bundle)
        return grid

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=f"https://{self.address}", verify=tls_context(self.authority), timeout=30)

    def restart_coordinator(self) -> None:
        """The same address, another process' worth of memory."""
        self.running.stop()
        self.running = start(self.scene, self.serving)

    def close(self) -> None:
        for i in list(self.supernodes):
            self.stop_node(i)
        self.running.stop()


def start(scene: Any, serving: Serving) -> Running:
    return Running.start(lambda audience: Coordinator(scene.registry, audience), serving)


@pytest.fixture
def coordinator(scene: Any, tmp_path: Path) -> Iterator[Deployment]:
    """A coordinator whom no node has joined; the chain has the node key of every hospital."""
    made = make_certificates(["127.0.0.1"])
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    certificate.write_bytes(made.certificate)
    key.write_bytes(made.key)
    scene.bundle = shipped_bundle("glm")
    keys = []
    for account, mask_key in zip(scene.consortium.hospitals, scene.consortium.mask_keys, strict=True):
        keys.append(read_node_key(new_node_key(), tmp_path))
        hashed = node_key_hash(public_node_key(keys[-1]))
        scene.registry.as_(account).replace_keys(mask_key.public_key().public_bytes_raw(), hashed)
    serving = Serving("127.0.0.1", 0, "", certificate, key)
    running = start(scene, serving)
    fixed = Serving("127.0.0.1", int(running.audience.split(":")[1]), "", certificate, key)
    with ExitStack() as stack:
        deployment = Deployment(scene, fixed, made.authority, keys, running)
        stack.callback(deployment.close)
        yield deployment


@pytest.fixture
def deployment(coordinator: Deployment) -> Deployment:
    """Four nodes that joined."""
    for i in range(4):
        coordinator.start_node(i)
    return coordinator


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is so, for 20 seconds at most."""
    import time

    def wait(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < deadline, "it did not happen within 20 seconds"
            time.sleep(0.05)

    return wait


class BareCoordinator:
    """A coordinator of a consortium that nobody looks at: for what it refuses before it asks the chain."""

    def __init__(self, folder: Path) -> None:
        made = make_certificates(["127.0.0.1"])
        (folder / "server.pem").write_bytes(made.certificate)
        (folder / "server.key").write_bytes(made.key)
        serving = Serving("127.0.0.1", 0, "", folder / "server.pem", folder / "server.key")
        self.authority = made.authority
        self.running = Running.start(self._make, serving)

    def _make(self, audience: str) -> Coordinator:
        registry: Any = None
        self.app = Coordinator(registry, audience)
        return self.app

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=f"https://{self.running.audience}", verify=tls_context(self.authority), timeout=30)


@pytest.fixture(scope="module")
def shared_coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareCoordinator]:
    """One for all tests of what is closed."""
    made = BareCoordinator(tmp_path_factory.mktemp("bare"))
    yield made
    made.running.stop()
