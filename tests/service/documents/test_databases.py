"""The same on SQLite and on PostgreSQL, and whoever hands in the same at the same time."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.service.conftest import World

from belmont.audit.index import EventIndex
from belmont.federated.models.bundles import shipped_bundle
from belmont.service.documents.documents import Documents
from belmont.service.documents.kinds import Kind
from belmont.service.documents.tables import contents
from belmont.service.errors import Conflict, NotFound
from belmont.service.state.keeper import Keeper
from belmont.service.store.database import Store


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Iterator[tuple[Store, EventIndex, Keeper]]:
    url = f"sqlite:///{tmp_path / 'service.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").database()
    index = EventIndex.open(url, world.registry)
    yield Store(index.engine), index, Keeper(world.registry)
    index.engine.dispose()


def opened(world: World, kept: tuple[Store, EventIndex, Keeper]) -> Documents:
    store, index, keeper = kept
    keeper.told(index.catch_up())
    return Documents(store, world.registry, index, lambda: keeper.snapshot)


def test_bytes_come_back_as_they_came(world: World, kept: tuple[Store, EventIndex, Keeper]) -> None:
    bundle = shipped_bundle("glm")
    number = world.study(code_hash=hashlib.sha256(bundle).digest())
    world.as_("board").vote(number, True, "风险很小")
    documents, by = opened(world, kept), world.address("board")
    document, is_new = documents.take(number, Kind.CODE, bundle, by)
    assert is_new and documents.take(number, Kind.CODE, bundle, by) == (document, False)
    assert documents.read(document.sha256) == (document, bundle)
    documents.take(number, Kind.REASON, "风险很小".encode(), by)
    assert documents.text(Kind.REASON, hashlib.sha256("风险很小".encode()).digest()) == "风险很小"
    here = {each.kind: each.document is not None for each in documents.for_study(number)}
    assert here == {Kind.PROTOCOL: False, Kind.CONFIGURATION: False, Kind.CODE: True, Kind.REASON: True}
    with kept[0].writing() as connection:
        connection.execute(update(contents).where(contents.c.sha256 == document.sha256).values(content=bundle[:-1]))
    with pytest.raises(NotFound):
        documents.read(document.sha256)
    documents.take(number, Kind.CODE, bundle, by)
    assert documents.read(document.sha256)[1] == bundle
    with pytest.raises(Conflict):
        documents.take(number, Kind.PROTOCOL, bundle[:0] + b"another", by)


def test_of_many_who_hand_in_the_same_one_is_first(world: World, kept: tuple[Store, EventIndex, Keeper]) -> None:
    content = b"handed in by everybody at once" * 1_000
    number = world.study(protocol_hash=hashlib.sha256(content).digest())
    documents = opened(world, kept)
    with ThreadPoolExecutor(8) as threads:
        taken = [
            threads.submit(documents.take, number, Kind.PROTOCOL, content, world.address("board")) for _ in range(16)
        ]
        results = [each.result() for each in taken]
    assert sum(is_new for _, is_new in results) == 1
    assert len({replace(document, handed_in_at=0) for document, _ in results}) == 1
    assert documents.text(Kind.PROTOCOL, hashlib.sha256(content).digest()) == content.decode()
