"""What members chose, on both databases, also when a form is sent twice at once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from belmont.audit.database import open_engine
from belmont.registry.types import Address
from belmont.service.notices.choices import Channel, Choices
from belmont.service.notices.kinds import Kind
from belmont.service.store.database import Store

ACCOUNT = Address("0x" + "ab" * 20)
URLS = ("https://hooks.hospital.example/a", "https://hooks.hospital.example/b")


@pytest.fixture
def kept(database: str) -> Iterator[Choices]:
    engine = open_engine(database)
    yield Choices(Store(engine))
    engine.dispose()


def at_once(save: Callable[[int], object], people: int = 8) -> None:
    together = threading.Barrier(people)

    def one(n: int) -> None:
        together.wait(10)
        save(n)

    with ThreadPoolExecutor(people) as pool:
        assert list(pool.map(one, range(people))) == [None] * people


def test_choices_that_are_saved_at_once_end_as_one_of_them(kept: Choices) -> None:
    for _ in range(5):
        at_once(lambda n: kept.keep(ACCOUNT, Channel.WEBHOOK, URLS[n % 2], (Kind.FREEZE,), "en"))
        assert kept.of(ACCOUNT)[Channel.WEBHOOK].target in URLS
        kept.end(ACCOUNT, Channel.WEBHOOK)
        assert kept.of(ACCOUNT) == {}


def test_a_new_target_gets_a_new_secret_and_other_kinds_do_not(kept: Choices) -> None:
    first = kept.keep(ACCOUNT, Channel.WEBHOOK, URLS[0], (Kind.FREEZE,), "en")
    same = kept.keep(ACCOUNT, Channel.WEBHOOK, URLS[0], tuple(Kind), "zh-Hans")
    assert kept.of(ACCOUNT) == {Channel.WEBHOOK: same} and same.kinds == set(Kind) and same.language == "zh-Hans"
    other = kept.keep(ACCOUNT, Channel.WEBHOOK, URLS[1], tuple(Kind), "en")
    assert first.secret == same.secret != other.secret and first.secret not in repr(first)
