"""In which group vectors are masked and added: 64-bit words, or the scalars of the proof's curve.

1. Masks are uniform: 8 bytes of keystream are a word; 64 bytes modulo r are uniform up to 2^-256.
2. A stream's key is used for one stream, so the counter starts at zero.
3. A vector has one encoding.

Words are for plain secure sums. Scalars are for bounded updates (`belmont.zk.bounded`): what is masked there opens a
commitment, and so does the sum.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from belmont.zk.field import ORDER, WORD_BYTES, word

_PIECE = 1 << 14
"""Words of one piece, 128 KiB: keystream is added while it is in the processor's cache."""
_WORD = np.dtype("<u8")
_WIDE_BYTES = 64


class Group(Protocol):
    """Vectors are one-dimensional arrays."""

    label: bytes
    """What a masked vector's hash on chain begins with."""

    def has(self, values: NDArray[Any]) -> bool:
        """Whether this is a vector of the group."""

    def add(self, total: NDArray[Any], values: NDArray[Any]) -> None:
        """Add in place."""

    def add_stream(self, values: NDArray[Any], key: bytes, sign: int) -> None:
        """Add what grows from a key in place, or subtract it if ``sign`` is -1."""

    def to_bytes(self, values: NDArray[Any]) -> bytes:
        """The one encoding of a vector."""

    def from_bytes(self, data: bytes) -> NDArray[Any] | None:
        """The vector that has this encoding, of at least one coordinate; None if there is none."""


class _Words:
    """uint64, modulo 2^64."""

    label = b"masked"

    def has(self, values: NDArray[Any]) -> bool:
        return values.dtype == np.uint64 and values.ndim == 1

    def add(self, total: NDArray[Any], values: NDArray[Any]) -> None:
        total += values

    def add_stream(self, values: NDArray[Any], key: bytes, sign: int) -> None:
        encryptor = _keystream(key)
        zeros = bytes(8 * _PIECE)
        # update_into asks for one block more than it writes.
        stream = np.empty(_PIECE + 2, dtype=_WORD)
        view = stream.data.cast("B")
        for start in range(0, len(values), _PIECE):
            part = values[start : start + _PIECE]
            encryptor.update_into(zeros if len(part) == _PIECE else zeros[: 8 * len(part)], view)
            if sign > 0:
                part += stream[: len(part)]
            else:
                part -= stream[: len(part)]

    def to_bytes(self, values: NDArray[Any]) -> bytes:
        return values.astype(_WORD, copy=False).tobytes()

    def from_bytes(self, data: bytes) -> NDArray[Any] | None:
        return np.frombuffer(data, _WORD) if data and len(data) % 8 == 0 else None


class _Scalars:
    """Python's integers in an array of objects, modulo r."""

    label = b"masked-scalars"

    def has(self, values: NDArray[Any]) -> bool:
        return (
            values.dtype == np.object_ and values.ndim == 1 and all(type(x) is int and 0 <= x < ORDER for x in values)
        )

    def add(self, total: NDArray[Any], values: NDArray[Any]) -> None:
        total += values
        total %= ORDER

    def add_stream(self, values: NDArray[Any], key: bytes, sign: int) -> None:
        stream = _keystream(key).update(bytes(_WIDE_BYTES * len(values)))
        for k in range(len(values)):
            wide = int.from_bytes(stream[_WIDE_BYTES * k : _WIDE_BYTES * (k + 1)])
            values[k] = (values[k] + sign * wide) % ORDER

    def to_bytes(self, values: NDArray[Any]) -> bytes:
        return b"".join(map(word, values))

    def from_bytes(self, data: bytes) -> NDArray[Any] | None:
        if not data or len(data) % WORD_BYTES:
            return None
        found = scalars([int.from_bytes(data[at : at + WORD_BYTES]) for at in range(0, len(data), WORD_BYTES)])
        return found if self.has(found) else None


WORDS: Group = _Words()
SCALARS: Group = _Scalars()


def scalars(values: Sequence[int]) -> NDArray[Any]:
    """Numbers below r as a vector."""
    found = np.empty(len(values), np.object_)
    found[:] = values
    return found


def _keystream(key: bytes) -> Any:
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
