"""Masks that sum to zero over the hospitals of one query: of cells, modulo t, and of openings, in the group of order r.

Each pair of participants shares two seeds; one of the two adds what grows from them, the other subtracts it. Only the
total of all answers survives, also for whoever holds the decryption key, and only the sum of all openings. (The
pairwise half of Bonawitz et al., CCS 2017; nobody may drop out, since a query without one hospital is a different
query.)

    seed(i, j)   = HKDF-SHA256(X25519(own private key, the other's public key on chain), salt = empty,
                               info = label, consortium, permit, n, query hash, attempt, participants in order, i < j)
    cell mask    = AES-256-CTR keystream of the seed under LABEL, 16 bytes for each cell, as an integer modulo t
    opening mask = the same under OPENING_LABEL, 64 bytes for each cell, as an integer modulo r

A cell's 128-bit integer modulo t < 2^50 is uniform up to a statistical distance below t / 2^128 < 2^-78, a 512-bit one
modulo r up to 2^-256. A key is used for one stream only, so the counter starts at zero. The query hash says which
column a cell is of; the cell's place says which cell. A node's ledger admits a query once, so ``attempt`` is 1 and one
mask meets one answer.

Both ends sign ``seeds_hash`` of their pair with their answers: who used other seeds than it signed, or signed another
hash than its peer, is found (`belmont.federated.query.blame`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from belmont.federated.errors import QueryError
from belmont.federated.query.pair_proof import check_key
from belmont.registry.types import DatasetId, PermitId
from belmont.zk.field import ORDER

LABEL = b"belmont/query-mask/1"
OPENING_LABEL = b"belmont/opening-mask/1"
HASH_LABEL = b"belmont/query-seeds/1"
KEY_LABEL = b"belmont/query-key/1"
SEED_BYTES = 32
_CELL_BYTES = 16
_SCALAR_BYTES = 64


@dataclass(frozen=True)
class MaskContext:
    """Everything a mask is bound to. Any change gives unrelated masks."""

    consortium: str
    """The registry's ``identity``; a name would not do, since two consortia can have one."""
    permit_id: PermitId
    n: int
    query_hash: bytes
    participants: tuple[DatasetId, ...]
    attempt: int = 1

    def key_info(self, position: int) -> bytes:
        """What a participant proves its mask key for, before a peer proves their pair's secret."""
        return self.info(position, position, KEY_LABEL)

    def info(self, low: int, high: int, label: bytes = LABEL) -> bytes:
        """HKDF's info for the pair at these positions: every field has a fixed or stated length."""
        name = self.consortium.encode()
        return b"".join(
            (
                len(label).to_bytes(1),
                label,
                len(name).to_bytes(4),
                name,
                self.permit_id.to_bytes(32),
                self.n.to_bytes(32),
                self.query_hash,
                self.attempt.to_bytes(4),
                len(self.participants).to_bytes(4),
                *self.participants,
                low.to_bytes(4),
                high.to_bytes(4),
            )
        )


@dataclass(frozen=True)
class PairSeeds:
    """What two hospitals share for one query. Secret until the ethics board asks for it."""

    cells: bytes
    openings: bytes

    def __repr__(self) -> str:
        return "PairSeeds(not shown)"


NO_SEEDS = PairSeeds(b"", b"")
"""At a hospital's own position."""


def seeds_of_shared(context: MaskContext, low: int, high: int, shared: bytes) -> PairSeeds:
    """The seeds of the pair at these positions from their X25519 shared secret."""
    both = (
        HKDF(hashes.SHA256(), SEED_BYTES, salt=None, info=context.info(low, high, label)).derive(shared)
        for label in (LABEL, OPENING_LABEL)
    )
    return PairSeeds(*both)


def shared_secret(private_key: X25519PrivateKey, public_key: bytes, other: int) -> bytes:
    """X25519. Raises QueryError for a key of small order, or none."""
    try:
        return private_key.exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError as error:
        raise QueryError(f"the mask key of participant {other} on chain cannot be used") from error


def seeds_with_all(
    context: MaskContext, position: int, private_key: X25519PrivateKey, public_keys: Sequence[bytes]
) -> list[PairSeeds]:
    """The seeds of the participant at ``position`` with each other one, in order; NO_SEEDS at its own place.

    ``public_keys`` are those of all, in the participants' order. Raises QueryError as ``check_mask_keys`` does.
    """
    check_mask_keys(len(context.participants), position, private_key, public_keys)
    found = []
    for other, public_key in enumerate(public_keys):
        if other == position:
            found.append(NO_SEEDS)
            continue
        shared = shared_secret(private_key, public_key, other)
        found.append(seeds_of_shared(context, min(position, other), max(position, other), shared))
    return found


def check_mask_keys(
    participants: int, position: int, private_key: X25519PrivateKey, public_keys: Sequence[bytes]
) -> None:
    """Raise QueryError if a key is missing, repeated, one that no pair proof could be made over (a dispute could not
    be settled then), or if ``private_key`` does not fit the key at ``position``: its masks would not cancel."""
    if len(public_keys) != participants or len(set(public_keys)) != participants:
        raise QueryError("every participant needs a mask key of its own on chain")
    if private_key.public_key().public_bytes_raw() != public_keys[position]:
        raise QueryError("this node's mask key is not the one on chain")
    for other, public_key in enumerate(public_keys):
        if other == position:
            continue
        try:
            check_key(public_key)
        except QueryError as error:
            raise QueryError(f"the mask key of participant {other} on chain cannot be used: {error}") from error


def seeds_hash(context: MaskContext, position: int, other: int, seeds: PairSeeds) -> bytes:
    """What both ends of a pair sign."""
    info = context.info(min(position, other), max(position, other), HASH_LABEL)
    return hashlib.sha256(info + seeds.cells + seeds.openings).digest()


def cell_mask(position: int, seeds: Sequence[PairSeeds], cells: int, modulus: int) -> list[int]:
    """The mask of the participant at ``position``, for each cell."""
    out = [0] * cells
    for other, pair in enumerate(seeds):
        if other != position:
            sign = 1 if position < other else -1
            out = [(a + sign * b) % modulus for a, b in zip(out, expand(pair.cells, cells, modulus), strict=True)]
    return out


def opening_masks(position: int, seeds: Sequence[PairSeeds], cells: int) -> list[int]:
    """For each cell the scalar whose multiple of G1 masks this participant's opening."""
    out = [0] * cells
    for other, pair in enumerate(seeds):
        if other != position:
            sign = 1 if position < other else -1
            scalars = expand(pair.openings, cells, ORDER, _SCALAR_BYTES)
            out = [(a + sign * b) % ORDER for a, b in zip(out, scalars, strict=True)]
    return out


def mask(
    context: MaskContext,
    position: int,
    private_key: X25519PrivateKey,
    public_keys: Sequence[bytes],
    cells: int,
    modulus: int,
) -> list[int]:
    """``cell_mask`` from the keys. Raises QueryError as ``seeds_with_all`` does."""
    return cell_mask(position, seeds_with_all(context, position, private_key, public_keys), cells, modulus)


def pair_seed(
    context: MaskContext, position: int, other: int, private_key: X25519PrivateKey, public_key: bytes
) -> bytes:
    """The 32-byte seed of two participants' cell masks for one query."""
    shared = shared_secret(private_key, public_key, other)
    return seeds_of_shared(context, min(position, other), max(position, other), shared).cells


def expand(seed: bytes, cells: int, modulus: int, bytes_each: int = _CELL_BYTES) -> list[int]:
    """``cells`` integers below ``modulus`` from a seed."""
    stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor().update(bytes(bytes_each * cells))
    return [int.from_bytes(stream[at : at + bytes_each]) % modulus for at in range(0, bytes_each * cells, bytes_each)]
