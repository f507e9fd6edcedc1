"""Settings, vectors and steps with noise, as parts."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.federated.privacy.scenes import CELLS, RHO, STEPS

from belmont.federated.accounting.epsilon import shown_epsilon
from belmont.federated.accounting.release import plan_release
from belmont.federated.accounting.settings import Clipping, PrivacySettings, read_settings
from belmont.federated.errors import FederatedError, PrivacyError, Refusal, SettingsRefused
from belmont.federated.models.glm import (
    PrivateSteps,
)
from belmont.federated.node.noise import Noisy, check_rows, read_noise
from belmont.federated.secagg.settings import SECURE_SUM_KEY, SecureSum, read_secure_sum
from belmont.registry.types import MicroRho


@given(
    clipping=st.sampled_from(Clipping),
    norm=st.floats(0.01, 100, allow_nan=False),
    bits=st.integers(10, 20),
    rho=st.integers(1, 100_000_000),
    minimum=st.integers(1, 16),
    data=st.data(),
)
def test_settings_read_back_as_they_were_written_and_only_with_their_own_sum(
    clipping: Clipping, norm: float, bits: int, rho: int, minimum: int, data: Any
) -> None:
    honest = data.draw(st.integers(1, max(1, minimum - 1)))
    settings = PrivacySettings(clipping, norm, bits, MicroRho(rho), minimum, honest)
    secure = SecureSum((("w", (3,)),), fraction_bits=bits, private=True)
    config = settings.as_config() | {SECURE_SUM_KEY: secure.to_text(), "features": "age"}
    assert read_settings(settings.as_config()) == settings
    assert read_noise(config, read_secure_sum(config)) == settings
    for other in (None, replace(secure, private=False), replace(secure, fraction_bits=bits + 1)):
        with pytest.raises(SettingsRefused):
            read_noise(config, other)
    del config[data.draw(st.sampled_from(sorted(set(settings.as_config()) - {"belmont-honest-contributors"})))]
    with pytest.raises(SettingsRefused):
        read_noise(config, secure)


@given(rows=st.integers(0, 30), limit=st.integers(0, 30), seed=st.integers(0, 2**32 - 1))
def test_a_vector_is_within_its_rows_norms_of_the_noise(rows: int, limit: int, seed: int) -> None:
    settings = replace(STEPS.noise, rho_per_round=MicroRho(100_000_000))
    secure = SecureSum((("a", (2,)), ("b", ())), fraction_bits=20, private=True)
    noisy = Noisy(plan_release(settings, 3), secure, limit)
    random = np.random.default_rng(seed)
    arrays = {"a": random.normal(size=(rows, 2)) * 1e3, "b": random.normal(size=rows) * 1e3}
    if rows > limit:
        with pytest.raises(PrivacyError, match="more contributions than rows"):
            noisy.vector(arrays)
        return
    vector = noisy.vector(arrays).astype(float)
    assert np.linalg.norm(vector) <= rows * settings.bound + 20 * float(noisy.plan.sigma)


def test_so_many_rows_that_sums_could_grow_too_large_are_refused_by_the_chains_number() -> None:
    settings = PrivacySettings(Clipping.EXAMPLE, 1.0, 30, MicroRho(RHO), 3)
    plan = plan_release(settings, 4)
    check_rows(plan, 2**22 - 1)
    with pytest.raises(Refusal, match="fraction-bits"):
        check_rows(plan, 2**22)
    check_rows(plan_release(replace(settings, clipping=Clipping.CLIENT), 4), 2**40)


@pytest.mark.parametrize(("epsilon", "rounds"), itertools.product((0.5, 1.0, 5.0, 10.0), (1, 12)))
def test_steps_for_an_epsilon_come_to_it_and_not_to_more(epsilon: float, rounds: int) -> None:
    steps = PrivateSteps.of_epsilon(epsilon, rounds, CELLS)
    plan = plan_release(steps.noise, CELLS)
    shown = shown_epsilon(MicroRho(rounds * plan.rho), 1e-6, sigma=plan.sigma, honest=1, cells_released=CELLS * rounds)
    assert 0.99 * epsilon < shown <= epsilon


def test_steps_that_lead_nowhere_are_refused() -> None:
    with pytest.raises(FederatedError, match="example"):
        PrivateSteps(replace(STEPS.noise, clipping=Clipping.CLIENT))
    for step, momentum in ((0.0, 0.5), (float("inf"), 0.5), (4.0, 1.0), (4.0, -0.1), (4, 0.5)):
        with pytest.raises(FederatedError):
            PrivateSteps(STEPS.noise, step, momentum)
    for epsilon, rounds in ((1e-9, 10), (5.0, 0)):
        with pytest.raises(PrivacyError):
            PrivateSteps.of_epsilon(epsilon, rounds, CELLS)
