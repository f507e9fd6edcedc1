"""A dataset is kept one to five years; then nodes refuse it, and its hospital's own machine destroys it on command."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.ehr.synthetic import generate_population, write_fhir
from belmont.lab import Consortium, hospital_files
from belmont.lab.destruction import open_vault
from belmont.lab.errors import DestructionIncomplete, LabError
from belmont.lab.retention_date import YEAR_SECONDS, retention_until
from belmont.registry.errors import RegistryRefused
from belmont.registry.limits import RETENTION_MAX_SECONDS, RETENTION_MIN_SECONDS
from belmont.registry.types import DatasetStatus

Bare = Callable[..., Consortium]
DAY = 86400
AHEAD = """
import sys, time
real, seconds = time.time, float(sys.argv.pop(1))
time.time = lambda: real() + seconds
from belmont.cli import main
sys.exit(main())
"""


def status(consortium: Consortium, place: int) -> DatasetStatus:
    dataset = consortium.registry.dataset(consortium.hospitals[place].dataset_id)
    assert dataset is not None
    return dataset.status


def belmont(days: float, python: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, on a machine whose clock is so many days ahead."""
    command = [python, "-P", "-c", AHEAD, str(days * DAY), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@given(years=st.floats(1, 5), now=st.integers(0, 1 << 40))
def test_every_choice_of_one_to_five_years_is_a_date_that_the_contract_takes(years: float, now: int) -> None:
    for later in (0, 60):
        until = retention_until(years, now) - (now + later)
        assert RETENTION_MIN_SECONDS <= until <= RETENTION_MAX_SECONDS
    assert abs(retention_until(years, now) - now - years * YEAR_SECONDS) <= 3601


@pytest.mark.parametrize("years", [0, 0.99, 5.01, -1, float("nan"), float("inf"), "two", None, True])
def test_any_other_choice_is_answered_with_the_bounds(years: Any) -> None:
    with pytest.raises(LabError, match="one to five years"):
        retention_until(years, 1_700_000_000)


def test_a_date_is_chosen_at_registration_and_can_only_be_put_off(bare: Bare) -> None:
    consortium = bare(hospitals=2, years=2)
    hospital, other = consortium.hospitals
    frame = consortium.retention()
    assert list(frame.index) == [hospital.dataset_name, other.dataset_name]
    assert set(frame["days left"].round()) == {730.0} and not frame["due"].any()
    until = consortium.extend_retention(hospital, years=4)
    dataset = consortium.registry.dataset(hospital.dataset_id)
    assert dataset is not None and dataset.retention_until == until
    with pytest.raises(RegistryRefused, match=r"RETENTION_INVALID.*only be put off"):
        consortium.extend_retention(hospital, years=3)
    with pytest.raises(LabError, match="one to five years"):
        consortium.extend_retention(hospital, years=6)
    with pytest.raises(LabError, match="hospitals one by one"):
        consortium.extend_retention(consortium.board[0], years=5)  # type: ignore[arg-type]
    assert consortium.retention()["days left"].round().tolist() == [1460.0, 730.0]


def test_registration_takes_the_years_that_the_hospital_chooses(bare: Bare) -> None:
    consortium = bare(hospitals=1)
    hospital, home = consortium.hospitals[0], consortium.home_here
    (cohort,) = generate_population(1, 40, 3)
    write_fhir(cohort, home.records(hospital.slug))
    dictionary = Path(str(resources.files("belmont.ehr") / "dictionaries" / "diabetes_cvd.yaml"))
    writes = consortium.registry.as_(hospital.identity.account)
    for years, name in ((2, "two years"), (5, "five years")):
        home.consents(hospital.slug).unlink(missing_ok=True)
        chosen = {} if years == 5 else {"retention_years": years}
        id_ = hospital_files.register(home, hospital.slug, name, dictionary, writes, **chosen)
        dataset = consortium.registry.dataset(id_)
        assert dataset is not None
        assert abs(dataset.retention_until - time.time() - years * YEAR_SECONDS) < 4000
    with pytest.raises(LabError, match="one to five years"):
        hospital_files.register(home, hospital.slug, "six years", dictionary, writes, retention_years=6)
    assert "six years" not in {each.name for each in consortium.registry.datasets()}


def test_what_is_due_is_destroyed_only_when_both_clocks_say_so(bare: Bare, movable: Any) -> None:
    consortium = bare(hospitals=2, url=movable.url, years=1)
    kept, due = consortium.hospitals
    consortium.extend_retention(kept, years=3)
    home = consortium.home_here.path
    late = 366 * DAY
    assert consortium.destroy_due(clock=lambda: time.time() + late) == []  # this machine's clock alone
    with Consortium.connect(movable.move(366), home) as later:
        assert later.destroy_due() == []  # the chain's clock alone
        assert status(later, 1) is DatasetStatus.ACTIVE
        clock = lambda: time.time() + late  # noqa: E731
        assert later.retention(clock)["due"].tolist() == [False, True]
        (done,) = later.destroy_due(clock)
        assert "its retention date" in done.report.reason and "was over" in done.report.reason
        assert done.report.name == due.dataset_name and done.verify()
        assert (status(later, 0), status(later, 1)) == (DatasetStatus.ACTIVE, DatasetStatus.DESTROYED)
        assert later.destroy_due(clock) == [] and not later.retention(clock)["due"].any()
        assert later.retention(clock)["days left"].isna().tolist() == [False, True]
        with open_vault(later.home_here, kept.slug) as vault:
            assert vault.check().ok and vault.labels() == (kept.dataset_name,)


def test_one_that_cannot_be_destroyed_does_not_keep_the_others(bare: Bare, movable: Any) -> None:
    consortium = bare(hospitals=2, url=movable.url, years=1)
    home, first = consortium.home_here, consortium.hospitals[0]
    home.vault(first.slug).rename(home.path / "elsewhere.sqlite")
    with Consortium.connect(movable.move(366), home.path) as later:
        clock = lambda: time.time() + 366 * DAY  # noqa: E731
        with pytest.raises(DestructionIncomplete, match=rf"1 others are destroyed.*{first.dataset_name}.*no vault at"):
            later.destroy_due(clock)
        assert (status(later, 0), status(later, 1)) == (DatasetStatus.FROZEN, DatasetStatus.DESTROYED)
        (home.path / "elsewhere.sqlite").rename(home.vault(first.slug))
        assert [each.report.name for each in later.destroy_due(clock)] == [first.dataset_name]


def test_past_its_date_a_dataset_is_accepted_into_no_study(bare: Bare, movable: Any) -> None:
    consortium = bare(url=movable.url, years=1)
    with Consortium.connect(movable.move(366), consortium.home_here.path) as later:
        study = later.propose("Too late", rounds=1, queries=1)
        with pytest.raises(RegistryRefused, match=r"RETENTION_OVER.*apply without it"):
            study.accept(later.hospitals[0])


def test_the_command_lists_what_is_kept_and_destroys_what_is_due(bare: Bare, movable: Any) -> None:
    consortium = bare(hospitals=2, url=movable.url, years=1)
    home = consortium.home_here.path
    consortium.extend_retention(consortium.hospitals[0], years=2)
    words = ["data", "retention", "--home", str(home), "--url"]
    listed = belmont(0, sys.executable, *words, movable.url)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("active") == 2 and "days left" in listed.stdout and "DUE" not in listed.stdout
    url = movable.move(366)
    warned = belmont(366, sys.executable, *words, url)
    assert warned.returncode == 1 and warned.stdout.count("DUE: destroy it with --destroy-due") == 1
    done = belmont(366, sys.executable, *words, url, "--destroy-due", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert [each["status"] for each in shown["datasets"]] == ["active", "destroyed"]
    assert [each["days_left"] is None for each in shown["datasets"]] == [False, True]
    plain = belmont(366, sys.executable, *words, url)
    assert plain.returncode == 0 and plain.stdout.count("days left") == 1 and "destroyed" in plain.stdout
    (report,) = shown["reports"]
    verified = belmont(366, sys.executable, "verify-destruction", report, "--url", url, "--home", str(home))
    assert verified.returncode == 0 and verified.stdout.startswith("ACCEPTED"), verified.stderr
    assert Path(report).is_file()
    again = belmont(366, sys.executable, *words, url, "--destroy-due", "--json")
    assert json.loads(again.stdout)["reports"] == []
    missing = belmont(0, sys.executable, "data", "retention", "--home", str(home / "none"), "--url", url)
    assert missing.returncode == 2 and "not a consortium's directory" in missing.stderr
