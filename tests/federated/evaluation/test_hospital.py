"""What a hospital adds to an evaluation: parts that are large enough, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.errors import EncodingRefused, FederatedError
from belmont.federated.evaluation.hospital import _shown
from belmont.federated.evaluation.layout import edges, refuse_other_rows

from .conftest import MODEL, Evaluate, hospital, study, table_of


def test_held_out_and_trained_on_are_everybody_once(evaluate: Evaluate) -> None:
    tables = [hospital(300, seed) for seed in range(3)]
    counts = evaluate(tables, study())["counts"]
    assert counts[0].sum() + counts[1].sum() == 900
    assert 350 < counts[0].sum() < 550
    assert counts[:2].sum(axis=(0, 1))[1] == sum(table.values("event").sum() for table in tables)


def test_every_cell_of_a_hospital_is_empty_or_rests_on_the_smallest_cell(evaluate: Evaluate) -> None:
    for seed in range(5):
        counts = evaluate([hospital(240, seed)], study(groups=("sex", "age:50,65")))["counts"]
        assert counts[0].sum() > 0
        assert not ((counts > 0) & (counts < 8)).any()
    exact = evaluate([hospital(240)], study(), smallest_cell=1)["counts"]
    assert ((exact > 0) & (exact < 8)).any(), "without the rule there are such cells"


def test_a_hospital_with_too_few_patients_or_too_few_cases_adds_zeros(evaluate: Evaluate) -> None:
    large = [hospital(400, seed) for seed in range(2)]
    healthy = table_of(np.linspace(40, 80, 200), np.ones(200), np.zeros(200))
    few = table_of(np.linspace(40, 80, 200), np.ones(200), np.arange(200) < 7)
    for small in (hospital(24), healthy, few):
        counts = evaluate([*large, small], study(), min_cohort=25)["counts"]
        assert counts.sum() == 800, "those of the two large ones"


def test_where_every_hospital_is_too_small_the_total_is_refused(evaluate: Evaluate) -> None:
    with pytest.raises(EncodingRefused, match=r"no rows: no hospital had enough patients.* keeps more apart"):
        evaluate([hospital(24)], study(), min_cohort=25)


def test_a_small_part_of_a_group_takes_the_next_smallest_with_it(evaluate: Evaluate) -> None:
    rows = 600
    age = np.concatenate([np.full(300, 30.0), np.full(288, 50.0), np.full(12, 90.0)])
    event = np.tile([0.0, 1.0], rows // 2)
    counts = evaluate([table_of(age, np.ones(rows), event)], study(groups=("age:40,70",)))["counts"]
    young, middle, old = counts[2:].sum(axis=(1, 2))
    assert old == 0, "about six patients, three of either outcome"
    assert sorted([young > 0, middle > 0]) == [False, True], "or the sum less both would be those six"


def test_who_lacks_a_value_of_a_group_is_not_found_by_subtraction(evaluate: Evaluate) -> None:
    rows = 400
    sex = np.where(np.arange(rows) < 6, 0, 1 + np.arange(rows) % 2)
    event = np.arange(rows) // 2 % 2
    counts = evaluate([table_of(np.full(rows, 60.0), sex, event)], study(groups=("sex",)))["counts"]
    left = counts[0].sum() - counts[2:].sum()
    assert left == 0 or left >= 8


def test_group_counts_are_those_of_the_rows_kept_apart(evaluate: Evaluate) -> None:
    counts = evaluate([hospital(500, 1)], study(groups=("sex", "age:60")), smallest_cell=1)["counts"]
    assert counts[2].sum() + counts[3].sum() == counts[0].sum()
    assert (counts[4:6].sum(axis=0) == 0).all(), "a category of two levels fills two slots"
    by_age = counts[8:10]
    assert (by_age.sum(axis=0) == counts[0]).all()


def test_each_hospital_writes_its_own_results_at_its_own_place(evaluate: Evaluate) -> None:
    found = evaluate([hospital(400, 0), hospital(40, 1), hospital(600, 2)], study(report=True), min_cohort=50)
    table = found["hospitals"]
    assert table[0, 0] == 1 and (table[1] == 0).all() and table[2, 0] == 1 and (table[3:] == 0).all()
    assert table[0, 1] % 10 == 0 and abs(table[0, 1] - 200) < 50
    for row in table[[0, 2]]:
        assert 0.5 < row[2] < 0.9 and 0 < row[3] < 0.1 and np.allclose(row[2:], np.round(row[2:], 3), atol=1e-8)


def test_a_result_in_another_hospitals_row_is_refused_by_the_node() -> None:
    config = study(report=True)
    table = np.zeros((16, 7))
    table[2, 1] = 1.0
    refuse_other_rows(config, {"hospitals": table}, 2)
    for position in (1, 16):
        with pytest.raises(FederatedError, match="another hospital"):
            refuse_other_rows(config, {"hospitals": table}, position)
    with pytest.raises(FederatedError, match="another form"):
        refuse_other_rows(config, {"hospitals": table[:3]}, 2)
    with pytest.raises(FederatedError, match="without"):
        refuse_other_rows(config, {}, 2)
    refuse_other_rows(study(), {}, 2)


def test_values_are_summed_as_moments_of_groups(evaluate: Evaluate) -> None:
    model = {"coefficients": np.array([60.0, 9.0, 0.0])}
    config = study("value")
    found = evaluate([hospital(400)], config, model)["moments"]
    exact = evaluate([hospital(400)], config, model, smallest_cell=1)["moments"]
    assert found[:2, 0].sum() == exact[:2, 0].sum() == 400
    assert found[0, 0] > 100


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:overflow")
def test_predictions_that_are_no_numbers_do_not_stop_the_round_which_would_tell_of_a_patient(
    evaluate: Evaluate,
) -> None:
    """Of coefficients that overflow for one patient alone the failure would say that the patient is there."""
    counts = evaluate([hospital(300)], study(), {"coefficients": np.array([np.inf, -np.inf, 0.0])})["counts"]
    assert counts[:2].sum() == 300 and (counts.sum(axis=(0, 2)) > 0).sum() <= 2
    table = table_of(np.append(np.linspace(50, 70, 299), 110.0), np.ones(300), np.arange(300) % 2)
    for numbers in (MODEL["coefficients"], np.array([0.0, 0.5e308, 0.0])):
        assert evaluate([table], study(), {"coefficients": numbers})["counts"][:2].sum() == 300


def test_few_patients_with_one_of_few_values_are_not_counted_by_sums_of_squares(evaluate: Evaluate) -> None:
    """Of a number that is 0, 1 or 2, three sums say how many have which."""
    rows = 400
    grade = np.where(np.arange(rows) < 6, 2.0, np.arange(rows) % 2)
    sex = np.where(np.arange(rows) < 200, 1, 2)
    columns = {"features": "sex=male", "outcome": "event"}
    table = table_of(np.full(rows, 60.0), sex, grade)
    model = {"coefficients": np.array([1.0, 0.0])}
    config = study("value", groups=("sex",), holdout=1 - 1e-9) | columns
    found = evaluate([table, table_of(np.full(rows, 60.0), sex, np.arange(rows) % 2)], config, model)["moments"]
    assert found[0, 0] == 400, "of the hospital where six have a 2 nobody is counted"
    many = evaluate([table_of(np.full(rows, 60.0), sex, np.arange(rows) % 3)], config, model)["moments"]
    assert many[:, 0].tolist()[:4] == [400, 0, 200, 200]


def test_of_a_part_with_few_patients_of_one_value_nothing_is_shown(evaluate: Evaluate) -> None:
    rows = 400
    sex = np.where(np.arange(rows) < 200, 1, 2)
    grade = np.where((np.arange(rows) < 3) | (np.arange(rows) > 380), 2.0, np.arange(rows) % 2)
    table = table_of(np.full(rows, 60.0), sex, grade)
    config = study("value", groups=("sex",), holdout=1 - 1e-9) | {"features": "sex=male", "outcome": "event"}
    found = evaluate([table], config, {"coefficients": np.array([1.0, 0.0])})["moments"]
    assert found[0, 0] == 400 and (found[2:] == 0).all(), "three women with a 2, so the men are not shown either"


def test_bins_are_fine_where_outcomes_are_rare_and_the_same_from_both_ends() -> None:
    ends = edges()
    assert ends[0] == 0 and ends[-1] == 1 and (np.diff(ends) > 0).all()
    assert ends[1] < 0.001 and np.diff(ends).max() < 0.016
    assert np.allclose(ends, 1 - ends[::-1])


@given(
    st.lists(st.tuples(st.integers(-1, 3), st.booleans()), max_size=150),
    st.integers(1, 12),
    st.integers(2, 8),
    st.booleans(),
)
def test_no_part_that_is_shown_and_nothing_that_is_left_over_is_small(
    rows: list[tuple[int, bool]], least: int, cell: int, is_risk: bool
) -> None:
    place = np.array([each[0] for each in rows], np.int64)
    outcome = np.array([each[1] for each in rows], np.int64)
    parts = [place == k for k in range(4)]
    shown = _shown(outcome, parts, least, cell, not is_risk)
    left = np.ones(len(rows), bool)
    for part, is_shown in zip(parts, shown, strict=True):
        if is_shown:
            left &= ~part
            cases = outcome[part].sum()
            assert part.sum() >= max(least, cell)
            assert cell <= cases <= part.sum() - cell or (not is_risk and cases in (0, part.sum()))
    for count in (outcome[left].sum(), (1 - outcome[left]).sum()):
        assert count == 0 or count >= cell or not any(shown)
