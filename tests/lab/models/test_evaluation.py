"""A model under a permit from its fit to its release: evaluated, described, checked, recorded."""

import hashlib
import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from belmont.federated.bounded.record import RoundRecord, open_round
from belmont.federated.errors import RoundRefused
from belmont.federated.hashes import model_hash
from belmont.lab import Consortium
from belmont.lab.errors import HomeError, LabError, NotYet, OutputRefused
from belmont.lab.models import LinearRegression, LogisticRegression, StudyModel
from belmont.lab.models.references import References
from belmont.lab.permit import Permit
from belmont.lab.release_rule import ReleaseRule
from belmont.lab.verify_round_command import verify
from belmont.registry.reasons import Reason

OUTCOME = "antihypertensive"
"""Common enough that parts of these small hospitals are not too small."""
RULE = ReleaseRule(max_parameters=20, max_membership_advantage=0.5, min_rows=100, min_hospitals=3)
MODEL = LogisticRegression(
    ("age", "hba1c", "systolic", "sex=male"),
    OUTCOME,
    holdout=0.5,
    groups=("sex", "age:60"),
    report_hospitals=True,
    release=RULE,
)


def permit_for(consortium: Consortium, model: StudyModel, rounds: int = 12, **terms: Any) -> Permit:
    study = consortium.propose(
        "Risk to be released", model=model, rounds=rounds, queries=0, **({"min_cohort": 10} | terms)
    )
    return study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()


@pytest.fixture(scope="module")
def permit(consortium: Consortium) -> Permit:
    return permit_for(consortium, MODEL)


@pytest.fixture(scope="module")
def model(permit: Permit) -> LogisticRegression:
    return replace(MODEL).fit(permit)


def test_a_fit_with_a_holdout_ends_with_an_evaluation_of_the_model_it_gives(
    model: LogisticRegression, permit: Permit, consortium: Consortium
) -> None:
    performance = model.performance_
    assert performance.n == permit.record.rounds_opened == len(model.result_.rounds) + 1
    assert performance.model_hash == model_hash(model.arrays_)
    table = performance.table
    assert list(table.index[:1]) == ["held out"] and table.index[-1] == "trained on"
    assert 150 < table.loc["held out", "patients"] <= 300
    fresh = consortium.yardstick.fresh_table.decode()
    truth = roc_auc_score(fresh[OUTCOME].astype(int), model.predict_proba(fresh)[:, 1])
    assert table.loc["held out", "auc low"] - 0.05 < truth < table.loc["held out", "auc high"] + 0.05
    assert {"sex=female", "sex=male"} & set(table.index) or {"age <60", "age >=60"} & set(table.index)
    assert "AUC" in repr(performance) and "kept apart" in performance._repr_html_()


def test_rates_subgroups_and_pictures_follow_from_the_sums(model: LogisticRegression) -> None:
    performance = model.performance_
    rates = performance.at(0.2)
    assert (
        (rates["sensitivity low"] <= rates["sensitivity"]) & (rates["sensitivity"] <= rates["sensitivity high"])
    ).all()
    held_out = performance.slot("held out")
    shown = [parts for parts in performance.results.groups.values() if len(parts) > 1]
    if shown:
        fairness = performance.fairness()
        assert len(fairness) == sum(len(parts) - 1 for parts in shown)
        assert (fairness["ppv low"].isna() | (fairness["ppv low"] <= fairness["ppv high"])).all()
    for picture in (performance.plot_roc(), performance.plot_calibration(), performance.plot_hospitals()):
        assert "<svg" in picture.svg()
    assert held_out.patients == performance.patients
    with pytest.raises(LabError, match="no slot"):
        performance.slot("everybody")


def test_each_hospitals_own_results_are_shown_because_the_permit_says_so(
    model: LogisticRegression, consortium: Consortium
) -> None:
    frame = model.performance_.hospitals
    assert list(frame.index) == [consortium.dataset_names[each] for each in model.permit_.record.covered]
    assert frame["patients"].dropna().mod(10).eq(0).all() and frame["auc"].notna().any()
    assert (frame["auc low"].isna() | (frame["auc low"] <= frame["auc"])).all()


def test_anybody_computes_the_same_sums_from_the_rounds_record(
    model: LogisticRegression, consortium: Consortium
) -> None:
    record = RoundRecord.from_bytes(model.performance_.record.to_bytes())
    arrays, metrics = record.secure.decode(open_round(record, consortium.registry).total)
    assert (arrays["counts"] == model.performance_.result.updates[0].arrays["counts"]).all()
    assert metrics["num-examples"] == model.performance_.patients


def test_the_board_reads_from_the_evidence_which_model_was_evaluated_and_what_the_rule_finds(
    model: LogisticRegression, consortium: Consortium, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A round of training is opened with the model too, and recorded by as many hospitals: it is no evidence."""
    members = consortium.registry.addresses["Members"]
    shown = []
    for record in (model.performance_.record, model.result_.record(1)):
        path = tmp_path / "record.json"
        path.write_bytes(record.to_bytes())
        options = Namespace(record=path, url=consortium.url, members=members, json=True)
        assert verify(options) == 0
        shown.append(json.loads(capsys.readouterr().out))
    evaluated, trained = shown
    assert (evaluated["kind"], trained["kind"]) == ("evaluation", "training")
    assert evaluated["model"] == "0x" + model_hash(model.arrays_).hex() != trained["model"]
    found = model.performance_.membership
    assert found is not None and f"at most {found.upper:.3f}" in evaluated["remembers"]
    assert evaluated["remembers"].endswith("the permit has at most 0.5: passed")
    assert f"AUC {model.performance_.auc}" in evaluated["kept apart"]
    assert "remembers" not in trained


def test_the_card_says_where_the_model_comes_from_and_how_well_it_does(
    model: LogisticRegression, permit: Permit, tmp_path: Path
) -> None:
    card = model.card()
    content = card.to_dict()
    assert content["permit"]["permit"] == permit.id and content["permit"]["study"] == "Risk to be released"
    assert content["model"]["model hash"] == "0x" + model_hash(model.arrays_).hex()
    assert content["permit"]["approved configuration"] == content["model"]["configuration hash"]
    assert [each["rows are"] for each in content["data"]] == ["proven"] * 3
    assert content["permit"]["who sees an update"].startswith("only their sum")
    assert {row["term"] for row in content["coefficients"]} == set(model.names)
    assert content["performance"][0]["patients who are"] == "held out" and len(content["limits"]) >= 3
    assert card.to_bytes() == model.card().to_bytes(), "the same model and chain give the same card"
    assert json.loads(card.save(tmp_path / "card.json").read_text()) == content
    assert "## permit" in card.save(tmp_path / "card.md").read_text()
    assert "belmont-card" in card.save(tmp_path / "card.html").read_text()
    with pytest.raises(LabError, match=r"\.md"):
        card.save(tmp_path / "card.pdf")


def test_a_model_that_passes_is_released_on_chain_under_the_hashes_of_its_card_and_evidence(
    model: LogisticRegression, permit: Permit
) -> None:
    check = model.output_check()
    assert check.passed, check.reasons
    release = permit.release(model)
    record = release.record
    assert record.model_hash == model_hash(model.arrays_) and record.evaluated_round == model.performance_.n
    assert record.evidence_hash == hashlib.sha256(model.performance_.record.to_bytes()).digest()
    assert record.card_hash == hashlib.sha256(model.card().to_bytes()).digest()
    assert "passed" in check._repr_html_() and check.table["passed"].all()


def changed(model: LogisticRegression, **attributes: Any) -> LogisticRegression:
    """The same fitted model with other attributes."""
    other = replace(model)
    other.__dict__.update({name: each for name, each in model.__dict__.items() if name.endswith("_")})
    other.__dict__.update(attributes)
    return other


def test_what_was_not_evaluated_is_not_released(model: LogisticRegression, permit: Permit) -> None:
    never = changed(model)
    del never.performance_
    with pytest.raises(OutputRefused, match="no evaluation round"):
        permit.release(never)
    moved = changed(model, arrays_={"coefficients": model.arrays_["coefficients"] + 1e-9})
    with pytest.raises(OutputRefused, match="of another model"):
        permit.release(moved)


def test_an_array_beside_the_model_is_not_released(model: LogisticRegression) -> None:
    more = changed(model, arrays_=model.arrays_ | {"notes": np.zeros(3)})
    (found,) = [test for test in more.output_check().tests if test.name == "arrays that are not declared"]
    assert not found.passed and found.value == "notes"
    wide = changed(model, arrays_={"coefficients": np.zeros(50)})
    assert {"parameters", "bytes", "arrays that are not declared"} <= {
        test.name for test in wide.output_check().tests if not test.passed
    }


def test_a_rule_that_the_permit_was_not_approved_with_does_not_count(model: LogisticRegression) -> None:
    loose = changed(model, release=ReleaseRule(10**6, 1.0, 1, 1))
    assert any(reason.startswith("approved code and configuration") for reason in loose.output_check().reasons)


def test_sums_that_the_record_does_not_give_do_not_count(model: LogisticRegression) -> None:
    performance = model.performance_
    update = performance.result.updates[0]
    better = replace(update, arrays=update.arrays | {"counts": update.arrays["counts"] * 2})
    forged = object.__new__(type(performance))
    forged.__dict__.update(performance.__dict__, result=replace(performance.result, updates=(better,)))
    assert any("computed again" in reason for reason in changed(model, performance_=forged).output_check().reasons)
    bare = object.__new__(type(performance))
    bare.__dict__.update(performance.__dict__, result=replace(performance.result, record=None))
    assert any("computed again" in reason for reason in changed(model, performance_=bare).output_check().reasons)


def test_a_model_of_another_permit_or_of_rows_here_is_not_released(
    model: LogisticRegression, consortium: Consortium, permit: Permit
) -> None:
    fresh = consortium.yardstick.fresh_table
    here = replace(MODEL).fit(fresh)
    with pytest.raises(OutputRefused, match="no permit"):
        permit.release(here)
    with pytest.raises(NotYet, match="no permit"):
        here.output_check()
    assert here.card().to_dict()["permit"].startswith("none")
    other = permit_for(consortium, MODEL, rounds=1)
    with pytest.raises(OutputRefused, match=f"fitted under permit {permit.id}"):
        other.release(model)


def test_what_is_plain_beforehand_opens_no_round(consortium: Consortium, model: LogisticRegression) -> None:
    without = LogisticRegression(("age",), "cvd_event")
    permit = permit_for(consortium, without, rounds=2)
    with pytest.raises(LabError, match="holdout"):
        permit.evaluate(without)
    other = permit_for(consortium, LogisticRegression(("age",), "cvd_event", holdout=0.3), rounds=2)
    with pytest.raises(LabError, match="other configuration"):
        other.evaluate(model)
    assert permit.record.rounds_opened == other.record.rounds_opened == 0


def test_parts_that_are_all_too_small_say_so(consortium: Consortium) -> None:
    small = LogisticRegression(("age",), "cvd_event", holdout=0.1)
    permit = permit_for(consortium, small, rounds=2, min_cohort=60)
    permit.train(1, model=small)
    small.arrays_ = permit.last_training.rounds[-1].model  # type: ignore[union-attr]
    with pytest.raises(NotYet, match=r"too small.*nothing was used"):
        permit.evaluate(small)
    assert permit.record.rounds_opened == 1
    with pytest.raises(NotYet, match=r"too small.*the round is used"):
        permit.evaluate(small, check=False)
    assert permit.record.rounds_opened == 2


def test_groups_that_the_dictionary_does_not_have_are_refused_at_the_application(consortium: Consortium) -> None:
    for group, message in (
        ("height", "no column"),
        ("age", "cut points"),
        ("sex:other", "no level"),
        ("age:x", "level"),
    ):
        with pytest.raises(LabError, match=message):
            consortium.propose("Groups", model=replace(MODEL, groups=(group,)))


def test_values_are_evaluated_and_without_secure_sums_each_hospital_is_seen_anyway(consortium: Consortium) -> None:
    line = LinearRegression(("age", "bmi"), "systolic", holdout=0.5, secure=False)
    permit = permit_for(consortium, line, rounds=3)
    line.fit(permit)
    table = line.performance_.table
    assert table.loc["held out", "rmse low"] < table.loc["held out", "rmse"] < table.loc["held out", "rmse high"]
    assert "R2" in repr(line.performance_) and line.performance_.membership is not None
    assert any("record" in reason for reason in line.output_check().reasons), "nobody can compute these sums again"
    with pytest.raises(NotYet, match="report_hospitals"):
        line.performance_.hospitals  # noqa: B018
    with pytest.raises(LabError, match="values"):
        line.performance_.plot_roc()


def test_with_noise_an_evaluation_is_charged_and_its_intervals_count_the_noise_in(consortium: Consortium) -> None:
    base = LogisticRegression(("age", "systolic"), OUTCOME, holdout=0.5, groups=("age:60",))
    private = base.with_noise(epsilon=20, rounds=3)
    permit = permit_for(consortium, private, rounds=3)
    private.fit(permit)
    performance = private.performance_
    privacy = performance.result.privacy
    assert permit.record.rounds_opened == 3 and privacy is not None
    assert performance.epsilon == privacy.epsilon <= 20
    held_out = performance.slot("held out")
    assert held_out.noise_deviation > 0 and "noise" in performance.note
    assert list(performance.table.index) == ["held out", "age <60", "age >=60", "trained on"]
    rates = performance.at(0.5)
    exact = np.sqrt(0.25 / 225)
    assert (rates["accuracy high"] - rates["accuracy low"]).iloc[0] > 2 * 1.96 * exact
    with pytest.raises(NotYet, match="report_hospitals"):
        performance.hospitals  # noqa: B018
    assert f"epsilon {privacy.epsilon:.3g}" in private.card().to_dict()["permit"]["privacy"]


def test_proved_bounds_hold_for_an_evaluation_too(consortium: Consortium) -> None:
    bounded = LogisticRegression(("age", "systolic"), OUTCOME, holdout=0.5, largest=5_000.0)
    permit = permit_for(consortium, bounded, rounds=2)
    bounded.fit(permit)
    performance = bounded.performance_
    assert performance.record.bounds is not None
    counts = performance.result.updates[0].arrays["counts"]
    assert counts[0].sum() == performance.patients > 100 and (counts == counts.round()).all()


SMALL = LogisticRegression(("age", "systolic"), OUTCOME, holdout=0.5)


def one_round(permit: Permit, model: LogisticRegression) -> LogisticRegression:
    """The model after one round, not evaluated."""
    model.arrays_ = permit.train(1, model=model).rounds[-1].model
    model.references_ = References.of_dictionary(permit.consortium.dictionary)
    return model


def test_a_study_says_how_many_evaluations_are_left_and_opens_no_round_for_one_more(consortium: Consortium) -> None:
    model = replace(SMALL, evaluations=2)
    permit = permit_for(consortium, model, rounds=8)
    one_round(permit, model)
    assert permit.evaluations_left(model) == 2
    assert permit.evaluate(model).evaluations_left == 1
    again = Permit(Consortium.connect(consortium.url, consortium.home.path), permit.id)
    assert again.evaluations_left(model) == 1, "another notebook on the same directory"
    again.consortium.close()
    performance = permit.evaluate(model)
    assert "0 evaluations left" in repr(performance) and "evaluations left" in performance._repr_html_()
    opened = permit.record.rounds_opened
    with pytest.raises(NotYet, match=r"all 2 evaluations.*nothing was used.*asks for more"):
        permit.evaluate(model)
    assert permit.record.rounds_opened == opened
    with pytest.raises(RoundRefused) as caught:
        permit.evaluate(model, check=False)
    assert set(caught.value.reasons) == {Reason.EVALUATIONS_EXHAUSTED}
    assert any("from wherever" in each for each in caught.value.__notes__)
    with pytest.warns(UserWarning, match=r"fitted and was not evaluated: all 2 evaluations"):
        model.fit(permit, rounds=1)
    more = replace(model, evaluations=9)
    study = permit.amend(model=more, reason="one more fit")
    study.vote(*consortium.board[:2]).accept(*consortium.hospitals)
    newer = study.permit()
    assert newer.evaluations_left(more) == 6, "the refused one counts here"
    more.fit(newer, rounds=1)
    assert more.performance_.evaluations_left == 5


def test_a_fit_where_hospitals_count_more_than_ran_from_here_ends_with_a_warning(consortium: Consortium) -> None:
    model = replace(SMALL, evaluations=1)
    permit = permit_for(consortium, model, rounds=4)
    model.fit(permit, rounds=1)
    consortium.evaluated.clear()
    (consortium.home.path / "documents" / f"permit-{permit.id}-evaluations.json").unlink()
    with pytest.warns(UserWarning, match=r"was not evaluated: Round 4 .*\n.*EVALUATIONS_EXHAUSTED"):
        model.fit(permit, rounds=1)
    with pytest.raises(AttributeError, match="EVALUATIONS_EXHAUSTED"):
        model.performance_  # noqa: B018
    assert permit.record.rounds_opened == 4


def test_a_count_of_evaluations_that_cannot_be_read_says_so(consortium: Consortium) -> None:
    permit = permit_for(consortium, SMALL, rounds=2)
    path = consortium.home.path / "documents" / f"permit-{permit.id}-evaluations.json"
    for wrong in ("{", '["1"]', "3"):
        path.write_text(wrong)
        with pytest.raises(HomeError, match="remove it"):
            permit.evaluations_left(SMALL)
    path.unlink()
    assert permit.evaluations_left(SMALL) == 3
    assert permit.evaluations_left(SMALL.with_noise(epsilon=20, rounds=3)) is None


def test_an_evaluation_is_not_lost_for_a_count_that_cannot_be_kept(consortium: Consortium) -> None:
    permit = permit_for(consortium, SMALL, rounds=2)
    SMALL.fit(permit, rounds=1)
    permit = permit_for(consortium, SMALL, rounds=2)
    path = consortium.home.path / "documents" / f"permit-{permit.id}-evaluations.json"
    path.write_text("{")
    with pytest.warns(UserWarning, match="hospitals count it"):
        performance = permit.evaluate(SMALL, check=False)
    assert permit.record.rounds_opened == 1 and performance.table is not None
    assert "AUC" in repr(performance) and path.read_text() == "{", "what is there is nobody's to overwrite"
    path.unlink()
    assert permit.evaluations_left(SMALL) == 2, "this object knows"


@pytest.mark.parametrize("wrong", [0, 1.5, True, "2"])
def test_a_number_of_evaluations_is_a_whole_number(wrong: Any) -> None:
    with pytest.raises(LabError, match="whole number"):
        LogisticRegression(("age",), OUTCOME, holdout=0.5, evaluations=wrong)
