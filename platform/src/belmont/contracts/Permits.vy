# pragma version 0.4.3
# pragma evm-version prague
"""
@title Permits
@license Apache-2.0
@notice Data permits: issued from approved studies, and the ways to stop them. A permit has its study's number.
@dev Rules, cited by number where they are kept:
  1. Anyone issues the permit of a study, once, within a year of the application, when the ethics board approved it, the
     holder of every dataset accepted it, its data user agreed to the board's conditions exactly as they are, data user
     and all those holders are active, and none of the datasets is destroyed. The permit of an amendment is issued by its
     data user, who knows when no round is under way.
  2. A permit expires when the study's duration has passed since it was issued. Expired is final.
  3. An active member of the ethics board, or the active holder of a dataset that the permit still covers, freezes
     it at once, alone, for seven days at most from that moment (or less, by the consortium's rules), and once per
     account and permit.
  4. The quorum of the ethics board lifts a freeze early. Votes to lift belong to the newest freeze: another freeze
     needs new votes. Who took no part in the vote on the study has none here, but may freeze, and vote to revoke: that
     only takes away.
  5. The quorum of the ethics board revokes a permit. Revoked is final.
  6. A vote counts while its voter is an active member of the board: votes are counted anew at every vote, against
     the quorum of the board at that time. Everyone votes once on a freeze, and once on revocation. When a smaller
     board makes the votes that stand enough, anyone has them counted.
  7. The active holder of a named dataset withdraws it, alone and for good, also from what comes after in the permit's
     line. A dataset is covered that the permit names, that is not withdrawn or destroyed, and whose holder is active:
     nobody who left counts among the hospitals.
  8. A permit is usable when it is issued, not superseded, not revoked, not expired and not frozen, and while the
     consortium is not paused. Nothing is issued while it is paused.
  9. The permit of an amendment supersedes the permit that it amends, which has to be usable then. Both belong to one
     line, whose openings and budgets are counted on, and whose votes to revoke stand. Superseded is final.
 10. Who acts says so first, and the contract Identities knows whether the sender may act for it; no delegate may.
"""

import Identities
import Members
import Datasets
import Studies
import Rules

DATA_HOLDER: constant(uint8) = 1
DATA_USER: constant(uint8) = 2
ETHICS_BOARD: constant(uint8) = 4
DATASET_DESTROYED: constant(uint8) = 3
STUDY_APPROVED: constant(uint8) = 2
ISSUE_MAX_SECONDS: constant(uint64) = 365 * 24 * 3600


struct Permit:
    issuedAt: uint64
    expiresAt: uint64
    frozenUntil: uint64
    freezes: uint64
    revoked: bool
    line: uint64  # number of the first permit of its line
    supersededBy: uint64  # a permit, 0 for none


event PermitIssued:
    actor: indexed(address)
    permit: indexed(uint64)
    dataUser: indexed(address)
    expiresAt: uint64


event PermitSuperseded:
    actor: indexed(address)
    permit: indexed(uint64)
    supersededBy: uint64


event PermitFrozen:
    actor: indexed(address)
    permit: indexed(uint64)
    until: uint64
    reasonHash: bytes32


event LiftSupported:
    actor: indexed(address)
    permit: indexed(uint64)


event FreezeLifted:
    actor: indexed(address)
    permit: indexed(uint64)


event RevocationSupported:
    actor: indexed(address)
    permit: indexed(uint64)
    reasonHash: bytes32


event PermitRevoked:
    actor: indexed(address)
    permit: indexed(uint64)


event DatasetWithdrawn:
    actor: indexed(address)
    permit: indexed(uint64)
    dataset: indexed(bytes32)


IDENTITIES: immutable(Identities.__interface__)
MEMBERS: immutable(Members.__interface__)
DATASETS: immutable(Datasets.__interface__)
STUDIES: immutable(Studies.__interface__)
RULES: immutable(Rules.__interface__)

_permits: HashMap[uint64, Permit]
_froze: HashMap[uint64, HashMap[address, bool]]
_lifts: HashMap[uint64, HashMap[uint64, DynArray[address, 256]]]
# By line (9).
_revocations: HashMap[uint64, DynArray[address, 256]]
_withdrawn: HashMap[uint64, DynArray[bytes32, 16]]
_isRevoked: HashMap[uint64, bool]


@deploy
def __init__(identities: address, members: address, datasets: address, studies: address, rules: address):
    IDENTITIES = Identities.__interface__(identities)
    RULES = Rules.__interface__(rules)
    MEMBERS = Members.__interface__(members)
    DATASETS = Datasets.__interface__(datasets)
    STUDIES = Studies.__interface__(studies)


@external
def issue(study: uint64) -> uint64:
    assert not staticcall RULES.isPaused(), "CONSORTIUM_PAUSED"  # 8
    found: Studies.Study = staticcall STUDIES.study(study)
    assert found.status != 0, "STUDY_UNKNOWN"
    assert self._permits[study].issuedAt == 0, "PERMIT_EXISTS"  # 1
    assert found.status == STUDY_APPROVED, "STUDY_NOT_APPROVED"  # 1
    assert self._now() < found.proposedAt + ISSUE_MAX_SECONDS, "STUDY_LAPSED"  # 1
    if found.amends != 0:
        assert staticcall IDENTITIES.worksFor(found.dataUser, msg.sender), "NOT_THE_APPLICANT"  # 1
    assert staticcall MEMBERS.isActive(found.dataUser, DATA_USER), "DATA_USER_INACTIVE"  # 1
    assert not staticcall STUDIES.conditionsOpen(study), "CONDITIONS_OPEN"  # 1
    terms: Studies.Terms = staticcall STUDIES.terms(study)
    for dataset: bytes32 in terms.datasets:
        assert staticcall STUDIES.isAccepted(study, dataset), "NOT_ACCEPTED"  # 1
        holder: address = staticcall DATASETS.holder(dataset)
        assert staticcall MEMBERS.isActive(holder, DATA_HOLDER), "DATA_HOLDER_INACTIVE"  # 1
        assert staticcall DATASETS.status(dataset) != DATASET_DESTROYED, "DATASET_DESTROYED"  # 1
    line: uint64 = study
    if found.amends != 0:
        self._checkUsable(found.amends)  # 9
        line = self._permits[found.amends].line
        self._permits[found.amends].supersededBy = study
        log PermitSuperseded(actor=msg.sender, permit=found.amends, supersededBy=study)
    expiresAt: uint64 = self._now() + terms.durationSeconds  # 2
    self._permits[study] = Permit(
        issuedAt=self._now(),
        expiresAt=expiresAt,
        frozenUntil=0,
        freezes=0,
        revoked=False,
        line=line,
        supersededBy=0,
    )
    log PermitIssued(actor=msg.sender, permit=study, dataUser=found.dataUser, expiresAt=expiresAt)
    return study


@external
def freeze(actor: address, permit: uint64, duration: uint64, reasonHash: bytes32):
    """
    @param duration How long, in seconds from now.
    """
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    self._checkAlive(permit)
    assert self._isConcerned(permit, actor), "NOT_CONCERNED"  # 3
    assert duration >= 1 and duration <= staticcall RULES.freezeMaxSeconds(), "FREEZE_INVALID"  # 3
    assert not self._froze[permit][actor], "FREEZE_SPENT"  # 3
    self._froze[permit][actor] = True
    until: uint64 = max(self._permits[permit].frozenUntil, self._now() + duration)
    self._permits[permit].frozenUntil = until
    self._permits[permit].freezes += 1  # 4
    log PermitFrozen(actor=actor, permit=permit, until=until, reasonHash=reasonHash)


@external
def voteLift(actor: address, permit: uint64):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    self._checkAlive(permit)
    assert staticcall MEMBERS.isActive(actor, ETHICS_BOARD), "NOT_ETHICS_BOARD"  # 4
    assert not staticcall STUDIES.isRecused(permit, actor), "RECUSED"  # 4
    assert self._now() < self._permits[permit].frozenUntil, "PERMIT_NOT_FROZEN"
    freeze: uint64 = self._permits[permit].freezes
    assert actor not in self._lifts[permit][freeze], "ALREADY_VOTED"  # 6
    self._lifts[permit][freeze].append(actor)
    log LiftSupported(actor=actor, permit=permit)
    if self._isCarried(self._lifts[permit][freeze]):  # 4
        self._lift(actor, permit)


@external
def voteRevoke(actor: address, permit: uint64, reasonHash: bytes32):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    self._checkAlive(permit)
    assert staticcall MEMBERS.isActive(actor, ETHICS_BOARD), "NOT_ETHICS_BOARD"  # 5
    line: uint64 = self._permits[permit].line
    assert actor not in self._revocations[line], "ALREADY_VOTED"  # 6
    self._revocations[line].append(actor)
    log RevocationSupported(actor=actor, permit=permit, reasonHash=reasonHash)
    if self._isCarried(self._revocations[line]):  # 5
        self._revoke(actor, permit)


@external
def tallyLift(permit: uint64):
    """
    @notice End the current freeze early, whose votes are enough since the board changed.
    """
    self._checkAlive(permit)
    assert self._now() < self._permits[permit].frozenUntil, "PERMIT_NOT_FROZEN"
    freeze: uint64 = self._permits[permit].freezes
    assert self._isCarried(self._lifts[permit][freeze]), "VOTE_UNDECIDED"  # 6
    self._lift(msg.sender, permit)


@external
def tallyRevoke(permit: uint64):
    """
    @notice Revoke a permit whose votes are enough since the board changed.
    """
    self._checkAlive(permit)
    assert self._isCarried(self._revocations[self._permits[permit].line]), "VOTE_UNDECIDED"  # 6
    self._revoke(msg.sender, permit)


@external
def withdraw(actor: address, permit: uint64, dataset: bytes32):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    # A permit that is frozen, expired or revoked can be withdrawn from as well: this only ever takes away.
    assert self._permits[permit].issuedAt != 0, "PERMIT_MISSING"
    withdrawn: DynArray[bytes32, 16] = self._withdrawn[self._permits[permit].line]
    assert staticcall STUDIES.isNamed(permit, dataset) and dataset not in withdrawn, "DATASET_NOT_COVERED"  # 7
    assert actor == staticcall DATASETS.holder(dataset), "NOT_THE_HOLDER"  # 7
    assert staticcall MEMBERS.isActive(actor, DATA_HOLDER), "NOT_DATA_HOLDER"  # 7
    self._withdrawn[self._permits[permit].line].append(dataset)  # 7
    log DatasetWithdrawn(actor=actor, permit=permit, dataset=dataset)


@internal
def _lift(actor: address, permit: uint64):
    self._permits[permit].frozenUntil = 0
    log FreezeLifted(actor=actor, permit=permit)


@internal
def _revoke(actor: address, permit: uint64):
    self._permits[permit].revoked = True
    self._isRevoked[self._permits[permit].line] = True  # 9
    log PermitRevoked(actor=actor, permit=permit)


@internal
@view
def _checkAlive(permit: uint64):
    assert self._permits[permit].issuedAt != 0, "PERMIT_MISSING"  # 8
    assert self._permits[permit].supersededBy == 0, "PERMIT_SUPERSEDED"  # 9
    assert not self._permits[permit].revoked, "PERMIT_REVOKED"  # 5
    assert self._now() < self._permits[permit].expiresAt, "PERMIT_EXPIRED"  # 2


@internal
@view
def _checkUsable(permit: uint64):
    self._checkAlive(permit)
    assert self._now() >= self._permits[permit].frozenUntil, "PERMIT_FROZEN"  # 8


@internal
@view
def _uncovered(permit: uint64, named: DynArray[bytes32, 16]) -> DynArray[bytes32, 16]:
    """
    @notice Of the datasets that a permit names those that it does not cover, in order.
    """
    withdrawn: DynArray[bytes32, 16] = self._withdrawn[self._permits[permit].line]
    holders: DynArray[address, 16] = staticcall DATASETS.liveHolders(named)
    active: DynArray[bool, 16] = staticcall MEMBERS.areActive(holders, DATA_HOLDER)
    found: DynArray[bytes32, 16] = []
    for place: uint256 in range(len(named), bound=16):
        if named[place] in withdrawn or not active[place]:  # 7
            found.append(named[place])
    return found


@internal
@view
def _isConcerned(permit: uint64, account: address) -> bool:
    if staticcall MEMBERS.isActive(account, ETHICS_BOARD):
        return True
    if not staticcall MEMBERS.isActive(account, DATA_HOLDER):
        return False
    withdrawn: DynArray[bytes32, 16] = self._withdrawn[self._permits[permit].line]
    for dataset: bytes32 in staticcall STUDIES.datasets(permit):
        if dataset not in withdrawn and staticcall DATASETS.holder(dataset) == account:
            return True
    return False


@internal
@view
def _isCarried(voters: DynArray[address, 256]) -> bool:
    counted: uint64 = 0
    for voter: address in voters:
        if staticcall MEMBERS.isActive(voter, ETHICS_BOARD):  # 6
            counted += 1
    return counted >= staticcall MEMBERS.boardQuorum()  # 6


@internal
@view
def _now() -> uint64:
    return convert(block.timestamp, uint64)


@external
@view
def checkUsable(permit: uint64) -> bool:
    """
    @notice True, or revert with the reason why the permit is not usable now.
    """
    assert not staticcall RULES.isPaused(), "CONSORTIUM_PAUSED"  # 8
    self._checkUsable(permit)
    return True


@external
@view
def supersededBy(permit: uint64) -> uint64:
    return self._permits[permit].supersededBy


@external
@view
def line(permit: uint64) -> uint64:
    """
    @notice The number of the first permit of this permit's line, under which its uses are counted.
    """
    return self._permits[permit].line


@external
@view
def isIssued(permit: uint64) -> bool:
    return self._permits[permit].issuedAt != 0


@external
@view
def lineRevoked(permit: uint64) -> bool:
    """
    @notice Whether a permit of the same line was revoked.
    """
    return self._isRevoked[self._permits[permit].line]


@external
@view
def places(permit: uint64, datasets: DynArray[bytes32, 16]) -> uint256:
    """
    @notice The places of these datasets in the study's terms, as bits; or revert when the permit does not cover one
            of them, or one is there twice.
    """
    named: DynArray[bytes32, 16] = staticcall STUDIES.datasets(permit)
    uncovered: DynArray[bytes32, 16] = self._uncovered(permit, named)
    places: uint256 = 0
    for dataset: bytes32 in datasets:
        assert dataset not in uncovered, "DATASET_NOT_COVERED"  # 7
        bit: uint256 = 1
        for each: bytes32 in named:
            if each == dataset:
                break
            bit <<= 1
        assert bit < 1 << len(named), "DATASET_NOT_COVERED"
        assert places & bit == 0, "PARTICIPANTS_MISMATCH"
        places |= bit
    return places


@external
@view
def coverage(permit: uint64, dataset: bytes32) -> (uint256, uint256):
    """
    @notice The places of all covered datasets as bits, and that of one of them; or revert when it is not covered.
    """
    named: DynArray[bytes32, 16] = staticcall STUDIES.datasets(permit)
    uncovered: DynArray[bytes32, 16] = self._uncovered(permit, named)
    every: uint256 = 0
    own: uint256 = 0
    bit: uint256 = 1
    for each: bytes32 in named:
        if each not in uncovered:
            every |= bit
            if each == dataset:
                own = bit
        bit <<= 1
    assert own != 0, "DATASET_NOT_COVERED"  # 7
    return every, own


@external
@view
def covered(id: uint64) -> DynArray[bytes32, 16]:
    """
    @notice The datasets that the permit still covers, in the order of the study's terms.
    """
    named: DynArray[bytes32, 16] = staticcall STUDIES.datasets(id)
    uncovered: DynArray[bytes32, 16] = self._uncovered(id, named)
    found: DynArray[bytes32, 16] = []
    for dataset: bytes32 in named:
        if dataset not in uncovered:
            found.append(dataset)
    return found


@external
@view
def uncovered(id: uint64) -> DynArray[bytes32, 16]:
    """
    @notice The datasets that the permit names and does not cover any more, in the order of the study's terms.
    """
    return self._uncovered(id, staticcall STUDIES.datasets(id))


@external
@view
def permit(id: uint64) -> Permit:
    return self._permits[id]
