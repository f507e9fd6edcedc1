"""What a validity proof states, word for word: docs/protocol.md, "Validity: statement"."""

from dataclasses import dataclass
from typing import Final

from belmont.zk.errors import ProofRefused
from belmont.zk.field import A, B, N, word
from belmont.zk.layout import Layout
from belmont.zk.srs import CEREMONY_DIGEST

LABEL: Final = "belmont/validity/v1"
ADDRESS_BYTES: Final = 20
HASH_BYTES: Final = 32
CHUNKS_BELOW: Final = 1 << 32


@dataclass(frozen=True)
class Statement:
    """``rows`` present rows in chunks ``first`` to ``first + chunks - 1`` of a version are as ``layout`` allows.

    ``contract`` is the registry's contract `Datasets`, ``owner`` the data holder: raw bytes, 20 each. Raises
    ProofRefused (V1) for numbers that no statement has.
    """

    chain_id: int
    contract: bytes
    owner: bytes
    dataset: bytes
    version: int
    layout: Layout
    first: int
    chunks: int
    rows: int

    def __post_init__(self) -> None:
        if self.chunks < 1 or self.first < 0 or self.first + self.chunks > CHUNKS_BELOW:
            raise ProofRefused("V1", "a proof is about at least one chunk, and chunks are numbered in four bytes")
        if not 0 <= self.rows <= A * self.chunks:
            raise ProofRefused("V1", f"{self.chunks} chunks do not hold {self.rows} rows")
        if not (0 <= self.chain_id < 1 << 256 and 0 <= self.version < 1 << 64):
            raise ProofRefused("V1", "the chain id or the version's number is out of range")
        if (len(self.contract), len(self.owner), len(self.dataset)) != (ADDRESS_BYTES, ADDRESS_BYTES, HASH_BYTES):
            raise ProofRefused("V1", "an address is 20 bytes, a dataset id 32")

    def words(self) -> bytes:
        """The words that the transcript absorbs first."""
        numbers = (self.version, self.first, self.chunks, self.rows)
        return b"".join(
            (
                CEREMONY_DIGEST,
                word(N),
                word(B),
                word(self.chain_id),
                bytes(12) + self.contract,
                bytes(12) + self.owner,
                self.dataset,
                self.layout.hash,
                *(word(number) for number in numbers),
            )
        )
