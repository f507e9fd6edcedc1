"""A follower tells what is new, says how it stands, and goes on after whatever happens."""

import threading
import time
from collections.abc import Callable

import pytest
from tests.audit.conftest import everything, trail

from belmont.audit import EventIndex, Follower, follower
from belmont.audit import index as index_module
from belmont.chain import heads

SECONDS = 60.0


class Heard:
    """What a follower told."""

    def __init__(self) -> None:
        self.advances = []
        self.fails = False

    def __call__(self, advance):
        if self.fails:
            raise RuntimeError("whoever is told has a fault")
        self.advances.append(advance)

    @property
    def events(self):
        return [each for advance in self.advances for each in advance.added]


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def follow():
    """Starts a follower; it is stopped in the end."""
    started = []

    def make(index, heard):
        started.append(Follower(index, heard))
        started[-1].start()
        return started[-1]

    yield make
    for each in started:
        each.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(follower, "FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(follower, "PAUSE_SECONDS_MAX", 0.5)
    monkeypatch.setattr(heads, "FIRST_PAUSE_SECONDS", 0.2)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_happens_is_told_as_it_happens_and_once(opened, living, follow, heard):
    index = opened(living.registry)
    following = follow(index, heard)
    until(lambda: following.state == "following")
    first = len(heard.events)
    for _ in range(3):
        living.dataset()
    until(lambda: len(heard.events) == first + 3)
    assert heard.events == everything(index)
    assert trail(index) == living.registry.audit_events()
    assert following._watch.is_told


def test_a_chain_without_websocket_is_followed_too(opened, living, follow, heard, between):
    shown = between(living.registry.chain._client.url)
    index = opened(living.on(shown.url).registry)
    following = follow(index, heard)
    until(lambda: following.state == "following")
    first = len(heard.events)
    living.dataset()
    until(lambda: len(heard.events) == first + 1)
    assert not following._watch.is_told


def test_a_chain_that_goes_away_and_comes_back_is_followed_again(both, chains, template, follow, heard):
    from belmont.chain.process import ChainProcess

    chain = chains(copy_of=template[0], heartbeat_seconds=0.3)
    world = template[1].on(chain.url)
    following = follow(both(world.registry)[0], heard)
    until(lambda: following.state == "following")
    chain.kill()
    until(lambda: following.state == "unreachable")
    with ChainProcess.start(chain.directory, port=chain.port, heartbeat_seconds=0.3):
        world.dataset()
        until(lambda: following.state == "following" and heard.events[-1].name == "DatasetRegistered")
        until(lambda: len(heard.events) == len(world.registry.audit_events()))


def test_an_index_of_something_else_is_refused_and_says_why(both, chains, template, follow, heard, between):
    chain, other = chains(copy_of=template[0], heartbeat_seconds=0.3), chains(chain_id=4242, heartbeat_seconds=0.3)
    shown = between(chain.url)
    following = follow(both(template[1].on(shown.url).registry)[0], heard)
    until(lambda: following.state == "following")
    shown.target = other.url
    until(lambda: following.state.startswith("refused: "))
    assert "database of its own" in following.state
    shown.target = chain.url
    until(lambda: following.state == "following")


def test_what_could_not_be_told_is_told_again_and_nothing_is_left_out(opened, living, follow, heard):
    index = opened(living.registry)
    heard.fails = True
    following = follow(index, heard)
    until(lambda: following.state.startswith("refused: RuntimeError"))
    living.dataset()
    heard.fails = False
    until(lambda: following.state == "following" and len(heard.events) == len(living.registry.audit_events()))
    assert heard.events == everything(index)


def test_much_is_told_in_parts(opened, living, follow, heard, monkeypatch):
    monkeypatch.setattr(index_module, "NEWS_MAX", 2)
    index = opened(living.registry)
    following = follow(index, heard)
    until(lambda: following.state == "following")
    assert len(heard.advances) > 2 and all(len(each.added) <= 2 for each in heard.advances)
    assert heard.events == everything(index)


def test_a_database_that_goes_away_is_said_and_reading_goes_on_when_it_is_back(living, follow, heard, tmp_path):
    directory = tmp_path / "there"
    index = EventIndex.open(f"sqlite:///{directory}/index.sqlite", living.registry)
    following = follow(index, heard)
    until(lambda: following.state == "following")
    directory.rename(tmp_path / "away")
    index.engine.dispose()
    until(lambda: following.state.startswith("refused: "))
    (tmp_path / "away").rename(directory)
    until(lambda: following.state == "following")
    index.close()


def test_it_stops_at_once_wherever_it_is(opened, living, heard, chains):
    index = opened(living.registry)
    before = set(threading.enumerate())
    waiting = Follower(index, heard)
    waiting.start()
    until(lambda: waiting.state == "following")
    began = time.monotonic()
    waiting.stop()
    assert time.monotonic() - began < 10
    assert not {each for each in threading.enumerate() if each.name == "event-index"} - before
    told = len(heard.advances)
    living.dataset()
    assert len(heard.advances) == told
