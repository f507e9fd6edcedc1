"""A hospital publishes what it chooses, of whom consents to it; readers believe the chain and nobody else."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.federated.profile.scenes import profile_of, rows_of
from tests.lab.twin.scenes import rewritten

from belmont.cli import build_parser, is_explained
from belmont.ehr.errors import DictionaryError, OutputRefused
from belmont.federated.errors import ProfileRefused, PublicationsSpent
from belmont.federated.profile.document import MAX_BYTES, SignedProfile
from belmont.federated.profile.ledger import CAP
from belmont.federated.profile.tables import Choices, Groups, rho_within
from belmont.identity.keys import Identity
from belmont.lab import Consortium
from belmont.lab.consent_files import any_research
from belmont.lab.errors import LabError
from belmont.lab.hospital_files import stored_rows
from belmont.lab.people import Hospital
from belmont.lab.twin import anchors
from belmont.lab.twin.checking import check_profile
from belmont.lab.twin.kept import discard, keep, kept
from belmont.lab.twin.publishing import Wanted, _consenting, publish
from belmont.registry.types import Address, Dataset

DAY = 86400
Bare = Callable[..., Consortium]
CHOICES = Choices((Groups("smoking", (0, 1, 2, 3), 3), Groups("age", (1, 3), 5)), None, rho_within(1))


def on_chain(consortium: Consortium, hospital: Hospital) -> Dataset:
    dataset = consortium.registry.dataset(hospital.dataset_id)
    assert dataset is not None
    return dataset


def published(consortium: Consortium, hospital: Hospital, **changed: Any) -> bytes:
    """A profile of a dataset without rows, signed, stood by and kept as a hospital's machine does it."""
    dataset = on_chain(consortium, hospital)
    about = {"consortium": consortium.registry.identity, "dataset_id": dataset.id, "version": dataset.versions}
    about |= {"dictionary_hash": dataset.dictionary_hash}
    signed = profile_of(CHOICES, rows_of(*[(1, 2, 0)] * 150), **about | changed).signed(hospital.identity.account)
    writes = consortium.registry.as_(hospital.identity.account)
    anchors.stand_by(writes, dataset, signed.hash)
    keep(consortium.home_here, dataset.id, signed.to_bytes())
    return signed.to_bytes()


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    with Consortium.local(hospitals=3, patients=450, seed=5, home=tmp_path_factory.mktemp("twin") / "home") as made:
        yield made


def test_nothing_is_published_by_itself(clinic: Consortium) -> None:
    assert clinic.profiles().empty
    with pytest.raises(LabError, match="a hospital publishes one with publish_profile"):
        clinic.twin()
    with pytest.raises(LabError, match="its hospital publishes one if it will"):
        clinic.hospitals[0].twin()


@pytest.fixture
def mailed(clinic: Consortium) -> bytes:
    """What the third hospital publishes: the same bytes each time."""
    return clinic.hospitals[2].publish_profile(["sex"], epsilon=0.3).to_bytes()


# --- what a reader believes ---


def test_a_profile_that_its_hospital_stands_by_is_believed(clinic: Consortium, mailed: bytes) -> None:
    checked = check_profile(mailed, clinic.registry)
    hospital = clinic.hospitals[2]
    assert checked.signed.signer == hospital.address and checked.holder == hospital.name


def test_a_profile_signed_by_anybody_else_is_refused(clinic: Consortium, mailed: bytes) -> None:
    for account in (
        clinic.hospitals[0].identity.account,
        clinic.researcher.identity.account,
        Identity.create().account,
    ):
        with pytest.raises(ProfileRefused, match="did not sign this profile"):
            check_profile(rewritten(mailed, account), clinic.registry)


def test_counts_that_were_changed_on_the_way_are_refused(clinic: Consortium, mailed: bytes) -> None:
    for path in (("rows",), ("tables", 0, "counts", 0, 0)):
        fields = inner = json.loads(mailed)
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] += 1
        content = (json.dumps(fields, sort_keys=True, separators=(",", ":")) + "\n").encode()
        with pytest.raises(ProfileRefused, match="did not sign"):
            check_profile(content, clinic.registry)


def test_even_the_hospitals_own_key_makes_no_profile_that_it_does_not_stand_by(
    clinic: Consortium, mailed: bytes
) -> None:
    account = clinic.hospitals[2].identity.account
    assert rewritten(mailed, account) == mailed
    with pytest.raises(ProfileRefused, match="does not stand by this profile"):
        check_profile(rewritten(mailed, account, rows=99), clinic.registry)


def test_a_profile_of_another_dataset_dictionary_or_consortium_is_refused(
    clinic: Consortium, mailed: bytes, bare: Bare
) -> None:
    account, registry = clinic.hospitals[2].identity.account, clinic.registry
    theirs = "0x" + clinic.hospitals[0].dataset_id.hex()
    with pytest.raises(ProfileRefused, match="did not sign"):
        check_profile(rewritten(mailed, account, dataset=theirs), registry)
    for changed in ({"dataset": "0x" + "05" * 32}, {"dictionary": "0x" + "05" * 32}):
        with pytest.raises(ProfileRefused, match="something else"):
            check_profile(rewritten(mailed, account, **changed), registry)
    with pytest.raises(ProfileRefused, match="connect to that consortium"):
        check_profile(mailed, bare().registry)


def test_counts_that_so_few_rows_cannot_have_are_refused_though_their_hospital_stands_by_them(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    content = rewritten(published(consortium, hospital), hospital.identity.account, rows=1_000_000)
    writes = consortium.registry.as_(hospital.identity.account)
    anchors.stand_by(writes, on_chain(consortium, hospital), SignedProfile.from_bytes(content).hash)
    with pytest.raises(ProfileRefused, match="none that 150 rows can have"):
        check_profile(content, consortium.registry)


def test_a_profile_of_an_older_version_is_refused(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    content = published(consortium, hospital)
    writes, dataset = consortium.registry.as_(hospital.identity.account), on_chain(consortium, hospital)
    version = consortium.registry.version(dataset.id, 1)
    assert version is not None
    writes.add_version(dataset.id, version.cid, 149, b"\x23" * 32, dataset.consent_root)
    with pytest.raises(ProfileRefused, match=r"of version 1 of .* newest is 2"):
        check_profile(content, consortium.registry)
    with pytest.raises(ProfileRefused, match="of version 3"):
        check_profile(rewritten(content, hospital.identity.account, version=3), consortium.registry)


def test_withdrawn_is_withdrawn_for_whoever_has_a_copy(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    content = published(consortium, hospital)
    assert hospital.withdraw_profile() == 1 and hospital.withdraw_profile() == 0
    assert kept(consortium.home) == []
    with pytest.raises(ProfileRefused, match="does not stand by"):
        check_profile(content, consortium.registry)
    with pytest.raises(LabError, match=r"no profile of .* is in this directory"):
        consortium.profile(hospital)


def test_a_profile_takes_the_place_of_the_one_before(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    first, second = published(consortium, hospital), published(consortium, hospital, seed=2)
    with pytest.raises(ProfileRefused, match="does not stand by"):
        check_profile(first, consortium.registry)
    assert check_profile(second, consortium.registry)


def test_a_key_that_was_replaced_signs_no_profile_that_counts_and_what_it_published_stays(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    content = published(consortium, hospital)
    lost = hospital.identity.account
    consortium.registry.as_(lost).identities.rotate(Identity.create().account)
    assert check_profile(content, consortium.registry)
    with pytest.raises(ProfileRefused, match="does not stand by"):
        check_profile(rewritten(content, lost, rows=100), consortium.registry)


def test_a_destroyed_datasets_profile_goes_with_it(bare: Bare) -> None:
    consortium = bare()
    hospital, home = consortium.hospitals[0], consortium.home_here
    content = published(consortium, hospital)
    home.publications(hospital.slug, hospital.dataset_id).write_bytes(b"what was published")
    report = consortium.destroy(hospital, confirm=hospital.dataset_name)
    assert not home.profile(hospital.dataset_id).exists()
    assert not list(home.member(hospital.slug).glob("publications-*"))
    assert {"published profile for twins", "record of published profiles"} <= set(report.report.removed)
    assert anchors.in_force(consortium.registry, on_chain(consortium, hospital)) == []
    with pytest.raises(ProfileRefused, match="was destroyed, and its profile with it"):
        check_profile(content, consortium.registry)
    with pytest.raises(LabError, match="destroyed: nothing of it is published"):
        hospital.publish_profile(["age"], epsilon=1)
    keep(home, hospital.dataset_id, content)  # as from a backup
    with pytest.raises(ProfileRefused, match="was destroyed"):
        consortium.profile(hospital)


def test_a_file_that_is_no_profile_is_refused_without_being_read_whole(clinic: Consortium, tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(50 * MAX_BYTES)
    for path, why in (
        (tmp_path / "huge", "larger"),
        (tmp_path / "none", "cannot be read"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(ProfileRefused, match=why):
            clinic.profile(path)
    with pytest.raises(ProfileRefused, match="no profile"):
        clinic.profile(b"{}" * 40)
    with pytest.raises(LabError, match="name a hospital"):
        clinic.profile(7)  # type: ignore[arg-type]


# --- what a hospital may publish ---


def test_nothing_is_published_of_what_no_use_is_permitted_of(bare: Bare) -> None:
    consortium = bare(years=5)
    hospital, other, third = consortium.hospitals
    with pytest.raises(LabError, match="is not proven: prove it first"):
        hospital.publish_profile(["age"], epsilon=1)
    consortium.registry.as_(other.identity.account).freeze_dataset(other.dataset_id)
    with pytest.raises(LabError, match="frozen: nothing of it is published"):
        other.publish_profile(["age"], epsilon=1)
    for member in consortium.board:
        if consortium.registry.rules.pause().until <= consortium.registry.head().timestamp:
            member.pause("something is wrong")
    with pytest.raises(LabError, match="the consortium is paused"):
        third.publish_profile(["age"], epsilon=1)
    assert kept(consortium.home) == [] and hospital.publications().empty
    assert not list(consortium.home_here.path.rglob("publications-*"))


def test_a_hospital_publishes_and_a_researcher_draws_and_counts(clinic: Consortium, tmp_path: Path) -> None:
    first, second, third = clinic.hospitals
    third.withdraw_profile()
    profile = first.publish_profile(["age", "sex", "smoking"], epsilon=1, with_outcome=True)
    second.publish_profile(["age", "smoking"], epsilon=2)
    assert profile.published == ("age", "sex", "smoking", "cvd_event") and profile.epsilon <= 1
    frame = clinic.profiles()
    assert list(frame["state"]) == ["can be used"] * 2 and frame["epsilon"].max() <= 2
    twin = clinic.twin(rows=100)
    assert twin.hospitals == (first.name, second.name) and len(twin.frame) == 100 and len(twin.tables()) == 2
    assert first.twin(seed=3).table == first.twin(seed=3).table
    found = twin.feasible(age=(40, 65), smoking=["current"], min_hospitals=2, epsilon=1)
    assert found.met["epsilon"] == "yes" and 0 <= found.estimate < 300
    assert first.address in twin._repr_html_() and "sex" in twin._repr_html_()
    # The same on a machine that has no hospital and no directory: from what was mailed.
    with Consortium.connect(clinic.url, members_address=clinic.registry.addresses["Members"]) as reader:
        mailed = reader.profile(profile.to_bytes())
        (tmp_path / "mailed").write_bytes(profile.to_bytes())
        assert reader.profile(tmp_path / "mailed").signed.hash == mailed.signed.hash
        assert reader.twin(profiles=[mailed], rows=30, seed=1).table == first.twin(30, 1).table


def test_the_same_choices_give_the_same_bytes_and_cost_nothing_more(clinic: Consortium) -> None:
    hospital = clinic.hospitals[0]
    first = hospital.publish_profile(["sex", "age"], epsilon=0.5)
    spent = hospital.publications()["micro-rho"].sum()
    other = hospital.publish_profile(["bmi"], epsilon=0.5)
    assert hospital.publications()["micro-rho"].sum() > spent and other.epsilon_spent > first.epsilon_spent
    again = hospital.publish_profile(["age", "sex"], epsilon=0.5)
    assert again.to_bytes() == first.to_bytes() == clinic.profile(hospital).to_bytes()
    shown = hospital.publications()
    assert list(shown["published"]).count(True) == 1 and shown["epsilon of all"].is_monotonic_increasing
    with pytest.raises(ProfileRefused, match="does not stand by"):
        clinic.profile(other.to_bytes())


def test_past_the_cap_nothing_is_published_and_what_is_stays(clinic: Consortium) -> None:
    hospital = clinic.hospitals[1]
    before = hospital.publish_profile(["hba1c"], epsilon=1).to_bytes()
    with pytest.raises(PublicationsSpent, match=f"of {CAP:,} are left"):
        hospital.publish_profile(["age"], epsilon=4)
    assert clinic.profile(hospital).to_bytes() == before


def test_whoever_withdrew_or_consents_to_less_is_not_counted_and_older_profiles_end(clinic: Consortium) -> None:
    hospital, home = clinic.hospitals[2], clinic.home_here
    old = hospital.publish_profile(["age"], epsilon=1)
    consents, dataset, now = clinic.consents(hospital), on_chain(clinic, hospital), clinic.registry.head().timestamp
    before = consents.numbers
    gone, one_recipient, one_purpose, short = before[:4]
    broad, researcher = any_research(dataset.categories), Address(clinic.researcher.address)
    consents.revoke(gone)
    consents.grant(one_recipient, scope=replace(broad, recipients=(researcher,)))
    consents.grant(one_purpose, scope=replace(broad, purposes=1 << 40))
    consents.grant(short, scope=replace(broad, valid_until=now + 3 * DAY))
    with pytest.raises(LabError, match="consents changed since version 1"):
        hospital.publish_profile(["age"], epsilon=1)
    clinic.new_version(hospital).prove()
    with pytest.raises(ProfileRefused, match=r"of version 1 of .* newest is 2"):
        clinic.profile(old.to_bytes())
    states = clinic.profiles()["state"]
    assert "newest is 2" in states[hospital.dataset_name] and hospital.dataset_name in clinic.twin(rows=9).left_out

    table = stored_rows(home, hospital.slug, clinic.registry, hospital.dataset_id).table

    def left_out(at: int) -> set[int]:
        mask, _ = _consenting(home, hospital.slug, clinic.registry, on_chain(clinic, hospital), table, {at})
        return set(before) - set(table.pseudonyms[mask].tolist())

    assert gone not in table.pseudonyms
    assert left_out(now) == {gone, one_recipient, one_purpose}
    assert left_out(now + 4 * DAY) == {gone, one_recipient, one_purpose, short}
    new = hospital.publish_profile(["age"], epsilon=1)
    assert new.signed.profile.version == 2 and new.epsilon_spent > old.epsilon_spent

    def again(wanted: Wanted, at: float) -> bytes:
        writes, account = clinic.registry.as_(hospital.identity.account), hospital.identity.account
        return publish(home, hospital.slug, writes, account, hospital.dataset_id, wanted, clock=lambda: at)

    assert again(Wanted(["age"], 1), now) == new.to_bytes()
    with pytest.raises(LabError, match="a consent to rows of this profile has ended"):
        again(Wanted(["age"], 1), now + 4 * DAY)
    assert clinic.profile(again(Wanted(["age"], 0.5), now + 4 * DAY)).published == ("age",)  # without that row
    with pytest.raises(LabError, match="retention date"):
        again(Wanted(["age"], 1), dataset.retention_until)


def belmont(consortium: Consortium, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "belmont.cli", "data", "publish", "--home", str(consortium.home_here.path)]
    return subprocess.run([*command, "--url", consortium.url, *words], capture_output=True, text=True, check=False)


def here(consortium: Consortium, *words: str) -> int:
    """The same command in this process, which is quicker."""
    where = ("--home", str(consortium.home_here.path), "--url", consortium.url)
    options = build_parser("data").parse_args(["data", "publish", *where, *words])
    return int(options.run(options))


def test_the_command_publishes_lists_and_withdraws(
    clinic: Consortium, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named, out = ("--dataset", "hospital-1"), tmp_path / "mailed.profile"
    chosen = ("--columns", "age, hdl", "--epsilon", "0.5", "--with-outcome")
    done = belmont(clinic, *named, *chosen, "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["columns"] == "age, hdl, cvd_event"
    assert clinic.profile(out).to_bytes() == clinic.profile(clinic.hospitals[0]).to_bytes()
    assert here(clinic, *named, "--list") == 0
    listed = capsys.readouterr().out
    assert "age, hdl by cvd_event" in listed and listed.count(", published") == 1
    assert here(clinic, *named, "--withdraw") == 0
    assert "withdrawn              1" in capsys.readouterr().out
    assert clinic.hospitals[0].publications()["published"].sum() == 0


def test_the_command_spends_nothing_where_its_file_cannot_be_written(clinic: Consortium, tmp_path: Path) -> None:
    hospital, taken = clinic.hospitals[1], tmp_path / "taken.profile"
    taken.write_text("something else")
    before = len(hospital.publications())
    words = ("--dataset", "hospital-2", "--columns", "smoking", "--epsilon", "0.1")
    for out in (taken, tmp_path, tmp_path / "nowhere" / "a.profile"):
        with pytest.raises(OutputRefused):
            here(clinic, *words, "--out", str(out))
    assert len(hospital.publications()) == before and taken.read_text() == "something else"
    assert here(clinic, *words, "--out", str(taken), "--force") == 0
    assert clinic.profile(taken).dataset.id == hospital.dataset_id


def test_a_file_under_another_datasets_name_is_not_that_datasets_profile(clinic: Consortium) -> None:
    first, second = clinic.hospitals[1:3]
    one = first.publish_profile(["smoking"], epsilon=0.1)
    keep(clinic.home_here, second.dataset_id, one.to_bytes())
    try:
        with pytest.raises(ProfileRefused, match="is of another dataset"):
            clinic.profile(second)
        assert clinic.twin(200).hospitals.count(first.name) == 1
    finally:
        discard(clinic.home_here, second.dataset_id)
    with pytest.raises(LabError, match="more than once"):
        clinic.twin(200, profiles=[one, one])


def test_the_command_says_what_is_wrong(clinic: Consortium, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in [
        (("--dataset", "hospital-9", "--list"), "hospital-1, hospital-2, hospital-3"),
        (("--dataset", "hospital-1", "--columns", "age"), "--columns and --epsilon go together"),
        (("--dataset", "hospital-1", "--columns", "height", "--epsilon", "1"), "no column 'height'"),
        (("--dataset", "hospital-1", "--columns", "age", "--epsilon", "9"), "are left for all publications"),
        (("--dataset", "hospital-1", "--list", "--cap", "5"), "go with --columns"),
        (("--dataset", "hospital-1", "--withdraw", "--cells", "5"), "go with --columns"),
    ]:
        with pytest.raises((LabError, DictionaryError, PublicationsSpent), match=said) as refused:
            here(clinic, *words)
        assert is_explained(refused.value)
    with pytest.raises(SystemExit):
        here(clinic, "--help")
    helped = capsys.readouterr().out
    assert "--with-outcome" in helped and "examples:" in helped
