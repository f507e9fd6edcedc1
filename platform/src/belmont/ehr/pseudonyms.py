"""Pseudonyms: 64 bits that stand for a patient inside one dataset.

The pseudonym of an identifier is the first 8 bytes of HMAC-SHA256(key, identifier), big-endian; where that is 0, which
marks an absent row, of HMAC-SHA256(key, identifier || 0x00 || counter). Whoever holds the key can link; nobody else.
"""

import hmac
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.errors import EhrError, PseudonymCollision

MIN_KEY_BYTES = 16


def pseudonym(key: bytes, identifier: str) -> int:
    """The pseudonym of one identifier, from 1 to 2**64 - 1."""
    message = identifier.encode("utf-8")
    value = int.from_bytes(hmac.digest(key, message, "sha256")[:8], "big")
    counter = 0
    while value == 0:
        counter += 1
        value = int.from_bytes(hmac.digest(key, message + b"\x00%d" % counter, "sha256")[:8], "big")
    return value


def pseudonyms(key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint64]:
    """The pseudonyms of distinct identifiers, in their order.

    Raises PseudonymCollision if two come out alike (about n**2 / 2**65 likely), EhrError for a key that is too short.
    """
    if len(key) < MIN_KEY_BYTES:
        raise EhrError(f"a pseudonym key has at least {MIN_KEY_BYTES} random bytes, this one has {len(key)}")
    result = np.fromiter((pseudonym(key, each) for each in identifiers), np.uint64, len(identifiers))
    refuse_collisions(result)
    return result


def refuse_collisions(values: NDArray[np.uint64]) -> None:
    """Raise PseudonymCollision where a value appears twice."""
    ordered = np.sort(values)
    if ordered.size > 1 and bool(np.any(ordered[1:] == ordered[:-1])):
        raise PseudonymCollision(
            "two patients would share a pseudonym; make a new pseudonym key and code the file again"
        )
