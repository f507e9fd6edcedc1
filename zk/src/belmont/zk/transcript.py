"""The Fiat-Shamir transcript (docs/protocol.md, "Transcript"): SHA-256, every part with its name and length.

What a verifier did not absorb, a prover may choose afterwards: absorb everything public before the first challenge, and
every message before the challenge that follows it.
"""

import hashlib

from belmont.zk.field import ORDER, word

_NAME_BYTES = 32


class Transcript:
    """Absorbs messages and draws challenges in one order."""

    def __init__(self, label: str) -> None:
        self._state = hashlib.sha256(label.encode("ascii")).digest()

    def copy(self) -> "Transcript":
        """Another one in the same state."""
        twin = Transcript("")
        twin._state = self._state
        return twin

    def absorb(self, name: str, data: bytes) -> None:
        """Bind ``data`` under ``name`` (at most 32 ASCII characters)."""
        digest = hashlib.sha256(data).digest()
        self._state = hashlib.sha256(self._state + _padded(name) + word(len(data)) + digest).digest()

    def draw(self, name: str) -> int:
        """A challenge modulo r, from 512 bits: its bias is below 2^-250."""
        self._state = hashlib.sha256(self._state + _padded(name)).digest()
        high = hashlib.sha256(self._state + b"\x00").digest()
        low = hashlib.sha256(self._state + b"\x01").digest()
        return int.from_bytes(high + low, "big") % ORDER


def _padded(name: str) -> bytes:
    return name.encode("ascii").ljust(_NAME_BYTES, b"\x00")
