"""A study whose updates are bounded: trained in a notebook, checked by anybody with the chain's address."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from belmont.federated.errors import RoundRefused
from belmont.lab import Consortium, protection
from belmont.lab.errors import LabError, NotYet
from belmont.lab.home import Home
from belmont.lab.models import LogisticRegression
from belmont.lab.permit import Permit
from belmont.lab.training import TrainingResult


@pytest.fixture(scope="module")
def training(consortium: Consortium) -> TrainingResult:
    model = LogisticRegression.default(largest=2_000.0)
    study = consortium.propose("A bounded study", model=model, rounds=4, queries=1, min_cohort=10)
    study.vote(*consortium.board[:2], approve=True, reason="bounded")
    study.accept(*consortium.hospitals)
    return study.permit().train()


def belmont(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "belmont.cli", *words], capture_output=True, text=True)


def test_bounded_rounds_reach_the_pooled_model(training: TrainingResult) -> None:
    frame = training.compare()
    assert (frame["federated"] - frame["pooled"]).abs().max() < 1e-2


def test_the_command_accepts_a_rounds_record_and_refuses_a_changed_one(
    consortium: Consortium, training: TrainingResult, tmp_path: Path
) -> None:
    members = consortium.registry.addresses["Members"]
    path = tmp_path / "round-1.json"
    path.write_bytes(training.record(1).to_bytes())
    accepted = belmont("verify-round", str(path), "--url", consortium.url, "--members", members)
    assert accepted.returncode == 0, accepted.stderr
    assert accepted.stdout.startswith("ACCEPTED")
    assert "left out       nobody" in accepted.stdout and "proved: at most" in accepted.stdout
    shown = json.loads(
        belmont("verify-round", str(path), "--url", consortium.url, "--members", members, "--json").stdout
    )
    assert shown["rows"] == training.rounds[0].rows
    fields = json.loads(path.read_bytes())
    fields["n"] = 2
    path.write_text(json.dumps(fields, sort_keys=True, separators=(",", ":")))
    refused = belmont("verify-round", str(path), "--url", consortium.url, "--members", members)
    assert refused.returncode == 1 and refused.stdout.startswith("REFUSED"), refused.stderr
    path.write_bytes(b"{}")
    refused = belmont("verify-round", str(path), "--url", consortium.url, "--members", members, "--json")
    assert refused.returncode == 1 and not json.loads(refused.stdout)["accepted"]
    missing = belmont("verify-round", str(tmp_path / "none"), "--url", consortium.url, "--members", members)
    assert missing.returncode == 2 and "is no file" in missing.stderr


def test_a_round_that_did_not_run_has_no_record(training: TrainingResult) -> None:
    with pytest.raises(NotYet, match="no record"):
        training.record(9)


def test_a_round_whose_sum_is_not_secure_has_none_either_and_no_round_gives_an_empty_history(permit: Permit) -> None:
    with pytest.raises(NotYet, match="only secure sums"):
        permit.train(rounds=1).record(1)
    nothing = TrainingResult(LogisticRegression.default(), [], None)
    assert len(nothing.history) == 0 and "0 rounds" in nothing._repr_html_()


@pytest.mark.parametrize("largest", [0, -1.0, float("nan"), 2.0**31, "2000", True])
def test_a_bound_that_no_proof_can_be_made_for_is_refused_at_once(largest: float) -> None:
    with pytest.raises(LabError, match="largest is"):
        LogisticRegression.default(largest=largest)


def test_noise_leaves_less_room_for_a_bound() -> None:
    with pytest.raises(LabError, match=r"below 2,048, with the fraction bits of this noise"):
        LogisticRegression.default(largest=5_000.0).with_noise(epsilon=5, rounds=3)


def test_an_update_out_of_bounds_comes_back_as_failed_with_a_note_about_the_bound(consortium: Consortium) -> None:
    study = consortium.propose("Too tight", model=LogisticRegression.default(largest=3.0), rounds=1, min_cohort=10)
    permit = study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()
    with pytest.raises(RoundRefused, match="code failed") as refused:
        permit.train()
    assert "largest is 3" in refused.value.__notes__[0]


def test_study_permit_and_training_say_who_sees_an_update(
    consortium: Consortium, training: TrainingResult, permit: Permit
) -> None:
    assert "proved to be at most 2,000" in training._repr_html_()
    study = consortium.propose("Sums", model=LogisticRegression.default(secure=True), rounds=1)
    assert "only their sum over the hospitals can be read" in study._repr_html_()
    assert "coordinator and researcher see each hospital" in permit._repr_html_()
    with Consortium.connect(consortium.url, members_address=consortium.registry.addresses["Members"]) as elsewhere:
        assert "not on this machine" in elsewhere.permit(permit.id)._repr_html_()


def test_a_kept_configuration_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    home, model = Home(tmp_path), LogisticRegression.default(secure=True)
    protection.keep(home, model.config)
    assert "only their sum" in protection.sentence_for(home, model.config_hash)
    (path,) = (tmp_path / "documents").iterdir()
    for text in (path.read_text().replace("cvd_event", "age"), "[]", "x", '{"a": null}'):
        path.write_text(text)
        assert protection.sentence_for(home, model.config_hash) == protection.UNKNOWN


def test_too_few_hospitals_for_a_secure_sum_and_columns_that_nobody_has_are_refused_before_anything_is_opened(
    consortium: Consortium,
) -> None:
    model = LogisticRegression.default(secure=True)
    with pytest.raises(LabError, match="need 3 hospitals, and there are 2"):
        consortium.propose("Two", model=model, datasets=consortium.hospitals[:2], rounds=1, queries=0)
    study = consortium.propose("Three", model=model, datasets=consortium.hospitals, rounds=1, min_cohort=10)
    permit = study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()
    with pytest.raises(LabError, match="nothing was used"):
        permit.train(datasets=consortium.hospitals[:2])
    assert permit.record.rounds_opened == 0
    with pytest.raises(LabError, match="no column shoe"):
        consortium.propose("Shoes", model=LogisticRegression(("age", "shoe"), "cvd_event"), rounds=1)
    with pytest.raises(LabError, match="lists of columns"):
        LogisticRegression("age", "cvd_event")  # type: ignore[arg-type]
