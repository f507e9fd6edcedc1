"""Every refusal, met by driving the real node: nothing is computed, nothing is imported, and the reason comes back."""

from typing import Any

import pytest

from belmont.federated.errors import RoundRefused
from belmont.federated.models.combine import federated_averaging
from belmont.federated.models.training import Training
from belmont.registry.reasons import Reason
from belmont.registry.types import Computation


def nothing_happened(study: Any) -> bool:
    return study.traces() == [] and study.looks == [[]] * 4 and all(node.ledger.entries() == [] for node in study.nodes)


def test_an_approved_round_is_computed_and_recorded(study, refused):
    permit = study.issue()
    study.open_round(permit)
    reply = study.send_round(permit)
    assert reply.has_content()
    assert study.traces() == ["imported", "trained"]
    (use,) = study.registry.uses(permit)
    (entry,) = study.nodes[0].ledger.entries()
    assert use.result_hash == entry.result_hash
    assert entry.released_at is not None


def test_no_permit(study, refused):
    assert refused(study.send_round(999_999)).reason is Reason.PERMIT_MISSING
    assert nothing_happened(study)


def test_an_expired_permit(study, refused):
    permit = study.issue(duration_seconds=20)
    study.open_round(permit)
    study.seconds_ahead = 25
    assert refused(study.send_round(permit)).reason is Reason.PERMIT_EXPIRED
    assert nothing_happened(study)


def test_a_revoked_permit(study, refused):
    permit = study.issue()
    study.open_round(permit)
    for member in study.consortium.board:
        study.registry.as_(member).vote_revoke(permit, "harm")
    refusal = refused(study.send_round(permit))
    assert refusal.reason is Reason.PERMIT_REVOKED
    assert refusal.remedy == Reason.PERMIT_REVOKED.remedy
    assert nothing_happened(study)


def test_a_frozen_permit(study, refused):
    permit = study.issue()
    study.open_round(permit)
    study.registry.as_(study.consortium.board[0]).freeze_permit(permit, reason="a question")
    assert refused(study.send_round(permit)).reason is Reason.PERMIT_FROZEN
    assert nothing_happened(study)


def test_a_withdrawn_dataset(study, refused):
    permit = study.issue()
    study.open_round(permit)
    study.registry.as_(study.consortium.hospitals[0]).withdraw(permit, study.participants[0])
    assert refused(study.send_round(permit)).reason is Reason.DATASET_NOT_COVERED
    assert nothing_happened(study)


def test_other_code(study, refused, app_builder):
    permit = study.issue()
    study.open_round(permit)
    other = app_builder(f"open({str(study.trace)!r}, 'a').write('stolen')")
    assert refused(study.send_round(permit, bundle=other)).reason is Reason.CODE_MISMATCH
    assert nothing_happened(study)


def test_one_changed_byte_of_the_code(study, refused):
    permit = study.issue()
    study.open_round(permit)
    changed = bytearray(study.bundle)
    changed[len(changed) // 2] ^= 1
    assert refused(study.send_round(permit, bundle=bytes(changed))).reason is Reason.CODE_MISMATCH
    assert nothing_happened(study)


@pytest.mark.parametrize(
    "change", [{"outcome": "statin"}, {"extra": 1}, {"missing-indicators": 0}, {"features": "age,hba1c"}]
)
def test_another_configuration(scene, refused, change):
    permit = scene.issue()
    scene.open_round(permit)
    assert refused(scene.send_round(permit, config=scene.config | change)).reason is Reason.CONFIG_MISMATCH
    assert nothing_happened(scene)


def test_another_configuration_on_either_registry(study, refused):
    permit = study.issue()
    study.open_round(permit)
    changed = study.config | {"outcome": "statin"}
    assert refused(study.send_round(permit, config=changed)).reason is Reason.CONFIG_MISMATCH
    assert nothing_happened(study)


def test_another_model(study, refused, changed_model):
    permit = study.issue()
    study.open_round(permit)
    assert refused(study.send_round(permit, model=changed_model)).reason is Reason.MODEL_MISMATCH
    assert nothing_happened(study)


def test_another_dataset(study, refused):
    permit = study.issue(datasets=study.participants[:3])
    study.open_round(permit, participants=study.participants[:3])
    reply = study.send_round(permit, hospital=3, participants=study.participants[:3])
    assert refused(reply).reason is Reason.DATASET_NOT_COVERED
    assert nothing_happened(study)


def test_another_purpose(study, refused):
    permit = study.issue()
    study.open_round(permit)
    assert refused(study.send_round(permit, purpose=1 << 39)).reason is Reason.PURPOSE_MISMATCH
    assert refused(study.send_round(permit, purpose=0)).reason is Reason.PURPOSE_MISMATCH
    assert nothing_happened(study)


def test_a_kind_of_computation_that_was_not_approved(study, refused):
    permit = study.issue(computations=Computation.QUERY, rounds=0)
    assert refused(study.send_round(permit)).reason is Reason.COMPUTATION_NOT_PERMITTED
    assert nothing_happened(study)


def test_rounds_exhausted(study, refused):
    permit = study.issue(rounds=1)
    study.open_round(permit)
    assert study.send_round(permit).has_content()
    assert refused(study.send_round(permit, n=2)).reason is Reason.ROUNDS_EXHAUSTED
    assert study.traces() == ["imported", "trained"]


def test_too_few_hospitals(study, refused):
    permit = study.issue()
    reply = study.send_round(permit, participants=study.participants[:2])
    assert refused(reply).reason is Reason.TOO_FEW_HOSPITALS
    assert nothing_happened(study)


def test_cohort_too_small_without_saying_how_small(study, refused):
    permit = study.issue(min_cohort=100_000)
    study.open_round(permit)
    refusal = refused(study.send_round(permit))
    assert refusal.reason is Reason.COHORT_TOO_SMALL
    assert str(study.consortium.tables[0].rows) not in refusal.detail
    assert nothing_happened(study)


def test_a_stale_head(study, refused):
    permit = study.issue()
    study.open_round(permit)
    study.seconds_ahead = 90
    assert refused(study.send_round(permit)).reason is Reason.CHAIN_STALE
    study.seconds_ahead = -90
    assert refused(study.send_round(permit)).reason is Reason.CHAIN_STALE
    assert nothing_happened(study)


def test_a_chain_that_went_backwards(scene, refused):
    permit = scene.issue()
    scene.open_round(permit)
    node = scene.nodes[0]
    with node.ledger._transaction():
        node.ledger._raise_head(scene.registry.head().number + 1)
    assert refused(scene.send_round(permit)).reason is Reason.CHAIN_STALE
    assert nothing_happened(scene)


def test_an_unreachable_chain(scene, refused):
    permit = scene.issue()
    scene.open_round(permit)
    scene.registry.set_reachable(False)
    assert refused(scene.send_round(permit)).reason is Reason.CHAIN_UNREACHABLE
    assert nothing_happened(scene)


def test_a_chain_process_that_was_killed(own_chain, refused):
    chain, study = own_chain
    permit = study.issue()
    study.open_round(permit)
    chain.kill()
    assert refused(study.send_round(permit)).reason is Reason.CHAIN_UNREACHABLE
    assert nothing_happened(study)


def test_stale_consents(study, refused):
    permit = study.issue()
    study.open_round(permit)
    study.consortium.publish_unknown_batch(0)
    refusal = refused(study.send_round(permit))
    study.consortium.publish_own_batch(0)
    assert refusal.reason is Reason.CONSENT_STALE
    assert nothing_happened(study)


def test_a_frozen_dataset(study, refused):
    permit = study.issue()
    study.open_round(permit)
    hospital = study.registry.as_(study.consortium.hospitals[0])
    hospital.freeze_dataset(study.participants[0])
    refusal = refused(study.send_round(permit))
    hospital.unfreeze_dataset(study.participants[0])
    assert refusal.reason is Reason.DATASET_FROZEN
    assert nothing_happened(study)


def test_the_researcher_sees_every_hospitals_reason(study):
    permit = study.issue()
    for member in study.consortium.board:
        study.registry.as_(member).vote_revoke(permit, "harm")
    training = Training(
        study.by_researcher,
        study.grid(),
        permit,
        config=study.config,
        model=study.model,
        combine=federated_averaging,
        participants=study.participants,
    )
    with pytest.raises(RoundRefused) as refusal:
        training.round()
    assert [hospital.reason for hospital in refusal.value.hospitals] == [Reason.PERMIT_REVOKED] * 4
    assert all(hospital.remedy for hospital in refusal.value.hospitals)
    assert refusal.value.reasons == (Reason.PERMIT_REVOKED,)
    assert training.results == [] and training.model is study.model
    assert nothing_happened(study)
