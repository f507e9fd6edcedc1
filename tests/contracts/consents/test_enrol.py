from dataclasses import replace

import pytest

from belmont.registry.consents.statements import OwnConsent, account_key
from belmont.registry.consents.tree import ConsentTree

HASH = b"\x11" * 32


@pytest.fixture
def shown(hospital):
    """The patient's leaf in the published batch."""
    hospital.publish()
    return hospital.tree.membership(account_key(hospital.patient.address))


def test_anybody_enrols_an_account_that_is_in_the_batch(hospital, shown):
    hospital.consents(hospital.stranger).enrol(hospital.dataset, hospital.patient.address, shown)
    own = hospital.consents(hospital.stranger).own(hospital.dataset, hospital.patient.address)
    assert own == OwnConsent(hospital.consortium.evm.now, 0, bytes(32), 0)
    assert hospital.consents(hospital.stranger).own(hospital.dataset, hospital.other_patient.address) is None


def test_announces_the_enrolment(hospital, shown):
    hospital.enrol(hospital.patient)
    details = {"dataset": hospital.dataset, "batch": 1}
    patient = hospital.patient.address
    assert hospital.consortium.events("PatientEnrolled") == [("PatientEnrolled", patient, details)]


def test_enrolling_changes_nothing_about_consents(hospital, shown):
    before = hospital.consents(hospital.stranger).state(hospital.dataset)
    hospital.enrol(hospital.patient)
    assert hospital.consents(hospital.stranger).state(hospital.dataset) == before


def test_an_account_is_enrolled_once(hospital, shown, refused):
    hospital.enrol(hospital.patient)
    with refused("ALREADY_ENROLLED"):
        hospital.enrol(hospital.patient)


def test_it_stays_enrolled_whatever_later_batches_hold(hospital, shown):
    hospital.enrol(hospital.patient)
    hospital.publish(ConsentTree([]))
    hospital.consents(hospital.patient).revoke(hospital.dataset, 1)


def test_a_path_of_somebody_else_is_refused(hospital, shown, refused):
    with refused("PATH_INVALID"):
        hospital.consents(hospital.stranger).enrol(hospital.dataset, hospital.stranger.address, shown)
    with refused("PATH_INVALID"):
        hospital.consents(hospital.stranger).enrol(hospital.dataset, hospital.other_patient.address, shown)


def test_no_word_of_the_path_can_be_changed(hospital, shown, refused):
    leaf = shown.leaf
    forged = [
        replace(leaf, scope_hash=HASH),
        replace(leaf, path=(*leaf.path, HASH)),
        replace(leaf, path=leaf.path[:-1]),
    ]
    forged += [replace(leaf, place=place) for place in (*range(16), 2**63, 2**64 - 1) if place != leaf.place]
    for level in range(len(leaf.path)):
        forged.append(replace(leaf, path=(*leaf.path[:level], HASH, *leaf.path[level + 1 :])))
    for each in forged:
        with refused("PATH_INVALID"):
            account = hospital.patient.address
            hospital.consents(hospital.stranger).enrol(hospital.dataset, account, replace(shown, leaf=each))


def test_a_path_to_an_older_batch_is_refused(hospital, shown, refused):
    hospital.publish(ConsentTree([(HASH, HASH)]))
    with refused("PATH_INVALID"):
        hospital.consents(hospital.stranger).enrol(hospital.dataset, hospital.patient.address, shown)


def test_a_path_for_another_dataset_is_refused(hospital, shown, refused):
    other = hospital.consortium.dataset(versions=0)
    with refused("PATH_INVALID"):
        hospital.consents(hospital.stranger).enrol(other, hospital.patient.address, shown)


def test_nobody_is_in_the_batch_that_a_dataset_begins_with(hospital, refused):
    alone = ConsentTree([(account_key(hospital.patient.address), HASH)]).membership(
        account_key(hospital.patient.address)
    )
    with refused("PATH_INVALID"):
        hospital.consents(hospital.stranger).enrol(hospital.dataset, hospital.patient.address, alone)


def test_a_batch_of_one_has_a_path_without_any_word(hospital):
    hospital.publish(ConsentTree([(account_key(hospital.patient.address), HASH)]))
    hospital.enrol(hospital.patient)


def test_an_enrolment_counts_for_one_dataset(hospital, shown, refused):
    hospital.enrol(hospital.patient)
    other = hospital.consortium.dataset(versions=0)
    with refused("NOT_ENROLLED"):
        hospital.consents(hospital.patient).revoke(other, 1)
