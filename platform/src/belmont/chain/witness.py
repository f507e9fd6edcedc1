"""What is kept beside the database, to notice what it has lost without a trace.

A lost row leaves no checksum to compare. Two things notice it:

1. `chain.head` names the last block whose commit was acknowledged. It is written after the commit and not waited for:
   after a killed process it is exact, after a power cut it may be older, and it is never ahead of the database. So a
   database that ends before it has lost acknowledged blocks, for instance by a damaged WAL, whose rest SQLite drops.
2. `KnownHashes` remembers in two megabytes of memory which hashes are stored. A look-up that finds nothing for a hash
   that may be stored is repeated without the index.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from belmont.chain.rows import checksum

FILE_NAME: Final = "chain.head"
MARK_BYTES_MAX: Final = 256
FILTER_BITS: Final = 2**24


class HeadMark:
    """The file `chain.head` of a directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._descriptor: int | None = None

    def open(self) -> None:
        """Make the file where there is none. Raises `OSError`."""
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def read(self) -> tuple[int, bytes] | None:
        """Number and hash of the last acknowledged block; None when there is none, or a power cut left half of one."""
        return None if self._descriptor is None else read_mark(self.path)

    def write(self, number: int, block_hash: bytes) -> None:
        """Called once the block is durable. A mark that cannot be written stays behind, and notices less."""
        if self._descriptor is not None:
            line = f"{number:020d} {block_hash.hex()} {checksum((number, block_hash)).hex()}\n"
            with contextlib.suppress(OSError):
                os.pwrite(self._descriptor, line.encode("ascii"), 0)


def read_mark(path: Path) -> tuple[int, bytes] | None:
    """What `HeadMark` wrote; None when there is nothing whole."""
    try:
        number, block_hash, found = path.read_bytes()[:MARK_BYTES_MAX].partition(b"\n")[0].decode("ascii").split()
        if checksum((int(number), bytes.fromhex(block_hash))).hex() != found:
            return None
        return int(number), bytes.fromhex(block_hash)
    except (OSError, ValueError):
        return None


class KnownHashes:
    """Whether a hash may be stored: no false "no". One bit for each of 2^24 beginnings."""

    def __init__(self) -> None:
        self._bits = bytearray(FILTER_BITS // 8)

    def add(self, key: bytes) -> None:
        """Remember it."""
        place = int.from_bytes(key[:3], "big")
        self._bits[place >> 3] |= 1 << (place & 7)

    def may_hold(self, key: bytes) -> bool:
        """False: it was never added."""
        place = int.from_bytes(key[:3], "big")
        return bool(self._bits[place >> 3] & 1 << (place & 7))
