# pragma version 0.4.3
# pragma evm-version prague
"""
@title Members
@license Apache-2.0
@notice Who belongs to the consortium, and in which roles.
@dev Rules, cited by number where they are kept:
  1. The founders are the first members, and there is one founding. The deployer gets no right, and every contract knows
     those of the others that it calls from the start: nothing is set later.
  2. Every account is admitted once. A removed account can do nothing, and is never admitted again.
  3. A member has a name, a DID and at least one role, and keeps them. A data user does not sit on the ethics board, and
     a lay member does. A mask key is canonical (X25519 ignores the top bit, so it is 0) and no other member's, earlier
     ones and those of removed members included: two masks under one key would not cancel. The key of whoever is
     proposed belongs to that account from then on. A member replaces its own.
  4. The ethics board has as many active members as the consortium's rules ask for (two at least), at the founding and
     after every removal from it. Its quorum is more than the share of its active members that the rules name.
  5. An active member proposes an admission, with the content identifier of the documents of its vetting, or a removal,
     with or without grounds, and supports it by proposing.
  6. Every active member supports a proposal at most once, and nobody supports their own removal.
  7. A proposal is carried out by the support of more active members than the majority of the rules; whoever is to be
     removed is not among them. Supporters are counted anew each time: only those count who are active then. The rules
     above are checked again before it is carried out. When fewer active members make the support that stands enough,
     anyone has it counted.
  8. A proposal is open for as long as the rules said when it was made, and carried out once.
  9. Who acts says so first, and the contract Identities knows whether the sender may act for it; no delegate may.
"""

import Identities
import Rules

ROLES: constant(uint8) = 31  # data holder 1, data user 2, ethics board 4, auditor 8, lay member 16
DATA_USER: constant(uint8) = 2
ETHICS_BOARD: constant(uint8) = 4
LAY: constant(uint8) = 16
ACTIVE: constant(uint8) = 1
REMOVED: constant(uint8) = 2
ADMISSION: constant(uint8) = 1
REMOVAL: constant(uint8) = 2
FOUNDERS_MAX: constant(uint256) = 32
MEMBERS_MAX: constant(uint256) = 256
OTHERS_MAX: constant(uint256) = 16


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
    openUntil: uint64
    executed: bool
    documents: Bytes[64]


event ConsortiumFounded:
    actor: indexed(address)
    name: String[64]
    others: DynArray[address, OTHERS_MAX]


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
    documents: Bytes[64]


event RemovalProposed:
    actor: indexed(address)
    proposal: indexed(uint64)
    account: indexed(address)
    documents: Bytes[64]


event KeysReplaced:
    actor: indexed(address)
    maskKey: bytes32
    nodeKeyHash: bytes32


event ProposalSupported:
    actor: indexed(address)
    proposal: indexed(uint64)


IDENTITIES: immutable(Identities.__interface__)
RULES: immutable(Rules.__interface__)

name: public(String[64])
proposalCount: public(uint64)
activeCount: public(uint64)
boardSize: public(uint64)
_accounts: DynArray[address, 256]
_members: HashMap[address, Member]
_proposals: HashMap[uint64, Proposal]
_profiles: HashMap[uint64, Profile]
# Every mask key that a member ever had, and for whom it was proposed.
_maskKeys: HashMap[bytes32, bool]
_maskKeyOf: HashMap[bytes32, address]
_supporters: HashMap[uint64, DynArray[address, 256]]


@deploy
def __init__(identities: address, rules: address):
    IDENTITIES = Identities.__interface__(identities)
    RULES = Rules.__interface__(rules)


@external
def found(name: String[64], founders: DynArray[Profile, FOUNDERS_MAX], others: DynArray[address, OTHERS_MAX]):
    """
    @notice Found the consortium, in the transaction that creates this contract's proxy.
    @param others The consortium's other contracts, in the order in which they were created.
    """
    assert len(self.name) == 0, "ALREADY_FOUNDED"  # 1
    assert len(name) > 0, "NAME_MISSING"
    self.name = name
    for founder: Profile in founders:  # 1
        self._checkProfile(founder)
        self._admit(msg.sender, founder)
    assert self.boardSize >= staticcall RULES.boardMin(), "BOARD_TOO_SMALL"  # 4
    log ConsortiumFounded(actor=msg.sender, name=name, others=others)


@external
def proposeAdmission(actor: address, profile: Profile, documents: Bytes[64]) -> uint64:
    """
    @param documents Content identifier of what the members read before they vote.
    """
    self._checkMember(actor)  # 5
    self._checkProfile(profile)
    assert len(documents) > 0, "CID_MISSING"  # 5
    proposal: uint64 = self._propose(actor, ADMISSION, profile.account, documents)
    self._profiles[proposal] = profile
    self._maskKeyOf[profile.maskKey] = profile.account  # 3
    log AdmissionProposed(
        actor=actor,
        proposal=proposal,
        account=profile.account,
        name=profile.name,
        roles=profile.roles,
        did=profile.did,
        maskKey=profile.maskKey,
        nodeKeyHash=profile.nodeKeyHash,
        documents=documents,
    )
    return proposal


@external
def proposeRemoval(actor: address, account: address, documents: Bytes[64]) -> uint64:
    """
    @param documents Content identifier of the grounds; it may be empty.
    """
    self._checkMember(actor)  # 5
    assert self._isActive(account, 0), "MEMBER_UNKNOWN"
    assert actor != account, "CONCERNS_ITSELF"  # 6
    proposal: uint64 = self._propose(actor, REMOVAL, account, documents)
    log RemovalProposed(actor=actor, proposal=proposal, account=account, documents=documents)
    return proposal


@external
def replaceKeys(actor: address, maskKey: bytes32, nodeKeyHash: bytes32):
    self._checkMember(actor)  # 3
    if maskKey != self._members[actor].profile.maskKey:
        self._checkMaskKey(maskKey, actor)  # 3
        self._maskKeys[maskKey] = True
    self._members[actor].profile.maskKey = maskKey
    self._members[actor].profile.nodeKeyHash = nodeKeyHash
    log KeysReplaced(actor=actor, maskKey=maskKey, nodeKeyHash=nodeKeyHash)


@external
def support(actor: address, proposal: uint64):
    self._checkMember(actor)
    self._checkOpen(proposal)
    assert actor != self._proposals[proposal].account, "CONCERNS_ITSELF"  # 6
    assert actor not in self._supporters[proposal], "ALREADY_VOTED"  # 6
    self._supporters[proposal].append(actor)
    log ProposalSupported(actor=actor, proposal=proposal)
    if self._isCarried(proposal):  # 7
        self._carryOut(actor, proposal)


@external
def tally(proposal: uint64):
    """
    @notice Carry out a proposal whose support is enough since the members changed.
    """
    self._checkOpen(proposal)
    assert self._isCarried(proposal), "VOTE_UNDECIDED"  # 7
    self._carryOut(msg.sender, proposal)


@internal
@view
def _checkMember(actor: address):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 9
    assert self._isActive(actor, 0), "NOT_MEMBER"


@internal
@view
def _checkOpen(proposal: uint64):
    assert self._proposals[proposal].kind != 0, "PROPOSAL_UNKNOWN"
    assert not self._proposals[proposal].executed, "PROPOSAL_CLOSED"  # 8
    assert self._now() < self._proposals[proposal].openUntil, "PROPOSAL_CLOSED"  # 8


@internal
@view
def _isCarried(proposal: uint64) -> bool:
    counted: uint64 = 0
    for supporter: address in self._supporters[proposal]:
        if self._isActive(supporter, 0):  # 7
            counted += 1
    among: uint64 = self.activeCount
    if self._proposals[proposal].kind == REMOVAL and self._isActive(self._proposals[proposal].account, 0):
        among -= 1  # 7
    return counted >= staticcall RULES.majority(among)  # 7


@internal
def _carryOut(actor: address, proposal: uint64):
    self._proposals[proposal].executed = True  # 8
    if self._proposals[proposal].kind == ADMISSION:
        profile: Profile = self._profiles[proposal]
        self._checkProfile(profile)
        self._admit(actor, profile)
    else:
        self._remove(actor, self._proposals[proposal].account)


@internal
def _propose(actor: address, kind: uint8, account: address, documents: Bytes[64]) -> uint64:
    self.proposalCount += 1
    self._proposals[self.proposalCount] = Proposal(
        kind=kind,
        account=account,
        proposedAt=self._now(),
        openUntil=self._now() + staticcall RULES.proposalSeconds(),  # 8
        executed=False,
        documents=documents,
    )
    self._supporters[self.proposalCount].append(actor)  # 5
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
    assert profile.roles & LAY == 0 or profile.roles & ETHICS_BOARD != 0, "ROLES_CONFLICT"  # 3
    self._checkMaskKey(profile.maskKey, profile.account)
    assert len(self._accounts) < MEMBERS_MAX, "MEMBERS_FULL"


@internal
@view
def _checkMaskKey(maskKey: bytes32, account: address):
    if maskKey != empty(bytes32):
        assert convert(maskKey, uint256) & 128 == 0, "MASK_KEY_INVALID"  # 3
        whose: address = self._maskKeyOf[maskKey]
        assert not self._maskKeys[maskKey] and whose in [empty(address), account], "MASK_KEY_TAKEN"  # 3


@internal
def _admit(actor: address, profile: Profile):
    self._members[profile.account] = Member(profile=profile, status=ACTIVE)
    self._accounts.append(profile.account)
    self._maskKeys[profile.maskKey] = True
    self.activeCount += 1
    if profile.roles & ETHICS_BOARD != 0:
        self.boardSize += 1
    log MemberAdmitted(actor=actor, account=profile.account, name=profile.name, roles=profile.roles)


@internal
def _remove(actor: address, account: address):
    assert self._isActive(account, 0), "MEMBER_UNKNOWN"
    self._members[account].status = REMOVED  # 2
    self.activeCount -= 1
    if self._members[account].profile.roles & ETHICS_BOARD != 0:
        self.boardSize -= 1
        assert self.boardSize >= staticcall RULES.boardMin(), "BOARD_TOO_SMALL"  # 4
    log MemberRemoved(actor=actor, account=account)


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
def areActive(accounts: DynArray[address, 16], role: uint8) -> DynArray[bool, 16]:
    found: DynArray[bool, 16] = []
    for account: address in accounts:
        found.append(self._isActive(account, role))
    return found


@external
@view
def boardQuorum() -> uint64:
    return staticcall RULES.boardQuorum(self.boardSize)  # 4


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
