"""A count before any permit: right where its assumption holds, bounded where it does not, and said to be so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lab.twin.scenes import profile_of, random_table

from belmont.ehr.errors import DictionaryError
from belmont.lab.errors import LabError
from belmont.lab.twin.feasibility import LIKELY, NO, UNCERTAIN, UNKNOWN, YES, _counts
from belmont.lab.twin.publishing import Wanted
from belmont.lab.twin.twin import make_twin

COLUMNS = ["age", "sex", "smoking", "statin"]


def independent(scale: int = 6):
    """Every combination of sex, smoking and statin, in numbers that are independent given the event."""
    weights = {0: ([1, 3, 4], [1, 4, 2, 1], [5, 3]), 1: ([2, 4, 2], [1, 1, 2, 4], [2, 6])}
    rows = []
    for event, (sexes, smokings, statins) in weights.items():
        for sex, a in enumerate(sexes):
            for smoking, b in enumerate(smokings):
                for statin, c in enumerate(statins):
                    rows += [(event, sex, smoking, statin)] * (a * b * c * scale // 6)
    event, sex, smoking, statin = np.array(rows).T
    return random_table(len(rows), cvd_event=event, sex=sex, smoking=smoking, statin=statin)


def matching(table, sex=2, smoking=3, statin=1):
    return int(
        ((table.codes("sex") == sex) & (table.codes("smoking") == smoking) & (table.codes("statin") == statin)).sum()
    )


WHERE = {"sex": ["male"], "smoking": ["current"], "statin": [True]}


def test_where_columns_are_independent_given_the_outcome_the_estimate_without_noise_is_the_count():
    table = independent()
    found = (
        profile_of(table, Wanted(COLUMNS, 1, with_outcome=True), exact=True).twin().feasible(min_hospitals=1, **WHERE)
    )
    assert found.estimate == matching(table) and found.bounds[0] <= found.estimate <= found.bounds[1]


def test_noise_keeps_the_count_within_the_interval_about_as_often_as_it_says():
    table = independent()
    truth, inside = matching(table), 0
    for seed in range(120):
        twin = profile_of(table, Wanted(COLUMNS, 1, with_outcome=True), seed).twin(rows=10)
        low, high = twin.feasible(min_hospitals=1, **WHERE).interval
        inside += low <= truth <= high
    assert inside >= 0.9 * 120


def test_one_condition_has_the_interval_as_its_bounds():
    twin = profile_of(independent(), Wanted(COLUMNS, 1, with_outcome=True)).twin(rows=10)
    found = twin.feasible(min_hospitals=1, smoking=["current"])
    assert found.bounds == found.interval


patients = st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 3), st.integers(0, 1))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(patients, min_size=1, max_size=80),
    st.sets(st.sampled_from(["female", "male"]), min_size=1),
    st.sets(st.sampled_from(["never", "current"]), min_size=1),
    st.booleans(),
    st.booleans(),
)
def test_whatever_the_associations_are_the_count_without_noise_is_within_the_bounds(
    rows, sexes, smokings, statin, two_way
):
    event, sex, smoking, taken = np.array(rows).T
    table = random_table(len(rows), cvd_event=event, sex=sex, smoking=smoking, statin=taken)
    wanted = Wanted(COLUMNS if two_way else [*COLUMNS, "cvd_event"], 1, with_outcome=two_way)
    profile = profile_of(table, wanted, exact=True)
    where = {"sex": sorted(sexes), "smoking": sorted(smokings), "statin": [statin], "cvd_event": [True]}
    question = profile.twin(rows=5).feasible(min_hospitals=1, **where).question.query(profile.dictionary)
    low, middle, high = _counts(profile, question.where, profile.marginals, any_open=False)[:, 0]
    truth = int(question.selected(table).sum())
    assert low - 1e-6 <= truth <= high + 1e-6 and low - 1e-6 <= middle <= high + 1e-6


def test_a_range_that_cuts_through_groups_is_bounded_by_whole_groups():
    table = random_table(1000)
    profile = profile_of(table, Wanted(["age"], 1, cuts={"age": (40, 66)}), exact=True)
    cut = profile.twin(rows=5).feasible(min_hospitals=1, age=(30, 70))
    whole = profile.twin(rows=5).feasible(min_hospitals=1, age=(40, 65))
    ages = table.values("age")
    assert abs(whole.estimate - int(((ages >= 40) & (ages <= 65)).sum())) <= 1
    assert cut.bounds[0] <= whole.estimate <= cut.estimate <= 1000 and cut.bounds[1] - cut.bounds[0] > 200


def test_an_association_that_is_not_in_the_profile_makes_the_estimate_wrong_and_the_bounds_wide_and_the_text_says_it():
    generator = np.random.default_rng(2)
    sex = generator.integers(1, 3, 2000)
    table = random_table(2000, sex=sex, smoking=np.where(sex == 2, 3, 1))  # every man smokes, no woman does
    found = (
        profile_of(table, Wanted(COLUMNS, 5), exact=True)
        .twin()
        .feasible(min_hospitals=1, sex=["female"], smoking=["current"])
    )
    assert found.estimate > 400 and not found.interval[0] <= 0  # wrong, and nobody was there
    assert found.bounds[0] == 0 and "whatever the associations are" in repr(found)
    card = found._repr_html_()
    assert (
        "if columns are independent given the outcome, which nobody checked" in card
        and "any research by anybody" in card
    )


def three(rows=(1000, 300, 10), columns=COLUMNS):
    return make_twin(
        [profile_of(random_table(count, seed=k), Wanted(columns, 2), number=k + 1) for k, count in enumerate(rows)],
        60,
        0,
    )


def test_it_says_at_which_hospitals_an_applications_minimum_would_be_met():
    twin = three()
    found = twin.feasible(min_cohort=100, min_hospitals=3)
    assert [each.enough for each in found.hospitals] == [YES, YES, NO]
    assert found.met == {"min_cohort": NO, "min_hospitals": NO} and not found.feasible
    assert twin.feasible(min_cohort=100, min_hospitals=2).feasible
    frame = found.to_frame()
    assert list(frame.index) == ["Hospital 1", "Hospital 2", "Hospital 3", "total"]
    assert frame.loc["total", "estimate"] == found.estimate == sum(each.estimate for each in found.hospitals)


def test_what_only_the_estimate_speaks_for_is_likely_and_what_noise_could_undo_is_uncertain():
    twin = three((1000, 1000, 1000))
    by_estimate = twin.feasible(min_cohort=150, sex=["male"], statin=[True])
    assert by_estimate.met["min_hospitals"] == LIKELY and by_estimate.feasible
    middle = by_estimate.hospitals[0].estimate
    assert middle is not None
    assert twin.feasible(min_cohort=middle, sex=["male"], statin=[True]).hospitals[0].enough == UNCERTAIN


def test_a_column_that_a_hospital_did_not_publish_has_no_estimate_there():
    told = profile_of(random_table(500), Wanted(["sex", "smoking"], 2), number=1)
    untold = profile_of(random_table(500), Wanted(["sex"], 2), number=2)
    found = make_twin([told, untold], 20, 0).feasible(min_cohort=20, min_hospitals=2, sex=["male"], smoking=["current"])
    first, second = found.hospitals
    assert second.estimate is None and second.interval is None and second.unpublished == ("smoking",)
    assert second.bounds[0] == 0 and 150 < second.bounds[1] < 400 and second.enough == UNKNOWN
    assert found.estimate == first.estimate and found.met["min_hospitals"] == UNCERTAIN and not found.feasible
    assert make_twin([untold], 20, 0).feasible(min_cohort=2000, smoking=["current"]).hospitals[0].enough == NO


def test_epsilon_is_compared_with_what_every_dataset_has_left():
    twin = three((1000, 1000, 1000))
    assert twin.feasible(epsilon=5).met["epsilon"] == YES and twin.feasible(epsilon=5).feasible
    poor = twin.feasible(epsilon=200)
    assert poor.met["epsilon"] == NO and not poor.feasible and "epsilon 200" in poor._repr_html_()


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ({"age": (65, 40)}, LabError),
        ({"age": [40]}, LabError),
        ({"smoking": "current"}, LabError),
        ({"smoking": ["sometimes"]}, LabError),
        ({"height": (1, 2)}, DictionaryError),
        ({"min_cohort": 0}, LabError),
        ({"min_hospitals": 2.5}, LabError),
    ],
)
def test_conditions_are_those_of_questions_and_refused_alike(where, error):
    with pytest.raises(error):
        three().feasible(**where)
