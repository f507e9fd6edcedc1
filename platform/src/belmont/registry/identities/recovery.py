"""Whose key signed 32 bytes, by the rules of the contracts (``signature.vy``, b and c)."""

from belmont.identity.signed_message import recover
from belmont.registry.types import Address


def signer_of(digest: bytes, signature: bytes) -> Address | None:
    """The account whose key made a signature of 65 bytes (r, s, v; s in the lower half, v 27 or 28); else None."""
    found = recover(digest, signature)
    return None if found is None else Address(found)
