"""What the vault's database says besides blocks: labels, their wrapped keys, objects, and which blocks each one has.

``data_keys`` is rewritten as a whole when a key is destroyed or wrapped anew. SQLite's ``secure_delete`` overwrites a
deleted row, and not the copies that earlier rebalancing of the tree left in unused parts of other pages (measured with
SQLite 3.40: one key in some three thousand deletions stayed readable). Pages of a dropped table are overwritten whole.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from belmont.vault.cid import Cid
from belmont.vault.database import Database, Statement
from belmont.vault.errors import CidMalformed, DatabaseCorrupted, LabelUnknown, ObjectUnknown

_DATA_KEYS = "(label_id INTEGER PRIMARY KEY REFERENCES labels (id), wrapped BLOB NOT NULL) STRICT"
_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT",
    "CREATE TABLE labels (id INTEGER PRIMARY KEY, label BLOB UNIQUE NOT NULL, shredded_at INTEGER) STRICT",
    f"CREATE TABLE data_keys {_DATA_KEYS}",
    "CREATE TABLE objects (id INTEGER PRIMARY KEY, cid BLOB UNIQUE NOT NULL,"
    " label_id INTEGER NOT NULL REFERENCES labels (id)) STRICT",
    "CREATE TABLE pieces (object_id INTEGER NOT NULL REFERENCES objects (id), cid BLOB NOT NULL,"
    " PRIMARY KEY (object_id, cid)) STRICT, WITHOUT ROWID",
)
_META = "INSERT INTO meta (name, value) VALUES (?, ?)"
VAULT_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class LabelRow:
    id: int
    label: str
    shredded_at: int | None
    """Unix seconds; None while the dataset lives."""


def catalogue_schema(wrapping_key_id: str) -> list[Statement]:
    """What makes a new vault's catalogue: its tables, a fresh vault id, and the id of its wrapping key."""
    return [
        *((table, ()) for table in _TABLES),
        (_META, ("vault_id", secrets.token_bytes(VAULT_ID_BYTES))),
        (_META, ("wrapping_key_id", wrapping_key_id.encode("ascii"))),
    ]


class Catalogue:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._execute = database.execute

    @property
    def vault_id(self) -> bytes:
        return self._meta("vault_id")

    @property
    def wrapping_key_id(self) -> bytes:
        return self._meta("wrapping_key_id")

    @property
    def erase_pending(self) -> bool:
        """Whether keys were replaced, and the log that may hold the old ones was not emptied since."""
        return bool(self._execute("SELECT 1 FROM meta WHERE name = 'erase_pending'"))

    def erased(self) -> None:
        self._execute("DELETE FROM meta WHERE name = 'erase_pending'")

    def labels(self) -> list[LabelRow]:
        rows = self._execute("SELECT id, label, shredded_at FROM labels ORDER BY label")
        return [self._label_row(row) for row in rows]

    def find_label(self, label: str) -> LabelRow | None:
        rows = self._execute("SELECT id, label, shredded_at FROM labels WHERE label = ?", (label.encode(),))
        return self._label_row(rows[0]) if rows else None

    def label(self, label: str) -> LabelRow:
        row = self.find_label(label)
        if row is None:
            raise LabelUnknown(f"no dataset {label!r} in this vault: labels() lists those there are")
        return row

    def add_label(self, label: str, wrapped: bytes) -> LabelRow:
        self._execute("INSERT INTO labels (label) VALUES (?)", (label.encode(),))
        row = self.label(label)
        self._execute("INSERT INTO data_keys (label_id, wrapped) VALUES (?, ?)", (row.id, wrapped))
        return row

    def wrapped_key(self, row: LabelRow) -> bytes | None:
        rows = self._execute("SELECT wrapped FROM data_keys WHERE label_id = ?", (row.id,))
        return self._database.blob(rows[0][0]) if rows else None

    def replace_keys(self, wrapping_key_id: str, wrapped: dict[int, bytes]) -> None:
        """Puts these wrapped keys, by label id, in the place of all others, of which no copy stays in the file."""
        self._execute(f"CREATE TABLE fresh_data_keys {_DATA_KEYS}")
        for label_id, value in sorted(wrapped.items()):
            self._execute("INSERT INTO fresh_data_keys (label_id, wrapped) VALUES (?, ?)", (label_id, value))
        self._execute("DROP TABLE data_keys")
        self._execute("ALTER TABLE fresh_data_keys RENAME TO data_keys")
        self._execute("UPDATE meta SET value = ? WHERE name = 'wrapping_key_id'", (wrapping_key_id.encode("ascii"),))
        self._execute(f"{_META} ON CONFLICT DO NOTHING", ("erase_pending", b""))

    def destroy_key(self, row: LabelRow, now: int) -> None:
        kept = {i: w for i, w in self._execute("SELECT label_id, wrapped FROM data_keys") if i != row.id}
        self.replace_keys(self.wrapping_key_id.decode("ascii"), kept)
        self._execute("UPDATE labels SET shredded_at = coalesce(shredded_at, ?) WHERE id = ?", (now, row.id))

    def add_object(self, row: LabelRow, root: Cid, blocks: list[Cid]) -> None:
        self._execute("INSERT INTO objects (cid, label_id) VALUES (?, ?)", (root.binary, row.id))
        object_id = self._execute("SELECT id FROM objects WHERE cid = ?", (root.binary,))[0][0]
        for cid in blocks:
            self._execute("INSERT INTO pieces (object_id, cid) VALUES (?, ?)", (object_id, cid.binary))

    def label_of(self, root: Cid) -> LabelRow:
        rows = self._execute(
            "SELECT l.id, l.label, l.shredded_at FROM objects o LEFT JOIN labels l ON l.id = o.label_id "
            "WHERE o.cid = ?",
            (root.binary,),
        )
        if not rows:
            raise ObjectUnknown(f"no object {root} in this vault: give a CID that put() returned here")
        return self._label_row(rows[0])

    def objects(self, row: LabelRow) -> list[Cid]:
        """Roots in the order they were stored."""
        return self._cids("SELECT cid FROM objects WHERE label_id = ? ORDER BY id", row.id)

    def pieces(self, root: Cid) -> set[Cid]:
        """All blocks of an object that still lie in the store, its root among them."""
        return set(
            self._cids("SELECT p.cid FROM pieces p JOIN objects o ON o.id = p.object_id WHERE o.cid = ?", root.binary)
        )

    def some_pieces(self, row: LabelRow, limit: int) -> list[Cid]:
        return self._cids(
            "SELECT p.cid FROM pieces p JOIN objects o ON o.id = p.object_id WHERE o.label_id = ? LIMIT ?",
            row.id,
            limit,
        )

    def forget_pieces(self, row: LabelRow, cids: list[Cid]) -> None:
        for cid in cids:
            self._execute(
                "DELETE FROM pieces WHERE cid = ? AND object_id IN (SELECT id FROM objects WHERE label_id = ?)",
                (cid.binary, row.id),
            )

    def all_pieces(self) -> set[Cid]:
        return set(self._cids("SELECT cid FROM pieces"))

    def integrity_problems(self) -> list[str]:
        found = [str(row[0]) for row in self._execute("PRAGMA integrity_check") if row[0] != "ok"]
        return found + [f"a row of {row[0]} refers to nothing" for row in self._execute("PRAGMA foreign_key_check")]

    def _cids(self, sql: str, *parameters: object) -> list[Cid]:
        try:
            return [Cid(row[0]) for row in self._execute(sql, parameters)]
        except CidMalformed as error:
            raise self._damaged("an object or block has no valid CID") from error

    def _meta(self, name: str) -> bytes:
        rows = self._execute("SELECT value FROM meta WHERE name = ?", (name,))
        if not rows:
            raise self._damaged(f"its {name} is gone")
        return self._database.blob(rows[0][0])

    def _label_row(self, row: tuple[Any, ...]) -> LabelRow:
        label_id, label, shredded_at = row
        if not isinstance(label_id, int):
            raise self._damaged("an object belongs to no label")
        if not isinstance(shredded_at, int | None):
            raise self._damaged("the time of a shredding is no number")
        try:
            return LabelRow(label_id, self._database.blob(label).decode("utf-8"), shredded_at)
        except UnicodeDecodeError as error:
            raise self._damaged(f"label {label_id} is not text") from error

    def _damaged(self, what: str) -> DatabaseCorrupted:
        return DatabaseCorrupted(f"{self._database.path}: {what}; restore the database from a backup")
