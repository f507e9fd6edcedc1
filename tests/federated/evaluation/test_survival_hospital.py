"""What a hospital adds to an evaluation of survival: classes with enough patients, and nothing else."""

import numpy as np
import pytest

from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.errors import EncodingRefused, FederatedError
from belmont.federated.evaluation.layout import evaluation_config, evaluation_cuts_of, evaluation_sum
from belmont.federated.evaluation.results import Results
from belmont.federated.evaluation.survival import SurvivalSums
from belmont.federated.evaluation.times import in_classes
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.combine import Update
from belmont.federated.secagg.settings import SECURE_EVALUATION_KEY, SECURE_SUM_KEY
from belmont.registry.types import MicroRho

from .conftest import study as risk_study
from .survival_study import CUTS, MODEL, evaluated, hospital, rehearsed, study, table_of


def test_held_out_and_trained_on_are_everybody_once_and_give_the_rows_survival() -> None:
    tables = [hospital(400, seed) for seed in range(3)]
    counts = evaluated(tables, study())["counts"]
    assert counts[:2, :, 0].sum() == 1_200 and 500 < counts[0, :, 0].sum() < 700
    time, event = (np.concatenate([table.values(name) for table in tables]) for name in ("days", "event"))
    assert counts[:2, :, -1].sum() == (time > CUTS[-1]).sum()
    assert counts[:2, :, -2].sum() == (event[time <= CUTS[-1]] == 1).sum()


def test_without_a_smallest_cell_counts_are_those_of_the_scores_rows_have() -> None:
    table = hospital(500, 1)
    counts = evaluated([table], study(holdout=1 - 1e-9), smallest_cell=1)["counts"][0]
    score = 0.8 * (table.values("age") - 60) / 10 + 0.5 * table.values("sex")
    order = np.argsort(score)
    found = np.cumsum(counts[:, -2])
    had = (table.values("event") == 1) & (table.values("days") <= CUTS[-1])
    assert found[-1] == had.sum()
    assert abs(found[24] - had[order][score[order] < 0].sum()) < 1, "bin 25 begins at a log hazard ratio of 0"


def test_every_count_and_every_difference_of_sets_is_nobody_or_the_smallest_cell() -> None:
    for seed in range(6):
        counts = evaluated([hospital(300, seed, rate=0.15)], study(groups=("sex", "age:50,65")))["counts"]
        assert counts[0].sum() > 0
        classes = in_classes(counts.sum(axis=1))
        for found in (counts, classes):
            assert not ((found != 0) & (found < 8)).any()
    exact = [evaluated([hospital(300, seed, rate=0.15)], study(), smallest_cell=1)["counts"] for seed in range(6)]
    for found in (exact[0], np.array([in_classes(each.sum(axis=1)) for each in exact])):
        assert ((found > 0) & (found < 8)).any(), "without the rule there are such counts, and such classes"


def test_parts_of_a_group_are_everybody_where_all_are_shown() -> None:
    several = 0
    for seed in range(8):
        counts = evaluated([hospital(400, seed)], study(groups=("sex",)))["counts"]
        shown = counts[2:][counts[2:, :, 0].sum(axis=1) > 0]
        if len(shown) == 2:
            several += 1
            everybody, parts = counts[0].sum(axis=0), shown.sum(axis=(0, 1))
            assert (everybody[[0, -2]] == parts[[0, -2]]).all(), "patients, and events by the last cut point"
    assert several >= 6


def test_a_hospital_with_too_few_patients_or_events_adds_zeros() -> None:
    large = [hospital(400, seed) for seed in range(2)]
    days = np.linspace(10, 700, 200)
    nobody = table_of(np.linspace(40, 80, 200), np.ones(200), days, np.zeros(200))
    few = table_of(np.linspace(40, 80, 200), np.ones(200), days, np.arange(200) < 7)
    late = table_of(np.linspace(40, 80, 200), np.ones(200), days + 400, np.ones(200))
    for small in (hospital(24), nobody, few, late):
        assert evaluated([*large, small], study(), min_cohort=25)["counts"][:, :, 0].sum() == 800
    with pytest.raises(EncodingRefused, match="no rows"):
        evaluated([nobody], study())


def test_who_has_no_time_is_counted_nowhere_and_a_time_below_zero_stops_the_round() -> None:
    base = hospital(400, 2)
    age, sex, days, event = (base.values(name).copy() for name in ("age", "sex", "days", "event"))
    days[:50] = np.nan
    counts = evaluated([table_of(age, sex + 1, days, event)], study(groups=("sex",)))["counts"]
    assert counts[:2, :, 0].sum() == 350
    days[60] = -1.0
    with pytest.raises(FederatedError, match="negative"):
        evaluated([table_of(age, sex + 1, days, event)], study())


def test_each_hospital_writes_its_own_results_at_its_own_place() -> None:
    found = evaluated([hospital(600, 0), hospital(40, 1), hospital(800, 2)], study(report=True), min_cohort=50)
    table = found["hospitals"]
    assert table[0, 0] == 1 and (table[1] == 0).all() and table[2, 0] == 1 and (table[3:] == 0).all()
    for row in table[[0, 2]]:
        assert row[1] % 10 == 0 and 0.6 < row[2] < 0.9 and 0 < row[3] < 0.1 and 0.6 < row[4] < 0.9
        assert 0 < row[5] < 0.1 and 0.4 < row[6] < 0.8 and np.allclose(row[2:], np.round(row[2:], 3), atol=1e-8)


def test_results_name_the_slots_and_leave_empty_parts_out() -> None:
    config = study(groups=("sex", "age:60,118"))
    arrays = evaluated([hospital(600, seed) for seed in range(3)], config)
    found = Results.of(config, [Update(arrays, {})], 3, {"sex": ("female", "male"), "age": ()})
    assert found.is_survival and not found.is_risk and found.headline.startswith("concordance 0.")
    assert found.groups == {"sex": ("sex=female", "sex=male"), "age": ("age <60", "age 60 to <118")}
    assert isinstance(found.slots["held out"], SurvivalSums) and found.patients == arrays["counts"][0, :, 0].sum()
    assert found.membership() is not None and found.survivals["held out"].grouped


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:overflow")
@pytest.mark.parametrize("coefficients", [(np.inf, -np.inf), (1e308, 1e308)])
def test_predictions_that_are_no_numbers_do_not_stop_the_round_which_would_tell_of_a_patient(
    coefficients: tuple[float, float],
) -> None:
    counts = evaluated([hospital(400)], study(), model={"coefficients": np.array(coefficients)})["counts"]
    assert counts[:2, :, 0].sum() == 400


def test_evaluation_cuts_beside_those_of_training_are_refused_since_the_difference_is_who_left_between() -> None:
    common = study() | {"cuts": "90.0,180.0,360.0,700.0"}
    assert evaluation_cuts_of(common) == CUTS
    for trained in ("91.0,180.0,360.0", "90.0,180.0", "forged"):
        with pytest.raises(FederatedError, match="some of the cut points of training"):
            evaluation_cuts_of(study() | {"cuts": trained})


@pytest.mark.parametrize(
    "cuts", ["", "90,x", "90;180", "0,90", "180,90", "90,90", "inf", ",".join(map(str, range(1, 15))), 90.0, None]
)
def test_cut_points_that_cannot_be_read_are_refused(cuts: object) -> None:
    config = study() | {"evaluation-cuts": cuts}
    if cuts is None:
        del config["evaluation-cuts"]
    with pytest.raises(FederatedError, match="ascending times above 0"):
        evaluation_cuts_of(config)
    with pytest.raises(FederatedError, match="ascending times above 0"):
        rehearsed([hospital(100)], config)


def test_cut_points_are_written_as_they_were_given_and_belong_to_survival_alone() -> None:
    config = evaluation_config("survival", 0.25, cuts=(90, 180.5, 1e6))
    assert config["evaluation-cuts"] == "90,180.5,1000000" and evaluation_cuts_of(config) == (90.0, 180.5, 1e6)
    assert dict(evaluation_sum(study(groups=("sex",))).arrays) == {"counts": (8, 50, 7)}
    for wrong in ({"evaluates": "risk", "holdout": 0.25}, {"evaluates": "value", "holdout": 0.25}):
        with pytest.raises(FederatedError, match="of no other"):
            evaluation_config(str(wrong["evaluates"]), 0.25, cuts=(90,))
    with pytest.raises(FederatedError, match="give a holdout"):
        evaluation_config("survival", 0.0, cuts=(90,))
    with pytest.raises(FederatedError, match="ascending"):
        evaluation_config("survival", 0.25)


def test_counts_by_time_leave_only_as_secure_sums() -> None:
    config = {name: value for name, value in study().items() if name not in (SECURE_SUM_KEY, SECURE_EVALUATION_KEY)}
    with pytest.raises(FederatedError, match="only as a secure sum"):
        evaluation_sum(config)
    with pytest.raises(FederatedError, match="only as a secure sum"):
        evaluated([hospital(300)], config)


def test_with_noise_survival_has_no_form() -> None:
    noise = PrivacySettings(Clipping.EXAMPLE, 2.0, 20, MicroRho(90_000_000), 3)
    with pytest.raises(FederatedError, match="survival has no such form"):
        evaluation_sum(study() | noise.as_config())


def test_a_model_of_risks_does_not_answer_as_one_of_survival_nor_the_other_way() -> None:
    config = study() | {"family": "binomial"}
    with pytest.raises(FederatedError, match="by evaluated_survival"):
        evaluated([hospital(300)], config, bundle=shipped_bundle("glm"), model={"coefficients": np.zeros(3)})
    risks = risk_study() | {"duration": "days"}
    with pytest.raises(FederatedError, match="not evaluated as models of survival"):
        evaluated([hospital(300)], risks, model=MODEL)


def test_groups_within_sets_move_concordance_and_auc_by_less_than_half_their_standard_error() -> None:
    """Groups within each class would move them by more (docs/adr/0080)."""
    off = []
    for seed in range(5):
        tables, config = [hospital(300, 3 * seed + k) for k in range(3)], study(holdout=1 - 1e-9)
        ours, exact = (
            SurvivalSums(evaluated(tables, config, smallest_cell=cell)["counts"][0], CUTS, grouped=cell > 1)
            for cell in (8, 1)
        )
        off.append([ours.concordance() - exact.concordance(), ours.auc(2) - exact.auc(2)])
        assert ours.concordance_error() >= exact.concordance_error() * 0.9 > 0.01
    assert np.abs(np.mean(off, axis=0)).max() < 0.01 and np.abs(off).max() < 0.02
