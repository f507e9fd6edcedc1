# pragma version 0.4.3
# pragma evm-version prague
"""
@title Relay
@license Apache-2.0
@notice Takes messages that members and patients signed with no network, from anybody, and acts on them.
@dev The messages are EIP-712 structs (`signature`, docs/registry.md). What they do is checked by the contract that does
     it; here it is checked who said so. Rules, cited by number where they are kept:
  1. A message counts on this chain and for this contract only, when it is signed by the one who speaks for its actor:
     the owner of the actor's identity at that time, never a delegate.
  2. It counts once, up to its last second. Its number is any that this actor has not used: who signs with no network
     cannot know the last one. Who speaks for the actor can use a number up without acting.
  3. A message to lift a freeze names the freeze, and lifts no later one. A message to release a model in spite of
     objections says how many there are, and is not about more.
  4. What is refused, here or by the contract that acts, uses up nothing.
  5. Nothing else is kept, and Relay acts on nothing but a signature: contracts take its word for the actor.
"""

import signature as signatures
import Identities
import Studies
import Permits
import Members
import Rules
import Consents
import Releases

VOTE: constant(bytes32) = keccak256(
    "Vote(address actor,uint64 study,bool approve,bytes32 conditionsHash,bytes32 reasonHash,uint256 nonce,uint64 deadline)"
)
RECUSAL: constant(bytes32) = keccak256(
    "Recusal(address actor,uint64 study,bytes32 reasonHash,uint256 nonce,uint64 deadline)"
)
AGREEMENT: constant(bytes32) = keccak256(
    "Agreement(address actor,uint64 study,bytes32 conditions,uint256 nonce,uint64 deadline)"
)
ACCEPTANCE: constant(bytes32) = keccak256(
    "Acceptance(address actor,uint64 study,bytes32 dataset,uint256 nonce,uint64 deadline)"
)
FREEZE: constant(bytes32) = keccak256(
    "Freeze(address actor,uint64 permit,uint64 duration,bytes32 reasonHash,uint256 nonce,uint64 deadline)"
)
LIFT: constant(bytes32) = keccak256("Lift(address actor,uint64 permit,uint64 freeze,uint256 nonce,uint64 deadline)")
REVOCATION: constant(bytes32) = keccak256(
    "Revocation(address actor,uint64 permit,bytes32 reasonHash,uint256 nonce,uint64 deadline)"
)
WITHDRAWAL: constant(bytes32) = keccak256(
    "Withdrawal(address actor,uint64 permit,bytes32 dataset,uint256 nonce,uint64 deadline)"
)
MEMBER_SUPPORT: constant(bytes32) = keccak256(
    "MemberSupport(address actor,uint64 proposal,uint256 nonce,uint64 deadline)"
)
RULE_SUPPORT: constant(bytes32) = keccak256(
    "RuleSupport(address actor,uint64 proposal,uint256 nonce,uint64 deadline)"
)
PAUSE: constant(bytes32) = keccak256(
    "Pause(address actor,uint64 pause,bytes32 reasonHash,uint256 nonce,uint64 deadline)"
)
RESUME: constant(bytes32) = keccak256("Resume(address actor,uint64 pause,uint256 nonce,uint64 deadline)")
CONSENT_GRANT: constant(bytes32) = keccak256(
    "ConsentGrant(address actor,bytes32 dataset,uint64 purposes,uint64 categories,address[] recipients,uint64 validFrom,uint64 validUntil,uint64 sequence,uint256 nonce,uint64 deadline)"
)
CONSENT_REVOCATION: constant(bytes32) = keccak256(
    "ConsentRevocation(address actor,bytes32 dataset,uint64 sequence,uint256 nonce,uint64 deadline)"
)

RELEASE: constant(bytes32) = keccak256(
    "Release(address actor,uint64 permit,bytes32 modelHash,uint64 evaluatedRound,bytes32 cardHash,bytes32 evidenceHash,uint256 nonce,uint64 deadline)"
)
OBJECTION: constant(bytes32) = keccak256(
    "Objection(address actor,uint64 permit,bytes32 modelHash,bytes32 reasonHash,uint256 nonce,uint64 deadline)"
)
CONFIRMATION: constant(bytes32) = keccak256(
    "Confirmation(address actor,uint64 permit,bytes32 modelHash,uint64 objections,uint256 nonce,uint64 deadline)"
)
RELEASE_WITHDRAWAL: constant(bytes32) = keccak256(
    "ReleaseWithdrawal(address actor,uint64 permit,bytes32 modelHash,uint256 nonce,uint64 deadline)"
)


event MessageRelayed:
    actor: indexed(address)
    digest: indexed(bytes32)
    nonce: uint256


event NonceCancelled:
    actor: indexed(address)
    nonce: uint256


IDENTITIES: immutable(Identities.__interface__)
STUDIES: immutable(Studies.__interface__)
PERMITS: immutable(Permits.__interface__)
MEMBERS: immutable(Members.__interface__)
RULES: immutable(Rules.__interface__)
CONSENTS: immutable(Consents.__interface__)
RELEASES: immutable(Releases.__interface__)

_used: HashMap[address, HashMap[uint256, bool]]


@deploy
def __init__(
    identities: address,
    studies: address,
    permits: address,
    members: address,
    rules: address,
    consents: address,
    releases: address,
):
    IDENTITIES = Identities.__interface__(identities)
    STUDIES = Studies.__interface__(studies)
    PERMITS = Permits.__interface__(permits)
    MEMBERS = Members.__interface__(members)
    RULES = Rules.__interface__(rules)
    CONSENTS = Consents.__interface__(consents)
    RELEASES = Releases.__interface__(releases)


@external
def vote(
    actor: address,
    study: uint64,
    approve: bool,
    conditionsHash: bytes32,
    reasonHash: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(
        abi_encode(VOTE, actor, study, approve, conditionsHash, reasonHash, nonce, deadline)
    )
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall STUDIES.vote(actor, study, approve, conditionsHash, reasonHash)  # 4


@external
def recuse(
    actor: address,
    study: uint64,
    reasonHash: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(RECUSAL, actor, study, reasonHash, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall STUDIES.recuse(actor, study, reasonHash)


@external
def agree(
    actor: address,
    study: uint64,
    conditions: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(AGREEMENT, actor, study, conditions, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall STUDIES.agree(actor, study, conditions)


@external
def accept(
    actor: address,
    study: uint64,
    dataset: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(ACCEPTANCE, actor, study, dataset, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall STUDIES.accept(actor, study, dataset)


@external
def freeze(
    actor: address,
    permit: uint64,
    duration: uint64,
    reasonHash: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(FREEZE, actor, permit, duration, reasonHash, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall PERMITS.freeze(actor, permit, duration, reasonHash)


@external
def voteLift(
    actor: address,
    permit: uint64,
    freeze: uint64,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(LIFT, actor, permit, freeze, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    current: Permits.Permit = staticcall PERMITS.permit(permit)
    assert freeze == current.freezes, "FREEZE_NOT_CURRENT"  # 3
    extcall PERMITS.voteLift(actor, permit)


@external
def voteRevoke(
    actor: address,
    permit: uint64,
    reasonHash: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(REVOCATION, actor, permit, reasonHash, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall PERMITS.voteRevoke(actor, permit, reasonHash)


@external
def withdraw(
    actor: address,
    permit: uint64,
    dataset: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(WITHDRAWAL, actor, permit, dataset, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall PERMITS.withdraw(actor, permit, dataset)


@external
def supportMember(
    actor: address,
    proposal: uint64,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(MEMBER_SUPPORT, actor, proposal, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall MEMBERS.support(actor, proposal)


@external
def supportRule(
    actor: address,
    proposal: uint64,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(RULE_SUPPORT, actor, proposal, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall RULES.support(actor, proposal)


@external
def votePause(
    actor: address,
    pause: uint64,
    reasonHash: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(PAUSE, actor, pause, reasonHash, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall RULES.votePause(actor, pause, reasonHash)


@external
def voteResume(
    actor: address,
    pause: uint64,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(RESUME, actor, pause, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall RULES.voteResume(actor, pause)


@external
def grantConsent(
    actor: address,
    dataset: bytes32,
    purposes: uint64,
    categories: uint64,
    recipients: DynArray[address, 8],
    validFrom: uint64,
    validUntil: uint64,
    sequence: uint64,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    # EIP-712 hashes an array's elements, one word each: its ABI encoding without offset and length.
    packed: Bytes[320] = abi_encode(recipients)
    structHash: bytes32 = keccak256(
        abi_encode(
            CONSENT_GRANT,
            actor,
            dataset,
            purposes,
            categories,
            keccak256(slice(packed, 64, 32 * len(recipients))),
            validFrom,
            validUntil,
            sequence,
            nonce,
            deadline,
        )
    )
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall CONSENTS.grant(actor, dataset, purposes, categories, recipients, validFrom, validUntil, sequence)


@external
def revokeConsent(
    actor: address,
    dataset: bytes32,
    sequence: uint64,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(CONSENT_REVOCATION, actor, dataset, sequence, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall CONSENTS.revoke(actor, dataset, sequence)


@external
def release(
    actor: address,
    permit: uint64,
    modelHash: bytes32,
    evaluatedRound: uint64,
    cardHash: bytes32,
    evidenceHash: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(
        abi_encode(RELEASE, actor, permit, modelHash, evaluatedRound, cardHash, evidenceHash, nonce, deadline)
    )
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall RELEASES.release(actor, permit, modelHash, evaluatedRound, cardHash, evidenceHash)


@external
def object(
    actor: address,
    permit: uint64,
    modelHash: bytes32,
    reasonHash: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(OBJECTION, actor, permit, modelHash, reasonHash, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall RELEASES.object(actor, permit, modelHash, reasonHash)


@external
def voteConfirm(
    actor: address,
    permit: uint64,
    modelHash: bytes32,
    objections: uint64,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(CONFIRMATION, actor, permit, modelHash, objections, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    assert objections == staticcall RELEASES.objectionCount(permit, modelHash), "OBJECTIONS_CHANGED"  # 3
    extcall RELEASES.voteConfirm(actor, permit, modelHash)


@external
def withdrawRelease(
    actor: address,
    permit: uint64,
    modelHash: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    structHash: bytes32 = keccak256(abi_encode(RELEASE_WITHDRAWAL, actor, permit, modelHash, nonce, deadline))
    self._spend(actor, structHash, nonce, deadline, signature)
    extcall RELEASES.withdraw(actor, permit, modelHash)


@external
def cancel(actor: address, nonce: uint256):
    """
    @notice Use a number up, so that what was signed with it never counts.
    """
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 2
    self._use(actor, nonce)
    log NonceCancelled(actor=actor, nonce=nonce)


@internal
def _spend(
    actor: address,
    structHash: bytes32,
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    """
    @notice Use up the number of a message that speaks for its actor.
    """
    digest: bytes32 = signatures.digest(structHash)  # 1
    owner: address = staticcall IDENTITIES.identityOwner(actor)
    assert signatures.isSigned(owner, digest, signature), "SIGNATURE_INVALID"  # 1
    assert block.timestamp <= convert(deadline, uint256), "SIGNATURE_EXPIRED"  # 2
    self._use(actor, nonce)
    log MessageRelayed(actor=actor, digest=digest, nonce=nonce)  # 5


@internal
def _use(actor: address, nonce: uint256):
    assert not self._used[actor][nonce], "NONCE_USED"  # 2
    self._used[actor][nonce] = True


@external
@view
def isUsed(actor: address, nonce: uint256) -> bool:
    return self._used[actor][nonce]
