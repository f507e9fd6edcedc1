"""The index's tables, the same on SQLite and PostgreSQL.

Numbers of blocks and studies have 64 bits; numbers of the contracts that have more are in ``details``, as JSON.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION: Final = 1

metadata: Final = MetaData()

identity: Final = Table(
    "index_identity",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
    # what the index is of; unknown until the first batch
    Column("chain_id", String(80)),
    Column("members", String(42)),
    Column("genesis_hash", LargeBinary),
)

cursor: Final = Table(
    "index_cursor",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    # the newest block that was read; unknown until the first batch
    Column("number", BigInteger),
    Column("hash", LargeBinary),
    Column("timestamp", BigInteger),
)
"""The row that every batch locks first."""

blocks: Final = Table(
    "index_blocks",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("events", Integer, nullable=False),
)
"""Blocks that have events, and how many."""

events: Final = Table(
    "index_events",
    metadata,
    Column("block", BigInteger, ForeignKey(blocks.c.number, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("transaction_hash", LargeBinary, nullable=False),
    Column("contract", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("actor", String(42), nullable=False),
    Column("study", BigInteger),
    Column("dataset", LargeBinary),
    Column("details", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("checksum", LargeBinary, nullable=False),
    Index("index_events_by_name", "name", "block", "log"),
    Index("index_events_by_actor", "actor", "block", "log"),
    Index("index_events_by_study", "study", "block", "log"),
    Index("index_events_by_dataset", "dataset", "block", "log"),
    Index("index_events_by_time", "timestamp"),
)

names: Final = Table(
    "index_names",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("account", String(42), nullable=False),
    Column("name", Text, nullable=False),
    ForeignKeyConstraint(["block", "log"], [events.c.block, events.c.log], ondelete="CASCADE"),
)
"""Under which names members were admitted, folded (``belmont.audit.details``)."""

drops: Final = Table(
    "index_drops",
    metadata,
    Column("serial", Integer, primary_key=True, autoincrement=False),
    Column("kept", BigInteger, nullable=False),
    Column("events", Integer, nullable=False),
    Column("was_number", BigInteger, nullable=False),
    Column("was_hash", LargeBinary, nullable=False),
)
"""Each time rows were taken back: up to which block they were kept (-1: none), how many events were dropped, and the
newest block that the index had read. They stay: that a chain was rewritten is worth knowing."""
