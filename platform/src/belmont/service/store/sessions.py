"""Sessions: who is signed in, in the service's own tables.

1. A session is known by 32 random bytes, which its browser or program holds and of which only the hash is kept.
2. Every sign-in gives a new one and ends the one that the browser had. What is gained in a session (a passkey, a fresh
   assertion) gives it a new secret as well: who planted or saw the old one gains nothing by it (session fixation).
3. It ends when it was not used for ``idle_seconds``, and ``longest_seconds`` after it began, whatever happens.
4. An account has at most ``MOST_OF_AN_ACCOUNT``; the one longest unused makes room.
5. It says whose it is and how that was shown, and no role: roles are the chain's, at each request.
6. One that a key opened ends when that key no longer owns the identity (``end_replaced``), one that a provider vouched
   for when ``service.toml`` no longer maps that person to the account.
7. What was looked up is remembered for a second, and forgotten at once when this process ends or renews any session.
   Another process that ends one on the same database is heard of after that second.
8. An answer with a new secret may be lost on its way. So the secret that was shown for it, the former one, still opens
   the session for ``FORMER_SECONDS``, to read and to be renewed again by a touch (``access.gates``, 8), and ends at
   once when the new one is first shown. A session has one former secret at most. What a touch raised is bound to the
   secret that its answer gave (``SessionView.standing``), so the former one never has it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    String,
    Table,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from belmont.registry.types import Address
from belmont.service.access.visitor import SessionView
from belmont.service.store.database import Store, metadata
from belmont.service.store.passkeys import steps
from belmont.service.store.tickets import hashed

MOST_OF_AN_ACCOUNT: Final = 20
SEEN_SECONDS: Final = 1.0
SEEN_MOST: Final = 10_000
FORMER_SECONDS: Final = 60
USED_EVERY_SECONDS: Final = 60
"""How coarsely the last use is written: not at every request."""


class Way(StrEnum):
    """How somebody showed who she is."""

    KEY = "ethereum"
    """An account's key signed (ERC-191)."""
    WALLET = "wallet"
    """A contract said that its people signed (ERC-1271)."""
    OIDC = "oidc"
    """A provider said so."""


@dataclass(frozen=True)
class Proof:
    """What a sign-in showed: who it is, by which key or by whose word."""

    account: Address
    way: Way
    signer: Address | None = None
    """The key or wallet that owned the identity when it signed. None where a provider vouches."""
    issuer: str | None = None
    subject: str | None = None


@dataclass(frozen=True)
class Lifetime:
    """Of one session, in seconds."""

    idle_seconds: int
    longest_seconds: int


BROWSER: Final = Lifetime(30 * 60, 12 * 3600)
PROGRAM: Final = Lifetime(3600, 3600)
WALLET: Final = Lifetime(30 * 60, 3600)
"""What a wallet answers depends on who owns it now (ERC-4361, "Signing and Verifying Messages"): asked sooner."""

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("by_token", BigInteger, nullable=False),
    Column("account", String(42), nullable=False, index=True),
    Column("way", String(8), nullable=False),
    Column("signer", String(42)),
    Column("issuer", String(255)),
    Column("subject", String(255)),
    Column("began", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("idle_ends", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False, index=True),
)

formers = Table(
    "session_formers",
    metadata,
    Column("session", String(32), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("ends", BigInteger, nullable=False, index=True),
)
"""The secret that a session had before its last renewal, until the new one is shown (8)."""


class Sessions:
    """The sessions of one service; ``vouched`` maps (issuer, subject) to the account that it may sign in as.

    Implements ``belmont.service.access.visitor.Sessions``. Safe to share between threads and processes.
    """

    def __init__(
        self,
        store: Store,
        vouched: Mapping[tuple[str, str], Address] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._vouched, self._now = store, dict(vouched or {}), now
        self._seen: dict[tuple[bytes, bool], tuple[float, SessionView]] = {}
        self._writes = 0
        self._lock = threading.Lock()
        """Of the two above: what was found before a change is not remembered after it."""

    def open(self, proof: Proof, *, by_token: bool, instead_of: str | None = None) -> tuple[str, SessionView]:
        """A new session and its secret; ``instead_of`` is the secret of the browser's session that ends by it."""
        now, secret = int(self._now()), secrets.token_urlsafe(32)  # 1
        lifetime = _lifetime(proof.way, by_token)
        row = {
            "id": secrets.token_hex(16),
            "digest": hashed(secret),
            "by_token": int(by_token),
            "account": proof.account,
            "way": proof.way.value,
            "signer": proof.signer,
            "issuer": proof.issuer,
            "subject": proof.subject,
            "began": now,
            "used": now,
            "idle_ends": now + lifetime.idle_seconds,
            "ends": now + lifetime.longest_seconds,
        }
        surplus = (
            select(sessions.c.id)
            .where(sessions.c.account == proof.account)
            .order_by(sessions.c.used.desc(), sessions.c.id)
            .offset(MOST_OF_AN_ACCOUNT - 1)
            .limit(MOST_OF_AN_ACCOUNT)
        )
        with self._changing() as connection:
            connection.execute(delete(sessions).where(or_(sessions.c.ends <= now, sessions.c.idle_ends <= now)))
            connection.execute(delete(formers).where(formers.c.ends <= now))
            if instead_of is not None:
                connection.execute(delete(sessions).where(_shown(hashed(instead_of), now)))  # 2
            oldest = list(connection.scalars(surplus))
            connection.execute(delete(sessions).where(sessions.c.id.in_(oldest)))  # 4
            connection.execute(insert(sessions).values(row))
            opened = connection.execute(select(sessions).where(sessions.c.id == row["id"])).one()
        return secret, _view(opened, secret)

    def seen(self, value: str, by_token: bool) -> SessionView | None:
        """One that was looked up less than ``SEEN_SECONDS`` ago, from memory (7); None for any other."""
        at, session = self._seen.get((hashed(value), by_token), (0.0, None))
        now = self._now()
        if session is None or not 0 <= now - at < SEEN_SECONDS or session.expires_at <= now:
            return None
        return session

    def of_cookie(self, value: str) -> SessionView | None:
        """The session of a browser; None for one that never was, has ended, or was idle for too long."""
        return self._find(value, by_token=False)

    def of_token(self, value: str) -> SessionView | None:
        """The session of a program."""
        return self._find(value, by_token=True)

    def renew(self, session: SessionView) -> tuple[str, SessionView] | None:
        """A new secret for a session, with what its shown secret had; that is the former one from here on (8).

        None where the session has ended, or the secret that was shown opens it no more.
        """
        now, secret = int(self._now()), secrets.token_urlsafe(32)
        own, former_one = sessions.c.id == session.id, formers.c.session == session.id
        with self._changing() as connection:
            row = connection.execute(select(sessions).where(own).with_for_update()).one_or_none()
            former = connection.execute(select(formers).where(former_one, formers.c.ends > now)).one_or_none()
            known = [bytes(each.digest) for each in (row, former) if each is not None]
            shown = next((each for each in known if _standing(each) == session.standing), None)
            if row is None or shown is None:
                return None
            connection.execute(update(sessions).where(own).values(digest=hashed(secret)))  # 2
            connection.execute(delete(formers).where(or_(former_one, formers.c.ends <= now)))
            kept = {"session": session.id, "digest": shown, "ends": min(now + FORMER_SECONDS, row.ends)}
            connection.execute(insert(formers).values(kept))
            raised = update(steps).where(steps.c.session == session.standing)
            connection.execute(raised.values(session=_standing(hashed(secret))))
            renewed = connection.execute(select(sessions).where(own)).one()
        return secret, _view(renewed, secret)

    def end(self, id_: str, account: Address) -> bool:
        """End one session of an account; whether there was one."""
        own = and_(sessions.c.id == id_, sessions.c.account == account)
        with self._changing() as connection:
            return bool(connection.execute(delete(sessions).where(own)).rowcount)

    def end_all(self, account: Address) -> int:
        """End all sessions of an account; returns how many."""
        with self._changing() as connection:
            return connection.execute(delete(sessions).where(sessions.c.account == account)).rowcount

    def of_account(self, account: Address) -> list[tuple[SessionView, int]]:
        """Those that have not ended, the last used first, and when they were used; their ``csrf`` is empty."""
        now = int(self._now())
        live = and_(sessions.c.account == account, sessions.c.ends > now, sessions.c.idle_ends > now)
        query = select(sessions).where(live).order_by(sessions.c.used.desc(), sessions.c.id)
        with self._store.reading() as connection:
            return [(_view(row, None), row.used) for row in connection.execute(query)]

    def opened_by_keys(self) -> set[Address]:
        """The accounts that have sessions which a key or wallet opened."""
        query = select(sessions.c.account).where(sessions.c.signer.is_not(None)).distinct()
        with self._store.reading() as connection:
            return {Address(each) for each in connection.scalars(query)}

    def end_replaced(self, account: Address, owner: Address) -> int:
        """End the sessions of an identity that another key than its owner opened; returns how many."""
        replaced = and_(sessions.c.account == account, sessions.c.signer != owner)  # 6
        with self._changing() as connection:
            return connection.execute(delete(sessions).where(replaced)).rowcount

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction after which nothing holds that was seen before (7)."""
        try:
            with self._store.writing() as connection:
                yield connection
        finally:
            with self._lock:
                self._writes += 1
                self._seen.clear()

    def _find(self, secret: str, *, by_token: bool) -> SessionView | None:
        at, writes = self._now(), self._writes
        now, digest = int(at), hashed(secret)
        both = select(sessions, formers.c.digest.label("former"), formers.c.ends.label("former_ends"))
        both = both.outerjoin(formers, formers.c.session == sessions.c.id)
        with self._store.reading() as connection:
            row = connection.execute(both.where(sessions.c.digest == digest)).one_or_none()
            if row is None:
                row = connection.execute(both.where(formers.c.digest == digest, formers.c.ends > now)).one_or_none()
        if row is None or bool(row.by_token) != by_token or row.ends <= now or row.idle_ends <= now:  # 3
            return None
        if row.way == Way.OIDC and self._vouched.get((row.issuer, row.subject)) != row.account:  # 6
            return None
        is_former = bytes(row.digest) != digest
        if row.former is not None and not is_former:
            with self._changing() as connection:
                connection.execute(delete(formers).where(formers.c.digest == row.former))  # 8
        if now - row.used >= USED_EVERY_SECONDS and not is_former:
            idle_ends = now + _lifetime(Way(row.way), by_token).idle_seconds
            with self._store.writing() as connection:
                used = update(sessions).where(sessions.c.id == row.id)
                connection.execute(used.values(used=now, idle_ends=idle_ends))
        found = _view(row, secret)
        if is_former:
            found = replace(found, is_former=True, expires_at=min(row.ends, row.former_ends))
        with self._lock:
            if writes == self._writes and len(self._seen) < SEEN_MOST:
                self._seen[digest, by_token] = (at, found)
        return found


def _lifetime(way: Way, by_token: bool) -> Lifetime:
    if by_token:
        return PROGRAM
    return WALLET if way is Way.WALLET else BROWSER


def _shown(digest: bytes, now: int) -> ColumnElement[bool]:
    """The session that a secret opens, the former one too (8)."""
    of_former = select(formers.c.session).where(formers.c.digest == digest, formers.c.ends > now)
    return or_(sessions.c.digest == digest, sessions.c.id.in_(of_former))


def _view(row: Row[Any], secret: str | None) -> SessionView:
    """A session as whoever showed its secret has it; as a list has it where none was shown."""
    return SessionView(
        id=row.id,
        account=Address(row.account),
        csrf="" if secret is None else _csrf(secret),
        by_token=bool(row.by_token),
        method=row.way,
        since=row.began,
        expires_at=row.ends,
        standing="" if secret is None else _standing(hashed(secret)),
    )


def _standing(digest: bytes) -> str:
    """What names one secret of a session, and is none: the touches that it was given for are kept by it (8)."""
    return hashlib.sha256(b"belmont: standing of a secret" + digest).hexdigest()[:32]


def _csrf(secret: str) -> str:
    """The token of a session's forms. It follows from the secret, which only its browser has, and changes with it."""
    key = secret.encode("utf-8", "surrogatepass")
    return hmac.new(key, b"belmont: token of forms", hashlib.sha256).hexdigest()
