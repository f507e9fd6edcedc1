"""Rounds with noise: real nodes, either registry. What leaves, what it costs, and what is refused beforehand."""

import itertools
import json
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import Message
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from belmont.federated.accounting import release as release_module
from belmont.federated.accounting.clipping import clip_examples
from belmont.federated.accounting.epsilon import shown_epsilon
from belmont.federated.accounting.release import plan_release
from belmont.federated.accounting.settings import Clipping, PrivacySettings, read_settings
from belmont.federated.errors import APP_FAILED, EncodingRefused, FederatedError, PrivacyError, Refusal, SettingsRefused
from belmont.federated.hashes import config_hash
from belmont.federated.models.logistic import (
    PrivateSteps,
    gradient_steps,
    initial_model,
    logistic_bundle,
    logistic_config,
    newton,
)
from belmont.federated.models.training import Training
from belmont.federated.node.data import design
from belmont.federated.node.noise import Noisy, check_rows, read_noise
from belmont.federated.node.requests import DEAL, UNMASK, Claim, deal_content, round_content, unmask_content
from belmont.federated.secagg.settings import SECURE_SUM_KEY, SecureSum, read_secure_sum
from belmont.registry.reasons import Reason
from belmont.registry.types import AnswerMode, MicroRho

PURPOSE = 1 << 37
FEATURES = ("age", "hba1c", "systolic")
CELLS = 1 + len(FEATURES)
RHO = 50_000
STEPS = PrivateSteps(PrivacySettings(Clipping.EXAMPLE, 2.0, 20, MicroRho(RHO), 3))


def made_private(scene: Any, steps: PrivateSteps = STEPS, **terms: Any) -> Any:
    """A scene with a permit for rounds of the shipped study with noise."""
    scene.bundle = logistic_bundle()
    return approved(scene, logistic_config(FEATURES, "cvd_event", private=steps), steps, **terms)


def approved(scene: Any, config: Any, steps: PrivateSteps = STEPS, **terms: Any) -> Any:
    scene.config = config
    scene.model = initial_model(FEATURES, private=steps)
    given = {"rho_per_dataset": MicroRho(10_000_000), "answer_mode": AnswerMode.PRIVATE} | terms
    scene.permit = scene.issue(**given)
    return scene


@pytest.fixture
def private(scene: Any) -> Any:
    return made_private(scene)


def with_app(scene: Any, app_builder: Any, source: str, cells: int, **changes: Any) -> Any:
    """A scene whose study answers ``w``, each contribution of so many cells."""
    noise = replace(STEPS.noise, **changes)
    sums = SecureSum((("w", (cells,)),), fraction_bits=noise.fraction_bits, private=True)
    scene.bundle = app_builder(source)
    return approved(scene, {"features": "age", SECURE_SUM_KEY: sums.to_text()} | noise.as_config())


APP = """
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from belmont.federated.node.data import training_data
app = ClientApp()
@app.train()
def train(message, context):
    rows = len(training_data(context, ("age",), "cvd_event").outcome)
    arrays, metrics = {arrays}, {metrics}
    content = {{"arrays": ArrayRecord(arrays), "metrics": MetricRecord(metrics)}}
    return Message(RecordDict(content), reply_to=message)
"""
ZEROS = '{"w": Array(np.zeros((rows, 4)))}'


def training(scene: Any, grid: Any, **changes: Any) -> Training:
    arguments = {
        "config": scene.config,
        "model": scene.model,
        "combine": gradient_steps(STEPS),
        "participants": scene.participants,
        "node_ids": grid.node_ids,
        "timeout_seconds": 30,
    }
    return Training(scene.by_researcher, grid, scene.permit, **arguments | changes)


def claim_of(scene: Any, n: int = 1) -> Claim:
    return Claim(scene.permit, n, PURPOSE, scene.participants)


def ask(scene: Any, i: int, message_type: str, content: Any, n: int = 1) -> Message:
    with closing(scene.grid()) as grid:
        (reply,) = grid.send_and_receive([grid.create_message(content, message_type, scene.nodes[i].node_id, str(n))])
    return reply


def packages_of(scene: Any, n: int = 1) -> list[list[bytes]]:
    dealt = []
    for i in range(4):
        reply = ask(scene, i, DEAL, deal_content(claim_of(scene, n), 1))
        dealt.append(list(reply.content["packages"]["packages"]))
    return [[dealt[j][i - (i > j)] for j in range(4) if j != i] for i in range(4)]


def content_of(scene: Any, packages: Any, n: int = 1, **changes: Any) -> Any:
    return round_content(claim_of(scene, n), changes.get("config", scene.config), scene.model, packages)


def answer(scene: Any, i: int, packages: Any, n: int = 1, **changes: Any) -> Message:
    return ask(scene, i, "train", content_of(scene, packages[i], n, **changes), n)


def refusal(reply: Message) -> Reason:
    assert reply.has_error(), "the node answered"
    return Reason(json.loads(reply.error.reason)["reason"])


def totals(scene: Any, count: int = 1) -> list[Any]:
    """What the researcher reads of so many rounds from the same model: each array's total, in integers."""
    found = []

    def keep(model: Any, updates: Any) -> Any:
        (update,) = updates
        bits = read_secure_sum(scene.config).fraction_bits
        found.append({name: np.rint(array * 2.0**bits).astype(np.int64) for name, array in update.arrays.items()})
        return model

    with closing(scene.grid()) as grid:
        list(training(scene, grid, combine=keep).rounds(count))
    return found


def gradients(scene: Any, i: int) -> Any:
    """Each row's gradient at zero coefficients, as the shipped study computes it."""
    data = design(scene.consortium.tables[i], FEATURES, "cvd_event")
    return data.design * (0.5 - data.outcome)[:, None]


def clear_total(scene: Any) -> Any:
    noise = STEPS.noise
    clipped = [clip_examples({"g": gradients(scene, i)}, noise.bound, noise.fraction_bits) for i in range(4)]
    return sum(each.values for each in clipped)


def computed(scene: Any, i: int = 0) -> bool:
    return bool(scene.looks[i]) or bool(scene.nodes[i].ledger.entries())


# --- what rounds give, and cost ---


@pytest.mark.parametrize("kind", ["simulated", "on_chain"])
def test_each_round_charges_each_dataset_what_was_planned_and_says_so(kind: str, request: Any) -> None:
    scene = made_private(request.getfixturevalue("scene" if kind == "simulated" else "on_chain_study"))
    plan = plan_release(STEPS.noise, CELLS)
    before = [scene.registry.dataset(each).rho_spent for each in scene.participants]
    with closing(scene.grid()) as grid:
        results = list(training(scene, grid).rounds(3))
    registered = sum(scene.registry.version(each, 1).rows for each in scene.participants)
    for n, result in enumerate(results, start=1):
        assert (result.rows, result.metrics) == (registered, {})
        assert result.privacy.rho == plan.rho
        assert [each.rho for each in result.privacy.spent] == [n * plan.rho] * 4
        shown = shown_epsilon(n * plan.rho, 1e-6, sigma=plan.sigma, honest=1, cells_released=n * CELLS)
        assert result.privacy.epsilon == shown
    assert [use.rho for use in scene.registry.uses(scene.permit)] == [plan.rho] * 12
    for dataset, spent in zip(scene.participants, before, strict=True):
        assert scene.registry.rho_spent(scene.permit, dataset) == 3 * plan.rho
        assert scene.registry.dataset(dataset).rho_spent == spent + 3 * plan.rho


def test_the_total_is_the_clear_total_of_cut_rows_and_noise_of_every_hospital(private: Any) -> None:
    """24 rounds of 4 cells. The false alarm is below 1e-9."""
    private.permit = private.issue(rounds=24, rho_per_dataset=MicroRho(10_000_000), answer_mode=AnswerMode.PRIVATE)
    plan, clear = plan_release(STEPS.noise, CELLS), clear_total(private)
    noise = np.concatenate([each["gradient"] - clear for each in totals(private, 24)])
    squares = float((noise.astype(float) ** 2).sum()) / (4 * float(plan.sigma) ** 2)
    assert 1e-10 < stats.chi2.sf(squares, len(noise)) < 1 - 1e-10
    assert np.abs(noise).max() > 0


def test_noise_of_many_cells_has_the_variance_of_four_hospitals_and_no_less(scene: Any, app_builder: Any) -> None:
    cells = 4_000
    with_app(scene, app_builder, APP.format(arrays=ZEROS.replace("4)", f"{cells})"), metrics={}), cells)
    plan = plan_release(STEPS.noise, cells)
    (total,) = totals(scene)
    in_units = total["w"].astype(float) / float(plan.sigma)
    assert 1e-10 < stats.chi2.sf((in_units**2).sum() / 4, cells) < 1 - 1e-10
    assert stats.kstest(in_units / 2, "norm").pvalue > 1e-10
    assert stats.chi2.sf((in_units**2).sum() / 3, cells) < 1e-10, "it would be noticed if one added none"


def test_the_model_gets_close_to_the_one_without_noise(scene: Any) -> None:
    """At an epsilon of some 60 that nobody would approve, so that a thousand rows are enough to tell."""
    steps = PrivateSteps(replace(STEPS.noise, rho_per_round=MicroRho(3_000_000)))
    made_private(scene, steps, rounds=30, rho_per_dataset=MicroRho(90_000_000))
    for dataset in scene.participants:
        world = scene.registry._world.datasets
        world[dataset] = replace(world[dataset], rho_cap=MicroRho(90_000_000))
    with closing(scene.grid()) as grid:
        trained = training(scene, grid, combine=gradient_steps(steps))
        list(trained.rounds(30))
    exact = logistic_config(FEATURES, "cvd_event")
    permit = scene.consortium.issue(scene.terms(config_hash=config_hash(exact)))
    with closing(scene.grid()) as grid:
        given = {"config": exact, "model": initial_model(FEATURES), "combine": newton(), "node_ids": grid.node_ids}
        plain = Training(scene.by_researcher, grid, permit, participants=scene.participants, **given)
        list(plain.rounds(5))
    np.testing.assert_allclose(trained.model["coefficients"], plain.model["coefficients"], atol=0.15)


def test_a_round_goes_on_without_a_hospital_and_costs_it_nothing(private: Any) -> None:
    with closing(private.grid()) as grid:
        trained = training(private, grid)
        trained.round()
    with closing(private.grid(nodes=private.nodes[:3])) as grid:
        here = dict(zip(private.participants, (node.node_id for node in private.nodes), strict=True))
        del here[private.participants[3]]
        again = training(private, grid, model=trained.model, node_ids=here)
        again._secure._dealt = trained._secure._dealt
        result = again.round()
    assert result.rows == sum(private.registry.version(each, 1).rows for each in private.participants[:3])
    assert [each.dataset_id for each in result.privacy.spent] == list(private.participants[:3])
    assert private.registry.rho_spent(private.permit, private.participants[3]) == RHO


def test_nothing_but_a_masked_vector_leaves_a_hospital(private: Any) -> None:
    packages = packages_of(private)
    private.open_round(private.permit)
    replies = [answer(private, i, packages).content for i in range(4)]
    for reply in replies:
        assert set(reply) == {"masked"} and set(reply["masked"]) == {"transcript", "layout", "values"}
        assert len(reply["masked"]["values"]) == 8 * CELLS, "no count, no sum of losses"


def test_a_signed_sum_of_gradients_alone_is_what_the_board_read() -> None:
    secure = read_secure_sum(logistic_config(FEATURES, "cvd_event", private=STEPS))
    assert (secure.layout.sums, secure.layout.counts, secure.layout.size) == ((), (), CELLS)
    with pytest.raises(EncodingRefused, match="noise"):
        secure.encode({"gradient": np.zeros(CELLS)}, {"num-examples": 3}, 4)


# --- attacks ---


def test_fresh_noise_averages_out_and_a_thousand_requests_of_a_node_get_one_draw(
    scene: Any, app_builder: Any, monkeypatch: Any
) -> None:
    """The unprotected form draws for each request. 400 cells: whoever averages a thousand answers has them to 3 %."""
    cells = 400
    with_app(scene, app_builder, APP.format(arrays=ZEROS.replace("4)", f"{cells})"), metrics="{}"), cells)
    plan = plan_release(STEPS.noise, cells)
    fresh = np.mean([plan.release({"w": np.zeros((5, cells))}) for _ in range(1_000)], axis=0)
    assert np.sqrt(np.mean(fresh**2)) < float(plan.sigma) / 20

    draws = counted_draws(monkeypatch)
    packages = packages_of(scene)
    scene.open_round(scene.permit)
    content, node = content_of(scene, packages[0]), scene.nodes[0]
    seen = set()
    with closing(scene.grid()) as grid:
        for _ in range(1_000):
            (reply,) = grid.send_and_receive([grid.create_message(content, "train", node.node_id, "1")])
            seen.add(bytes(reply.content["masked"]["values"]))
    assert len(seen) == 1 and len(draws) == 1
    assert np.sqrt(np.mean(draws[0].astype(float) ** 2)) > float(plan.sigma) / 2, "their mean has all of the noise"
    assert scene.registry.rho_spent(scene.permit, scene.participants[0]) == plan.rho


def test_two_rounds_without_noise_differ_by_a_patients_row_and_with_noise_by_noise(scene: Any) -> None:
    """A patient withdraws between two rounds from the same model: the totals differ by the patient's part."""
    patient, row = int(scene.consortium.tables[0].pseudonyms[0]), gradients(scene, 0)[0]
    scene.bundle = logistic_bundle()
    exact = logistic_config(FEATURES, "cvd_event", secure=True)
    approved(scene, exact, answer_mode=AnswerMode.EXACT)
    without_noise, scene.model = scene.permit, {"coefficients": np.zeros(CELLS)}
    found = {"exact": totals(scene)}
    made_private(scene)
    found["private"] = totals(scene)
    scene.consortium.withdraw(0, patient)
    found["private"] += totals(scene)
    scene.config, scene.permit, scene.model = exact, without_noise, {"coefficients": np.zeros(CELLS)}
    found["exact"] += totals(scene)
    told = (found["exact"][0]["gradient"] - found["exact"][1]["gradient"]) / 2.0**32
    np.testing.assert_allclose(told, row, atol=1e-6)
    seen = (found["private"][0]["gradient"] - found["private"][1]["gradient"]) / 2.0**20
    deviation = np.sqrt(8) * float(plan_release(STEPS.noise, CELLS).sigma) / 2**20
    assert deviation > 5 * np.abs(row).max(), "what the row adds is far below the noise of two totals"
    assert 1e-9 < stats.chi2.sf((((seen - row) / deviation) ** 2).sum(), CELLS) < 1 - 1e-9


def test_one_patients_row_however_large_moves_the_total_by_the_norm_at_most(scene: Any, app_builder: Any) -> None:
    """A hundred million micro-rho: noise so small that the row's cut length can be read."""
    huge = '{"w": Array(np.vstack([np.full((1, 4), 1e308), np.zeros((rows - 1, 4))]))}'
    rho = MicroRho(100_000_000)
    with_app(scene, app_builder, APP.format(arrays=huge, metrics="{}"), 4, rho_per_round=rho)
    scene.permit = scene.issue(rho_per_dataset=rho, answer_mode=AnswerMode.PRIVATE)
    for dataset in scene.participants:
        world = scene.registry._world.datasets
        world[dataset] = replace(world[dataset], rho_cap=rho)
    (total,) = totals(scene)
    sigma = float(plan_release(replace(STEPS.noise, rho_per_round=rho), 4).sigma)
    assert np.abs(total["w"] - 4 * STEPS.noise.bound / 2).max() < 2 * 8 * sigma, "four rows of norm 2, in four cells"


# --- budgets ---


def test_where_the_permits_budget_is_gone_nothing_is_computed_and_the_last_round_can_still_be_opened(
    private: Any,
) -> None:
    private.permit = private.issue(rho_per_dataset=MicroRho(2 * RHO), answer_mode=AnswerMode.PRIVATE)
    for n in (1, 2):
        packages = packages_of(private, n)
        private.open_round(private.permit, n)
        for i in range(4):
            assert answer(private, i, packages, n).has_content()
    again = answer(private, 0, packages, 2)
    assert again.has_content(), "what it was charged for may be fetched again"
    for i in range(4):
        assert ask(private, i, UNMASK, unmask_content(claim_of(private, 2), packages[i]), 2).has_content()
    packages = packages_of(private, 3)
    private.open_round(private.permit, 3)
    entries = len(private.nodes[0].ledger.entries())
    private.looks[0].clear()
    assert refusal(answer(private, 0, packages, 3)) is Reason.BUDGET_EXHAUSTED
    assert private.looks[0] == [] and len(private.nodes[0].ledger.entries()) == entries
    assert private.registry.rho_spent(private.permit, private.participants[0]) == 2 * RHO


def test_where_a_datasets_own_budget_is_gone_nothing_is_computed_and_the_last_round_can_still_be_opened(
    scene: Any,
) -> None:
    """Two rounds of half of what each dataset has for its lifetime."""
    steps = PrivateSteps(replace(STEPS.noise, rho_per_round=MicroRho(5_000_000)))
    assert plan_release(steps.noise, CELLS).rho == 5_000_000
    made_private(scene, steps, rho_per_dataset=MicroRho(50_000_000))
    for n in (1, 2):
        packages = packages_of(scene, n)
        scene.open_round(scene.permit, n)
        first = [answer(scene, i, packages, n) for i in range(4)]
    assert scene.registry.dataset(scene.participants[0]).rho_spent == 10_000_000
    assert answer(scene, 0, packages, 2).content["masked"] == first[0].content["masked"]
    assert ask(scene, 0, UNMASK, unmask_content(claim_of(scene, 2), packages[0]), 2).has_content()
    packages = packages_of(scene, 3)
    scene.open_round(scene.permit, 3)
    assert refusal(answer(scene, 0, packages, 3)) is Reason.BUDGET_EXHAUSTED
    with closing(scene.grid()) as grid, pytest.raises(Refusal, match="BUDGET_EXHAUSTED"):
        training(scene, grid).round()
    assert scene.registry.permit(scene.permit).rounds_opened == 3, "the researcher opened no fourth"


def test_a_budget_that_is_short_by_one_millionth_is_short(private: Any) -> None:
    private.permit = private.issue(rho_per_dataset=MicroRho(RHO - 1), answer_mode=AnswerMode.PRIVATE)
    packages = packages_of(private)
    private.open_round(private.permit)
    assert refusal(answer(private, 0, packages)) is Reason.BUDGET_EXHAUSTED
    assert not computed(private)


# --- a node that ends half way ---


def counted_draws(monkeypatch: Any) -> list[Any]:
    draws: list[Any] = []
    drawn = release_module.discrete_gaussian

    def noted(*arguments: Any) -> Any:
        draws.append(drawn(*arguments))
        return draws[-1]

    monkeypatch.setattr(release_module, "discrete_gaussian", noted)
    return draws


class Ended(BaseException):
    """The process of a node ends."""


@pytest.mark.parametrize("recorded", [False, True])
def test_a_node_that_ends_between_keeping_and_releasing_is_charged_once_and_sends_what_it_kept(
    private: Any, monkeypatch: Any, recorded: bool
) -> None:
    draws = counted_draws(monkeypatch)
    packages = packages_of(private)
    private.open_round(private.permit)
    gate = private.nodes[0]._rounds.gate
    record = gate._record

    def ending(*arguments: Any) -> None:
        if recorded:
            record(*arguments)
        raise Ended

    monkeypatch.setattr(gate, "_record", ending)
    with pytest.raises(Ended):
        private.nodes[0]._rounds.serve(private_message(private, packages))
    private.nodes[0].close()
    private.nodes[0] = private.new_node(0)
    assert private.registry.rho_spent(private.permit, private.participants[0]) == RHO * recorded
    first, second = (answer(private, 0, packages) for _ in range(2))
    assert first.content["masked"] == second.content["masked"]
    assert len(draws) == 1
    assert private.registry.rho_spent(private.permit, private.participants[0]) == RHO
    assert len(private.registry.uses(private.permit)) == 1


def private_message(scene: Any, packages: Any) -> Message:
    with closing(scene.grid()) as grid:
        return grid.create_message(content_of(scene, packages[0]), "train", scene.nodes[0].node_id, "1")


def test_noise_that_was_drawn_and_not_kept_never_left_and_is_drawn_anew(private: Any, monkeypatch: Any) -> None:
    draws = counted_draws(monkeypatch)
    packages = packages_of(private)
    private.open_round(private.permit)

    def ending(*_: Any) -> None:
        raise Ended

    for attempt in range(1, 3):
        with monkeypatch.context() as patch:
            patch.setattr(private.nodes[0].ledger, "prepare", ending)
            private.nodes[0].deliver(0, private.bundle)
            with pytest.raises(Ended):
                private.nodes[0]._rounds.serve(private_message(private, packages))
        assert len(draws) == attempt and private.registry.uses(private.permit) == []
        private.nodes[0].close()
        private.nodes[0] = private.new_node(0)
    assert answer(private, 0, packages).has_content()
    assert len(draws) == 3 and len({each.tobytes() for each in draws}) == 3
    assert private.registry.rho_spent(private.permit, private.participants[0]) == RHO


# --- what a study's code may try ---


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
            made.config = logistic_config(FEATURES, "cvd_event", secure=True)
            made = approved(made, made.config, answer_mode=AnswerMode.EXACT)
            made.nodes[0].close()
            made.nodes[0] = made.new_node(0, table=table.select(few))
        packages = packages_of(made)
        made.open_round(made.permit)
        reply = answer(made, 0, packages)
        assert refusal(reply) is Reason.COHORT_TOO_SMALL if exact else reply.has_content()


# --- configurations ---


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
        content = unmask_content(claim_of(scene), packages[i])
        assert ask(scene, i, UNMASK, content).has_content()


def test_a_permit_whose_answers_carry_noise_admits_no_round_without(scene: Any) -> None:
    scene.bundle = logistic_bundle()
    for secure in (True, False):
        approved(scene, logistic_config(FEATURES, "cvd_event", secure=secure))
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


# --- parts ---


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
