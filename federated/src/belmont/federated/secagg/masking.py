"""Masking one hospital's vector, modulo 2^64.

    y = x + PRG(self seed) + sum over each other participant i of ± PRG(pair seed with i)

1. Of a pair, the one that comes first in the participants' order adds, the other subtracts.
2. A stream's key is derived for one use: HKDF-SHA256 of b (self) or of X25519(s, S) (pair), with context, transcript,
   layout hash and positions as info. Hospitals that joined under different setups, or encoded by different layouts,
   have unrelated masks: their sum is noise, not a wrong sum.
3. PRG is the AES-256-CTR keystream from counter zero, 8 bytes for each coordinate, little-endian: a key of 256 bits,
   used for one stream.
4. What a hospital records on chain is the hash of its masked vector with context, transcript and layout. **Only the
   vector that was recorded may leave**: two vectors under one mask differ by what the hospital wanted hidden.

Keystream is added in pieces that stay in the processor's cache.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from belmont.federated.errors import SecAggError
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.setup import Joined
from belmont.registry.types import DatasetId

_PIECE = 1 << 14
"""Coordinates of one piece: 128 KiB."""
_WORD = np.dtype("<u8")


@dataclass(frozen=True)
class MaskedVector:
    """What leaves a hospital. Uniform to whoever lacks one of its masks."""

    dataset_id: DatasetId
    transcript: bytes
    """The hospital's hash of all public parts."""
    layout_hash: bytes
    values: NDArray[np.uint64]
    """y, one dimension."""

    def recorded_hash(self, context: Context) -> bytes:
        """What the hospital records on chain before the vector leaves (4)."""
        bound = self.transcript + self.layout_hash + len(self.values).to_bytes(8)
        digest = hashlib.sha256(context.info(b"masked", context.position(self.dataset_id), tail=bound))
        digest.update(np.ascontiguousarray(self.values, dtype=_WORD).data)
        return digest.digest()


def mask(joined: Joined, layout_hash: bytes, vector: NDArray[np.int64]) -> MaskedVector:
    """Mask a vector (one dimension, int64). Raises SecAggError for any other array or a hash that is not 32 bytes."""
    if vector.dtype != np.int64 or vector.ndim != 1 or len(vector) == 0:
        raise SecAggError("only a vector of int64 with at least one coordinate can be masked")
    if len(layout_hash) != 32:
        raise SecAggError("a layout hash is 32 bytes")
    context, own = joined.context, joined.position
    values = vector.astype(np.uint64)
    add_stream(values, self_stream(context, joined.transcript, layout_hash, own, joined.seed), 1)
    for other, shared in enumerate(joined.pair_secrets):
        if other != own:
            seed = pair_stream(context, joined.transcript, layout_hash, own, other, shared)
            add_stream(values, seed, pair_sign(own, other))
    return MaskedVector(context.participants[own], joined.transcript, layout_hash, values)


def pair_sign(own: int, other: int) -> int:
    """1 if the participant at ``own`` adds the pair's mask, -1 if it subtracts it (1)."""
    return 1 if own < other else -1


def self_stream(context: Context, transcript: bytes, layout_hash: bytes, position: int, seed: bytes) -> bytes:
    """The key of a hospital's self mask (2)."""
    return context.derive(seed, b"self-mask", position, tail=transcript + layout_hash)


def pair_stream(context: Context, transcript: bytes, layout_hash: bytes, own: int, other: int, shared: bytes) -> bytes:
    """The key of a pair's mask, the same from both ends (2)."""
    low, high = min(own, other), max(own, other)
    return context.derive(shared, b"pair-mask", low, high, tail=transcript + layout_hash)


def add_stream(values: NDArray[np.uint64], key: bytes, sign: int) -> None:
    """Add the keystream to ``values`` in place, modulo 2^64, or subtract it if ``sign`` is -1 (3)."""
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
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
