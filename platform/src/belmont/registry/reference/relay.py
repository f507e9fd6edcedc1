"""The rules of ``Relay.vy``, in its order of checks."""

import hashlib

from eth_utils.address import to_checksum_address

from belmont.identity import messages
from belmont.identity.typed_data import Domain
from belmont.registry.consents.scope import Scope
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference import consents, members, permits, releases, rules, studies
from belmont.registry.reference.identities import spend, use_nonce
from belmont.registry.reference.world import World, require
from belmont.registry.rules.protocol import RuleProposalId
from belmont.registry.types import Address, DatasetId, PermitId, ProposalId, StudyId


def domain(world: World, contract: str) -> Domain:
    """What messages to a contract of this simulation are signed for: of no other simulation, and of no chain."""
    stated = world.stated_domains.get(contract)
    address = hashlib.sha256(f"{world.identity}/{contract}".encode()).digest()[:20]
    return stated or Domain(1337, str(to_checksum_address(address)))


def submit(world: World, message: messages.Statement, signature: bytes) -> None:
    actor, where = Address(message.actor), domain(world, "Relay")
    spend(world, "Relay", where, message, actor, signature)
    world.emit("Relay", "MessageRelayed", actor, digest=message.digest(where), nonce=message.nonce)
    _act(world, actor, message)


def cancel(world: World, by: Address, nonce: int) -> None:
    """``by`` is an identity that the sender speaks for."""
    use_nonce(world, "Relay", by, nonce)
    world.emit("Relay", "NonceCancelled", by, nonce=nonce)


def _act(world: World, actor: Address, message: messages.Statement) -> None:
    match message:
        case messages.Vote():
            hashes = message.conditions_hash, message.reason_hash
            studies.vote(world, actor, StudyId(message.study), message.approve, *hashes)
        case messages.Recusal():
            studies.recuse(world, actor, StudyId(message.study), message.reason_hash)
        case messages.Agreement():
            studies.agree(world, actor, StudyId(message.study), message.conditions)
        case messages.Acceptance():
            studies.accept(world, actor, StudyId(message.study), DatasetId(message.dataset))
        case messages.Freeze():
            permits.freeze(world, actor, PermitId(message.permit), message.duration, message.reason_hash)
        case messages.Lift():
            permit = world.permits.get(PermitId(message.permit))
            require(message.freeze == (len(permit.frozen_by) if permit else 0), W.FREEZE_NOT_CURRENT)
            permits.vote_lift(world, actor, PermitId(message.permit))
        case messages.Revocation():
            permits.vote_revoke(world, actor, PermitId(message.permit), message.reason_hash)
        case messages.Withdrawal():
            permits.withdraw(world, actor, PermitId(message.permit), DatasetId(message.dataset))
        case messages.MemberSupport():
            members.support(world, actor, ProposalId(message.proposal))
        case messages.RuleSupport():
            rules.support(world, actor, RuleProposalId(message.proposal))
        case messages.Pause():
            rules.vote_pause(world, actor, message.pause, message.reason_hash)
        case messages.Resume():
            rules.vote_resume(world, actor, message.pause)
        case messages.ConsentGrant():
            consents.grant(world, actor, DatasetId(message.dataset), _scope(message), message.sequence)
        case messages.ConsentRevocation():
            consents.revoke(world, actor, DatasetId(message.dataset), message.sequence)
        case messages.Release():
            about = PermitId(message.permit), message.model_hash
            hashes = message.card_hash, message.evidence_hash
            releases.release(world, actor, *about, message.evaluated_round, *hashes)
        case messages.Objection():
            releases.object_to(world, actor, PermitId(message.permit), message.model_hash, message.reason_hash)
        case messages.Confirmation():
            about = PermitId(message.permit), message.model_hash
            require(message.objections == releases.objection_count(world, *about), W.OBJECTIONS_CHANGED)
            releases.vote_confirm(world, actor, *about)
        case messages.ReleaseWithdrawal():
            releases.withdraw(world, actor, PermitId(message.permit), message.model_hash)


def _scope(message: messages.ConsentGrant) -> Scope:
    recipients = tuple(Address(each) for each in message.recipients)
    return Scope(message.purposes, message.categories, message.valid_from, message.valid_until, recipients)
