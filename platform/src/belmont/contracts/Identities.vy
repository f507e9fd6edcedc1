# pragma version 0.4.3
# pragma evm-version prague
"""
@title Identities
@license Apache-2.0
@notice Who speaks for an account: owner, delegates and attributes (ERC-1056). Everybody has an identity from the
        start; nothing is registered.
@dev Storage, events and unsigned functions are those of ERC-1056, so that did:ethr resolvers read them. ERC-1056's own
     signed functions name no chain; here they are EIP-712 messages (`signature`).
     Rules, cited by number where they are kept:
  1. An identity's owner is its own account, until the owner names another.
  2. Only the owner changes anything: by a transaction, or by a signed message that anybody sends, with a number that
     this identity has not used and a last second at which it counts. Delegates change nothing.
  3. There is always an owner. The new one is an account that could sign: not the zero address, not a contract of ours
     that signs nothing. With a signed change it also signs the same message, so that nobody is locked out by a
     mistyped address; a change by transaction takes the owner's word for it, as ERC-1056 does.
  4. An owner that was replaced never comes back: what its key signed before is never valid again.
  5. A delegate has a type and a last second, ten years off at most. An identity has at most 16 that are valid. A
     change of owner revokes them all: a stolen key leaves none behind.
  6. The owner speaks for an identity, and so does the contract Relay, which asks for the owner's signature. A delegate
     of type sigAuth that is valid now works for it as well.
  7. Every event names the block of the one before it, so that an identity's history is found without an index.
"""

import signature as signatures

VALIDITY_MAX_SECONDS: constant(uint256) = 10 * 365 * 24 * 3600
DELEGATES_MAX: constant(uint256) = 16
SIG_AUTH: constant(bytes32) = 0x7369674175746800000000000000000000000000000000000000000000000000
CHANGE_OWNER: constant(bytes32) = keccak256(
    "ChangeOwner(address identity,address newOwner,uint256 nonce,uint64 deadline)"
)
ADD_DELEGATE: constant(bytes32) = keccak256(
    "AddDelegate(address identity,bytes32 delegateType,address delegate,uint256 validity,uint256 nonce,uint64 deadline)"
)
REVOKE_DELEGATE: constant(bytes32) = keccak256(
    "RevokeDelegate(address identity,bytes32 delegateType,address delegate,uint256 nonce,uint64 deadline)"
)
SET_ATTRIBUTE: constant(bytes32) = keccak256(
    "SetAttribute(address identity,bytes32 name,bytes value,uint256 validity,uint256 nonce,uint64 deadline)"
)
REVOKE_ATTRIBUTE: constant(bytes32) = keccak256(
    "RevokeAttribute(address identity,bytes32 name,bytes value,uint256 nonce,uint64 deadline)"
)


struct Delegation:
    delegateType: bytes32
    delegate: address


event DIDOwnerChanged:
    identity: indexed(address)
    owner: address
    previousChange: uint256


event DIDDelegateChanged:
    identity: indexed(address)
    delegateType: bytes32
    delegate: address
    validTo: uint256
    previousChange: uint256


event DIDAttributeChanged:
    identity: indexed(address)
    name: bytes32
    value: Bytes[512]
    validTo: uint256
    previousChange: uint256


event NonceUsed:
    actor: indexed(address)
    nonce: uint256


RELAY: immutable(address)

owners: public(HashMap[address, address])
delegates: public(HashMap[address, HashMap[bytes32, HashMap[address, uint256]]])
changed: public(HashMap[address, uint256])
_replaced: HashMap[address, HashMap[address, bool]]
_delegations: HashMap[address, DynArray[Delegation, DELEGATES_MAX]]
_used: HashMap[address, HashMap[uint256, bool]]


@deploy
def __init__(relay: address):
    RELAY = relay


@external
def changeOwner(identity: address, newOwner: address):
    self._checkOwner(identity)  # 2
    self._changeOwner(identity, newOwner)


@external
def changeOwnerSigned(
    identity: address,
    newOwner: address,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
    newSignature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    """
    @param newSignature The new owner's, of the same message.
    """
    structHash: bytes32 = keccak256(abi_encode(CHANGE_OWNER, identity, newOwner, nonce, deadline))
    digest: bytes32 = self._spend(identity, structHash, nonce, deadline, signature)  # 2
    assert signatures.isSigned(newOwner, digest, newSignature), "SIGNATURE_INVALID"  # 3
    self._changeOwner(identity, newOwner)


@external
def addDelegate(identity: address, delegateType: bytes32, delegate: address, validity: uint256):
    """
    @param validity How long, in seconds from now.
    """
    self._checkOwner(identity)  # 2
    self._addDelegate(identity, delegateType, delegate, validity)


@external
def addDelegateSigned(
    identity: address,
    delegateType: bytes32,
    delegate: address,
    validity: uint256,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(
        abi_encode(ADD_DELEGATE, identity, delegateType, delegate, validity, nonce, deadline)
    )
    self._spend(identity, structHash, nonce, deadline, signature)  # 2
    self._addDelegate(identity, delegateType, delegate, validity)


@external
def revokeDelegate(identity: address, delegateType: bytes32, delegate: address):
    self._checkOwner(identity)  # 2
    self._revokeDelegate(identity, delegateType, delegate)


@external
def revokeDelegateSigned(
    identity: address,
    delegateType: bytes32,
    delegate: address,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(REVOKE_DELEGATE, identity, delegateType, delegate, nonce, deadline))
    self._spend(identity, structHash, nonce, deadline, signature)  # 2
    self._revokeDelegate(identity, delegateType, delegate)


@external
def setAttribute(identity: address, name: bytes32, content: Bytes[512], validity: uint256):
    """
    @param validity How long, in seconds from now.
    """
    self._checkOwner(identity)  # 2
    self._setAttribute(identity, name, content, validity)


@external
def setAttributeSigned(
    identity: address,
    name: bytes32,
    content: Bytes[512],
    validity: uint256,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(
        abi_encode(SET_ATTRIBUTE, identity, name, keccak256(content), validity, nonce, deadline)
    )
    self._spend(identity, structHash, nonce, deadline, signature)  # 2
    self._setAttribute(identity, name, content, validity)


@external
def revokeAttribute(identity: address, name: bytes32, content: Bytes[512]):
    self._checkOwner(identity)  # 2
    self._logAttribute(identity, name, content, 0)


@external
def revokeAttributeSigned(
    identity: address,
    name: bytes32,
    content: Bytes[512],
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(
        abi_encode(REVOKE_ATTRIBUTE, identity, name, keccak256(content), nonce, deadline)
    )
    self._spend(identity, structHash, nonce, deadline, signature)  # 2
    self._logAttribute(identity, name, content, 0)


@external
def cancel(identity: address, nonce: uint256):
    """
    @notice Use a nonce up, so that what was signed with it never counts.
    """
    self._checkOwner(identity)  # 2
    self._use(identity, nonce)


@internal
@view
def _checkOwner(identity: address):
    assert msg.sender == self._owner(identity), "NOT_THE_OWNER"


@internal
def _spend(
    identity: address,
    structHash: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
) -> bytes32:
    """
    @notice Use up the nonce of a message that the owner signed; a refusal later on gives it back.
    """
    digest: bytes32 = signatures.digest(structHash)
    assert signatures.isSigned(self._owner(identity), digest, signature), "SIGNATURE_INVALID"
    assert block.timestamp <= convert(deadline, uint256), "SIGNATURE_EXPIRED"
    self._use(identity, nonce)
    return digest


@internal
def _use(identity: address, nonce: uint256):
    assert not self._used[identity][nonce], "NONCE_USED"
    self._used[identity][nonce] = True
    log NonceUsed(actor=identity, nonce=nonce)


@internal
def _changeOwner(identity: address, newOwner: address):
    owner: address = self._owner(identity)
    assert newOwner != empty(address) and newOwner != self and newOwner != RELAY, "OWNER_INVALID"  # 3
    assert newOwner != owner and not self._replaced[identity][newOwner], "OWNER_REPLACED"  # 4
    for each: Delegation in self._delegations[identity]:
        if self._isValid(identity, each.delegateType, each.delegate):
            self._logDelegate(identity, each.delegateType, each.delegate, block.timestamp)  # 5
    self._delegations[identity] = []
    self._replaced[identity][owner] = True  # 4
    self.owners[identity] = newOwner
    log DIDOwnerChanged(identity=identity, owner=newOwner, previousChange=self.changed[identity])  # 7
    self.changed[identity] = block.number


@internal
def _addDelegate(identity: address, delegateType: bytes32, delegate: address, validity: uint256):
    assert delegate != empty(address), "ACCOUNT_MISSING"
    assert validity >= 1 and validity <= VALIDITY_MAX_SECONDS, "VALIDITY_INVALID"  # 5
    kept: DynArray[Delegation, DELEGATES_MAX] = []
    for each: Delegation in self._delegations[identity]:
        same: bool = each.delegateType == delegateType and each.delegate == delegate
        if not same and self._isValid(identity, each.delegateType, each.delegate):
            kept.append(each)
    assert len(kept) < DELEGATES_MAX, "DELEGATES_FULL"  # 5
    kept.append(Delegation(delegateType=delegateType, delegate=delegate))
    self._delegations[identity] = kept
    self._logDelegate(identity, delegateType, delegate, block.timestamp + validity)


@internal
def _revokeDelegate(identity: address, delegateType: bytes32, delegate: address):
    # Also one that was never added, as in ERC-1056: revoking only ever takes away.
    self._logDelegate(identity, delegateType, delegate, block.timestamp)


@internal
def _logDelegate(identity: address, delegateType: bytes32, delegate: address, validTo: uint256):
    self.delegates[identity][keccak256(delegateType)][delegate] = validTo
    log DIDDelegateChanged(
        identity=identity,
        delegateType=delegateType,
        delegate=delegate,
        validTo=validTo,
        previousChange=self.changed[identity],  # 7
    )
    self.changed[identity] = block.number


@internal
def _setAttribute(identity: address, name: bytes32, content: Bytes[512], validity: uint256):
    assert validity >= 1 and validity <= VALIDITY_MAX_SECONDS, "VALIDITY_INVALID"
    self._logAttribute(identity, name, content, block.timestamp + validity)


@internal
def _logAttribute(identity: address, name: bytes32, content: Bytes[512], validTo: uint256):
    log DIDAttributeChanged(
        identity=identity, name=name, value=content, validTo=validTo, previousChange=self.changed[identity]
    )
    self.changed[identity] = block.number  # 7


@internal
@view
def _owner(identity: address) -> address:
    owner: address = self.owners[identity]
    if owner != empty(address):
        return owner
    return identity  # 1


@internal
@view
def _isValid(identity: address, delegateType: bytes32, delegate: address) -> bool:
    return self.delegates[identity][keccak256(delegateType)][delegate] > block.timestamp  # 5


@internal
@view
def _speaksFor(actor: address, sender: address) -> bool:
    return sender == self._owner(actor) or sender == RELAY  # 6


@external
@view
def identityOwner(identity: address) -> address:
    return self._owner(identity)


@external
@view
def validDelegate(identity: address, delegateType: bytes32, delegate: address) -> bool:
    return self._isValid(identity, delegateType, delegate)


@external
@view
def speaksFor(actor: address, sender: address) -> bool:
    """
    @notice Whether the sender decides for the actor: votes, acceptances, registrations.
    """
    return self._speaksFor(actor, sender)


@external
@view
def worksFor(actor: address, sender: address) -> bool:
    """
    @notice Whether the sender does routine work for the actor: openings, records, versions.
    """
    return self._speaksFor(actor, sender) or self._isValid(actor, SIG_AUTH, sender)  # 6


@external
@view
def isUsed(identity: address, nonce: uint256) -> bool:
    return self._used[identity][nonce]
