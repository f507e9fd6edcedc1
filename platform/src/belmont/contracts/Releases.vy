# pragma version 0.4.3
# pragma evm-version prague
"""
@title Releases
@license Apache-2.0
@notice Models that leave the consortium: announced by the data user with the hashes of the model's card and of the
        evidence of its output check, open to objection for a while, and released once nothing stands against it.
@dev Rules, cited by number where they are kept:
  1. Only the permit's data user announces a model for release, while an active data user, once for each permit and
     model, with a card and evidence.
  2. The permit is issued, no permit of its line is revoked, the newest of its line is not frozen, and the consortium is
     not paused. Whether it expired or was superseded is not checked: both end computing, and what was computed before
     is often published after.
  3. The model is the one that a round of this permit was opened with, and at least the approved minimum of hospitals
     recorded that round: they evaluated it.
  4. An active member of the ethics board, or the active holder of a dataset that the permit names, objects alone and
     once. A dataset that was withdrawn or destroyed since counts too: the model may come from it. Objections are open
     for as long as the consortium's rules said at the announcement, and after that while nobody has objected and a
     freeze or a pause holds the release back.
  5. Who left stands against a release as an objection does: the data user, once no active one; a dataset that recorded
     the round, once the permit does not cover it. Whoever could have objected for it may not be there any more.
  6. Where nothing stands against it, a model is released once the time for objections is over, with no transaction. A
     freeze or a pause holds it back for as long as it lasts.
  7. Where something stands against it, only the quorum of the ethics board releases it, after the time for objections:
     all of them are known then. Everyone votes once, but for who took no part in the vote on the study. A vote counts
     while its voter is an active member of the board: votes are counted anew at every vote, against the quorum of the
     board at that time. When a smaller board makes the votes that stand enough, anyone has them counted.
  8. Anyone settles a release that nothing stands against. What was settled, or released by the board, is final: what
     leaves or is frozen afterwards does not change it.
  9. The data user withdraws a release at any time, for good. The revocation of a permit of the line withdraws all of
     its releases, settled ones too.
 10. Who acts says so first, and the contract Identities knows whether the sender may act for it; no delegate may.
"""

import Identities
import Members
import Datasets
import Studies
import Permits
import Uses
import Rules

DATA_HOLDER: constant(uint8) = 1
DATA_USER: constant(uint8) = 2
ETHICS_BOARD: constant(uint8) = 4
NOT_ANNOUNCED: constant(uint8) = 0
ANNOUNCED: constant(uint8) = 1
OBJECTED: constant(uint8) = 2
RELEASED: constant(uint8) = 3
WITHDRAWN: constant(uint8) = 4
LINE_MAX: constant(uint256) = 256


struct Release:
    evaluatedRound: uint64
    cardHash: bytes32
    evidenceHash: bytes32
    announcedAt: uint64
    objectionsUntil: uint64
    releasedAt: uint64  # 0 until it is settled, or released by the board
    withdrawnAt: uint64  # 0 unless its data user withdrew it


event ModelReleased:
    actor: indexed(address)
    permit: indexed(uint64)
    modelHash: indexed(bytes32)
    evaluatedRound: uint64
    cardHash: bytes32
    evidenceHash: bytes32
    objectionsUntil: uint64


event ReleaseObjected:
    actor: indexed(address)
    permit: indexed(uint64)
    modelHash: indexed(bytes32)
    reasonHash: bytes32


event ConfirmationSupported:
    actor: indexed(address)
    permit: indexed(uint64)
    modelHash: indexed(bytes32)


event ReleaseConfirmed:
    actor: indexed(address)
    permit: indexed(uint64)
    modelHash: indexed(bytes32)


event ReleaseSettled:
    actor: indexed(address)
    permit: indexed(uint64)
    modelHash: indexed(bytes32)


event ReleaseWithdrawn:
    actor: indexed(address)
    permit: indexed(uint64)
    modelHash: indexed(bytes32)


IDENTITIES: immutable(Identities.__interface__)
MEMBERS: immutable(Members.__interface__)
DATASETS: immutable(Datasets.__interface__)
STUDIES: immutable(Studies.__interface__)
PERMITS: immutable(Permits.__interface__)
USES: immutable(Uses.__interface__)
RULES: immutable(Rules.__interface__)

# By permit and model.
_releases: HashMap[uint64, HashMap[bytes32, Release]]
_objections: HashMap[uint64, HashMap[bytes32, DynArray[address, 256]]]
_confirmations: HashMap[uint64, HashMap[bytes32, DynArray[address, 256]]]


@deploy
def __init__(
    identities: address,
    members: address,
    datasets: address,
    studies: address,
    permits: address,
    uses: address,
    rules: address,
):
    IDENTITIES = Identities.__interface__(identities)
    MEMBERS = Members.__interface__(members)
    DATASETS = Datasets.__interface__(datasets)
    STUDIES = Studies.__interface__(studies)
    PERMITS = Permits.__interface__(permits)
    USES = Uses.__interface__(uses)
    RULES = Rules.__interface__(rules)


@external
def release(
    actor: address,
    permit: uint64,
    modelHash: bytes32,
    evaluatedRound: uint64,
    cardHash: bytes32,
    evidenceHash: bytes32,
):
    """
    @notice Announce a model for release.
    @param evaluatedRound The round that was opened with this model.
    @param cardHash The model's card.
    @param evidenceHash What the output check found.
    """
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    self._checkPermit(permit)  # 2
    limits: Studies.Limits = staticcall STUDIES.limits(permit)
    assert actor == limits.dataUser, "NOT_THE_APPLICANT"  # 1
    assert staticcall MEMBERS.isActive(actor, DATA_USER), "DATA_USER_INACTIVE"  # 1
    assert self._releases[permit][modelHash].announcedAt == 0, "RELEASE_EXISTS"  # 1
    assert cardHash != empty(bytes32) and evidenceHash != empty(bytes32), "HASH_MISSING"  # 1
    evaluated: Uses.RoundState = staticcall USES.roundState(permit, evaluatedRound)
    assert evaluated.opened.openedAt != 0, "ROUND_NOT_OPEN"  # 3
    assert evaluated.opened.subjectHash == modelHash, "MODEL_MISMATCH"  # 3
    assert convert(len(evaluated.recorded), uint64) >= limits.minHospitals, "TOO_FEW_HOSPITALS"  # 3
    objectionsUntil: uint64 = self._now() + staticcall RULES.objectionSeconds()  # 4
    self._releases[permit][modelHash] = Release(
        evaluatedRound=evaluatedRound,
        cardHash=cardHash,
        evidenceHash=evidenceHash,
        announcedAt=self._now(),
        objectionsUntil=objectionsUntil,
        releasedAt=0,
        withdrawnAt=0,
    )
    log ModelReleased(
        actor=actor,
        permit=permit,
        modelHash=modelHash,
        evaluatedRound=evaluatedRound,
        cardHash=cardHash,
        evidenceHash=evidenceHash,
        objectionsUntil=objectionsUntil,
    )


@external
def object(actor: address, permit: uint64, modelHash: bytes32, reasonHash: bytes32):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    # Paused or not, frozen or not: this only ever takes away.
    self._checkKnown(permit, modelHash)
    assert self._isInvolved(permit, actor), "NOT_INVOLVED"  # 4
    status: uint8 = self._status(permit, modelHash)
    assert status != WITHDRAWN, "RELEASE_CLOSED"  # 9
    isOpen: bool = self._now() < self._releases[permit][modelHash].objectionsUntil
    assert status == ANNOUNCED or (status == OBJECTED and isOpen), "OBJECTIONS_CLOSED"  # 4
    assert actor not in self._objections[permit][modelHash], "ALREADY_OBJECTED"  # 4
    self._objections[permit][modelHash].append(actor)
    log ReleaseObjected(actor=actor, permit=permit, modelHash=modelHash, reasonHash=reasonHash)


@external
def voteConfirm(actor: address, permit: uint64, modelHash: bytes32):
    """
    @notice Vote to release a model in spite of what stands against it.
    """
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    self._checkContested(permit, modelHash)
    assert staticcall MEMBERS.isActive(actor, ETHICS_BOARD), "NOT_ETHICS_BOARD"  # 7
    assert not staticcall STUDIES.isRecused(permit, actor), "RECUSED"  # 7
    assert actor not in self._confirmations[permit][modelHash], "ALREADY_VOTED"  # 7
    self._confirmations[permit][modelHash].append(actor)
    log ConfirmationSupported(actor=actor, permit=permit, modelHash=modelHash)
    if self._isCarried(permit, modelHash):  # 7
        self._confirm(actor, permit, modelHash)


@external
def tallyConfirm(permit: uint64, modelHash: bytes32):
    """
    @notice Release a model whose votes are enough since the board changed.
    """
    self._checkContested(permit, modelHash)
    assert self._isCarried(permit, modelHash), "VOTE_UNDECIDED"  # 7
    self._confirm(msg.sender, permit, modelHash)


@external
def settle(permit: uint64, modelHash: bytes32):
    """
    @notice Put down for good that a model is released.
    """
    self._checkKnown(permit, modelHash)
    assert self._status(permit, modelHash) == RELEASED, "NOT_RELEASED"  # 8
    assert self._releases[permit][modelHash].releasedAt == 0, "ALREADY_SETTLED"  # 8
    self._releases[permit][modelHash].releasedAt = self._now()
    log ReleaseSettled(actor=msg.sender, permit=permit, modelHash=modelHash)


@external
def withdraw(actor: address, permit: uint64, modelHash: bytes32):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    # Whatever stops the permit: this only ever takes away.
    self._checkKnown(permit, modelHash)
    assert actor == staticcall STUDIES.dataUser(permit), "NOT_THE_APPLICANT"  # 9
    assert staticcall MEMBERS.isActive(actor, DATA_USER), "DATA_USER_INACTIVE"
    assert self._status(permit, modelHash) != WITHDRAWN, "RELEASE_CLOSED"  # 9
    self._releases[permit][modelHash].withdrawnAt = self._now()
    log ReleaseWithdrawn(actor=actor, permit=permit, modelHash=modelHash)


@internal
def _confirm(actor: address, permit: uint64, modelHash: bytes32):
    self._releases[permit][modelHash].releasedAt = self._now()  # 8
    log ReleaseConfirmed(actor=actor, permit=permit, modelHash=modelHash)


@internal
@view
def _checkKnown(permit: uint64, modelHash: bytes32):
    assert self._releases[permit][modelHash].announcedAt != 0, "RELEASE_UNKNOWN"


@internal
@view
def _checkPermit(permit: uint64):
    assert not staticcall RULES.isPaused(), "CONSORTIUM_PAUSED"  # 2
    assert staticcall PERMITS.isIssued(permit), "PERMIT_MISSING"  # 2
    assert not staticcall PERMITS.lineRevoked(permit), "PERMIT_REVOKED"  # 2
    assert not self._isFrozen(permit), "PERMIT_FROZEN"  # 2


@internal
@view
def _checkContested(permit: uint64, modelHash: bytes32):
    """
    @notice The board can vote on the model now.
    """
    self._checkKnown(permit, modelHash)
    self._checkPermit(permit)  # 2
    assert self._status(permit, modelHash) == OBJECTED, "NOT_OBJECTED"  # 7
    assert self._now() >= self._releases[permit][modelHash].objectionsUntil, "OBJECTIONS_OPEN"  # 7


@internal
@view
def _status(permit: uint64, modelHash: bytes32) -> uint8:
    found: Release = self._releases[permit][modelHash]
    if found.announcedAt == 0:
        return NOT_ANNOUNCED
    if found.withdrawnAt != 0 or staticcall PERMITS.lineRevoked(permit):  # 9
        return WITHDRAWN
    if found.releasedAt != 0:  # 8
        return RELEASED
    if len(self._objections[permit][modelHash]) != 0 or self._hasLeft(permit, found.evaluatedRound):
        return OBJECTED  # 7
    if self._now() < found.objectionsUntil:  # 6
        return ANNOUNCED
    if self._isFrozen(permit) or staticcall RULES.isPaused():  # 6
        return ANNOUNCED
    return RELEASED  # 6


@internal
@view
def _hasLeft(permit: uint64, evaluatedRound: uint64) -> bool:
    """
    @notice Whether the data user, or a dataset that recorded the round, is not there any more.
    """
    if not staticcall MEMBERS.isActive(staticcall STUDIES.dataUser(permit), DATA_USER):  # 5
        return True
    uncovered: DynArray[bytes32, 16] = staticcall PERMITS.uncovered(permit)
    evaluated: Uses.RoundState = staticcall USES.roundState(permit, evaluatedRound)
    for dataset: bytes32 in evaluated.recorded:
        if dataset in uncovered:  # 5
            return True
    return False


@internal
@view
def _isFrozen(permit: uint64) -> bool:
    """
    @notice Whether the newest permit of the line is frozen: one that is superseded cannot be.
    """
    newest: uint64 = permit
    for each: uint256 in range(LINE_MAX):
        found: Permits.Permit = staticcall PERMITS.permit(newest)
        if found.supersededBy == 0:
            return self._now() < found.frozenUntil  # 2
        newest = found.supersededBy
    return True  # of a longer line nobody knows


@internal
@view
def _isInvolved(permit: uint64, account: address) -> bool:
    if staticcall MEMBERS.isActive(account, ETHICS_BOARD):  # 4
        return True
    if not staticcall MEMBERS.isActive(account, DATA_HOLDER):  # 4
        return False
    for dataset: bytes32 in staticcall STUDIES.datasets(permit):
        if staticcall DATASETS.holder(dataset) == account:  # 4
            return True
    return False


@internal
@view
def _isCarried(permit: uint64, modelHash: bytes32) -> bool:
    counted: uint64 = 0
    for voter: address in self._confirmations[permit][modelHash]:
        if staticcall MEMBERS.isActive(voter, ETHICS_BOARD):  # 7
            counted += 1
    return counted >= staticcall MEMBERS.boardQuorum()  # 7


@internal
@view
def _now() -> uint64:
    return convert(block.timestamp, uint64)


@external
@view
def status(permit: uint64, modelHash: bytes32) -> uint8:
    """
    @notice 0 none, 1 announced, 2 objected, 3 released, 4 withdrawn.
    """
    return self._status(permit, modelHash)


@external
@view
def record(permit: uint64, modelHash: bytes32) -> Release:
    return self._releases[permit][modelHash]


@external
@view
def objections(permit: uint64, modelHash: bytes32) -> DynArray[address, 256]:
    """
    @notice Who objected, in order.
    """
    return self._objections[permit][modelHash]


@external
@view
def confirmations(permit: uint64, modelHash: bytes32) -> DynArray[address, 256]:
    """
    @notice Who voted to release it in spite of that, in order.
    """
    return self._confirmations[permit][modelHash]


@external
@view
def objectionCount(permit: uint64, modelHash: bytes32) -> uint64:
    return convert(len(self._objections[permit][modelHash]), uint64)
