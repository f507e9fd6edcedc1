"""What is signed of a federated message or answer: the 32 bytes of EIP-712 typed data.

Whose key signed them is `belmont.registry.identities.recovery.signer_of`: in the one encoding that the contracts take.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

Types = Mapping[str, Sequence[Mapping[str, str]]]


class Signer(Protocol):
    """An account that signs 32 bytes."""

    def unsafe_sign_hash(self, message_hash: Any) -> Any:
        """A signature with its 65 bytes as ``signature``."""


def digest_of(name: str, types: Types, values: Mapping[str, Any]) -> bytes:
    """The 32 bytes of one message in version 1 of the domain ``name``; ``types`` has the message's type alone."""
    typed = encode_typed_data({"name": name, "version": "1"}, dict(types), dict(values))
    return bytes(keccak(b"\x19" + typed.version + typed.header + typed.body))


def sign(account: Signer, digest: bytes) -> bytes:
    """65 bytes: r, s, v."""
    return bytes(account.unsafe_sign_hash(digest).signature)
