import hashlib
from dataclasses import replace
from types import SimpleNamespace

import pytest
from eth_utils import to_checksum_address

from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import OwnConsent, Statement, chained, consent_root
from belmont.registry.consents.tree import ConsentTree

DAY = 24 * 3600

HASH = b"\x11" * 32
RECIPIENTS = tuple(to_checksum_address(bytes([number]) * 20) for number in range(1, 10))


@pytest.fixture
def as_patient(enrolled):
    return enrolled.consents(enrolled.patient)


def test_a_grant_is_kept_by_its_hash(enrolled, as_patient):
    as_patient.grant(enrolled.dataset, enrolled.scope, 1)
    now = enrolled.consortium.evm.now
    assert as_patient.own(enrolled.dataset, enrolled.patient.address) == OwnConsent(now, 1, enrolled.scope.hash, now)


def test_a_revocation_leaves_no_scope(enrolled, as_patient):
    as_patient.grant(enrolled.dataset, enrolled.scope, 1)
    as_patient.revoke(enrolled.dataset, 2)
    assert as_patient.own(enrolled.dataset, enrolled.patient.address).scope_hash == bytes(32)


@pytest.mark.parametrize("count", range(9))
def test_the_contract_hashes_a_scope_as_it_is_written_down(enrolled, as_patient, count):
    scope = Scope(1 << 31 | 1 << 40, 255, 0, 2**64 - 1, RECIPIENTS[:count])
    as_patient.grant(enrolled.dataset, scope, 1)
    assert as_patient.own(enrolled.dataset, enrolled.patient.address).scope_hash == scope.hash


def test_every_statement_is_chained_to_those_before_it_and_changes_the_root(enrolled, as_patient):
    own, batch = bytes(32), enrolled.tree.batch
    other = enrolled.consents(enrolled.other_patient)
    acts = [
        (enrolled.patient, 1, enrolled.scope.hash, lambda: as_patient.grant(enrolled.dataset, enrolled.scope, 1)),
        (enrolled.other_patient, 1, bytes(32), lambda: other.revoke(enrolled.dataset, 1)),
        (enrolled.patient, 2, bytes(32), lambda: as_patient.revoke(enrolled.dataset, 2)),
    ]
    for number, (patient, sequence, scope, act) in enumerate(acts, start=1):
        act()
        account = bytes.fromhex(patient.address[2:])
        own = hashlib.sha256(own + account + sequence.to_bytes(8, "big") + scope).digest()
        found = as_patient.state(enrolled.dataset)
        assert (found.own, found.statements) == (own, number)
        assert found.root == hashlib.sha256(b"\x03" + batch.root + own).digest()
        assert enrolled.consortium.registry.dataset(enrolled.dataset).consent_root == found.root


def test_announces_both(enrolled, as_patient):
    scope = replace(enrolled.scope, recipients=RECIPIENTS[:2])
    as_patient.grant(enrolled.dataset, scope, 1)
    granted = as_patient.root(enrolled.dataset)
    as_patient.revoke(enrolled.dataset, 2)
    patient = enrolled.patient.address
    details = {
        "dataset": enrolled.dataset,
        "number": 1,
        "sequence": 1,
        "purposes": scope.purposes,
        "categories": scope.categories,
        "recipients": scope.recipients,
        "valid_from": scope.valid_from,
        "valid_until": scope.valid_until,
        "consent_root": granted,
    }
    revoked = {
        "dataset": enrolled.dataset,
        "number": 2,
        "sequence": 2,
        "consent_root": as_patient.root(enrolled.dataset),
    }
    assert enrolled.consortium.events("ConsentGranted", "ConsentRevoked") == [
        ("ConsentGranted", patient, details),
        ("ConsentRevoked", patient, revoked),
    ]


def test_statements_are_read_in_order_from_a_block_on(enrolled, as_patient):
    evm, other = enrolled.consortium.evm, enrolled.consents(enrolled.other_patient)
    as_patient.grant(enrolled.dataset, enrolled.scope, 1)
    first = evm.number
    other.revoke(enrolled.dataset, 1)
    as_patient.revoke(enrolled.dataset, 2)
    patient, other_patient = enrolled.patient.address, enrolled.other_patient.address
    statements = [
        Statement(1, enrolled.dataset, patient, 1, enrolled.scope, first),
        Statement(2, enrolled.dataset, other_patient, 1, None, first + 1),
        Statement(3, enrolled.dataset, patient, 2, None, first + 2),
    ]
    assert as_patient.statements(enrolled.dataset) == statements
    assert as_patient.statements(enrolled.dataset, first + 1) == statements[1:]
    assert as_patient.statements(enrolled.consortium.dataset(versions=0)) == []


def test_a_register_that_applies_them_stands_at_the_contracts_root(enrolled, as_patient, tmp_path):
    with ConsentRegister(tmp_path / "consents.db", enrolled.dataset) as register:
        people = (enrolled.patient, enrolled.other_patient)
        batch = register.admit(
            Patient(bytes([number]) * 32, number, enrolled.scope, each.address)
            for number, each in enumerate(people, start=1)
        )
        enrolled.consents(enrolled.consortium.holder).publish_batch(enrolled.dataset, batch)
        assert register.view().root == as_patient.root(enrolled.dataset)
        as_patient.grant(enrolled.dataset, replace(enrolled.scope, recipients=RECIPIENTS[:8]), 1)
        enrolled.consents(enrolled.other_patient).revoke(enrolled.dataset, 1)
        assert register.view().root != as_patient.root(enrolled.dataset)
        register.take(as_patient.statements(enrolled.dataset, register.view().block))
        assert register.view().root == as_patient.root(enrolled.dataset)
        as_patient.revoke(enrolled.dataset, 2)
        register.take(as_patient.statements(enrolled.dataset, register.view().block))
        assert register.view().root == as_patient.root(enrolled.dataset)


# --- order ---


def test_a_sequence_is_above_zero_and_at_most_a_day_ahead(enrolled, as_patient, refused):
    ahead = enrolled.consortium.evm.now + DAY
    for sequence, reason in (
        (0, "SEQUENCE_NOT_NEWER"),
        (ahead + 1, "SEQUENCE_TOO_HIGH"),
        (2**64 - 1, "SEQUENCE_TOO_HIGH"),
    ):
        with refused(reason):
            as_patient.grant(enrolled.dataset, enrolled.scope, sequence)
        with refused(reason):
            as_patient.revoke(enrolled.dataset, sequence)
    as_patient.grant(enrolled.dataset, enrolled.scope, ahead)


def test_no_statement_counts_twice_or_after_a_newer_one(enrolled, as_patient, refused):
    """A grant that was signed before the revocation, and held back, does not come after it."""
    as_patient.grant(enrolled.dataset, enrolled.scope, 1)
    as_patient.revoke(enrolled.dataset, 7)
    enrolled.consortium.evm.now += DAY
    for sequence in (1, 6, 7):
        with refused("SEQUENCE_NOT_NEWER"):
            as_patient.grant(enrolled.dataset, enrolled.scope, sequence)
    as_patient.grant(enrolled.dataset, enrolled.scope, 8)


def test_a_grant_held_back_and_relayed_first_does_not_stop_the_revocation(enrolled, as_patient):
    as_patient.grant(enrolled.dataset, enrolled.scope, 100)
    as_patient.revoke(enrolled.dataset, 200)
    assert as_patient.own(enrolled.dataset, enrolled.patient.address).scope_hash == bytes(32)


def test_nobody_moves_the_root_for_its_own_sake(enrolled, as_patient, refused):
    """Otherwise a single patient could stop every query of a dataset, free and for good."""
    as_patient.revoke(enrolled.dataset, 1)
    with refused("ALREADY_REVOKED"):
        as_patient.revoke(enrolled.dataset, 2)
    enrolled.consortium.evm.now += DAY - 1
    with refused("GRANT_TOO_SOON"):
        as_patient.grant(enrolled.dataset, enrolled.scope, 2)
    enrolled.consortium.evm.now += 1
    as_patient.grant(enrolled.dataset, enrolled.scope, 2)
    with refused("GRANT_TOO_SOON"):
        as_patient.grant(enrolled.dataset, enrolled.scope, 3)
    as_patient.revoke(enrolled.dataset, 3)


def test_each_account_and_dataset_counts_for_itself(enrolled, as_patient):
    as_patient.grant(enrolled.dataset, enrolled.scope, 1)
    enrolled.consents(enrolled.other_patient).grant(enrolled.dataset, enrolled.scope, 1)
    first, enrolled.dataset = enrolled.dataset, enrolled.consortium.dataset(versions=0)
    enrolled.publish()
    enrolled.enrol(enrolled.patient)
    as_patient.grant(enrolled.dataset, enrolled.scope, 1)
    assert as_patient.state(first).statements == 2
    assert as_patient.state(enrolled.dataset).statements == 1


# --- who ---


def test_an_account_that_is_not_enrolled_states_nothing(enrolled, refused):
    with refused("NOT_ENROLLED"):
        enrolled.consents(enrolled.stranger).grant(enrolled.dataset, enrolled.scope, 1)
    with refused("NOT_ENROLLED"):
        enrolled.consents(enrolled.stranger).revoke(enrolled.dataset, 1)
    with refused("NOT_ENROLLED"):
        enrolled.consents(enrolled.patient).revoke(HASH, 1)


def test_nobody_states_for_a_patient(enrolled, refused):
    consortium = enrolled.consortium
    for somebody in (enrolled.other_patient, enrolled.stranger, consortium.holder, consortium.board[0]):
        for act in ("grant", "revoke"):
            given = (enrolled.scope, 1) if act == "grant" else (1,)
            with refused("NOT_THE_ACTOR"):
                getattr(enrolled.consents(somebody, enrolled.patient), act)(enrolled.dataset, *given)


def test_not_even_a_patients_delegate(enrolled, refused):
    args = enrolled.patient.address, b"sigAuth".ljust(32, b"\0"), enrolled.stranger.address, 3600
    enrolled.consortium.call(enrolled.patient, "Identities", "addDelegate", *args)
    with refused("NOT_THE_ACTOR"):
        enrolled.consents(enrolled.stranger, enrolled.patient).revoke(enrolled.dataset, 1)


def test_the_relay_states_for_a_patient_whose_signature_it_checked(enrolled):
    relay = SimpleNamespace(address=enrolled.consortium.registry.addresses["Relay"])
    enrolled.consents(relay, enrolled.patient).revoke(enrolled.dataset, 1)
    ((_, actor, _),) = enrolled.consortium.events("ConsentRevoked")
    assert actor == enrolled.patient.address
    own = enrolled.consents(enrolled.stranger).state(enrolled.dataset).own
    assert own == chained(bytes(32), enrolled.patient.address, 1, bytes(32))


def test_after_a_change_of_owner_the_new_key_states_and_the_old_one_does_not(enrolled, as_patient, refused):
    args = enrolled.patient.address, enrolled.stranger.address
    enrolled.consortium.call(enrolled.patient, "Identities", "changeOwner", *args)
    with refused("NOT_THE_ACTOR"):
        as_patient.revoke(enrolled.dataset, 1)
    enrolled.consents(enrolled.stranger, enrolled.patient).revoke(enrolled.dataset, 1)


# --- what ---


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"purposes": 0}, "PURPOSE_INVALID"),
        ({"purposes": 1 << 30}, "PURPOSE_INVALID"),
        ({"purposes": 1 << 41 | 1 << 37}, "PURPOSE_INVALID"),
        ({"categories": 0}, "CATEGORIES_INVALID"),
        ({"categories": 256}, "CATEGORIES_INVALID"),
        ({"recipients": (RECIPIENTS[1], RECIPIENTS[0])}, "RECIPIENTS_INVALID"),
        ({"recipients": (RECIPIENTS[0], RECIPIENTS[0])}, "RECIPIENTS_INVALID"),
        ({"recipients": (to_checksum_address(bytes(20)),)}, "RECIPIENTS_INVALID"),
        ({"valid_until": 1_700_000_000}, "PERIOD_INVALID"),
    ],
)
def test_a_scope_that_no_consent_can_have_is_refused(enrolled, as_patient, refused, change, reason):
    with refused(reason):
        as_patient.grant(enrolled.dataset, replace(enrolled.scope, **change), 1)
    as_patient.revoke(enrolled.dataset, 1)


def test_nine_recipients_do_not_fit_into_a_record(enrolled, as_patient):
    with pytest.raises(ValueError, match="at most 8"):
        as_patient.grant(enrolled.dataset, replace(enrolled.scope, recipients=RECIPIENTS), 1)


# --- whenever ---


def test_nothing_keeps_a_patient_from_revoking(enrolled, as_patient):
    """A batch that leaves the patient out, a frozen dataset, a destroyed one, a holder that was removed."""
    as_holder = enrolled.consortium.registry.as_(enrolled.consortium.holder)
    enrolled.publish(ConsentTree([]))
    as_patient.grant(enrolled.dataset, enrolled.scope, 1)
    as_holder.freeze_dataset(enrolled.dataset)
    as_patient.revoke(enrolled.dataset, 2)
    as_holder.destroy_dataset(enrolled.dataset, HASH)
    enrolled.consortium.evm.now += DAY
    as_patient.grant(enrolled.dataset, enrolled.scope, 3)
    enrolled.consortium.remove(enrolled.consortium.holder)
    as_patient.revoke(enrolled.dataset, 4)
    assert as_patient.state(enrolled.dataset).statements == 4
    assert as_patient.root(enrolled.dataset) == consent_root(
        enrolled.tree.batch.root, as_patient.state(enrolled.dataset).own
    )
