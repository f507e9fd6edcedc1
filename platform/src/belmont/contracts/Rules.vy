# pragma version 0.4.3
# pragma evm-version prague
"""
@title Rules
@license Apache-2.0
@notice What the consortium can change about itself: the numbers below, the code of its contracts, the redemption of
        credits. And the pause, with which its ethics board stops everything at once.
@dev Rules, cited by number where they are kept:
  1. Each number has a default and bounds that no vote can leave (docs/registry.md has them in a table).
  2. An active member proposes, and supports it by proposing; every active member supports at most once, and takes its
     support back until the proposal is enacted.
  3. A proposal is carried by the support of more active members than the majority asks for. Supporters are counted
     anew each time: only those count who are active then. When fewer active members make the support that stands
     enough, anyone has it counted.
  4. A proposal can be supported for as long as the rules said when it was made.
  5. A carried proposal waits for the delay that was the rule when it was carried. Then anyone has it enacted, once, in
     thirty days, and it is counted once more: without a majority nothing happens. Nothing is enacted after a later
     proposal on the same rule or the same other contract was.
  6. Enacting sets one number, gives one proxy other code (with the hash that it had when it was proposed), or redeems
     credits, and nothing else.
  7. The quorum of the ethics board pauses the consortium at once, for a while that is a rule, and resumes it early.
  8. Pauses are numbered, and votes belong to one. A vote to pause counts for as long as proposals were open when it was
     cast, and while its voter is an active member of the board. When a smaller board makes the votes that stand enough, anyone has
     them counted.
  9. Who acts says so first, and the contract Identities knows whether the sender may act for it; no delegate may.
"""

import Identities

ETHICS_BOARD: constant(uint8) = 4
RULE: constant(uint8) = 1
CODE: constant(uint8) = 2
REDEMPTION: constant(uint8) = 3

BOARD_QUORUM_PERCENT: constant(uint64) = 0
MAJORITY_PERCENT: constant(uint64) = 1
BOARD_MIN: constant(uint64) = 2
LAY_VOTES: constant(uint64) = 3
PROPOSAL_SECONDS: constant(uint64) = 4
DELAY_SECONDS: constant(uint64) = 5
FREEZE_SECONDS: constant(uint64) = 6
PAUSE_SECONDS: constant(uint64) = 7
PATIENTS_PERCENT: constant(uint64) = 8
OBJECTION_SECONDS: constant(uint64) = 9

DAY: constant(uint64) = 24 * 3600
DEFAULTS: constant(uint64[10]) = [50, 50, 2, 0, 30 * DAY, 7 * DAY, 7 * DAY, 30 * DAY, 30, 7 * DAY]
LEAST: constant(uint64[10]) = [50, 50, 2, 0, DAY, DAY, DAY, DAY, 0, DAY]
MOST: constant(uint64[10]) = [80, 80, 32, 8, 90 * DAY, 60 * DAY, 7 * DAY, 90 * DAY, 100, 60 * DAY]
ENACTMENT_SECONDS: constant(uint64) = 30 * DAY


struct Proposal:
    kind: uint8
    subject: bytes32  # number of a rule, or the dataset whose patients' pool is redeemed
    account: address  # a proxy, or who redeems
    implementation: address
    amount: uint64  # new setting of a rule, or credits
    noteHash: bytes32
    proposedAt: uint64
    openUntil: uint64
    carriedAt: uint64
    enactableAt: uint64
    enacted: bool


struct Ballot:
    voter: address
    countsUntil: uint64


interface Members:
    def isActive(account: address, role: uint8) -> bool: view
    def activeCount() -> uint64: view
    def boardQuorum() -> uint64: view


interface Proxy:
    def switchCode(implementation: address): nonpayable


interface Credits:
    def redeem(account: address, dataset: bytes32, amount: uint64, noteHash: bytes32): nonpayable


event RuleProposed:
    actor: indexed(address)
    proposal: indexed(uint64)
    number: uint64
    setting: uint64


event CodeProposed:
    actor: indexed(address)
    proposal: indexed(uint64)
    target: address
    implementation: address
    codeHash: bytes32


event RedemptionProposed:
    actor: indexed(address)
    proposal: indexed(uint64)
    account: address
    dataset: bytes32
    amount: uint64
    noteHash: bytes32


event RuleProposalSupported:
    actor: indexed(address)
    proposal: indexed(uint64)


event SupportWithdrawn:
    actor: indexed(address)
    proposal: indexed(uint64)


event ProposalCarried:
    actor: indexed(address)
    proposal: indexed(uint64)
    enactableAt: uint64


event RuleChanged:
    actor: indexed(address)
    proposal: indexed(uint64)
    number: uint64
    setting: uint64


event CodeSwitched:
    actor: indexed(address)
    proposal: indexed(uint64)
    target: address
    implementation: address


event RedemptionEnacted:
    actor: indexed(address)
    proposal: indexed(uint64)


event PauseSupported:
    actor: indexed(address)
    pause: indexed(uint64)
    reasonHash: bytes32


event ConsortiumPaused:
    actor: indexed(address)
    pause: indexed(uint64)
    until: uint64


event ResumeSupported:
    actor: indexed(address)
    pause: indexed(uint64)


event ConsortiumResumed:
    actor: indexed(address)
    pause: indexed(uint64)


IDENTITIES: immutable(Identities.__interface__)
MEMBERS: immutable(Members)
CREDITS: immutable(Credits)

proposalCount: public(uint64)
pauseCount: public(uint64)
pausedUntil: public(uint64)
switches: public(uint64)
# One more than the setting; 0 where the default was never changed.
_changed: HashMap[uint64, uint64]
_proposals: HashMap[uint64, Proposal]
_supporters: HashMap[uint64, DynArray[address, 256]]
# The latest proposal that was enacted, by rule and by contract.
_enactedOnRule: HashMap[bytes32, uint64]
_enactedOnCode: HashMap[address, uint64]
_pauses: HashMap[uint64, DynArray[Ballot, 256]]
_resumes: HashMap[uint64, DynArray[address, 256]]


@deploy
def __init__(identities: address, members: address, credits: address):
    IDENTITIES = Identities.__interface__(identities)
    MEMBERS = Members(members)
    CREDITS = Credits(credits)


@external
def proposeRule(actor: address, number: uint64, setting: uint64) -> uint64:
    self._checkMember(actor)  # 2
    self._checkSetting(number, setting)  # 1
    proposal: uint64 = self._propose(
        actor, Proposal(
            kind=RULE, subject=convert(number, bytes32), account=empty(address), implementation=empty(address),
            amount=setting, noteHash=empty(bytes32), proposedAt=0, openUntil=0, carriedAt=0, enactableAt=0, enacted=False,
        )
    )
    log RuleProposed(actor=actor, proposal=proposal, number=number, setting=setting)
    self._count(actor, proposal)
    return proposal


@external
def proposeCode(actor: address, target: address, implementation: address) -> uint64:
    """
    @param target The proxy of one of the consortium's contracts.
    @param implementation A contract that exists already, so that everybody can read its code before the vote.
    """
    self._checkMember(actor)  # 2
    assert target.is_contract and implementation.is_contract, "CODE_MISSING"
    proposal: uint64 = self._propose(
        actor, Proposal(
            kind=CODE, subject=empty(bytes32), account=target, implementation=implementation, amount=0,
            noteHash=implementation.codehash, proposedAt=0, openUntil=0, carriedAt=0, enactableAt=0, enacted=False,
        )
    )
    log CodeProposed(
        actor=actor, proposal=proposal, target=target, implementation=implementation,
        codeHash=implementation.codehash,
    )
    self._count(actor, proposal)
    return proposal


@external
def proposeRedemption(
    actor: address, account: address, dataset: bytes32, amount: uint64, noteHash: bytes32
) -> uint64:
    """
    @param dataset The dataset whose patients' pool is drawn on, or zero for the account's own balance.
    """
    self._checkMember(actor)  # 2
    assert amount > 0, "AMOUNT_MISSING"
    proposal: uint64 = self._propose(
        actor, Proposal(
            kind=REDEMPTION, subject=dataset, account=account, implementation=empty(address), amount=amount,
            noteHash=noteHash, proposedAt=0, openUntil=0, carriedAt=0, enactableAt=0, enacted=False,
        )
    )
    log RedemptionProposed(
        actor=actor, proposal=proposal, account=account, dataset=dataset, amount=amount, noteHash=noteHash
    )
    self._count(actor, proposal)
    return proposal


@external
def support(actor: address, proposal: uint64):
    self._checkMember(actor)  # 2
    self._checkOpen(proposal)
    assert actor not in self._supporters[proposal], "ALREADY_VOTED"  # 2
    self._supporters[proposal].append(actor)
    log RuleProposalSupported(actor=actor, proposal=proposal)
    self._count(actor, proposal)


@external
def withdrawSupport(actor: address, proposal: uint64):
    """
    @notice Take one's support back: an objection, also after the vote, as long as the delay lasts.
    """
    self._checkMember(actor)  # 2
    assert self._proposals[proposal].kind != 0, "PROPOSAL_UNKNOWN"
    assert not self._proposals[proposal].enacted, "PROPOSAL_CLOSED"  # 2
    left: DynArray[address, 256] = []
    for supporter: address in self._supporters[proposal]:
        if supporter != actor:
            left.append(supporter)
    assert len(left) < len(self._supporters[proposal]), "NOT_SUPPORTED"
    self._supporters[proposal] = left
    log SupportWithdrawn(actor=actor, proposal=proposal)


@external
def tally(proposal: uint64):
    """
    @notice Carry a proposal whose support is enough since the members changed.
    """
    self._checkOpen(proposal)
    assert self._isCarried(proposal), "VOTE_UNDECIDED"  # 3
    self._carry(msg.sender, proposal)


@external
def enact(proposal: uint64):
    found: Proposal = self._proposals[proposal]
    assert found.kind != 0, "PROPOSAL_UNKNOWN"
    assert not found.enacted, "PROPOSAL_CLOSED"  # 5
    assert found.carriedAt != 0, "VOTE_UNDECIDED"  # 5
    assert self._now() >= found.enactableAt, "TOO_EARLY"  # 5
    assert self._now() < found.enactableAt + ENACTMENT_SECONDS, "PROPOSAL_CLOSED"  # 5
    assert self._isCarried(proposal), "VOTE_UNDECIDED"  # 5
    self._proposals[proposal].enacted = True  # 5
    if found.kind == RULE:  # 6
        assert self._enactedOnRule[found.subject] < proposal, "PROPOSAL_OVERTAKEN"  # 5
        self._enactedOnRule[found.subject] = proposal
        number: uint64 = convert(found.subject, uint64)
        self._changed[number] = found.amount + 1
        log RuleChanged(actor=msg.sender, proposal=proposal, number=number, setting=found.amount)
    elif found.kind == CODE:  # 6
        assert self._enactedOnCode[found.account] < proposal, "PROPOSAL_OVERTAKEN"  # 5
        if found.account != self:
            # Of its own switch this contract keeps no more than docs/light_client.md proves from headers.
            self._enactedOnCode[found.account] = proposal
        # A contract that was destroyed in the transaction that created it leaves its address to other code.
        assert found.implementation.codehash == found.noteHash, "CODE_MISSING"  # 6
        self.switches += 1
        log CodeSwitched(
            actor=msg.sender, proposal=proposal, target=found.account, implementation=found.implementation
        )
        extcall Proxy(found.account).switchCode(found.implementation)
    else:  # 6
        log RedemptionEnacted(actor=msg.sender, proposal=proposal)
        extcall CREDITS.redeem(found.account, found.subject, found.amount, found.noteHash)


@external
def votePause(actor: address, pause: uint64, reasonHash: bytes32):
    self._checkBoard(actor)  # 7
    assert not self._isPaused(), "CONSORTIUM_PAUSED"
    assert pause == self.pauseCount + 1, "PAUSE_CLOSED"  # 8
    places: uint256 = len(self._pauses[pause])
    for place: uint256 in range(places, bound=256):
        if self._pauses[pause][place].voter == actor:
            assert self._now() >= self._pauses[pause][place].countsUntil, "ALREADY_VOTED"  # 8
            places = place
            break
    countsUntil: uint64 = self._now() + self._setting(PROPOSAL_SECONDS)  # 8
    if places == len(self._pauses[pause]):
        self._pauses[pause].append(Ballot(voter=actor, countsUntil=countsUntil))
    else:
        self._pauses[pause][places].countsUntil = countsUntil
    log PauseSupported(actor=actor, pause=pause, reasonHash=reasonHash)
    if self._isPauseCarried(pause):  # 7
        self._pause(actor, pause)


@external
def tallyPause():
    """
    @notice Pause, where the votes for it are enough since the board changed.
    """
    assert not self._isPaused(), "CONSORTIUM_PAUSED"
    assert self._isPauseCarried(self.pauseCount + 1), "VOTE_UNDECIDED"  # 8
    self._pause(msg.sender, self.pauseCount + 1)


@external
def voteResume(actor: address, pause: uint64):
    self._checkBoard(actor)  # 7
    assert self._isPaused(), "NOT_PAUSED"
    assert pause == self.pauseCount, "PAUSE_CLOSED"  # 8
    assert actor not in self._resumes[pause], "ALREADY_VOTED"
    self._resumes[pause].append(actor)
    log ResumeSupported(actor=actor, pause=pause)
    if self._isResumeCarried(pause):  # 7
        self._resume(actor, pause)


@external
def tallyResume():
    """
    @notice Resume, where the votes for it are enough since the board changed.
    """
    assert self._isPaused(), "NOT_PAUSED"
    assert self._isResumeCarried(self.pauseCount), "VOTE_UNDECIDED"  # 8
    self._resume(msg.sender, self.pauseCount)


@internal
def _propose(actor: address, proposal: Proposal) -> uint64:
    self.proposalCount += 1
    self._proposals[self.proposalCount] = proposal
    self._proposals[self.proposalCount].proposedAt = self._now()
    self._proposals[self.proposalCount].openUntil = self._now() + self._setting(PROPOSAL_SECONDS)  # 4
    self._supporters[self.proposalCount].append(actor)  # 2
    return self.proposalCount


@internal
def _count(actor: address, proposal: uint64):
    if self._isCarried(proposal):  # 3
        self._carry(actor, proposal)


@internal
def _carry(actor: address, proposal: uint64):
    self._proposals[proposal].carriedAt = self._now()
    enactableAt: uint64 = self._now() + self._setting(DELAY_SECONDS)  # 5
    self._proposals[proposal].enactableAt = enactableAt
    log ProposalCarried(actor=actor, proposal=proposal, enactableAt=enactableAt)


@internal
def _pause(actor: address, pause: uint64):
    self.pauseCount = pause
    until: uint64 = self._now() + self._setting(PAUSE_SECONDS)  # 7
    self.pausedUntil = until
    log ConsortiumPaused(actor=actor, pause=pause, until=until)


@internal
def _resume(actor: address, pause: uint64):
    self.pausedUntil = 0
    log ConsortiumResumed(actor=actor, pause=pause)


@internal
@view
def _checkMember(actor: address):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 9
    assert staticcall MEMBERS.isActive(actor, 0), "NOT_MEMBER"


@internal
@view
def _checkBoard(actor: address):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 9
    assert staticcall MEMBERS.isActive(actor, ETHICS_BOARD), "NOT_ETHICS_BOARD"


@internal
@pure
def _checkSetting(number: uint64, setting: uint64):
    assert number < 10, "RULE_UNKNOWN"  # 1
    assert setting >= LEAST[number] and setting <= MOST[number], "RULE_OUT_OF_BOUNDS"  # 1


@internal
@view
def _checkOpen(proposal: uint64):
    assert self._proposals[proposal].kind != 0, "PROPOSAL_UNKNOWN"
    assert self._proposals[proposal].carriedAt == 0, "PROPOSAL_CLOSED"
    assert self._now() < self._proposals[proposal].openUntil, "PROPOSAL_CLOSED"  # 4


@internal
@view
def _isCarried(proposal: uint64) -> bool:
    counted: uint64 = 0
    for supporter: address in self._supporters[proposal]:
        if staticcall MEMBERS.isActive(supporter, 0):  # 3
            counted += 1
    return counted >= self._majority(staticcall MEMBERS.activeCount())  # 3


@internal
@view
def _isPauseCarried(pause: uint64) -> bool:
    counted: uint64 = 0
    for ballot: Ballot in self._pauses[pause]:
        if self._now() < ballot.countsUntil and staticcall MEMBERS.isActive(ballot.voter, ETHICS_BOARD):  # 8
            counted += 1
    return counted >= staticcall MEMBERS.boardQuorum()  # 7


@internal
@view
def _isResumeCarried(pause: uint64) -> bool:
    counted: uint64 = 0
    for voter: address in self._resumes[pause]:
        if staticcall MEMBERS.isActive(voter, ETHICS_BOARD):  # 8
            counted += 1
    return counted >= staticcall MEMBERS.boardQuorum()  # 7


@internal
@view
def _isPaused() -> bool:
    return self._now() < self.pausedUntil


@internal
@view
def _setting(number: uint64) -> uint64:
    changed: uint64 = self._changed[number]
    return DEFAULTS[number] if changed == 0 else changed - 1


@internal
@view
def _majority(active: uint64) -> uint64:
    return active * self._setting(MAJORITY_PERCENT) // 100 + 1


@internal
@view
def _now() -> uint64:
    return convert(block.timestamp, uint64)


@external
@view
def setting(number: uint64) -> uint64:
    assert number < 10, "RULE_UNKNOWN"
    return self._setting(number)


@external
@view
def settings() -> DynArray[uint64, 10]:
    found: DynArray[uint64, 10] = []
    for number: uint64 in range(10):
        found.append(self._setting(number))
    return found


@external
@view
def boardQuorum(board: uint64) -> uint64:
    """
    @notice How many votes of a board of this size decide.
    """
    return board * self._setting(BOARD_QUORUM_PERCENT) // 100 + 1


@external
@view
def majority(active: uint64) -> uint64:
    """
    @notice How many of so many active members decide.
    """
    return self._majority(active)


@external
@view
def boardMin() -> uint64:
    return self._setting(BOARD_MIN)


@external
@view
def layVotes() -> uint64:
    return self._setting(LAY_VOTES)


@external
@view
def proposalSeconds() -> uint64:
    return self._setting(PROPOSAL_SECONDS)


@external
@view
def freezeMaxSeconds() -> uint64:
    return self._setting(FREEZE_SECONDS)


@external
@view
def patientsPercent() -> uint64:
    return self._setting(PATIENTS_PERCENT)


@external
@view
def objectionSeconds() -> uint64:
    return self._setting(OBJECTION_SECONDS)


@external
@view
def isPaused() -> bool:
    return self._isPaused()


@external
@view
def proposal(id: uint64) -> Proposal:
    return self._proposals[id]


@external
@view
def supporters(id: uint64) -> DynArray[address, 256]:
    return self._supporters[id]


@external
@view
def pauseVotes(pause: uint64) -> DynArray[Ballot, 256]:
    return self._pauses[pause]


@external
@view
def resumeVotes(pause: uint64) -> DynArray[address, 256]:
    return self._resumes[pause]
