"""KaplanMeier in a notebook: lifelines' curves, medians and tests, with noise and without."""

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.datasets import load_gbsg2
from lifelines.statistics import logrank_test
from sklearn.base import clone

from belmont.federated.errors import FederatedError
from belmont.lab.errors import LabError
from belmont.lab.models import KaplanMeier
from belmont.lab.models.references import References

BY = ("horTh=no", "horTh=yes")


@pytest.fixture(scope="module")
def frame():
    return load_gbsg2()


@pytest.fixture(scope="module")
def fitted(frame):
    return KaplanMeier(outcome="cens", duration="time", by=BY).fit(frame)


def of(frame, group):
    return frame[frame["horTh"] == group.partition("=")[2]]


def test_curves_and_medians_are_lifelines(fitted, frame):
    for name in BY:
        rows = of(frame, name)
        peer = KaplanMeierFitter().fit(rows["time"], rows["cens"])
        ours = fitted.survival_.loc[name]
        inside = ours.index <= rows["time"].max()
        theirs = peer.survival_function_at_times(ours.index[inside])
        assert np.abs(ours["survival"][inside].to_numpy() - theirs.to_numpy()).max() < 1e-12
        assert fitted.median_.loc[name, "median"] == peer.median_survival_time_
    asked = fitted.survival_at([0.0, 365.0, 99_999.0])
    assert asked.columns.tolist() == list(BY) and (asked.loc[0.0] == 1.0).all() and asked.loc[99_999.0].isna().all()


def test_the_log_rank_test_is_lifelines(fitted, frame):
    a, b = (of(frame, name) for name in BY)
    peer = logrank_test(a["time"], b["time"], a["cens"], b["cens"])
    assert fitted.logrank_.statistic == pytest.approx(peer.test_statistic)
    assert fitted.logrank_.p == pytest.approx(peer.p_value)


def test_tables_of_several_hospitals_give_the_pooled_curves(fitted, frame):
    references = References.of_frame(frame)
    tables = [references.table(frame[np.arange(len(frame)) % 4 == k]) for k in range(4)]
    model = KaplanMeier(outcome="cens", duration="time", by=BY, cuts=fitted.grid).fit(tables)
    assert np.array_equal(model.arrays_["leaving"], fitted.arrays_["leaving"])
    assert model.hospitals_ == 4


def test_the_curve_of_everybody_needs_no_groups(frame):
    model = KaplanMeier(outcome="cens", duration="time").fit(frame)
    peer = KaplanMeierFitter().fit(frame["time"], frame["cens"])
    assert list(model.curves_) == ["all"]
    assert model.median_.loc["all", "median"] == peer.median_survival_time_
    with pytest.raises(FederatedError, match="at least two groups"):
        _ = model.logrank_


def test_coarse_cells_give_a_curve_at_the_cut_points(frame):
    cuts = (365, 730, 1095, 1460)
    model = KaplanMeier(outcome="cens", duration="time", cuts=cuts, small_cells="merge").fit(frame)
    peer = KaplanMeierFitter().fit(frame["time"], frame["cens"])
    exact = peer.survival_function_at_times(cuts).to_numpy()
    assert np.abs(model.survival_["survival"].to_numpy() - exact).max() < 0.05
    assert model.survival_at([100.0]).iloc[0, 0] == 1.0


def test_with_noise_curves_stay_curves_and_come_near(frame):
    many = pd.concat([frame] * 20, ignore_index=True)
    references = References.of_frame(many)
    tables = [references.table(many[np.arange(len(many)) % 4 == k]) for k in range(4)]
    cuts = tuple(range(200, 2601, 200))
    plain = KaplanMeier(outcome="cens", duration="time", cuts=cuts, by=BY)
    exact = plain.fit(tables).survival_["survival"]
    noisy = clone(plain).with_noise(epsilon=2.0).fit(tables)
    assert noisy.private is not None and noisy.noise_variance > 0
    assert np.abs(noisy.survival_["survival"] - exact).max() < 0.1
    for _, each in noisy.survival_.groupby(level=0):
        assert (np.diff(each["survival"]) <= 1e-12).all()
    with pytest.raises(LabError, match="take the noise for a difference"):
        _ = noisy.logrank_


def test_the_noises_variance_is_what_the_counts_have(frame):
    references = References.of_frame(frame)
    tables = [references.table(frame[np.arange(len(frame)) % 3 == k]) for k in range(3)]
    model = KaplanMeier(outcome="cens", duration="time", cuts=tuple(range(10, 2001, 10)), by=BY)
    exact = model.fit(tables).arrays_["leaving"]
    noisy = model.with_noise(epsilon=5.0).fit(tables)
    seen = np.var(noisy.arrays_["leaving"] - exact)
    assert seen == pytest.approx(noisy.noise_variance, rel=0.25)  # 800 cells: five standard errors


def test_merging_small_cells_depends_on_other_rows_and_is_left_out_with_noise(frame):
    references = References.of_frame(frame)
    table = references.table(frame)
    model = KaplanMeier(outcome="cens", duration="time", cuts=(10.0, 1000.0), small_cells="merge")
    exact = model.fit([table], smallest_cell=8).arrays_["leaving"][0, 0]
    assert exact.sum() == 0
    noisy = model.with_noise(epsilon=1000.0).fit([table], smallest_cell=8).arrays_["leaving"][0, 0]
    few = (frame["time"] <= 10).sum()
    assert few > 0 and noisy.sum() == pytest.approx(few, abs=1.0)


def test_curves_are_drawn_with_who_is_at_risk(fitted):
    picture = fitted.plot()
    assert "Survival" in repr(picture) and picture.svg().startswith("<svg")
    texts = [text.get_text() for text in picture.figure.axes[1].texts]
    first = [str(int(each.at_risk[0])) for each in fitted.curves_.values()]
    assert set(first) <= set(texts)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"duration": ""}, "name the column of times"),
        ({"features": ("age",)}, "no features"),
        ({"by": "sex=male"}, "by is a list"),
        ({"secure": False}, "only as secure sums"),
        ({"holdout": 0.1}, "predict nothing that could be evaluated"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, why):
    with pytest.raises(LabError, match=why):
        KaplanMeier(**{"outcome": "cens", "duration": "time"} | options)


def test_a_level_that_does_not_exist_is_an_error(frame):
    with pytest.raises(FederatedError, match="has no level 'maybe'"):
        KaplanMeier(outcome="cens", duration="time", by=("horTh=maybe",)).fit(frame)


def test_single_patients_are_not_predicted(fitted, frame):
    with pytest.raises(LabError, match="survival_at"):
        fitted.predict_values(frame)
