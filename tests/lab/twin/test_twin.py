"""A twin has the published marginals and the dictionary's form, and no association that was not published."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.lab.twin.scenes import BOOK, profile_of, random_table

from belmont.ehr.csv_ingest import read_csv
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import DictionaryError
from belmont.federated.errors import PrivacyError, ProfileRefused
from belmont.lab import LogisticRegression
from belmont.lab.errors import LabError
from belmont.lab.twin.grouping import group_labels, groups_of, reference, refuse_other_columns, within
from belmont.lab.twin.marginals import consistent, project
from belmont.lab.twin.publishing import Wanted
from belmont.lab.twin.sampling import shares_out
from belmont.lab.twin.twin import make_twin

FEATURES = list(BOOK.features)


def related(rows: int = 4000) -> dict[str, np.ndarray]:
    """Events that go with smoking, and age that goes with sex whatever the event."""
    generator = np.random.default_rng(5)
    event = generator.integers(0, 2, rows)
    smoking = np.where(generator.random(rows) < 0.85, 1 + 2 * event, 2)
    sex = generator.integers(1, 3, rows)
    age = np.where(sex == 2, generator.integers(50, 70, rows), generator.integers(10, 30, rows))
    return {"cvd_event": event, "smoking": smoking, "sex": sex, "age": age}


# --- groups ---


@pytest.mark.parametrize("column", list(BOOK), ids=lambda column: column.name)
@pytest.mark.parametrize("cells", [1, 2, 12, 200])
def test_every_code_that_a_row_can_have_is_in_one_group_and_its_codes_share_it_out(column, cells):
    groups = groups_of(column, cells)
    shares = within(column, groups)
    assert len(group_labels(column, groups)) == len(groups) and groups.width == column.width
    for start, end in zip(groups.starts, groups.ends(), strict=True):
        assert shares[start : end + 1].sum() == pytest.approx(1)
    assert reference(column).sum() == pytest.approx(1)


def test_groups_of_a_number_have_about_the_same_share_of_what_the_dictionary_expects():
    bmi = BOOK.column("bmi")
    groups = groups_of(bmi, 12)
    shares = [reference(bmi)[a : b + 1].sum() for a, b in zip(groups.starts, groups.ends(), strict=True)]
    assert len(groups) == 13 and shares[0] == pytest.approx(0.1)  # missing
    assert np.allclose(shares[1:], 0.9 / 12, rtol=0.25)


def test_cuts_are_where_a_hospital_says_in_the_columns_unit():
    groups = groups_of(BOOK.column("age"), cuts=(40, 66))
    assert group_labels(BOOK.column("age"), groups) == ["18 to 39", "40 to 65", "66 to 110"]
    assert group_labels(BOOK.column("smoking"), groups_of(BOOK.column("smoking"))) == [
        "missing",
        "never",
        "former",
        "current",
    ]
    for column, cuts in (("age", (17,)), ("age", (float("nan"),)), ("sex", (1,))):
        with pytest.raises(LabError):
            groups_of(BOOK.column(column), cuts=cuts)
    for cells in (0, -1, 1.5, True, 10**6):
        with pytest.raises(LabError):
            groups_of(BOOK.column("age"), cells)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (Wanted(["age", "age"], 1), LabError),
        (Wanted(["age"], 0), PrivacyError),
        (Wanted(["cvd_event"], 1, with_outcome=True), LabError),
        (Wanted(["age"], 1, cuts={"bmi": (30,)}), LabError),
        (Wanted(["height"], 1), DictionaryError),
    ],
)
def test_a_publication_that_cannot_be_is_refused(wanted, error):
    with pytest.raises(error):
        wanted.choices(BOOK)


def test_what_is_published_is_what_was_named_and_no_more():
    assert [each.column for each in Wanted(["sex", "age"], 1).choices(BOOK).columns] == ["age", "sex"]
    assert Wanted([], 1).choices(BOOK).tables == 1
    two_way = Wanted(["sex", "age", "cvd_event"], 1, with_outcome=True).choices(BOOK)
    assert two_way.tables == 3 and two_way.outcome is not None and two_way.outcome.column == "cvd_event"


# --- consistency ---

noisy = arrays.arrays(np.float64, st.integers(1, 12), elements=st.floats(-1e4, 1e4))


@given(noisy, st.floats(0, 1e4), st.integers(0, 2**32 - 1))
def test_a_projection_is_the_nearest_point_that_is_not_below_zero_and_has_the_total(values, total, seed):
    found = project(values[None], np.array([total]))[0]
    assert (found >= 0).all() and found.sum() == pytest.approx(total, abs=1e-6)
    other = np.random.default_rng(seed).dirichlet(np.full(values.size, 0.3)) * total
    assert (values - found) @ (other - found) <= 1e-3 * max(1, np.abs(values).max() * total)  # no other is nearer


def test_exact_tables_stay_as_they_are_and_noisy_ones_come_to_agree():
    table = random_table(700, **related(700))
    exact = profile_of(table, Wanted(FEATURES, 1, with_outcome=True), exact=True)
    for agreed, counts in zip(exact.marginals.tables, exact.signed.profile.counts, strict=True):
        assert np.allclose(agreed[0], counts)
    noisy_one = profile_of(table, Wanted(FEATURES, 0.5, with_outcome=True)).marginals
    for agreed in noisy_one.tables:
        assert (agreed >= 0).all() and np.allclose(agreed[0].sum(axis=0), noisy_one.outcomes[0])
    assert noisy_one.outcomes[0].sum() == pytest.approx(noisy_one.rows[0])


def test_rows_are_estimated_better_from_all_tables_than_from_their_own_count_alone():
    table, wanted = random_table(500), Wanted(["sex", "statin", "prior_event"], 0.5)
    profiles = [profile_of(table, wanted, seed) for seed in range(300)]
    alone = np.std([each.signed.profile.rows for each in profiles])
    together = np.std([float(each.marginals.rows[0]) for each in profiles])
    assert together < 0.75 * alone  # 1 / sqrt(1 + 1/3 + 1/2 + 1/2)


def test_nothing_but_noise_below_zero_gives_no_rows_and_says_so():
    found = consistent(np.array([-5.0]), [np.full((1, 3, 2), -9.0)])
    assert found.rows[0] == 0 and found.tables[0].sum() == 0
    nobody = dataclasses.replace(profile_of(random_table(1), Wanted(["sex"], 1), exact=True))
    nobody.signed.profile.counts[0][:] = -50
    with pytest.raises(LabError, match=r"rows=200"):
        nobody.twin()
    assert nobody.twin(rows=50).rows == 50


@given(st.integers(0, 5000), arrays.arrays(np.float64, st.integers(1, 9), elements=st.floats(0, 1e6)))
def test_shares_add_up_and_are_off_by_less_than_one(total, weights):
    found = shares_out(total, weights)
    assert found.sum() == total and (found >= 0).all()
    if weights.sum() > 1:
        assert np.abs(found - weights / weights.sum() * total).max() < 1 + 1e-6


# --- the table ---


def test_a_twins_marginals_are_the_published_ones():
    profile = profile_of(random_table(3000, **related(3000)), Wanted(FEATURES, 1, with_outcome=True))
    twin = profile.twin()
    assert twin.rows == profile.rows and twin.table.columns == tuple(column.name for column in BOOK)
    choices = profile.signed.profile.choices
    for groups, agreed, counted in zip(
        choices.columns, profile.marginals.tables, choices.count(twin.table)[1:], strict=True
    ):
        assert np.abs(agreed[0] - counted).max() < 2, groups.column


def test_the_association_with_the_outcome_is_in_it_and_no_other_is():
    table = random_table(4000, **related())
    twin = profile_of(table, Wanted(FEATURES, 2, with_outcome=True)).twin(rows=4000).table

    def correlation(given, a, b):
        both = given.observed(a) & given.observed(b)
        return np.corrcoef(given.values(a)[both], given.values(b)[both])[0, 1]

    assert correlation(table, "smoking", "cvd_event") > 0.7 and correlation(twin, "smoking", "cvd_event") > 0.6
    assert correlation(table, "age", "sex") > 0.8 and abs(correlation(twin, "age", "sex")) < 0.1
    without = profile_of(table, Wanted([*FEATURES, "cvd_event"], 2)).twin(rows=4000).table
    assert abs(correlation(without, "smoking", "cvd_event")) < 0.1


def test_the_same_seed_gives_the_same_rows_and_another_seed_others():
    profile = profile_of(random_table(300), Wanted(["age", "bmi"], 1))
    assert profile.twin(100, 4).table == profile.twin(100, 4).table != profile.twin(100, 5).table


def test_columns_that_were_not_published_are_the_dictionarys_and_the_card_says_which():
    profile = profile_of(random_table(400), Wanted(["age", "sex"], 1, with_outcome=True))
    twin = make_twin([profile], 2000, 0)
    assert set(twin.sources().loc[["age", "bmi", "cvd_event"], "Hospital 1"]) == {
        "noisy counts by cvd_event", "dictionary's range", "noisy counts"
    }  # fmt: skip
    assert abs(np.nanmean(twin.table.values("bmi")) - 31) < 0.6 and 0.05 < (twin.table.codes("bmi") == 0).mean() < 0.15
    card = twin._repr_html_()
    for said in ("age, sex, cvd_event", "smoking, bmi", "No result on it is a result", "Hospital 1", "synthetic"):
        assert said in card
    assert "1.00 at delta" in profile._repr_html_() and "chain has 400 rows" in profile._repr_html_()


def test_no_row_contradicts_the_dictionarys_checks():
    high = random_table(2000, systolic=np.full(2000, 40), diastolic=np.full(2000, 90))  # 99 above 119: nobody has it
    for table in (random_table(2000), high):
        twin = profile_of(table, Wanted(["systolic", "diastolic"], 1)).twin().table
        both = twin.observed("systolic") & twin.observed("diastolic")
        assert (twin.values("systolic")[both] > twin.values("diastolic")[both]).all()


def test_pressures_that_contradict_each_other_change_places_and_keep_their_marginals():
    generator = np.random.default_rng(1)
    table = random_table(3000, systolic=generator.integers(30, 80, 3000), diastolic=generator.integers(40, 75, 3000))
    profile = profile_of(table, Wanted(["systolic", "diastolic"], 5), exact=True)
    twin = profile.twin(3000).table
    for groups, counted in zip(
        profile.signed.profile.choices.columns, profile.signed.profile.choices.count(twin)[1:], strict=True
    ):
        place = list(profile.signed.profile.choices.columns).index(groups)
        assert np.abs(counted - profile.signed.profile.counts[place]).sum() < 3000 * 0.05


def test_several_hospitals_have_their_own_marginals_and_no_pseudonym_twice():
    old = profile_of(random_table(200, age=np.full(200, 80)), Wanted(["age"], 5), number=1)
    young = profile_of(random_table(600, age=np.full(600, 5)), Wanted(["age"], 5), number=2)
    twin = make_twin([old, young], 80, 0)
    first, second = twin.tables()
    assert abs(first.rows - 20) <= 2 and twin.rows == 80 == len(twin.frame) and twin.table.rows == 80
    assert first.values("age").mean() > 75 and second.values("age").mean() < 50
    assert twin.hospitals == ("Hospital 1", "Hospital 2") and "Twin(80 synthetic rows of 2 hospitals" in repr(twin)


def test_a_studys_code_is_rehearsed_on_twins_and_finds_what_was_published_with_the_outcome():
    profiles = [
        profile_of(random_table(2000, seed, **related(2000)), Wanted(FEATURES, 2, with_outcome=True), number=seed)
        for seed in (1, 2, 3)
    ]
    twin = make_twin(profiles, None, 0)
    model = LogisticRegression(features=("smoking", "age"), outcome="cvd_event").fit(twin)
    smoking, age = model.coef_.ravel()
    assert smoking > 1 and abs(age) < 0.3
    assert model.predict_proba(twin.frame.dropna()).min() >= 0


@pytest.mark.parametrize(
    ("rows", "seed"), [(0, 0), (1, 0), (-5, 0), (10**9, 0), (2.5, 0), (True, 0), (10, -1), (10, "x")]
)
def test_rows_and_seeds_that_are_none_are_refused(rows, seed):
    profiles = [profile_of(random_table(50), Wanted(["age"], 1), number=number) for number in (1, 2)]
    with pytest.raises(LabError):
        make_twin(profiles, rows, seed)


def test_profiles_of_other_dictionaries_are_not_mixed_nor_misread():
    text = (Path(__file__).parents[3] / "platform/src/belmont/ehr/dictionaries/diabetes_cvd.yaml").read_text()
    other = Dictionary.loads(text.replace("min: 18, max: 110", "min: 20, max: 90"))
    here = profile_of(random_table(50), Wanted(["age"], 1))
    there = profile_of(random_table(50, book=other), Wanted(["age"], 1), number=2)
    with pytest.raises(LabError, match="different dictionaries"):
        make_twin([here, there], None, 0)
    with pytest.raises(ProfileRefused, match="'age' is not of a column"):
        refuse_other_columns(here.signed.profile, other)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 60), st.integers(0, 1000), st.sampled_from([(",", "."), (";", ","), ("\t", ".")]))
def test_the_written_file_is_coded_to_the_same_rows(tmp_path_factory, rows, seed, style):
    text = (Path(__file__).parents[3] / "platform/src/belmont/ehr/dictionaries/diabetes_cvd.yaml").read_text()
    delimiter, decimal = style
    written = 'delimiter: ","\n  decimal: "."'
    assert written in text
    book = Dictionary.loads(text.replace(written, f'delimiter: "{repr(delimiter)[1:-1]}"\n  decimal: "{decimal}"'))
    twin = profile_of(random_table(40, book=book), Wanted(["age", "ldl"], 1)).twin(rows, seed)
    path = twin.write_csv(tmp_path_factory.mktemp("csv") / "folder" / "twin.csv")
    read = read_csv(path, book, b"k" * 32).table

    def lines(table):
        return sorted(zip(*(table.codes(name).tolist() for name in table.columns), strict=True))

    assert read.rows == rows and lines(read) == lines(twin.table)


def test_the_frame_has_units_categories_and_truth_values():
    frame = profile_of(random_table(300), Wanted(["age"], 1)).twin().frame
    assert list(frame["smoking"].cat.categories) == ["never", "former", "current"]
    assert frame["statin"].dtype == bool and frame["age"].between(18, 110).all() and frame["bmi"].isna().any()


def test_published_counts_are_shown_as_they_are_noise_and_all():
    profile = profile_of(random_table(200), Wanted(["age", "sex"], 1, with_outcome=True))
    frame = profile.to_frame()
    counts = profile.signed.profile.counts
    assert len(frame) == sum(each.size for each in counts) and frame["noisy count"].sum() == sum(
        int(e.sum()) for e in counts
    )
    assert set(frame["outcome"]) == {"cvd_event no", "cvd_event yes"}
    assert list(profile_of(random_table(200), Wanted(["sex"], 1)).to_frame().columns) == [
        "column",
        "group",
        "noisy count",
    ]
