"""Identities in memory: the reference model behind the Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from belmont.identity.did_document import IdentityEvent
from belmont.identity.messages import (
    AddDelegate,
    ChangeOwner,
    IdentityChange,
    RevokeAttribute,
    RevokeDelegate,
    SetAttribute,
    short_bytes,
)
from belmont.identity.signed_message import SignedMessage, Signer
from belmont.identity.typed_data import Domain
from belmont.registry import arguments
from belmont.registry.identities.changes import check_change, did_document, history, signatures_of_change
from belmont.registry.limits import ATTRIBUTE_MAX_BYTES
from belmont.registry.reference import identities, relay
from belmont.registry.types import Address

if TYPE_CHECKING:
    from belmont.registry.simulated import SimulatedRegistry


class SimulatedIdentities:
    """Implements ``belmont.registry.identities.protocol.Identities``."""

    def __init__(self, registry: SimulatedRegistry) -> None:
        self._registry = registry

    @property
    def domain(self) -> Domain:
        with self._registry.reading() as world:
            return relay.domain(world, "Identities")

    def owner(self, identity: Address) -> Address:
        arguments.check_address("identity", identity)
        with self._registry.reading() as world:
            return identities.owner(world, identity)

    def speaks_for(self, identity: Address, account: Address) -> bool:
        with self._registry.reading() as world:
            return identities.speaks_for(world, identity, account)

    def works_for(self, identity: Address, account: Address) -> bool:
        with self._registry.reading() as world:
            return identities.works_for(world, identity, account)

    def history(self, identity: Address) -> list[IdentityEvent]:
        arguments.check_address("identity", identity)
        return history(self._registry.audit_events(), identity)

    def resolve(self, did: str) -> dict[str, Any]:
        head = self._registry.head()
        return did_document(did, self.domain.chain_id, self._registry.audit_events(), head.timestamp)

    def rotate(self, new_owner: Signer) -> None:
        change = ChangeOwner(identity=self._registry.actor(), new_owner=new_owner.address)
        self.submit(change.sign(self._registry.signer(), self.domain).signed_by(new_owner))

    def change_owner(self, new_owner: Address) -> None:
        self._change(ChangeOwner(identity=self._registry.actor(), new_owner=new_owner))

    def add_delegate(self, kind: str, delegate: Address, seconds: int) -> None:
        arguments.check_number("seconds", seconds, 256)
        about = self._registry.actor()
        type_ = short_bytes(kind)
        self._change(AddDelegate(identity=about, delegate_type=type_, delegate=delegate, validity=seconds))

    def revoke_delegate(self, kind: str, delegate: Address) -> None:
        about = self._registry.actor()
        self._change(RevokeDelegate(identity=about, delegate_type=short_bytes(kind), delegate=delegate))

    def set_attribute(self, name: str, value: bytes, seconds: int) -> None:
        arguments.check_bytes("value", value, ATTRIBUTE_MAX_BYTES)
        about = self._registry.actor()
        self._change(SetAttribute(identity=about, name=short_bytes(name), value=value, validity=seconds))

    def revoke_attribute(self, name: str, value: bytes) -> None:
        arguments.check_bytes("value", value, ATTRIBUTE_MAX_BYTES)
        self._change(RevokeAttribute(identity=self._registry.actor(), name=short_bytes(name), value=value))

    def cancel(self, nonce: int) -> None:
        arguments.check_number("nonce", nonce, 256)
        about = self._registry.actor()
        with self._registry.sending() as (world, by):
            identities.cancel(world, by, about, nonce)

    def is_used(self, identity: Address, nonce: int) -> bool:
        with self._registry.reading() as world:
            return ("Identities", identity, nonce) in world.used_nonces

    def submit(self, signed: SignedMessage) -> None:
        change = check_change(signed, self.domain)
        signatures = signatures_of_change(signed, self.owner(Address(change.identity)))
        with self._registry.sending() as (world, _):
            identities.change_signed(world, signed.domain, change, *signatures)

    def _change(self, change: IdentityChange) -> None:
        with self._registry.sending() as (world, by):
            identities.change(world, by, change)
