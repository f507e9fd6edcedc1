"""The hospital's wrapping key: 32 random bytes in a file of their own, mode 0600.

Keep the file apart from the vault's database and its backups: either alone reads nothing. The id is derived from the
key, so it tells keys apart and finds a damaged file; it gives nothing away, since the key is uniformly random.
"""

import json
import secrets
from pathlib import Path
from typing import NoReturn

from belmont.vault.ciphers import KEY_BYTES, derive
from belmont.vault.errors import KeyFileMalformed, WrappingKeyWrong
from belmont.vault.secret_file import create_secret_file, read_secret_file

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
            raise WrappingKeyWrong(f"a wrapping key is {KEY_BYTES} bytes: make one with WrappingKey.create(path)")
        self._secret = secret
        self.id = derive(secret, b"", _ID_PURPOSE, 16).hex()

    @classmethod
    def generate(cls) -> "WrappingKey":
        """A new key that is nowhere but in memory: lose it, and everything wrapped with it is lost."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def create(cls, path: Path | str) -> "WrappingKey":
        """A new key in a new file, synced to disk before this returns. Never overwrites."""
        key = cls.generate()
        fields = {"format": FORMAT, "version": VERSION, "id": key.id, "key": key._secret.hex()}
        create_secret_file(Path(path), (json.dumps(fields, indent=2) + "\n").encode())
        return key

    @classmethod
    def load(cls, path: Path | str) -> "WrappingKey":
        content = read_secret_file(Path(path), MAX_FILE_BYTES)
        try:
            fields = json.loads(content.decode("utf-8"))
            key = cls(bytes.fromhex(fields["key"]))
            expected = {"format": FORMAT, "version": VERSION, "id": key.id, "key": key._secret.hex()}
        except (ValueError, KeyError, TypeError, RecursionError, WrappingKeyWrong) as error:
            raise _malformed(path) from error
        if fields != expected or type(fields["version"]) is not int:
            raise _malformed(path)
        return key

    @property
    def secret(self) -> bytes:
        return self._secret

    def __repr__(self) -> str:
        return f"WrappingKey(id={self.id})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a WrappingKey is secret and is not pickled or copied: use create() and load()")


def _malformed(path: Path | str) -> KeyFileMalformed:
    return KeyFileMalformed(f"{path} is no wrapping key of ours, or is damaged: restore it from its backup")
