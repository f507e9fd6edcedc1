"""Headers of the embedded chain: read, checked against its rules, linked by hash, and packed into few bytes.

Rules:
  H1. A header is the RLP list of Prague's 21 fields, each of its length.
  H2. Its number is its parent's plus one, its parent hash the hash of its parent, its time not before its parent's.
  H3. No work and no stake: difficulty and nonce are zero, there are no ommers. The embedded chain has one sequencer
      who signs no header, so nothing in a header says who made it.
  H4. No fees, withdrawals, blobs or requests; gas used is at most the limit; nothing is in extra data but at genesis.
  H5. A run of headers is believed only backwards: from a block hash that is trusted, to its ancestors. Whatever
      follows a trusted block can be made by anybody.
  H6. A packed run holds at most 2^20 headers.

Other chains are refused by H3 or H4. Besu's QBFT has its validators' seals in extra data: verifying those would need
the validators' addresses at the checkpoint, every change of the set since, and for each header the signatures of more
than two thirds over the hash of the header without its seals.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from belmont.light.encoding import EMPTY_ROOT, decode_list, fixed, keccak, number
from belmont.light.errors import HeadersRefused, ProofRefused

HEADERS_MAX: Final = 2**20
HEADER_BYTES_MAX: Final = 1024
FIELDS: Final = 21
NO_OMMERS: Final = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
NO_REQUESTS: Final = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
ZERO: Final = bytes(32)
CHUNK_BYTES: Final = 64 * 1024
LONG_LIST: Final = b"\xf9"
LIST_HEAD: Final = 3
"""Bytes before the content of a list of 256 to 65,535 bytes: ``LONG_LIST`` and two bytes of length."""
HASH_HEAD: Final = b"\xa0"
"""The byte before 32 bytes."""


@dataclass(frozen=True)
class Header:
    """What is asked of a header. ``timestamp`` is in whole seconds since 1970, by the sequencer's clock."""

    hash: bytes
    parent_hash: bytes
    number: int
    timestamp: int
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    gas_limit: int
    encoded: bytes

    @classmethod
    def read(cls, encoded: bytes) -> Header:
        """One RLP header that keeps H1, H3 and H4. Raises ``HeadersRefused``."""
        try:
            return cls._read(encoded)
        except HeadersRefused:
            raise
        except ProofRefused as error:
            raise HeadersRefused(error.rule, str(error).partition(": ")[2]) from error

    @classmethod
    def _read(cls, encoded: bytes) -> Header:
        if len(encoded) > HEADER_BYTES_MAX:
            raise HeadersRefused("H1", f"a header of {len(encoded)} bytes")
        item = decode_list(encoded, FIELDS, "H1", "a header")
        (parent, ommers, beneficiary, state, transactions, receipts, bloom, difficulty, height) = item[:9]
        (gas_limit, gas_used, timestamp, extra, mix, nonce, base_fee, withdrawals) = item[9:17]
        (blob_gas, excess_blob_gas, beacon_root, requests) = item[17:]
        height_ = number(height, "H1", "a block's number")
        limit, used = number(gas_limit, "H1", "the gas limit"), number(gas_used, "H1", "gas used")
        fixed(bloom, 256, "H1", "a bloom filter")
        if difficulty != b"" or nonce != bytes(8) or ommers != NO_OMMERS:
            raise HeadersRefused("H3", "the header has a difficulty, nonce or ommers: another kind of chain")
        if (beneficiary, base_fee, blob_gas, excess_blob_gas) != (bytes(20), b"", b"", b""):
            raise HeadersRefused("H4", "the header has fees or blobs: another kind of chain")
        if (mix, withdrawals, beacon_root, requests) != (ZERO, EMPTY_ROOT, ZERO, NO_REQUESTS) and height_:
            raise HeadersRefused("H4", "the header has withdrawals, randomness or requests: another kind of chain")
        if used > limit or (extra and height_):
            raise HeadersRefused("H4", "gas used above the limit, or extra data")
        return cls(
            hash=keccak(encoded),
            parent_hash=fixed(parent, 32, "H1", "a parent hash"),
            number=height_,
            timestamp=number(timestamp, "H1", "a time"),
            state_root=fixed(state, 32, "H1", "a state root"),
            transactions_root=fixed(transactions, 32, "H1", "a transactions root"),
            receipts_root=fixed(receipts, 32, "H1", "a receipts root"),
            gas_limit=limit,
            encoded=encoded,
        )

    def refuse_child(self, child: Header) -> None:
        """Raises ``HeadersRefused`` unless ``child`` comes next after this one (H2)."""
        if child.number != self.number + 1:
            raise HeadersRefused("H2", f"block {child.number} where block {self.number + 1} was expected")
        if child.parent_hash != self.hash:
            raise HeadersRefused("H2", f"block {child.number} is no child of the block {self.number} before it")
        if child.timestamp < self.timestamp:
            raise HeadersRefused("H2", f"block {child.number} is older than its parent")
        if child.gas_limit != self.gas_limit:
            raise HeadersRefused("H4", f"block {child.number} has another gas limit than its parent")


def linked(encoded: Iterable[bytes]) -> Iterator[Header]:
    """RLP headers in order, each checked against the one before it (H1 to H4). Raises ``HeadersRefused``."""
    before: Header | None = None
    for raw in encoded:
        header = Header.read(raw)
        if before is not None:
            before.refuse_child(header)
        before = header
        yield header


def pack(headers: Iterable[bytes]) -> bytes:
    """A linked run of RLP headers in few bytes: the first one's parent hash, then all without theirs, compressed."""
    packer = zlib.compressobj(9)
    parts: list[bytes] = []
    for header in linked(headers):
        if not parts:
            parts.append(header.parent_hash)
        parts.append(packer.compress(_as_list(header.encoded[LIST_HEAD + 1 + 32 :])))
    return b"".join([*parts, packer.flush()])


def unpack(packed: bytes) -> Iterator[Header]:
    """The headers of a packed run, linked: each one's parent hash is the hash of the one before it.

    Whether they lead to a trusted block shows at the end, when the last one's hash is compared. Raises
    ``HeadersRefused``.
    """
    before: Header | None = None
    for count, short in enumerate(_pieces(packed[32:])):
        if count == HEADERS_MAX:
            raise HeadersRefused("H6", f"more than {HEADERS_MAX} headers")
        parent = packed[:32] if before is None else before.hash
        header = Header.read(_as_list(HASH_HEAD + parent + short[LIST_HEAD:]))
        if before is not None:
            before.refuse_child(header)
        before = header
        yield header


def _as_list(content: bytes) -> bytes:
    """The RLP of a list of 256 to 65,535 bytes, as every header is, also without its parent hash."""
    return LONG_LIST + len(content).to_bytes(2, "big") + content


def _pieces(compressed: bytes) -> Iterator[bytes]:
    """The RLP lists of a compressed stream, one at a time, so that little of it is in memory at once."""
    unpacker = zlib.decompressobj()
    buffer, waiting = b"", compressed
    while not unpacker.eof:
        try:
            piece = unpacker.decompress(waiting, CHUNK_BYTES)
        except zlib.error as error:
            raise HeadersRefused("H1", f"packed headers that cannot be unpacked: {error}") from error
        waiting = unpacker.unconsumed_tail
        if not piece and not waiting:
            break
        buffer, start = buffer + piece, 0
        while (end := _list_end(buffer, start)) is not None and end <= len(buffer):
            yield buffer[start:end]
            start = end
        buffer = buffer[start:]
    if buffer or unpacker.unused_data or not unpacker.eof:
        raise HeadersRefused("H1", "packed headers end in the middle of one, or bytes follow them")


def _list_end(buffer: bytes, start: int) -> int | None:
    """Where the RLP list that begins at ``start`` ends; None when not enough of it is here."""
    if start + LIST_HEAD > len(buffer):
        return None
    if buffer[start : start + 1] == LONG_LIST:
        length = LIST_HEAD + int.from_bytes(buffer[start + 1 : start + LIST_HEAD], "big")
        if length <= HEADER_BYTES_MAX:
            return start + length
    raise HeadersRefused("H1", "a packed header is no list of a header's length")


def ancestors(headers: Iterable[Header], trusted: bytes, wanted: Iterable[int]) -> dict[int, Header]:
    """Those of a linked run with the ``wanted`` numbers, once its last one is the trusted block (H5).

    Raises ``HeadersRefused`` when the run ends at another block, is empty, or lacks one of them.
    """
    missing, found = set(wanted), {}
    last: Header | None = None
    for header in headers:
        last = header
        if header.number in missing:
            found[header.number] = header
    if last is None:
        raise HeadersRefused("H5", "there are no headers")
    if last.hash != trusted:
        raise HeadersRefused("H5", f"the headers lead to block 0x{last.hash.hex()}, not to the trusted one")
    if missing - found.keys():
        raise HeadersRefused("H5", f"the headers lack block {min(missing - found.keys())}")
    return found


class HeaderChain:
    """A run of headers on this machine, whose last one is trusted. Grows towards newer trusted blocks only."""

    def __init__(self, headers: Iterable[Header]) -> None:
        self.headers = list(headers)
        for before, after in itertools.pairwise(self.headers):
            before.refuse_child(after)
        if not self.headers:
            raise HeadersRefused("H5", "there are no headers")

    @property
    def first(self) -> Header:
        return self.headers[0]

    @property
    def tip(self) -> Header:
        """The newest one."""
        return self.headers[-1]

    def get(self, number: int) -> Header:
        """One of them. Raises ``HeadersRefused`` where there is none of this number."""
        if not self.first.number <= number <= self.tip.number:
            raise HeadersRefused("H5", f"block {number} is not in blocks {self.first.number} to {self.tip.number}")
        return self.headers[number - self.first.number]

    def extended(self, newer: Iterable[Header], trusted: bytes) -> HeaderChain:
        """With the headers from the block after the tip up to a newer trusted block.

        That they link shows that the newer block descends from the tip: no history was rewritten in between. Raises
        ``HeadersRefused`` for a fork, a gap, or another end.
        """
        return HeaderChain.trusted([*self.headers, *newer], trusted)

    def to_bytes(self) -> bytes:
        return pack(header.encoded for header in self.headers)

    @classmethod
    def from_bytes(cls, packed: bytes) -> HeaderChain:
        """What ``to_bytes`` gave, from this machine's own file. Raises ``HeadersRefused``."""
        return cls(unpack(packed))

    @classmethod
    def trusted(cls, headers: Iterable[Header], trusted: bytes) -> HeaderChain:
        """Headers of any source that lead to a trusted block. Raises ``HeadersRefused``."""
        chain = cls(headers)
        if chain.tip.hash != trusted:
            raise HeadersRefused("H5", f"the headers lead to block 0x{chain.tip.hash.hex()}, not to the trusted one")
        return chain
