"""Properties of the Vyper sources themselves."""

import re
from importlib import resources

import pytest

from belmont.registry import limits
from belmont.registry.contract_set import NAMES, contract
from belmont.registry.decide import USABLE_FROM
from belmont.registry.reasons import Reason, WriteRefusal
from belmont.registry.reference.settings import BOUNDS as BOUNDS_OF_RULES
from belmont.registry.rules.protocol import Rule

CODE_BYTES_MAX = 24 * 1024
RECORD_BYTES_MAX = 1024
WORD = 32

BOUNDS = {
    "Identities": ("VALIDITY_MAX_SECONDS", "DELEGATES_MAX"),
    "Members": ("FOUNDERS_MAX", "MEMBERS_MAX"),
    "Datasets": ("RETENTION_MIN_SECONDS", "RETENTION_MAX_SECONDS"),
    "Consents": ("RECIPIENTS_MAX",),
    "Studies": ("ROUNDS_MAX", "QUERIES_MAX", "DURATION_MAX_SECONDS"),
}
MODULES = ("curve", "duo", "field", "transcript", "signature")
"""What contracts import and nobody deploys."""


def source(name: str) -> str:
    return (resources.files("belmont.contracts") / f"{name}.vy").read_text()


def constant(name: str, which: str) -> int:
    (expression,) = re.findall(rf"^{which}: constant\(\w+\) = ([\w *+-]+?)(?:  #.*)?$", source(name), re.MULTILINE)
    return eval(expression, {})  # noqa: S307


def reasons(name: str) -> set[str]:
    asserted = re.findall(r'^ *assert .*, "([A-Z_]+)"', source(name), re.MULTILINE)
    return set(asserted) | set(re.findall(r'^ *raise "([A-Z_]+)"', source(name), re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_fits_the_size_limit_of_deployed_code(name):
    assert len(contract(name).compiled.runtime) < CODE_BYTES_MAX


@pytest.mark.parametrize("name", NAMES + MODULES)
def test_every_check_has_a_reason(name):
    bare = [line for line in source(name).splitlines() if re.match(r" *assert (?!staticcall \w+\.check)", line)]
    assert [line for line in bare if not re.search(r', "[A-Z_]+"(  # V?\d+)?$', line)] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_numbered_rule_is_cited_where_it_is_kept(name):
    text = source(name)
    rules = {int(number) for number in re.findall(r"^ {1,3}(\d+)\. ", text, re.MULTILINE)}
    cited = {int(number) for number in re.findall(r"  # (\d+)$", text, re.MULTILINE)}
    assert rules == set(range(1, len(rules) + 1))
    assert cited == rules


def test_every_reason_is_a_word_that_python_knows_and_every_write_refusal_is_used():
    used = set().union(*(reasons(name) for name in NAMES + MODULES))
    assert used - set(Reason) - set(WriteRefusal) == set()
    assert set(WriteRefusal) - used == set()


def test_every_reason_has_a_remedy():
    assert [each for each in (*Reason, *WriteRefusal) if len(each.remedy) < 20] == []


@pytest.mark.parametrize(("name", "which"), [(name, which) for name, found in BOUNDS.items() for which in found])
def test_bounds_are_those_of_python(name, which):
    assert constant(name, which) == getattr(limits, which)


def test_the_bounds_of_rules_are_those_of_the_reference_model():
    day = 24 * 3600
    for place, which in enumerate(("LEAST", "DEFAULTS", "MOST")):
        (numbers,) = re.findall(rf"^{which}: constant\(uint64\[10\]\) = (\[.*\])$", source("Rules"), re.MULTILINE)
        assert eval(numbers, {"DAY": day}) == [BOUNDS_OF_RULES[rule][place] for rule in Rule]  # noqa: S307
    assert BOUNDS_OF_RULES[Rule.FREEZE_SECONDS][2] == limits.FREEZE_MAX_SECONDS


def test_duo_codes_are_those_of_python():
    assert constant("Studies", "PURPOSES") == limits.PURPOSES_MASK


def test_the_least_usable_status_is_that_of_decide():
    assert "USABLE_FROM: constant(uint8) = PROVEN\n" in source("Datasets")
    assert constant("Datasets", "PROVEN") == USABLE_FROM


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("Members", "member"),
        ("Members", "proposal"),
        ("Datasets", "dataset"),
        ("Datasets", "version"),
        ("Studies", "study"),
        ("Studies", "terms"),
        ("Permits", "permit"),
        ("Uses", "opened"),
        ("Uses", "use"),
        ("Rules", "proposal"),
        ("Consents", "state"),
        ("Consents", "statement"),
        ("Credits", "balanceOf"),
        ("Releases", "record"),
    ],
)
def test_no_record_takes_more_than_a_kilobyte(name, function):
    (record,) = contract(name).interface.functions[function].outputs
    assert storage_words(source(name), record) * WORD <= RECORD_BYTES_MAX


def storage_words(text: str, entry) -> int:
    """Words that Vyper stores for a value at its longest: every number takes one, text and arrays one more."""
    kind = entry["type"]
    if kind == "tuple":
        return sum(storage_words(text, part) for part in entry["components"])
    if kind in ("string", "bytes", "bytes32[]"):
        (longest,) = set(re.findall(rf"^    {entry['name']}: (?:String|Bytes|DynArray)\[(?:\w+, )?(\d+)\]", text, re.M))
        return 1 + (int(longest) if kind == "bytes32[]" else -(-int(longest) // WORD))
    return 1


def test_nothing_but_the_constructor_is_open_to_the_deployer_alone():
    for name in NAMES:
        # What has an owner in these two is somebody's identity.
        words = "admin|deployer|governor" + "|owner" * (name not in ("Identities", "Relay"))
        assert not re.search(rf"\b({words})\b", source(name).split('"""')[2], re.IGNORECASE)


def test_every_address_of_another_contract_is_immutable():
    for name in NAMES:
        body = source(name).split('"""')[2]
        kept = re.findall(r"^([A-Za-z_]+): ((?:public\()?address\)?|\w+\.__interface__|Permits)$", body, re.MULTILINE)
        assert kept == []
