"""Relaying what members and patients signed with no network (``Relay.vy``, docs/registry.md)."""

from typing import Protocol

from belmont.identity.signed_message import SignedMessage
from belmont.identity.typed_data import Domain
from belmont.registry.types import Address


class Relay(Protocol):
    """Anybody relays: the account that the registry is bound to only pays for the transaction."""

    @property
    def domain(self) -> Domain:
        """What messages are signed for; public and unchanging, so a signer needs to hear it once."""

    def submit(self, signed: SignedMessage) -> None:
        """Have the contracts act on a signed message.

        Raises ``RegistryRefused`` with ``SIGNATURE_INVALID``, ``SIGNATURE_EXPIRED``, ``NONCE_USED``, or the reason of
        the act itself; then nothing is used up. Raises ``RegistryArgumentError`` for a message of elsewhere.
        """

    def cancel(self, nonce: int) -> None:
        """Use a number up, so that what this registry's identity signed with it never counts."""

    def is_used(self, actor: Address, nonce: int) -> bool:
        """Whether a message with this number was relayed or cancelled."""
