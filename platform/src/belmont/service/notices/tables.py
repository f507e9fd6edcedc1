"""Tables of notices: who chose what, what is to be sent, and how far the event index was read for it."""

from sqlalchemy import BigInteger, Column, Integer, String, Table

from belmont.service.store.database import metadata

choices = Table(
    "notice_choices",
    metadata,
    Column("account", String(42), primary_key=True),
    Column("channel", String(8), primary_key=True),
    Column("target", String(500), nullable=False),
    Column("kinds", String(200), nullable=False),
    Column("language", String(20), nullable=False),
    Column("secret", String(64), nullable=False),
    Column("since", BigInteger, nullable=False),
)

outbox = Table(
    "notice_outbox",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account", String(42), nullable=False),
    Column("channel", String(8), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("title", String(400), nullable=False),
    Column("path", String(200), nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False, index=True),
    Column("given_up_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String(8), nullable=False, index=True),
    Column("error", String(300), nullable=False),
)
"""``state`` is waiting, sent or given_up. ``given_up_at`` is when it will be given up."""

cursor = Table(
    "notice_cursor",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("position", String(40), nullable=False),
)
