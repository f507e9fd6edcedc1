"""A checkpoint: the one thing that a light client trusts, and how it comes to trust it.

It says which chain, which block (number and hash), and at which addresses the consortium's contracts stand with which
code. All of it is in one fingerprint of 32 bytes, short enough to be compared by telephone or printed on paper:

    SHA-256("belmont/light/checkpoint/1" ‖ chain id u64 ‖ number u64 ‖ block hash ‖ n u8 ‖ n × contract)
    contract: len u8 ‖ name ‖ address(20) ‖ code hash ‖ implementation(20) ‖ its code hash; zeros if it is no proxy

integers big-endian, contracts in order of their names. A block hash alone would not do: anybody can put a contract on
the chain that logs the same events.

Trust comes from people: the fingerprint is compared with one got by another way, or members of the consortium whose
addresses are known signed it (EIP-712, domain name "Belmont", version "1", the chain's id), see ``signed_by``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from eth_utils.address import to_checksum_address

from belmont.light.accounts import Code
from belmont.light.errors import BundleMalformed, CheckpointRefused
from belmont.light.reading import Fields, hexadecimal, read_json, write_json

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

FORMAT: Final = "belmont/light/checkpoint"
VERSION: Final = 1
CONTRACTS_MAX: Final = 32
SIGNATURES_MAX: Final = 64
CHECKPOINT_BYTES_MAX: Final = 64 * 1024
TYPES: Final = {
    "Checkpoint": [
        {"name": "number", "type": "uint64"},
        {"name": "blockHash", "type": "bytes32"},
        {"name": "fingerprint", "type": "bytes32"},
    ]
}


@dataclass(frozen=True)
class Checkpoint:
    """``signatures`` are no part of what the fingerprint is about."""

    chain_id: int
    number: int
    block_hash: bytes
    contracts: Mapping[str, Code]
    signatures: tuple[bytes, ...] = ()

    @property
    def fingerprint(self) -> bytes:
        digest = hashlib.sha256(FORMAT.encode() + b"/1")
        digest.update(self.chain_id.to_bytes(8, "big") + self.number.to_bytes(8, "big") + self.block_hash)
        digest.update(bytes([len(self.contracts)]))
        for name, code in sorted(self.contracts.items()):
            digest.update(bytes([len(name)]) + name.encode() + code.address + code.code_hash)
            digest.update((code.implementation or bytes(20)) + (code.implementation_code_hash or bytes(32)))
        return digest.digest()

    def contract(self, name: str) -> Code:
        """Where a contract stands. Raises ``CheckpointRefused`` for one that the checkpoint does not name."""
        if name not in self.contracts:
            raise CheckpointRefused("C1", f"the checkpoint names no contract {name!r}")
        return self.contracts[name]

    def refuse_other(self, fingerprint: bytes) -> None:
        """Raises ``CheckpointRefused`` unless this is the checkpoint that is trusted."""
        if self.fingerprint != fingerprint:
            raise CheckpointRefused("C1", f"the checkpoint is 0x{self.fingerprint.hex()}, not the trusted one")

    # --- members' signatures ---

    def signed(self, account: LocalAccount) -> Checkpoint:
        """With one more signature: the account says that it saw this block and these contracts on its own node."""
        from eth_account.messages import encode_typed_data

        message = encode_typed_data(self._domain, TYPES, self._message)
        signature = bytes(account.sign_message(message).signature)
        return replace(self, signatures=(*self.signatures, signature))

    def signed_by(self) -> frozenset[str]:
        """Addresses whose signatures are here and hold, checksummed."""
        from eth_account import Account
        from eth_account.messages import encode_typed_data
        from eth_keys.exceptions import BadSignature
        from eth_utils.exceptions import ValidationError

        message = encode_typed_data(self._domain, TYPES, self._message)
        found = set()
        for signature in self.signatures:
            try:
                found.add(str(Account.recover_message(message, signature=signature)))
            except (BadSignature, ValidationError, ValueError):
                continue
        return frozenset(found)

    def refuse_unsigned(self, members: Iterable[str], at_least: int) -> None:
        """Raises ``CheckpointRefused`` unless so many different ones of these members signed it."""
        known = {to_checksum_address(each) for each in members}
        if not 1 <= at_least <= len(known):
            raise CheckpointRefused("C2", f"{at_least} of {len(known)} members cannot sign: ask for 1 to {len(known)}")
        signers = known & self.signed_by()
        if len(signers) < at_least:
            raise CheckpointRefused("C2", f"{len(signers)} of the named members signed it, {at_least} have to")

    @property
    def _domain(self) -> dict[str, Any]:
        return {"name": "Belmont", "version": "1", "chainId": self.chain_id}

    @property
    def _message(self) -> dict[str, Any]:
        return {"number": self.number, "blockHash": self.block_hash, "fingerprint": self.fingerprint}

    # --- as a document ---

    def to_document(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "chain_id": self.chain_id,
            "number": self.number,
            "block_hash": hexadecimal(self.block_hash),
            "contracts": {name: _code_document(code) for name, code in sorted(self.contracts.items())},
            "signatures": [hexadecimal(each) for each in self.signatures],
        }

    @classmethod
    def of_document(cls, document: object) -> Checkpoint:
        """Raises ``BundleMalformed``."""
        fields = Fields(document, "a checkpoint")
        fields.constant("format", FORMAT)
        fields.constant("version", VERSION)
        contracts = fields.mapping("contracts", CONTRACTS_MAX)
        checkpoint = cls(
            chain_id=fields.number("chain_id"),
            number=fields.number("number"),
            block_hash=fields.fixed("block_hash", 32),
            contracts={_name(name): _code(entry, name) for name, entry in contracts.items()},
            signatures=tuple(fields.byte_strings("signatures", SIGNATURES_MAX, 65)),
        )
        fields.end()
        return checkpoint

    def to_bytes(self) -> bytes:
        return write_json(self.to_document())

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """Raises ``BundleMalformed``."""
        return cls.of_document(read_json(data, CHECKPOINT_BYTES_MAX))


def agreed(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """The one checkpoint that all of these are, with all their signatures. Raises ``CheckpointRefused``."""
    first, *others = checkpoints
    for other in others:
        other.refuse_other(first.fingerprint)
    signatures = tuple(dict.fromkeys(each for one in checkpoints for each in one.signatures))
    return replace(first, signatures=signatures)


def _code_document(code: Code) -> dict[str, str]:
    document = {"address": hexadecimal(code.address), "code_hash": hexadecimal(code.code_hash)}
    if code.implementation is not None and code.implementation_code_hash is not None:
        document["implementation"] = hexadecimal(code.implementation)
        document["implementation_code_hash"] = hexadecimal(code.implementation_code_hash)
    return document


def _code(document: object, name: str) -> Code:
    fields = Fields(document, f"contract {name}")
    address, code_hash = fields.fixed("address", 20), fields.fixed("code_hash", 32)
    if "implementation" not in fields:
        fields.end()
        return Code(address, code_hash)
    code = Code(address, code_hash, fields.fixed("implementation", 20), fields.fixed("implementation_code_hash", 32))
    fields.end()
    return code


def _name(name: str) -> str:
    if not (name.isascii() and name.isalnum() and len(name) <= 64):
        raise BundleMalformed(f"{name[:80]!r} is no contract's name")
    return name
