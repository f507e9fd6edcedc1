"""The vault's keys and ciphers.

    wrapping key (the hospital's, in its own file)
      └─ HKDF, salt = vault id ─> key-encryption key, AES-256-GCM, wraps one
         data key per dataset label (32 random bytes)
           └─ HKDF, salt = object salt (32 random bytes) ─> object key + key check
              └─ AES-256-GCM, one chunk per nonce

**Nonces of chunks.** Every object is encrypted under its own key, derived from the data key with a fresh random
256-bit salt (HKDF-SHA256, RFC 5869). Under that key the 96-bit nonce is the chunk's index: the deterministic
construction of NIST SP 800-38D section 8.2.1, with an empty (zero) fixed field, for one key is used by one put, once.
A nonce therefore repeats only if two salts of 256 random bits collide. Random 96-bit nonces under the data key (section
8.2.2) would be limited to 2^32 chunks per dataset over its whole life (section 8.3), and putting that count
on disk is state that a restored backup or two processes can set back; a salt needs no state. At most 2^32 chunks per
object and 1 MiB per chunk stay far inside the limits of section 5.2.1.1 (2^39 - 256 bits) and 8.3.

**Nonces of wrapped data keys** are random 96-bit ones (section 8.2.2): one per label and rotation, far below 2^32.

**What a chunk is bound to.** Its associated data hold the object's salt, the label, its index, the number of chunks,
the chunk size and the total size: a chunk that is swapped, dropped, repeated, cut, or moved to another object, label
or position is refused even if every hash above it was recomputed.

**Key check.** AES-GCM alone does not commit to its key: one ciphertext can be made to open under two keys. The root
therefore carries 32 more bytes of the same HKDF output, so that the CID commits to the object key. It also tells a
wrong key from a damaged block.
"""

import hmac
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
SALT_BYTES = 32
TAG_BYTES = 16
NONCE_BYTES = 12
MAX_CHUNKS = 2**32
_OBJECT = b"belmont vault object key v1"
_KEY_ENCRYPTION = b"belmont vault key-encryption key v1"
_DATA_KEY = b"belmont vault data key v1"
_CHUNK = b"belmont vault chunk v1"


class Refused(Exception):
    """A tag did not verify. The caller knows what was being opened, and says so in an error of its own."""


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """What all chunks of one object are bound to."""

    label: str
    salt: bytes
    size: int
    """Plaintext bytes of the whole object."""
    chunk_bytes: int
    chunks: int


def derive(key: bytes, salt: bytes, purpose: bytes, length: int = KEY_BYTES) -> bytes:
    return HKDF(SHA256(), length, salt, purpose).derive(key)


class ObjectCipher:
    """Seals or opens the chunks of one object. For sealing: one instance per fresh salt, each index once."""

    def __init__(self, data_key: bytes, shape: ObjectShape) -> None:
        output = derive(data_key, shape.salt, _OBJECT, 2 * KEY_BYTES)
        self._cipher = AESGCM(output[:KEY_BYTES])
        self.key_check = output[KEY_BYTES:]
        self._prefix = _CHUNK + b"".join(
            (
                shape.salt,
                shape.chunks.to_bytes(8, "big"),
                shape.chunk_bytes.to_bytes(8, "big"),
                shape.size.to_bytes(8, "big"),
                shape.label.encode("utf-8"),
            )
        )

    def matches(self, key_check: bytes) -> bool:
        return hmac.compare_digest(self.key_check, key_check)

    def seal(self, index: int, plaintext: bytes | memoryview) -> bytes:
        return self._cipher.encrypt(index.to_bytes(NONCE_BYTES, "big"), plaintext, self._bound_to(index))

    def open(self, index: int, sealed: bytes) -> bytes:
        try:
            return self._cipher.decrypt(index.to_bytes(NONCE_BYTES, "big"), sealed, self._bound_to(index))
        except InvalidTag as error:
            raise Refused from error

    def _bound_to(self, index: int) -> bytes:
        # The label comes last and everything else has a fixed length, so the encoding is unambiguous.
        return index.to_bytes(8, "big") + self._prefix


class KeyWrapper:
    """Wraps the data keys of one vault; bound to the vault's id and to the label."""

    def __init__(self, wrapping_key: bytes, vault_id: bytes) -> None:
        self._cipher = AESGCM(derive(wrapping_key, vault_id, _KEY_ENCRYPTION))
        self._vault_id = vault_id

    def wrap(self, label: str, data_key: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, self._bound_to(label))

    def unwrap(self, label: str, wrapped: bytes) -> bytes:
        if len(wrapped) != NONCE_BYTES + KEY_BYTES + TAG_BYTES:
            raise Refused
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], self._bound_to(label))
        except InvalidTag as error:
            raise Refused from error

    def _bound_to(self, label: str) -> bytes:
        return _DATA_KEY + self._vault_id + label.encode("utf-8")
