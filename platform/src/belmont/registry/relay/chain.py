"""Relaying on a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from belmont.identity.messages import Statement
from belmont.identity.signed_message import SignedMessage
from belmont.identity.typed_data import Domain
from belmont.registry import arguments
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.identities.changes import check_domain
from belmont.registry.types import Address

if TYPE_CHECKING:
    from belmont.registry.chain_registry import ChainRegistry


class ChainRelay:
    """Implements ``belmont.registry.relay.protocol.Relay``."""

    def __init__(self, registry: ChainRegistry) -> None:
        self._registry = registry

    @property
    def domain(self) -> Domain:
        return Domain(self._registry.chain_id, self._registry.addresses["Relay"])

    def submit(self, signed: SignedMessage) -> None:
        message = check_statement(signed, self.domain)
        self._registry.send("Relay", message.FUNCTION, *message.arguments(), signed.signature)

    def cancel(self, nonce: int) -> None:
        arguments.check_number("nonce", nonce, 256)
        self._registry.act("Relay", "cancel", nonce)

    def is_used(self, actor: Address, nonce: int) -> bool:
        arguments.check_address("actor", actor)
        arguments.check_number("nonce", nonce, 256)
        return bool(self._registry.read("Relay", "isUsed", actor, nonce))


def check_statement(signed: SignedMessage, domain: Domain) -> Statement:
    if not isinstance(signed.message, Statement):
        raise RegistryArgumentError(f"Relay takes no {type(signed.message).__name__}; {signed.message.CONTRACT} does.")
    check_domain(signed, domain)
    return signed.message
