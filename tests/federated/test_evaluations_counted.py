"""How many evaluations a study has is counted by each hospital's node, whatever researcher and coordinator say."""

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.federated.privacy.scenes import STEPS
from tests.federated.test_kept_apart import amended

from belmont.federated.errors import FederatedError, Refusal, RoundRefused
from belmont.federated.evaluation.layout import (
    DEFAULT_EVALUATIONS,
    EVALUATIONS,
    HOLDOUT,
    evaluation_config,
    most_evaluations,
)
from belmont.federated.gate.ledger import EvaluationBound, Ledger
from belmont.federated.hashes import RunConfig
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, gradient_steps, initial_model
from belmont.federated.models.training import Training
from belmont.registry.reasons import Reason
from belmont.registry.types import AnswerMode, DatasetId, MicroRho, PermitId, UseKind

FEATURES = ("age", "hba1c")
OUTCOME = "antihypertensive"
DATASET = DatasetId(b"\1" * 32)


def config_of(evaluations: int | None = None, *, secure: bool = True, **choices: Any) -> RunConfig:
    evaluation = evaluation_config("risk", 0.35, evaluations=evaluations)
    return glm_config(FEATURES, OUTCOME, secure=secure, evaluation=evaluation, **choices)


@pytest.fixture
def glm(scene):
    scene.bundle, scene.config = shipped_bundle("glm"), config_of()
    scene.model = initial_model(FEATURES)
    return scene


def training_of(scene, permit, config=None) -> Training:
    """A researcher's client that counts nothing."""
    arguments = {"config": config or scene.config, "model": scene.model, "combine": lambda model, updates: model}
    return Training(scene.by_researcher, scene.grid(), permit, participants=scene.participants, **arguments)


def restart(scene) -> None:
    """Every node ends, and a new process of it opens the same ledger."""
    for i, node in enumerate(scene.nodes):
        node.close()
        scene.nodes[i] = scene.new_node(i)


def assert_exhausted(scene, permit, config=None) -> None:
    """All nodes refuse an evaluation, after a restart too; none looks at a row, and none records anything."""
    for _ in range(2):
        restart(scene)
        entries = [node.ledger.entries() for node in scene.nodes]
        with pytest.raises(RoundRefused) as caught:
            training_of(scene, permit, config).evaluate()
        assert [each.reason for each in caught.value.hospitals] == [Reason.EVALUATIONS_EXHAUSTED] * 4
        assert not any(scene.looks)
        assert [node.ledger.entries() for node in scene.nodes] == entries


@pytest.mark.parametrize("secure", [True, False])
def test_without_a_number_a_study_has_a_few_evaluations_and_a_node_that_was_restarted_still_counts_them(glm, secure):
    glm.config = config_of(secure=secure)
    permit = glm.issue()
    training_of(glm, permit).round()
    for _ in range(DEFAULT_EVALUATIONS):
        training_of(glm, permit).evaluate()
        restart(glm)
    assert_exhausted(glm, permit)
    training_of(glm, permit).round()


@pytest.mark.parametrize("evaluations", [1, DEFAULT_EVALUATIONS + 1])
def test_the_approved_number_counts_where_there_is_one(glm, evaluations):
    glm.config = config_of(evaluations)
    permit = glm.issue()
    for _ in range(evaluations):
        training_of(glm, permit).evaluate()
    assert_exhausted(glm, permit)


def test_a_number_that_nobody_approved_admits_nothing_and_counts_nothing(glm):
    permit = glm.issue()
    with pytest.raises(RoundRefused) as caught:
        training_of(glm, permit, config_of(1_000)).evaluate()
    assert set(caught.value.reasons) == {Reason.CONFIG_MISMATCH}
    for _ in range(DEFAULT_EVALUATIONS):
        training_of(glm, permit).evaluate()
    with pytest.raises(RoundRefused) as caught:
        training_of(glm, permit, config_of(1_000)).evaluate()
    assert set(caught.value.reasons) == {Reason.CONFIG_MISMATCH}
    assert_exhausted(glm, permit)


def test_an_amendment_goes_on_counting_and_has_as_many_more_as_its_own_number_says(glm):
    permit = glm.issue()
    for _ in range(DEFAULT_EVALUATIONS):
        training_of(glm, permit).evaluate()
    other = glm.config | {"release": "another rule"}
    second = amended(glm, permit, other)
    assert_exhausted(glm, second, other)
    more = config_of(DEFAULT_EVALUATIONS + 1)
    third = amended(glm, second, more)
    training_of(glm, third, more).evaluate()
    assert_exhausted(glm, third, more)
    fewer = config_of(1)
    assert_exhausted(glm, amended(glm, third, fewer), fewer)


def test_another_permit_has_evaluations_of_its_own_on_a_split_of_its_own(glm):
    glm.config = config_of(1)
    for _ in range(2):
        permit = glm.issue()
        training_of(glm, permit).evaluate()
    assert_exhausted(glm, permit)


FAILING = """
from flwr.app import ArrayRecord, Message, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.evaluate()
def evaluate(message, context):
    raise ValueError("after it saw the rows")
"""


def test_an_evaluation_that_failed_is_used_like_a_round(glm, app_builder):
    glm.bundle, glm.config = app_builder(FAILING, "failing"), config_of(1, secure=False)
    permit = glm.issue()
    with pytest.raises(RoundRefused, match="code failed"):
        training_of(glm, permit).evaluate()
    assert_exhausted(glm, permit)


def test_where_a_ledger_does_not_say_what_a_round_was_it_counts_as_an_evaluation(glm):
    """A release before this one kept no kind of a round whose sum was not secure."""
    glm.config = config_of(secure=False)
    permit = glm.issue(rounds=20)
    for _ in range(DEFAULT_EVALUATIONS):
        training_of(glm, permit).round()
    for i in range(4):
        with sqlite3.connect(glm.folder / f"ledger-{i}.sqlite") as database:
            database.execute("DELETE FROM masked")
    assert_exhausted(glm, permit)
    newer = config_of(DEFAULT_EVALUATIONS + 1, secure=False)
    second = amended(glm, permit, newer)
    training_of(glm, second, newer).evaluate()
    assert_exhausted(glm, second, newer)


def test_a_ledger_that_was_lost_or_is_a_backup_counts_what_the_chain_has_of_this_hospital(glm):
    glm.config = config_of(2)
    permit = glm.issue()
    training_of(glm, permit).round()
    training_of(glm, permit).evaluate()
    for i, node in enumerate(glm.nodes):
        node.close()
        for each in glm.folder.glob(f"ledger-{i}.sqlite*"):
            each.unlink()
        glm.nodes[i] = glm.new_node(i)
    assert_exhausted(glm, permit)
    newer = config_of(3)
    second = amended(glm, permit, newer)
    training_of(glm, second, newer).evaluate()
    assert_exhausted(glm, second, newer)


def test_with_noise_the_budget_is_the_bound_and_a_number_is_one_more(glm):
    glm.model = initial_model(FEATURES, private=STEPS)
    terms = {"rho_per_dataset": MicroRho(10_000_000), "answer_mode": AnswerMode.PRIVATE}
    for evaluations, count in ((None, DEFAULT_EVALUATIONS + 1), (1, 1)):
        glm.config = config_of(evaluations, private=STEPS)
        permit = glm.issue(**terms)
        training = training_of(glm, permit)
        training._combine = gradient_steps(STEPS)
        training.round()
        for _ in range(count):
            training.evaluate()
    assert_exhausted(glm, permit)


@pytest.mark.parametrize("wrong", [0, -1, 1.0, True, "3"])
def test_a_number_that_is_no_number_is_refused_before_anything_is_computed(glm, wrong):
    glm.config = config_of() | {EVALUATIONS: wrong}
    permit = glm.issue()
    for ask in (Training.round, Training.evaluate):
        with pytest.raises(FederatedError, match="evaluations is a whole number"):
            ask(training_of(glm, permit))
    assert not glm.nodes[0].ledger.entries()
    for noisy in (False, True):
        with pytest.raises(FederatedError, match="whole number"):
            most_evaluations(glm.config, noisy=noisy)
    with pytest.raises(FederatedError, match="whole number"):
        evaluation_config("risk", 0.25, evaluations=wrong)
    with pytest.raises(FederatedError, match="give a holdout"):
        evaluation_config("risk", 0.0, evaluations=3)
    assert HOLDOUT in config_of()


# --- the ledger alone ---


def admit(ledger: Ledger, n: int, most: int | None = 2, *, kind: Any = "evaluate", permits: Any = (1,), **use: Any):
    """Round ``n`` of the first of ``permits``, which are a line."""
    recorded = tuple((PermitId(permit), each) for permit, each in use.pop("recorded", ()))
    bound = None if most is None else EvaluationBound(tuple(map(PermitId, permits)), recorded, most)
    given = {"message_id": f"{permits[0]} {n}", "asked": b"\4" * 32} | use
    subject = b"\2" * 32
    return ledger.admit(
        PermitId(permits[0]), UseKind.ROUND, n, given["message_id"], subject, 5, 100.0, given["asked"], kind, bound
    )


def refused(*arguments: Any, **choices: Any) -> bool:
    try:
        assert admit(*arguments, **choices)
    except Refusal as refusal:
        assert refusal.reason is Reason.EVALUATIONS_EXHAUSTED
        return True
    return False


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger", "consortium", DATASET)
    yield made
    made.close()


def test_training_is_not_counted_nor_what_is_not_bounded_and_what_was_not_bounded_is(ledger):
    assert all(admit(ledger, n, kind="train") for n in range(1, 5))
    assert not refused(ledger, 5, None) and not refused(ledger, 6)
    assert refused(ledger, 7)
    assert admit(ledger, 7, kind="train")


def test_a_line_is_counted_together_and_others_are_not(ledger):
    assert not refused(ledger, 1) and not refused(ledger, 1, permits=(2,))
    assert not refused(ledger, 2, permits=(3, 1)), "two of the line of permit 1"
    assert refused(ledger, 3, permits=(4, 3, 1)) and not refused(ledger, 3, permits=(2,))


def test_what_the_chain_has_counts_once_and_not_where_the_ledger_knows_that_it_was_training(ledger):
    assert admit(ledger, 1, kind="train") and not refused(ledger, 2)
    assert not refused(ledger, 3, recorded=[(1, 1), (1, 2)]), "one trained, and one is here"
    assert refused(ledger, 4, 4, recorded=[(1, 1), (1, 2), (3, 5), (3, 6)], permits=(1, 3))
    assert not refused(ledger, 4, 4, recorded=[(1, 4), (3, 5)], permits=(1, 3)), "itself does not count"


def test_an_evaluation_that_is_taken_up_again_is_one_and_stays_an_evaluation(ledger, tmp_path):
    """The hash of a request does not say which of both it was."""
    assert admit(ledger, 1, 1) and admit(ledger, 2, kind="train")
    other = Ledger(tmp_path / "ledger", "consortium", DATASET)
    assert not admit(other, 1, kind="train"), "it would not be counted any more"
    assert not admit(other, 2), "it was admitted as training"
    assert admit(other, 1, 1), "the same once more"
    assert refused(other, 3, 1)
    other.close()


def test_a_use_that_is_refused_leaves_no_kind_behind(ledger):
    assert admit(ledger, 1, message_id="m") and not admit(ledger, 2, message_id="m")
    assert refused(ledger, 3, 1)
    assert len(ledger.entries()) == 1
    assert admit(ledger, 2, kind="train") and admit(ledger, 3, kind="train")


def test_nodes_on_one_ledger_admit_no_more_together(tmp_path):
    handles = [Ledger(tmp_path / "ledger", "consortium", DATASET) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda n: refused(handles[n % 2], n, 3), range(1, 13)))
    assert outcomes.count(False) == 3
    for handle in handles:
        handle.close()


KILLED = """
import sys
from pathlib import Path
from belmont.federated.gate.ledger import EvaluationBound, Ledger
from belmont.registry.types import DatasetId, PermitId, UseKind
ledger = Ledger(Path(sys.argv[1]), "consortium", DatasetId(b"\\1" * 32))
bound = EvaluationBound((PermitId(1),), (), 2)
for n in (1, 2):
    ledger.admit(PermitId(1), UseKind.ROUND, n, f"1 {n}", b"\\2" * 32, n, 0.0, b"\\4" * 32, "evaluate", bound)
print("admitted", flush=True)
sys.stdin.read()
"""


def test_a_node_that_was_killed_has_not_forgotten(tmp_path):
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "ledger")]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"admitted\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    ledger = Ledger(tmp_path / "ledger", "consortium", DATASET)
    assert refused(ledger, 3)
    assert not refused(ledger, 2), "the same, which nothing was prepared of"
    ledger.close()
