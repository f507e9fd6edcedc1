"""What is counted, how far one patient moves it, and what noise makes of the attacks that exact counts fall to."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.federated.profile.scenes import AGE, BY_EVENT, EVENT, PLAIN, RHO, SMOKING, rows_of, seeded

from belmont.federated.accounting.epsilon import zcdp_epsilon
from belmont.federated.errors import PrivacyError, ProfileError
from belmont.federated.profile.tables import MAX_CELLS, Choices, Groups, rho_within
from belmont.registry.types import MicroRho

EVERYBODY = list(itertools.product(range(4), range(1, 6), range(2)))
"""Every row that this dictionary allows."""


def joined(tables):
    return np.concatenate([each.ravel() for each in tables])


def flat(choices, table):
    return joined(choices.count(table))


@pytest.mark.parametrize("choices", [PLAIN, BY_EVENT, Choices((), None, RHO), Choices((SMOKING,), EVENT, RHO)])
def test_whoever_is_added_moves_one_cell_of_every_table_by_one_whatever_the_others_are(choices):
    for others in ([], [(0, 1, 0)], [(3, 5, 1)] * 4, EVERYBODY):
        before = flat(choices, rows_of(*others))
        for patient in EVERYBODY:
            moved = flat(choices, rows_of(*others, patient)) - before
            assert sorted(moved[moved != 0].tolist()) == [1] * choices.tables
            assert int((moved**2).sum()) == choices.tables


def test_whoever_is_replaced_moves_at_most_twice_as_much():
    worst = 0
    for patient, other in itertools.product(EVERYBODY, repeat=2):
        moved = flat(BY_EVENT, rows_of(patient)) - flat(BY_EVENT, rows_of(other))
        worst = max(worst, int((moved**2).sum()))
    assert worst == 2 * (BY_EVENT.tables - 1) <= 2 * BY_EVENT.tables


@given(st.lists(st.sampled_from(EVERYBODY), max_size=60))
def test_cells_are_the_patients_that_are_in_them(patients):
    rows, age, smoking = BY_EVENT.count(rows_of(*patients))
    assert rows.tolist() == [len(patients)]
    for code, event in itertools.product(range(4), range(2)):
        there = sum(1 for each in patients if (each[0], each[2]) == (code, event))
        assert smoking[code, event] == there
    assert age[0, 0] == sum(1 for each in patients if each[1] < 3 and not each[2])
    assert age[1, 1] == sum(1 for each in patients if each[1] >= 3 and each[2])


def test_a_code_that_no_group_holds_stops_everything():
    for patient in ((0, 0, 0), (0, 6, 0), (4, 1, 0), (0, 1, 2)):
        with pytest.raises(ProfileError, match="no group holds"):
            BY_EVENT.count(rows_of((1, 1, 1), patient))


@pytest.mark.parametrize(
    ("starts", "width"),
    [
        ((), 3),
        ((2,), 3),
        ((0, 0), 3),
        ((0, 2, 1), 3),
        ((0, 4), 3),
        ((-1,), 3),
        ((0,), 5000),
        ((0.0,), 3),
        ((False,), 3),
    ],
)
def test_groups_that_do_not_cover_a_column_once_are_refused(starts, width):
    with pytest.raises(ProfileError):
        Groups("age", starts, width)


def test_choices_that_cannot_be_are_refused():
    for columns, outcome, rho in [
        ((AGE, AGE), None, RHO),
        ((EVENT,), EVENT, RHO),
        ((), EVENT, RHO),
        ((AGE,), None, MicroRho(0)),
        ((AGE,), None, MicroRho(10**9)),
    ]:
        with pytest.raises(ProfileError):
            Choices(columns, outcome, rho)
    wide = tuple(range(4001))
    with pytest.raises(ProfileError, match="take larger groups or fewer columns"):
        Choices(tuple(Groups(f"c{k}", wide, 4000) for k in range(MAX_CELLS // 4000 + 1)), None, RHO)


def test_the_same_choices_have_one_hash_in_any_order_and_others_another():
    assert Choices((AGE, SMOKING), None, RHO).hash == PLAIN.hash
    assert replace(PLAIN, rho=MicroRho(RHO - 1)).hash == PLAIN.hash  # which has the same noise
    others = [BY_EVENT, replace(PLAIN, rho=MicroRho(2 * RHO)), Choices((AGE,), None, RHO)]
    others.append(Choices((SMOKING, Groups("age", (1, 4), 5)), None, RHO))
    assert len({each.hash for each in (PLAIN, *others)}) == 5


@given(st.floats(0.01, 20), st.floats(1e-12, 1e-2))
def test_a_charge_is_the_largest_whose_epsilon_is_not_above_what_was_asked_for(epsilon, delta):
    rho = rho_within(epsilon, delta)
    assert zcdp_epsilon(rho, delta) <= epsilon < zcdp_epsilon(MicroRho(rho + 1), delta)


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), float("inf"), True, "1", 1e-9])
def test_an_epsilon_that_is_none_is_refused(epsilon):
    with pytest.raises(PrivacyError):
        rho_within(epsilon)


def test_sigma_pays_for_every_table_and_does_not_depend_on_data():
    for choices in (PLAIN, BY_EVENT):
        assert choices.plan.rho <= RHO
        assert float(choices.plan.sigma) == pytest.approx(math.sqrt(choices.tables / (2 * RHO / 1e6)), rel=0.01)


def test_every_cell_gets_noise_of_that_sigma():
    table = rows_of(*EVERYBODY)
    noise = np.array([joined(BY_EVENT.release(table, seeded(k))) for k in range(2000)]) - flat(BY_EVENT, table)
    sigma = float(BY_EVENT.plan.sigma)
    assert np.allclose(noise.std(axis=0), sigma, rtol=0.1) and np.allclose(noise.mean(axis=0), 0, atol=sigma / 8)
    assert np.abs(np.corrcoef(noise.T) - np.eye(noise.shape[1])).max() < 0.12


# --- attacks ---

TARGET = (2, 4, 1)
OTHERS = [each for each in EVERYBODY * 3 if each != TARGET]


def read_off(before, after):
    """The row that two publications differ by, if they do so exactly: smoking, age group, event."""
    age, smoking = (b - a for a, b in zip(before[1:], after[1:], strict=True))
    if any(np.abs(each).sum() != 1 or each.sum() != 1 for each in (age, smoking)):
        return None
    (group, _), (code, event) = np.argwhere(age)[0], np.argwhere(smoking)[0]
    return int(code), int(group), int(event)


def test_two_exact_publications_that_differ_by_a_patient_give_the_patients_row_away():
    before, after = rows_of(*OTHERS), rows_of(*OTHERS, TARGET)
    assert read_off(BY_EVENT.count(before), BY_EVENT.count(after)) == (2, 1, 1)


def test_with_noise_the_best_guess_whether_a_patient_was_added_is_hardly_better_than_a_coin():
    before, after = flat(BY_EVENT, rows_of(*OTHERS)), flat(BY_EVENT, rows_of(*OTHERS, TARGET))
    direction, middle = after - before, (after + before) / 2
    right = 0
    for game in range(2000):
        there = game % 2 == 1
        released = BY_EVENT.release(rows_of(*OTHERS, *([TARGET] * there)), seeded(game))
        cells = joined(released)
        right += bool((cells - middle) @ direction > 0) is there  # the likelihood ratio of Gaussian noise
    bound = 0.5 + math.sqrt(BY_EVENT.plan.rho / 1e6 / 2) / 2  # Pinsker, of rho-zCDP
    assert right / 2000 < bound + 0.035 and bound < 0.56
    two = [BY_EVENT.release(table, seeded(k)) for k, table in enumerate([rows_of(*OTHERS), rows_of(*OTHERS, TARGET)])]
    assert read_off(*two) is None


def test_fresh_noise_for_the_same_counts_averages_out_where_a_hospital_draws_again_and_again():
    table = rows_of(*OTHERS, TARGET)
    drawn = np.mean([joined(PLAIN.release(table, seeded(k))) for k in range(4000)], axis=0)
    assert np.abs(drawn - flat(PLAIN, table)).max() < 0.5
