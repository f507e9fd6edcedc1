"""A hospital's node that runs studies' code in a process of its own, from the message to the chain."""

import logging

import numpy as np
import pytest

from belmont.federated.errors import NodeFault, NotIsolated, RoundRefused
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.hashes import code_hash, config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, initial_model, newton
from belmont.federated.models.training import Training
from belmont.registry.reasons import Reason

from .conftest import ALLOWED, LIMITS

FEATURES = ("age", "hba1c", "systolic")


@pytest.fixture
def apart(scene):
    """Gives hospital 0 a node with a runner of its own."""
    runners = []

    def build(**limits):
        try:
            runners.append(IsolatedRunner(type(LIMITS)(**(vars(LIMITS) | limits)), allow_weaker=ALLOWED))
        except NotIsolated as error:
            pytest.skip(str(error))
        scene.nodes[0].close()
        scene.nodes[0] = scene.new_node(0, runner=runners[-1])
        return runners[-1]

    yield build
    for runner in runners:
        runner.close()


def trained(scene, bundle, config, model, rounds=1, **terms):
    permit = scene.issue(code_hash=code_hash(bundle), config_hash=config_hash(config), **terms)
    training = Training(
        scene.by_researcher,
        scene.grid(bundle),
        permit,
        config=config,
        model=model,
        combine=newton(),
        participants=scene.participants,
    )
    return list(training.rounds(rounds))


def test_rounds_with_one_hospital_apart_give_the_model_that_they_give_without(scene, apart):
    bundle, config, model = shipped_bundle("glm"), glm_config(FEATURES, "cvd_event"), initial_model(FEATURES)
    before = trained(scene, bundle, config, model, 3)
    apart()
    after = trained(scene, bundle, config, model, 3)
    assert np.allclose(before[-1].model["coefficients"], after[-1].model["coefficients"], rtol=1e-9)
    assert before[-1].rows == after[-1].rows


def failure(scene, app_builder, body, caplog):
    bundle = app_builder(
        "import os, time\nfrom flwr.clientapp import ClientApp\napp = ClientApp()\n@app.train()\n"
        f"def train(message, context):\n    {body}\n"
    )
    with caplog.at_level(logging.ERROR), pytest.raises(RoundRefused) as refused:
        trained(scene, bundle, {}, {"w": np.zeros(2)})
    first = refused.value.hospitals[0]
    assert first.status == "failed" and first.reason is None
    assert scene.consortium.datasets[0] not in {use.dataset_id for use in scene.registry.uses()}
    assert scene.nodes[0].ledger.entries()[-1].released_at is None, "the round is consumed"
    return first.detail


def test_code_that_takes_too_long_is_stopped_and_the_researcher_reads_a_fixed_sentence(
    scene, apart, app_builder, caplog
):
    apart(wall_seconds=1.5)
    detail = failure(scene, app_builder, "time.sleep(600 if os.getpid() == 1 else 0)", caplog)
    assert detail == "the study's code was stopped at a limit of the hospital's; its log says which"
    assert "its time is over" in caplog.text


def test_code_that_ends_its_process_fails_alone_and_the_node_lives_on(scene, apart, app_builder, caplog):
    apart()
    detail = failure(scene, app_builder, "os._exit(7) if os.getpid() == 1 else None", caplog)
    assert detail == "the study's code failed; the hospital's log says where"
    assert "exit status 7" in caplog.text


def test_too_few_rows_are_refused_as_ever(scene, apart):
    apart()
    bundle, config, model = shipped_bundle("glm"), glm_config(FEATURES, "cvd_event"), initial_model(FEATURES)
    rows = int(scene.consortium.tables[0].observed("hba1c").sum())
    with pytest.raises(RoundRefused) as refused:
        trained(scene, bundle, config, model, min_cohort=rows + 1)
    assert refused.value.hospitals[0].reason is Reason.COHORT_TOO_SMALL


def test_a_node_whose_machine_no_longer_isolates_computes_nothing(scene, apart, monkeypatch, caplog):
    runner = apart()
    runner._warm.close()

    def refuse(*_):
        raise NotIsolated("this machine does not hold a study's code back: network")

    monkeypatch.setattr(runner, "_start", refuse)
    bundle, config, model = shipped_bundle("glm"), glm_config(FEATURES, "cvd_event"), initial_model(FEATURES)
    with pytest.raises(RoundRefused) as refused:
        trained(scene, bundle, config, model)
    assert refused.value.hospitals[0].status == "failed"
    assert "network" in refused.value.hospitals[0].detail
    assert [each.answered for each in refused.value.hospitals] == [False, True, True, True]


def test_closing_the_node_ends_its_runner(scene, apart):
    runner = apart()
    scene.nodes[0].close()
    assert not runner._warm.alive
    with pytest.raises(NodeFault):
        runner._living()
