"""A hospital's own register of who consents to what, for one dataset.

1. A patient is known by the key that stands in batches, and by the pseudonym of its row in the dataset.
2. Until a patient's account makes its first statement, what the hospital attests decides. From then on the newest
   statement decides; the hospital can attest nothing more for this patient. It can withhold: somebody who withdraws
   on paper is left out until their next statement. A register never permits more than the chain, and may permit less.
3. Statements are applied in the order of the chain, each once: their numbers follow one another, each account's
   sequences too. A statement that does not fit stops all that come after it.
4. Every change and the batch that comes of it are one durable transaction. Killed at any moment, the register holds
   all of a change or nothing.
5. A batch holds every consent that is attested, and every account, without a scope where nothing is attested for it.
6. On opening, the batch is computed anew from the patients, and the chain from the statements: a damaged register does
   not open.
7. What the hospital's records say of a patient is attested when they say something new, and never over a patient's own
   statement. What was attested otherwise in between is narrowed by it, and never widened: a withdrawal on paper
   outlasts records that are read again. Who is in the records no longer, or denies there, has no consent.

It holds who the patients are: it stays in the hospital.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from belmont.registry.consents.database import RegisterDatabase
from belmont.registry.consents.entry import Earlier, Entry
from belmont.registry.consents.errors import AttestationRefused, RegisterUnusable, StatementRefused
from belmont.registry.consents.scope import NO_SCOPE, Scope, ScopeTable
from belmont.registry.consents.statements import NO_STATEMENTS, Statement, account_key, chained
from belmont.registry.consents.tree import Batch, ConsentTree
from belmont.registry.consents.view import ConsentView
from belmont.registry.types import Address, DatasetId

_EFFECTIVE = "CASE WHEN withheld THEN 0 WHEN sequence > 0 THEN ifnull(own, 0) ELSE ifnull(attested, 0) END"  # 2
_SIGN = 1 << 63


@dataclass(frozen=True)
class Patient:
    """A patient as the hospital admits them to the register."""

    key: bytes
    """``patient_key`` of the hospital's secret and the patient's number."""
    pseudonym: int
    """Of the patient's row, from 1 to 2^64 - 1."""
    scope: Scope | None = None
    account: Address | None = None


class ConsentRegister:
    """The register of one dataset. Safe for several threads, and for a second process on the same file."""

    def __init__(self, path: Path, dataset_id: DatasetId) -> None:
        """Opens the file, or makes it. Raises RegisterUnusable."""
        self.dataset_id = dataset_id
        self._database = RegisterDatabase(path, dataset_id)
        self._scopes: tuple[int, ScopeTable] = (0, ScopeTable(()))
        self._view: tuple[int, ConsentView] | None = None
        with self._database.reading() as db:
            try:
                whole = _is_whole(db)  # 6
            except (KeyError, TypeError, ValueError) as error:
                raise RegisterUnusable(f"{path}: {error!r}; the file is damaged, restore it from a backup") from error
            if not whole:
                raise RegisterUnusable(f"{path}: its contents do not give its root; restore it from a backup")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    # --- what the hospital attests ---

    def admit(self, patients: Iterable[Patient]) -> Batch:
        """Take up patients; returns the batch to publish. Raises AttestationRefused, ScopeRefused."""
        with self._database.writing() as db:
            scopes = _Scopes(db)
            for each in patients:
                _insert(db, each, None, scopes.id(each.scope))
            return _rebatched(db)

    def record(self, patients: Iterable[Patient]) -> Batch:
        """Take up what the hospital's records say now, of all their patients (7); returns the batch to publish.

        Accounts are not looked at. Raises AttestationRefused, ScopeRefused; then nothing of the change is kept.
        """
        with self._database.writing() as db:
            scopes = _Scopes(db)
            known = {
                row[0]: row[1:]
                for row in db.execute("SELECT key, pseudonym, recorded, attested, sequence FROM patients")
            }
            for each in patients:
                new = scopes.id(each.scope)
                row = known.pop(each.key, None)
                if row is None:
                    _insert(db, each, new, new)
                    continue
                if row[0] != each.pseudonym - _SIGN:
                    raise AttestationRefused("A patient with this key is in under another pseudonym.")
                _renew(db, scopes, each.key, new, *row[1:])
            for key, row in known.items():
                _renew(db, scopes, key, None, *row[1:])
            return _rebatched(db)

    def attest(self, changes: Mapping[bytes, Scope | None]) -> Batch:
        """State what patients, by key, consent to now, None for nothing; returns the batch to publish.

        Raises AttestationRefused, ScopeRefused; then nothing of the change is kept.
        """
        with self._database.writing() as db:
            ids = {scope: _scope_id(db, scope) for scope in set(changes.values())}
            for key, scope in changes.items():
                found = db.execute("SELECT sequence FROM patients WHERE key=?", (key,)).fetchone()
                if found is None:
                    raise AttestationRefused("No patient has this key: admit them first.")
                if found[0] and scope is not None:
                    raise AttestationRefused("This patient decides by an own key: ask them to grant.")  # 2
                withheld = bool(found[0])
                db.execute("UPDATE patients SET attested=?, withheld=? WHERE key=?", (ids[scope], withheld, key))  # 2
            return _rebatched(db)

    def give_accounts(self, accounts: Mapping[bytes, Address]) -> Batch:
        """Note which account a patient, by key, has; returns the batch to publish before it can be enrolled.

        Raises AttestationRefused: a patient has one account, and an account one patient.
        """
        with self._database.writing() as db:
            for key, account in accounts.items():
                given = (account, account_key(account), key)
                try:
                    set_ = "UPDATE patients SET account=?, leaf=? WHERE key=? AND account IS NULL"
                    changed = db.execute(set_, given).rowcount
                except sqlite3.IntegrityError as error:
                    raise AttestationRefused("Another patient has this account.") from error
                if not changed:
                    raise AttestationRefused("No patient without an account has this key.")
            return _rebatched(db)

    # --- what patients state themselves ---

    def take(self, statements: Iterable[Statement]) -> None:
        """Apply statements from the chain; those that were applied before are passed over.

        Raises StatementRefused; then none of them is applied.
        """
        with self._database.writing() as db:
            own, applied, block = db.execute("SELECT own, applied, block FROM register").fetchone()
            for each in statements:
                if each.dataset_id != self.dataset_id:
                    raise StatementRefused("This statement is about another dataset.")
                if each.number <= applied:
                    continue  # 3
                if each.number != applied + 1:
                    raise StatementRefused(f"Statement {applied + 1} is missing: read the chain once more.")  # 3
                self._apply(db, each)
                own = chained(own, each.account, each.sequence, each.scope_hash)
                applied, block = each.number, each.block
            db.execute("UPDATE register SET own=?, applied=?, block=?", (own, applied, block))

    def _apply(self, db: sqlite3.Connection, stated: Statement) -> None:
        row = db.execute("SELECT rowid, sequence FROM patients WHERE account=?", (stated.account,)).fetchone()
        if row is None:
            detail = f"No patient has the account {stated.account}: note whose it is with give_accounts"
            raise StatementRefused(f"{detail}; nothing is computed before.")
        if stated.sequence <= row[1]:
            raise StatementRefused(
                f"{stated.account} made statement {row[1]}, and not {stated.sequence} after it."
            )  # 3
        scope = _scope_id(db, stated.scope)
        decided = (scope, stated.sequence, row[0])
        db.execute("UPDATE patients SET own=?, sequence=?, withheld=0 WHERE rowid=?", decided)  # 2
        entry = (stated.number, stated.account, stated.sequence, scope)
        db.execute("INSERT INTO statements VALUES (?,?,?,?)", entry)

    # --- what a node and a hospital read ---

    def view(self) -> ConsentView:
        """Everybody's consent as of now."""
        with self._database.reading() as db:
            fields = "revision, batch_root, batch_count, own, applied, block"
            revision, root, count, own, applied, block = db.execute(f"SELECT {fields} FROM register").fetchone()
            if self._view is None or self._view[0] != revision:
                rows = db.execute(f"SELECT pseudonym, {_EFFECTIVE} FROM patients")
                pairs = np.array(rows.fetchall(), np.int64).reshape(-1, 2)
                pairs = pairs[np.argsort(pairs[:, 0])]
                pseudonyms = pairs[:, 0].view(np.uint64) ^ np.uint64(_SIGN)
                table = self._table(db)
                view = ConsentView(Batch(root, count), own, applied, block, pseudonyms, pairs[:, 1] - 1, table)
                self._view = revision, view
            return self._view[1]

    def entry(self, account: Address) -> Entry | None:
        """What is known of the patient who has an account; None where nobody has it."""
        with self._database.reading() as db:
            fields = "key, pseudonym, attested, own, sequence, withheld"
            row = db.execute(f"SELECT {fields} FROM patients WHERE account=?", (account,)).fetchone()
            if row is None:
                return None
            key, pseudonym, attested, own, sequence, withheld = row
            past = db.execute("SELECT until, attested, sequence, withheld FROM past WHERE key=? ORDER BY rowid", (key,))
            earlier = tuple(
                Earlier(until, _scope(db, was), said, bool(out)) for until, was, said, out in past.fetchall()
            )
            batches = dict(db.execute("SELECT root, since FROM batches ORDER BY since"))
            scopes = _scope(db, attested), _scope(db, own)
            return Entry(key, pseudonym + _SIGN, account, *scopes, sequence, bool(withheld), earlier, batches)

    def tree(self) -> ConsentTree:
        """The batch with all its leaves, to show that somebody is in it, or is not."""
        with self._database.reading() as db:
            return _tree(db)

    def _table(self, db: sqlite3.Connection) -> ScopeTable:
        """All scopes by identifier, the first of which is 1."""
        count = db.execute("SELECT count(*) FROM scopes").fetchone()[0]
        if count != self._scopes[0]:
            rows = db.execute("SELECT id, hash, content FROM scopes ORDER BY id").fetchall()
            scopes = [Scope.from_bytes(content) for _, _, content in rows]
            for place, (row, scope) in enumerate(zip(rows, scopes, strict=True)):
                if row[:2] != (place + 1, scope.hash):
                    raise RegisterUnusable("A scope is damaged; restore the register from a backup.")
            self._scopes = count, ScopeTable(scopes)
        return self._scopes[1]


class _Scopes:
    """Identifiers of scopes, each looked up once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._ids: dict[Scope | None, int | None] = {None: None}

    def id(self, scope: Scope | None) -> int | None:
        if scope not in self._ids:
            self._ids[scope] = _scope_id(self._db, scope)
        return self._ids[scope]

    def common(self, one: int | None, other: int | None) -> int | None:
        """Of what both permit."""
        scopes = [
            self._db.execute("SELECT content FROM scopes WHERE id=?", (each,)).fetchone() for each in (one, other)
        ]
        if None in scopes:
            return None
        first, second = (Scope.from_bytes(content) for (content,) in scopes)
        return self.id(first.common(second))


def _insert(db: sqlite3.Connection, patient: Patient, recorded: int | None, attested: int | None) -> None:
    if len(patient.key) != len(NO_SCOPE) or not 0 < patient.pseudonym < 2 * _SIGN:
        raise AttestationRefused("A patient has a key of 32 bytes and a pseudonym from 1 to 2^64 - 1.")
    leaf = account_key(patient.account) if patient.account else patient.key
    row = (patient.key, leaf, patient.pseudonym - _SIGN, patient.account, recorded, attested)
    try:
        fields = "key, leaf, pseudonym, account, recorded, attested"
        db.execute(f"INSERT INTO patients ({fields}) VALUES (?,?,?,?,?,?)", row)
    except sqlite3.IntegrityError as error:
        raise AttestationRefused("A patient with this key, pseudonym or account is in already.") from error


def _renew(
    db: sqlite3.Connection,
    scopes: _Scopes,
    key: bytes,
    new: int | None,
    recorded: int | None,
    attested: int | None,
    sequence: int,
) -> None:
    """Records that said ``recorded`` say ``new`` of a patient (7)."""
    if new == recorded:
        return
    if not sequence:
        attested = new if attested == recorded else scopes.common(attested, new)
    db.execute("UPDATE patients SET recorded=?, attested=? WHERE key=?", (new, attested, key))


def _scope(db: sqlite3.Connection, scope_id: int | None) -> Scope | None:
    if scope_id is None:
        return None
    return Scope.from_bytes(db.execute("SELECT content FROM scopes WHERE id=?", (scope_id,)).fetchone()[0])


def _scope_id(db: sqlite3.Connection, scope: Scope | None) -> int | None:
    if scope is None:
        return None
    content, digest = scope.checked().to_bytes(), scope.hash
    found = db.execute("SELECT id FROM scopes WHERE hash=?", (digest,)).fetchone()
    if found is None:
        return db.execute("INSERT INTO scopes (hash, content) VALUES (?,?)", (digest, content)).lastrowid
    return int(found[0])


def _hashes(db: sqlite3.Connection) -> dict[int | None, bytes]:
    """Of all scopes, by identifier."""
    return {None: NO_SCOPE, **dict(db.execute("SELECT id, hash FROM scopes"))}


def _is_whole(db: sqlite3.Connection) -> bool:
    """Whether patients and statements are those that the stored batch and chain were computed from."""
    root, count, stored, applied = db.execute("SELECT batch_root, batch_count, own, applied FROM register").fetchone()
    hashes, own, number = _hashes(db), NO_STATEMENTS, 0
    newest: dict[Address, tuple[int, int | None]] = {}
    for number, account, sequence, scope in db.execute("SELECT * FROM statements ORDER BY number"):  # noqa: B007
        own = chained(own, account, sequence, hashes[scope])
        newest[account] = sequence, scope
    rows = db.execute("SELECT account, sequence, own FROM patients WHERE sequence != 0 OR own IS NOT NULL")
    decided = {account: (sequence, scope) for account, sequence, scope in rows}
    return Batch(root, count) == _tree(db).batch and (own, number) == (stored, applied) and newest == decided


def _tree(db: sqlite3.Connection) -> ConsentTree:
    hashes = _hashes(db)
    leaves = db.execute("SELECT leaf, attested FROM patients WHERE attested IS NOT NULL OR account IS NOT NULL")  # 5
    return ConsentTree((leaf, hashes[scope]) for leaf, scope in leaves)


def _rebatched(db: sqlite3.Connection) -> Batch:
    batch = _tree(db).batch  # 4
    db.execute("UPDATE register SET batch_root=?, batch_count=?", (batch.root, batch.count))
    return batch
