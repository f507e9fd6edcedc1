"""A revocation counts for the next round and the next query; a scope binds every use."""

from types import SimpleNamespace

import pytest

from belmont.federated.errors import QueryRefused
from belmont.federated.hashes import code_hash, config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, initial_model, newton
from belmont.federated.models.training import Training
from belmont.federated.query.answer import ask
from belmont.federated.query.bfv import ResearcherKey
from belmont.federated.query.question import count
from belmont.registry.consents.scope import Category, Scope
from belmont.registry.limits import PURPOSES_MASK
from belmont.registry.reasons import Reason
from belmont.registry.types import Address

FEATURES = ("age", "ldl", "systolic")
PATIENT = SimpleNamespace(address="0x" + "11" * 20)
SOMEBODY = Address("0x" + "22" * 20)
ALWAYS = 0, 1 << 62
BROAD = Scope(PURPOSES_MASK, 255, *ALWAYS)


@pytest.fixture(scope="module")
def key():
    return ResearcherKey()


@pytest.fixture
def training(scene):
    code, config = shipped_bundle("glm"), glm_config(FEATURES, "cvd_event")
    return Training(
        scene.by_researcher,
        scene.grid(code),
        scene.issue(code_hash=code_hash(code), config_hash=config_hash(config), duration_seconds=9 * 24 * 3600),
        config=config,
        model=initial_model(FEATURES),
        combine=newton(),
        participants=scene.participants,
    )


@pytest.fixture
def patient(scene):
    """The patient in the first row of hospital 0, with a key of their own."""
    return scene.consortium.give_key(0, scene.consortium.tables[0].pseudonyms[0], PATIENT)


def trained(training):
    """Rows of the next round, over all hospitals."""
    return training.round().rows


def counted(scene, permit, key):
    grid = scene.grid()
    try:
        return ask(scene.by_researcher, grid, permit, count(), width=1, participants=scene.participants, key=key).rows
    finally:
        grid.close()


def everybody(scene):
    return sum(table.rows for table in scene.consortium.tables)


def test_the_next_round_leaves_out_whose_withdrawal_the_hospital_attested_though_its_version_is_older(scene, training):
    assert trained(training) == everybody(scene)
    scene.consortium.withdraw(0, *scene.consortium.tables[0].pseudonyms[:7])
    assert trained(training) == everybody(scene) - 7
    (use,) = [each for each in scene.registry.uses() if each.dataset_id == scene.participants[0] and each.n == 2]
    assert use.consent_root == scene.registry.dataset(scene.participants[0]).consent_root


def test_a_patients_own_revocation_is_read_from_the_chain_by_a_node_that_kept_running(scene, training, patient):
    assert trained(training) == everybody(scene)
    patient.revoke(scene.participants[0], 1)
    assert trained(training) == everybody(scene) - 1
    scene.registry.clock.advance(24 * 3600)
    patient.grant(scene.participants[0], BROAD, 2)
    assert trained(training) == everybody(scene)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(1 << 31, 255, *ALWAYS),
        Scope(PURPOSES_MASK, Category.DIAGNOSES, *ALWAYS),
        Scope(PURPOSES_MASK, 255, *ALWAYS, (SOMEBODY,)),
        Scope(PURPOSES_MASK, 255, 0, 1_000),
        Scope(PURPOSES_MASK, 255, 1 << 61, 1 << 62),
    ],
    ids=["purposes", "categories", "recipients", "over", "not yet"],
)
def test_a_consent_that_does_not_cover_the_use_leaves_the_row_out_of_a_round(scene, training, patient, scope):
    patient.grant(scene.participants[0], scope, 1)
    assert trained(training) == everybody(scene) - 1


def test_a_consent_that_names_the_data_user_covers_the_use(scene, training, patient):
    scope = Scope(PURPOSES_MASK, 255, *ALWAYS, (Address(scene.consortium.researcher.address),))
    patient.grant(scene.participants[0], scope, 1)
    assert trained(training) == everybody(scene)


def test_a_consent_ends_with_its_period_while_the_node_runs(scene, training, patient):
    ends = int(scene.registry.clock()) + 100
    patient.grant(scene.participants[0], Scope(PURPOSES_MASK, 255, 0, ends), 1)
    assert trained(training) == everybody(scene)
    scene.registry.clock.advance(100)
    assert trained(training) == everybody(scene) - 1


def test_a_query_waits_for_a_version_without_those_who_withdrew(scene, key):
    permit, table = scene.issue(), scene.consortium.tables[0]
    assert counted(scene, permit, key) == everybody(scene)
    scene.consortium.withdraw(0, table.pseudonyms[0])
    with pytest.raises(QueryRefused) as refusal:
        counted(scene, permit, key)
    assert refusal.value.hospitals[0].reason is Reason.CONSENT_STALE
    scene.consortium.add_version(0, table.select(table.pseudonyms != table.pseudonyms[0]))
    assert counted(scene, permit, key) == everybody(scene) - 1


def test_a_query_is_refused_where_a_row_of_the_version_is_not_for_this_use(scene, key, patient):
    patient.grant(scene.participants[0], Scope(1 << 31, 255, *ALWAYS), 1)
    scene.consortium.add_version(0, scene.consortium.tables[0])
    with pytest.raises(QueryRefused) as refusal:
        counted(scene, scene.issue(), key)
    assert refusal.value.hospitals[0].reason is Reason.CONSENT_SCOPE
    assert "599" not in refusal.value.hospitals[0].detail


def test_a_node_whose_register_does_not_know_what_the_chain_has_refuses(scene, refused):
    permit = scene.issue()
    scene.open_round(permit)
    scene.consortium.publish_unknown_batch(0)
    assert refused(scene.send_round(permit)).reason is Reason.CONSENT_STALE
    assert scene.nodes[0].ledger.entries() == []


def test_an_attestation_that_is_not_published_yet_stops_the_node(scene, refused):
    permit = scene.issue()
    scene.open_round(permit)
    scene.consortium.withdraw(0, scene.consortium.tables[0].pseudonyms[0], publish=False)
    assert refused(scene.send_round(permit)).reason is Reason.CONSENT_STALE


def test_a_statement_of_an_account_that_the_register_does_not_know_stops_the_node(scene, refused, caplog):
    """Somebody else's software enrolled it: what it stands for nobody can say, so nothing is computed."""
    permit = scene.issue()
    scene.open_round(permit)
    stranger = scene.consortium.enrol_unknown(0, PATIENT)
    stranger.revoke(scene.participants[0], 1)
    assert refused(scene.send_round(permit)).reason is Reason.CONSENT_STALE


def test_a_revocation_while_the_code_computes_stops_the_result(hooked, hook, refused):
    patient = hooked.consortium.give_key(0, hooked.consortium.tables[0].pseudonyms[0], PATIENT)
    hook.while_computing = lambda: patient.revoke(hooked.participants[0], 1)
    assert refused(hooked.send_round(hooked.permit)).reason is Reason.CONSENT_STALE
    assert hooked.registry.uses(hooked.permit) == []


def test_too_few_rows_that_are_left_are_refused(scene, refused):
    permit = scene.issue(min_cohort=scene.consortium.tables[0].rows)
    scene.open_round(permit)
    scene.consortium.withdraw(0, scene.consortium.tables[0].pseudonyms[0])
    assert refused(scene.send_round(permit)).reason is Reason.COHORT_TOO_SMALL


def test_a_consent_that_ends_while_the_code_computes_stops_the_result(hooked, hook, refused):
    patient = hooked.consortium.give_key(0, hooked.consortium.tables[0].pseudonyms[0], PATIENT)
    ends = int(hooked.registry.clock()) + 100
    patient.grant(hooked.participants[0], Scope(PURPOSES_MASK, 255, 0, ends), 1)
    hook.while_computing = lambda: hooked.registry.clock.advance(100)
    assert refused(hooked.send_round(hooked.permit)).reason is Reason.CONSENT_STALE
    assert hooked.registry.uses(hooked.permit) == []
