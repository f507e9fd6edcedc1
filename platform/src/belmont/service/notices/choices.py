"""What members chose: on which channel, of what, in which language."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from belmont.registry.types import Address
from belmont.service.notices.kinds import Kind
from belmont.service.notices.tables import choices
from belmont.service.store.database import Store

SECRET_BYTES: Final = 32


class Channel(StrEnum):
    """How a notice comes."""

    EMAIL = "email"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class Choice:
    """One member's choice for one channel."""

    account: Address
    channel: Channel
    target: str
    """An e-mail address, or a URL."""
    kinds: frozenset[Kind]
    language: str
    secret: str = field(repr=False)
    """What webhooks are signed by, as 64 hexadecimal digits; made here, and shown to its member."""
    since: int
    """Unix seconds: what happened before is no news."""


class Choices:
    """The choices of all members of one service."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, account: Address) -> dict[Channel, Choice]:
        """A member's, by channel."""
        with self._store.reading() as connection:
            return {each.channel: each for each in read(connection, account)}

    def keep(self, account: Address, channel: Channel, target: str, kinds: Iterable[Kind], language: str) -> Choice:
        """Choose, in place of what was chosen for this channel. The secret stays while the target does."""
        chosen = frozenset(kinds)
        try:
            return self._kept(account, channel, target, chosen, language)
        except IntegrityError:  # the member's first choice, saved twice at once: the other one is there now
            return self._kept(account, channel, target, chosen, language)

    def _kept(self, account: Address, channel: Channel, target: str, kinds: frozenset[Kind], language: str) -> Choice:
        with self._store.writing() as connection:
            known = {each.channel: each for each in read(connection, account)}.get(channel)
            if known is not None and known.target == target:
                kept = replace(known, kinds=kinds, language=language)
            else:
                secret = secrets.token_hex(SECRET_BYTES)
                kept = Choice(account, channel, target, kinds, language, secret, int(time.time()))
            values = {
                "target": target,
                "kinds": " ".join(sorted(kinds)),
                "language": language,
                "secret": kept.secret,
                "since": kept.since,
            }
            changed = connection.execute(update(choices).where(_is(account, channel)).values(values))
            if not changed.rowcount:
                connection.execute(insert(choices).values(account=account, channel=channel.value, **values))
            return kept

    def end(self, account: Address, channel: Channel) -> None:
        """Have no notices on this channel any more."""
        with self._store.writing() as connection:
            connection.execute(delete(choices).where(_is(account, channel)))


def read(connection: Connection, account: Address | None = None) -> list[Choice]:
    """Choices of one account, or of all."""
    query = select(choices) if account is None else select(choices).where(choices.c.account == account)
    return [
        Choice(
            Address(row.account),
            Channel(row.channel),
            row.target,
            frozenset(Kind(each) for each in row.kinds.split() if each in set(Kind)),
            row.language,
            row.secret,
            row.since,
        )
        for row in connection.execute(query)
    ]


def _is(account: Address, channel: Channel) -> ColumnElement[bool]:
    return and_(choices.c.account == account, choices.c.channel == channel.value)
