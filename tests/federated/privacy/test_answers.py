"""What a study's code may try in a round with noise."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.federated.privacy.scenes import (
    APP,
    FEATURES,
    STEPS,
    ZEROS,
    answer,
    approved,
    made_private,
    packages_of,
    refusal,
    totals,
    with_app,
)

from belmont.federated.accounting.release import plan_release
from belmont.federated.accounting.settings import Clipping
from belmont.federated.errors import APP_FAILED
from belmont.federated.models.glm import (
    glm_config,
)
from belmont.registry.reasons import Reason
from belmont.registry.types import AnswerMode


@pytest.mark.parametrize(
    ("arrays", "metrics"),
    [
        (ZEROS, '{"num-examples": rows, "loss": 0.5, "patient-4711": 1.0}'),
        (ZEROS, '{"loss": float("nan")}'),
        ('{"w": Array(np.zeros((0, 4)))}', "{}"),
        ('{"w": Array(np.full((rows, 4), np.nan))}', "{}"),
        ('{"w": Array(np.full((rows, 4), -np.inf))}', "{}"),
        ('{"w": Array(np.full((rows, 4), 1e38, np.float32))}', "{}"),
    ],
)
def test_what_depends_on_rows_shows_in_nothing_but_the_vector(
    scene: Any, app_builder: Any, arrays: str, metrics: str
) -> None:
    with_app(scene, app_builder, APP.format(arrays=arrays, metrics=metrics), 4)
    packages = packages_of(scene)
    scene.open_round(scene.permit)
    reply = answer(scene, 0, packages)
    assert reply.has_content() and set(reply.content) == {"masked"}
    assert len(reply.content["masked"]["values"]) == 32


@pytest.mark.parametrize(
    "arrays",
    [
        '{"w": Array(np.zeros((rows + 1, 4)))}',
        '{"w": Array(np.zeros((100 * rows, 4)))}',
        '{"w": Array(np.zeros((rows, 5)))}',
        '{"w": Array(np.zeros((rows, 2, 2)))}',
        '{"w": Array(np.zeros(4))}',
        '{"w": Array(np.array(1.0))}',
        '{"v": Array(np.zeros((rows, 4)))}',
        '{"w": Array(np.zeros((rows, 4))), "patient-4711": Array(np.zeros((rows, 1)))}',
        "{}",
    ],
)
def test_an_answer_of_another_form_or_of_more_contributions_than_rows_stays_at_home(
    scene: Any, app_builder: Any, arrays: str
) -> None:
    with_app(scene, app_builder, APP.format(arrays=arrays, metrics="{}"), 4)
    packages = packages_of(scene)
    scene.open_round(scene.permit)
    reply = answer(scene, 0, packages)
    assert reply.error.code == APP_FAILED and "4711" not in reply.error.reason
    assert scene.registry.uses(scene.permit) == []


def test_by_client_one_update_is_cut_whatever_it_is(scene: Any, app_builder: Any) -> None:
    arrays = '{"w": Array(np.full(4, 1e300))}'
    with_app(scene, app_builder, APP.format(arrays=arrays, metrics="{}"), 4, clipping=Clipping.CLIENT)
    noise = replace(STEPS.noise, clipping=Clipping.CLIENT)
    (total,) = totals(scene)
    far = np.abs(total["w"] - 4 * noise.bound / 2)
    assert far.max() < 16 * float(plan_release(noise, 4).sigma)


def test_a_column_with_few_values_of_a_kind_stops_no_round_with_noise(scene: Any, app_builder: Any) -> None:
    """A rule about small cells would make a round, or a row's contribution, depend on one other row."""
    table = scene.consortium.tables[0]
    cases = np.flatnonzero(np.asarray(table.values("cvd_event")) == 1)
    few = np.ones(table.rows, bool)
    few[cases[3:]] = False
    for exact in (True, False):
        made = made_private(scene)
        if exact:
            made.config = glm_config(FEATURES, "cvd_event", secure=True)
            made = approved(made, made.config, answer_mode=AnswerMode.EXACT)
            made.nodes[0].close()
            made.nodes[0] = made.new_node(0, table=table.select(few))
        packages = packages_of(made)
        made.open_round(made.permit)
        reply = answer(made, 0, packages)
        assert refusal(reply) is Reason.COHORT_TOO_SMALL if exact else reply.has_content()
