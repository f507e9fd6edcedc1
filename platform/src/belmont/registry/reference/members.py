"""The rules of ``Members.vy``, in its order of checks."""

from dataclasses import replace

from belmont.registry.limits import MEMBERS_MAX
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference.settings import setting
from belmont.registry.reference.world import World, known, require
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import (
    ZERO_HASH,
    Address,
    Member,
    MemberProfile,
    MemberStatus,
    Proposal,
    ProposalId,
    ProposalKind,
    Role,
)

NOBODY = Address("0x" + "0" * 40)
_ALL_ROLES = Role.DATA_HOLDER | Role.DATA_USER | Role.ETHICS_BOARD | Role.AUDITOR | Role.LAY


def found(world: World, by: Address, founders: tuple[MemberProfile, ...]) -> None:
    require(world.name, W.NAME_MISSING)
    for profile in founders:
        _check_profile(world, profile)
        _admit(world, by, profile)
    require(board_size(world) >= setting(world, Rule.BOARD_MIN), W.BOARD_TOO_SMALL)
    world.emit("Members", "ConsortiumFounded", by, name=world.name)


def is_active(world: World, account: Address, role: Role = Role.NONE) -> bool:
    """Whether ``account`` is an active member that holds ``role``."""
    member = world.members.get(account)
    return member is not None and member.status is MemberStatus.ACTIVE and role in member.roles


def board_size(world: World) -> int:
    return sum(is_active(world, account, Role.ETHICS_BOARD) for account in world.members)


def active_count(world: World) -> int:
    return sum(is_active(world, account) for account in world.members)


def board_quorum(world: World) -> int:
    return board_size(world) * setting(world, Rule.BOARD_QUORUM_PERCENT) // 100 + 1


def majority(world: World, among: int | None = None) -> int:
    """How many of so many members decide, by default of all active ones."""
    count = active_count(world) if among is None else among
    return count * setting(world, Rule.MAJORITY_PERCENT) // 100 + 1


def propose_admission(world: World, by: Address, profile: MemberProfile, documents: bytes) -> ProposalId:
    require(is_active(world, by), W.NOT_MEMBER)
    _check_profile(world, profile)
    require(documents, W.CID_MISSING)
    proposal_id = _propose(world, by, ProposalKind.ADMISSION, profile.address, documents)
    world.profiles[proposal_id] = profile
    world.mask_key_of[profile.mask_key] = profile.address
    world.emit(
        "Members",
        "AdmissionProposed",
        by,
        proposal=proposal_id,
        account=profile.address,
        name=profile.name,
        roles=int(profile.roles),
        did=profile.did,
        mask_key=profile.mask_key,
        node_key_hash=profile.node_key_hash,
        documents=documents,
    )
    return proposal_id


def replace_keys(world: World, by: Address, mask_key: bytes, node_key_hash: bytes) -> None:
    require(is_active(world, by), W.NOT_MEMBER)
    member = world.members[by]
    if mask_key != member.mask_key:
        _check_mask_key(world, mask_key, by)
        world.mask_keys[mask_key] = True
    world.members[by] = replace(member, mask_key=mask_key, node_key_hash=node_key_hash)
    world.emit("Members", "KeysReplaced", by, mask_key=mask_key, node_key_hash=node_key_hash)


def propose_removal(world: World, by: Address, account: Address, documents: bytes) -> ProposalId:
    require(is_active(world, by), W.NOT_MEMBER)
    require(is_active(world, account), W.MEMBER_UNKNOWN)
    require(by != account, W.CONCERNS_ITSELF)
    proposal_id = _propose(world, by, ProposalKind.REMOVAL, account, documents)
    world.emit("Members", "RemovalProposed", by, proposal=proposal_id, account=account, documents=documents)
    return proposal_id


def support(world: World, by: Address, proposal_id: ProposalId) -> None:
    require(is_active(world, by), W.NOT_MEMBER)
    proposal = _open(world, proposal_id)
    require(by != proposal.account, W.CONCERNS_ITSELF)
    require(by not in proposal.supporters, W.ALREADY_VOTED)
    proposal = world.proposals[proposal_id] = replace(proposal, supporters=(*proposal.supporters, by))
    world.emit("Members", "ProposalSupported", by, proposal=proposal_id)
    if _carried(world, proposal):
        _carry_out(world, by, proposal)


def tally(world: World, by: Address, proposal_id: ProposalId) -> None:
    proposal = _open(world, proposal_id)
    require(_carried(world, proposal), W.VOTE_UNDECIDED)
    _carry_out(world, by, proposal)


def _open(world: World, proposal_id: ProposalId) -> Proposal:
    proposal = known(world.proposals.get(proposal_id), W.PROPOSAL_UNKNOWN)
    require(not proposal.executed and world.now < proposal.open_until, W.PROPOSAL_CLOSED)
    return proposal


def _carried(world: World, proposal: Proposal) -> bool:
    concerned = proposal.kind is ProposalKind.REMOVAL and is_active(world, proposal.account)
    among = active_count(world) - concerned
    return sum(is_active(world, each) for each in proposal.supporters) >= majority(world, among)


def _carry_out(world: World, by: Address, proposal: Proposal) -> None:
    world.proposals[proposal.id] = replace(proposal, executed=True)
    if proposal.kind is ProposalKind.ADMISSION:
        profile = world.profiles[proposal.id]
        _check_profile(world, profile)
        _admit(world, by, profile)
    else:
        _remove(world, by, proposal.account)


def _propose(world: World, by: Address, kind: ProposalKind, account: Address, documents: bytes) -> ProposalId:
    proposal_id = ProposalId(len(world.proposals) + 1)
    until = world.now + setting(world, Rule.PROPOSAL_SECONDS)
    world.proposals[proposal_id] = Proposal(proposal_id, kind, account, by, (by,), world.now, False, until, documents)
    return proposal_id


def _check_profile(world: World, profile: MemberProfile) -> None:
    require(profile.address != NOBODY, W.ACCOUNT_MISSING)
    require(profile.address not in world.members, W.MEMBER_EXISTS)
    require(profile.name, W.NAME_MISSING)
    require(profile.did, W.DID_MISSING)
    require(1 <= int(profile.roles) <= _ALL_ROLES, W.ROLES_INVALID)
    both = Role.DATA_USER | Role.ETHICS_BOARD
    require(profile.roles & both != both, W.ROLES_CONFLICT)
    require(Role.LAY not in profile.roles or Role.ETHICS_BOARD in profile.roles, W.ROLES_CONFLICT)
    _check_mask_key(world, profile.mask_key, profile.address)
    require(len(world.members) < MEMBERS_MAX, W.MEMBERS_FULL)


def _check_mask_key(world: World, mask_key: bytes, account: Address) -> None:
    if mask_key != ZERO_HASH:
        require(mask_key[-1] & 128 == 0, W.MASK_KEY_INVALID)
        whose = world.mask_key_of.get(mask_key, account)
        require(mask_key not in world.mask_keys and whose == account, W.MASK_KEY_TAKEN)


def _admit(world: World, by: Address, profile: MemberProfile) -> None:
    world.mask_keys[profile.mask_key] = True
    world.members[profile.address] = Member(
        address=profile.address,
        name=profile.name,
        did=profile.did,
        mask_key=profile.mask_key,
        node_key_hash=profile.node_key_hash,
        roles=Role(profile.roles),
        status=MemberStatus.ACTIVE,
    )
    roles = int(profile.roles)
    world.emit("Members", "MemberAdmitted", by, account=profile.address, name=profile.name, roles=roles)


def _remove(world: World, by: Address, account: Address) -> None:
    require(is_active(world, account), W.MEMBER_UNKNOWN)
    world.members[account] = replace(world.members[account], status=MemberStatus.REMOVED)
    if Role.ETHICS_BOARD in world.members[account].roles:
        require(board_size(world) >= setting(world, Rule.BOARD_MIN), W.BOARD_TOO_SMALL)
    world.emit("Members", "MemberRemoved", by, account=account)
