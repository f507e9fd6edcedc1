"""Identifiers and hashes that Python and the contracts compute alike (Keccak-256 over the contract ABI encoding;
of queries and reasons SHA-256)."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from belmont.registry.types import ZERO_HASH, Address, Ballot, DatasetId, PartStart, PermitId, StudyId

_APPROVAL_CONDITIONS = bytes(keccak(text="belmont/approval-conditions/1"))


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


def next_conditions(study_id: StudyId, before: bytes, voter: Address, conditions_hash: bytes) -> bytes:
    """The running hash of a study's conditions once a vote set some more.

    ``keccak256(abi_encode(tag, study, before, voter, conditions_hash))``, the tag so that it is a hash of nothing else.
    """
    types = ["bytes32", "uint64", "bytes32", "address", "bytes32"]
    return bytes(keccak(encode(types, [_APPROVAL_CONDITIONS, study_id, before, voter, conditions_hash])))


def conditions_of(study_id: StudyId, ballots: Iterable[Ballot]) -> bytes:
    """The running hash of all conditions that these votes set, in their order: what a data user agrees to."""
    found = ZERO_HASH
    for ballot in ballots:
        if ballot.conditions_hash != ZERO_HASH:
            found = next_conditions(study_id, found, ballot.voter, ballot.conditions_hash)
    return found
