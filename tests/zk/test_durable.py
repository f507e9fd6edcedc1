"""Files that must forget nothing are opened for their owner alone, and written whole or not at all."""

import sqlite3
import threading

import pytest

from belmont.zk.durable import DurableFile, open_file, transaction
from belmont.zk.errors import BudgetError

KIND = 0x424C4D00
TABLE = ("CREATE TABLE IF NOT EXISTS t (x INTEGER NOT NULL)",)


def opened(path, **more):
    return DurableFile(path, KIND, "a list of numbers", TABLE, BudgetError, **more)


def test_a_new_file_is_its_owners_alone_and_a_link_is_not_followed(tmp_path):
    open_file(tmp_path / "new").close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "new")
    with pytest.raises(OSError, match="link"):
        open_file(tmp_path / "link")


def test_a_secret_file_that_others_can_read_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "open").touch(0o644)
    with pytest.raises(BudgetError, match="chmod 600"):
        opened(tmp_path / "open")
    assert (tmp_path / "open").stat().st_size == 0
    opened(tmp_path / "open", is_secret=False).close()


def test_a_file_of_another_kind_is_refused_and_left_as_it_is(tmp_path):
    opened(tmp_path / "numbers").close()
    before = (tmp_path / "numbers").read_bytes()
    with pytest.raises(BudgetError, match="something else than a diary"):
        DurableFile(tmp_path / "numbers", KIND + 1, "a diary", TABLE, BudgetError)
    assert (tmp_path / "numbers").read_bytes() == before


def test_of_a_block_that_raises_nothing_stays(tmp_path):
    file = opened(tmp_path / "numbers")
    with pytest.raises(KeyboardInterrupt), file.writing():
        file.execute("INSERT INTO t VALUES (?)", 1)
        raise KeyboardInterrupt
    with file.writing():
        file.execute("INSERT INTO t VALUES (?)", 2)
    assert file.read("SELECT x FROM t") == [(2,)]
    file.close()


def test_numbers_that_sqlite_has_not_and_a_closed_file_are_typed_errors(tmp_path):
    file = opened(tmp_path / "numbers")
    with pytest.raises(BudgetError, match="cannot be written"), file.writing():
        file.execute("INSERT INTO t VALUES (?)", 1 << 63)
    with pytest.raises(BudgetError, match="cannot be read"):
        file.read("SELECT x FROM t WHERE x=?", 1 << 63)
    file.close()
    with pytest.raises(BudgetError, match="cannot be read"):
        file.read("SELECT x FROM t")


def test_a_transaction_that_cannot_begin_leaves_the_lock_free(tmp_path):
    one, other, lock = open_file(tmp_path / "f"), open_file(tmp_path / "f", 0.01), threading.Lock()
    one.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError), transaction(other, lock):
        pass
    assert not lock.locked()
    one.close()
    other.close()
