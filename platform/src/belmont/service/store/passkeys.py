"""Tables of passkeys: the hardware keys that members enrolled, and what they were touched for lately."""

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table

from belmont.service.store.database import metadata

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential", LargeBinary(1023), primary_key=True),
    Column("account", String(42), nullable=False, index=True),
    Column("public_key", LargeBinary(2048), nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("label", String(80), nullable=False),
    Column("enrolled", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
)

steps = Table(
    "passkey_steps",
    metadata,
    Column("session", String(32), primary_key=True),
    Column("purpose", LargeBinary(32), primary_key=True),
    Column("ends", BigInteger, nullable=False, index=True),
)
"""A fresh assertion: for which secret of a session (``SessionView.standing``), for which 32 bytes, until when."""
