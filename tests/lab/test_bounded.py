"""A study whose updates are bounded: trained in a notebook, checked by anybody with the chain's address."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from belmont.lab import Consortium
from belmont.lab.errors import NotYet
from belmont.lab.models import LogisticModel
from belmont.lab.training import TrainingResult


@pytest.fixture(scope="module")
def training(consortium: Consortium) -> TrainingResult:
    default = LogisticModel.default()
    model = LogisticModel(default.features, default.outcome, largest=2_000.0)
    study = consortium.propose("A bounded study", model=model, rounds=4, queries=1, min_cohort=10)
    study.vote(*consortium.board[:2], approve=True, reason="bounded")
    study.accept(*consortium.hospitals)
    return study.permit().train(model=model)


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
