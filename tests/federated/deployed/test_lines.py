"""A line to the coordinator that closes, half closes, or swallows what is sent: a round is waited for, charged once.

Between threads of this process, over a relay; between processes and over real links: tests/deployment/test_network.py.
"""

import select
import socket
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import pytest

from belmont.federated.models.glm import newton
from belmont.federated.models.training import Training
from belmont.registry.types import UseKind


class Relay:
    """Passes bytes on, until ``fault`` says what it does instead: ``close``, ``half`` or ``swallow``."""

    def __init__(self, to: tuple[str, int]) -> None:
        self.to = to
        self.fault = ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError):
                accepted, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self.to) as server:
            other = {client: server, server: client}
            while not self._ended.is_set():
                if self.fault == "close":
                    return
                if self.fault == "half":
                    server.shutdown(socket.SHUT_WR)
                    self._ended.wait(2)
                    return
                for ready in select.select([client, server], [], [], 0.1)[0]:
                    content = ready.recv(65_536)
                    if not content:
                        return
                    if self.fault != "swallow":
                        other[ready].sendall(content)


@pytest.mark.parametrize("fault", ["close", "half", "swallow"])
def test_a_line_that_fails_in_a_round_is_waited_for(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("belmont.federated.deployed.http.TIMEOUT_SECONDS", 5)
    coordinator.running.stop()
    port = coordinator.serving.port
    scene = coordinator.scene
    with closing(Relay(("127.0.0.1", port))) as relay:
        coordinator.serving = replace(coordinator.serving, audience=relay.address)
        coordinator.restart_coordinator()
        for i in range(4):
            coordinator.start_node(i)
        permit = scene.issue()
        with closing(coordinator.grid()) as grid:
            trained = Training(
                scene.by_researcher,
                grid,
                permit,
                config=scene.config,
                model=scene.model,
                combine=newton(),
                participants=scene.participants,
                node_ids=grid.node_ids,
                timeout_seconds=3,
                patience_seconds=60,
            )
            trained.round()
            relay.fault = fault
            mended = threading.Thread(target=lambda: (time.sleep(3), setattr(relay, "fault", "")), daemon=True)
            mended.start()
            result = trained.round()
            mended.join()
        assert all(hospital.answered for hospital in result.hospitals)
        uses = [use for use in scene.registry.uses(permit) if use.kind is UseKind.ROUND]
        assert sorted(use.n for use in uses) == [1] * 4 + [2] * 4
        for i in list(coordinator.supernodes):
            coordinator.stop_node(i)
