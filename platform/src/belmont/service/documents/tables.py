"""The tables of documents: their bytes once, by SHA-256, and under it what the chain knows each by."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, String, Table

from belmont.service.store.database import metadata

contents = Table(
    "document_contents",
    metadata,
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
documents = Table(
    "documents",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("key", LargeBinary(32), primary_key=True),
    Column("sha256", LargeBinary(32), nullable=False, index=True),
    Column("size", Integer, nullable=False),
    Column("study", BigInteger, nullable=False, index=True),
    Column("handed_in_by", String(42), nullable=False),
    Column("handed_in_at", BigInteger, nullable=False),
    Column("held", Boolean, nullable=False),
)
"""``key`` is the hash on chain, or a number in its place (``kinds``, 3 and 4). ``study`` is the first that it came for.
``held`` ones came with a message that the chain had not taken yet."""
