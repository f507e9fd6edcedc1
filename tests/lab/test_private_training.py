"""Training with noise in a notebook: what it costs is shown, and what cannot be paid for is not opened."""

import subprocess
import sys
from pathlib import Path

import pytest

from belmont.federated.errors import PrivacyError, RoundRefused
from belmont.lab import Consortium, count
from belmont.lab.errors import LabError
from belmont.lab.models import LogisticRegression
from belmont.lab.permit import Permit
from belmont.registry.types import AnswerMode

MODEL = LogisticRegression.default().with_noise(epsilon=5, rounds=3)
EACH = 3 * MODEL.rho_per_round


def permit_for(consortium: Consortium, model: LogisticRegression = MODEL, **terms: object) -> Permit:
    study = consortium.propose("With noise", model=model, **({"rounds": 3, "min_cohort": 10} | terms))  # type: ignore[arg-type]
    study.vote(*consortium.board[:2], approve=True, reason="the budget is small")
    return study.accept(*consortium.hospitals).permit()


def test_rounds_with_noise_show_what_they_cost_and_come_to_what_was_asked_for(consortium: Consortium) -> None:
    permit = permit_for(consortium)
    assert permit.record.terms.answer_mode is AnswerMode.PRIVATE
    assert permit.record.terms.rho_per_dataset == EACH
    training = permit.train(model=MODEL)
    history = training.history
    assert list(history.index) == [1, 2, 3] and "loss" not in history
    assert (history["rows"] == sum(hospital.rows for hospital in consortium.hospitals)).all()
    assert (history["micro-rho"] == MODEL.rho_per_round).all()
    assert history["epsilon"].is_monotonic_increasing and 4.9 < history["epsilon"].iloc[-1] <= 5
    assert training.epsilon == history["epsilon"].iloc[-1]
    assert f"{training.epsilon:.3g}" in training._repr_html_() and "epsilon" in repr(training)
    assert 0.5 < training.auc <= 1 and set(training.compare().index) == set(MODEL.names)
    budget = permit.budget(model=MODEL)
    assert (budget["micro-rho spent"] == EACH).all() and (budget["micro-rho left"] == 0).all()
    assert (budget["rounds left"] == 0).all()
    assert budget["epsilon spent"].tolist() == [training.epsilon] * 3
    assert (permit.budget()["epsilon spent"] >= budget["epsilon spent"]).all(), "without the model, a looser one"


def test_where_the_budget_is_gone_no_round_is_opened_and_what_is_left_is_said(consortium: Consortium) -> None:
    permit = permit_for(consortium, rounds=6, rho_per_dataset=EACH - 1)
    before = permit.budget(model=MODEL)
    assert (before["rounds left"] == 2).all() and (before["micro-rho left"] == EACH - 1).all()
    with pytest.raises(LabError, match=r"for 2 rounds: nothing was opened"):
        permit.train(rounds=3, model=MODEL)
    assert permit.record.rounds_opened == 0
    assert len(permit.train(model=MODEL).rounds) == 2, "as many as can be paid for, where no number is named"
    with pytest.raises(LabError, match=f"{MODEL.rho_per_round - 1:,} left, for 0 rounds"):
        permit.train(rounds=1, model=MODEL)
    assert permit.record.rounds_opened == 2
    assert "micro-rho" in permit._repr_html_()


def test_a_permit_for_noise_refuses_the_same_study_without(consortium: Consortium) -> None:
    exact = LogisticRegression.default()
    permit = permit_for(consortium, rho_per_dataset=10)
    with pytest.raises(LabError, match="other configuration than this model's"):
        permit.train(rounds=1, model=exact)
    assert permit.record.rounds_opened == 0, "what hospitals would refuse uses no round up"
    with pytest.raises(LabError, match="queries are exact"):
        permit.query(count())
    with pytest.raises(RoundRefused, match="CONFIG_MISMATCH"):
        permit.train(rounds=1, model=exact, check=False)
    assert [use for use in permit.uses()["n"]] == []


def test_noise_does_not_go_with_queries_or_with_fewer_hospitals_than_it_is_for(consortium: Consortium) -> None:
    with pytest.raises(LabError, match="queries=0"):
        consortium.propose("With queries", model=MODEL, queries=1)
    with pytest.raises(LabError, match="3 hospitals"):
        consortium.propose("With two", model=MODEL, min_hospitals=2)
    assert consortium.propose("Exact").record.terms.queries == 2
    permit = permit_for(consortium)
    with pytest.raises(LabError, match="queries are exact"):
        permit.query(count())


def test_an_amendment_to_a_model_with_noise_asks_for_noise(consortium: Consortium) -> None:
    study = consortium.propose("Exact first", rounds=3, queries=0, min_cohort=10)
    study.vote(*consortium.board[:2], approve=True, reason="small")
    permit = study.accept(*consortium.hospitals).permit()
    amendment = permit.amend(reason="with noise", model=MODEL, rho_per_dataset=EACH)
    assert amendment.record.terms.answer_mode is AnswerMode.PRIVATE
    changes = amendment.differences()
    assert "totals with noise" in changes["amendment"].tolist()


def test_the_record_of_a_round_with_noise_verifies_and_says_what_it_cost(
    consortium: Consortium, tmp_path: Path
) -> None:
    training = permit_for(consortium).train(rounds=1, model=MODEL)
    path = tmp_path / "round-1.json"
    path.write_bytes(training.record(1).to_bytes())
    words = [str(path), "--url", consortium.url, "--members", consortium.registry.addresses["Members"]]
    done = subprocess.run([sys.executable, "-m", "belmont.cli", "verify-round", *words], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("ACCEPTED"), done.stderr
    assert f"rows           {training.rounds[0].rows}" in done.stdout
    assert f"{MODEL.rho_per_round:,} micro-rho" in done.stdout


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), float("inf"), "5"])
def test_an_epsilon_that_is_none_is_refused_by_its_name(epsilon: float) -> None:
    with pytest.raises(PrivacyError, match="epsilon is"):
        LogisticRegression.default().with_noise(epsilon=epsilon, rounds=3)


def test_numbers_of_rounds_and_epsilons_that_lead_nowhere_are_refused() -> None:
    for rounds in (0, 2.5):
        with pytest.raises(PrivacyError, match="rounds is"):
            LogisticRegression.default().with_noise(epsilon=5, rounds=rounds)  # type: ignore[arg-type]
    with pytest.raises(PrivacyError, match="fewer rounds, or a larger epsilon"):
        LogisticRegression.default().with_noise(epsilon=1e-6, rounds=3)
