"""Accounts and storage slots, proved against the state root of a trusted header (EIP-1186).

Rules:
  A1. An account stands in the state trie under the Keccak of its address, a slot in the account's storage trie under
      the Keccak of its 32 bytes; a value is the RLP of a number that is not zero. Absence is proved, and means zero.
  A2. The code at the contract is the one that the checkpoint names. Where the contract is a proxy (ERC-1967), the slot
      that says where its code is, and the code there, are proved as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from belmont.light.encoding import EMPTY_ROOT, decode, decode_list, fixed, keccak, number
from belmont.light.errors import CodeChanged, ProofRefused
from belmont.light.headers import Header
from belmont.light.trie import proven

IMPLEMENTATION_SLOT: Final = int.from_bytes(keccak(b"eip1967.proxy.implementation"), "big") - 1
NO_CODE: Final = keccak(b"")


@dataclass(frozen=True)
class Account:
    """``NONE`` where the state has no such account."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


NONE: Final = Account(0, 0, EMPTY_ROOT, NO_CODE)


@dataclass(frozen=True)
class Code:
    """What code a contract runs: its own, or as a proxy that of ``implementation``."""

    address: bytes
    code_hash: bytes
    implementation: bytes | None = None
    implementation_code_hash: bytes | None = None


@dataclass(frozen=True)
class CodeProof:
    """Proofs of a contract's account and, where it is a proxy, of its implementation; node lists from the root."""

    account: tuple[bytes, ...]
    implementation_slot: tuple[bytes, ...]
    implementation: tuple[bytes, ...] = ()


def account(header: Header, address: bytes, proof: Sequence[bytes]) -> Account:
    """An account after the block of a trusted header (A1). Raises ``ProofRefused``."""
    encoded = proven(header.state_root, keccak(address), proof)
    if encoded is None:
        return NONE
    nonce, balance, storage_root, code_hash = decode_list(encoded, 4, "A1", "an account")
    return Account(
        number(nonce, "A1", "a nonce"),
        number(balance, "A1", "a balance", 32),
        fixed(storage_root, 32, "A1", "a storage root"),
        fixed(code_hash, 32, "A1", "a code hash"),
    )


def slot_value(storage_root: bytes, slot: int, proof: Sequence[bytes]) -> int:
    """What a slot holds; zero where it provably holds nothing (A1). Raises ``ProofRefused``."""
    encoded = proven(storage_root, keccak(slot.to_bytes(32, "big")), proof)
    if encoded is None:
        return 0
    value = number(decode(encoded, "A1", "a slot's value"), "A1", "a slot's value", 32)
    if value == 0:
        raise ProofRefused("A1", "a slot that holds zero is not in the trie")
    return value


def running(header: Header, address: bytes, proof: CodeProof) -> tuple[Account, Code]:
    """A contract's account, and which code it runs, after the block of a trusted header. Raises ``ProofRefused``."""
    at = account(header, address, proof.account)
    points_to = slot_value(at.storage_root, IMPLEMENTATION_SLOT, proof.implementation_slot)
    if not points_to:
        if proof.implementation:
            raise ProofRefused("A2", "a proof of an implementation, and the contract is no proxy")
        return at, Code(address, at.code_hash)
    implementation = address_in(points_to)
    behind = account(header, implementation, proof.implementation)
    return at, Code(address, at.code_hash, implementation, behind.code_hash)


def address_in(word: int) -> bytes:
    """The address in a slot."""
    return (word % 2**160).to_bytes(20, "big")


def refuse_other_code(name: str, expected: Code, found: Code) -> None:
    """Raises ``CodeChanged`` unless it is the code that the checkpoint names (A2)."""
    if found != expected:
        raise CodeChanged(
            "A2", f"{name} ran another code then than the checkpoint names: get a checkpoint of that time"
        )
    if NO_CODE in (found.code_hash, found.implementation_code_hash):
        raise CodeChanged("A2", f"there is no code at {name}")
