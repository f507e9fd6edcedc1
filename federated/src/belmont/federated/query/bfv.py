"""BFV encryption of answer vectors under the researcher's key (Fan and Vercauteren 2012, in SEAL through TenSEAL).

Ring dimension 8192, SEAL's default coefficient modulus for 128-bit security, and a 50-bit prime plaintext modulus that
allows batching: 8192 cells in one ciphertext. SEAL computes modulo the plaintext modulus without a word, so totals that
could reach half of it are refused before anything is encrypted.
"""

from functools import cache
from typing import Any

import tenseal

from belmont.federated.errors import QueryError
from belmont.federated.query.seeded import encrypt_seeded, new_seed

RING_DIMENSION = 8_192
PLAINTEXT_MODULUS = 1_125_899_906_826_241
"""The largest prime below 2^50 that is 1 modulo 16384 (a test computes it again)."""
LARGEST_TOTAL = PLAINTEXT_MODULUS // 2

MAX_CONTEXT_BYTES = 700_000
"""A public context is about 542 kB; one that carries a secret or evaluation keys is larger."""
MAX_CIPHERTEXT_BYTES = 500_000


class ResearcherKey:
    """The researcher's BFV key pair. The secret part never leaves this object; its repr does not show it."""

    def __init__(self) -> None:
        self._context = _new_context()
        self.public_context: bytes = self._context.serialize(
            save_public_key=True, save_secret_key=False, save_galois_keys=False, save_relin_keys=False
        )

    def decrypt(self, ciphertext: bytes, cells: int) -> list[int]:
        """The cells of a total, each from 0 to t - 1. Raises QueryError if the ciphertext is malformed."""
        return [int(cell) % PLAINTEXT_MODULUS for cell in _vector(self._context, ciphertext, cells).decrypt()]

    def __repr__(self) -> str:
        return f"ResearcherKey(BFV, ring dimension {RING_DIMENSION}, {len(self.public_context)} bytes public)"


def check_context_size(data: bytes) -> None:
    """Raise QueryError if this is longer than a public context can be."""
    if len(data) > MAX_CONTEXT_BYTES:
        raise QueryError(f"the encryption context is larger than {MAX_CONTEXT_BYTES} bytes: send the public part only")


def open_public_context(data: bytes) -> Any:
    """The TenSEAL context that a researcher sent, for encryption. Raises QueryError unless it is as it has to be.

    It has exactly this module's parameters (SEAL's own hash of scheme, ring dimension, coefficient modulus and
    plaintext modulus is compared), a public key, and no other key.
    """
    check_context_size(data)
    try:
        context = tenseal.context_from(data, n_threads=1)
        parameters = context.seal_context().data.key_parms_id()
    except (RuntimeError, ValueError, TypeError) as error:
        raise QueryError("the encryption context cannot be read") from error
    if context.has_secret_key():
        raise QueryError("the encryption context carries a secret key: send the public part only")
    if context.has_galois_keys() or context.has_relin_keys():
        raise QueryError("the encryption context carries keys that a sum does not need")
    if parameters != _expected_parameters():
        raise QueryError("the encryption context has other parameters than this version uses")
    if not context.has_public_key():
        raise QueryError("the encryption context carries no public key")
    return context


def encrypt(context: Any, cells: list[int], seed: bytes | None = None) -> bytes:
    """The ciphertext of cells below the plaintext modulus; ``seed`` is its randomness, fresh where none is given."""
    if not cells or not all(0 <= cell < PLAINTEXT_MODULUS for cell in cells):
        raise QueryError("a cell is not below the plaintext modulus")
    return encrypt_seeded(context, cells, new_seed() if seed is None else seed)


def canonical(context: Any, ciphertext: bytes, cells: int) -> bytes:
    """The one encoding that this build gives a ciphertext. Raises QueryError if it is malformed."""
    return bytes(_vector(context, ciphertext, cells).serialize())


def add(context: Any, ciphertexts: list[bytes], cells: int) -> bytes:
    """The ciphertext of the cell-wise total. Raises QueryError naming the position of a malformed one."""
    total = None
    for position, ciphertext in enumerate(ciphertexts):
        try:
            vector = _vector(context, ciphertext, cells)
            total = vector if total is None else total + vector
        except QueryError as error:
            raise QueryError(f"answer {position}: {error}") from error
    if total is None:
        raise QueryError("there is nothing to add")
    return bytes(total.serialize())


def refuse_wrap(largest_possible_total: int) -> None:
    """Raise QueryError if a total could reach half of the plaintext modulus, where it would wrap unnoticed."""
    if largest_possible_total >= LARGEST_TOTAL:
        raise QueryError(
            f"a total could reach {largest_possible_total}, and half of the plaintext modulus is {LARGEST_TOTAL}"
        )


def _vector(context: Any, ciphertext: bytes, cells: int) -> Any:
    if len(ciphertext) > MAX_CIPHERTEXT_BYTES:
        raise QueryError(f"the ciphertext is larger than {MAX_CIPHERTEXT_BYTES} bytes")
    try:
        vector = tenseal.bfv_vector_from(context, ciphertext)
        if vector.size() != cells or len(vector.ciphertext()) != 1:
            raise QueryError(f"the ciphertext does not hold {cells} cells")
    except (RuntimeError, ValueError, TypeError) as error:
        raise QueryError("the ciphertext cannot be read") from error
    return vector


def _new_context() -> Any:
    return tenseal.context(tenseal.SCHEME_TYPE.BFV, RING_DIMENSION, plain_modulus=PLAINTEXT_MODULUS, n_threads=1)


@cache
def _expected_parameters() -> list[int]:
    return list(_new_context().seal_context().data.key_parms_id())
