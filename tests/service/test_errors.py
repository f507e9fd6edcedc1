"""Errors that are the service's own: answered without a word of them, guarded and written down as any answer."""

import logging
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine
from tests.service.running import Running

from belmont.service.errors import Unavailable
from belmont.service.http import HEADERS, Guard, add_handlers
from belmont.service.store.database import Store

SECRET = "a password of the database"


@pytest.fixture
def broken(service: Running) -> FastAPI:
    """What guards the service, around routes that fail."""
    app = FastAPI()
    app.state.service = service.service

    @app.get("/api/v1/broken")
    @app.get("/broken")
    def fail() -> None:
        raise RuntimeError(SECRET)

    add_handlers(app)
    app.add_middleware(Guard, service=service.service)
    return app


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/api/v1/broken", "/broken"])
async def test_an_unforeseen_error_is_answered_guarded_and_logged(
    service: Running, broken: FastAPI, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(broken), base_url=service.url) as client:
            answer = await client.get(path)
    assert answer.status_code == 500 and SECRET not in answer.text
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"] == "no-store"
    assert SECRET in caplog.text
    service.service.trail.flush()
    [(_, written)] = service.service.trail.page(limit=1)
    assert (written.path, written.status, written.code) == (path, 500, "INTERNAL")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_database_whose_connections_are_all_taken_is_away(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a.sqlite'}", pool_size=1, max_overflow=0, pool_timeout=0.01)
    store = Store(engine)
    with store.reading():
        for another in (store.reading, store.writing):
            with pytest.raises(Unavailable), another():
                pass
    engine.dispose()
