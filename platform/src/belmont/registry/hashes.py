"""Identifiers and hashes that Python and the contracts compute alike (Keccak-256 over the contract ABI encoding)."""

import hashlib
from collections.abc import Sequence

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from belmont.registry.types import ZERO_HASH, Address, DatasetId


def dataset_id(holder: Address, name: str) -> DatasetId:
    """The identifier under which ``holder`` registers a dataset: ``keccak256(abi_encode(holder, name))``."""
    return DatasetId(bytes(keccak(encode(["address", "string"], [holder, name]))))


def participants_hash(participants: Sequence[DatasetId]) -> bytes:
    """Which datasets take part, and in which order: ``keccak256(abi_encode(participants))`` as ``bytes32[]``."""
    return bytes(keccak(encode(["bytes32[]"], [list(participants)])))


def reason_hash(reason: str) -> bytes:
    """SHA-256 of a reason's UTF-8 text, which itself stays off chain; 32 zero bytes for an empty one."""
    return hashlib.sha256(reason.encode()).digest() if reason else ZERO_HASH
