"""A chain that went back, was replaced, lags behind, is another one, or does not answer."""

import pytest
from tests.audit.conftest import contents, everything, trail

from belmont.audit.errors import OtherChain, OtherConsortium
from belmont.chain.client import ChainClient
from belmont.registry import event_log
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.errors import RegistryError, RegistryUnreachable
from belmont.registry.rpc_chain import RpcChain


@pytest.fixture
def chain_and_world(chains, template):
    chain = chains(copy_of=template[0])
    return chain, template[1].on(chain.url)


@pytest.fixture
def seen(chain_and_world, between):
    """The chain, seen through a server in between."""
    chain, world = chain_and_world
    shown = between(chain.url)
    return world, world.on(shown.url).registry, shown


class Fork:
    """Two chains with the same beginning, and a server in between that shows the old one first."""

    def __init__(self, chains, template, between):
        old, new = chains(copy_of=template[0]), chains(copy_of=template[0])
        self.old, self.new = template[1].on(old.url), template[1].on(new.url)
        self.old_url, self.new_url = old.url, new.url
        self.kept = len(self.old.registry.audit_events())
        self.shown = between(old.url)
        self.registry = template[1].on(self.shown.url).registry

    def datasets(self, old, new):
        for _ in range(old):
            self.old.dataset()
        for _ in range(new):
            self.new.dataset()


@pytest.fixture
def fork(chains, template, between):
    return Fork(chains, template, between)


@pytest.mark.parametrize(("old", "new"), [(4, 6), (6, 1)], ids=["longer", "shorter"])
def test_a_chain_that_was_replaced_is_read_again_from_the_last_common_block(both, fork, old, new):
    fork.datasets(old, new)
    indexes = both(fork.registry)
    before = [each.catch_up() for each in indexes]
    fork.shown.target = fork.new_url
    for index, first in zip(indexes, before, strict=True):
        after = index.catch_up()
        assert (after.dropped, len(after.added)) == (old, new)
        assert [each.name for each in after.added] == ["DatasetRegistered"] * new
        assert everything(index)[: fork.kept] == list(first.added)[: fork.kept]
        assert trail(index) == fork.new.registry.audit_events()
        assert (index.catch_up().added, index.catch_up().dropped) == ((), 0)


def test_a_chain_that_went_back_keeps_its_rows_until_it_goes_another_way(both, fork):
    """A copy from before, put back: as long as it is only older, it may be a server that lags."""
    fork.datasets(3, 0)
    indexes = both(fork.registry)
    for index in indexes:
        index.catch_up()
    rows = [contents(index) for index in indexes]
    fork.shown.target = fork.new_url
    for index in indexes:
        advance = index.catch_up()
        assert (advance.added, advance.dropped) == ((), 0)
    assert [contents(index) for index in indexes] == rows
    fork.datasets(0, 5)
    for index in indexes:
        after = index.catch_up()
        assert (after.dropped, len(after.added)) == (3, 5)
        assert trail(index) == fork.new.registry.audit_events()


def test_every_reader_is_told_of_what_another_one_dropped(both, fork):
    fork.datasets(3, 2)
    pairs = list(zip(both(fork.registry), both(fork.registry), strict=True))
    for one, other in pairs:
        assert len(one.catch_up().added) == len(other.catch_up().added)
    fork.shown.target = fork.new_url
    for one, other in pairs:
        first, second = one.catch_up(), other.catch_up()
        assert (first.dropped, len(first.added)) == (3, 2)
        assert (second.dropped, second.added) == (first.dropped, first.added)


def test_back_and_forth_it_follows(both, fork):
    indexes = both(fork.registry)
    for _ in range(3):
        for world, url in ((fork.old, fork.old_url), (fork.new, fork.new_url)):
            world.dataset()
            world.dataset()
            fork.shown.target = url
            for index in indexes:
                index.catch_up()
                assert trail(index) == world.registry.audit_events()


def test_a_chain_that_is_replaced_while_it_is_read_leaves_nothing_of_the_old_one(both, fork):
    fork.datasets(1, 2)

    def replaced(request, answer):
        if request["method"] == "eth_getLogs":
            fork.shown.target = fork.new_url
        return answer

    for index in both(fork.registry):
        fork.shown.target, fork.shown.alter = fork.old_url, replaced
        index.catch_up()
        assert trail(index) == fork.new.registry.audit_events()


def test_a_server_that_lags_behind_takes_nothing_back(both, seen):
    world, registry, shown = seen
    indexes = both(registry)
    for index in indexes:
        index.catch_up()
    rows, head = [contents(index) for index in indexes], world.registry.head().number

    def block(number):
        return world.registry.chain._client.transport.request("eth_getBlockByNumber", [hex(number), False])

    def lag(request, answer):
        """As if the chain ended three blocks ago."""
        if request["method"] == "eth_getBlockByNumber":
            asked = request["params"][0]
            number = head - 3 if asked == "latest" else int(asked, 16)
            return {**answer, "result": block(number) if number <= head - 3 else None}
        if request["method"] == "eth_getLogs":
            kept = [each for each in answer["result"] if int(each["blockNumber"], 16) <= head - 3]
            return {**answer, "result": kept}
        return answer

    shown.alter = lag
    for index in indexes:
        advance = index.catch_up()
        assert (advance.added, advance.dropped) == ((), 0)
    assert [contents(index) for index in indexes] == rows
    shown.alter = lambda request, answer: answer
    world.dataset()
    assert [len(index.catch_up().added) for index in indexes] == [1, 1]


def test_another_consortium_is_refused_and_nothing_changed(both, chain_and_world, founded):
    chain, first = chain_and_world
    indexes = both(first.registry)
    for index in indexes:
        index.catch_up()
    rows = [contents(index) for index in indexes]
    second = founded(chain.url)
    with pytest.raises(OtherConsortium, match="database of its own"):
        both(second.registry)
    chain.stop()
    with pytest.raises(OtherConsortium):
        both(second.registry)
    assert [contents(index) for index in indexes] == rows


def test_another_chain_is_refused_and_nothing_changed(both, seen, chains):
    world, registry, shown = seen
    right, other = shown.target, chains(chain_id=4242)
    indexes = both(registry)
    for index in indexes:
        index.catch_up()
    rows = [contents(index) for index in indexes]
    shown.target = other.url
    for index in indexes:
        with pytest.raises(OtherChain, match="database of its own"):
            index.catch_up()
    elsewhere = ChainRegistry(RpcChain(ChainClient(other.url)), registry.addresses)
    with pytest.raises(OtherChain, match="chain 4242 answers"):
        both(elsewhere)
    assert [contents(index) for index in indexes] == rows
    shown.target = right
    world.dataset()
    assert [len(index.catch_up().added) for index in indexes] == [1, 1]


def test_a_chain_set_back_to_before_its_consortium_is_refused_and_nothing_changed(both, chains, founded, between):
    empty = chains()
    empty.stop()
    first, second = chains(copy_of=empty.directory), chains(copy_of=empty.directory)
    world, shown = founded(first.url), between(first.url)
    founded(second.url).dataset()
    indexes = both(world.on(shown.url).registry)
    for index in indexes:
        index.catch_up()
    rows = [contents(index) for index in indexes]
    shown.target = second.url
    for index in indexes:
        with pytest.raises(OtherChain, match="set back"):
            index.catch_up()
    assert [contents(index) for index in indexes] == rows


def test_a_chain_that_does_not_answer_is_unreachable_and_the_index_is_read(both, chain_and_world):
    chain, world = chain_and_world
    indexes = both(world.registry)
    for index in indexes:
        index.catch_up()
    events = trail(indexes[0])
    chain.kill()
    for index in [*indexes, *both(world.registry)]:
        with pytest.raises(RegistryUnreachable):
            index.catch_up()
        assert trail(index) == events


def test_a_chain_that_breaks_off_leaves_whole_ranges_and_goes_on(both, seen, monkeypatch):
    monkeypatch.setattr(event_log, "BLOCKS_AT_FIRST", 4)
    monkeypatch.setattr(event_log, "BLOCKS_MOST", 4)
    world, registry, shown = seen
    events = world.registry.audit_events()
    for index in both(registry):
        failures = 0
        for allowed in range(1, 60):
            left = [allowed]

            def failing(request, answer, left=left):
                left[0] -= 1
                return answer if left[0] > 0 else {"jsonrpc": "2.0", "id": request["id"], "result": {"nonsense": 1}}

            shown.alter = failing
            try:
                index.catch_up()
                break
            except RegistryError:
                failures += 1
                found = everything(index)
                assert trail(index) == events[: len(found)]
        assert failures > 3
        assert trail(index) == events
        shown.alter = lambda request, answer: answer
