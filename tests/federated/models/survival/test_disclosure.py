"""What sums over times could show of one patient: each way works where single patients may be shown, and is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.errors import FederatedError
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.cox import CoxModel
from belmont.federated.models.kaplan_meier import CurveModel, count
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.node.survival import merged
from belmont.federated.secagg.settings import SECURE_SUM_KEY

SMALLEST = 8
CUTS = (1.0, 2.0, 3.0)
REFUSED = "fewer than the approved minimum"


def cohort(seed, rows=120):
    """Patients of one hospital: two measures, a rare trait, and times in three cells with many of each kind."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": random.normal(60, 10, rows).round(1), "bmi": random.normal(27, 4, rows).round(1)})
    frame["trait"] = (np.arange(rows) % 2).astype(float)
    frame["t"] = 1.0 + (np.arange(rows) // 2) % 3
    frame["e"] = (np.arange(rows) // 6 % 2).astype(float)
    return frame


@pytest.fixture
def hospitals():
    return [cohort(seed) for seed in range(3)]


@pytest.fixture
def asked(tools):
    """What the researcher gets from one round on these hospitals' sums, with a model of its own making."""

    def ask(hospitals, model, smallest, age=60, **changed):
        config = tools.config_of(model, model.sums(), model.columns, "e")
        tables = [tools.table_of(frame, {"age": (age, 10), "bmi": (27, 4)}) for frame in hospitals]
        got = []
        arrays = model.initial() | changed
        rehearsal = Rehearsal(
            shipped_bundle("cox"),
            config,
            arrays,
            lambda now, found: got.append(found[0]) or now,
            tables,
            smallest_cell=smallest,
        )
        rehearsal.round()
        return got[0].arrays

    return ask


def standardised(row):
    return np.array([(row["age"] - 60) / 10, (row["bmi"] - 27) / 4])


def test_cells_of_enough_patients_of_each_kind_are_answered(hospitals, asked):
    for features in (("age", "bmi"), ("age", "bmi", "trait")):
        for ties in ("efron", "breslow"):
            got = asked(hospitals, CoxModel(features, "t", ties, cuts=CUTS), SMALLEST)
            assert got["events"].sum() == 180
        asked(hospitals, CoxModel(features, "t"), SMALLEST)


def test_one_patient_alone_in_a_cell_is_read_from_its_sums(hospitals, asked):
    """Over all hospitals one patient has an event in the last cell: its sums are that patient's row."""
    victim = 5
    for k, frame in enumerate(hospitals):
        frame.loc[(frame["t"] == 3) & (frame["e"] == 1), "t"] = 2.0
        if k == 1:
            frame.loc[victim, ["t", "e"]] = 3.0, 1.0
    model = CoxModel(("age", "bmi"), "t", cuts=CUTS)
    got = asked(hospitals, model, 1)
    assert np.allclose(got["moments"][2, 1] / got["weights"][2, 1], standardised(hospitals[1].loc[victim]))
    with pytest.raises(FederatedError, match=f"table 2 of 3, 120 rows: {REFUSED}"):
        asked(hospitals, model, SMALLEST)


def test_the_only_patient_of_a_cell_with_a_trait_is_read_from_second_moments(hospitals, asked):
    """The researcher's own hazard picks one cell: the trait's row of its second moments is that patient's."""
    for frame in hospitals:
        frame.loc[frame["t"] == 3, "trait"] = 0.0
    victim = hospitals[0].index[(hospitals[0]["t"] == 3) & (hospitals[0]["e"] == 1)][0]
    hospitals[0].loc[victim, "trait"] = 1.0
    model = CoxModel(("age", "bmi", "trait"), "t", cuts=CUTS)
    chosen = np.zeros((2, 3))
    chosen[0, 2] = 1.0
    got = asked(hospitals, model, 1, hazard=chosen)
    assert np.allclose(got["spread"][2, :2], standardised(hospitals[0].loc[victim]))
    with pytest.raises(FederatedError, match=REFUSED):
        asked(hospitals, model, SMALLEST, hazard=chosen)


def test_the_only_patient_of_a_cell_with_a_trait_is_read_from_a_few_honest_rounds(hospitals, asked):
    """Without second moments: the trait's sum in a cell is that patient's weight, whose logarithm is linear in b."""
    for frame in hospitals:
        frame.loc[frame["t"] == 3, "trait"] = 0.0
    victim = hospitals[0].index[(hospitals[0]["t"] == 3) & (hospitals[0]["e"] == 1)][0]
    hospitals[0].loc[victim, "trait"] = 1.0
    model = CoxModel(("age", "bmi", "trait"), "t", cuts=CUTS)
    points = np.array([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0]])
    logs = [np.log(asked(hospitals, model, 1, coefficients=b)["moments"][2, 1, 2]) for b in points]
    assert np.allclose(np.linalg.solve(points[:, :2], logs), standardised(hospitals[0].loc[victim]), atol=1e-6)
    with pytest.raises(FederatedError, match=REFUSED):
        asked(hospitals, model, SMALLEST, coefficients=points[0])


def test_large_coefficients_make_a_cells_sums_one_patients_row(hospitals, asked):
    """Over all hospitals, where the dictionary's centre keeps the largest weight within what can be summed."""
    oldest = hospitals[1][(hospitals[1]["t"] == 1) & (hospitals[1]["e"] == 1)].iloc[0]
    hospitals[1].loc[oldest.name, "age"] = oldest["age"] = 104.0
    model, large = CoxModel(("age", "bmi"), "t", cuts=CUTS), {"coefficients": np.array([400.0, 0.0]), "age": 104.0}
    got = asked(hospitals, model, 1, **large)
    assert got["moments"][0, 1, 1] / got["weights"][0, 1] == pytest.approx(standardised(oldest)[1])
    with pytest.raises(FederatedError, match=REFUSED):
        asked(hospitals, model, SMALLEST, **large)


def test_the_only_patient_of_a_cell_with_a_rare_value_is_read_by_interpolation(asked):
    """A column of four values: a cell's sums are a polynomial in exp(b), the highest coefficient one patient's row."""
    hospitals = [cohort(seed, 360).assign(stage=np.arange(360.0) // 12 % 3) for seed in range(3)]
    there = hospitals[0][(hospitals[0]["t"] == 3) & (hospitals[0]["e"] == 1)]
    victim = there.index[0]
    model = CoxModel(("age", "bmi", "stage"), "t", cuts=CUTS)
    asked(hospitals, model, SMALLEST)
    hospitals[0].loc[victim, "stage"] = 3.0
    points = np.linspace(-0.6, 0.6, 4)
    sums = [asked(hospitals, model, 1, coefficients=np.array([0.0, 0.0, b]))["moments"][2, 1, :2] for b in points]
    by_value = np.linalg.solve(np.vander(np.exp(points), 4, increasing=True), np.array(sums))
    assert np.allclose(by_value[3], standardised(hospitals[0].loc[victim]), atol=1e-5)
    with pytest.raises(FederatedError, match=REFUSED):
        asked(hospitals, model, SMALLEST, coefficients=np.zeros(3))


def test_references_that_come_with_the_model_are_not_taken(hospitals, asked):
    """With another fill in the next round, the difference of two sums would be over those who lack the value alone."""
    hospitals[0].loc[3, "age"] = np.nan
    model = CoxModel(("age", "bmi"), "t")
    fills = [np.array([[fill, 60.0, 10.0], [27.0, 27.0, 4.0]]) for fill in (50.0, 70.0)]
    one, other = (asked(hospitals, model, SMALLEST, references=each)["information"] for each in fills)
    assert np.array_equal(one, other)


def test_large_coefficients_make_a_hospitals_gradient_two_patients_rows(hospitals, asked):
    """Of one hospital: the gradients for the oldest and for the youngest differ by so many times their difference."""
    frame = hospitals[0]
    oldest, youngest = frame["age"].idxmax(), frame["age"].idxmin()
    frame.loc[[oldest, youngest], ["age", "t"]] = [[120.0, 3.0], [0.0, 3.0]]
    model = CoxModel(("age", "bmi"), "t")
    up, down = (asked([frame], model, 1, coefficients=np.array([b, 0.0]))["gradient"] for b in (30.0, -30.0))
    difference = (up - down) / frame["e"].sum()
    assert np.allclose(difference, standardised(frame.loc[oldest]) - standardised(frame.loc[youngest]))
    for b in (30.0, -30.0):
        with pytest.raises(FederatedError, match=REFUSED):
            asked([frame], model, SMALLEST, coefficients=np.array([b, 0.0]))


def test_a_made_up_inverse_makes_firths_score_one_patients_row(hospitals, asked):
    """Two columns are alike but for one patient, who alone has a length under their difference."""
    frame = hospitals[0].assign(t=1.0, other=hospitals[0]["trait"])
    victim = frame.index[7]
    frame.loc[victim, "other"] = 1.0 - frame.loc[victim, "trait"]
    model = CoxModel(("age", "bmi", "trait", "other"), "t", "breslow", firth=True)
    direction = np.array([0.0, 0.0, 1.0, -1.0])
    score = asked([frame], model, 1, inverse=np.outer(direction, direction))["firth"]
    share = 1 / len(frame)
    read = score[:2] / (0.5 * frame["e"].sum() * share * (1 - 2 * share))
    mean = np.array([(frame["age"].mean() - 60) / 10, (frame["bmi"].mean() - 27) / 4])
    assert np.allclose(read + mean, standardised(frame.loc[victim]), atol=1e-6)
    with pytest.raises(FederatedError, match=REFUSED):
        asked([frame], model, SMALLEST, inverse=np.outer(direction, direction))
    true = np.linalg.inv(asked([frame], model, SMALLEST)["information"])
    assert np.isfinite(asked([frame], model, SMALLEST, inverse=true)["firth"]).all()


def test_sums_by_cell_leave_only_as_a_secure_sum(tools, hospitals):
    cox, curves = CoxModel(("age",), "t", cuts=CUTS), CurveModel("t", CUTS)
    tables = [tools.table_of(frame) for frame in hospitals]
    for name, model, combine in (("cox", cox, cox.combine()), ("kaplan_meier", curves, count)):
        config = tools.config_of(model, model.sums(), getattr(model, "columns", ()), "e")
        Rehearsal(shipped_bundle(name), config, model.initial(), combine, tables).round()
        del config[SECURE_SUM_KEY]
        with pytest.raises(FederatedError, match="leave a hospital only as a secure sum"):
            Rehearsal(shipped_bundle(name), config, model.initial(), combine, tables).round()


def few_events(hospitals):
    """Hospital 2 has three events in the second cell."""
    frame = hospitals[1]
    there = frame.index[(frame["t"] == 2) & (frame["e"] == 1)]
    frame.loc[there[3:], "t"] = 1.0
    return hospitals


def test_a_few_patients_of_a_cell_are_in_the_counts_and_refused(tools, hospitals):
    model = CurveModel("t", CUTS)
    tables = [tools.table_of(frame) for frame in few_events(hospitals)]
    assert tools.count_cells(tables[1:2], "e", model)[0, 1, 1] == 3
    with pytest.raises(FederatedError, match=f"table 2 of 3, 120 rows: {REFUSED}"):
        tools.count_cells(tables, "e", model, smallest_cell=SMALLEST)
    with pytest.raises(FederatedError, match=REFUSED):
        tools.fit_cox(tables, "e", CoxModel(("age",), "t", cuts=CUTS), smallest_cell=SMALLEST)


def test_coarser_cut_points_or_merging_at_the_hospital_are_answered(tools, hospitals):
    tables = [tools.table_of(frame) for frame in few_events(hospitals)]
    exact = tools.count_cells(tables[1:2], "e", CurveModel("t", CUTS))[0]
    coarse = tools.count_cells(tables[1:2], "e", CurveModel("t", (2.0, 3.0)), smallest_cell=SMALLEST)[0]
    assert coarse.tolist() == [exact[:2].sum(axis=0).tolist(), exact[2].tolist()]
    late = tools.count_cells(tables[1:2], "e", CurveModel("t", CUTS, small_cells="merge"), smallest_cell=SMALLEST)[0]
    assert late[:, 0].tolist() == exact[:, 0].tolist()
    assert late[:, 1].tolist() == [exact[0, 1], 0, 3 + exact[2, 1]]
    tools.count_cells(tables, "e", CurveModel("t", CUTS, small_cells="merge"), smallest_cell=SMALLEST)


def test_a_group_of_a_few_is_refused_also_where_cells_are_merged(tools, hospitals):
    frame = hospitals[0].assign(kind=np.where(np.arange(120) < 5, "rare", "usual"))
    tables = [tools.table_of(frame)]
    for small_cells in ("refuse", "merge"):
        model = CurveModel("t", CUTS, ("kind=rare", "kind=usual"), small_cells)
        with pytest.raises(FederatedError, match=REFUSED):
            tools.count_cells(tables, "e", model, smallest_cell=SMALLEST)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40), st.integers(1, 12))
def test_merged_cells_hold_nobody_or_enough_and_nobody_leaves_earlier(counts, smallest):
    counts = np.array(counts)
    ends = merged(counts, smallest)
    assert (ends >= np.arange(len(counts))).all() and (np.diff(ends) >= 0).all()
    moved = np.bincount(ends, weights=counts, minlength=len(counts))
    assert moved.sum() == counts.sum()
    if counts.sum() >= smallest:
        assert ((moved == 0) | (moved >= smallest)).all()
    for k in range(len(counts)):
        if counts[k] >= smallest and moved[:k].sum() == counts[:k].sum() and counts[k + 1 :].sum() == 0:
            assert ends[k] == k, "cells of enough patients stay as they are"


def test_only_an_approved_penalty_is_answered(tools, hospitals):
    """Firth's score is third moments, contracted with a matrix that the researcher chooses."""
    model = CoxModel(("age",), "t")
    config = tools.config_of(model, model.sums(), model.columns, "e")
    del config[SECURE_SUM_KEY]
    got = []
    tables = [tools.table_of(frame) for frame in hospitals]
    arrays = model.initial() | {"inverse": np.eye(1)}
    Rehearsal(shipped_bundle("cox"), config, arrays, lambda now, found: got.append(found[0]) or now, tables).round()
    assert set(got[0].arrays) == {"gradient", "information", "events"}
