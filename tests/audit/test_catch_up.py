"""What the index holds is what the chain says: read once, read on, read anew, by one or by several."""

import random
import threading

import pytest
from sqlalchemy import text
from tests.audit.conftest import contents, everything, trail

from belmont.audit import EventIndex, EventQuery, Position
from belmont.audit import index as index_module
from belmont.audit.errors import IndexUnavailable, IndexUrlError, OtherFormat, QueryError
from belmont.registry import event_log
from belmont.registry.types import Address


def test_everything_is_there_in_the_chains_order(index, world):
    index.catch_up()
    assert trail(index) == world.registry.audit_events()
    positions = [each.position for each in everything(index)]
    assert positions == sorted(set(positions))


def test_values_come_back_as_what_they_were(index, world):
    index.catch_up()
    for indexed, event in zip(everything(index), world.registry.audit_events(), strict=True):
        assert {name: type(value) for name, value in indexed.details.items()} == {
            name: type(value) for name, value in event.details.items()
        }
        assert type(indexed.transaction) is bytes and type(indexed.dataset) in (bytes, type(None))


def test_an_event_names_its_study_or_permit_and_its_dataset(index, world):
    index.catch_up()
    for each in everything(index):
        assert each.study == each.details.get("study", each.details.get("permit"))
        assert each.dataset == each.details.get("dataset")


def test_what_is_new_is_what_came_since_the_last_time(opened, world):
    index = opened(world.registry)
    first = index.catch_up()
    assert [each.position for each in first.added] == [each.position for each in everything(index)]
    before = len(first.added)
    world.dataset()
    second = index.catch_up()
    assert [each.name for each in second.added] == ["DatasetRegistered"]
    assert second.dropped == 0 and not second.behind
    assert len(everything(index)) == before + 1
    assert index.catch_up().added == ()


def test_the_head_is_the_block_that_was_read_last(index, world):
    assert index.head is None
    advance = index.catch_up()
    assert advance.head == index.head
    (block,) = world.registry.blocks([index.head.number])
    assert (block.hash, block.timestamp) == (index.head.hash, index.head.timestamp)


def test_an_index_that_was_closed_goes_on_where_it_was(opened, world):
    opened(world.registry).catch_up()
    world.dataset()
    again = opened(world.registry)
    assert len(again.catch_up().added) == 1
    assert trail(again) == world.registry.audit_events()


def test_much_that_is_new_is_told_in_parts(opened, world, monkeypatch):
    monkeypatch.setattr(index_module, "NEWS_MAX", 4)
    index, told = opened(world.registry), []
    while True:
        advance = index.catch_up()
        assert len(advance.added) <= 4
        told += advance.added
        if not advance.behind:
            break
    assert told == everything(index)


@pytest.mark.parametrize("blocks", [1, 3, 50])
def test_the_length_of_a_range_changes_nothing(opened, world, monkeypatch, blocks):
    monkeypatch.setattr(event_log, "BLOCKS_AT_FIRST", blocks)
    monkeypatch.setattr(event_log, "BLOCKS_MOST", blocks)
    index = opened(world.registry)
    index.catch_up()
    assert trail(index) == world.registry.audit_events()


def test_two_readers_of_one_database_are_each_told_everything_once(opened, world):
    one, other = opened(world.registry), opened(world.registry)
    assert one.catch_up().added == other.catch_up().added
    world.dataset()
    world.dataset()
    first, second = one.catch_up(), other.catch_up()
    assert len(first.added) == 2 and first.added == second.added
    assert trail(one) == world.registry.audit_events()


def test_readers_in_many_threads_double_and_lose_nothing(opened, world, monkeypatch):
    monkeypatch.setattr(event_log, "BLOCKS_AT_FIRST", 2)
    monkeypatch.setattr(event_log, "BLOCKS_MOST", 2)
    indexes = [opened(world.registry) for _ in range(3)]
    told: list[list[object]] = [[] for _ in indexes]

    def run(place):
        told[place] += indexes[place % 3].catch_up().added

    threads = [threading.Thread(target=run, args=(place,)) for place in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    assert trail(indexes[0]) == world.registry.audit_events()
    assert told[0] == told[1] == told[2] == everything(indexes[0])


def test_a_rebuilt_index_is_the_same_and_says_what_was_taken_back(opened, world):
    index = opened(world.registry)
    before = index.catch_up()
    index.rebuild()
    assert index.head is None and everything(index) == []
    after = index.catch_up()
    assert after.dropped == len(before.added) and after.added == before.added
    assert index.catch_up().added == ()


@pytest.mark.parametrize("seed", [20261127, 3])
def test_followed_by_turns_it_is_the_same_as_read_from_nothing(opened, living, tmp_path, seed):
    """A random walk over what members do; looked at after each step, or seldom."""
    world = living
    index, choice, told = opened(world.registry), random.Random(seed), []
    for _ in range(30):
        for _ in range(choice.choice((1, 1, 1, 5))):
            world.act(choice)
        if choice.random() < 0.6:
            told += index.catch_up().added
            assert [each.position for each in told] == [each.position for each in everything(index)]
    index.catch_up()
    fresh = EventIndex.open(f"sqlite:///{tmp_path / 'fresh.sqlite'}", world.registry)
    fresh.catch_up()
    assert trail(index) == trail(fresh) == world.registry.audit_events()
    followed, replayed = contents(index), contents(fresh)
    for table in ("index_identity", "index_blocks", "index_events", "index_names"):
        assert [tuple(row) for row in followed[table]] == [tuple(row) for row in replayed[table]]
    fresh.close()


# --- databases ---


def test_sqlite_is_durable_and_keeps_its_keys(opened, world, url):
    index = opened(world.registry)
    if index.engine.dialect.name != "sqlite":
        pytest.skip("of SQLite")
    with index.engine.connect() as connection:
        asked = ("journal_mode", "synchronous", "foreign_keys")
        assert [connection.exec_driver_sql(f"pragma {each}").scalar() for each in asked] == ["wal", 2, 1]


@pytest.mark.parametrize(
    "wrong", ["", "index.sqlite", "sqlite://", "sqlite:///:memory:", "mysql://localhost/x", "postgresql+asyncpg://h/x"]
)
def test_a_url_that_is_no_database_of_ours_is_refused(world, wrong):
    with pytest.raises(IndexUrlError):
        EventIndex.open(wrong, world.registry)


def test_a_database_that_cannot_be_opened_is_unavailable(world, tmp_path):
    (tmp_path / "file").write_text("no directory")
    for url in (f"sqlite:///{tmp_path}/file/index.sqlite", "postgresql://nobody@127.0.0.1:1/none"):
        with pytest.raises(IndexUnavailable):
            EventIndex.open(url, world.registry)


def test_a_file_that_is_no_database_is_unavailable_and_left_alone(world, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 1000)
    with pytest.raises(IndexUnavailable):
        EventIndex.open(f"sqlite:///{path}", world.registry)
    assert path.read_text().startswith("Dear Sir")


def test_an_index_of_another_release_is_refused(opened, world):
    index = opened(world.registry)
    index.catch_up()
    with index.engine.begin() as connection:
        connection.execute(text("update index_identity set schema_version = 99"))
    with pytest.raises(OtherFormat, match=r"99.*read anew"):
        opened(world.registry)
    assert trail(index) == world.registry.audit_events()


def test_a_password_is_in_no_message(world):
    with pytest.raises(IndexUnavailable) as refused:
        EventIndex.open("postgresql://belmont:open-sesame@127.0.0.1:1/none", world.registry)
    assert "open-sesame" not in str(refused.value) + repr(refused.value.__cause__)


# --- positions ---


@pytest.mark.parametrize("position", [Position(0, 0), Position(123, 4), Position(2**63 - 1, 2**31 - 1)])
def test_a_position_is_read_as_it_is_written(position):
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    "wrong", ["", "1", "1.", ".1", "1.2.3", "-1.0", "1.-1", " 1.2", "1.2\n", "01.2", "١.٢", "9" * 40]
)
def test_what_is_no_position_is_refused(wrong):
    with pytest.raises(QueryError):
        Position.parse(wrong)


def test_a_position_past_every_chain_is_refused():
    for block, log in ((2**63, 0), (0, 2**31), (-1, 0)):
        with pytest.raises(QueryError):
            Position(block, log)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_a_size(index, limit):
    with pytest.raises(QueryError):
        index.after(None, limit)
    with pytest.raises(QueryError):
        EventQuery(limit=limit, actor=Address("0x" + "11" * 20))
