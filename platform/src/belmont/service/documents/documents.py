"""Keeps documents, and gives back only what the chain has the hash of.

1. A document is taken if the chain has its hash, as that kind, of that study (``expected``); or the message that is
   being relayed has it, and then it is held back until the chain took the message. So members can keep nothing here
   but what was applied with, said or released, and it does not matter which of them hands it in.
2. A record of a round is taken if it opens; one for each round. Why an amendment is asked for is taken from its
   applicant; the first text stays.
3. What is read is compared with its SHA-256. A damaged row is never given, and is mended by handing in once more.
4. A document that came for one study answers for every study that has the same hash as the same kind.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from belmont.audit.events import BLOCK_MAX
from belmont.audit.index import EventIndex
from belmont.identity.messages import NO_REASON, reason_hash
from belmont.identity.signed_message import SignedMessage
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.types import Address, Study
from belmont.service.documents.expected import CONSORTIUM, Expected, acts_of, expected_of
from belmont.service.documents.kinds import FORMS, Kind, read_as, refuse_large, text_of
from belmont.service.documents.tables import contents, documents
from belmont.service.errors import Conflict, NotAllowed, NotFound
from belmont.service.state.snapshot import Snapshot
from belmont.service.store.database import Store

ATTEMPTS: Final = 3
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Document:
    """What is kept of one document, without its bytes."""

    kind: Kind
    key: bytes
    """The hash on chain; of records of rounds, and of why an amendment is asked for, a number in its place."""
    sha256: bytes
    size: int
    """Bytes."""
    study: int
    """The first that it came for."""
    handed_in_by: Address
    handed_in_at: int
    """Unix seconds."""

    @property
    def media_type(self) -> str:
        """By its kind."""
        return FORMS[self.kind].media_type

    @property
    def file_name(self) -> str:
        """Safe in a header: letters of ours alone."""
        return f"{self.kind}-{self.sha256.hex()[:16]}{FORMS[self.kind].suffix}"


@dataclass(frozen=True)
class Listed:
    """A document that there should be of a study, and whether it is here."""

    kind: Kind
    hash: bytes | None
    """On chain; None where the chain has none (``kinds``, 3 and 4)."""
    said_in: str
    """``application``, ``release``, ``amendment``, ``round 3``, or the name of an event."""
    actor: Address
    at: int
    document: Document | None
    """None: nobody has handed it in."""


class Documents:
    """The documents of one service."""

    def __init__(
        self, store: Store, registry: ChainRegistry, index: EventIndex, snapshot: Callable[[], Snapshot]
    ) -> None:
        self._store, self._registry, self._index, self._snapshot = store, registry, index, snapshot

    # --- what is here ---

    def for_study(self, number: int) -> tuple[Listed, ...]:
        """What there should be of a study and of its permit, with what is here. Raises NotFound."""
        expected = self._expected(number)
        keys = {each.hash for each in expected} | {key_of_amendment(number)}
        rounds = and_(documents.c.kind == Kind.ROUND, documents.c.study == number)
        with self._store.reading() as connection:
            rows = connection.execute(select(documents).where(documents.c.key.in_(keys) | rounds)).all()
        found = {(each.kind, each.key): each for each in map(_document, rows)}
        listed = [
            Listed(each.kind, each.hash, each.said_in, each.actor, each.at, found.get((each.kind, each.hash)))
            for each in expected
        ]
        study = self._snapshot().studies.get(number)
        if study is not None and study.amends:
            why = found.get((Kind.AMENDMENT, key_of_amendment(number)))
            listed.append(Listed(Kind.AMENDMENT, None, "amendment", study.data_user, study.proposed_at, why))
        records = sorted((each for each in found.values() if each.kind is Kind.ROUND), key=lambda each: each.key)
        for each in records:
            said_in = f"round {round_in(each.key)}"
            listed.append(Listed(each.kind, None, said_in, each.handed_in_by, each.handed_in_at, each))
        return tuple(listed)

    def read(self, sha256: bytes) -> tuple[Document, bytes]:
        """A document by the SHA-256 of its bytes. Raises NotFound, also for one that was damaged here (3)."""
        with self._store.reading() as connection:
            rows = connection.execute(select(documents).where(documents.c.sha256 == sha256)).all()
        for row in sorted(rows, key=lambda row: bool(row.held)):
            document = _document(row)
            if not row.held or self._is_said(document):
                return document, self._content(sha256)
        raise NotFound("Nobody has handed in a document with this hash.", code="DOCUMENT_UNKNOWN")

    def find(self, kind: Kind, hashed: bytes) -> bytes | None:
        """The bytes of a document by its hash on chain; None where it is not here, or was damaged."""
        with self._store.reading() as connection:
            row = connection.execute(select(documents).where(_is(kind, hashed))).one_or_none()
        if row is None:
            return None
        try:
            return self._content(bytes(row.sha256))
        except NotFound:
            return None

    def text(self, kind: Kind, hashed: bytes) -> str | None:
        """The same as text, as it was handed in: whoever shows it escapes it."""
        found = self.find(kind, hashed)
        return None if found is None else text_of(found)

    def rounds(self, permit: int) -> dict[int, Document]:
        """Records of secure rounds of a permit that are here, by round."""
        wanted = and_(documents.c.kind == Kind.ROUND, documents.c.study == permit)
        with self._store.reading() as connection:
            found = map(_document, connection.execute(select(documents).where(wanted)).all())
        return {round_in(each.key): each for each in found}

    def known(self, kind: Kind, hashed: bytes) -> Document | None:
        """A document by its hash on chain, without its bytes; None where it is not here."""
        with self._store.reading() as connection:
            row = connection.execute(select(documents).where(_is(kind, hashed))).one_or_none()
        return None if row is None else _document(row)

    def why_amended(self, number: int) -> str | None:
        """Why an amendment is asked for, as its applicant said here; the chain has no hash of it."""
        return self.text(Kind.AMENDMENT, key_of_amendment(number))

    # --- what comes ---

    def take(self, number: int, kind: Kind, content: bytes, by: Address) -> tuple[Document, bool]:
        """Keep a document of a study (1, 2); whether it is new here. Raises Problem for what is not taken."""
        study = self._study(number)
        refuse_large(kind, len(content))
        if kind is Kind.ROUND:
            from belmont.service.documents.records import round_of

            key = key_of_round(number, round_of(self._registry, number, content))
        elif kind is Kind.AMENDMENT:
            if not study.amends:
                raise Conflict(f"Study {number} amends no permit.", code="NO_AMENDMENT")
            if study.data_user != by:
                raise NotAllowed("Why an amendment is asked for is said by its applicant.", code="NOT_THE_APPLICANT")
            text_of(content)
            key = key_of_amendment(number)
        else:
            key, content = read_as(kind, content)
            if (kind, key) not in {(each.kind, each.hash) for each in self._expected(number)}:
                raise Conflict(
                    f"The chain has no such hash as the {kind} of study {number}.",
                    code="NOT_ON_CHAIN",
                    remedy="Hand in the very bytes whose hash is on chain, for the study and kind that has it.",
                )
            if kind is Kind.CODE:
                from belmont.service.documents.code import refuse_other_bundles

                refuse_other_bundles(content)
        return self._keep(Document(kind, key, _sha256(content), len(content), number, by, int(time.time())), content)

    def hold(self, signed: SignedMessage, by: Address) -> tuple[Document, ...]:
        """Keep the texts of a message that is about to be relayed; nobody is given them before the chain took it.

        Returns those that were not here: not those that another attempt holds back, or that the chain has already.
        """
        kept = [self._keep(document, content, held=True) for document, content in _texts(signed, by)]
        return tuple(document for document, is_new in kept if is_new)

    def confirm(self, signed: SignedMessage, by: Address) -> None:
        """The chain took it."""
        for document, content in _texts(signed, by):
            self._keep(document, content)

    def let_go(self, held: Iterable[Document]) -> None:
        """The chain refused it: what was held back for it alone is dropped."""
        with self._store.writing() as connection:
            for document in held:
                of_it = _is(document.kind, document.key)
                gone = connection.execute(delete(documents).where(and_(of_it, documents.c.held)))
                others = select(documents.c.key).where(documents.c.sha256 == document.sha256)
                if gone.rowcount and connection.execute(others.limit(1)).first() is None:
                    connection.execute(delete(contents).where(contents.c.sha256 == document.sha256))

    # --- inside ---

    def _study(self, number: int) -> Study:
        study = self._snapshot().studies.get(number)
        if study is None:
            raise NotFound(f"The chain has no study {number}.", code="STUDY_UNKNOWN")
        return study

    def _expected(self, number: int) -> tuple[Expected, ...]:
        if number != CONSORTIUM:
            self._study(number)
        return expected_of(self._snapshot(), number, acts_of(self._index, number))

    def _is_said(self, document: Document) -> bool:
        """Whether the chain has what was held back: then whoever relayed it ended before saying so."""
        if (document.kind, document.key) not in {(each.kind, each.hash) for each in self._expected(document.study)}:
            return False
        with self._store.writing() as connection:
            connection.execute(update(documents).where(_is(document.kind, document.key)).values(held=False))
        return True

    def _keep(self, document: Document, content: bytes, held: bool = False) -> tuple[Document, bool]:
        for attempt in range(ATTEMPTS):
            try:
                with self._store.writing() as connection:
                    return _written(connection, document, content, held)
            except IntegrityError:  # somebody else hands in the same
                if attempt == ATTEMPTS - 1:
                    raise
        raise Conflict("Others hand in the same at this moment.", remedy="Try again.")

    def _content(self, sha256: bytes) -> bytes:
        with self._store.reading() as connection:
            content = connection.scalar(select(contents.c.content).where(contents.c.sha256 == sha256))
        if content is None or _sha256(bytes(content)) != sha256:
            log.error("document %s is damaged in the database: it is not given", sha256.hex())
            raise NotFound(
                "What is kept here under this hash was damaged, so it is not given.",
                code="DOCUMENT_DAMAGED",
                remedy="Whoever has the document can hand it in again.",
            )  # 3
        return bytes(content)


def key_of_round(study: int, n: int) -> bytes:
    """What stands in place of a hash for the record of a round."""
    return study.to_bytes(16) + n.to_bytes(16)


def round_in(key: bytes) -> int:
    """The round's number in it."""
    return int.from_bytes(key[16:])


def key_of_amendment(study: int) -> bytes:
    """The same for why an amendment is asked for."""
    return study.to_bytes(32)


def _written(connection: Connection, document: Document, content: bytes, held: bool) -> tuple[Document, bool]:
    """One document in one transaction; whether it is new. Raises Conflict for another in its place (2)."""
    of_it = _is(document.kind, document.key)
    row = connection.execute(select(documents).where(of_it)).one_or_none()
    if row is not None and bytes(row.sha256) != document.sha256:
        raise Conflict("There is another text of this already, which stays.", code="ALREADY_THERE")
    known = connection.scalar(select(contents.c.content).where(contents.c.sha256 == document.sha256))
    if known is None:
        connection.execute(insert(contents).values(sha256=document.sha256, content=content))
    elif bytes(known) != content:  # 3
        connection.execute(update(contents).where(contents.c.sha256 == document.sha256).values(content=content))
    if row is None:
        values = {name: getattr(document, name) for name in document.__dataclass_fields__}
        connection.execute(insert(documents).values(**values | {"kind": document.kind.value, "held": held}))
        return document, True
    if row.held and not held:
        connection.execute(update(documents).where(of_it).values(held=False))
    return _document(row), bool(row.held) and not held


def _texts(signed: SignedMessage, by: Address) -> list[tuple[Document, bytes]]:
    """The texts that a signed message brings along, whose hashes it has."""
    message, now = signed.message, int(time.time())
    study = getattr(message, "study", getattr(message, "permit", CONSORTIUM))
    if study > BLOCK_MAX:
        return []  # no contract counts so far, and no table: the contract says that there is no such study
    texts = []
    if signed.reason is not None and reason_hash(signed.reason) != NO_REASON:
        texts.append((Kind.REASON, signed.reason.encode()))
    if signed.conditions is not None:
        texts.append((Kind.CONDITIONS, signed.conditions.canonical()))
    found = []
    for kind, text in texts:
        key, content = read_as(kind, text)
        found.append((Document(kind, key, _sha256(content), len(content), study, by, now), content))
    return found


def _document(row: Row[Any]) -> Document:
    return Document(
        Kind(row.kind),
        bytes(row.key),
        bytes(row.sha256),
        row.size,
        row.study,
        Address(row.handed_in_by),
        row.handed_in_at,
    )


def _is(kind: Kind, key: bytes) -> ColumnElement[bool]:
    return and_(documents.c.kind == kind.value, documents.c.key == key)


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
