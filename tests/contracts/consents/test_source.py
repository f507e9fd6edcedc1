"""Numbers that stand in the contract and in Python are the same."""

import re
from importlib import resources

import pytest

from belmont.registry import limits
from belmont.registry.consents.tree import EMPTY_BATCH, LEAVES_MAX, height
from belmont.registry.contract_set import contract


def constant(which):
    source = (resources.files("belmont.contracts") / "Consents.vy").read_text()
    (expression,) = re.findall(rf"^{which}: constant\(\w+\) = (\S+)$", source, re.MULTILINE)
    return eval(expression, {})  # noqa: S307


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("PURPOSES", limits.PURPOSES_MASK),
        ("CATEGORIES", limits.CATEGORIES_MASK),
        ("RECIPIENTS_MAX", limits.RECIPIENTS_MAX),
        ("LEAVES_MAX", LEAVES_MAX),
        ("PATH_MAX", height(LEAVES_MAX)),
        ("EMPTY_BATCH", int.from_bytes(EMPTY_BATCH.root, "big")),
    ],
)
def test_constants_are_those_of_python(which, expected):
    assert constant(which) == expected


@pytest.mark.parametrize("function", ["batch", "statement", "state"])
def test_no_record_takes_more_than_a_kilobyte(function):
    (record,) = contract("Consents").interface.functions[function].outputs
    assert len(record["components"]) * 32 <= 1024
    assert all(part["type"] in ("bytes32", "uint64") for part in record["components"])
