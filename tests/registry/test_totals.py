"""A total that the registry checks itself: the same on chain and in memory, with a real proof."""

import hashlib
from dataclasses import replace

import pytest
from eth_account import Account

from belmont.federated.query.question import total
from belmont.registry.claims import AskedQuestion, TotalClaim, TotalPart
from belmont.registry.consents.statements import ConsentState
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.hashes import query_hash
from belmont.registry.types import Address, MemberProfile, MicroRho, Role, UseKind
from belmont.zk.curve import add_all, compressed, wide

CONSENT = ConsentState().root
VETTING = b"\x01\x55\x12\x20" + bytes(32)

BIT = 1
QUESTION = total("bit").canonical()
CONTEXT = hashlib.sha256(b"the researcher's key").digest()
ROWS = 100


def third_holder(world):
    """Three hospitals are the fewest whose total can be published."""
    account = Account.from_key(hashlib.sha256(b"member 6").digest())
    profile = MemberProfile(Address(account.address), "Third hospital", "did:ethr:0x1", Role.DATA_HOLDER)
    proposal = world.registry.as_(world.board[0]).propose_admission(profile, VETTING)
    for supporter in (world.board[1], world.data_user, *world.holders):
        if not world.registry.proposal(proposal).executed:
            world.registry.as_(supporter).support(proposal)
    return account


def answered_query(world):
    """A permit over three proven datasets, with a query that its holders answered."""
    registry, holders = world.registry, (*world.holders, third_holder(world))
    datasets = tuple(world.dataset(holder, proven=True) for holder in holders)
    study = world.approved(datasets, min_hospitals=3)
    for holder, id_ in zip(holders, datasets, strict=True):
        registry.as_(holder).accept(study, id_)
    permit_id = registry.as_(world.data_user).issue(study)
    hashed = query_hash(QUESTION, CONTEXT, permit_id, 1, datasets)
    registry.as_(world.data_user).open_query(permit_id, 1, hashed, datasets)
    for holder, id_ in zip(holders, datasets, strict=True):
        registry.as_(holder).record_use(permit_id, UseKind.QUERY, 1, id_, b"\x66" * 32, MicroRho(0), 1, CONSENT)
    return permit_id, datasets


def claim_of(world, permit_id, datasets):
    shelf, table = world.shelf, world.shelf.table(ROWS)
    ones, opening = table.open_total(BIT)
    part = TotalPart(1, table.column_hashes, b"".join(wide(point) for point in table.commitments[BIT]))
    asked = AskedQuestion(QUESTION, CONTEXT, shelf.layout.to_bytes(), shelf.text_hash)
    together = compressed(add_all([opening] * 3))
    return TotalClaim(permit_id, 1, datasets, asked, BIT, (part,) * 3, 3 * ones, together)


def test_a_true_total_is_published_once_by_its_data_user_and_a_wrong_one_never(any_world, refused):
    registry = any_world.registry
    claim = claim_of(any_world, *answered_query(any_world))
    researcher = registry.as_(any_world.data_user)
    for wrong in (claim.total - 1, claim.total + 1):
        with refused("TOTAL_REFUTED"):
            researcher.publish_total(replace(claim, total=wrong))
    with refused("TOTAL_OUT_OF_RANGE"):
        researcher.publish_total(replace(claim, total=3 * ROWS + 1))
    for other in (any_world.holders[0], any_world.board[0], any_world.non_member):
        with refused("NOT_THE_APPLICANT"):
            registry.as_(other).publish_total(claim)
    with pytest.raises(RegistryArgumentError, match="as_"):
        registry.publish_total(claim)
    assert registry.totals(claim.permit_id) == []
    researcher.publish_total(claim)
    with refused("TOTAL_EXISTS"):
        researcher.publish_total(claim)
    (found,) = registry.totals(claim.permit_id)
    assert (found.n, found.column, found.total, found.rows) == (1, BIT, 3 * ROWS // 2, 3 * ROWS)
    assert (found.question, found.data_user) == (QUESTION, any_world.data_user.address)
    assert found in registry.totals()
    event = registry.audit_events()[-1]
    assert (event.contract, event.name, event.block) == ("Totals", "TotalProved", found.block)
    assert set(event.details) == {"permit", "n", "column", "total", "rows", "question"}
