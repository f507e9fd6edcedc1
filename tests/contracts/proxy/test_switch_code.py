from types import SimpleNamespace

import pytest

from belmont.registry.contract_set import IMPLEMENTATION_SLOT, contract, proxy_creation
from belmont.registry.types import Address


def switch(implementation):
    return contract("Proxy").interface.encode_call("switchCode", implementation)


@pytest.fixture
def proxy(consortium, rules, later_code):
    """A proxy of its own, which obeys ``rules``, before the code of the consortium's Permits."""
    found = consortium.registry.addresses["Permits"]
    (word,) = consortium.evm.storage([(found, IMPLEMENTATION_SLOT)])
    code = Address("0x" + word[-20:].hex())
    return consortium.evm.send(consortium.non_member, None, proxy_creation(code, {"Rules": rules.address}))[1]


def test_rules_points_it_to_other_code(consortium, rules, proxy, later_code):
    logs, _ = consortium.evm.send(rules, proxy, switch(later_code))
    assert [contract("Proxy").interface.decode_event(each.topics, each.data) for each in logs] == [
        ("Upgraded", {"implementation": later_code})
    ]
    (kept,) = consortium.evm.storage([(proxy, IMPLEMENTATION_SLOT)])
    assert kept[-20:].hex() == later_code[2:].lower()


@pytest.mark.parametrize("who", ["holder", "data_user", "auditor", "non_member"])
def test_nobody_else_points_it_to_other_code(consortium, proxy, later_code, refused, who):
    with refused("NOT_RULES_CONTRACT"):
        consortium.evm.send(getattr(consortium, who), proxy, switch(later_code))


def test_the_board_and_the_deployer_do_not_either(consortium, later_code, refused):
    target = consortium.registry.addresses["Permits"]
    creation = next(iter(consortium.evm.creations.values()))
    for who in (*consortium.board, SimpleNamespace(address=creation.sender)):
        with refused("NOT_RULES_CONTRACT"):
            consortium.evm.send(who, target, switch(later_code))


def test_an_address_without_code_is_refused(consortium, rules, proxy, refused):
    with refused("CODE_MISSING"):
        consortium.evm.send(rules, proxy, switch("0x" + "99" * 20))


def test_an_account_that_delegates_to_code_is_refused(consortium, rules, proxy, refused):
    consortium.evm.state.set_code(bytes(19) + b"\x77", bytes.fromhex("ef0100") + b"\x11" * 20)
    with refused("CODE_MISSING"):
        consortium.evm.send(rules, proxy, switch("0x" + "00" * 19 + "77"))
