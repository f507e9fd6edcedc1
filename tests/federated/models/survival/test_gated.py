"""Survival under a permit: real nodes, secure sums, refusals with what to do, and isolated code."""

import os
from contextlib import closing

import numpy as np
import pytest

from belmont.federated.errors import NotIsolated, RoundRefused
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.probe import Property
from belmont.federated.executor.protocol import Answer, Task
from belmont.federated.hashes import code_hash, config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.cox import CoxModel
from belmont.federated.models.kaplan_meier import CurveModel, count
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.models.training import Training
from belmont.registry.reasons import Reason

FEATURES = ("age", "systolic")
EGFR = (80.0, 160.0)


@pytest.fixture
def under_a_permit(scene, tools):
    """Training of a survival study at four hospitals; eGFR stands for a time."""

    def prepare(app, model, combine, features):
        scene.bundle, scene.model = shipped_bundle(app), model.initial()
        scene.config = tools.config_of(model, model.sums(), features, "cvd_event")
        permit = scene.issue(code_hash=code_hash(scene.bundle), config_hash=config_hash(scene.config), rounds=12)
        grid = scene.grid()
        return grid, Training(
            scene.by_researcher,
            grid,
            permit,
            config=scene.config,
            model=scene.model,
            combine=combine,
            participants=scene.participants,
            node_ids=grid.node_ids,
            timeout_seconds=30,
        )

    return prepare


@pytest.mark.parametrize("cuts", [(), EGFR], ids=["by hospital", "common"])
def test_gated_rounds_give_what_the_same_rounds_give_here(scene, under_a_permit, cuts):
    model = CoxModel(FEATURES, "egfr", cuts=cuts)
    grid, training = under_a_permit("cox", model, model.combine(), FEATURES)
    tables = scene.consortium.tables
    here = Rehearsal(scene.bundle, scene.config, model.initial(), model.combine(), tables, smallest_cell=8)
    with closing(grid):
        for _ in range(3):
            training.round()
            here.round()
    assert np.abs(training.model["coefficients"]).max() > 0
    assert np.abs(training.model["coefficients"] - here.model["coefficients"]).max() < 1e-9
    assert len(training.updates) == 1, "one total"


def test_counts_by_group_come_from_one_gated_round(under_a_permit, scene, tools):
    model = CurveModel("egfr", EGFR, ("sex=female", "sex=male"), "merge")
    grid, training = under_a_permit("kaplan_meier", model, count, ())
    with closing(grid):
        training.round()
    expected = tools.count_cells(scene.consortium.tables, "cvd_event", model, smallest_cell=8)
    assert np.array_equal(training.model["leaving"], expected)


def test_cells_of_few_patients_are_refused_by_the_node_and_it_says_what_helps(under_a_permit):
    model = CurveModel("egfr", tuple(np.arange(3.0, 161.0)))
    grid, training = under_a_permit("kaplan_meier", model, count, ())
    with closing(grid), pytest.raises(RoundRefused) as refusal:
        training.round()
    assert all(each.reason is Reason.COHORT_TOO_SMALL for each in refusal.value.hospitals)
    assert all("coarser cut points" in each.remedy for each in refusal.value.hospitals)


@pytest.mark.parametrize(
    ("app", "model"),
    [
        ("cox", CoxModel(("age",), "week", firth=True)),
        ("cox", CoxModel(("age",), "week", cuts=(20.0, 52.0))),
        ("kaplan_meier", CurveModel("week", (20.0, 52.0))),
    ],
)
def test_the_code_runs_isolated(tools, app, model):
    study = tools.datasets["rossi"]()
    (table,) = tools.split(study.frame, np.zeros(len(study.frame)), ["age", "week", "arrest"])
    bundle = shipped_bundle(app)
    config = tools.config_of(model, model.sums(), getattr(model, "columns", ()), "arrest")
    task = Task(bundle, code_hash(bundle), config, model.initial(), 1, 1, 1, table, 50, 8)
    limits = Limits(
        wall_seconds=20.0, cpu_seconds=10, memory_bytes=1 << 30, home_bytes=8 << 20, open_files=32, threads=8
    )
    allowed = () if os.geteuid() == 0 else (Property.OTHER_USER,)
    try:
        runner = IsolatedRunner(limits, allow_weaker=allowed)
    except NotIsolated as error:
        pytest.skip(str(error))
    with closing(runner):
        outcome = runner.run(task)
    assert isinstance(outcome, Answer), outcome
