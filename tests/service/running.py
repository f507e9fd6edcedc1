"""The whole service on a test's consortium, and clients of it by who they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.service.conftest import World, account_of

from belmont.audit.index import EventIndex
from belmont.registry.types import Address
from belmont.service.access.limits import DEFAULT_RATES, Rate
from belmont.service.app import assembled
from belmont.service.config import ServiceConfig, StreamLimits
from belmont.service.service import Service
from belmont.service.store.sessions import Proof, Way

STRANGERS = ("stranger", "unknown")
"""Nobody signed in, and somebody signed in whom nobody knows."""


@dataclass
class Running:
    """A service that follows the chain."""

    world: World
    app: FastAPI
    service: Service
    tokens: dict[str, str] = field(default_factory=dict)

    def account(self, name: str) -> Address:
        """A member's, or of whoever has that name."""
        return Address(account_of(name).address)

    def token(self, name: str) -> str:
        """A bearer token of somebody, from a sign-in with their key."""
        known = self.tokens.get(name)
        if known is None or self.service.sessions.of_token(known) is None:
            proof = Proof(self.account(name), Way.KEY, self.account(name))
            self.tokens[name], _ = self.service.sessions.open(proof, by_token=True)
        return self.tokens[name]

    def headers(self, name: str) -> dict[str, str]:
        """What a program of theirs sends; nothing for a stranger."""
        return {} if name == "stranger" else {"Authorization": f"Bearer {self.token(name)}"}

    def client(self, name: str) -> TestClient:
        """A program of theirs."""
        return TestClient(self.app, self.service.config.public_url, headers=self.headers(name))

    def catch_up(self) -> None:
        """Return when the service knows what the chain says now."""
        wanted = self.world.registry.head().number
        give_up = time.monotonic() + 30
        while not (self.service.keeper.is_read and self.service.snapshot.head.number >= wanted):
            assert time.monotonic() < give_up, self.service.follower.state
            time.sleep(0.02)


@contextmanager
def running(world: World, config: ServiceConfig, stream_seconds: float = 0.3) -> Iterator[Running]:
    """A service, started as it is served, that lets anybody ask as often as tests do."""
    often = Rate(100_000, 100_000)
    rates = dict.fromkeys(DEFAULT_RATES, often)
    config = replace(config, rates=rates, streams=StreamLimits(seconds=stream_seconds))
    index = EventIndex.open(config.database, world.registry)
    service = Service(config, world.registry, index)
    made = Running(world, assembled(service), service)
    with TestClient(made.app, config.public_url):
        made.catch_up()
        yield made


def body_of(response: Any) -> Any:
    """The JSON of an answer that has to be a success."""
    assert response.status_code == 200, response.text
    return response.json()
