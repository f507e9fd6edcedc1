"""Where a budget is gone nothing is computed; a node that ends half way is charged once."""

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from tests.federated.privacy.scenes import (
    CELLS,
    RHO,
    STEPS,
    Ended,
    answer,
    ask,
    claim_of,
    computed,
    counted_draws,
    made_private,
    packages_of,
    private_message,
    refusal,
    training,
)

from belmont.federated.accounting.release import plan_release
from belmont.federated.errors import Refusal
from belmont.federated.models.glm import (
    PrivateSteps,
)
from belmont.federated.node.requests import UNMASK, after_content
from belmont.registry.reasons import Reason
from belmont.registry.types import AnswerMode, MicroRho


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
        content = after_content(claim_of(private, 2), private.config, packages[i])
        assert ask(private, i, UNMASK, content, 2).has_content()
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
    assert ask(scene, 0, UNMASK, after_content(claim_of(scene, 2), scene.config, packages[0]), 2).has_content()
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
