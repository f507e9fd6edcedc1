"""What the register and the vault say of one patient, and of nobody else."""

from dataclasses import replace

import pytest
from tests.service.patient.scenes import SLUG, Clinic

from belmont.identity.keys import Identity
from belmont.lab import hospital_files
from belmont.registry.types import Address, DatasetId
from belmont.service.patient.errors import FilesUnusable
from belmont.service.patient.hospital import HospitalFiles, Presence
from belmont.vault.vault import Vault


def test_an_account_that_the_hospital_did_not_note_is_nobodys(clinic: Clinic) -> None:
    assert clinic.files.entry(Address(Identity.create().address)) is None
    assert clinic.files.entry(Address(clinic.holder.address)) is None
    assert clinic.files.entry(Address(clinic.me.lower())) is None


def test_a_patient_gets_the_row_of_their_own_pseudonym_decoded(clinic: Clinic) -> None:
    table = hospital_files.stored_rows(clinic.home, SLUG, clinic.registry, clinic.dataset_id).table
    for account, pseudonym in ((clinic.me, clinic.mine), (clinic.other, clinic.others)):
        entry = clinic.files.entry(account)
        assert entry is not None and entry.pseudonym == pseudonym
        held = clinic.files.row(entry, clinic.dataset, clinic.versions)
        assert (held.newest, held.presence) == (1, {1: Presence.HELD})
        decoded = table.decode().loc[pseudonym]
        for each in held.values:
            wanted = decoded[each.column]
            missing = not table.observed(each.column)[list(table.pseudonyms).index(pseudonym)]
            assert (each.value is None) == missing and each.is_observed != missing
            assert missing or each.value == wanted
            assert each.label and (each.kind == "number") == (each.unit is not None or each.column == "age")


def test_a_version_that_left_the_row_out_is_told_from_those_that_have_it(own_clinic: Clinic) -> None:
    own_clinic.attest(own_clinic.mine, None)
    assert own_clinic.renew() == 2
    mine, others = (own_clinic.files.entry(each) for each in (own_clinic.me, own_clinic.other))
    assert mine is not None and others is not None
    held = own_clinic.files.row(mine, own_clinic.dataset, own_clinic.versions)
    assert held.presence == {1: Presence.HELD, 2: Presence.NOT_HELD} and held.newest == 1
    assert own_clinic.files.row(others, own_clinic.dataset, own_clinic.versions).newest == 2


def test_what_was_destroyed_is_not_said_to_be_absent(clinic: Clinic) -> None:
    with hospital_files.open_vault(clinic.home, SLUG) as vault:
        vault.shred("Diabetes")
    entry = clinic.files.entry(clinic.me)
    assert entry is not None
    held = clinic.files.row(entry, clinic.dataset, clinic.versions)
    assert held.presence == {1: Presence.UNKNOWN} and held.newest is None and held.values == ()


def test_the_vault_is_opened_once_for_all_versions(own_clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    own_clinic.renew()
    entry = own_clinic.files.entry(own_clinic.me)
    assert entry is not None
    opened = []
    real = Vault.open.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(Vault, "open", classmethod(lambda *a, **k: opened.append(1) or real(*a, **k)))
    assert own_clinic.files.row(entry, own_clinic.dataset, own_clinic.versions).newest == 2
    assert opened == [1]


def test_nothing_that_is_missing_is_made(clinic: Clinic) -> None:
    entry = clinic.files.entry(clinic.me)
    assert entry is not None
    for path in (clinic.home.consents(SLUG), clinic.home.vault(SLUG)):
        path.unlink()
    elsewhere = HospitalFiles(clinic.home, SLUG, clinic.dataset_id)
    with pytest.raises(FilesUnusable):
        elsewhere.entry(clinic.me)
    assert elsewhere.row(entry, clinic.dataset, clinic.versions).newest is None
    assert not clinic.home.consents(SLUG).exists() and not clinic.home.vault(SLUG).exists()


def test_another_datasets_register_and_another_dictionary_are_refused(clinic: Clinic) -> None:
    with pytest.raises(FilesUnusable):
        HospitalFiles(clinic.home, SLUG, DatasetId(b"\x09" * 32)).entry(clinic.me)
    entry = clinic.files.entry(clinic.me)
    assert entry is not None
    with pytest.raises(FilesUnusable, match="dictionary"):
        clinic.files.row(entry, replace(clinic.dataset, dictionary_hash=b"\x01" * 32), clinic.versions)


def test_damaged_files_are_an_error_without_what_they_say(clinic: Clinic, caplog: pytest.LogCaptureFixture) -> None:
    entry = clinic.files.entry(clinic.me)
    assert entry is not None
    clinic.home.vault(SLUG).write_bytes(b"no vault of " + str(clinic.mine).encode())
    with pytest.raises(FilesUnusable) as refused:
        clinic.files.row(entry, clinic.dataset, clinic.versions)
    said = f"{refused.value} {refused.value.__cause__} {caplog.text}"
    assert str(clinic.mine) not in said and str(clinic.home.path) not in said and clinic.me not in said


def test_a_register_that_was_restored_from_a_backup_is_opened_anew(clinic: Clinic) -> None:
    path = clinic.home.consents(SLUG)
    backup = path.read_bytes()
    assert clinic.files.entry(clinic.me) is not None
    third = Address(Identity.create().address)
    clinic.give_locally(clinic.pseudonyms()[2], third)
    assert clinic.files.entry(third) is not None
    for each in path.parent.glob("consents.sqlite*"):
        each.unlink()
    path.write_bytes(backup)
    assert clinic.files.entry(third) is None and clinic.files.entry(clinic.me) is not None


def test_nothing_of_a_patient_is_in_what_these_values_print(clinic: Clinic) -> None:
    entry = clinic.files.entry(clinic.me)
    assert entry is not None
    held = clinic.files.row(entry, clinic.dataset, clinic.versions)
    assert str(clinic.mine) not in repr(entry) + repr(held)
