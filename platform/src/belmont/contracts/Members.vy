# pragma version 0.4.3
# pragma evm-version prague
"""
@title Members
@license Apache-2.0
@notice Who belongs to the consortium, and in which roles.
@dev Rules, cited by number where they are kept:
  1. The founders are the first members. The deployer gets no right, and every contract knows those of the
     others that it calls from the start: nothing is set later.
  2. Every account is admitted once. A removed account can do nothing, and is never admitted again.
  3. A member has a name, a DID and at least one role, and keeps them. A data user does not sit on the ethics board.
     A mask key is canonical (X25519 ignores the top bit, so it is 0) and no other member's, removed ones included:
     two masks under one key would not cancel.
  4. The ethics board has at least two active members, at the founding and after every removal. Its quorum is
     n // 2 + 1 of its n active members.
  5. An active member proposes an admission or a removal, and supports it by proposing.
  6. Every active member supports a proposal at most once, and nobody supports their own removal.
  7. A proposal is carried out by the support that makes n // 2 + 1 of the n active members. Supporters are counted
     anew each time: only those count who are active then. The rules are checked again before it is carried out.
     When fewer active members make the support that stands enough, anyone has it counted.
  8. A proposal is open for 30 days, and carried out once.
"""

ROLES: constant(uint8) = 15  # data holder 1, data user 2, ethics board 4, auditor 8
DATA_USER: constant(uint8) = 2
ETHICS_BOARD: constant(uint8) = 4
ACTIVE: constant(uint8) = 1
REMOVED: constant(uint8) = 2
ADMISSION: constant(uint8) = 1
REMOVAL: constant(uint8) = 2
BOARD_MIN: constant(uint64) = 2
FOUNDERS_MAX: constant(uint256) = 32
MEMBERS_MAX: constant(uint256) = 256
PROPOSAL_SECONDS: constant(uint64) = 30 * 24 * 3600


struct Profile:
    account: address
    name: String[64]
    did: String[96]
    maskKey: bytes32
    nodeKeyHash: bytes32
    roles: uint8


struct Member:
    profile: Profile
    status: uint8


struct Proposal:
    kind: uint8
    account: address
    proposedAt: uint64
    executed: bool


event ConsortiumFounded:
    actor: indexed(address)
    name: String[64]
    datasets: address
    studies: address
    permits: address
    uses: address
    verifier: address
    proofs: address
    totals: address


event MemberAdmitted:
    actor: indexed(address)
    account: indexed(address)
    name: String[64]
    roles: uint8


event MemberRemoved:
    actor: indexed(address)
    account: indexed(address)


event AdmissionProposed:
    actor: indexed(address)
    proposal: indexed(uint64)
    account: indexed(address)
    name: String[64]
    roles: uint8
    did: String[96]
    maskKey: bytes32
    nodeKeyHash: bytes32


event RemovalProposed:
    actor: indexed(address)
    proposal: indexed(uint64)
    account: indexed(address)


event ProposalSupported:
    actor: indexed(address)
    proposal: indexed(uint64)


name: public(String[64])
proposalCount: public(uint64)
activeCount: public(uint64)
boardSize: public(uint64)
_accounts: DynArray[address, 256]
_members: HashMap[address, Member]
_proposals: HashMap[uint64, Proposal]
_profiles: HashMap[uint64, Profile]
_maskKeys: HashMap[bytes32, bool]
_supporters: HashMap[uint64, DynArray[address, 256]]


@deploy
def __init__(
    name: String[64],
    founders: DynArray[Profile, FOUNDERS_MAX],
    datasets: address,
    studies: address,
    permits: address,
    uses: address,
    verifier: address,
    proofs: address,
    totals: address,
):
    assert len(name) > 0, "NAME_MISSING"
    self.name = name
    for founder: Profile in founders:  # 1
        self._checkProfile(founder)
        self._admit(founder)
    assert self.boardSize >= BOARD_MIN, "BOARD_TOO_SMALL"  # 4
    log ConsortiumFounded(
        actor=msg.sender,
        name=name,
        datasets=datasets,
        studies=studies,
        permits=permits,
        uses=uses,
        verifier=verifier,
        proofs=proofs,
        totals=totals,
    )


@external
def proposeAdmission(profile: Profile) -> uint64:
    assert self._isActive(msg.sender, 0), "NOT_MEMBER"  # 5
    self._checkProfile(profile)
    proposal: uint64 = self._propose(ADMISSION, profile.account)
    self._profiles[proposal] = profile
    log AdmissionProposed(
        actor=msg.sender,
        proposal=proposal,
        account=profile.account,
        name=profile.name,
        roles=profile.roles,
        did=profile.did,
        maskKey=profile.maskKey,
        nodeKeyHash=profile.nodeKeyHash,
    )
    return proposal


@external
def proposeRemoval(account: address) -> uint64:
    assert self._isActive(msg.sender, 0), "NOT_MEMBER"  # 5
    assert self._isActive(account, 0), "MEMBER_UNKNOWN"
    assert msg.sender != account, "CONCERNS_ITSELF"  # 6
    proposal: uint64 = self._propose(REMOVAL, account)
    log RemovalProposed(actor=msg.sender, proposal=proposal, account=account)
    return proposal


@external
def support(proposal: uint64):
    assert self._isActive(msg.sender, 0), "NOT_MEMBER"
    self._checkOpen(proposal)
    assert msg.sender != self._proposals[proposal].account, "CONCERNS_ITSELF"  # 6
    assert msg.sender not in self._supporters[proposal], "ALREADY_VOTED"  # 6
    self._supporters[proposal].append(msg.sender)
    log ProposalSupported(actor=msg.sender, proposal=proposal)
    if self._isCarried(proposal):  # 7
        self._carryOut(proposal)


@external
def tally(proposal: uint64):
    """
    @notice Carry out a proposal whose support is enough since the members changed.
    """
    self._checkOpen(proposal)
    assert self._isCarried(proposal), "VOTE_UNDECIDED"  # 7
    self._carryOut(proposal)


@internal
@view
def _checkOpen(proposal: uint64):
    assert self._proposals[proposal].kind != 0, "PROPOSAL_UNKNOWN"
    assert not self._proposals[proposal].executed, "PROPOSAL_CLOSED"  # 8
    assert self._now() < self._proposals[proposal].proposedAt + PROPOSAL_SECONDS, "PROPOSAL_CLOSED"  # 8


@internal
@view
def _isCarried(proposal: uint64) -> bool:
    counted: uint64 = 0
    for supporter: address in self._supporters[proposal]:
        if self._isActive(supporter, 0):  # 7
            counted += 1
    return counted >= self.activeCount // 2 + 1  # 7


@internal
def _carryOut(proposal: uint64):
    self._proposals[proposal].executed = True  # 8
    if self._proposals[proposal].kind == ADMISSION:
        profile: Profile = self._profiles[proposal]
        self._checkProfile(profile)
        self._admit(profile)
    else:
        self._remove(self._proposals[proposal].account)


@internal
def _propose(kind: uint8, account: address) -> uint64:
    self.proposalCount += 1
    self._proposals[self.proposalCount] = Proposal(
        kind=kind, account=account, proposedAt=self._now(), executed=False
    )
    self._supporters[self.proposalCount].append(msg.sender)  # 5
    return self.proposalCount


@internal
@view
def _checkProfile(profile: Profile):
    assert profile.account != empty(address), "ACCOUNT_MISSING"
    assert self._members[profile.account].status == 0, "MEMBER_EXISTS"  # 2
    assert len(profile.name) > 0, "NAME_MISSING"  # 3
    assert len(profile.did) > 0, "DID_MISSING"  # 3
    assert profile.roles != 0 and profile.roles <= ROLES, "ROLES_INVALID"  # 3
    both: uint8 = DATA_USER | ETHICS_BOARD
    assert profile.roles & both != both, "ROLES_CONFLICT"  # 3
    if profile.maskKey != empty(bytes32):
        assert convert(profile.maskKey, uint256) & 128 == 0, "MASK_KEY_INVALID"  # 3
        assert not self._maskKeys[profile.maskKey], "MASK_KEY_TAKEN"  # 3
    assert len(self._accounts) < MEMBERS_MAX, "MEMBERS_FULL"


@internal
def _admit(profile: Profile):
    self._members[profile.account] = Member(profile=profile, status=ACTIVE)
    self._accounts.append(profile.account)
    self._maskKeys[profile.maskKey] = True
    self.activeCount += 1
    if profile.roles & ETHICS_BOARD != 0:
        self.boardSize += 1
    log MemberAdmitted(actor=msg.sender, account=profile.account, name=profile.name, roles=profile.roles)


@internal
def _remove(account: address):
    assert self._isActive(account, 0), "MEMBER_UNKNOWN"
    self._members[account].status = REMOVED  # 2
    self.activeCount -= 1
    if self._members[account].profile.roles & ETHICS_BOARD != 0:
        self.boardSize -= 1
        assert self.boardSize >= BOARD_MIN, "BOARD_TOO_SMALL"  # 4
    log MemberRemoved(actor=msg.sender, account=account)


@internal
@view
def _isActive(account: address, role: uint8) -> bool:
    return self._members[account].status == ACTIVE and self._members[account].profile.roles & role == role


@internal
@view
def _now() -> uint64:
    return convert(block.timestamp, uint64)


@external
@view
def isActive(account: address, role: uint8) -> bool:
    """
    @notice Whether the account is an active member that holds the role; role 0 is any.
    """
    return self._isActive(account, role)


@external
@view
def boardQuorum() -> uint64:
    return self.boardSize // 2 + 1  # 4


@external
@view
def accounts() -> DynArray[address, 256]:
    """
    @notice Every account ever admitted, in order.
    """
    return self._accounts


@external
@view
def member(account: address) -> Member:
    return self._members[account]


@external
@view
def proposal(id: uint64) -> Proposal:
    return self._proposals[id]


@external
@view
def supporters(id: uint64) -> DynArray[address, 256]:
    return self._supporters[id]
