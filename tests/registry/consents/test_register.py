"""A hospital's register: attestations, statements from the chain, and what a node gets of them."""

import hashlib
import sqlite3
import stat
from dataclasses import replace

import numpy as np
import pytest
from eth_utils import to_checksum_address

from belmont.registry.consents.errors import AttestationRefused, RegisterUnusable, ScopeRefused, StatementRefused
from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import IntendedUse, Scope
from belmont.registry.consents.statements import (
    NO_STATEMENTS,
    ConsentState,
    Statement,
    account_key,
    consent_root,
    patient_key,
)
from belmont.registry.consents.tree import EMPTY_BATCH, ConsentTree
from belmont.registry.types import Address, DatasetId

DATASET, OTHER = DatasetId(b"\x01" * 32), DatasetId(b"\x02" * 32)
SECRET = b"\x07" * 32
DISEASE, GENES = 1 << 37, 1 << 38
WIDE = Scope(DISEASE | GENES, 255, 0, 1000)
NARROW = Scope(DISEASE, 2, 0, 1000)
USE = IntendedUse(DISEASE, 2, Address(to_checksum_address(b"\x0a" * 20)), 500)
GENETIC = replace(USE, purposes=GENES)
KEYS = [patient_key(SECRET, f"MRN-{number}") for number in range(6)]
ACCOUNTS = [Address(to_checksum_address(bytes([number]) * 20)) for number in range(1, 5)]
ROWS = np.array([10, 11, 12, 13, 2**64 - 1, 99], np.uint64)
"""Pseudonyms of patients 0 to 4, and one of nobody."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "consents.db"


@pytest.fixture
def register(path):
    with ConsentRegister(path, DATASET) as found:
        found.admit(
            [
                Patient(KEYS[0], 10, WIDE),
                Patient(KEYS[1], 11, NARROW),
                Patient(KEYS[2], 12),
                Patient(KEYS[3], 13, WIDE, ACCOUNTS[0]),
                Patient(KEYS[4], 2**64 - 1, None, ACCOUNTS[1]),
            ]
        )
        yield found


def stated(number, account, sequence, scope, dataset=DATASET):
    return Statement(number, dataset, account, sequence, scope, 100 + number)


def mask(register, use=USE):
    return register.view().mask(ROWS, use).tolist()


# --- attestations ---


def test_a_new_register_stands_where_a_dataset_begins(path):
    with ConsentRegister(path, DATASET) as register:
        assert register.view().root == ConsentState().root
        assert register.view().batch == EMPTY_BATCH
        assert not register.view().mask(ROWS, USE).any()
        register.admit([Patient(KEYS[0], 10)])
        assert not register.view().mask(ROWS, USE).any() and not register.view().consenting(ROWS).any()
        assert register.view().known(ROWS).tolist() == [True] + [False] * 5


def test_the_batch_holds_what_is_attested_and_every_account(register):
    entries = [
        (KEYS[0], WIDE.hash),
        (KEYS[1], NARROW.hash),
        (account_key(ACCOUNTS[0]), WIDE.hash),
        (account_key(ACCOUNTS[1]), bytes(32)),
    ]
    assert register.view().batch == ConsentTree(entries).batch
    assert register.tree().batch == register.view().batch
    assert KEYS[2] not in register.tree() and KEYS[3] not in register.tree()


def test_rows_are_permitted_by_their_patients_scope(register):
    assert mask(register) == [True, True, False, True, False, False]
    assert mask(register, GENETIC) == [True, False, False, True, False, False]
    assert mask(register, replace(USE, at=1000)) == [False] * 6
    assert register.view().permitted(USE).tolist() == [10, 11, 13]
    assert register.view().consenting(ROWS).tolist() == [True, True, False, True, False, False]
    assert register.view().known(ROWS).tolist() == [True, True, True, True, True, False]


def test_a_revocation_changes_the_mask_and_the_root_at_once(register):
    before = register.view()
    batch = register.attest({KEYS[0]: None, KEYS[2]: NARROW})
    after = register.view()
    assert after.mask(ROWS, USE).tolist() == [False, True, True, True, False, False]
    assert after.batch == batch != before.batch
    assert after.root == consent_root(batch.root, NO_STATEMENTS) != before.root
    assert register.tree().absence(KEYS[0]).holds(batch.root, KEYS[0])


def test_a_view_that_was_taken_before_stays_as_it_was(register):
    before = register.view()
    register.attest({KEYS[0]: None})
    assert before.mask(ROWS, USE)[0]
    assert not register.view().mask(ROWS, USE)[0]


def test_attesting_what_is_attested_keeps_the_root(register):
    before = register.view().root
    register.attest({KEYS[0]: WIDE})
    register.attest({})
    assert register.view().root == before


@pytest.mark.parametrize(
    "patient",
    [
        Patient(KEYS[0], 77, WIDE),
        Patient(KEYS[5], 10, WIDE),
        Patient(KEYS[5], 77, WIDE, ACCOUNTS[0]),
        Patient(account_key(ACCOUNTS[2]), 77, WIDE, ACCOUNTS[0]),
        Patient(b"short", 77, WIDE),
        Patient(KEYS[5], 0, WIDE),
        Patient(KEYS[5], 2**64, WIDE),
    ],
)
def test_a_patient_is_admitted_once_with_a_key_and_pseudonym_of_their_own(register, patient):
    before = register.view().root
    with pytest.raises(AttestationRefused):
        register.admit([Patient(KEYS[5], 78, WIDE), patient])
    assert register.view().root == before
    assert 78 not in register.view().permitted(USE)


def test_nothing_of_a_change_is_kept_that_names_an_unknown_patient(register):
    before = register.view().root
    with pytest.raises(AttestationRefused, match="admit them"):
        register.attest({KEYS[0]: None, KEYS[5]: None})
    assert register.view().root == before and mask(register)[0]


def test_a_scope_that_no_consent_can_have_is_refused(register):
    with pytest.raises(ScopeRefused, match="PERIOD_INVALID"):
        register.attest({KEYS[0]: replace(WIDE, valid_until=0)})
    with pytest.raises(ScopeRefused, match="PURPOSE_INVALID"):
        register.admit([Patient(KEYS[5], 77, replace(WIDE, purposes=1))])
    assert mask(register)[0]


def test_a_short_secret_makes_no_keys():
    with pytest.raises(AttestationRefused, match="32 bytes"):
        patient_key(b"secret", "MRN-1")


def test_keys_of_two_hospitals_do_not_match():
    assert patient_key(SECRET, "MRN-1") != patient_key(b"\x08" * 32, "MRN-1")


# --- records ---


def recorded(register, **scopes):
    """Records that say this of patients by number ("p0")."""
    found = [(int(name[1:]), scope) for name, scope in scopes.items()]
    return register.record(Patient(KEYS[number], int(ROWS[number]), scope) for number, scope in found)


def test_records_admit_their_patients_and_a_later_reading_changes_them(path):
    with ConsentRegister(path, DATASET) as register:
        batch = recorded(register, p0=WIDE, p1=NARROW, p2=None)
        assert register.view().batch == batch
        assert batch == ConsentTree([(KEYS[0], WIDE.hash), (KEYS[1], NARROW.hash)]).batch
        assert mask(register, GENETIC)[:3] == [True, False, False]
        recorded(register, p0=NARROW, p1=WIDE, p2=WIDE)
        assert mask(register, GENETIC)[:3] == [False, True, True]


def test_who_is_in_the_records_no_longer_has_no_consent_and_has_one_again_when_they_are(path):
    with ConsentRegister(path, DATASET) as register:
        recorded(register, p0=WIDE, p1=WIDE)
        recorded(register, p1=WIDE)
        assert mask(register)[:2] == [False, True]
        recorded(register, p0=NARROW, p1=WIDE)
        assert mask(register)[:2] == [True, True]


def test_a_withdrawal_that_was_attested_outlasts_records_that_permit(path):
    with ConsentRegister(path, DATASET) as register:
        recorded(register, p0=WIDE)
        register.attest({KEYS[0]: None})
        for scope in (WIDE, NARROW, WIDE):
            recorded(register, p0=scope)
            assert not mask(register)[0]
        register.attest({KEYS[0]: WIDE})
        assert mask(register)[0]


def test_what_was_attested_by_hand_stands_until_the_records_say_something_new_and_is_only_narrowed(path):
    with ConsentRegister(path, DATASET) as register:
        recorded(register, p0=WIDE)
        register.attest({KEYS[0]: NARROW})
        for scope in (WIDE, replace(WIDE, valid_until=2000)):
            recorded(register, p0=scope)
            assert (mask(register)[0], mask(register, GENETIC)[0]) == (True, False)
        recorded(register, p0=replace(WIDE, valid_until=400))
        assert not mask(register)[0] and mask(register, replace(USE, at=399))[0]
        recorded(register)
        assert not register.view().consenting(ROWS).any()


def test_records_say_nothing_over_a_patients_own_statement_and_nothing_of_patients_who_never_were_in_them(register):
    register.take([stated(1, ACCOUNTS[0], 1, NARROW), stated(2, ACCOUNTS[1], 1, None)])
    before = mask(register), mask(register, GENETIC)
    recorded(register, p3=WIDE, p4=WIDE)
    assert (mask(register), mask(register, GENETIC)) == before
    recorded(register)
    assert (mask(register), mask(register, GENETIC)) == before


def test_records_that_do_not_fit_the_register_change_nothing(register):
    before = register.view().root
    wrong = [Patient(KEYS[0], 77, WIDE), Patient(b"short", 77, WIDE), Patient(KEYS[5], 10, WIDE)]
    for each in wrong:
        with pytest.raises(AttestationRefused):
            register.record([Patient(KEYS[1], 11, WIDE), each])
    with pytest.raises(ScopeRefused):
        register.record([Patient(KEYS[1], 11, replace(WIDE, purposes=0))])
    assert register.view().root == before


# --- accounts ---


def test_an_account_takes_the_place_of_the_key_in_the_batch(register):
    batch = register.give_accounts({KEYS[0]: ACCOUNTS[2]})
    tree = register.tree()
    assert tree.membership(account_key(ACCOUNTS[2])).leaf.scope_hash == WIDE.hash
    assert tree.absence(KEYS[0]).holds(batch.root, KEYS[0])
    assert mask(register)[0]


@pytest.mark.parametrize("accounts", [{KEYS[0]: ACCOUNTS[0]}, {KEYS[3]: ACCOUNTS[2]}, {KEYS[5]: ACCOUNTS[2]}])
def test_a_patient_has_one_account_and_an_account_one_patient(register, accounts):
    before = register.view().root
    with pytest.raises(AttestationRefused):
        register.give_accounts({KEYS[1]: ACCOUNTS[3], **accounts})
    assert register.view().root == before


# --- statements ---


def test_statements_decide_from_the_first_on(register):
    register.take([stated(1, ACCOUNTS[0], 1, NARROW), stated(2, ACCOUNTS[1], 1, WIDE)])
    assert mask(register, GENETIC) == [True, False, False, False, True, False]
    register.take([stated(3, ACCOUNTS[0], 2, None)])
    assert mask(register) == [True, True, False, False, True, False]


def test_a_revocation_may_be_the_first_statement(register):
    register.take([stated(1, ACCOUNTS[0], 1, None)])
    assert not mask(register)[3]


def test_the_root_is_the_one_that_the_statements_give(register):
    batch = register.view().batch
    own = NO_STATEMENTS
    for number, (account, sequence, scope) in enumerate(
        [(ACCOUNTS[0], 1, NARROW), (ACCOUNTS[1], 1, WIDE), (ACCOUNTS[0], 2, None)], start=1
    ):
        register.take([stated(number, account, sequence, scope)])
        digest = scope.hash if scope else bytes(32)
        own = hashlib.sha256(own + bytes.fromhex(account[2:]) + sequence.to_bytes(8, "big") + digest).digest()
        assert register.view().own == own
        assert register.view().root == hashlib.sha256(b"\x03" + batch.root + own).digest()
    assert (register.view().applied, register.view().block) == (3, 103)


def test_statements_are_applied_once_however_often_they_are_read(register):
    first, second = stated(1, ACCOUNTS[0], 1, NARROW), stated(2, ACCOUNTS[0], 2, None)
    register.take([first])
    register.take([first, second])
    root = register.view().root
    register.take([first, second])
    register.take([first])
    assert register.view().root == root
    assert not mask(register)[3]


@pytest.mark.parametrize(
    "statements",
    [
        [stated(2, ACCOUNTS[0], 1, None)],
        [stated(1, ACCOUNTS[0], 1, WIDE), stated(3, ACCOUNTS[0], 2, None)],
        [stated(2, ACCOUNTS[1], 1, WIDE), stated(1, ACCOUNTS[0], 1, None)],
        [stated(1, ACCOUNTS[0], 1, WIDE), stated(2, ACCOUNTS[0], 1, None)],
        [stated(1, ACCOUNTS[2], 1, WIDE)],
        [stated(1, ACCOUNTS[0], 1, WIDE), stated(2, ACCOUNTS[2], 1, WIDE)],
        [stated(1, ACCOUNTS[0], 1, WIDE, OTHER)],
        [stated(1, ACCOUNTS[0], 1, WIDE), stated(0, ACCOUNTS[0], 1, None, OTHER)],
    ],
    ids=[
        "a gap at the start",
        "a gap",
        "reordered",
        "a sequence repeated",
        "an account of nobody",
        "an account of nobody after another",
        "another dataset",
        "an old number of another dataset",
    ],
)
def test_statements_that_do_not_fit_leave_the_register_as_it_was(register, statements):
    before = register.view()
    with pytest.raises(StatementRefused):
        register.take(statements)
    after = register.view()
    assert (after.root, after.applied, after.block) == (before.root, 0, 0)
    assert mask(register)[3]


def test_an_account_that_is_noted_late_has_its_statements_applied(register):
    statement = stated(1, ACCOUNTS[2], 1, None)
    with pytest.raises(StatementRefused, match="give_accounts"):
        register.take([statement])
    register.give_accounts({KEYS[0]: ACCOUNTS[2]})
    register.take([statement])
    assert not mask(register)[0]


def test_a_sequence_may_jump_to_the_time_now(register):
    register.take([stated(1, ACCOUNTS[0], 1_790_000_000, None), stated(2, ACCOUNTS[0], 1_790_090_000, WIDE)])
    assert mask(register)[3]
    with pytest.raises(StatementRefused, match="1790090000"):
        register.take([stated(3, ACCOUNTS[0], 1_790_090_000, None)])
    assert mask(register)[3]


# --- withholding ---


def test_the_hospital_attests_nothing_for_who_decides_themselves(register):
    register.take([stated(1, ACCOUNTS[0], 1, None)])
    with pytest.raises(AttestationRefused, match="ask them"):
        register.attest({KEYS[3]: WIDE})
    assert not mask(register)[3]


def test_who_withdraws_on_paper_is_left_out_until_the_next_own_grant(register):
    register.take([stated(1, ACCOUNTS[0], 1, WIDE)])
    register.attest({KEYS[3]: None})
    assert not mask(register)[3]
    register.take([stated(2, ACCOUNTS[0], 2, None)])
    assert not mask(register)[3]
    register.take([stated(3, ACCOUNTS[0], 3, WIDE)])
    assert mask(register)[3]


def test_an_account_that_stated_nothing_yet_is_attested_for(register):
    register.attest({KEYS[4]: WIDE})
    assert mask(register)[4]
    register.attest({KEYS[4]: None})
    assert not mask(register)[4]


# --- the file ---


def test_everything_is_there_after_reopening(register, path):
    register.attest({KEYS[0]: None})
    register.take([stated(1, ACCOUNTS[0], 1, NARROW)])
    before = register.view()
    register.close()
    with ConsentRegister(path, DATASET) as again:
        assert again.view().root == before.root
        assert again.view().mask(ROWS, USE).tolist() == before.mask(ROWS, USE).tolist()


def test_a_second_handle_sees_what_the_first_wrote(register, path):
    with ConsentRegister(path, DATASET) as other:
        assert other.view().mask(ROWS, USE)[0]
        register.attest({KEYS[0]: None})
        assert not other.view().mask(ROWS, USE)[0]
        assert other.view().root == register.view().root


def test_a_closed_register_gives_nothing(register):
    register.close()
    with pytest.raises(RegisterUnusable, match="closed"):
        register.view()


def test_nobody_else_may_read_the_file(register, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_datasets_register_is_refused(register, path):
    register.close()
    with pytest.raises(RegisterUnusable, match="another dataset"):
        ConsentRegister(path, OTHER)


def test_another_programs_file_is_refused_and_left_alone(tmp_path):
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE theirs (a)")
    text = tmp_path / "text.db"
    text.write_text("not a database, but long enough to be read as one " * 20)
    for each in (foreign, text):
        before = each.read_bytes()
        with pytest.raises(RegisterUnusable):
            ConsentRegister(each, DATASET)
        assert each.read_bytes() == before


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RegisterUnusable, match="folder"):
        ConsentRegister(tmp_path / "missing" / "consents.db", DATASET)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE patients SET attested = NULL WHERE pseudonym = 10 - 9223372036854775807 - 1",
        "UPDATE patients SET leaf = zeroblob(32) WHERE attested = 1 AND account IS NULL",
        "UPDATE register SET batch_root = zeroblob(32)",
        "DELETE FROM patients",
        "DROP TABLE scopes",
        "UPDATE patients SET own = 1 WHERE sequence = 1",
        "UPDATE patients SET sequence = 0, own = NULL WHERE sequence = 1",
        "UPDATE patients SET sequence = 1, own = 1 WHERE account IS NULL",
        "UPDATE statements SET scope = 1",
        "DELETE FROM statements",
        "UPDATE register SET own = zeroblob(32)",
        "UPDATE register SET applied = 0",
        "UPDATE patients SET attested = 77 WHERE attested = 1",
        "UPDATE patients SET leaf = 'text' WHERE attested = 1 AND account IS NULL",
        "UPDATE statements SET account = 'somebody'",
    ],
)
def test_a_register_whose_root_does_not_come_of_its_contents_does_not_open(register, path, damage):
    register.take([stated(1, ACCOUNTS[0], 1, None)])
    register.close()
    with sqlite3.connect(path) as db:
        assert db.execute(damage).rowcount != 0
    with pytest.raises(RegisterUnusable):
        ConsentRegister(path, DATASET)


def test_a_scope_that_was_widened_in_the_file_is_noticed(register, path):
    register.close()
    with sqlite3.connect(path) as db:
        narrow, wide = NARROW.to_bytes(), replace(NARROW, categories=255).to_bytes()
        assert db.execute("UPDATE scopes SET content=? WHERE content=?", (wide, narrow)).rowcount == 1
    with ConsentRegister(path, DATASET) as found, pytest.raises(RegisterUnusable, match="damaged"):
        found.view()


# --- what it has of one patient ---


def test_what_was_attested_of_a_patient_in_an_earlier_batch_stays_known(register):
    wide = register.view().batch.root
    narrow = register.attest({KEYS[3]: NARROW}).root
    nothing = register.attest({KEYS[3]: None, KEYS[0]: None}).root
    register.attest({KEYS[0]: WIDE})
    entry = register.entry(ACCOUNTS[0])
    assert (entry.pseudonym, entry.attested, entry.sequence, entry.withheld) == (13, None, 0, False)
    assert [entry.attested_in(each) for each in (wide, narrow, nothing)] == [WIDE, NARROW, None]
    assert register.entry(ACCOUNTS[1]).attested_in(wide) is None


def test_a_batch_that_comes_back_was_attested_alike_both_times(register):
    first = register.view().batch.root
    register.attest({KEYS[3]: None})
    assert register.attest({KEYS[3]: WIDE}).root == first
    assert register.entry(ACCOUNTS[0]).attested_in(first) == WIDE


def test_a_batch_of_elsewhere_is_not_known_and_nobody_has_a_strangers_account(register):
    assert not register.entry(ACCOUNTS[0]).knows_batch(b"\x05" * 32)
    assert register.entry(ACCOUNTS[3]) is None
    assert "13" not in repr(register.entry(ACCOUNTS[0]))


def test_a_patient_who_was_withheld_is_known_to_have_been_until_the_next_own_statement(register):
    register.take([stated(1, ACCOUNTS[0], 5, WIDE)])
    assert not register.entry(ACCOUNTS[0]).was_withheld(5)
    register.attest({KEYS[3]: None})
    assert register.entry(ACCOUNTS[0]).was_withheld(5)
    register.take([stated(2, ACCOUNTS[0], 9, WIDE)])
    entry = register.entry(ACCOUNTS[0])
    assert (entry.was_withheld(5), entry.was_withheld(9), entry.withheld, entry.own) == (True, False, False, WIDE)


def test_a_change_that_was_refused_is_not_remembered(register):
    root = register.view().batch.root
    with pytest.raises(AttestationRefused):
        register.attest({KEYS[3]: NARROW, b"\x55" * 32: None})
    entry = register.entry(ACCOUNTS[0])
    assert entry.past == () and entry.attested_in(root) == WIDE


def test_a_register_of_an_older_release_remembers_from_its_opening_on(path, register):
    before = register.view().batch.root
    register.attest({KEYS[3]: NARROW})
    known = register.view().batch.root
    register.close()
    old = sqlite3.connect(path)
    for statement in (
        "DROP TRIGGER patients_are_remembered", "DROP TRIGGER batches_are_remembered", "DROP TABLE past",
        "DROP TABLE batches",
    ):  # fmt: skip
        old.execute(statement)
    old.close()
    with ConsentRegister(path, DATASET) as opened:
        opened.attest({KEYS[3]: None})
        entry = opened.entry(ACCOUNTS[0])
    assert not entry.knows_batch(before)
    assert entry.attested_in(known) == NARROW
