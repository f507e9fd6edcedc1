import pytest

from belmont.registry.contract_set import IMPLEMENTATION_SLOT, NAMES, contract, creation_code, proxy_creation
from belmont.registry.founding import proxy_addresses


@pytest.fixture
def addresses(consortium, rules):
    return {**proxy_addresses(consortium.non_member.address), "Rules": rules.address}


@pytest.fixture
def code(consortium, addresses):
    """Members' code without a proxy."""
    return consortium.evm.send(consortium.non_member, None, creation_code("Members", addresses))[1]


def test_it_announces_its_code_and_keeps_it_in_the_slot_of_erc_1967(consortium, addresses, code):
    logs, proxy = consortium.evm.send(consortium.non_member, None, proxy_creation(code, addresses))
    (log,) = logs
    upgraded = contract("Proxy").interface.decode_event(log.topics, log.data)
    assert (log.address, upgraded) == (proxy, ("Upgraded", {"implementation": code}))
    (kept,) = consortium.evm.storage([(proxy, IMPLEMENTATION_SLOT)])
    assert kept == bytes.fromhex(code[2:]).rjust(32, b"\0")
    assert IMPLEMENTATION_SLOT == 0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC


def test_an_address_without_code_is_refused(consortium, addresses, refused):
    with refused("CODE_MISSING"):
        consortium.evm.send(consortium.non_member, None, proxy_creation(addresses["Members"], addresses))


def test_an_account_that_delegates_to_code_is_refused(consortium, addresses, refused):
    """EIP-7702: whoever has its key could point it elsewhere, with no vote."""
    consortium.evm.state.set_code(bytes(19) + b"\x77", bytes.fromhex("ef0100") + b"\x11" * 20)
    with refused("CODE_MISSING"):
        consortium.evm.send(consortium.non_member, None, proxy_creation("0x" + "00" * 19 + "77", addresses))


def test_what_it_is_told_to_do_is_done_on_its_own_storage(consortium):
    """As Members is founded: the proxy has a name, and the code behind it has none."""
    proxy, its = consortium.registry.addresses["Members"], contract("Members").interface
    (word,) = consortium.evm.storage([(proxy, IMPLEMENTATION_SLOT)])
    bare = "0x" + word[-20:].hex()
    answers = consortium.evm.calls([(proxy, its.encode_call("name")), (bare, its.encode_call("name"))])
    assert [its.decode_answer("name", each) for each in answers] == ["Test consortium", ""]


def test_nothing_is_created_when_what_it_is_told_to_do_is_refused(consortium, addresses, code, refused):
    """The founding fails as a whole, with the code's own reason."""
    founding = contract("Members").interface.encode_call("found", "", [], [])
    with refused("NAME_MISSING"):
        consortium.evm.send(consortium.non_member, None, proxy_creation(code, addresses, founding))


@pytest.mark.parametrize("name", NAMES)
def test_every_contract_of_the_consortium_has_a_proxy_of_its_own(consortium, name):
    places = [(each, IMPLEMENTATION_SLOT) for each in consortium.registry.addresses.values()]
    pointed_to = consortium.evm.storage(places)
    assert len(set(pointed_to)) == len(NAMES)
    assert consortium.registry.addresses[name] not in {"0x" + each[-20:].hex() for each in pointed_to}
