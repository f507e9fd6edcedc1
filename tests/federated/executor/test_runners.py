"""What every runner does alike, in this process or in one of its own."""

import logging
import threading

import numpy as np
import pytest

from belmont.federated.evaluation.layout import evaluation_config
from belmont.federated.executor.protocol import Answer, Failed, Task, TooSmall
from belmont.federated.hashes import code_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, initial_model

from .conftest import ROWS, HospitalTable


def test_the_code_gets_model_configuration_and_numbers_and_answers_arrays_and_metrics(runner, study):
    config = {"text": "ä ö", "number": 3, "half": 0.1, "yes": True}
    task = study(
        """
        assert dict(config) == {"text": "ä ö", "number": 3, "half": 0.1, "yes": True}
        assert type(config["yes"]) is bool and type(config["number"]) is int
        assert (context.run_id, context.node_id, message.metadata.group_id) == (7, 9, "2")
        w = message.content["arrays"]["w"].numpy()
        return answer(message, {"w": 2 * w, "small": w.astype(np.float32)[:0]}, count=3, loss=0.1)
        """,
        config,
    )
    outcome = runner.run(task)
    assert isinstance(outcome, Answer), outcome
    assert list(outcome.arrays) == ["w", "small"]
    assert np.array_equal(outcome.arrays["w"], [0.0, 2.0, 4.0]) and outcome.arrays["small"].dtype == np.float32
    assert outcome.metrics == {"count": 3, "loss": 0.1} and type(outcome.metrics["count"]) is int


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 4), (2, 0, 5), (1, 1, 1, 1, 1, 1, 1, 2)])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_arrays_of_every_allowed_shape_and_kind_go_in_and_come_out_unchanged(runner, study, shape, kind):
    array = np.arange(np.prod(shape, dtype=int), dtype=kind).reshape(shape)
    task = study(
        "return Message(RecordDict({'arrays': message.content['arrays'], 'metrics': MetricRecord()}), "
        "reply_to=message)",
        arrays={"ä": array, "z": np.ones(2)},
    )
    outcome = runner.run(task)
    assert isinstance(outcome, Answer), outcome
    expected = np.ascontiguousarray(array)  # as Flower's own arrays: at least one dimension
    assert outcome.arrays["ä"].dtype == array.dtype and np.array_equal(outcome.arrays["ä"], expected)
    assert outcome.arrays["ä"].shape == expected.shape


def test_the_code_gets_the_rows_that_the_permit_covers(runner, study):
    task = study("""
        data = training_data(context, ["age", "ldl"], "event", ["ldl"])
        return answer(message, {"design": data.design, "outcome": data.outcome})
    """)
    outcome = runner.run(task)
    assert isinstance(outcome, Answer), outcome
    age = (task.table.values("age") - 50) / 10
    assert np.array_equal(outcome.arrays["design"][:, 1], age)
    assert outcome.arrays["design"].shape == (120, 4) and outcome.arrays["design"][:, 3].sum() == 12
    assert np.array_equal(outcome.arrays["outcome"], task.table.values("event"))


def test_the_shipped_study_computes_the_same_everywhere(runner, in_process, study):
    bundle, features = shipped_bundle("glm"), ["age", "ldl"]
    task = study("pass", glm_config(features, "event"), arrays=initial_model(features), table=study("pass").table)
    task = type(task)(**(vars(task) | {"bundle": bundle, "code_hash": code_hash(bundle)}))
    mine, other = runner.run(task), in_process.run(task)
    assert isinstance(mine, Answer) and isinstance(other, Answer)
    assert np.allclose(mine.arrays["hessian"], other.arrays["hessian"], rtol=1e-12)
    assert mine.metrics["num-examples"] == other.metrics["num-examples"] == 120


def test_a_bundle_that_is_not_the_one_that_was_approved_is_not_loaded(runner, study, tmp_path):
    task = study("raise SystemExit")
    other = type(task)(**(vars(task) | {"code_hash": bytes(32)}))
    assert isinstance(runner.run(other), Failed)


def test_too_few_rows_are_told_as_such_whatever_the_code_answers_then(runner, study):
    task = study(
        """
        with contextlib.suppress(Exception):
            training_data(context, ["age"], "event")
        return answer(message, got=1)
        """,
        min_cohort=121,
    )
    assert runner.run(task) == TooSmall()


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError('patient 17 has it')",
        "raise SystemExit(0)",
        "raise KeyboardInterrupt",
        "return None",
        "return answer(message, a=float('nan'))",
        "return answer(message, {'w': np.array([np.inf])})",
        "return answer(message, {'w': np.arange(3)})",
        "return answer(message, {'w' * 300: np.ones(1)})",
        "return Message(RecordDict({'arrays': ArrayRecord()}), reply_to=message)",
        "class Mine(BaseException): pass\nraise Mine('patient 17')",
        "def deep(): return deep()\ndeep()",
    ],
)
def test_whatever_else_the_code_does_is_a_failure_and_nothing_of_what_it_said_is_told(runner, study, body, caplog):
    with caplog.at_level(logging.DEBUG):
        outcome = runner.run(study(body))
    assert isinstance(outcome, Failed)
    assert "patient" not in outcome.place and "Mine" not in outcome.place and "patient" not in caplog.text


def test_a_failure_tells_the_kind_and_the_line(runner, study):
    outcome = runner.run(study("x = 1\nraise KeyError('patient 17')"))
    assert isinstance(outcome, Failed) and outcome.place.startswith("KeyError < <bundle>/traced/client_app.py:")


def test_tasks_run_side_by_side_and_each_gets_its_own(runner, study):
    task = study("""
        time.sleep(0.05)
        return answer(message, {"w": message.content["arrays"]["w"].numpy() + 1}, n=int(message.metadata.group_id))
    """)
    outcomes = {}

    def run(n):
        own = type(task)(**(vars(task) | {"n": n, "arrays": {"w": np.full(1_000, float(n))}}))
        outcomes[n] = runner.run(own)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, outcome in outcomes.items():
        assert isinstance(outcome, Answer), outcome
        assert outcome.metrics == {"n": n} and (outcome.arrays["w"] == n + 1).all()
    assert len(outcomes) == 8


def test_a_table_without_rows_and_one_without_columns_pass(runner, study):
    class Empty(type(study("pass").table)):
        columns = ()

    task = study("return answer(message, got=1)")
    for table in (Empty(3), type(task.table)(0)):
        assert isinstance(runner.run(type(task)(**(vars(task) | {"table": table}))), Answer)


def test_what_noise_is_added_to_may_be_not_finite_and_comes_without_metrics(runner, study):
    """A round that fails because of one patient's number, or a metric that leaves, would tell of that patient."""
    body = """
    arrays = {"w": Array(np.array([1.0, np.nan, -np.inf]))}
    metrics = MetricRecord({"loss": float("nan"), "patient-4711": 1.0})
    return Message(RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics}), reply_to=message)
    """
    outcome = runner.run(study(body, noisy=True))
    assert isinstance(outcome, Answer) and outcome.metrics == {}
    np.testing.assert_array_equal(outcome.arrays["w"], [1.0, np.nan, -np.inf])
    assert isinstance(runner.run(study(body)), Failed)


def test_an_evaluation_writes_this_hospitals_results_at_the_place_that_the_node_says(runner):
    config = {
        "family": "binomial",
        "features": "age",
        "missing-indicators": "",
        "outcome": "event",
        **evaluation_config("risk", 0.5, ("ldl:1,2",), report_hospitals=True),
    }
    bundle, table = shipped_bundle("glm"), HospitalTable(ROWS)
    fractions, model = np.arange(ROWS) % 2 / 2, {"coefficients": np.array([0.0, 0.1])}
    safeguards = {"min_cohort": 10, "smallest_cell": 5, "fractions": fractions, "kind": "evaluate", "position": 2}
    outcome = runner.run(Task(bundle, code_hash(bundle), config, model, 7, 1, 9, table, **safeguards))
    assert isinstance(outcome, Answer)
    counts, hospitals = outcome.arrays["counts"], outcome.arrays["hospitals"]
    assert counts[0].sum() == counts[1].sum() == ROWS / 2 and not ((counts > 0) & (counts < 5)).any()
    assert hospitals[2, 0] == 1 and not np.delete(hospitals, 2, axis=0).any()
