"""Rows that are not what was written are not served, and are put right from the chain."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.audit.conftest import trail
from tests.audit.made_up import fill, made_up

from belmont.audit import EventQuery
from belmont.audit.errors import IndexDamaged

CHANGES = {
    "details": ["'{}'", "'nonsense'", '\'{"study": {"0x": "zz"}}\'', "'[]'", "'" + "[" * 5000 + "'"],
    "actor": ["'0x0000000000000000000000000000000000000000'"],
    "name": ["'VoteCost'"],
    "study": ["7", "null"],
    "timestamp": ["1"],
    "search_text": ["''"],
    "contract": ["'Rules'"],
}


@pytest.mark.parametrize(("column", "value"), [(each, value) for each, values in CHANGES.items() for value in values])
def test_a_changed_column_is_noticed(index, world, column, value):
    index.catch_up()
    with index.engine.begin() as connection:
        changed = f"select block, log from index_events where {column} is distinct from {value}"
        where = f"(block, log) = ({changed} order by block desc, log desc limit 1)"
        assert connection.execute(text(f"update index_events set {column} = {value} where {where}")).rowcount == 1
    with pytest.raises(IndexDamaged, match="rebuild"):
        index.search(EventQuery(limit=50))
    with pytest.raises(IndexDamaged, match="rebuild"):
        index.after(None)
    assert index.search(EventQuery(limit=5, ascending=True)).events
    index.rebuild()
    index.catch_up()
    assert trail(index) == world.registry.audit_events()


def test_an_event_cannot_be_there_twice_or_without_its_block(index):
    fill(index, made_up(0), made_up(1))
    with index.engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(text("insert into index_blocks select * from index_blocks"))
    with index.engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(text("insert into index_events select * from index_events"))
    with index.engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(text("update index_events set block = 77"))


def test_a_cursor_that_was_changed_is_set_right(opened, world):
    """As if a copy of the database had lost its newest rows, or somebody had written a hash of their own."""
    index = opened(world.registry)
    index.catch_up()
    with index.engine.begin() as connection:
        connection.execute(text("update index_cursor set hash = genesis_hash from index_identity"))
    advance = index.catch_up()
    assert advance.dropped == 0
    assert trail(index) == world.registry.audit_events()
