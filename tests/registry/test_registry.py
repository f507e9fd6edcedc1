"""What every registry does: one suite for the simulated one and for the one on a chain."""

from dataclasses import replace

import pytest

from belmont.registry.consents.statements import ConsentState
from belmont.registry.consents.tree import Batch
from belmont.registry.decide import Permitted, decide
from belmont.registry.errors import RegistryArgumentError, RegistryRefused
from belmont.registry.hashes import conditions_of, dataset_id
from belmont.registry.protocol import Registry
from belmont.registry.proving import ensure_tables
from belmont.registry.reasons import Reason, WriteRefusal
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import (
    ZERO_HASH,
    Address,
    Ballot,
    DatasetId,
    DatasetStatus,
    MemberStatus,
    MicroRho,
    PartStart,
    PermitId,
    PermitStatus,
    ProposalId,
    Request,
    Role,
    StudyId,
    StudyStatus,
    UseKind,
    VersionStatus,
    View,
)
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.statement import Statement

VETTING = b"\x01\x55\x12\x20" + bytes(32)
HASH, CONSENT = b"\x11" * 32, ConsentState().root
MODEL, RESULT = b"\x33" * 32, b"\x44" * 32


def request_for(permit, here, participants, n=1, **changes):
    fields = {
        "kind": UseKind.ROUND,
        "permit_id": permit.id,
        "n": n,
        "dataset_id": here,
        "purpose": permit.terms.purpose,
        "code_hash": permit.terms.code_hash,
        "config_hash": permit.terms.config_hash,
        "subject_hash": MODEL,
        "participants": participants,
        "cohort_rows": 50,
        "version": 1,
        "consent_root": CONSENT,
        "consented_until": 1 << 63,
        "left_out": 0,
        "rho": MicroRho(10),
    }
    return Request(**{**fields, **changes})


def test_is_a_registry(any_world):
    assert isinstance(any_world.registry, Registry)
    assert any_world.registry.name == "Consortium"
    assert any_world.registry.address is None
    assert any_world.registry.as_(any_world.data_user).address == any_world.data_user.address


def test_two_consortia_of_one_name_have_two_identities(any_world, founders):
    registry = any_world.registry
    namesake = SimulatedRegistry.found(registry.name, founders)
    assert namesake.name == registry.name
    assert namesake.identity != registry.identity == registry.as_(any_world.holders[0]).identity


def test_knows_its_members(any_world, founders):
    members = any_world.registry.members()
    assert [(each.address, each.name, each.did, each.roles) for each in members] == [
        (each.address, each.name, each.did, each.roles) for each in founders
    ]
    assert any_world.registry.member(founders[0].address) == members[0]
    assert any_world.registry.member(Address(any_world.non_member.address)) is None
    assert {each.status for each in members} == {MemberStatus.ACTIVE}


def test_one_approved_study_is_decided_on_at_every_step(any_world):
    registry, datasets = any_world.registry, any_world.datasets(proven=True)
    here = datasets[0]
    study = any_world.approved(datasets)
    assert registry.study(study).status is StudyStatus.APPROVED
    assert registry.permit(PermitId(study)) is None
    for holder, id_ in zip(any_world.holders, datasets, strict=True):
        registry.as_(holder).accept(study, id_)
    permit_id = registry.as_(any_world.data_user).issue(study)

    def ask(n=1):
        view = registry.view(permit_id, here, UseKind.ROUND, n)
        decision = decide(view.permit, request_for(view.permit, here, datasets, n), view, view.head.timestamp)
        return "permitted" if isinstance(decision, Permitted) else decision.reason

    assert ask() is Reason.ROUND_NOT_OPEN
    registry.as_(any_world.data_user).open_round(permit_id, 1, MODEL, datasets)
    assert ask() == "permitted"
    registry.as_(any_world.holders[0]).record_use(permit_id, UseKind.ROUND, 1, here, RESULT, MicroRho(10), 1, CONSENT)
    assert ask() is Reason.ALREADY_SERVED
    assert ask(3) is Reason.ROUNDS_EXHAUSTED
    registry.as_(any_world.holders[0]).freeze_permit(permit_id, 3600)
    assert ask() is Reason.PERMIT_FROZEN
    for member in any_world.board:
        registry.as_(member).vote_lift(permit_id)
    assert registry.permit(permit_id).status is PermitStatus.ACTIVE
    for member in any_world.board:
        registry.as_(member).vote_revoke(permit_id, "Breach.")
    assert ask() is Reason.PERMIT_REVOKED
    (use,) = registry.uses(permit_id)
    assert (use.holder, use.result_hash, use.rho) == (any_world.holders[0].address, RESULT, 10)
    assert registry.dataset(here).rho_spent == registry.rho_spent(permit_id, here) == 10


def test_a_round_is_closed_over_those_that_delivered(any_world, refused):
    registry, datasets = any_world.registry, any_world.datasets(proven=True)
    permit_id = any_world.permit(datasets, min_hospitals=1)
    as_user = registry.as_(any_world.data_user)
    found = registry.round_state(permit_id, 1)
    assert (found.opened, found.recorded, found.closed) == (None, frozenset(), False)
    as_user.open_round(permit_id, 1, MODEL, datasets)
    with refused("TOO_FEW_HOSPITALS"):
        as_user.close_round(permit_id, 1)

    def record(place):
        fields = permit_id, UseKind.ROUND, 1, datasets[place], RESULT, MicroRho(1), 1, CONSENT
        registry.as_(any_world.holders[place]).record_use(*fields)

    record(0)
    found = registry.round_state(permit_id, 1)
    assert found.opened == registry.opened(permit_id, UseKind.ROUND, 1)
    assert (found.recorded, found.closed) == (frozenset(datasets[:1]), False)
    as_user.close_round(permit_id, 1)
    with refused("ROUND_CLOSED"):
        record(1)
    found = registry.round_state(permit_id, 1)
    assert (found.recorded, found.closed, found.opened.closed) == (frozenset(datasets[:1]), True, True)
    assert 0 < found.head.number <= registry.head().number
    closings = [each for each in registry.audit_events() if each.name == "RoundClosed"]
    (event,) = [each for each in closings if each.details["permit"] == permit_id]
    assert event.details == {"permit": permit_id, "n": 1, "recorded": datasets[:1]}
    view = registry.view(permit_id, datasets[1], UseKind.ROUND, 1)
    request = request_for(view.permit, datasets[1], datasets)
    assert decide(view.permit, request, view, view.head.timestamp).reason is Reason.ROUND_CLOSED


def test_a_view_fits_together_and_leaves_the_highest_head_to_the_gate(any_world):
    registry, datasets = any_world.registry, any_world.datasets()
    permit_id = any_world.permit(datasets)
    registry.as_(any_world.data_user).open_query(permit_id, 1, MODEL, datasets)
    view = registry.view(permit_id, datasets[1], UseKind.QUERY, 1)
    assert view == View(
        head=view.head,
        permit=registry.permit(permit_id),
        dataset=registry.dataset(datasets[1]),
        version=registry.version(datasets[1], 1),
        opened=registry.opened(permit_id, UseKind.QUERY, 1),
        holder_active=True,
        data_user_active=True,
        paused_until=0,
    )
    assert registry.head().number >= view.head.number


def test_what_does_not_exist_is_none_or_empty(any_world):
    registry, nothing = any_world.registry, DatasetId(b"\x99" * 32)
    assert registry.dataset(nothing) is None
    assert registry.version(nothing, 1) is None
    assert registry.study(StudyId(10_000)) is None
    assert registry.permit(PermitId(10_000)) is None
    assert registry.proposal(ProposalId(10_000)) is None
    assert registry.opened(PermitId(10_000), UseKind.ROUND, 1) is None
    assert registry.uses(PermitId(10_000)) == []
    assert registry.round_state(PermitId(10_000), 1).opened is None
    view = registry.view(PermitId(10_000), nothing, UseKind.ROUND, 1)
    assert view == View(head=view.head, paused_until=0)


def test_a_permit_expires(any_world, refused):
    datasets = any_world.datasets()
    permit_id = any_world.permit(datasets, duration_seconds=1)
    any_world.wait(1)
    with refused("PERMIT_EXPIRED"):
        any_world.registry.as_(any_world.data_user).open_round(permit_id, 1, MODEL, datasets)
    view = any_world.registry.view(permit_id, datasets[0], UseKind.ROUND, 1)
    decision = decide(view.permit, request_for(view.permit, datasets[0], datasets), view, any_world.now())
    assert decision.reason is Reason.PERMIT_EXPIRED


def test_a_withdrawn_dataset_is_not_covered(any_world):
    datasets = any_world.datasets()
    permit_id = any_world.permit(datasets)
    any_world.registry.as_(any_world.holders[1]).withdraw(permit_id, datasets[1])
    assert any_world.registry.permit(permit_id).covered == datasets[:1]


def test_a_dataset_changes_only_as_its_holder_says(any_world, refused):
    id_ = any_world.dataset(any_world.holders[0])
    as_holder = any_world.registry.as_(any_world.holders[0])
    as_holder.consents.publish_batch(id_, Batch(RESULT, 1))
    with refused("CONSENT_STALE"):
        as_holder.add_version(id_, b"cid", 5, ZERO_HASH, CONSENT)
    assert as_holder.add_version(id_, b"cid", 5, ZERO_HASH, as_holder.consents.root(id_)) == 2
    as_holder.freeze_dataset(id_)
    assert as_holder.dataset(id_).status is DatasetStatus.FROZEN
    as_holder.unfreeze_dataset(id_)
    with refused("NOT_THE_HOLDER"):
        any_world.registry.as_(any_world.holders[1]).destroy_dataset(id_, HASH)
    as_holder.destroy_dataset(id_, HASH)
    assert as_holder.dataset(id_).status is DatasetStatus.DESTROYED
    assert id_ in [dataset.id for dataset in as_holder.datasets()]


def test_a_version_is_usable_once_its_proof_was_accepted(any_world, refused):
    registry, datasets = any_world.registry, any_world.datasets()
    here, permit_id = datasets[0], any_world.permit(datasets)
    registry.as_(any_world.data_user).open_round(permit_id, 1, MODEL, datasets)

    def ask():
        view = registry.view(permit_id, here, UseKind.ROUND, 1)
        decision = decide(view.permit, request_for(view.permit, here, datasets), view, view.head.timestamp)
        return "permitted" if isinstance(decision, Permitted) else decision.reason

    assert ask() is Reason.DATASET_UNPROVEN
    with refused("DATASET_UNPROVEN"):
        registry.as_(any_world.holders[0]).record_use(
            permit_id, UseKind.ROUND, 1, here, RESULT, MicroRho(1), 1, CONSENT
        )
    any_world.shelf.prove_version(registry.as_(any_world.non_member), here, 1, 100)
    assert registry.version(here, 1).status is VersionStatus.PROVEN
    assert ask() == "permitted"
    assert [event.name for event in registry.audit_events()][-2:] == ["PartAccepted", "VersionProven"]


def test_a_proof_of_another_dataset_proves_nothing(any_world, refused):
    registry, table = any_world.registry.as_(any_world.non_member), any_world.shelf.table(100)
    ours, theirs = any_world.datasets()
    domain, owner = registry.proof_domain, bytes.fromhex(any_world.holders[1].address[2:])
    statement = Statement(domain.chain_id, domain.contract, owner, theirs, 1, table.layout, 0, 1, 100)
    proof = any_world.shelf.prove(table, statement)
    ensure_tables(registry, table.layout)
    with refused("PROOF_INVALID"):
        registry.prove_version(ours, 1, any_world.shelf.text_hash, proof, PartStart())
    with refused("VERSION_UNKNOWN"):
        registry.prove_version(theirs, 2, any_world.shelf.text_hash, proof, PartStart())
    with refused("PART_OUT_OF_PLACE"):
        registry.prove_version(theirs, 1, any_world.shelf.text_hash, proof, PartStart(rows=1))
    assert registry.version(ours, 1).status is VersionStatus.REGISTERED
    registry.prove_version(theirs, 1, any_world.shelf.text_hash, proof, PartStart())
    assert registry.version(theirs, 1).status is VersionStatus.PROVEN


def test_tables_are_registered_once_by_anybody(any_world, refused):
    registry, layout = any_world.registry.as_(any_world.non_member), Layout((ColumnKind(Kind.RANGE, 1234),))
    assert not registry.has_tables(layout.hash)
    ensure_tables(registry, layout)
    assert registry.has_tables(layout.hash)
    ensure_tables(registry, layout)
    with refused("TABLES_EXIST"):
        registry.register_tables(layout)


def test_a_layout_that_no_part_of_a_proof_holds_is_an_argument_error(any_world):
    with pytest.raises(RegistryArgumentError, match="258 columns"):
        any_world.registry.as_(any_world.holders[0]).register_tables(
            Layout((ColumnKind(Kind.RANGE_OR_MISSING, 2),) * 125)
        )


def test_identifiers_are_those_that_python_computes(any_world):
    holder = any_world.holders[0]
    id_ = any_world.dataset(holder)
    assert id_ == dataset_id(Address(holder.address), any_world.registry.dataset(id_).name)


def test_a_refusal_names_its_reason_its_remedy_and_changes_nothing(any_world):
    before = len(any_world.registry.audit_events())
    with pytest.raises(RegistryRefused) as caught:
        any_world.registry.as_(any_world.non_member).propose_removal(Address(any_world.data_user.address))
    assert caught.value.reason == "NOT_MEMBER"
    assert caught.value.code is WriteRefusal.NOT_MEMBER
    assert WriteRefusal.NOT_MEMBER.remedy in str(caught.value)
    assert len(any_world.registry.audit_events()) == before


def test_a_refusal_that_a_node_makes_too_has_the_nodes_word(any_world):
    with pytest.raises(RegistryRefused) as caught:
        any_world.registry.as_(any_world.data_user).open_round(PermitId(10_000), 1, MODEL, ())
    assert caught.value.code is Reason.PERMIT_MISSING


def test_a_registry_without_an_account_only_reads(any_world):
    with pytest.raises(RegistryArgumentError, match="as_"):
        any_world.registry.tally(StudyId(1))


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("extend_retention", (b"short", 2**40)),
        ("extend_retention", (DatasetId(MODEL), -1)),
        ("destroy_dataset", (DatasetId(MODEL), MODEL.hex())),
        ("replace_keys", (MODEL, b"short")),
        ("propose_amendment", (2**64, None)),
        ("add_version", (DatasetId(MODEL), b"c" * 65, 1, MODEL, MODEL)),
        ("add_version", (DatasetId(MODEL), b"c", -1, MODEL, MODEL)),
        ("register_dataset", ("n" * 65, 16, MODEL, 1, 1, 2**40, 1)),
        ("register_dataset", ("ü" * 33, 16, MODEL, 1, 1, 2**40, 1)),
        ("register_dataset", ("two\nlines", 16, MODEL, 1, 1, 2**40, 1)),
        ("register_dataset", ("name", 16, MODEL, 256, 1, 2**40, 1)),
        ("register_dataset", ("name", 16, MODEL, 1, 1, 2**40, 2**64)),
        ("open_round", (1, 1, MODEL, (DatasetId(MODEL),) * 17)),
        ("open_round", (1, 1, MODEL, [DatasetId(MODEL)])),
        ("close_round", (1, -1)),
        ("close_round", (True, 1)),
        ("round_state", (2**64, 1)),
        ("round_state", (1, 2**32)),
        ("record_use", (1, 1, 1, DatasetId(MODEL), MODEL, 1.5, 1, MODEL)),
        ("record_use", (True, 1, 1, DatasetId(MODEL), MODEL, 1, 1, MODEL)),
        ("propose_removal", ("0x1234",)),
        ("vote", (1, True, "", b"short")),
        ("vote", (2**64, True)),
        ("recuse", (-1,)),
        ("agree", (1, "0x" + "11" * 32)),
        ("agree", (True, MODEL)),
    ],
)
def test_what_no_record_can_hold_is_refused_before_anything_is_sent(any_world, method, arguments):
    with pytest.raises(RegistryArgumentError):
        getattr(any_world.registry.as_(any_world.holders[0]), method)(*arguments)


def test_terms_that_no_record_can_hold_are_refused_before_anything_is_sent(any_world):
    good = any_world.terms(())
    for change in ({"title": "t" * 65}, {"rounds": -1}, {"code_hash": b""}, {"datasets": [MODEL]}, {"purpose": 2**64}):
        with pytest.raises(RegistryArgumentError):
            any_world.registry.as_(any_world.data_user).propose(replace(good, **change))


def test_a_study_approved_under_conditions_waits_for_the_data_users_agreement(any_world, refused):
    registry, datasets = any_world.registry, any_world.datasets()
    as_user = registry.as_(any_world.data_user)
    study = as_user.propose(any_world.terms(datasets))
    first, second = any_world.board
    registry.as_(first).vote(study, True, "Sound.", conditions_hash=MODEL)
    registry.as_(second).vote(study, True)
    for holder, id_ in zip(any_world.holders, datasets, strict=True):
        registry.as_(holder).accept(study, id_)
    found = registry.study(study)
    assert found.status is StudyStatus.APPROVED and found.conditions_open
    assert found.ballots == (Ballot(Address(first.address), True, MODEL), Ballot(Address(second.address), True))
    assert found.conditions == conditions_of(study, found.ballots)
    with refused("CONDITIONS_OPEN"):
        as_user.issue(study)
    with refused("CONDITIONS_MISMATCH"):
        as_user.agree(study, MODEL)
    as_user.agree(study, found.conditions)
    assert registry.study(study).conditions_agreed and as_user.issue(study) == study


def test_a_recusal_keeps_the_quorum_and_here_puts_it_out_of_reach(any_world, refused):
    registry = any_world.registry
    study = registry.as_(any_world.data_user).propose(any_world.terms(any_world.datasets()))
    registry.as_(any_world.board[0]).recuse(study, "I am a co-author.")
    found = registry.study(study)
    assert (found.status, found.quorum, found.votes_against) == (StudyStatus.REFUSED, 2, 0)
    assert found.recused == (Address(any_world.board[0].address),)
    with refused("STUDY_CLOSED"):
        registry.as_(any_world.board[1]).vote(study, True)


def test_both_tell_the_same_story(simulated, on_chain):
    """The same writes leave the same events, in the same order, with the same details."""
    stories = []
    for world in (simulated, on_chain):
        before = len(world.registry.audit_events())
        study = world.registry.as_(world.data_user).propose(world.terms(world.datasets()))
        world.registry.as_(world.board[0]).vote(study, False, "Unclear purpose.")
        events = world.registry.audit_events()[before:]
        blocks = [event.block for event in events]
        assert blocks == sorted(blocks)
        assert all(abs(event.timestamp - world.now()) < 3600 and len(event.transaction) == 32 for event in events)
        varying = ("dataset", "study", "name", "retention_until", "consent_root")
        stories.append(
            [
                (
                    e.contract,
                    e.name,
                    e.actor,
                    {k: v for k, v in e.details.items() if k not in varying},
                    sorted(e.details),
                )
                for e in events
            ]
        )
    assert stories[0] == stories[1]
    assert [name for _, name, *_ in stories[0]][-3:] == ["StudyProposed", "VoteCast", "StudyRefused"]


def test_a_member_is_admitted_by_vote(any_world, refused):
    registry, newcomer = any_world.registry, any_world.non_member
    from belmont.registry.types import MemberProfile

    profile = MemberProfile(Address(newcomer.address), "Auditor", "did:ethr:0x1", Role.AUDITOR)
    proposal = registry.as_(any_world.board[0]).propose_admission(profile, VETTING)
    for supporter in (any_world.board[1], any_world.data_user):
        registry.as_(supporter).support(proposal)
    assert registry.proposal(proposal).executed
    assert registry.member(profile.address).roles is Role.AUDITOR
    assert registry.proposals()[-1] == registry.proposal(proposal)
    removal = registry.as_(any_world.board[0]).propose_removal(profile.address)
    for supporter in (any_world.board[1], any_world.data_user):
        registry.as_(supporter).support(removal)
    assert registry.member(profile.address).status is MemberStatus.REMOVED
