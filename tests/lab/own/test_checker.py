"""Each thing that a node would refuse, or that a board should know, is found; and the template passes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.lab.own.conftest import FEATURES, OUTCOME, Written

from belmont.federated.executor.protocol import Answer
from belmont.federated.models.rehearsal import Rehearsal
from belmont.lab.errors import LabError
from belmont.lab.models import LogisticRegression, OwnModel
from belmont.lab.own import run_checks
from belmont.lab.own.answers import outside
from belmont.lab.own.check import check
from belmont.lab.own.findings import CANNOT_SHOW, Finding, Level
from belmont.lab.own.hospitals import repeated
from belmont.lab.own.subject import Subject
from belmont.lab.own.watched import WatchedRunner

ANSWER = '    return _reply(message, {"weights": weights}, {"num-examples": len(y), "loss": loss})\n'
Made = Callable[[OwnModel], Subject]


def said(findings: list[Finding]) -> str:
    return " | ".join(f"{each.level}: {each.what}" for each in findings)


def answering(arrays: str, metrics: str = '{"num-examples": len(y), "loss": loss}') -> str:
    return f"    return _reply(message, {arrays}, {metrics})\n"


@pytest.mark.parametrize(
    "choices", [{}, {"holdout": 0.3}, {"secure": False}, {"largest": 1_000.0}, {"noise": True}], ids=str
)
def test_the_template_passes_in_every_form_that_it_can_be_applied_with(written: Written, choices: Any) -> None:
    is_noisy = choices.pop("noise", False)
    model = written.model(**choices)
    result = check(model.with_noise(epsilon=5, rounds=5) if is_noisy else model)
    assert result.passed and result.findings == (), result.frame().to_string()
    assert result.code_hash == model.code_hash
    assert "a hospital's isolated process" in result.tried


def test_a_shipped_model_can_be_checked_too() -> None:
    result = check(LogisticRegression(("age", "hba1c"), OUTCOME, ridge=1e-3), isolated=False)
    assert not result.of(Level.UNSAFE) and not any("does not fit" in each.what for each in result.findings)


FORMS = [
    (ANSWER, "    return 7\n", "exactly arrays and metrics"),
    (ANSWER, answering('{"weights": weights, "more": weights}'), "does not fit the secure sum"),
    (ANSWER, answering('{"w": weights}'), "names or shapes"),
    (ANSWER, answering('{"weights": weights[:2]}'), "weights [2]"),
    (ANSWER, answering('{"weights": weights.astype(int)}'), "float64"),
    (ANSWER, answering('{"weights": weights * np.nan}'), "finite"),
    (ANSWER, answering('{"weights": weights}', '{"loss": loss}'), "num-examples"),
    (ANSWER, answering('{"weights": weights}', '{"num-examples": len(y)}'), "other metrics"),
    (ANSWER, answering('{"weights": weights}', '{"num-examples": len(y), "loss": loss, "age": 1.0}'), "other metrics"),
    (ANSWER, answering('{"weights": weights * 1e12}'), "too large to be summed"),
    ("@app.train()\n", "@app.query()\n", "train"),
    ('config["outcome"]', 'config["target"]', "KeyError"),
    ("from my_model.model import predictions\n", "from my_model.modell import predictions\n", "modell"),
    ("app = ClientApp()\n", "app = object()\nclass C:\n  train = evaluate = lambda s: lambda f: f\n", "no attribute"),
]


@pytest.mark.parametrize(("old", "new", "what"), FORMS, ids=[each[2] for each in FORMS])
def test_an_answer_of_another_form_is_refused_with_a_remedy(
    written: Written, subject: Made, old: str, new: str, what: str
) -> None:
    assert run_checks.form(subject(written.model())) == []
    findings = run_checks.form(subject(written.edit(old, new).model()))
    assert what in said(findings), said(findings)
    assert findings[0].level is Level.REFUSED and findings[0].remedy and findings[0].rule and findings[0].where


def test_an_answer_above_its_bound_is_refused(written: Written, subject: Made) -> None:
    assert run_checks.form(subject(written.model(largest=500.0))) == []
    findings = run_checks.form(subject(written.model(largest=50.0)))
    assert "above the bound of 50" in said(findings)


def test_without_secure_sums_a_missing_number_of_rows_is_found(written: Written, subject: Made) -> None:
    written.edit(ANSWER, answering('{"weights": weights}', '{"loss": loss}'))
    assert "num-examples" in said(run_checks.form(subject(written.model(secure=False))))


def test_updates_that_become_no_model_are_found(written: Written, subject: Made) -> None:
    written.edit(ANSWER, answering('{"step": weights}'))
    made = subject(written.model(answers={"step": (4,)}))
    assert run_checks.form(made) == []
    assert "a round does not become a model" in said(run_checks.rounds(made, 1))


def test_a_model_that_is_not_finite_after_some_rounds_is_found(written: Written, subject: Made) -> None:
    model = written.model(combination=lambda model, updates: {"weights": model["weights"] + np.inf})
    assert "is not finite" in said(run_checks.rounds(subject(model), 1))


OUTSIDE = [
    ("open('/etc/passwd').read()", "reads a file that is not there"),
    ("import os\nos.listdir('/root')", "reads a file that is not there"),
    ("open('/srv/out.txt', 'w').write('rows')", "writes where a hospital does not let it"),
    ("open('mine.txt', 'w').write('rows')", "writes to its own home"),
    ("import os\nos.environ.get('BELMONT_KEY')", "reads the environment: BELMONT_KEY"),
    ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "uses a network"),
    ("import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')", "uses a network"),
    ("import subprocess\nsubprocess.run(['ls'])", "starts a program"),
    ("import os\nos.system('ls')", "starts a program"),
    ("import os\nos.fork()", "starts a program"),
    ("import sys\nsys._getframe(1)", "reaches into the interpreter"),
    ("import threading\nt = threading.Thread(target=lambda: open('/etc/passwd'))\nt.start()\nt.join()", "reads a file"),
]


@pytest.mark.parametrize(("code", "what"), OUTSIDE, ids=[each[0].split("\n")[-1][:30] for each in OUTSIDE])
def test_what_a_hospital_does_not_have_is_named_by_the_line_that_asks_for_it(
    written: Written, subject: Made, runner: WatchedRunner, code: str, what: str
) -> None:
    begin = len(runner.trials)
    run_checks.form(subject(written.before_training(code).model()))
    found = outside(runner.trials[begin:])
    assert what in said(found), said(found)
    assert all(each.where.startswith("my_model/client_app.py:") for each in found)


def test_importing_a_library_in_the_midst_of_a_round_is_no_finding(
    written: Written, subject: Made, runner: WatchedRunner
) -> None:
    begin = len(runner.trials)
    assert run_checks.form(subject(written.before_training("import csv, statistics, numpy.fft").model())) == []
    assert outside(runner.trials[begin:]) == []


STOPPED = [
    ("while True: pass", "stopped at a limit"),
    ("hold = np.ones(10**9)", "MemoryError"),
    ("import os\nos._exit(0)", "ended without an answer"),
    ("raise SystemExit", "SystemExit"),
    ("import os\nos.kill(os.getpid(), 11)", "signal"),
]


@pytest.mark.parametrize(("code", "what"), STOPPED, ids=[each[1] for each in STOPPED])
def test_code_that_takes_too_much_or_ends_its_process_is_found_and_the_check_goes_on(
    written: Written, subject: Made, code: str, what: str
) -> None:
    before = written.app.read_text()
    assert what in said(run_checks.form(subject(written.before_training(code).model())))
    written.app.write_text(before)
    assert run_checks.form(subject(written.model())) == []


DIFFERING = [
    ("x = x + np.random.rand(*x.shape)", "two runs on the same rows"),
    ("import time\nx = x * (time.perf_counter_ns() % 1000)", "two runs on the same rows"),
    ("x = x * len(next(iter({'a', 'bcd', 'efghij'})))", "how Python hashes text"),
    ("x = x * (context.node_id % 7 + 1)", "the number of the node"),
]


@pytest.mark.parametrize(("code", "what"), DIFFERING, ids=[each[1] for each in DIFFERING])
def test_an_answer_that_differs_between_two_runs_is_found(
    written: Written, subject: Made, other_runner: WatchedRunner, code: str, what: str
) -> None:
    assert run_checks.repeatable(subject(written.model()), other_runner) == []
    assert what in said(run_checks.repeatable(subject(written.before_training(code).model()), other_runner))


def test_chance_that_is_seeded_by_the_round_is_no_finding(
    written: Written, subject: Made, other_runner: WatchedRunner
) -> None:
    written.before_training("x = x + np.random.default_rng(int(message.metadata.group_id)).normal(size=x.shape)")
    assert run_checks.repeatable(subject(written.model()), other_runner) == []


def test_rows_that_are_written_into_the_answer_leave_in_an_open_round_and_are_found(
    written: Written, subject: Made, hospitals: list[Any]
) -> None:
    written.edit(ANSWER, answering('{"weights": weights, "rows": x}'))
    model = written.model(secure=False, initial_arrays={"weights": np.zeros(4)}, combination=lambda model, _: model)
    rehearsal = Rehearsal(model.bundle, model.config, model.initial(), model.combine(), hospitals)
    rehearsal.round()
    assert rehearsal.updates[0].arrays["rows"].shape[1] == 4, "the attack works: every row of a hospital is there"
    findings = run_checks.from_rows(subject(model))
    assert "grows with the number of rows" in said(findings)
    secure = run_checks.form(subject(written.model()))
    assert "does not fit the secure sum" in said(secure), "a secure sum has no place for them"


COPIES = [
    "weights = weights.copy(); weights[:2] = x[7, 1:3]",
    "weights = weights.copy(); weights[0] = x[:, 1].max()",
    "weights = weights.copy(); weights[3] = np.sort(x[:, 2])[5]",
]


@pytest.mark.parametrize("code", COPIES)
def test_one_patients_value_in_an_array_of_the_right_shape_is_found(written: Written, subject: Made, code: str) -> None:
    assert run_checks.from_rows(subject(written.model())) == []
    written.edit(ANSWER, f"    {code}\n{ANSWER}")
    assert "single patients' values" in said(run_checks.from_rows(subject(written.model())))


def test_an_update_that_no_row_moves_is_found(written: Written, subject: Made) -> None:
    written.edit(ANSWER, answering('{"weights": model["weights"] + 1.0}', '{"num-examples": len(y), "loss": 0.5}'))
    assert "does not depend on the rows" in said(run_checks.from_rows(subject(written.model())))


def test_code_that_goes_around_the_rule_for_few_rows_is_found(written: Written, subject: Made) -> None:
    assert run_checks.too_few(subject(written.model())) == []
    written.before_training("")
    written.edit(
        "    data = training_data(",
        "    from belmont.federated.node import data as ours\n"
        "    from belmont.federated.node.design import design\n"
        '    table = ours._offers[context.node_config["belmont-data"]].table\n'
        "    data = design(table, features, str(config['outcome']), missing)\n"
        "    if False: training_data(",
    )
    findings = run_checks.too_few(subject(written.model()))
    assert "it answers from" in said(findings) and findings[0].level is Level.UNSAFE


ODD = [
    ("assert len(set(y)) == 2", "one class only"),
    ("assert len(y) > 10", "10 rows"),
    ("assert len(y) > 1", "one row"),
    ("x = x / x[:, 1:].std(axis=0).min()", "every column is constant"),
    ("assert x[:, 3].any()", "nobody has smoking=current"),
]


@pytest.mark.parametrize(("code", "where"), ODD, ids=[each[1] for each in ODD])
def test_a_hospital_that_the_code_does_not_live_with_is_named(
    written: Written, subject: Made, code: str, where: str
) -> None:
    findings = run_checks.anybody(subject(written.before_training(code).model()))
    assert where in " | ".join(each.where for each in findings), findings


def test_a_hospital_that_the_permit_keeps_away_is_only_noted(written: Written, subject: Made) -> None:
    made = subject(written.before_training("assert len(y) > 10").model())
    assert {each.level for each in run_checks.anybody(made)} == {Level.NOTE}
    made.min_cohort = 5
    assert Level.REFUSED in {each.level for each in run_checks.anybody(made)}


def test_the_template_lives_with_every_hospital(written: Written, subject: Made) -> None:
    assert run_checks.anybody(subject(written.model())) == []


BY_ROW = [
    "x = x - x.mean(axis=0)",
    "x = x * (1.0 + (x[:, 1].max() > 1.5) * x[0, 1])",
    "x = x / np.sqrt(len(x))",
]


@pytest.mark.parametrize("code", BY_ROW)
def test_with_noise_a_row_that_depends_on_another_is_found(written: Written, subject: Made, code: str) -> None:
    def noisy() -> OwnModel:
        return written.model().with_noise(epsilon=5, rounds=5)

    assert run_checks.by_row(subject(noisy())) == []
    written.before_training(code)
    assert run_checks.form(subject(noisy())) == [], "a node cannot see it"
    assert "when another row does" in said(run_checks.by_row(subject(noisy())))


def test_with_noise_more_contributions_than_rows_are_refused(written: Written, subject: Made) -> None:
    written.edit('{"weights": x * (risk - y)[:, None]}', '{"weights": np.tile(x * (risk - y)[:, None], (3, 1))}')
    model = written.model().with_noise(epsilon=5, rounds=5)
    assert "more contributions than rows" in said(run_checks.form(subject(model)))


def test_training_on_patients_who_are_kept_apart_is_found(written: Written, subject: Made) -> None:
    assert run_checks.kept_apart(subject(written.model(holdout=0.3))) == []
    written.edit("keep=(holdout, 1.0)", "keep=(0.0, 1.0)")
    assert "kept apart" in said(run_checks.kept_apart(subject(written.model(holdout=0.3))))


def test_an_app_without_an_evaluation_is_found_where_one_is_asked_for(written: Written, subject: Made) -> None:
    written.edit("@app.evaluate()\n", "")
    assert run_checks.kept_apart(subject(written.model())) == []
    findings = run_checks.kept_apart(subject(written.model(holdout=0.3)))
    assert findings and findings[0].level is Level.REFUSED and findings[0].where == "evaluation"


def test_an_evaluation_that_adds_up_by_itself_and_shows_single_patients_is_found(
    written: Written, subject: Made
) -> None:
    alone = (
        "reply = evaluated(message, context, lambda x: predictions(x, model), references=model.get('references'))\n"
        "    reply.content['arrays']['counts'] = Array(np.minimum(reply.content['arrays']['counts'].numpy(), 1.0))\n"
        "    return reply"
    )
    written.edit(
        'return evaluated(message, context, lambda x: predictions(x, model), references=model.get("references"))', alone
    )
    findings = run_checks.kept_apart(subject(written.model(holdout=0.3)))
    assert "too few patients" in said(findings) and findings[0].level is Level.REFUSED


def test_the_isolated_process_of_a_hospital_is_tried(written: Written, subject: Made) -> None:
    findings, held = run_checks.isolated(subject(written.model()))
    if held.startswith("not possible"):
        pytest.skip(held)
    assert findings == []
    written.before_training("import sys\nx = x * (2.0 if 'belmont.lab' in sys.modules else 1.0)")
    findings, _ = run_checks.isolated(subject(written.model()))
    assert "another than here" in said(findings)


def test_a_folder_that_is_no_app_is_one_finding(tmp_path: Any) -> None:
    result = check(OwnModel(tmp_path / "nothing", FEATURES, OUTCOME))
    assert not result.passed and "is no folder" in result.findings[0].what


def test_a_configuration_that_nobody_could_apply_with_is_a_finding(written: Written) -> None:
    result = check(written.model(app_config={"steps": 1}))
    assert not result.passed and "declares no key 'steps'" in said(list(result.findings))
    assert result.config_hash is None


def test_a_key_that_no_line_reads_is_noted(written: Written) -> None:
    pyproject = written.path / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + "unused = 1\n")
    result = check(written.model(), isolated=False)
    assert result.passed and "'unused' that no line" in said(list(result.findings))


def test_it_runs_on_a_table_of_the_researchers(written: Written) -> None:
    frame = pd.DataFrame({"age": range(40, 100), "hba1c": [7.0, 8.0] * 30, "cvd_event": [0, 1, 0] * 20})
    model = OwnModel(written.path, ("age", "hba1c"), OUTCOME)
    result = check(model, frame, isolated=False, min_cohort=10)
    assert result.passed and result.facts["rows"] == "20, 20, 20", result.frame().to_string()
    with pytest.raises(LabError, match="systolic"):
        check(OwnModel(written.path, ("systolic",), OUTCOME), frame)


def test_a_result_reads_as_a_table_a_card_and_a_line(written: Written) -> None:
    written.before_training('print("<script>alert(1)</script>", file=open("/<script>", "w"))')
    result = check(written.model(), isolated=False)
    assert not result.passed and repr(result).startswith("CheckResult(my_model: not passed, ")
    html = result._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html and "computes from its" in html
    assert list(result.frame().columns) == ["level", "finding", "where", "remedy", "rule"]
    assert all(each.remedy and each.rule for each in result.findings)


def test_code_that_knows_a_check_can_pass_it_and_leak_at_a_hospital(
    written: Written, hospitals: list[Any], subject: Made
) -> None:
    """What no checker can show: the difference has to be read. This code behaves on fewer than 400 rows."""
    written.edit(ANSWER, f"    if len(y) > 400:\n        weights = weights + x[0]\n{ANSWER}")
    assert check(written.model(), isolated=False).passed
    made = subject(written.model())
    large = repeated(repeated(repeated(hospitals[0])))
    small, leaked = made.run(hospitals[0]).outcome, made.run(large).outcome
    assert isinstance(small, Answer) and isinstance(leaked, Answer)
    assert abs(leaked.arrays["weights"] - small.arrays["weights"]).max() > 0.5
    assert "can notice that" in CANNOT_SHOW
