"""Tickets: what the service hands out for one use and takes back once: challenges to sign, states of OIDC, of passkeys.

1. Of a ticket only the hash of its key is kept. A key is random, of 128 bits at least.
2. It is taken once: taking deletes it, in a transaction of its own, before anything is made of it. What fails then has
   used it up.
3. It belongs to one browser, by the hash of a cookie. Another browser that brings it uses it up and gets nothing.
4. It ends. There are so many of a kind at a time and no more: then nobody gets one of that kind until some end, and
   strangers who begin to sign in keep no member from touching a key. The kind is in the first bytes of the digest.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    LargeBinary,
    Row,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)

from belmont.service.errors import TooMany
from belmont.service.store.database import Store, metadata

MOST: Final = 20_000
KIND_BYTES: Final = 4
tickets = Table(
    "tickets",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("browser", LargeBinary(32), nullable=False),
    Column("content", Text, nullable=False),
    Column("ends", BigInteger, nullable=False, index=True),
)


class Tickets:
    """Tickets of one kind; ``seconds`` is how long each counts."""

    def __init__(
        self, store: Store, kind: str, seconds: int, now: Callable[[], float] = time.time, most: int = MOST
    ) -> None:
        self._store, self._kind, self._seconds, self._now, self._most = store, kind, seconds, now, most
        self._prefix = hashed(kind)[:KIND_BYTES]

    def issue(self, key: str, browser: str, content: dict[str, Any]) -> int:
        """Keep one; returns when it ends (Unix seconds). Raises ``TooMany``, ``Unavailable``."""
        now = int(self._now())
        row = {"digest": self._digest(key), "browser": hashed(browser), "content": json.dumps(content)}
        with self._store.writing() as connection:
            connection.execute(delete(tickets).where(tickets.c.ends < now))
            if (connection.scalar(select(func.count()).select_from(tickets).where(self._of_kind())) or 0) >= self._most:
                raise TooMany("Too many people are doing this at this moment.", 60)  # 4
            connection.execute(insert(tickets).values(**row, ends=now + self._seconds))
        return now + self._seconds

    def take(self, key: str, browser: str) -> dict[str, Any] | None:
        """What was kept with it; None for one that is unknown, used, of another browser, or ended."""
        gone = delete(tickets).where(tickets.c.digest == self._digest(key))
        with self._store.writing() as connection:
            row = connection.execute(gone.returning(*tickets.c)).one_or_none()  # 2
        return self._content(row, browser)

    def look(self, key: str, browser: str) -> dict[str, Any] | None:
        """The same and it stays, for showing what was handed out once more."""
        with self._store.reading() as connection:
            row = connection.execute(select(tickets).where(tickets.c.digest == self._digest(key))).one_or_none()
        return self._content(row, browser)

    def _content(self, row: Row[Any] | None, browser: str) -> dict[str, Any] | None:
        if row is None or bytes(row.browser) != hashed(browser) or row.ends < self._now():  # 3, 4
            return None
        content: dict[str, Any] = json.loads(row.content)
        return content

    def _digest(self, key: str) -> bytes:
        return self._prefix + hashed(f"{self._kind}:{key}")[KIND_BYTES:]  # 1

    def _of_kind(self) -> ColumnElement[bool]:
        rest = 32 - KIND_BYTES
        return tickets.c.digest.between(self._prefix + bytes(rest), self._prefix + b"\xff" * rest)


def hashed(secret: str) -> bytes:
    """How a random secret is kept. It has so many bits that no salt or slow hash is called for."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
