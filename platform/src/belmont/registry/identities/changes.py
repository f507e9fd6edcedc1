"""What both registries make of a change: checked messages, and events of the audit trail as an identity's history."""

from collections.abc import Sequence
from typing import Any

from belmont.identity.did import parse_did
from belmont.identity.did_document import IdentityEvent, resolve
from belmont.identity.messages import ChangeOwner, IdentityChange
from belmont.identity.signed_message import SignedMessage, Signer
from belmont.identity.typed_data import Domain
from belmont.registry import arguments
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.limits import ATTRIBUTE_MAX_BYTES
from belmont.registry.types import Address, AuditEvent

EVENTS = ("DIDOwnerChanged", "DIDDelegateChanged", "DIDAttributeChanged")


def identity_event(event: AuditEvent) -> IdentityEvent:
    details = event.details
    if event.name == "DIDOwnerChanged":
        return IdentityEvent(event.block, event.timestamp, owner=details["owner"])
    if event.name == "DIDDelegateChanged":
        kind, subject = details["delegate_type"], details["delegate"]
    else:
        kind, subject = details["name"], details["value"]
    return IdentityEvent(event.block, event.timestamp, None, kind, subject, details["valid_to"])


def history(events: Sequence[AuditEvent], identity: Address) -> list[IdentityEvent]:
    """Those changes that are this identity's."""
    return [identity_event(each) for each in events if each.name in EVENTS and each.details["identity"] == identity]


def did_document(did: str, chain_id: int, events: Sequence[AuditEvent], now: int) -> dict[str, Any]:
    where, address = parse_did(did)
    if where != chain_id:
        raise RegistryArgumentError(f"{did} is an identity of chain {where}; this registry is on chain {chain_id}.")
    return resolve(did, history(events, Address(address)), now)


def as_signer(account: Any) -> Signer:
    if not hasattr(account, "unsafe_sign_hash"):
        raise RegistryArgumentError(
            "This account signs transactions only, and this takes a signed message: use one that signs both."
        )
    signer: Signer = account
    return signer


def check_domain(signed: SignedMessage, domain: Domain) -> None:
    """Signed for this chain and contract; the contract would refuse it too, with less to say."""
    if signed.domain != domain:
        raise RegistryArgumentError(
            f"This was signed for {signed.domain.contract} on chain {signed.domain.chain_id}, and not for "
            f"{domain.contract} on chain {domain.chain_id}; relay it there, or have it signed for here."
        )


def check_change(signed: SignedMessage, domain: Domain) -> IdentityChange:
    if not isinstance(signed.message, IdentityChange):
        raise RegistryArgumentError(f"A {type(signed.message).__name__} is no change of an identity; relay it.")
    check_domain(signed, domain)
    arguments.check_bytes("value", getattr(signed.message, "value", b""), ATTRIBUTE_MAX_BYTES)
    return signed.message


def signatures_of_change(signed: SignedMessage, owner: Address) -> tuple[bytes, ...]:
    """What the contract asks for: the owner's signature; of a change of owner also the new one's.

    Where one of the two is a key, the others that signed are the people of the other, a wallet.
    """
    change = signed.message
    if not isinstance(change, ChangeOwner):
        return (signed.signature,)
    keys = {each: signed.signature_of(each) for each in (owner, change.new_owner) if each in signed.signers}
    people = SignedMessage(change, signed.domain, tuple(s for s in signed.signatures if s not in keys.values()))
    if not keys:
        raise RegistryArgumentError(
            "Neither the owner's key nor the new owner's has signed this; add their signatures. From one wallet to "
            "another, have the wallet itself call changeOwner."
        )
    return tuple(keys.get(each) or people.signature for each in (owner, change.new_owner))
