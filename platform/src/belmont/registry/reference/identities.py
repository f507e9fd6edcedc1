"""The rules of ``Identities.vy``, in its order of checks."""

from itertools import pairwise

from belmont.identity.messages import (
    AddDelegate,
    ChangeOwner,
    IdentityChange,
    RevokeAttribute,
    RevokeDelegate,
    SetAttribute,
)
from belmont.identity.signed_message import KEY_SIGNATURE_BYTES, recover
from belmont.identity.typed_data import Domain, Message
from belmont.registry.limits import DELEGATES_MAX, VALIDITY_MAX_SECONDS
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference.world import World, require
from belmont.registry.types import Address

NOBODY = Address("0x" + "0" * 40)
SIG_AUTH = b"sigAuth".ljust(32, b"\0")


def owner(world: World, identity: Address) -> Address:
    return world.owners.get(identity, identity)


def speaks_for(world: World, actor: Address, sender: Address) -> bool:
    return sender == owner(world, actor)


def works_for(world: World, actor: Address, sender: Address) -> bool:
    return speaks_for(world, actor, sender) or valid_delegate(world, actor, SIG_AUTH, sender)


def valid_delegate(world: World, identity: Address, kind: bytes, delegate: Address) -> bool:
    return world.delegates.get((identity, kind, delegate), 0) > world.now


def is_signed(world: World, signer: Address, digest: bytes, signature: bytes) -> bool:
    """Whether the signature is that of a key, or of as many owners of a wallet as it asks for."""
    if signer not in world.wallets:
        return signer != NOBODY and recover(digest, signature) == signer
    owners, threshold = world.wallets[signer]
    parts = [signature[at : at + KEY_SIGNATURE_BYTES] for at in range(0, len(signature), KEY_SIGNATURE_BYTES)]
    signers = [recover(digest, each) or NOBODY for each in parts]
    ascending = all(int(a, 16) < int(b, 16) for a, b in pairwise(signers))
    return ascending and len(signers) >= threshold and set(signers) <= set(owners)


def spend(world: World, contract: str, domain: Domain, message: Message, actor: Address, signature: bytes) -> None:
    """A message of who speaks for ``actor`` now; its number is used up, if nothing refuses later on."""
    require(is_signed(world, owner(world, actor), message.digest(domain), signature), W.SIGNATURE_INVALID)
    require(world.now <= message.deadline, W.SIGNATURE_EXPIRED)
    use_nonce(world, contract, actor, message.nonce)


def use_nonce(world: World, contract: str, actor: Address, nonce: int) -> None:
    require((contract, actor, nonce) not in world.used_nonces, W.NONCE_USED)
    world.used_nonces[contract, actor, nonce] = True


def cancel(world: World, by: Address, identity: Address, nonce: int) -> None:
    _require_owner(world, by, identity)
    use_nonce(world, "Identities", identity, nonce)
    world.emit("Identities", "NonceUsed", identity, nonce=nonce)


def change(world: World, by: Address, message: IdentityChange) -> None:
    """What an owner does by a transaction; number and deadline of the message do not count."""
    _require_owner(world, by, Address(message.identity))
    _apply(world, message)


def change_signed(
    world: World, domain: Domain, message: IdentityChange, signature: bytes, new_signature: bytes = b""
) -> None:
    """What an owner signed; a new owner signs as well."""
    identity = Address(message.identity)
    spend(world, "Identities", domain, message, identity, signature)
    world.emit("Identities", "NonceUsed", identity, nonce=message.nonce)
    if isinstance(message, ChangeOwner):
        digest = message.digest(domain)
        require(is_signed(world, Address(message.new_owner), digest, new_signature), W.SIGNATURE_INVALID)
    _apply(world, message)


def _require_owner(world: World, by: Address, identity: Address) -> None:
    require(by == owner(world, identity), W.NOT_THE_OWNER)


def _apply(world: World, message: IdentityChange) -> None:
    identity = Address(message.identity)
    match message:
        case ChangeOwner():
            _change_owner(world, identity, Address(message.new_owner))
        case AddDelegate():
            _add_delegate(world, identity, message.delegate_type, Address(message.delegate), message.validity)
        case RevokeDelegate():
            _set_delegate(world, identity, message.delegate_type, Address(message.delegate), world.now)
        case SetAttribute():
            require(1 <= message.validity <= VALIDITY_MAX_SECONDS, W.VALIDITY_INVALID)
            _set_attribute(world, identity, message.name, message.value, world.now + message.validity)
        case RevokeAttribute():
            _set_attribute(world, identity, message.name, message.value, 0)


def _change_owner(world: World, identity: Address, new_owner: Address) -> None:
    # Here no contract has an account that somebody could name.
    require(new_owner != NOBODY, W.OWNER_INVALID)
    before = owner(world, identity)
    require(new_owner != before and (identity, new_owner) not in world.replaced_owners, W.OWNER_REPLACED)
    for kind, delegate in world.delegations.get(identity, ()):
        if valid_delegate(world, identity, kind, delegate):
            _set_delegate(world, identity, kind, delegate, world.now)
    world.delegations[identity] = ()
    world.replaced_owners[identity, before] = True
    world.owners[identity] = new_owner
    _emit(world, identity, "DIDOwnerChanged", owner=new_owner)


def _add_delegate(world: World, identity: Address, kind: bytes, delegate: Address, validity: int) -> None:
    require(delegate != NOBODY, W.ACCOUNT_MISSING)
    require(1 <= validity <= VALIDITY_MAX_SECONDS, W.VALIDITY_INVALID)
    kept = tuple(
        each
        for each in world.delegations.get(identity, ())
        if each != (kind, delegate) and valid_delegate(world, identity, *each)
    )
    require(len(kept) < DELEGATES_MAX, W.DELEGATES_FULL)
    world.delegations[identity] = (*kept, (kind, delegate))
    _set_delegate(world, identity, kind, delegate, world.now + validity)


def _set_delegate(world: World, identity: Address, kind: bytes, delegate: Address, valid_to: int) -> None:
    world.delegates[identity, kind, delegate] = valid_to
    _emit(world, identity, "DIDDelegateChanged", delegate_type=kind, delegate=delegate, valid_to=valid_to)


def _set_attribute(world: World, identity: Address, name: bytes, value: bytes, valid_to: int) -> None:
    _emit(world, identity, "DIDAttributeChanged", name=name, value=value, valid_to=valid_to)


def _emit(world: World, identity: Address, event: str, /, **details: object) -> None:
    previous = world.changed.get(identity, 0)
    world.emit("Identities", event, identity, identity=identity, **details, previous_change=previous)
    world.changed[identity] = world.number
