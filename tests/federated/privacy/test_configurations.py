"""A node refuses noise that was not approved, or that it does not fully understand."""

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from tests.federated.privacy.scenes import (
    FEATURES,
    RHO,
    STEPS,
    answer,
    approved,
    ask,
    claim_of,
    computed,
    made_private,
    packages_of,
    refusal,
    totals,
    training,
)

from belmont.federated.errors import SettingsRefused
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import (
    PrivateSteps,
    glm_config,
    initial_model,
)
from belmont.federated.node.requests import UNMASK, after_content, round_content
from belmont.federated.secagg.settings import SECURE_SUM_KEY, SecureSum
from belmont.registry.reasons import Reason
from belmont.registry.types import AnswerMode, MicroRho


@pytest.mark.parametrize(
    "changed",
    [
        {"belmont-rho-per-round": RHO - 1},
        {"belmont-rho-per-round": RHO + 1},
        {"belmont-clip-norm": 4.0},
        {"belmont-clipping": "client"},
        {"belmont-min-contributors": 2},
        {"belmont-honest-contributors": 2},
        {"step": 5.0},
    ],
)
def test_settings_that_are_not_those_approved_are_another_configuration(private: Any, changed: Any) -> None:
    packages = packages_of(private)
    private.open_round(private.permit)
    for i in range(4):
        reply = answer(private, i, packages, config=private.config | changed)
        assert refusal(reply) is Reason.CONFIG_MISMATCH
        assert not computed(private, i)


ODD = [
    {"belmont-clip_norm": 2.0},
    {"Belmont-delta": 1e-6},
    {"belmont-honest-contributors": 3},
    {"belmont-rho-per-round": True},
    {"belmont-rho-per-round": 0},
    {"belmont-clip-norm": 2},
    {"belmont-clipping": "row"},
    {"belmont-fraction-bits": 19},
    {"belmont-clip-norm": None},
    {"belmont-rho-per-round": None},
    {SECURE_SUM_KEY: SecureSum((("gradient", (4,)),), fraction_bits=20).to_text()},
    {SECURE_SUM_KEY: SecureSum((("gradient", (4,)),), fraction_bits=19, private=True).to_text()},
    {SECURE_SUM_KEY: '{"arrays":[["gradient",[4]]],"fraction_bits":20,"private":1}'},
    {SECURE_SUM_KEY: '{"arrays":[["gradient",[4]]],"fraction_bits":20,"private":true,"sums":["loss"]}'},
    {SECURE_SUM_KEY: '{"arrays":[["gradient",[4]]],"fraction_bits":20,"private":true,"weighted":true}'},
    {"belmont-clip-norm": 2.0**-19},
    dict.fromkeys(STEPS.noise.as_config()),
]


@pytest.mark.parametrize("changed", ODD)
def test_an_approved_configuration_that_a_node_does_not_fully_understand_is_refused(scene: Any, changed: Any) -> None:
    made_private(scene)
    config = scene.config | changed
    approved(scene, {key: value for key, value in config.items() if value is not None})
    packages = packages_of(scene)
    scene.open_round(scene.permit)
    assert refusal(answer(scene, 0, packages)) is Reason.REQUEST_MALFORMED
    assert not computed(scene)
    assert scene.registry.uses(scene.permit) == []


def test_noise_without_a_secure_sum_is_refused(scene: Any) -> None:
    made_private(scene)
    approved(scene, {key: value for key, value in scene.config.items() if key != SECURE_SUM_KEY})
    scene.open_round(scene.permit)
    reply = ask(scene, 0, "train", round_content(claim_of(scene), scene.config, scene.model))
    assert refusal(reply) is Reason.REQUEST_MALFORMED
    assert not computed(scene)


def test_noise_for_more_hospitals_than_a_sum_of_the_permit_has_is_refused(scene: Any) -> None:
    steps = PrivateSteps(replace(STEPS.noise, min_contributors=4))
    made_private(scene, steps, min_hospitals=3)
    packages = packages_of(scene)
    scene.open_round(scene.permit)
    assert refusal(answer(scene, 0, packages)) is Reason.TOO_FEW_HOSPITALS
    assert not computed(scene)
    scene.permit = scene.issue(min_hospitals=4, rho_per_dataset=MicroRho(RHO), answer_mode=AnswerMode.PRIVATE)
    packages = packages_of(scene)
    scene.open_round(scene.permit)
    for i in range(4):
        assert answer(scene, i, packages).has_content()
    for i in range(3):
        content = after_content(claim_of(scene), scene.config, packages[i])
        assert ask(scene, i, UNMASK, content).has_content()


def test_a_permit_whose_answers_carry_noise_admits_no_round_without(scene: Any) -> None:
    scene.bundle = shipped_bundle("glm")
    for secure in (True, False):
        approved(scene, glm_config(FEATURES, "cvd_event", secure=secure))
        scene.model = initial_model(FEATURES)
        packages = packages_of(scene) if secure else [None] * 4
        scene.open_round(scene.permit)
        assert refusal(answer(scene, 0, packages)) is Reason.COMPUTATION_NOT_PERMITTED
        assert not computed(scene)


def test_a_permit_of_exact_totals_may_have_rounds_with_noise(scene: Any) -> None:
    made_private(scene, answer_mode=AnswerMode.EXACT)
    assert len(totals(scene)) == 1


def test_the_researchers_side_refuses_a_configuration_before_it_opens_anything(private: Any) -> None:
    with closing(private.grid()) as grid, pytest.raises(SettingsRefused, match="not understood"):
        training(private, grid, config=private.config | {"belmont-noise": 1.0})
    assert private.registry.permit(private.permit).rounds_opened == 0
