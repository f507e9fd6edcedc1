"""Masks that sum to zero over the hospitals of one query, modulo the plaintext modulus t.

Each pair of participants shares a seed; one of the two adds the mask that grows from it, the other subtracts it. Only
the total of all answers survives, also for whoever holds the decryption key. (The pairwise half of Bonawitz et al., CCS
2017; nobody may drop out, since a query without one hospital is a different query.)

    seed(i, j) = HKDF-SHA256(X25519(own private key, the other's public key on chain), salt = empty,
                             info = label, consortium, permit, n, query hash, participants in order, positions i < j)
    mask       = AES-256-CTR keystream of the seed, 16 bytes for each cell, as an integer modulo t

A cell's 128-bit integer modulo t < 2^50 is uniform up to a statistical distance below t / 2^128 < 2^-78. A key is used
for one stream only, so the counter starts at zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from belmont.federated.errors import QueryError
from belmont.registry.types import DatasetId, PermitId

LABEL = b"belmont/query-mask/1"


@dataclass(frozen=True)
class MaskContext:
    """Everything a mask is bound to. Any change gives unrelated masks."""

    consortium: str
    """The registry's ``identity``; a name would not do, since two consortia can have one."""
    permit_id: PermitId
    n: int
    query_hash: bytes
    participants: tuple[DatasetId, ...]

    def info(self, low: int, high: int) -> bytes:
        """HKDF's info for the pair at these positions: every field has a fixed or stated length."""
        name = self.consortium.encode()
        return b"".join(
            (
                len(LABEL).to_bytes(1),
                LABEL,
                len(name).to_bytes(4),
                name,
                self.permit_id.to_bytes(32),
                self.n.to_bytes(32),
                self.query_hash,
                len(self.participants).to_bytes(4),
                *self.participants,
                low.to_bytes(4),
                high.to_bytes(4),
            )
        )


def mask(
    context: MaskContext,
    position: int,
    private_key: X25519PrivateKey,
    public_keys: Sequence[bytes],
    cells: int,
    modulus: int,
) -> list[int]:
    """The mask of the participant at ``position``; ``public_keys`` are those of all, in the participants' order.

    Raises QueryError if a key is missing, repeated, not a point of large order, or if ``private_key`` does not fit
    the key at ``position``: its masks would not cancel.
    """
    if len(public_keys) != len(context.participants) or len(set(public_keys)) != len(public_keys):
        raise QueryError("every participant needs a mask key of its own on chain")
    if private_key.public_key().public_bytes_raw() != public_keys[position]:
        raise QueryError("this node's mask key is not the one on chain")
    out = [0] * cells
    for other, public_key in enumerate(public_keys):
        if other == position:
            continue
        stream = expand(pair_seed(context, position, other, private_key, public_key), cells, modulus)
        sign = 1 if position < other else -1
        out = [(a + sign * b) % modulus for a, b in zip(out, stream, strict=True)]
    return out


def pair_seed(
    context: MaskContext, position: int, other: int, private_key: X25519PrivateKey, public_key: bytes
) -> bytes:
    """The 32-byte seed that two participants share for one query."""
    try:
        shared = private_key.exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError as error:
        raise QueryError(f"the mask key of participant {other} on chain cannot be used") from error
    info = context.info(min(position, other), max(position, other))
    return HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(shared)


def expand(seed: bytes, cells: int, modulus: int) -> list[int]:
    """``cells`` integers below ``modulus`` from a seed."""
    stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor().update(bytes(16 * cells))
    return [int.from_bytes(stream[at : at + 16]) % modulus for at in range(0, 16 * cells, 16)]
