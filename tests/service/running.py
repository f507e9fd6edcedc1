"""The whole service on a test's consortium, served over HTTP, and clients of it by who they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from tests.service.conftest import World, account_of

from belmont.audit.index import EventIndex
from belmont.lab.home import Home
from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.statements import account_key
from belmont.registry.consents.tree import ConsentTree
from belmont.registry.types import Address
from belmont.service.app import assembled
from belmont.service.config import LocalHospital, ServiceConfig, StreamLimits
from belmont.service.service import Service
from belmont.service.serving import Serving, bound
from belmont.service.store.sessions import Proof, Way


@dataclass
class Running:
    """A service that follows the chain and answers at ``url``."""

    world: World
    app: FastAPI
    service: Service
    server: Serving
    tokens: dict[str, str] = field(default_factory=dict)
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.service.config.public_url

    def account(self, name: str) -> Address:
        """A member's, or of whoever has that name."""
        return Address(account_of(name).address)

    def token(self, name: str) -> str:
        """A bearer token of somebody, as a sign-in with their key gives one."""
        known = self.tokens.get(name)
        if known is None or self.service.sessions.of_token(known) is None:
            proof = Proof(self.account(name), Way.KEY, self.account(name))
            self.tokens[name], _ = self.service.sessions.open(proof, by_token=True)
        return self.tokens[name]

    def headers(self, name: str) -> dict[str, str]:
        """What a program of theirs sends; nothing for a stranger."""
        return {} if name == "stranger" else {"Authorization": f"Bearer {self.token(name)}"}

    def client(self, name: str) -> httpx.Client:
        """A program of theirs."""
        client = self.clients.setdefault(name, httpx.Client(base_url=self.url, timeout=30, trust_env=False))
        client.headers.update(self.headers(name))
        client.cookies.clear()
        return client

    def catch_up(self) -> None:
        """Return when the service knows what the chain says now."""
        catch_up(self.service)


def catch_up(service: Service) -> None:
    """Return when a service knows what the chain says now. Its snapshot is made after its index is."""
    wanted = service.registry.head().number
    give_up = time.monotonic() + 30
    while not (service.keeper.newest and service.snapshot.head.number >= wanted):
        assert time.monotonic() < give_up, service.follower.state
        time.sleep(0.02)


def enrol_patient(world: World, home: Path) -> LocalHospital:
    """Have the third hospital know a patient, and the chain her account; returns the hospital's files."""
    dataset, account = world.datasets[2], Address(account_of("patient").address)
    hospital = LocalHospital(home, "third_holder")
    path = Home(home).consents(hospital.member)
    path.parent.mkdir(parents=True)
    with ConsentRegister(path, dataset) as register:
        batch = register.admit([Patient(key=b"\x01" * 32, pseudonym=1, account=account)])
        world.as_("third_holder").consents.publish_batch(dataset, batch)
        tree = ConsentTree([(account_key(account), bytes(32))])
        assert tree.batch.root == batch.root
        world.as_("board").consents.enrol(dataset, account, tree.membership(account_key(account)))
    return hospital


@contextmanager
def running(world: World, config: ServiceConfig, limits: StreamLimits | None = None) -> Iterator[Running]:
    """A service on a free port. Streams end soon, by default."""
    streams = limits or StreamLimits(seconds=0.3)
    listening, config = bound(replace(config, port=0, streams=streams))
    with listening:
        service = Service(config, world.registry, EventIndex.open(config.database, world.registry))
        app, started = assembled(service), threading.Event()
        server = Serving(app, started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert started.wait(30)
        made = Running(world, app, service, server)
        try:
            made.catch_up()
            yield made
        finally:
            for each in made.clients.values():
                each.close()
            server.should_exit = True
            thread.join(30)


def body_of(response: Any) -> Any:
    """The JSON of an answer that has to be a success."""
    assert response.status_code == 200, response.text
    return response.json()
