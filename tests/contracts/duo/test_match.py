"""The contract's matcher and Python's say the same, of the table's cases and of any others."""

import pytest
from hypothesis import given, settings
from tests.contracts.conftest import account
from tests.registry.duo import cases

from belmont.registry.duo import Verdict, match

MANY = settings(max_examples=250, deadline=None)


@pytest.mark.parametrize("case", cases.load(), ids=lambda case: case.name)
def test_the_contract_says_of_a_case_what_the_table_says(probe, case):
    assert probe.match(case.conditions, case.use, cases.NOW) == (case.verdict, case.denied, case.abstained)


@MANY
@given(conditions=cases.conditions(), use=cases.uses)
def test_python_and_the_contract_agree_on_any_conditions_and_use(probe, conditions, use):
    found = match(conditions, use, cases.NOW)
    assert probe.match(conditions, use, cases.NOW) == (found.verdict, found.denied, found.abstained)


@MANY
@given(conditions=cases.conditions(), use=cases.uses)
def test_a_hierarchy_changes_nothing_that_the_contract_decides(probe, conditions, use):
    verdict, denied, _ = probe.match(conditions, use, cases.NOW)
    found = match(conditions, use, cases.NOW, cases.HIERARCHY)
    assert verdict in (Verdict.ABSTAIN, found.verdict)
    assert denied & ~found.denied == 0


@MANY
@given(conditions=cases.conditions(), use=cases.uses)
def test_the_contract_takes_and_gives_back_what_python_holds(probe, conditions, use):
    assert probe.call("checked", conditions.struct(), use.struct()[-1])
    stored = probe.call("same", conditions.struct(), use.struct()[-1])
    assert type(conditions).from_struct(stored[0]) == conditions
    declared = type(use).__base__.from_struct(stored[1])
    assert all(getattr(declared, name) == getattr(use, name) for name in vars(declared))


def test_a_match_at_its_longest_is_cheap_enough_for_sixteen_datasets_in_one_application(probe):
    conditions, use = cases.longest()
    data = probe.interface.encode_call("matched", conditions.struct(), use.struct(), cases.NOW)
    probe.evm.send(account(1), probe.address, data)
    assert probe.evm.gas_used < 600_000
