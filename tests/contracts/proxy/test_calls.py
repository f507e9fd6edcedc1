"""What passes through a proxy, and what would get lost or be taken for something else on the way."""

import json
import re
from importlib import resources
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.phases import CompilerData
from vyper.compiler.settings import Settings

from belmont.chain.compiler import EVM_VERSION, contracts_directory
from belmont.registry.contract_set import IMPLEMENTATION_SLOT, NAMES, contract
from belmont.registry.errors import RegistryRefused

WORD = 32


def source(name):
    return (resources.files("belmont.contracts") / f"{name}.vy").read_text()


def bound(which):
    (number,) = re.findall(rf"^{which}: constant\(uint256\) = (\d+) \* 1024$", source("Proxy"), re.MULTILINE)
    return int(number) * 1024


def compiler_data(name):
    """What the compiler knows about a contract beyond its ABI: sizes and places."""
    bundle = FilesystemInputBundle([contracts_directory()])
    its = bundle.load_file(Path(f"{name}.vy"))
    return CompilerData(its, input_bundle=bundle, settings=Settings(evm_version=EVM_VERSION))


def functions(name):
    return compiler_data(name).global_ctx.exposed_functions


@pytest.mark.parametrize("name", NAMES)
def test_the_longest_answer_of_every_function_fits(name):
    longest = max(each.return_type.abi_type.size_bound() for each in functions(name) if each.return_type)
    assert longest + WORD <= bound("OUTPUT_BYTES_MAX")


def test_the_founding_of_the_largest_consortium_fits():
    (found,) = [each for each in functions("Members") if each.name == "found"]
    assert 4 + sum(WORD + each.typ.abi_type.size_bound() for each in found.arguments) <= bound("FOUNDING_BYTES_MAX")


@pytest.mark.parametrize("name", NAMES)
def test_no_function_has_the_selector_of_one_of_the_proxys(name):
    own = {each.selector for each in contract("Proxy").interface.functions.values()}
    assert own == {keccak(text="switchCode(address)")[:4]}
    assert own.isdisjoint(each.selector for each in contract(name).interface.functions.values())


@pytest.mark.parametrize("name", NAMES)
def test_no_code_announces_what_only_a_proxy_announces(name):
    """Which code ever stood there is read from these events."""
    proxys = {each.topic for each in contract("Proxy").interface.events.values()}
    assert proxys.isdisjoint(each.topic for each in contract(name).interface.events.values())


@pytest.mark.parametrize("name", sorted({path.stem for path in contracts_directory().glob("*.vy")} - {"Proxy"}))
def test_no_code_runs_other_code_on_its_storage_or_creates_or_destroys_any(name):
    """So code that is called without its proxy harms nothing, and a proxy's storage is written by its code alone."""
    assert not re.search(r"is_delegate_call|create_\w+\(|raw_create|selfdestruct|\bsstore\b", source(name))


def test_every_numbered_rule_of_the_proxy_is_cited_where_it_is_kept():
    rules = re.findall(r"^  (\d+)\. ", source("Proxy"), re.MULTILINE)
    assert set(re.findall(r"  # (\d+)$", source("Proxy"), re.MULTILINE)) == set(rules) == {"1", "2", "3", "4"}


def test_the_layout_puts_the_address_of_the_code_into_the_slot_of_erc_1967():
    layout = json.loads((resources.files("belmont.contracts") / "Proxy.layout.json").read_text())
    assert layout == {"_implementation": {"type": "address", "n_slots": 1, "slot": IMPLEMENTATION_SLOT}}
    assert int.from_bytes(keccak(text="eip1967.proxy.implementation"), "big") - 1 == IMPLEMENTATION_SLOT


def test_a_refusal_comes_through_word_for_word(consortium, refused):
    with refused("PERMIT_MISSING"):
        consortium.call(consortium.board[0], "Permits", "voteLift", consortium.board[0].address, 99)


def test_the_longest_answer_comes_through_whole(consortium):
    """256 votes to pause, written into the storage: more than the members could cast in a test's time."""
    evm, rules = consortium.evm, bytes.fromhex(consortium.registry.addresses["Rules"][2:])
    slot = base_slot("Rules", "_pauses", key=1)
    evm.state.set_storage(rules, slot, 256)
    for place in range(256):
        evm.state.set_storage(rules, slot + 1 + 2 * place, place + 1)
        evm.state.set_storage(rules, slot + 2 + 2 * place, 1_000 + place)
    votes = consortium.registry.read("Rules", "pauseVotes", 1)
    assert [(int(each["voter"], 16), each["countsUntil"]) for each in votes] == [(n + 1, 1_000 + n) for n in range(256)]


def base_slot(name, variable, key):
    """Where a mapping from numbers keeps what is under ``key``, as Vyper lays it out."""
    base = compiler_data(name).storage_layout["storage_layout"][variable]["slot"]
    return int.from_bytes(keccak(encode(["uint256", "uint256"], [base, key])), "big")


def test_who_sends_a_transaction_is_known_behind_the_proxy(consortium, refused):
    """The proxy does not step in between: an act in somebody else's name is refused, and one's own is not."""
    permit = consortium.permit()
    with refused("NOT_THE_ACTOR"):
        consortium.call(consortium.non_member, "Permits", "voteRevoke", consortium.board[0].address, permit, bytes(32))
    consortium.call(consortium.board[0], "Permits", "voteRevoke", consortium.board[0].address, permit, bytes(32))


@pytest.mark.parametrize("name", ["Proxy", *NAMES])
def test_nothing_takes_money(name):
    """What came in could never leave."""
    kinds = {each["stateMutability"] for each in contract(name).compiled.abi if "stateMutability" in each}
    assert kinds <= {"nonpayable", "view", "pure"}


def test_a_call_without_a_selector_changes_nothing(consortium):
    for data in (b"", b"\x00", b"\xde\xad\xbe\xef"):
        with pytest.raises(RegistryRefused):
            consortium.evm.send(consortium.non_member, consortium.registry.addresses["Permits"], data)


def test_code_called_without_its_proxy_knows_nobody(consortium, refused):
    """Its storage is its own, and no other contract knows its address."""
    permit = consortium.permit()
    (word,) = consortium.evm.storage([(consortium.registry.addresses["Permits"], IMPLEMENTATION_SLOT)])
    bare = "0x" + word[-20:].hex()
    revoke = contract("Permits").interface.encode_call("voteRevoke", consortium.board[0].address, permit, bytes(32))
    with refused("PERMIT_MISSING"):
        consortium.evm.send(consortium.board[0], bare, revoke)
