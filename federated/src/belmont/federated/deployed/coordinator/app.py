"""Flower's SuperLink as one ASGI application, with only the doors open that `paths` lists.

``isolation`` is ``process`` and nobody can acquire tasks, so the coordinator never runs anybody's code.
"""

import secrets
from typing import Any

from flwr.common.constant import ISOLATION_MODE_PROCESS, TRANSPORT_TYPE_GRPC_RERE
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME
from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.main import create_app
from starlette.types import Receive, Scope, Send

from belmont.federated.deployed.coordinator.connections import Connections
from belmont.federated.deployed.coordinator.guard import Guard
from belmont.federated.deployed.coordinator.handlers import Handlers
from belmont.federated.deployed.coordinator.members import Members
from belmont.federated.deployed.coordinator.peers import Peers
from belmont.federated.deployed.coordinator.refusals import Incoming, answer_json, drain
from belmont.federated.deployed.paths import FLEET, NODES, RUNS, RUNTIME, STATUS
from belmont.registry.protocol import Registry


class Coordinator:
    """The application. ``audience`` is the ``host:port`` that requests are signed for.

    Nothing is kept over a restart: nodes join again, researchers start their run again, and whatever was under way is
    asked for again (`belmont.federated.exchange`).
    """

    def __init__(self, registry: Registry, audience: str) -> None:
        flower = create_app(_flower_config(), SuperLinkLifespan)
        self._flower = flower
        self.connections = Connections()
        peers = Peers()
        self._guard = Guard(Handlers(flower), peers, self.connections)
        state = flower.state.linkstate_factory.state
        self._members = Members(registry, state, audience, peers, self.connections)

    def end(self) -> None:
        """Let go of whoever waits: the server is about to end."""
        self._guard.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._flower(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close"})
        elif scope["path"] in (NODES, RUNS, STATUS):
            await self._members.app(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"] in FLEET | RUNTIME:
            await self._guard(scope, Incoming(receive), send)
        else:
            await drain(Incoming(receive))
            await answer_json(send, 404, {"error": "not found"}, close=True)


def _flower_config() -> SuperLinkLifespanConfig:
    settings: dict[str, Any] = dict.fromkeys(SuperLinkLifespanConfig.__dataclass_fields__)
    return SuperLinkLifespanConfig(
        **settings
        | {
            "control_address": "",
            "host": "127.0.0.1",
            "port": 0,
            "insecure": False,
            "superexec_auth_secret": secrets.token_bytes(32),
            "authn_plugin": NoOpControlAuthnPlugin(),
            "enable_event_log": False,
            "enable_supernode_auth": True,
            "fleet_api_type": TRANSPORT_TYPE_GRPC_RERE,
            "simulation": False,
            "database": FLWR_IN_MEMORY_DB_NAME,
            "isolation": ISOLATION_MODE_PROCESS,
            "runtime_dependency_install": False,
        }
    )
