"""The module's constants and records, held against Python's."""

import re

import pytest
from eth_abi.abi import encode
from tests.registry.duo import cases

from belmont.chain.compiler import contracts_directory
from belmont.registry import limits
from belmont.registry.duo import Commerce, Commitment, Organisation, Purpose, Term, Verdict, conditions
from belmont.registry.duo.rules import MONTH_SECONDS
from belmont.registry.duo.terms import HEALTH, PERMISSIONS

RECORD_BYTES_MAX = 1024
PURPOSES = {
    "METHODS": Purpose.METHOD_DEVELOPMENT,
    "POPULATION": Purpose.POPULATION,
    "ANCESTRY": Purpose.ANCESTRY,
    "CATEGORIES": Purpose.AGE_CATEGORY | Purpose.GENDER_CATEGORY,
    "CONTROL": Purpose.RESEARCH_CONTROL,
    "GENETIC": Purpose.GENETIC,
    "HEALTH": HEALTH,
}
OTHERS = {
    "NOT_FOR_PROFIT": Organisation.NOT_FOR_PROFIT,
    "NON_COMMERCIAL": Commerce.NON_COMMERCIAL,
    "PUBLISHES": Commitment.PUBLISHES,
    "COLLABORATES": Commitment.COLLABORATES,
    "RETURNS": Commitment.RETURNS,
    "MONTH_SECONDS": MONTH_SECONDS,
    "MONTHS_MAX": conditions.MONTHS_MAX,
    "DENY": Verdict.DENY,
    "ABSTAIN": Verdict.ABSTAIN,
    "APPROVE": Verdict.APPROVE,
}


@pytest.fixture(scope="module")
def constants():
    text = (contracts_directory() / "duo.vy").read_text()
    found = {}
    for name, expression in re.findall(r"^(\w+): constant\(\w+\) = (\([^)]*\)|[^#\n]+)", text, re.MULTILINE):
        found[name.rstrip("_")] = eval(expression.replace("IS_", "IS"), {}, found)  # noqa: S307
    return found


def test_every_term_stands_at_its_code(constants):
    assert {str(each): constants[str(each)] for each in Term} == {str(each): int(each) for each in Term}
    assert constants["PERMISSIONS"] == PERMISSIONS
    assert constants["PERMISSIONS"] | constants["MODIFIERS"] == limits.DUO_TERMS_MASK
    assert constants["PERMISSIONS"] & constants["MODIFIERS"] == 0


def test_every_purpose_stands_at_its_code(constants):
    assert {name: constants[name] for name in PURPOSES} == PURPOSES
    assert constants["PURPOSES"] == limits.PURPOSES_MASK


@pytest.mark.parametrize("name", OTHERS)
def test_a_number_is_that_of_python(constants, name):
    assert constants[name] == OTHERS[name]


def test_no_record_takes_more_than_a_kilobyte(probe):
    most, use = cases.longest()
    kinds = probe.interface.functions["checked"].input_types
    for kind, record in zip(kinds, (most.struct(), use.struct()[-1]), strict=True):
        assert len(encode([kind], [record])) <= RECORD_BYTES_MAX
