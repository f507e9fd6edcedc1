"""Budgets and numbers of one line of permits count on, whatever is opened, recorded and amended in any order."""

from dataclasses import replace
from types import SimpleNamespace

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.errors import RegistryRefused


class Amending(RuleBasedStateMachine):
    """Openings, records and amendments of one line in any order, on contracts and model."""

    founded = both = line_of = None

    @initialize()
    def begin(self):
        self.back = self.founded.evm.mark()
        # What the registry remembers must not outlive what is undone.
        fresh = ChainRegistry(self.founded.evm, self.founded.registry.addresses)
        consortium = replace(self.founded, registry=fresh, made=0)
        consortium.registry = self.both(consortium)
        self.line = self.line_of(consortium)
        self.permits = [self.line.first]
        self.terms = SimpleNamespace(rounds=3, rho=100)
        self.opened, self.records = [], []

    def teardown(self):
        self.back()

    @rule()
    def open_round(self):
        n = len(self.opened) + 1
        try:
            self.line.consortium.round(self.permits[-1], n)
        except RegistryRefused as refused:
            assert (refused.reason, n > self.terms.rounds) == ("ROUNDS_EXHAUSTED", True)
        else:
            assert n <= self.terms.rounds
            self.opened.append(self.permits[-1])

    @rule(back=st.integers(0, 2), rho=st.sampled_from([0, 1, 30, 70]), old=st.booleans())
    def record(self, back, rho, old):
        n = max(len(self.opened) - back, 1)
        permit = self.permits[-2] if old and len(self.permits) > 1 else self.permits[-1]
        spent = sum(each for _, each in self.records)
        if permit != self.permits[-1]:
            expected = "PERMIT_SUPERSEDED"
        elif n > len(self.opened) or self.opened[n - 1] != permit:
            expected = "ROUND_NOT_OPEN"
        elif n in [each for each, _ in self.records]:
            expected = "ALREADY_SERVED"
        else:
            expected = "BUDGET_EXHAUSTED" if spent + rho > self.terms.rho else None
        try:
            self.line.record(permit, n, rho)
        except RegistryRefused as refused:
            assert refused.reason == expected
        else:
            assert expected is None
            self.records.append((n, rho))

    @precondition(lambda self: len(self.permits) < 4)
    @rule(rounds=st.integers(1, 12), rho=st.sampled_from([1, 60, 100, 150, 300]))
    def amend(self, rounds, rho):
        self.permits.append(self.line.amend(of=self.permits[-1], rounds=rounds, rho_per_dataset=rho))
        self.terms = SimpleNamespace(rounds=rounds, rho=rho)

    @invariant()
    def one_line_is_counted_together(self):
        registry, dataset = self.line.consortium.registry, self.line.datasets[0]
        spent = sum(rho for _, rho in self.records)
        for permit in {self.permits[0], self.permits[-1]}:
            found = registry.permit(permit)
            assert (found.line, found.rounds_opened) == (self.line.first, len(self.opened))
            assert registry.rho_spent(permit, dataset) == registry.model.rho_spent(permit, dataset) == spent
        assert registry.dataset(dataset).rho_spent == spent
        assert registry.permits() == registry.model.permits()


def test_budgets_and_numbers_count_on_in_any_sequence(consortium, both, line_of):
    Amending.founded = consortium
    Amending.both, Amending.line_of = staticmethod(both), staticmethod(line_of)
    run_state_machine_as_test(
        Amending,
        settings=settings(
            max_examples=5,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
