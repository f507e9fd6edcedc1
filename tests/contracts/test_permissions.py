"""The page on who can do what is that of the contracts, and the contracts do what it says."""

import re
import shutil
from pathlib import Path

import pytest
from tests.contracts.abi_values import zero

from belmont.chain.compiler import contracts_directory
from belmont.registry.contract_set import NAMES, contract
from belmont.registry.errors import RegistryRefused
from belmont.registry.permissions import WHO, Contracts, SourceUnreadable

PAGE = Path(__file__).resolve().parents[2] / "docs" / "who_can_do_what.md"


@pytest.fixture(scope="module")
def contracts():
    return Contracts(contracts_directory())


def rows(page):
    """Cells by contract and function."""
    found, name = {}, ""
    for line in page.splitlines():
        if heading := re.fullmatch(r"## (\w+)", line):
            name = heading[1]
        elif row := re.fullmatch(r"\| `(\w+)` \| (.*) \| (.*) \| (.*) \|", line):
            found[name, row[1]] = row[2], row[3], set(re.findall(r"`([A-Z_]+)`", row[4]))
    return found


@pytest.fixture(scope="module")
def table(contracts):
    return rows(contracts.page())


def test_the_page_in_the_documentation_is_that_of_the_contracts(contracts):
    assert PAGE.read_text(encoding="utf-8") == contracts.page(), "it is stale: make docs"


@pytest.mark.parametrize("name", ["Proxy", *NAMES])
def test_every_function_that_writes_is_on_the_page(table, name):
    abi = contract(name).compiled.abi
    writing = {each["name"] for each in abi if each["type"] == "function" and each["stateMutability"] == "nonpayable"}
    assert {function for of, function in table if of == name} == writing


@pytest.mark.parametrize("name", ["Proxy", *NAMES])
def test_a_stranger_is_refused_wherever_the_page_does_not_say_anybody_and_with_a_refusal_that_it_names(
    consortium, table, name
):
    """Each function is called with arguments that are as empty as can be, in the stranger's own name."""
    stranger = consortium.non_member.address
    target = consortium.registry.addresses["Permits" if name == "Proxy" else name]
    for function, details in contract(name).interface.functions.items():
        if (name, function) not in table:
            continue
        who, _, refusals = table[name, function]
        entry = next(each for each in contract(name).compiled.abi if each.get("name") == function)
        args = [
            stranger if each["name"] in ("actor", "identity") else zero(kind)
            for each, kind in zip(entry["inputs"], details.input_types, strict=True)
        ]
        reason = ""
        back = consortium.evm.mark()
        try:
            consortium.evm.send(consortium.non_member, target, contract(name).interface.encode_call(function, *args))
        except RegistryRefused as refused:
            reason = refused.reason
        back()
        own = who in ("anybody", "everybody for themselves", WHO["NOT_THE_OWNER"])
        assert reason in refusals or (own and not reason), f"{function}: {reason or 'not refused'}, of {refusals}"


@pytest.fixture
def changed(tmp_path):
    """The page of sources in which a line of one contract is another."""

    def page(name, line, instead):
        shutil.copytree(contracts_directory(), tmp_path / "contracts")
        source = tmp_path / "contracts" / f"{name}.vy"
        assert source.read_text().count(line) == 1
        source.write_text(source.read_text().replace(line, instead))
        return rows(Contracts(tmp_path / "contracts").page())

    return page


def test_a_check_that_is_taken_out_changes_the_page(changed, table):
    line = '    assert msg.sender == PROOFS, "NOT_PROOFS_CONTRACT"  # 8\n'
    assert table["Datasets", "markProven"][0] == "the contract `Proofs`"
    assert changed("Datasets", line, "")["Datasets", "markProven"][0] == "anybody"


def test_a_check_of_the_sender_that_the_page_has_no_words_for_is_an_error(changed):
    line = '    assert msg.sender == PROOFS, "NOT_PROOFS_CONTRACT"  # 8\n'
    with pytest.raises(SourceUnreadable, match="NOT_THE_JANITOR"):
        changed("Datasets", line, line.replace("NOT_PROOFS_CONTRACT", "NOT_THE_JANITOR"))


def test_refusals_of_other_contracts_count_where_they_are_called(table):
    assert "PERMIT_FROZEN" in table["Uses", "openRound"][2]
    assert "CODE_MISSING" in table["Rules", "enact"][2]


def test_a_signed_message_takes_whoever_acts_and_is_sent_by_anybody(table):
    assert table["Relay", "vote"][:2] == (WHO["NOT_ETHICS_BOARD"], "by a signed message, which anybody sends")
    assert table["Studies", "vote"][1] == "itself, by a signed message (`Relay.vote`)"
    assert table["Uses", "recordUse"][1] == "itself, by a delegate"
