"""Identities on a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from belmont.identity.did_document import IdentityEvent
from belmont.identity.messages import ChangeOwner, short_bytes
from belmont.identity.signed_message import SignedMessage, Signer
from belmont.identity.typed_data import Domain
from belmont.registry import arguments
from belmont.registry.identities.changes import EVENTS, check_change, did_document, history, signatures_of_change
from belmont.registry.limits import ATTRIBUTE_MAX_BYTES
from belmont.registry.types import Address, AuditEvent

if TYPE_CHECKING:
    from belmont.registry.chain_registry import ChainRegistry


class ChainIdentities:
    """Implements ``belmont.registry.identities.protocol.Identities``."""

    def __init__(self, registry: ChainRegistry) -> None:
        self._registry = registry

    @property
    def domain(self) -> Domain:
        return Domain(self._registry.chain_id, self._registry.addresses["Identities"])

    def owner(self, identity: Address) -> Address:
        arguments.check_address("identity", identity)
        return Address(self._registry.read("Identities", "identityOwner", identity))

    def speaks_for(self, identity: Address, account: Address) -> bool:
        return self._asked("speaksFor", identity, account)

    def works_for(self, identity: Address, account: Address) -> bool:
        return self._asked("worksFor", identity, account)

    def history(self, identity: Address) -> list[IdentityEvent]:
        arguments.check_address("identity", identity)
        return history(self._events(), identity)

    def resolve(self, did: str) -> dict[str, Any]:
        head = self._registry.head()
        return did_document(did, self._registry.chain_id, self._events(), head.timestamp)

    def rotate(self, new_owner: Signer) -> None:
        change = ChangeOwner(identity=self._registry.actor(), new_owner=new_owner.address)
        self.submit(change.sign(self._registry.signer(), self.domain).signed_by(new_owner))

    def change_owner(self, new_owner: Address) -> None:
        arguments.check_address("new_owner", new_owner)
        self._registry.act("Identities", "changeOwner", new_owner)

    def add_delegate(self, kind: str, delegate: Address, seconds: int) -> None:
        arguments.check_address("delegate", delegate)
        arguments.check_number("seconds", seconds, 256)
        self._registry.act("Identities", "addDelegate", short_bytes(kind), delegate, seconds)

    def revoke_delegate(self, kind: str, delegate: Address) -> None:
        arguments.check_address("delegate", delegate)
        self._registry.act("Identities", "revokeDelegate", short_bytes(kind), delegate)

    def set_attribute(self, name: str, value: bytes, seconds: int) -> None:
        arguments.check_bytes("value", value, ATTRIBUTE_MAX_BYTES)
        arguments.check_number("seconds", seconds, 256)
        self._registry.act("Identities", "setAttribute", short_bytes(name), value, seconds)

    def revoke_attribute(self, name: str, value: bytes) -> None:
        arguments.check_bytes("value", value, ATTRIBUTE_MAX_BYTES)
        self._registry.act("Identities", "revokeAttribute", short_bytes(name), value)

    def cancel(self, nonce: int) -> None:
        arguments.check_number("nonce", nonce, 256)
        self._registry.act("Identities", "cancel", nonce)

    def is_used(self, identity: Address, nonce: int) -> bool:
        arguments.check_address("identity", identity)
        arguments.check_number("nonce", nonce, 256)
        return bool(self._registry.read("Identities", "isUsed", identity, nonce))

    def submit(self, signed: SignedMessage) -> None:
        change = check_change(signed, self.domain)
        signatures = signatures_of_change(signed, self.owner(Address(change.identity)))
        self._registry.send("Identities", change.FUNCTION, *change.arguments(), *signatures)

    def _asked(self, function: str, identity: Address, account: Address) -> bool:
        arguments.check_address("identity", identity)
        arguments.check_address("account", account)
        return bool(self._registry.read("Identities", function, identity, account))

    def _events(self) -> list[AuditEvent]:
        return self._registry.events_of("Identities", *EVENTS)
