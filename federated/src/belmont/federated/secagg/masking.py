"""Masking one hospital's vector, in one of two groups (`groups`): 64-bit words, or scalars of the proof's curve.

    y = x + PRG(self seed) + sum over each other participant i of ± PRG(pair seed with i)

1. Of a pair, the one that comes first in the participants' order adds, the other subtracts.
2. A stream's key is derived for one use: HKDF-SHA256 of b (self) or of X25519(s, S) (pair), with context, transcript,
   layout hash and positions as info. Hospitals that joined under different setups, or encoded by different layouts,
   have unrelated masks: their sum is noise, not a wrong sum.
3. PRG is the AES-256-CTR keystream from counter zero: a key of 256 bits, used for one stream.
4. What a hospital records on chain is the hash of its masked vector with context, transcript and layout, and with the
   hash of what it proves of the vector where it proves anything. **Only the vector that was recorded may leave**: two
   vectors under one mask differ by what the hospital wanted hidden.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import SecAggError
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.groups import SCALARS, WORDS, Group
from belmont.federated.secagg.setup import Joined
from belmont.registry.types import DatasetId


@dataclass(frozen=True)
class MaskedVector:
    """What leaves a hospital. Uniform to whoever lacks one of its masks."""

    dataset_id: DatasetId
    transcript: bytes
    """The hospital's hash of all public parts."""
    layout_hash: bytes
    values: NDArray[Any]
    """y, one dimension."""
    group: Group = WORDS
    proof_hash: bytes = b""
    """SHA-256 of what the hospital proves of x; empty for words, of which nothing is proved."""

    def recorded_hash(self, context: Context) -> bytes:
        """What the hospital records on chain before the vector leaves (4)."""
        values = hashlib.sha256(self.group.to_bytes(self.values)).digest()
        return recorded_hash(
            context, self.dataset_id, self.group, self.transcript, self.layout_hash, self.proof_hash, values
        )


def recorded_hash(
    context: Context,
    dataset_id: DatasetId,
    group: Group,
    transcript: bytes,
    layout_hash: bytes,
    proof_hash: bytes,
    values_hash: bytes,
) -> bytes:
    """A masked vector's hash from SHA-256 of its bytes, for who checks a proof without the vector (4)."""
    tail = transcript + layout_hash + proof_hash + values_hash
    return context.hash(group.label, context.position(dataset_id), tail=tail)


def mask(joined: Joined, layout_hash: bytes, vector: NDArray[np.int64]) -> MaskedVector:
    """Mask a vector (one dimension, int64). Raises SecAggError for any other array or a hash that is not 32 bytes."""
    if vector.dtype != np.int64 or vector.ndim != 1 or len(vector) == 0:
        raise SecAggError("only a vector of int64 with at least one coordinate can be masked")
    return _masked(joined, layout_hash, vector.astype(np.uint64), WORDS, b"")


def mask_scalars(joined: Joined, layout_hash: bytes, vector: NDArray[Any], proof_hash: bytes) -> MaskedVector:
    """Mask a vector of scalars (`groups.scalars`), and bind it to what is proved of it. Raises SecAggError."""
    if not SCALARS.has(vector) or len(vector) == 0:
        raise SecAggError("only a vector of scalars below r with at least one coordinate can be masked")
    if len(proof_hash) != 32:
        raise SecAggError("a proof's hash is 32 bytes")
    return _masked(joined, layout_hash, vector.copy(), SCALARS, proof_hash)


def _masked(joined: Joined, layout_hash: bytes, values: NDArray[Any], group: Group, proof_hash: bytes) -> MaskedVector:
    """Mask ``values`` in place."""
    if len(layout_hash) != 32:
        raise SecAggError("a layout hash is 32 bytes")
    context, own = joined.context, joined.position
    group.add_stream(values, self_stream(context, joined.transcript, layout_hash, own, joined.seed), 1)
    for other, shared in enumerate(joined.pair_secrets):
        if other != own:
            seed = pair_stream(context, joined.transcript, layout_hash, own, other, shared)
            group.add_stream(values, seed, pair_sign(own, other))
    return MaskedVector(context.participants[own], joined.transcript, layout_hash, values, group, proof_hash)


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
