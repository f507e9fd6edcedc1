"""A hospital with two patients who have accounts; and a whole consortium with a service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.patient.scenes import Clinic
from tests.service.patient.story import Story
from tests.service.running import catch_up

from belmont.lab import Consortium
from belmont.lab.models import LogisticRegression
from belmont.registry.types import Address
from belmont.service.app import assembled, create_app
from belmont.service.config import LocalHospital, ServiceConfig
from belmont.service.service import Service
from belmont.service.store.sessions import Proof, Way

ORIGIN = "http://127.0.0.1:8600"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """One for all tests that change nothing but files."""
    clinic = Clinic(tmp_path_factory.mktemp("clinic") / "home")
    clinic.files.close()
    return clinic


@pytest.fixture
def clinic(made: Clinic, tmp_path: Path) -> Iterator[Clinic]:
    """A copy of its files."""
    copied = made.copy(tmp_path / "home")
    yield copied
    copied.files.close()


@pytest.fixture
def own_clinic(tmp_path: Path) -> Iterator[Clinic]:
    """One of its own, for tests that change what stands on the chain."""
    clinic = Clinic(tmp_path / "home")
    yield clinic
    clinic.files.close()


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    home = tmp_path_factory.mktemp("patients") / "consortium"
    with Consortium.local(hospitals=3, patients=450, seed=3, home=home) as made:
        first, second = made.consents(made.hospitals[0]), made.consents(made.hospitals[1])
        numbers = first.numbers
        keeps, revokes, grants = (first.give_key(numbers[place]) for place in range(3))
        elsewhere = second.give_key(second.numbers[0])
        model = LogisticRegression.default(secure=False)
        study = made.propose("Heart <b>& vessels</b>", model=model, rounds=3, queries=3, min_cohort=10)
        study.vote(*made.board[:2], approve=True, reason="small enough")
        study.accept(*made.hospitals)
        permit = study.permit()
        model.fit(permit, rounds=1)
        revokes.revoke()
        model.fit(permit, rounds=1)
        yield Story(made, permit, keeps, revokes, elsewhere, grants)


@pytest.fixture(scope="session")
def service(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made, home = story.consortium, story.consortium.home_here.path
    config = ServiceConfig(
        name="Northgate",
        chain=made.url,
        members=made.registry.addresses["Members"],
        public_url=ORIGIN,
        database=f"sqlite:///{tmp_path_factory.mktemp('service') / 'service.sqlite'}",
        hospitals=(LocalHospital(home, made.hospitals[0].slug),),
    )
    app = create_app(config)
    with TestClient(app, base_url=ORIGIN):
        found: Service = app.state.service
        catch_up(found)
        yield found


@pytest.fixture
def as_(service: Service, story: Story) -> Any:
    """A browser of somebody who is signed in; of nobody where no account is given."""

    def make(account: str | None, token: bool = False) -> TestClient:
        client = TestClient(assembled(service), base_url=ORIGIN, follow_redirects=False)
        if account is not None:
            proof = Proof(Address(account), Way.KEY, Address(account))
            secret, session = service.sessions.open(proof, by_token=token)
            if token:
                client.headers["Authorization"] = f"Bearer {secret}"
            else:
                client.cookies.set("belmont", secret)
                client.headers.update({"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": session.csrf})
        return client

    return make
