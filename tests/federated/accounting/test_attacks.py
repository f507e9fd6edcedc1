"""Attacks on patients in a sum: each works without the noise, or against a weaker rule, and not on ours.

Trials are many and from fixed seeds; each of an attacker's rates may be off by what Hoeffding's inequality allows with
probability 1e-10.
"""

import math
from fractions import Fraction

import numpy as np
import pytest

from belmont.federated.accounting.budget import sigma_for, spend
from belmont.federated.accounting.clipping import clip_client, clip_examples
from belmont.federated.accounting.epsilon import shown_epsilon
from belmont.federated.accounting.noise import discrete_gaussian
from belmont.federated.accounting.release import plan_release
from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.errors import Refusal
from belmont.registry.reasons import Reason

CELLS, TRIALS = 6, 40_000
ROWS = np.random.default_rng(3).normal(size=(50, CELLS)) / 4
PATIENT = np.array([0.9, -0.1, 0.2, 0.1, -0.3, 0.0])
SLACK = math.sqrt(math.log(2 / 1e-10) / (2 * TRIALS))


def approved(clipping=Clipping.EXAMPLE, rho=100_000, minimum=3, honest=1):
    return PrivacySettings(clipping, 1.0, 16, rho, minimum, honest)


def seeded(seed):
    return np.random.default_rng(seed).bytes


def sums(settings):
    """Un-noised integers without and with the patient."""
    with_patient = np.vstack([ROWS, PATIENT])
    return [clip_examples({"w": r}, settings.bound, 16).values for r in (ROWS, with_patient)]


def released(values, plan, seed):
    noise = discrete_gaussian(TRIALS * CELLS, plan.sigma, seeded(seed)).reshape(TRIALS, CELLS)
    return values + noise


def test_two_rounds_without_noise_that_differ_by_one_row_reveal_the_row():
    without, with_patient = sums(approved())
    assert np.abs((with_patient - without) / 2**16 - PATIENT).max() < 2**-16


def test_with_noise_the_difference_of_two_rounds_is_mostly_noise():
    without, with_patient = sums(approved())
    plan = plan_release(approved(), CELLS)
    error = (released(with_patient, plan, 5) - released(without, plan, 6)) / 2**16 - PATIENT
    assert np.abs(error).mean() > 1.5  # of cells that are at most 0.9


def test_with_noise_membership_is_told_no_better_than_epsilon_and_delta_allow():
    """The best attacker knows all other rows and the patient's, and looks along the patient's direction."""
    settings = approved()
    without, with_patient = sums(settings)
    direction = (with_patient - without).astype(float)
    assert ((with_patient - without) @ direction) > 0  # without noise: told every time

    plan = plan_release(settings, CELLS)
    scores_out = (released(without, plan, 7) - without) @ direction
    scores_in = (released(with_patient, plan, 8) - without) @ direction
    thresholds = np.quantile(np.concatenate([scores_in, scores_out]), np.linspace(0.001, 0.999, 400))
    told = (scores_in[None] > thresholds[:, None]).mean(axis=1)
    wrongly = (scores_out[None] > thresholds[:, None]).mean(axis=1)
    for delta in (1e-9, 1e-6, 1e-3, 0.01, 0.05, 0.1):
        epsilon = shown_epsilon(plan.rho, delta, sigma=plan.sigma, honest=1, cells_released=CELLS)
        for of_one, of_other in ((told, wrongly), (1 - wrongly, 1 - told)):
            assert (of_one <= math.exp(epsilon) * of_other + delta + SLACK * (1 + math.exp(epsilon))).all()
        advantage = (math.expm1(epsilon) + 2 * delta) / (math.exp(epsilon) + 1)
        assert (told - wrongly).max() <= advantage + 2 * SLACK
    assert 0.05 < (told - wrongly).max() < 0.25  # 2 Phi(mu/2) - 1 is 0.18: the attack is no strawman


def test_the_same_attack_wins_when_a_node_answers_with_fresh_noise_again_and_again():
    settings = approved()
    without, with_patient = sums(settings)
    plan = plan_release(settings, CELLS)
    mean = released(with_patient, plan, 9).mean(axis=0)
    assert np.abs((mean - without) / 2**16 - PATIENT).max() < 0.1  # the row is back

    left = settings.rho_per_round
    left = spend(plan.rho, left)
    with pytest.raises(Refusal) as refused:
        spend(plan.rho, left)
    assert refused.value.reason is Reason.BUDGET_EXHAUSTED


def test_colluding_hospitals_that_subtract_their_noise_leave_what_is_counted_on():
    settings = approved(minimum=5, honest=3)
    plan = plan_release(settings, CELLS)
    noises = [discrete_gaussian(TRIALS, plan.sigma, seeded(20 + i)) for i in range(settings.min_contributors)]
    total = sum(noises)
    left = total - noises[0] - noises[1]  # two tell theirs
    needed = settings.sensitivity_sq * 10**6 / (2 * settings.rho_per_round)
    assert left.var() > needed * 0.97
    assert plan.counted_variance >= needed


def test_colluders_win_where_everybodys_noise_was_counted_on():
    """The weaker rule: one share for each of five contributors. Four that collude leave a fifth of the variance."""
    settings = approved(minimum=5)
    share = sigma_for(settings.sensitivity_sq, settings.rho_per_round, honest=5, cells=CELLS)
    ours = plan_release(settings, CELLS).sigma
    needed = Fraction(settings.sensitivity_sq * 10**6, 2 * settings.rho_per_round)
    assert share**2 < needed / 4
    assert ours**2 >= needed


def test_one_patient_can_turn_a_whole_update_round_so_by_client_twice_the_bound_counts():
    settings = approved(Clipping.CLIENT)
    one, other = (clip_client({"w": sign * PATIENT * 1e6}, settings.bound, 16).values for sign in (1, -1))
    moved = sum(int(each) ** 2 for each in one - other)
    assert moved > 3.99 * settings.bound**2  # a guarantee for the bound alone would not hold
    assert moved <= settings.sensitivity_sq


def test_code_that_writes_one_patient_into_every_row_is_stopped_by_client_and_not_by_row():
    """The limit that clipping by row has: it is for code that computes each row from that row alone."""

    def spiteful(rows):
        present = bool((rows == PATIENT).all(axis=1).any())
        return np.tile(np.eye(1, CELLS) if present else -np.eye(1, CELLS), (len(rows), 1))

    answers = [spiteful(ROWS), spiteful(np.vstack([ROWS, PATIENT]))]
    by_row = [clip_examples({"w": a}, approved().bound, 16).values for a in answers]
    assert np.linalg.norm(by_row[1] - by_row[0]) > 90 * approved().bound
    settings = approved(Clipping.CLIENT)
    by_client = [clip_client({"w": a.sum(axis=0)}, settings.bound, 16).values for a in answers]
    assert sum(int(each) ** 2 for each in by_client[1] - by_client[0]) <= settings.sensitivity_sq


def test_a_patient_whose_row_is_not_finite_does_not_stop_a_round():
    plan = plan_release(approved(), CELLS)
    spoilt = np.vstack([ROWS, np.full(CELLS, np.nan)])
    assert np.array_equal(plan.release({"w": spoilt}, seeded(1)), plan.release({"w": ROWS}, seeded(1)))
