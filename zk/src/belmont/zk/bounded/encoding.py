"""The bytes of field elements (an opening, a total, a masked vector) and of commitments to them; one encoding each.

Elements are words of 32 bytes below r, points their 48 compressed bytes, chunk by chunk. A statement's shape says how
many there are, so nothing is parsed before the length is right.
"""

from collections.abc import Sequence

from belmont.zk.bounded.shape import Shape
from belmont.zk.bounded.update import UpdateOpening
from belmont.zk.curve import COMPRESSED_BYTES, G1, compressed
from belmont.zk.errors import ProofMalformed, UpdateError
from belmont.zk.field import WORD_BYTES, N, word
from belmont.zk.proof import Reader


def write_elements(elements: Sequence[int]) -> bytes:
    """The bytes of elements below r."""
    return b"".join(map(word, elements))


def read_elements(shape: Shape, data: bytes) -> tuple[int, ...]:
    """N elements for every chunk. Raises ProofMalformed for anything else than their one encoding."""
    _expect(data, shape.chunks * N * WORD_BYTES)
    return Reader(data).scalars(shape.chunks * N)


def write_points(points: Sequence[G1]) -> bytes:
    """The bytes of commitments."""
    return b"".join(map(compressed, points))


def read_points(shape: Shape, data: bytes) -> tuple[G1, ...]:
    """One point of the subgroup for every chunk. Raises ProofMalformed."""
    _expect(data, shape.chunks * COMPRESSED_BYTES)
    return Reader(data).points(shape.chunks)


def write_opening(shape: Shape, opening: UpdateOpening) -> bytes:
    """The bytes of an opening, as secret as itself. Raises UpdateError."""
    return write_elements(opening.elements(shape))


def read_opening(shape: Shape, data: bytes) -> UpdateOpening:
    """An opening, or that of a sum. Raises ProofMalformed."""
    try:
        return UpdateOpening.from_elements(shape, read_elements(shape, data))
    except UpdateError as error:
        raise ProofMalformed(str(error)) from error


def _expect(data: bytes, size: int) -> None:
    if len(data) != size:
        raise ProofMalformed(f"{size} bytes are expected, not {len(data)}")
