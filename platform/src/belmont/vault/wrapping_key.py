"""The hospital's wrapping key: 32 random bytes, and the form in which a file holds them.

Whoever keeps the file sees to its mode and place. Keep it apart from the vault's database and its backups: either alone
reads nothing. The id is derived from the key, so it tells keys apart and finds a damaged file; it gives nothing away,
since the key is uniformly random.
"""

import json
import secrets
from typing import NoReturn

from belmont.vault.ciphers import KEY_BYTES, derive
from belmont.vault.errors import KeyFileMalformed, WrappingKeyWrong

FORMAT = "belmont-wrapping-key"
VERSION = 1
MAX_FILE_BYTES = 4096
_ID_PURPOSE = b"belmont vault wrapping key id v1"


class WrappingKey:
    """Refuses to be pickled or copied, and shows only its id when printed."""

    __slots__ = ("_secret", "id")

    id: str
    """32 hex digits."""

    def __init__(self, secret: bytes) -> None:
        if not isinstance(secret, bytes) or len(secret) != KEY_BYTES:
            raise WrappingKeyWrong(f"a wrapping key is {KEY_BYTES} bytes: make one with WrappingKey.generate()")
        self._secret = secret
        self.id = derive(secret, b"", _ID_PURPOSE, 16).hex()

    @classmethod
    def generate(cls) -> "WrappingKey":
        """A new key that is nowhere but in memory: lose it, and everything wrapped with it is lost."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def to_bytes(self) -> bytes:
        """What a key file holds. Write it where only this account can read it, and never over another."""
        return (json.dumps(self._fields(), indent=2) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "WrappingKey":
        """The key of a key file. Raises ``KeyFileMalformed`` for a foreign, damaged or oversized one."""
        try:
            if len(content) > MAX_FILE_BYTES:
                raise ValueError("too large")
            fields = json.loads(content.decode("utf-8"))
            key = cls(bytes.fromhex(fields["key"]))
        except (ValueError, KeyError, TypeError, RecursionError, WrappingKeyWrong) as error:
            raise _malformed() from error
        if fields != key._fields() or type(fields["version"]) is not int:
            raise _malformed()
        return key

    def _fields(self) -> dict[str, object]:
        return {"format": FORMAT, "version": VERSION, "id": self.id, "key": self._secret.hex()}

    @property
    def secret(self) -> bytes:
        return self._secret

    def __repr__(self) -> str:
        return f"WrappingKey(id={self.id})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a WrappingKey is secret and is not pickled or copied: use to_bytes() and from_bytes()")


def _malformed() -> KeyFileMalformed:
    return KeyFileMalformed("this is no wrapping key of ours, or it is damaged: restore its file from its backup")
