"""The rules of ``Rules.vy``, in its order of checks."""

from dataclasses import replace

from belmont.registry.hashes import reason_hash
from belmont.registry.reasons import Reason
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference import credits, members
from belmont.registry.reference.settings import BOUNDS, DAY, is_paused, setting
from belmont.registry.reference.world import World, known, require
from belmont.registry.rules.protocol import Pause, Rule, RuleProposal, RuleProposalId, RuleProposalKind
from belmont.registry.types import ZERO_HASH, Address, DatasetId, Role

ENACTMENT_SECONDS = 30 * DAY
NOBODY = Address("0x" + "0" * 40)


def propose_rule(world: World, by: Address, rule: int, wanted: int) -> RuleProposalId:
    _check_member(world, by)
    require(rule in tuple(Rule), W.RULE_UNKNOWN)
    least, _, most = BOUNDS[Rule(rule)]
    require(least <= wanted <= most, W.RULE_OUT_OF_BOUNDS)
    id_ = _propose(world, by, RuleProposalKind.RULE, int(rule).to_bytes(32, "big"), amount=wanted)
    world.emit("Rules", "RuleProposed", by, proposal=id_, number=int(rule), setting=wanted)
    _count(world, by, id_)
    return id_


def propose_code(world: World, by: Address, target: Address, implementation: Address) -> RuleProposalId:
    """The model has no contracts: what code there is at these addresses, ``world.code`` says."""
    _check_member(world, by)
    require(target in world.code and implementation in world.code, W.CODE_MISSING)
    code_hash = world.code[implementation]
    id_ = _propose(world, by, RuleProposalKind.CODE, ZERO_HASH, target, implementation, note_hash=code_hash)
    fields = {"target": target, "implementation": implementation, "code_hash": code_hash}
    world.emit("Rules", "CodeProposed", by, proposal=id_, **fields)
    _count(world, by, id_)
    return id_


def propose_redemption(
    world: World, by: Address, account: Address, amount: int, note: str, id_: DatasetId | None
) -> RuleProposalId:
    _check_member(world, by)
    require(amount > 0, W.AMOUNT_MISSING)
    dataset, note_hash = id_ or ZERO_HASH, reason_hash(note)
    proposal = _propose(world, by, RuleProposalKind.REDEMPTION, dataset, account, NOBODY, amount, note_hash)
    fields = {"account": account, "dataset": dataset, "amount": amount, "note_hash": note_hash}
    world.emit("Rules", "RedemptionProposed", by, proposal=proposal, **fields)
    _count(world, by, proposal)
    return proposal


def support(world: World, by: Address, id_: RuleProposalId) -> None:
    _check_member(world, by)
    proposal = _open(world, id_)
    require(by not in proposal.supporters, W.ALREADY_VOTED)
    world.rule_proposals[id_] = replace(proposal, supporters=(*proposal.supporters, by))
    world.emit("Rules", "RuleProposalSupported", by, proposal=id_)
    _count(world, by, id_)


def withdraw_support(world: World, by: Address, id_: RuleProposalId) -> None:
    _check_member(world, by)
    proposal = known(world.rule_proposals.get(id_), W.PROPOSAL_UNKNOWN)
    require(not proposal.enacted, W.PROPOSAL_CLOSED)
    require(by in proposal.supporters, W.NOT_SUPPORTED)
    left = tuple(each for each in proposal.supporters if each != by)
    world.rule_proposals[id_] = replace(proposal, supporters=left)
    world.emit("Rules", "SupportWithdrawn", by, proposal=id_)


def tally(world: World, by: Address, id_: RuleProposalId) -> None:
    proposal = _open(world, id_)
    require(_is_carried(world, proposal), W.VOTE_UNDECIDED)
    _count(world, by, id_)


def enact(world: World, by: Address, id_: RuleProposalId) -> None:
    proposal = known(world.rule_proposals.get(id_), W.PROPOSAL_UNKNOWN)
    require(not proposal.enacted, W.PROPOSAL_CLOSED)
    require(proposal.carried_at, W.VOTE_UNDECIDED)
    require(world.now >= proposal.enactable_at, W.TOO_EARLY)
    require(world.now < proposal.enactable_at + ENACTMENT_SECONDS, W.PROPOSAL_CLOSED)
    require(_is_carried(world, proposal), W.VOTE_UNDECIDED)
    world.rule_proposals[id_] = replace(proposal, enacted=True)
    if proposal.kind is RuleProposalKind.RULE:
        require(world.enacted_on_rule.get(proposal.subject, 0) < id_, W.PROPOSAL_OVERTAKEN)
        world.enacted_on_rule[proposal.subject] = id_
        rule = Rule(int.from_bytes(proposal.subject, "big"))
        world.rules[rule] = proposal.amount
        world.emit("Rules", "RuleChanged", by, proposal=id_, number=int(rule), setting=proposal.amount)
    elif proposal.kind is RuleProposalKind.CODE:
        target, implementation = proposal.account, proposal.implementation
        require(world.enacted_on_code.get(target, 0) < id_, W.PROPOSAL_OVERTAKEN)
        if target != world.rules_address:
            world.enacted_on_code[target] = id_
        require(world.code.get(implementation) == proposal.note_hash, W.CODE_MISSING)
        world.switches += 1
        world.emit("Rules", "CodeSwitched", by, proposal=id_, target=target, implementation=implementation)
    else:
        world.emit("Rules", "RedemptionEnacted", by, proposal=id_)
        dataset = DatasetId(proposal.subject)
        credits.redeem(world, proposal.account, dataset, proposal.amount, proposal.note_hash)


def vote_pause(world: World, by: Address, number: int, reason: bytes) -> None:
    _check_board(world, by)
    require(not is_paused(world), Reason.CONSORTIUM_PAUSED)
    require(number == world.pause.number + 1, W.PAUSE_CLOSED)
    require(world.now >= world.pause_votes.get((number, by), 0), W.ALREADY_VOTED)
    world.pause_votes[number, by] = world.now + setting(world, Rule.PROPOSAL_SECONDS)
    world.emit("Rules", "PauseSupported", by, pause=number, reason_hash=reason)
    if _is_pause_carried(world, number):
        _pause(world, by, number)


def tally_pause(world: World, by: Address) -> None:
    require(not is_paused(world), Reason.CONSORTIUM_PAUSED)
    require(_is_pause_carried(world, world.pause.number + 1), W.VOTE_UNDECIDED)
    _pause(world, by, world.pause.number + 1)


def vote_resume(world: World, by: Address, number: int) -> None:
    _check_board(world, by)
    require(is_paused(world), W.NOT_PAUSED)
    require(number == world.pause.number, W.PAUSE_CLOSED)
    require((number, by) not in world.resume_votes, W.ALREADY_VOTED)
    world.resume_votes[number, by] = True
    world.emit("Rules", "ResumeSupported", by, pause=number)
    if _is_resume_carried(world):
        _resume(world, by)


def tally_resume(world: World, by: Address) -> None:
    require(is_paused(world), W.NOT_PAUSED)
    require(_is_resume_carried(world), W.VOTE_UNDECIDED)
    _resume(world, by)


def _propose(
    world: World,
    by: Address,
    kind: RuleProposalKind,
    subject: bytes,
    account: Address = NOBODY,
    implementation: Address = NOBODY,
    amount: int = 0,
    note_hash: bytes = ZERO_HASH,
) -> RuleProposalId:
    id_ = RuleProposalId(len(world.rule_proposals) + 1)
    world.rule_proposals[id_] = RuleProposal(
        id=id_,
        kind=kind,
        subject=subject,
        account=account,
        implementation=implementation,
        amount=amount,
        note_hash=note_hash,
        supporters=(by,),
        proposed_at=world.now,
        open_until=world.now + setting(world, Rule.PROPOSAL_SECONDS),
        carried_at=0,
        enactable_at=0,
        enacted=False,
    )
    return id_


def _count(world: World, by: Address, id_: RuleProposalId) -> None:
    proposal = world.rule_proposals[id_]
    if _is_carried(world, proposal):
        enactable_at = world.now + setting(world, Rule.DELAY_SECONDS)
        world.rule_proposals[id_] = replace(proposal, carried_at=world.now, enactable_at=enactable_at)
        world.emit("Rules", "ProposalCarried", by, proposal=id_, enactable_at=enactable_at)


def _pause(world: World, by: Address, number: int) -> None:
    world.pause = Pause(number, world.now + setting(world, Rule.PAUSE_SECONDS))
    world.emit("Rules", "ConsortiumPaused", by, pause=number, until=world.pause.until)


def _resume(world: World, by: Address) -> None:
    world.pause = replace(world.pause, until=0)
    world.emit("Rules", "ConsortiumResumed", by, pause=world.pause.number)


def _check_member(world: World, by: Address) -> None:
    require(members.is_active(world, by), W.NOT_MEMBER)


def _check_board(world: World, by: Address) -> None:
    require(members.is_active(world, by, Role.ETHICS_BOARD), W.NOT_ETHICS_BOARD)


def _open(world: World, id_: RuleProposalId) -> RuleProposal:
    proposal = known(world.rule_proposals.get(id_), W.PROPOSAL_UNKNOWN)
    require(not proposal.carried_at and world.now < proposal.open_until, W.PROPOSAL_CLOSED)
    return proposal


def _is_carried(world: World, proposal: RuleProposal) -> bool:
    return sum(members.is_active(world, each) for each in proposal.supporters) >= members.majority(world)


def _is_pause_carried(world: World, number: int) -> bool:
    votes = [
        voter
        for (pause, voter), counts_until in world.pause_votes.items()
        if pause == number and world.now < counts_until and members.is_active(world, voter, Role.ETHICS_BOARD)
    ]
    return len(votes) >= members.board_quorum(world)


def _is_resume_carried(world: World) -> bool:
    votes = [
        voter
        for pause, voter in world.resume_votes
        if pause == world.pause.number and members.is_active(world, voter, Role.ETHICS_BOARD)
    ]
    return len(votes) >= members.board_quorum(world)
