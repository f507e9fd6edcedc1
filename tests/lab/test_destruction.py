"""A dataset is destroyed for good, in an order that a kill at any moment leaves safe; anybody can check the report."""

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.identity.keys import Identity
from belmont.identity.secret_file import read_secret_file
from belmont.lab import Consortium, destruction, mean
from belmont.lab.destroyed import verify_destruction
from belmont.lab.destruction import open_vault, report_path
from belmont.lab.destruction_report import MAX_BYTES, Holdings, SignedReport, reported_versions
from belmont.lab.errors import DestructionIncomplete, LabError, ReportRefused
from belmont.lab.people import Hospital
from belmont.registry.errors import RegistryRefused
from belmont.registry.types import Dataset, DatasetStatus
from belmont.vault.cid import RAW, Cid
from belmont.vault.errors import DatasetShredded, ShredIncomplete
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import MAX_FILE_BYTES, WrappingKey

Bare = Callable[..., Consortium]


def on_chain(consortium: Consortium, hospital: Hospital) -> Dataset:
    dataset = consortium.registry.dataset(hospital.dataset_id)
    assert dataset is not None
    return dataset


def destroyed(consortium: Consortium, hospital: Hospital) -> Any:
    return consortium.destroy(hospital, confirm=hospital.dataset_name)


def belmont(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "belmont.cli", *words], capture_output=True, text=True, check=False)


def test_keys_blocks_and_files_are_gone_and_the_chain_has_the_reports_hash(bare: Bare) -> None:
    consortium = bare()
    hospital, other = consortium.hospitals[:2]
    home, slug = consortium.home_here, hospital.slug
    with open_vault(home, slug) as vault:
        (cid,) = vault.objects(hospital.dataset_name)
        held = vault.inventory(hospital.dataset_name)
    done = destroyed(consortium, hospital)
    with open_vault(home, slug) as vault:
        with pytest.raises(DatasetShredded):
            vault.get(cid)
        assert vault.inventory(hospital.dataset_name).is_empty and vault.check().ok
    report = done.report
    assert (report.before, report.after) == (Holdings(1, held.blocks, held.bytes), Holdings(1, 0, 0))
    assert report.key_ids == (held.key_id,) and held.bytes > 680_000
    assert [each.cid for each in report.versions] == [str(cid)] == [each for each, _ in report.tried]
    assert report.reason == "its holder's decision" and "wrapping key" in " ".join(report.not_in_our_power)
    assert not any((home.member(slug) / each).exists() for each in ("quality.json", "pseudonym.key"))
    assert not list(home.member(slug).glob("*disclosures*")) and not list(home.member(slug).glob("*.begun"))
    dataset = on_chain(consortium, hospital)
    assert dataset.status is DatasetStatus.DESTROYED
    assert dataset.destruction_hash == hashlib.sha256(done.path.read_bytes()).digest()
    assert on_chain(consortium, other).status is DatasetStatus.ACTIVE
    with open_vault(home, other.slug) as vault:
        assert vault.get(vault.objects(other.dataset_name)[0])


def test_nothing_happens_without_the_datasets_name(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    for word in ("", "yes", consortium.hospitals[1].dataset_name, hospital.dataset_name.lower()):
        with pytest.raises(LabError, match=r"nothing was destroyed.*confirm="):
            consortium.destroy(hospital, confirm=word)
    with pytest.raises(LabError, match="hospitals one by one"):
        consortium.destroy(consortium.board[0], confirm=hospital.dataset_name)  # type: ignore[arg-type]
    with pytest.raises(LabError, match=r"is not destroyed: consortium.destroy"):
        consortium.destruction(hospital)
    assert on_chain(consortium, hospital).status is DatasetStatus.ACTIVE


def test_a_report_shows_what_was_compared_and_its_card_says_what_is_out_of_reach(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    destroyed(consortium, hospital)
    shown = consortium.destruction(hospital).verify()
    assert shown["signed by"].startswith(hospital.address) and "nothing of it can be read" in shown["vault"]
    card = consortium.destruction(hospital)._repr_html_()
    assert "destroyed, as on chain" in card and "Backups and snapshots" in card and "rotate_wrapping_key" in card
    content = consortium.destruction(hospital).path.read_bytes()
    assert "not at hand" in verify_destruction(content, consortium.registry)["vault"]


def test_destroying_once_more_changes_nothing(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    first = destroyed(consortium, hospital)
    content, block = first.path.read_bytes(), len(consortium.registry.audit_events())
    assert destroyed(consortium, hospital).path.read_bytes() == content
    assert len(consortium.registry.audit_events()) == block


STEPS = ("_freeze", "_begin", "shred", "erase", "still_there", "_report", "_kept", "_record", "_tidy")
KILLED = """
import os, signal, sys
from pathlib import Path
from belmont.lab import Consortium, destruction, mean
from belmont.vault.vault import Vault
url, home, step, when = sys.argv[1:]
place = Vault if step == "shred" else destruction
whole = getattr(place, step)
def killed(*args, **names):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = whole(*args, **names)
    if when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(place, step, killed)
with Consortium.connect(url, home) as consortium:
    hospital = consortium.hospitals[0]
    consortium.destroy(hospital, confirm=hospital.dataset_name)
"""


@pytest.mark.parametrize(
    ("step", "when"),
    [*((step, "before") for step in STEPS), ("shred", "after"), ("erase", "after"), ("_record", "after")],
)
def test_killed_at_any_step_the_same_call_completes_it_and_the_chain_never_ran_ahead(
    bare: Bare, step: str, when: str
) -> None:
    consortium = bare(hospitals=2)
    hospital, home = consortium.hospitals[0], consortium.home_here
    with open_vault(home, hospital.slug) as vault:
        before = vault.inventory(hospital.dataset_name)
    words = [sys.executable, "-c", KILLED, consortium.url, str(home.path), step, when]
    process = subprocess.run(words, capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    with open_vault(home, hospital.slug) as vault:
        left = vault.inventory(hospital.dataset_name)
    if on_chain(consortium, hospital).status is DatasetStatus.DESTROYED:
        assert left.is_empty and consortium.destruction(hospital).verify()
    else:
        assert (on_chain(consortium, hospital).status is DatasetStatus.FROZEN) or (step, when) == ("_freeze", "before")
    report = destroyed(consortium, hospital).report
    assert consortium.destruction(hospital).verify()["vault"].startswith("asked")
    assert report.before == Holdings(1, before.blocks, before.bytes) and report.key_ids == (before.key_id,)
    assert not list(home.member(hospital.slug).glob("*.begun"))


@pytest.mark.parametrize("delay_ms", [5, 20, 60, 120, 250])
def test_killed_at_any_time_the_chain_never_says_destroyed_while_a_key_is_there(bare: Bare, delay_ms: int) -> None:
    consortium = bare(hospitals=1)
    hospital, home = consortium.hospitals[0], consortium.home_here
    script = KILLED.replace("    hospital = ", "    print('ready', flush=True)\n    hospital = ")
    words = [sys.executable, "-c", script, consortium.url, str(home.path), "_freeze", "never"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(delay_ms / 1000)
    process.kill()
    process.wait()
    process.stdout.close()
    if on_chain(consortium, hospital).status is DatasetStatus.DESTROYED:
        with open_vault(home, hospital.slug) as vault:
            assert vault.inventory(hospital.dataset_name).is_empty
    destroyed(consortium, hospital)
    assert consortium.destruction(hospital).verify()


class Crash(Exception):
    pass


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(st.sampled_from([*STEPS, "restore the vault", "add a version"]), max_size=5))
def test_whatever_interrupts_it_the_chain_never_runs_ahead_and_one_more_call_completes_it(
    bare: Bare, events: list[str]
) -> None:
    consortium = bare(hospitals=1)
    hospital, home = consortium.hospitals[0], consortium.home_here
    writes = consortium.registry.as_(hospital.identity.account)
    backup = home.vault(hospital.slug).read_bytes()
    for event in events:
        already = on_chain(consortium, hospital).status is DatasetStatus.DESTROYED
        if event == "restore the vault":
            home.vault(hospital.slug).write_bytes(backup)
        elif event == "add a version":
            root = writes.consents.root(hospital.dataset_id)
            cid = Cid.of(RAW, len(events).to_bytes()).binary
            with suppress(RegistryRefused):
                writes.add_version(hospital.dataset_id, cid, 150, b"\x44" * 32, root)
        else:
            place: Any = Vault if event == "shred" else destruction
            whole = getattr(place, event)
            with pytest.MonkeyPatch.context() as patch, pytest.raises(Crash):
                patch.setattr(place, event, crashing(whole))
                destroyed(consortium, hospital)
            if not already and on_chain(consortium, hospital).status is DatasetStatus.DESTROYED:
                assert consortium.destruction(hospital).verify()
    destroyed(consortium, hospital)
    assert consortium.destruction(hospital).verify()["vault"].startswith("asked")


def crashing(whole: Callable[..., Any]) -> Callable[..., Any]:
    def crash(*args: Any, **names: Any) -> Any:
        whole(*args, **names)
        raise Crash

    return crash


def test_a_report_that_was_written_is_the_one_that_is_recorded_unless_versions_came_since(bare: Bare) -> None:
    consortium = bare(hospitals=2)
    for hospital, versions in zip(consortium.hospitals, (1, 2), strict=True):
        path = report_path(consortium.home_here, hospital.slug, hospital.dataset_id)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Crash):
            patch.setattr(destruction, "_kept", crashing(destruction._kept))
            consortium.destroy(hospital, confirm=hospital.dataset_name, clock=lambda: 1_700_000_000)
        written = path.read_bytes()
        if versions == 2:
            writes = consortium.registry.as_(hospital.identity.account)
            root = writes.consents.root(hospital.dataset_id)
            writes.add_version(hospital.dataset_id, Cid.of(RAW, b"2").binary, 150, b"\x44" * 32, root)
        done = destroyed(consortium, hospital)
        assert (path.read_bytes() == written) is (versions == 1)
        assert len(done.report.versions) == versions and done.verify()
        assert done.report.begun_at == 1_700_000_000


def test_what_a_backup_brings_back_is_found_and_destroyed_once_more_under_the_same_report(bare: Bare) -> None:
    consortium = bare()
    hospital, home = consortium.hospitals[0], consortium.home_here
    vault_file = home.vault(hospital.slug)
    backup = vault_file.read_bytes()
    done = destroyed(consortium, hospital)
    content = done.path.read_bytes()
    vault_file.write_bytes(backup)
    with pytest.raises(ReportRefused, match=r"still has something.*data key.*backup"):
        done.verify()
    assert "not shown" in done._repr_html_()
    destroyed(consortium, hospital)
    assert done.verify() and done.path.read_bytes() == content


def test_nothing_is_reported_while_something_can_be_read(bare: Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    consortium = bare()
    hospital, home = consortium.hospitals[0], consortium.home_here
    with open_vault(home, hospital.slug) as vault:  # the same rows under another label, registered as a version
        copy = vault.put("a copy", b"rows of patients")
    writes = consortium.registry.as_(hospital.identity.account)
    root = writes.consents.root(hospital.dataset_id)
    writes.add_version(hospital.dataset_id, copy.binary, 150, b"\x33" * 32, root)
    with pytest.raises(DestructionIncomplete, match=f"{copy} can still be read.*call destroy again"):
        destroyed(consortium, hospital)
    assert on_chain(consortium, hospital).status is DatasetStatus.FROZEN
    assert not report_path(home, hospital.slug, hospital.dataset_id).exists()
    with open_vault(home, hospital.slug) as vault:
        vault.shred("a copy")
    destroyed(consortium, hospital)
    assert len(consortium.destruction(hospital).report.versions) == 2


def test_another_reader_of_the_vault_delays_the_end(bare: Bare) -> None:
    consortium = bare()
    hospital, home = consortium.hospitals[0], consortium.home_here
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('BEGIN');"
        "db.execute('SELECT count(*) FROM blocks').fetchone(); print('ready', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", script, str(home.vault(hospital.slug))]
    reader = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None and reader.stdin is not None and reader.stdout.readline() == "ready\n"
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("belmont.lab.destruction.open_vault", impatient)
            with pytest.raises(ShredIncomplete, match="end it"):
                destroyed(consortium, hospital)
        assert on_chain(consortium, hospital).status is DatasetStatus.FROZEN
    finally:
        reader.stdin.close()
        reader.wait()
        reader.stdout.close()
    assert destroyed(consortium, hospital).verify()


def impatient(home: Any, slug: str) -> Any:
    key = WrappingKey.from_bytes(read_secret_file(home.wrapping_key(slug), MAX_FILE_BYTES))
    return Vault.open(home.vault(slug), key, create=False, lock_timeout_seconds=0.2)


def test_only_its_own_holder_can_say_on_chain_that_it_is_destroyed(bare: Bare) -> None:
    consortium = bare()
    hospital, other = consortium.hospitals[:2]
    for actor in (other, consortium.board[0], consortium.researcher):
        with pytest.raises(RegistryRefused, match="NOT_THE_HOLDER"):
            consortium.registry.as_(actor.identity.account).destroy_dataset(hospital.dataset_id, b"\x01" * 32)


def test_a_hospital_that_is_no_longer_a_member_destroys_all_the_same_and_has_its_signed_report(bare: Bare) -> None:
    consortium = bare()
    hospital, home = consortium.hospitals[2], consortium.home_here
    proposal = consortium.board[0].propose_removal(hospital, documents=b"minutes")
    proposal.support(*consortium.board[1:], *consortium.hospitals[:2])
    with pytest.raises(RegistryRefused, match="NOT_DATA_HOLDER"):
        destroyed(consortium, hospital)
    with open_vault(home, hospital.slug) as vault:
        assert vault.inventory(hospital.dataset_name).is_empty
    signed = SignedReport.from_bytes(report_path(home, hospital.slug, hospital.dataset_id).read_bytes())
    assert signed.signer == hospital.address and signed.report.after.blocks == 0
    with pytest.raises(ReportRefused, match=r"does not say that .* is destroyed, but active"):
        consortium.destruction(hospital).verify()


def test_the_key_of_the_pseudonyms_stays_while_another_dataset_of_the_vault_uses_it(bare: Bare) -> None:
    consortium = bare()
    hospital, home = consortium.hospitals[0], consortium.home_here
    with open_vault(home, hospital.slug) as vault:
        vault.put("another dataset", b"rows")
    done = destroyed(consortium, hospital)
    assert (home.member(hospital.slug) / "pseudonym.key").exists()
    assert "other datasets of this hospital use it" in " ".join(done.report.kept)
    assert done.verify()["vault"].endswith("1 other datasets live in it")


# --- reports that are not what they say ---


def forgeries(consortium: Consortium, hospital: Hospital, signed: SignedReport) -> dict[str, bytes]:
    """What each is, and what it claims, each signed as well as its forger can."""
    account, report = hospital.identity.account, signed.report
    stranger = Identity.create().account
    content = signed.to_bytes()
    return {
        "did not sign": SignedReport.by(stranger, report).to_bytes(),
        "unchanged": content.replace(b"\n", b"\r\n"),
        "the hash of another report": SignedReport.by(account, replace(report, destroyed_at=1)).to_bytes(),
        "name that consortium's chain": SignedReport.by(account, replace(report, consortium="eip155:1:0x")).to_bytes(),
        "has no such dataset": SignedReport.by(account, replace(report, dataset="0x" + "ab" * 32)).to_bytes(),
        "has no such dataset of": SignedReport.by(stranger, replace(report, holder=stranger.address)).to_bytes(),
        "no destruction report": content[:-9],
    }


def test_every_forged_report_is_refused_with_what_to_do(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    done = destroyed(consortium, hospital)
    for why, content in forgeries(consortium, hospital, done.signed).items():
        with pytest.raises(ReportRefused, match=why):
            verify_destruction(content, consortium.registry)


@pytest.mark.parametrize("change", ["versions", "after", "tried"])
def test_a_holder_who_records_a_report_that_is_not_complete_is_found_out(bare: Bare, change: str) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    like, liar = destroyed(consortium, hospital).signed.report, consortium.hospitals[1]
    kept: dict[str, Any] = {"versions": (), "after": Holdings(1, 3, 900), "tried": ()}
    content = destroyed_by_hand(consortium, liar, like, {change: kept[change]})
    with pytest.raises(ReportRefused, match=r"versions that the chain has|not complete"):
        verify_destruction(content, consortium.registry)


def destroyed_by_hand(consortium: Consortium, hospital: Hospital, like: Any, changes: dict[str, Any]) -> bytes:
    """The report of a hospital that destroyed nothing, and put its hash on chain all the same."""
    versions = reported_versions(consortium.registry, hospital.dataset_id, 1)
    fields = {
        "dataset": "0x" + hospital.dataset_id.hex(),
        "name": hospital.dataset_name,
        "holder": hospital.address,
        "versions": versions,
        "tried": ((versions[0].cid, "its key no longer exists"),),
    }
    signed = SignedReport.by(hospital.identity.account, replace(like, **(fields | changes)))
    consortium.registry.as_(hospital.identity.account).destroy_dataset(hospital.dataset_id, signed.hash)
    return signed.to_bytes()


def test_a_hospital_that_kept_its_keys_is_found_out_where_its_vault_is_at_hand(bare: Bare) -> None:
    consortium = bare()
    like = destroyed(consortium, consortium.hospitals[0]).signed.report
    liar = consortium.hospitals[1]
    content = destroyed_by_hand(consortium, liar, like, {})
    assert "not at hand" in verify_destruction(content, consortium.registry)["vault"]
    with pytest.raises(ReportRefused, match="data key is still in the vault"):
        verify_destruction(content, consortium.registry, consortium.home_here, liar.slug)


@given(content=st.one_of(st.binary(max_size=300), st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["format", "version", "report", "signature", "versions", "tried", "before"]), inner, max_size=4),
).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_anything_else_is_refused_as_no_report(content: bytes) -> None:
    with pytest.raises(ReportRefused):
        SignedReport.from_bytes(content)


def test_a_report_stays_good_after_its_hospital_got_a_new_key(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    done = destroyed(consortium, hospital)
    new_key = Identity.create().account
    consortium.registry.as_(hospital.identity.account).identities.rotate(new_key)
    assert done.verify()["signed by"].startswith(hospital.address)
    stranger = SignedReport.by(Identity.create().account, done.report).to_bytes()
    with pytest.raises(ReportRefused, match="did not sign"):
        verify_destruction(stranger, consortium.registry)


def test_a_file_too_large_is_refused_unread() -> None:
    with pytest.raises(ReportRefused):
        SignedReport.from_bytes(b" " * (MAX_BYTES + 1))


# --- the command ---


def test_the_command_accepts_a_report_and_refuses_a_changed_one(bare: Bare, tmp_path: Path) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    done = destroyed(consortium, hospital)
    home = str(consortium.home_here.path)
    accepted = belmont("verify-destruction", str(done.path), "--url", consortium.url, "--home", home, "--json")
    assert accepted.returncode == 0, accepted.stderr
    shown = json.loads(accepted.stdout)
    assert shown["accepted"] is True and shown["dataset"] == hospital.dataset_name
    assert shown["vault"].startswith("asked: nothing of it can be read")
    members = consortium.registry.addresses["Members"]
    changed = tmp_path / "changed.json"
    changed.write_bytes(done.path.read_bytes().replace(b'"rows": 150', b'"rows": 151'))
    refused = belmont("verify-destruction", str(changed), "--url", consortium.url, "--members", members)
    assert refused.returncode == 1 and refused.stdout.startswith("REFUSED  0x"), refused.stderr
    missing = belmont("verify-destruction", str(tmp_path / "none"), "--url", consortium.url, "--members", members)
    assert missing.returncode == 2 and "is no file" in missing.stderr
    other = bare()
    foreign = belmont(
        "verify-destruction", str(done.path), "--url", consortium.url, "--home", str(other.home_here.path)
    )
    assert foreign.returncode == 2 and "not the directory of the hospital" in foreign.stderr


# --- with patients ---


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """A consortium of this module's own, since one of its datasets is destroyed."""
    with Consortium.local(4, 600, 11, tmp_path_factory.mktemp("destroyed") / "home") as made:
        yield made


def test_after_it_studies_go_on_without_the_dataset_and_nobody_computes_on_it(own: Consortium) -> None:
    study = own.propose("Before", rounds=3, queries=2, min_cohort=5)
    permit = study.vote(*own.board[:2]).accept(*own.hospitals).issue()
    permit.train(rounds=1)
    permit.query(mean("hba1c"))
    gone, *others = own.hospitals
    node = own.node(gone.dataset_id)
    assert len(own.yardstick.tables) == 4
    record = own.destroy(gone, confirm=gone.dataset_name)
    assert record.report.before.blocks > 0 and record.verify()
    assert node is not own._nodes.get(gone.dataset_id)
    permit.query(mean("hba1c"))
    assert len(permit.train(rounds=1, datasets=tuple(each.dataset_id for each in others)).rounds) == 1
    assert len(own.yardstick.tables) == 3
    assert list(own.quality().index) == [each.name for each in others]
    assert own.datasets()["status"].tolist() == ["destroyed", "active", "active", "active"]
    assert set(own.propose("After", rounds=1, queries=1).record.terms.datasets) == {h.dataset_id for h in others}
    with pytest.raises(RegistryRefused, match="DATASET_DESTROYED"):
        own.propose("With it", rounds=1, queries=1, datasets=[each.dataset_id for each in own.hospitals])


def test_no_row_of_it_is_in_any_file_of_the_hospital_afterwards_but_its_own_records(own: Consortium) -> None:
    gone, other = own.hospitals[:2]
    with open_vault(own.home_here, other.slug) as vault:
        assert vault.inventory(other.dataset_name).key_id
    left = {path.name for path in own.home_here.member(gone.slug).iterdir()}
    assert left.isdisjoint({"pseudonym.key", "quality.json", "ledger.sqlite-disclosures"})
    with sqlite3.connect(own.home_here.ledger(gone.slug)) as ledger:
        assert ledger.execute("SELECT count(*) FROM uses WHERE reply IS NOT NULL").fetchone() == (0,)
    assert own.destruction(gone).report.removed == (
        "key that leads from patients to pseudonyms",
        "published profile for twins",
        "quality report of the records",
        "record of published profiles",
        "totals kept for disputes",
    )
