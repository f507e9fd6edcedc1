"""Measures of survival from sums of sets by score, beside the same of every row: lifelines', and a reference here."""

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index

from belmont.federated.evaluation.comparison import differences_of_survival, membership_of_survival
from belmont.federated.evaluation.risks import RiskSums
from belmont.federated.evaluation.survival import SurvivalSums, shift_of

from .survival_study import CUTS, Patients

SEEDS = range(3)


def unos_auc(score: np.ndarray, time: np.ndarray, event: np.ndarray, at: float) -> float:
    """Uno's AUC at a time, patient by patient: cases weighted by one over the chance to be followed until then."""
    censored = KaplanMeierFitter().fit(time + 1, ~event).survival_function_["KM_estimate"]
    cases, controls = np.flatnonzero(event & (time <= at)), score[time > at]
    total = agreed = 0.0
    for each in cases:
        before = censored[censored.index < time[each] + 1].iloc[-1]
        agreed += ((score[each] > controls).mean() + 0.5 * (score[each] == controls).mean()) / before
        total += 1.0 / before
    return float(agreed / total)


def as_spans_show(patients: Patients, cuts: tuple[float, ...] = CUTS) -> tuple[np.ndarray, np.ndarray]:
    """Times at which an event comes before who leaves in the same span, as Kaplan and Meier's estimate takes it."""
    time, event = patients.spans(cuts)
    return np.where(event, time, np.ceil(time) + 0.1), event


@pytest.mark.parametrize("seed", SEEDS)
def test_concordance_is_lifelines_of_the_same_bins_and_spans_and_bounds_hold_that_of_the_scores(seed: int) -> None:
    patients = Patients.drawn(500, seed)
    sums, (time, event) = patients.sums(), patients.spans()
    assert sums.concordance() == pytest.approx(concordance_index(time, -patients.bins, event), abs=1e-12)
    low, high = sums.concordance_bounds()
    of_scores = concordance_index(time, -patients.score, event)
    assert low < of_scores < high and high - low < 0.04
    assert abs(sums.concordance() - of_scores) < 0.003
    pairs = sum(((event[i] & (time[i] < time)).sum()) for i in range(500))
    assert sums.pairs == pairs and sums.patients == 500 and sums.events == event.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_auc_at_each_cut_point_is_unos_of_the_same_bins_and_spans(seed: int) -> None:
    patients = Patients.drawn(500, seed)
    sums, (time, event) = patients.sums(), as_spans_show(patients)
    for k in range(len(CUTS)):
        assert sums.auc(k) == pytest.approx(unos_auc(patients.bins, time, event, k + 0.5), abs=1e-12)
        low, high = sums.auc_bounds(k)
        assert low < unos_auc(patients.score, time, event, k + 0.5) < high


def test_with_a_dozen_spans_both_are_those_of_exact_times_to_two_digits() -> None:
    cuts = tuple(np.arange(30.0, 361.0, 30.0))
    for seed in SEEDS:
        patients = Patients.drawn(3_000, seed)
        sums, last = patients.sums(cuts), CUTS[-1]
        seen = patients.event & (patients.time <= last)
        exact = concordance_index(np.minimum(patients.time, last + 1), -patients.score, seen)
        assert abs(sums.concordance() - exact) < 0.008
        assert abs(sums.auc(11) - unos_auc(patients.score, patients.time, patients.event, last)) < 0.004
        assert abs(sums.auc(5) - unos_auc(patients.score, patients.time, patients.event, 180.0)) < 0.004


def test_weights_matter_where_who_is_sicker_leaves_sooner_and_later_events_are_harder_to_tell() -> None:
    source = np.random.default_rng(0)
    patients = Patients.drawn(4_000, 1, leaving=0.9)
    early = patients.time < 90
    score = np.where(patients.event & ~early, source.normal(0, 1, 4_000), patients.score)
    patients = Patients(score, patients.time, patients.event)
    sums, (time, event) = patients.sums(), as_spans_show(patients)
    unweighted = RiskSums(sums.counts[:, [-1, -2]]).auc()
    assert abs(unweighted - sums.auc(2)) > 0.01
    assert sums.auc(2) == pytest.approx(unos_auc(patients.bins, time, event, 2.5), abs=1e-12)


def test_the_standard_error_of_concordance_is_the_jackknifes() -> None:
    patients = Patients.drawn(250, 4)
    time, event = patients.spans()
    without = [
        concordance_index(np.delete(time, i), -np.delete(patients.bins, i), np.delete(event, i)) for i in range(250)
    ]
    jackknife = np.sqrt(249 / 250 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert patients.sums().concordance_error() == pytest.approx(jackknife, rel=0.03)


def test_where_nobody_leaves_early_the_auc_and_its_error_are_those_of_a_risk() -> None:
    patients = Patients.drawn(800, 5, leaving=0.0)
    sums = patients.sums((360.0,))
    as_risk = RiskSums(sums.counts[:, [-1, -2]])
    assert sums.auc(0) == pytest.approx(as_risk.auc(), abs=1e-12) == sums.concordance()
    assert sums.auc_error(0) == pytest.approx(as_risk.auc_error(), rel=0.01)
    assert sums.concordance_error() == pytest.approx(as_risk.auc_error(), rel=0.01)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = Patients.drawn(200_000, 99).sums()
    held = np.zeros(2)
    for seed in range(150):
        sums = Patients.drawn(300, seed).sums()
        concordance, area = sums.concordance_interval(), sums.auc_interval(2)
        held += concordance.low < truth.concordance() < concordance.high, area.low < truth.auc(2) < area.high
    assert (held >= 150 * 0.90).all() and (held < 150).all()


def test_survival_and_that_of_thirds_by_score_are_lifelines() -> None:
    patients = Patients.drawn(900, 6)
    sums, (time, event) = patients.sums(), as_spans_show(patients)
    fitted = KaplanMeierFitter().fit(time, event).survival_function_at_times([0.05, 1.05, 2.05]).to_numpy()
    assert np.allclose(sums.curve().survival, fitted)
    groups = sums.risk_groups()
    assert sum(each.patients for each in groups) == 900 and min(each.patients for each in groups) > 250
    lowest = -np.inf
    for each in groups:
        inside = (patients.score >= lowest) & (patients.score < each.highest)
        assert inside.sum() == each.patients
        fitted = KaplanMeierFitter().fit(time[inside], event[inside])
        assert np.allclose(each.curve.survival, fitted.survival_function_at_times([0.05, 1.05, 2.05]))
        lowest = each.highest
    low, middle, high = (each.curve.survival[-1] for each in groups)
    assert low > middle > high and groups[-1].highest == np.inf


def test_a_score_that_is_turned_round_tells_as_much_the_other_way() -> None:
    patients = Patients.drawn(600, 7)
    turned = Patients(-patients.score, patients.time, patients.event).sums()
    assert turned.concordance() == pytest.approx(1 - patients.sums().concordance(), abs=0.004)
    assert turned.concordance_error() == pytest.approx(patients.sums().concordance_error(), rel=0.01)


def test_what_cannot_be_compared_is_not_known() -> None:
    empty = SurvivalSums(np.zeros((50, 7)), CUTS, grouped=True)
    nobody_later = Patients(np.zeros(20), np.full(20, 300.0), np.ones(20, bool)).sums()
    for sums in (empty, nobody_later):
        for value in (sums.concordance(), sums.concordance_error(), *sums.concordance_bounds(), sums.auc(2)):
            assert np.isnan(value)
        assert np.isnan(sums.concordance_interval().low) and np.isnan(sums.auc_interval(2).high)
    assert empty.risk_groups() == [] and np.isnan(nobody_later.auc_error(2))


def test_perfect_scores_have_an_interval_below_one() -> None:
    time = np.linspace(1, 700, 60)
    found = Patients(-np.searchsorted(CUTS, time).astype(float), time, np.ones(60, bool)).sums().concordance_interval()
    assert found.value == found.high == 1.0 and 0.8 < found.low < 0.95


def test_subgroups_differ_by_what_their_models_do_and_patients_live() -> None:
    first, second = Patients.drawn(2_000, 8), Patients.drawn(2_000, 9, rate=0.5)
    blurred = Patients(second.score + np.random.default_rng(1).normal(0, 3, 2_000), second.time, second.event)
    found = differences_of_survival(first.sums(), blurred.sums())
    assert found.concordance.low > 0.05 and found.auc.low > 0.05 and found.survival.low > 0.05
    alike = differences_of_survival(first.sums(), Patients.drawn(2_000, 10).sums())
    assert alike.concordance.low < 0 < alike.concordance.high and alike.auc.low < 0 < alike.auc.high


def test_membership_is_none_of_a_model_that_learned_and_much_of_one_that_remembers() -> None:
    held_out, trained_on = Patients.drawn(2_000, 11), Patients.drawn(4_000, 12)
    honest = membership_of_survival(held_out.sums(), trained_on.sums())
    assert honest is not None and abs(honest.advantage.value) < 0.05 and honest.upper < 0.12
    knows = np.where(trained_on.event, 3.0, -3.0)
    remembered = membership_of_survival(held_out.sums(), Patients(knows, trained_on.time, trained_on.event).sums())
    assert remembered is not None and remembered.upper > 0.5
    assert membership_of_survival(held_out.sums(), SurvivalSums(np.zeros((50, 7)), CUTS)) is None


def test_membership_does_not_depend_on_what_scores_are_relative_to() -> None:
    held_out, trained_on = Patients.drawn(3_000, 13, rate=0.1), Patients.drawn(3_000, 14, rate=0.1)
    knows = np.where(trained_on.event, 1.0, -1.0)
    trained_on = Patients(trained_on.score + knows, trained_on.time, trained_on.event)
    found = []
    for shift in (0.0, 2.0):
        slots = [Patients(each.score + shift, each.time, each.event).sums() for each in (held_out, trained_on)]
        found.append(membership_of_survival(*slots))
        events = sum(each.events for each in slots)
        risks = [each.at_last(shift_of(slots)) for each in slots]
        assert sum(each.mean_risk() * each.patients for each in risks) == pytest.approx(events, rel=0.01)
    first, second = found
    assert first is not None and second is not None
    assert second.upper == pytest.approx(first.upper, abs=0.03) and first.upper > 0.1


def test_where_groups_hide_how_far_scores_lie_apart_errors_are_at_least_those_that_need_no_scores() -> None:
    """All in one bin: scores that differ would have an error, and these have none."""
    counts = np.zeros((50, 7))
    counts[20] = [120, 40, 80, 40, 80, 80, 40]
    alone, grouped = SurvivalSums(counts, CUTS), SurvivalSums(counts, CUTS, grouped=True)
    assert alone.concordance() == alone.auc(2) == 0.5 and alone.concordance_error() == alone.auc_error(2) == 0
    of_as_many = np.sqrt((40 + 80 + 1) / (12 * 40 * 80))  # Mann and Whitney's, of ranks without order
    assert grouped.auc_error(2) == pytest.approx(of_as_many, rel=0.01)
    assert grouped.concordance_error() > 0.8 * of_as_many
