"""Polynomials given by their values on H: commitments, openings and values on the coset, by c-kzg.

c-kzg (EIP-4844, EIP-7594) speaks of blobs: 4096 values in bit-reversed order, 32 bytes each. `compute_cells` extends
them to the 8192 roots of unity, of which the second half is the coset eta·H.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from py_arkworks_bls12381 import G1Point

from belmont.zk.curve import G1, multiply_sum
from belmont.zk.field import WORD_BYTES, N, word
from belmont.zk.srs import reference_string

_BITS: Final = N.bit_length() - 1
_REVERSED: Final = itemgetter(*(int(format(i, f"0{_BITS}b")[::-1], 2) for i in range(N)))
_CELLS_OF_H: Final = 64
SPARSE_MOST: Final = 2_400
"""With more values that are not 0, c-kzg's tables are faster than a sum over the Lagrange points of the others."""


def to_blob(values: Sequence[int]) -> bytes:
    """The blob of N values below r."""
    return b"".join([value.to_bytes(WORD_BYTES, "big") for value in _REVERSED(values)])


def commit(values: Sequence[int]) -> G1:
    """[f] from the N values of f on H."""
    import ckzg

    rows = [i for i, value in enumerate(values) if value]
    if len(rows) <= SPARSE_MOST:
        lagrange = reference_string().lagrange
        return multiply_sum([lagrange[i] for i in rows], [values[i] for i in rows])
    return _own(ckzg.blob_to_kzg_commitment(to_blob(values), reference_string().kzg))


def open_at(values: Sequence[int], point: int) -> tuple[G1, int]:
    """The opening (f - f(point)) / (X - point), committed, and f(point)."""
    import ckzg

    proof, value = ckzg.compute_kzg_proof(to_blob(values), word(point), reference_string().kzg)
    return _own(proof), int.from_bytes(value, "big")


def on_coset(values: Sequence[int]) -> list[int]:
    """f(eta·w^0) ... f(eta·w^(N-1)) from f's N values on H."""
    import ckzg

    cells = ckzg.compute_cells(to_blob(values), reference_string().kzg)
    raw = b"".join(cells[_CELLS_OF_H:])
    found = [int.from_bytes(raw[at : at + WORD_BYTES], "big") for at in range(0, len(raw), WORD_BYTES)]
    return list(_REVERSED(found))


def _own(data: bytes) -> G1:
    """A point that c-kzg computed itself: it needs no check."""
    return G1Point.from_compressed_bytes_unchecked(bytes(data))
