"""A consortium in a notebook: made, found, continued, read, and refused where something is not as it should be."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account
from eth_utils import keccak

from belmont.chain.client import ChainClient
from belmont.lab import Consortium, mean
from belmont.lab.errors import HomeError, LabError, NotYet
from belmont.lab.models import LogisticRegression
from belmont.lab.temporary import TemporaryDirectory
from belmont.registry.errors import RegistryError, RegistryRefused
from belmont.registry.types import Role


def test_local_makes_hospitals_board_and_researcher_with_registered_datasets(consortium: Consortium) -> None:
    assert len(consortium.hospitals) == 3
    assert len(consortium.board) == 3
    assert Role.DATA_USER in consortium.researcher.roles
    frame = consortium.datasets()
    assert list(frame["status"]) == ["active"] * 3
    assert sum(frame["rows"]) == sum(hospital.rows for hospital in consortium.hospitals) > 300


def test_connect_reads_the_same_consortium_over_json_rpc_and_signs_nothing_without_keys(consortium: Consortium) -> None:
    with Consortium.connect(consortium.url) as reader:
        assert reader.name == consortium.name
        assert len(reader.audit()) == len(consortium.audit())
        assert reader.hospitals == []
        with pytest.raises(LabError, match="home="):
            reader.propose("not mine to ask")


def test_connect_with_a_home_differs_from_local_only_in_who_started_the_chain(
    consortium: Consortium, home: Path
) -> None:
    with Consortium.connect(consortium.url, home) as connected:
        study = connected.propose("From a second session", rounds=1, queries=0, min_cohort=5)
        study.vote(*connected.board, approve=True)
        study.accept(*connected.hospitals)
        assert len(study.permit().train().rounds) == 1


def test_a_home_is_continued_after_its_chain_was_stopped(tmp_path: Path) -> None:
    place = tmp_path / "kept"
    with Consortium.local(hospitals=3, patients=450, seed=1, home=place) as first:
        study = first.propose("Kept", rounds=2, queries=1, min_cohort=5)
        events = len(first.audit())
    with Consortium.local(home=place) as second:
        assert len(second.hospitals) == 3
        assert len(second.audit()) == events
        assert second.registry.study(study.id) is not None
    with pytest.raises(HomeError, match="name another directory"):
        Consortium.local(seed=2, home=place)


@pytest.mark.parametrize(("hospitals", "patients"), [(2, 1000), (17, 5000), (4, 199), (0, 0), (-1, 400)])
def test_sizes_that_no_study_could_run_on_are_refused_before_anything_is_made(
    hospitals: int, patients: int, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match=r"hospitals is|patients is"):
        Consortium.local(hospitals=hospitals, patients=patients, home=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_directory_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not touch")
    with pytest.raises(HomeError, match="not a finished consortium"):
        Consortium.local(hospitals=3, patients=450, home=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:40],
        lambda text: text.replace('"format": 1', '"format": 9'),
        lambda text: text.replace("hospital-1", "../../etc"),
        lambda text: json.dumps([1, 2]),
        lambda text: text.replace('"members"', '"people"'),
    ],
)
def test_a_damaged_marker_is_a_home_error_that_names_the_file(
    damage: object, consortium: Consortium, home: Path, tmp_path: Path
) -> None:
    marker = (home / "consortium.json").read_text()
    (tmp_path / "consortium.json").write_text(damage(marker))  # type: ignore[operator]
    with pytest.raises(HomeError, match=r"consortium\.json"):
        Consortium.connect(consortium.url, tmp_path)


def test_another_consortiums_directory_is_refused(consortium: Consortium, home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("chain"))
    (copy / "members/hospital-1/identity.json").unlink()
    shutil.copy(copy / "members/hospital-2/identity.json", copy / "members/hospital-1/identity.json")
    with pytest.raises(HomeError, match=r"restore identity\.json"):
        Consortium.connect(consortium.url, copy)


def test_nobody_at_the_address_is_said_plainly() -> None:
    with pytest.raises(RegistryError, match="cannot be reached"):
        Consortium.connect("http://127.0.0.1:9")


def test_a_study_says_what_its_permit_waits_for_and_only_the_board_can_vote(consortium: Consortium) -> None:
    study = consortium.propose("Waiting", rounds=1, queries=1)
    with pytest.raises(NotYet, match="0 of 2 votes") as waiting:
        study.permit()
    assert consortium.hospitals[0].dataset_name in str(waiting.value)
    with pytest.raises(RegistryRefused):
        study.vote(consortium.researcher, approve=True)
    with pytest.raises(RegistryRefused):
        study.vote(consortium.hospitals[0], approve=True)
    assert study.status == "proposed"


def test_a_refused_study_never_gets_a_permit(consortium: Consortium) -> None:
    study = consortium.propose("Refused", rounds=1, queries=1)
    study.accept(*consortium.hospitals)
    study.vote(*consortium.board[:2], approve=False, reason="no benefit")
    assert study.status == "refused"
    with pytest.raises(NotYet, match="refused"):
        study.permit()


def test_cards_show_what_is_there_and_escape_what_people_wrote(consortium: Consortium) -> None:
    study = consortium.propose("<script>alert(1)</script>", rounds=1, queries=1)
    page = study._repr_html_() + consortium._repr_html_() + consortium.hospitals[0]._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert consortium.hospitals[0].name in page


def test_no_card_or_repr_shows_a_secret(consortium: Consortium) -> None:
    for actor in [*consortium.hospitals, *consortium.board, consortium.researcher]:
        shown = repr(actor) + actor._repr_html_() + repr(actor.identity)
        assert actor.identity.account.key.hex() not in shown
        assert actor.identity.mask_private_key.private_bytes_raw().hex() not in shown


def test_the_audit_trail_names_people_and_holds_every_vote(consortium: Consortium) -> None:
    study = consortium.propose("Audited", rounds=1, queries=1)
    study.vote(consortium.board[0], approve=True, reason="yes")
    audit = consortium.audit()
    assert audit.iloc[-1]["who"] == consortium.board[0].name
    assert audit["block"].is_monotonic_increasing
    assert set(audit.columns) >= {"time", "what", "who", "details", "transaction"}


def test_a_vault_that_was_changed_keeps_the_node_from_opening(
    consortium: Consortium, home: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("chain"))
    vault = copy / "members/hospital-1/vault.sqlite"
    content = bytearray(vault.read_bytes())
    for position in range(8192, len(content), 512):
        content[position] ^= 1
    vault.write_bytes(bytes(content))
    with Consortium.connect(consortium.url, copy) as opened, pytest.raises(Exception, match=r".") as error:
        opened.node(opened.hospitals[0].dataset_id)
    assert type(error.value).__module__.startswith("belmont.vault")


def test_questions_are_refused_with_the_names_that_would_work(consortium: Consortium) -> None:
    book = consortium.dictionary
    assert mean("hba1c").query(book).column == "hba1c"
    with pytest.raises(LabError, match="histogram"):
        mean("smoking").query(book)
    with pytest.raises(LabError, match="goes from"):
        mean("hba1c", age=(5, 10)).query(book)
    with pytest.raises(LabError, match="current"):
        mean("hba1c", smoking=["sometimes"]).query(book)
    with pytest.raises(LabError, match="as a list"):
        mean("hba1c", smoking="current").query(book)
    with pytest.raises(Exception, match="shoe_size"):
        mean("shoe_size").query(book)


def test_each_hospital_sees_what_was_wrong_with_its_records_and_nobody_else_does(consortium: Consortium) -> None:
    quality = consortium.quality()
    assert list(quality.index) == [hospital.name for hospital in consortium.hospitals]
    assert list(quality["rows"]) == [hospital.rows for hospital in consortium.hospitals]
    assert (quality["patients read"] - quality["without consent"] >= quality["rows"]).all()
    assert quality["without consent"].sum() > 0
    with Consortium.connect(consortium.url) as reader, pytest.raises(LabError, match="stays with its hospital"):
        reader.quality()


def test_a_study_and_a_permit_are_found_again_by_their_number(consortium: Consortium) -> None:
    study = consortium.propose("Found again", rounds=1, queries=1)
    assert consortium.study(study.id).record.terms.title == "Found again"
    assert study.id in consortium.studies().index
    with pytest.raises(LabError, match="no permit"):
        consortium.permit(study.id)
    with pytest.raises(LabError, match="no study"):
        consortium.study(100_000)


def test_natural_slips_are_answered_with_the_right_call(consortium: Consortium) -> None:
    study = consortium.propose("Slips", rounds=1, queries=1)
    with pytest.raises(LabError, match=r"study\.vote\(\*consortium\.board"):
        study.vote(consortium.board)  # type: ignore[arg-type]
    with pytest.raises(LabError, match=r"study\.accept\(\*consortium\.hospitals\)"):
        study.accept(consortium.board[0])  # type: ignore[arg-type]
    with pytest.raises(LabError, match="one by one"):
        study.accept()
    with pytest.raises(LabError, match="hospitals is '4'"):
        Consortium.local("4")  # type: ignore[arg-type]
    with pytest.raises(LabError, match="longer than nothing"):
        consortium.propose("Back in time", duration_days=-2)
    two, visible = [each.dataset_id for each in consortium.hospitals[:2]], LogisticRegression.default(secure=False)
    for few in ({"min_hospitals": 2}, {"datasets": two, "min_hospitals": 2}, {"datasets": two}):
        with pytest.raises(LabError, match="every query needs 3 hospitals"):
            consortium.propose("Two", model=visible, queries=1, **few)  # type: ignore[arg-type]
    assert (
        consortium.propose("Two", model=visible, queries=0, rounds=1, datasets=two, min_hospitals=2).status
        == "proposed"
    )


def test_a_connected_consortium_that_is_closed_names_connect(consortium: Consortium, home: Path) -> None:
    connected = Consortium.connect(consortium.url, home)
    connected.close()
    with pytest.raises(LabError) as closed:
        connected.audit()
    assert f"Consortium.connect({consortium.url!r}, {str(home)!r})" in str(closed.value)
    reader = Consortium.connect(consortium.url, members_address=consortium.home_here.read().members_address)
    reader.close()
    with pytest.raises(LabError, match=r"again with Consortium\.connect\('http[^,]*'\)$"):
        reader.audit()


def test_a_closed_consortium_and_one_whose_chain_died_say_so(tmp_path: Path) -> None:
    made = Consortium.local(hospitals=3, patients=450, seed=1, home=tmp_path / "kept")
    study = made.propose("Interrupted", rounds=2, queries=1, min_cohort=5)
    assert made._chain is not None
    made._chain.kill()
    with pytest.raises(LabError, match=r"chain has ended: open it again with Consortium\.local"):
        made.audit()
    for shown in (repr(study), study._repr_html_(), repr(made), made._repr_html_()):
        assert "chain has ended" in shown
    made.close()
    with pytest.raises(LabError, match="is closed"):
        made.audit()
    with Consortium.local(home=tmp_path / "kept") as again:
        assert again.study(study.id).status == "proposed"


def test_a_temporary_consortium_leaves_nothing_and_sweeps_up_after_a_killed_one() -> None:
    script = (
        "import os, signal; from belmont.lab.temporary import TemporaryDirectory; "
        "made = TemporaryDirectory(); print(made.path, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    left = Path(killed.stdout.split()[-1])
    assert left.is_dir()
    with TemporaryDirectory() as mine:
        assert not left.exists()
        assert mine.stat().st_mode & 0o077 == 0
        with TemporaryDirectory() as other:
            assert mine.exists() and other != mine
    assert not mine.exists() and not other.exists()


def test_the_table_has_to_be_the_one_that_the_chain_has(consortium: Consortium, home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("chain"))
    other = (copy / "members/hospital-1/dictionary.yaml").read_text().replace("version: 1", "version: 2", 1)
    (copy / "members/hospital-1/dictionary.yaml").write_text(other)
    with Consortium.connect(consortium.url, copy) as opened:
        first = opened.hospitals[0]
        with pytest.raises(HomeError, match="not the dictionary"):
            opened.node(first.dataset_id)


def test_a_stranger_who_announces_another_consortium_does_not_come_between(consortium: Consortium, home: Path) -> None:
    """Anybody can send transactions: 40 bytes of code that log the founding event, from an account without a role."""
    topic = keccak(text="ConsortiumFounded(address,string,address,address,address,address)")
    code = bytes.fromhex("7f") + topic + bytes.fromhex("33 90 5f 5f a2 00".replace(" ", ""))
    ChainClient(consortium.url).transact(Account.create(), None, code)
    with Consortium.connect(consortium.url, home) as connected:
        assert connected.registry.addresses == consortium.registry.addresses
