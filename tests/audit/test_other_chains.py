"""A chain that went back, was replaced, lags behind, is another one, or does not answer."""

import shutil

import pytest
from tests.audit.conftest import contents, everything, trail

from belmont.audit import EventIndex
from belmont.audit.errors import OtherChain, OtherConsortium
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.errors import RegistryError, RegistryUnreachable


@pytest.fixture
def forked(chains, founded, between):
    """Two chains with the same beginning, and a server in between that shows the first."""
    first = chains()
    world = founded(first.url)
    for _ in range(3):
        world.dataset()
    kept = len(world.registry.audit_events())
    first.stop()
    old, new = chains(copy_of=first.directory), chains(copy_of=first.directory)
    shown = between(old.url)
    return world.on(old.url), world.on(new.url), world.on(shown.url), shown, new.url, kept


def test_a_chain_that_was_replaced_is_read_again_from_the_last_common_block(opened, forked):
    old, new, seen, shown, new_url, kept = forked
    for _ in range(4):
        old.dataset()
    index = opened(seen.registry)
    before = index.catch_up()
    assert trail(index) == old.registry.audit_events()
    for _ in range(6):
        new.dataset()
    shown.target = new_url
    after = index.catch_up()
    assert after.dropped == 4 and len(after.added) == 6
    assert trail(index) == new.registry.audit_events()
    assert [each.name for each in after.added] == ["DatasetRegistered"] * 6
    assert everything(index)[:kept] == list(before.added)[:kept]
    assert index.catch_up().dropped == 0


def test_a_shorter_chain_that_replaced_it_is_found_out_too(opened, forked):
    old, new, seen, shown, new_url, _ = forked
    for _ in range(6):
        old.dataset()
    index = opened(seen.registry)
    index.catch_up()
    new.dataset()
    shown.target = new_url
    after = index.catch_up()
    assert (after.dropped, len(after.added)) == (6, 1)
    assert trail(index) == new.registry.audit_events()


def test_a_chain_that_went_back_keeps_its_rows_until_it_goes_another_way(opened, forked):
    """A copy from before, put back: as long as it is only older, it may be a server that lags."""
    old, new, seen, shown, new_url, _ = forked
    for _ in range(3):
        old.dataset()
    index = opened(seen.registry)
    index.catch_up()
    rows = contents(index)
    shown.target = new_url
    advance = index.catch_up()
    assert (advance.added, advance.dropped) == ((), 0)
    assert contents(index) == rows
    for _ in range(5):
        new.dataset()
    after = index.catch_up()
    assert (after.dropped, len(after.added)) == (3, 5)
    assert trail(index) == new.registry.audit_events()


def test_every_reader_is_told_of_what_another_one_dropped(opened, forked):
    old, new, seen, shown, new_url, _ = forked
    for _ in range(3):
        old.dataset()
    one, other = opened(seen.registry), opened(seen.registry)
    one.catch_up()
    other.catch_up()
    new.dataset()
    new.dataset()
    shown.target = new_url
    first, second = one.catch_up(), other.catch_up()
    assert (first.dropped, len(first.added)) == (3, 2)
    assert (second.dropped, second.added) == (first.dropped, first.added)


def test_back_and_forth_it_follows(opened, forked):
    old, new, seen, shown, new_url, _ = forked
    old_url = shown.target
    index = opened(seen.registry)
    for _ in range(3):
        for world, url in ((old, old_url), (new, new_url)):
            world.dataset()
            world.dataset()
            shown.target = url
            index.catch_up()
            assert trail(index) == world.registry.audit_events()


def test_a_server_that_lags_behind_takes_nothing_back(opened, chains, founded, between):
    chain = chains()
    world, shown = founded(chain.url), between(chain.url)
    seen = world.on(shown.url)
    for _ in range(3):
        world.dataset()
    index = opened(seen.registry)
    index.catch_up()
    rows, head = contents(index), world.registry.head().number

    def lag(request, answer):
        """As if the chain ended three blocks ago."""
        asked = request["params"][0] if request["params"] else None
        if request["method"] == "eth_getBlockByNumber":
            number = head - 3 if asked == "latest" else int(asked, 16)
            return {**answer, "result": block(number) if number <= head - 3 else None}
        if request["method"] == "eth_getLogs":
            kept = [each for each in answer["result"] if int(each["blockNumber"], 16) <= head - 3]
            return {**answer, "result": kept}
        return answer

    def block(number):
        return world.registry.chain._client.transport.request("eth_getBlockByNumber", [hex(number), False])

    shown.alter = lag
    for _ in range(2):
        advance = index.catch_up()
        assert (advance.added, advance.dropped) == ((), 0)
    assert contents(index) == rows
    shown.alter = lambda request, answer: answer
    world.dataset()
    assert len(index.catch_up().added) == 1


def test_a_chain_that_is_replaced_while_it_is_read_leaves_nothing_of_the_old_one(opened, forked):
    old, new, seen, shown, new_url, _ = forked
    old.dataset()
    new.dataset()
    new.dataset()

    def replaced(request, answer):
        if request["method"] == "eth_getLogs":
            shown.target = new_url
        return answer

    index = opened(seen.registry)
    shown.alter = replaced
    index.catch_up()
    index.catch_up()
    assert trail(index) == new.registry.audit_events()


def test_another_consortium_is_refused_and_nothing_changed(opened, chains, founded):
    chain = chains()
    first, second = founded(chain.url), founded(chain.url)
    index = opened(first.registry)
    index.catch_up()
    rows = contents(index)
    with pytest.raises(OtherConsortium, match="database of its own"):
        opened(second.registry)
    assert contents(index) == rows


def test_another_consortium_is_refused_where_the_chain_does_not_answer(opened, chains, founded):
    chain = chains()
    first, second = founded(chain.url), founded(chain.url)
    opened(first.registry).catch_up()
    chain.stop()
    with pytest.raises(OtherConsortium):
        opened(second.registry)


def test_another_chain_is_refused_and_nothing_changed(opened, chains, founded, between):
    one, other = chains(), chains(chain_id=4242)
    shown = between(one.url)
    world = founded(one.url)
    founded(other.url)
    registry = world.on(shown.url).registry
    index = opened(registry)
    index.catch_up()
    rows = contents(index)
    shown.target = other.url
    with pytest.raises(OtherChain, match="database of its own"):
        index.catch_up()
    assert contents(index) == rows
    assert len(everything(index)) > 0
    shown.target = one.url
    world.dataset()
    assert len(index.catch_up().added) == 1


def test_another_chain_is_refused_when_the_index_is_opened(opened, chains, founded, url):
    one, other = chains(), chains(chain_id=4242)
    world = founded(one.url)
    opened(world.registry).catch_up()
    elsewhere = ChainRegistry(
        ChainRegistry.connect(founded(other.url).registry.chain._client.url).chain, world.registry.addresses
    )
    with pytest.raises(OtherChain, match="chain 4242 answers"):
        EventIndex.open(url, elsewhere)


def test_a_chain_set_back_to_before_its_consortium_is_refused_and_nothing_changed(opened, chains, founded, between):
    empty = chains()
    empty.stop()
    first, second = chains(copy_of=empty.directory), chains(copy_of=empty.directory)
    world, shown = founded(first.url), between(first.url)
    other = founded(second.url)
    for _ in range(5):
        other.dataset()
    index = opened(world.on(shown.url).registry)
    index.catch_up()
    rows = contents(index)
    shown.target = second.url
    with pytest.raises(OtherChain, match="set back"):
        index.catch_up()
    assert contents(index) == rows


def test_a_chain_that_does_not_answer_is_unreachable_and_the_index_is_read(opened, chains, founded):
    chain = chains()
    world = founded(chain.url)
    index = opened(world.registry)
    index.catch_up()
    events, port, directory = trail(index), chain.port, chain.directory
    chain.kill()
    with pytest.raises(RegistryUnreachable):
        index.catch_up()
    assert trail(index) == events
    again = opened(world.registry)
    assert trail(again) == events
    shutil.rmtree(directory)
    with pytest.raises(RegistryUnreachable):
        again.catch_up()
    assert port


def test_a_chain_that_breaks_off_leaves_whole_ranges_and_goes_on(opened, chains, founded, between, monkeypatch):
    from belmont.registry import event_log

    monkeypatch.setattr(event_log, "BLOCKS_AT_FIRST", 4)
    monkeypatch.setattr(event_log, "BLOCKS_MOST", 4)
    chain = chains()
    world, shown = founded(chain.url), between(chain.url)
    for _ in range(10):
        world.dataset()
    registry = world.on(shown.url).registry
    index, failures = opened(registry), 0
    shown.asked.clear()
    for allowed in range(1, 60):
        budget = [allowed]

        def failing(request, answer, budget=budget):
            budget[0] -= 1
            return answer if budget[0] > 0 else {"jsonrpc": "2.0", "id": request["id"], "result": {"nonsense": 1}}

        shown.alter = failing
        try:
            index.catch_up()
            break
        except RegistryError:
            failures += 1
            assert trail(index) == world.registry.audit_events()[: len(everything(index))]
    assert failures > 3
    shown.alter = lambda request, answer: answer
    index.catch_up()
    assert trail(index) == world.registry.audit_events()
