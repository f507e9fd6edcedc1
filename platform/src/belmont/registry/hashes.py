"""Identifiers and hashes that Python and the contracts compute alike (Keccak-256 over the contract ABI encoding;
of queries and reasons SHA-256)."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from belmont.registry.types import ZERO_HASH, Address, DatasetId, PartStart, PermitId


def dataset_id(holder: Address, name: str) -> DatasetId:
    """The identifier under which ``holder`` registers a dataset: ``keccak256(abi_encode(holder, name))``."""
    return DatasetId(bytes(keccak(encode(["address", "string"], [holder, name]))))


def participants_hash(participants: Sequence[DatasetId]) -> bytes:
    """Which datasets take part, and in which order: ``keccak256(abi_encode(participants))`` as ``bytes32[]``."""
    return _participants_hash(tuple(participants))


@lru_cache(maxsize=64)
def _participants_hash(participants: tuple[DatasetId, ...]) -> bytes:
    """Kept, because every round of a study asks it again, several times at each hospital."""
    return bytes(keccak(encode(["bytes32[]"], [list(participants)])))


def part_mark(dataset: DatasetId, number: int, start: PartStart) -> bytes:
    """What the contract keeps of how far a version is proven: ``keccak256(abi_encode(dataset, number, start))``."""
    types = ["bytes32", "uint64", "(uint256,uint256,bytes32[])", "bytes"]
    values = (start.chunks, start.rows, start.column_hashes)
    return bytes(keccak(encode(types, [dataset, number, values, start.previous])))


def query_hash(
    question: bytes, context_hash: bytes, permit_id: PermitId, n: int, participants: Sequence[DatasetId]
) -> bytes:
    """What a query is opened with: question, researcher's key, permit, number and participants, as SHA-256."""
    return hashlib.sha256(
        b"belmont/query/1\x00"
        + hashlib.sha256(question).digest()
        + context_hash
        + permit_id.to_bytes(32)
        + n.to_bytes(32)
        + len(participants).to_bytes(4)
        + b"".join(participants)
    ).digest()


def reason_hash(reason: str) -> bytes:
    """SHA-256 of a reason's UTF-8 text, which itself stays off chain; 32 zero bytes for an empty one."""
    return hashlib.sha256(reason.encode()).digest() if reason else ZERO_HASH
