"""Events range by range: where they are logged, and what happens when a server refuses that much at once."""

import itertools

import pytest

from belmont.registry import event_log
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.errors import RangeRefused
from belmont.registry.event_log import EventLog


class Grudging:
    """A chain that gives no more than so many blocks, and so many events, at once."""

    def __init__(self, chain, blocks, events):
        self._chain, self._blocks, self._events = chain, blocks, events
        self.asked = []

    def head(self):
        return self._chain.head()

    def logs(self, addresses, topics=(), from_block=0, to_block=None):
        found = self._chain.logs(addresses, topics, from_block, to_block)
        end = self._chain.head().number if to_block is None else to_block
        if end - from_block + 1 > self._blocks or len(found) > self._events:
            raise RangeRefused("query returned more than is allowed")
        self.asked.append((from_block, end))
        return found


def test_each_event_says_where_it_is_logged(on_chain):
    registry = on_chain.registry
    on_chain.datasets()
    logged = registry.event_log.events()
    assert [each.event for each in logged] == registry.audit_events()
    blocks = registry.blocks([each.event.block for each in logged])
    assert [each.block_hash for each in logged] == [block.hash for block in blocks]
    assert [each.event.timestamp for each in logged] == [block.timestamp for block in blocks]
    places = [(each.event.block, each.log) for each in logged]
    assert places == sorted(set(places))


def test_ranges_leave_no_gap_and_end_where_they_were_asked_to(on_chain, monkeypatch):
    monkeypatch.setattr(event_log, "BLOCKS_AT_FIRST", 3)
    registry, head = on_chain.registry, on_chain.registry.head().number
    ranges = list(registry.event_log.ranges(0, head))
    assert ranges[0].first == 0 and ranges[-1].last == head
    assert all(before.last + 1 == each.first for before, each in itertools.pairwise(ranges))
    assert [each for found in ranges for each in found.events] == registry.event_log.events()
    assert list(registry.event_log.ranges(head + 1, head)) == []


@pytest.mark.parametrize(("blocks", "events"), [(1, 10), (2, 10), (7, 10), (10**9, 10)])
def test_what_is_refused_at_once_is_asked_for_in_parts(on_chain, blocks, events):
    registry = on_chain.registry
    grudging = Grudging(registry.chain, blocks, events)
    assert EventLog(grudging, registry.addresses).events() == registry.event_log.events()
    assert len(grudging.asked) > 1


def test_a_block_that_is_refused_alone_ends_the_reading(on_chain):
    with pytest.raises(RangeRefused):
        EventLog(Grudging(on_chain.registry.chain, 10**9, 0), on_chain.registry.addresses).events()


def test_events_of_one_contract_survive_a_grudging_chain(on_chain):
    registry = on_chain.registry
    grudging = ChainRegistry(Grudging(registry.chain, 10, 10), registry.addresses)
    assert grudging.events_of("Datasets", "DatasetRegistered") == registry.events_of("Datasets", "DatasetRegistered")


def test_blocks_are_given_by_number_and_none_where_there_is_none_yet(on_chain):
    head = on_chain.registry.head()
    first, newest, later = on_chain.registry.blocks([0, head.number, head.number + 10**6])
    assert first.number == 0 and newest == head and later is None
