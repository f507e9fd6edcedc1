"""A Cox model under a permit from its fit to its release: evaluated, described, checked, recorded. eGFR is the time."""

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from belmont.federated.bounded.record import RoundRecord, open_round
from belmont.federated.errors import RoundRefused
from belmont.federated.hashes import model_hash
from belmont.lab import Consortium
from belmont.lab.errors import LabError, NotYet, OutputRefused
from belmont.lab.models import CoxRegression
from belmont.lab.models.concordance import concordance_index
from belmont.lab.permit import Permit
from belmont.lab.release_rule import ReleaseRule
from belmont.lab.verify_round_command import verify
from belmont.registry.reasons import Reason

CUTS = (60.0, 80.0, 100.0)
OUTCOME = "antihypertensive"
COX = CoxRegression(
    ("age", "systolic", "sex=male"),
    OUTCOME,
    duration="egfr",
    holdout=0.5,
    evaluation_cuts=CUTS,
    groups=("sex", "age:60"),
    report_hospitals=True,
    evaluations=2,
    release=ReleaseRule(max_parameters=100, max_membership_advantage=0.5, min_rows=100, min_hospitals=3),
)


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Of hospitals that know everybody's sex: one who is in neither part, kept apart, has the smaller part left out."""
    home = tmp_path_factory.mktemp("survival") / "consortium"
    with Consortium.local(hospitals=3, patients=2_400, seed=14, home=home) as made:
        assert all(table.decode()["sex"].notna().all() for table in made.yardstick.tables)
        yield made


def permit_for(consortium: Consortium, model: Any, rounds: int = 12) -> Permit:
    study = consortium.propose("Who is sooner", model=model, rounds=rounds, min_cohort=10)
    study.vote(*consortium.board[:2])
    return study.accept(*consortium.hospitals).permit()


@pytest.fixture(scope="module")
def model(consortium: Consortium) -> CoxRegression:
    return replace(COX).fit(permit_for(consortium, COX))


def test_a_fit_ends_with_an_evaluation_that_the_rows_agree_with(model: CoxRegression, consortium: Consortium) -> None:
    """The rows of all, since nobody here knows who was kept apart."""
    performance = model.performance_
    assert performance.n == len(model.result_.rounds) + 1 and performance.model_hash == model_hash(model.arrays_)
    table = performance.table
    slots = ["held out", "sex=female", "sex=male", "age <60", "age >=60", "trained on"]
    assert list(table.index) == slots
    assert 1_000 < table.loc["held out", "patients"] < 1_250 and performance.cuts == CUTS
    rows = pd.concat([each.decode() for each in consortium.yardstick.tables]).dropna(subset=["egfr", OUTCOME])
    assert len(rows) == table.loc[["held out", "trained on"], "patients"].sum()
    span = np.searchsorted(CUTS, rows["egfr"].to_numpy(float))
    event = (rows[OUTCOME].to_numpy(float) == 1) & (span < len(CUTS))
    truth = concordance_index(np.where(event, span, span - 0.5), model.predict(rows), event.astype(float))
    mean = (table.loc["held out", "concordance"] + table.loc["trained on", "concordance"]) / 2
    assert mean == pytest.approx(truth, abs=0.01)
    surely = performance.slot_of_survival("held out").concordance_interval(level=0.999)
    assert surely.low < truth < surely.high
    survival = performance.over_time()["survival"].to_numpy()
    assert survival[-1] == table.loc["held out", "survival"] and (np.diff(survival) < 0).all()
    assert "concordance 0.7" in repr(performance) and "evaluations left" in performance._repr_html_()


def test_subgroups_hospitals_and_pictures_follow_from_the_sums(model: CoxRegression, consortium: Consortium) -> None:
    performance = model.performance_
    fairness = performance.fairness()
    patients = performance.table["patients"]
    halves = {"sex": {"sex=male", "sex=female"}, "age": {"age <60", "age >=60"}}
    assert list(fairness.index.get_level_values(0)) == list(halves)
    for (group, part), against in fairness["against"].items():
        assert {part, against} == halves[group] and patients[against] >= patients[part]
    for measure in ("concordance", "auc", "survival"):
        assert (fairness[f"{measure} low"] < fairness[measure]).all()
        assert (fairness[measure] < fairness[f"{measure} high"]).all()
    hospitals = performance.hospitals
    assert list(hospitals.index) == [consortium.dataset_names[each] for each in model.permit_.record.covered]
    assert hospitals["patients"].mod(10).eq(0).all() and hospitals["concordance"].between(0.65, 0.85).all()
    assert (hospitals["concordance low"] < hospitals["concordance"]).all()
    groups = performance.risk_groups()
    last = groups.xs(CUTS[-1], level="time")["survival"]
    assert list(last.index) == ["lowest scores", "middle scores", "highest scores"] and (np.diff(last) < 0).all()
    over_time = performance.over_time(("held out", "trained on"))
    assert (over_time["auc at least"] < over_time["auc"]).all() and over_time["coarse"].dtype == bool
    for picture in (
        performance.plot_survival_groups(),
        performance.plot_auc_over_time(("held out", "age <60")),
        performance.plot_hospitals(),
    ):
        assert "<svg" in picture.svg()


def test_what_needs_a_risk_says_what_there_is_instead(model: CoxRegression) -> None:
    performance = model.performance_
    for ask in (lambda: performance.at(0.2), performance.plot_roc, performance.plot_calibration):
        with pytest.raises(LabError, match="who has the event sooner, and no risk"):
            ask()
    with pytest.raises(LabError, match="without a threshold"):
        performance.fairness(0.2)
    with pytest.raises(LabError, match="no slot 'everybody'"):
        performance.plot_survival_groups("everybody")


def test_anybody_computes_the_same_and_reads_what_the_rule_finds_from_the_rounds_record(
    model: CoxRegression, consortium: Consortium, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = RoundRecord.from_bytes(model.performance_.record.to_bytes())
    arrays, _ = record.secure.decode(open_round(record, consortium.registry).total)
    assert (arrays["counts"] == model.performance_.result.updates[0].arrays["counts"]).all()
    path = tmp_path / "record.json"
    path.write_bytes(record.to_bytes())
    members = consortium.registry.addresses["Members"]
    assert verify(Namespace(record=path, url=consortium.url, members=members, json=True)) == 0
    said = json.loads(capsys.readouterr().out)
    found = model.performance_.membership
    assert found is not None and f"at most {found.upper:.3f}" in said["remembers"]
    assert said["kind"] == "evaluation" and f"concordance {model.performance_.concordance}" in said["kept apart"]
    assert said["remembers"].endswith("the permit has at most 0.5: passed")


def test_a_model_that_passes_is_released_with_a_card_that_says_how_well_it_does(model: CoxRegression) -> None:
    check = model.output_check()
    assert check.passed, check.reasons
    card = model.card().to_dict()
    assert card["performance"][0]["concordance"] == pytest.approx(model.performance_.concordance.value)
    assert len(card["differences between subgroups"]) == 2 and len(card["hospitals"]) == 3
    assert {row["term"] for row in card["coefficients"]} == set(model.names[1:])
    record = model.permit_.release(model).record
    assert record.model_hash == model_hash(model.arrays_) and record.evaluated_round == model.performance_.n


def test_a_model_that_was_not_evaluated_or_sums_that_are_others_are_not_released(model: CoxRegression) -> None:
    moved = replace(model)
    moved.__dict__.update({name: each for name, each in model.__dict__.items() if name.endswith("_")})
    moved.arrays_ = model.arrays_ | {"coefficients": model.arrays_["coefficients"] + 1e-9}
    with pytest.raises(OutputRefused, match="of another model"):
        model.permit_.release(moved)
    update = model.performance_.result.updates[0]
    better = replace(update, arrays=update.arrays | {"counts": update.arrays["counts"] * 2})
    moved.arrays_, moved.performance_ = model.arrays_, object.__new__(type(model.performance_))
    forged = replace(model.performance_.result, updates=(better,))
    moved.performance_.__dict__.update(model.performance_.__dict__, result=forged)
    assert any("computed again" in reason for reason in moved.output_check().reasons)


def test_evaluations_are_counted_and_one_more_is_refused(model: CoxRegression, consortium: Consortium) -> None:
    permit = model.permit_
    again = replace(model)
    again.adopt(model.arrays_, (), model.references_)
    assert model.performance_.evaluations_left == 1 == permit.evaluations_left(model)
    assert permit.evaluate(again).evaluations_left == 0
    opened = permit.record.rounds_opened
    with pytest.raises(NotYet, match=r"all 2 evaluations.*nothing was used"):
        permit.evaluate(again)
    assert permit.record.rounds_opened == opened
    with pytest.raises(RoundRefused) as caught:
        permit.evaluate(again, check=False)
    assert set(caught.value.reasons) == {Reason.EVALUATIONS_EXHAUSTED}


def test_a_common_baseline_is_evaluated_at_its_own_cut_points_and_a_bound_holds_for_the_counts(
    consortium: Consortium,
) -> None:
    common = CoxRegression(
        ("age",), OUTCOME, duration="egfr", holdout=0.5, baseline="common", cuts=(80, 100), largest=1e6
    )
    assert common.config["evaluation-cuts"] == "80,100"
    with pytest.raises(LabError, match="some of the common baseline's cuts"):
        replace(common, evaluation_cuts=(81, 100))
    with pytest.warns(ConvergenceWarning, match="still move"):  # sums with a bound have few fraction bits
        performance = common.fit(permit_for(consortium, common, rounds=6)).performance_
    assert performance.cuts == (80.0, 100.0) and performance.record.bounds is not None
    assert performance.concordance.low > 0.6
    with pytest.raises(NotYet, match="report_hospitals"):
        performance.hospitals  # noqa: B018
    with pytest.raises(NotYet, match="no two subgroups"):
        performance.fairness()


def test_parts_that_are_all_too_small_say_so(consortium: Consortium) -> None:
    rare = CoxRegression(("age",), "cvd_event", duration="egfr", holdout=0.02, evaluation_cuts=(80,))
    permit = permit_for(consortium, rare, rounds=4)
    permit.train(1, model=rare)
    rare.arrays_ = permit.last_training.rounds[-1].model  # type: ignore[union-attr]
    with pytest.raises(NotYet, match="too small"):
        permit.evaluate(rare, check=False)


def test_a_fit_to_rows_here_leaves_those_kept_apart_out_as_the_hospitals_do(consortium: Consortium) -> None:
    rows = consortium.yardstick.fresh_table.decode().dropna(subset=["egfr"]).head(4_000)
    everybody = CoxRegression(("age",), OUTCOME, duration="egfr").fit(rows)
    others = CoxRegression(("age",), OUTCOME, duration="egfr", holdout=0.25, evaluation_cuts=CUTS).fit(rows)
    assert everybody.n_rows_ == 4_000 and 2_850 < others.n_rows_ < 3_150
    assert abs(everybody.coef_[0] - others.coef_[0]) < 0.1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"evaluation_cuts": ()}, "give evaluation_cuts"),
        ({"holdout": 0.0}, "give a holdout"),
        ({"evaluation_cuts": (180, 90)}, "ascending times above 0"),
        ({"evaluation_cuts": "90,180"}, "are numbers"),
        ({"secure": False}, "only as secure sums"),
    ],
)
def test_what_cannot_be_evaluated_is_said_when_the_model_is_made(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError, match=message):
        replace(COX, groups=(), report_hospitals=False, evaluations=None, **changed)
