"""Identities of a consortium's members and patients: keys, delegates, DID documents (``Identities.vy``)."""

from typing import Any, Protocol

from belmont.identity.did_document import IdentityEvent
from belmont.identity.signed_message import SignedMessage, Signer
from belmont.identity.typed_data import Domain
from belmont.registry.types import Address

SIG_AUTH = "sigAuth"
"""A delegate that does routine work for an identity, and authenticates as it."""
VERI_KEY = "veriKey"
"""A delegate whose signatures others accept as the identity's; it does nothing in a consortium."""


class Identities(Protocol):
    """Writes are for the identity that the registry is bound to, by the account of its owner."""

    @property
    def domain(self) -> Domain:
        """What signed changes are made for."""

    def owner(self, identity: Address) -> Address:
        """Who speaks for an identity now; its own account, unless that changed."""

    def speaks_for(self, identity: Address, account: Address) -> bool:
        """Whether an account decides for an identity now."""

    def works_for(self, identity: Address, account: Address) -> bool:
        """Whether an account may do an identity's routine work now, as owner or delegate."""

    def history(self, identity: Address) -> list[IdentityEvent]:
        """Every change of an identity, in order."""

    def resolve(self, did: str) -> dict[str, Any]:
        """The DID document of an identity on this chain, with its metadata (W3C DID Core)."""

    def rotate(self, new_owner: Signer) -> None:
        """Give the identity a new key. The new key signs too, so that a wrong one locks nobody out.

        All delegates are revoked; the replaced key never comes back.
        """

    def change_owner(self, new_owner: Address) -> None:
        """Give the identity another owner, who is taken at the caller's word: a mistyped address cannot be undone."""

    def add_delegate(self, kind: str, delegate: Address, seconds: int) -> None:
        """Let ``delegate`` act as ``kind`` (``SIG_AUTH``, ``VERI_KEY``) for so long."""

    def revoke_delegate(self, kind: str, delegate: Address) -> None:
        """End a delegate at once."""

    def set_attribute(self, name: str, value: bytes, seconds: int) -> None:
        """Publish a key or service in the DID document, such as ``did/svc/BelmontNode``."""

    def revoke_attribute(self, name: str, value: bytes) -> None:
        """Take it out again."""

    def cancel(self, nonce: int) -> None:
        """Use a number up, so that what was signed with it never counts."""

    def is_used(self, identity: Address, nonce: int) -> bool:
        """Whether a signed change with this number was relayed or cancelled."""

    def submit(self, signed: SignedMessage) -> None:
        """Relay a change that an identity's owner signed with no network."""
