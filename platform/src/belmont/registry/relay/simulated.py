"""Relaying in memory: the reference model behind the Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from belmont.identity.signed_message import SignedMessage
from belmont.identity.typed_data import Domain
from belmont.registry import arguments
from belmont.registry.reference import relay
from belmont.registry.relay.chain import check_statement
from belmont.registry.types import Address

if TYPE_CHECKING:
    from belmont.registry.simulated import SimulatedRegistry


class SimulatedRelay:
    """Implements ``belmont.registry.relay.protocol.Relay``."""

    def __init__(self, registry: SimulatedRegistry) -> None:
        self._registry = registry

    @property
    def domain(self) -> Domain:
        with self._registry.reading() as world:
            return relay.domain(world, "Relay")

    def submit(self, signed: SignedMessage) -> None:
        message = check_statement(signed, self.domain)
        with self._registry.sending() as (world, _):
            relay.submit(world, message, signed.signature)

    def cancel(self, nonce: int) -> None:
        arguments.check_number("nonce", nonce, 256)
        with self._registry.acting() as (world, by):
            relay.cancel(world, by, nonce)

    def is_used(self, actor: Address, nonce: int) -> bool:
        with self._registry.reading() as world:
            return ("Relay", actor, nonce) in world.used_nonces
