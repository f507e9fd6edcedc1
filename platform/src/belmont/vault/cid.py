"""Content identifiers as a vault makes them: CIDv1, SHA-256, dag-cbor or raw (https://github.com/multiformats/cid).

Of everything that CIDs allow, a vault reads only this one form, so that equal blocks have equal names.
"""

import base64
import hashlib
from dataclasses import dataclass

from belmont.vault.errors import CidMalformed

RAW = 0x55
DAG_CBOR = 0x71
_CODECS = (RAW, DAG_CBOR)
_SHA2_256 = b"\x12\x20"
CID_BYTES = 36


@dataclass(frozen=True, order=True, slots=True)
class Cid:
    """The name of one block. ``str()`` gives the usual base32 text, ``binary`` the 36 bytes that go on chain."""

    binary: bytes

    def __post_init__(self) -> None:
        b = self.binary
        if not isinstance(b, bytes) or len(b) != CID_BYTES or b[0] != 1 or b[1] not in _CODECS or b[2:4] != _SHA2_256:
            raise CidMalformed("not a CIDv1, SHA-256, of a dag-cbor or raw block: give the 36 bytes a vault returned")

    @classmethod
    def of(cls, codec: int, block: bytes) -> "Cid":
        return cls(bytes((1, codec)) + _SHA2_256 + hashlib.sha256(block).digest())

    @classmethod
    def parse(cls, text: str) -> "Cid":
        """Reads base32 in lower case, without padding or stray bits, as ``str()`` writes it."""
        try:
            cid = cls(base64.b32decode(text[1:].upper() + "======", casefold=False)) if text[:1] == "b" else None
        except (ValueError, CidMalformed):
            cid = None
        if cid is None or str(cid) != text:
            raise CidMalformed(f"not a CID of a vault: {text[:80]!r}; give the base32 text that begins with 'b'")
        return cid

    @property
    def codec(self) -> int:
        return self.binary[1]

    def names(self, block: bytes) -> bool:
        """Whether this is the name of these bytes."""
        return hashlib.sha256(block).digest() == self.binary[4:]

    def __str__(self) -> str:
        return "b" + base64.b32encode(self.binary).decode("ascii").lower().rstrip("=")

    def __repr__(self) -> str:
        return f"Cid({self})"
