"""What the registry of did:ethr does (uport-project/ethr-did-registry, its own tests), this one does as well."""

import pytest
from eth_utils import keccak, to_checksum_address

from belmont.identity.messages import short_bytes

DAY = 86_400
ATTESTOR = short_bytes("attestor")


@pytest.mark.parametrize(
    ("event", "signature"),
    [
        ("DIDOwnerChanged", "DIDOwnerChanged(address,address,uint256)"),
        ("DIDDelegateChanged", "DIDDelegateChanged(address,bytes32,address,uint256,uint256)"),
        ("DIDAttributeChanged", "DIDAttributeChanged(address,bytes32,bytes,uint256,uint256)"),
    ],
)
def test_events_are_those_of_erc_1056(bench, event, signature):
    found = bench.interface("Identities").events[event]
    assert found.topic == keccak(text=signature)
    assert [each["name"] for each in found.indexed] == ["identity"]


@pytest.mark.parametrize(
    "signature",
    [
        "identityOwner(address)",
        "validDelegate(address,bytes32,address)",
        "changeOwner(address,address)",
        "addDelegate(address,bytes32,address,uint256)",
        "revokeDelegate(address,bytes32,address)",
        "setAttribute(address,bytes32,bytes,uint256)",
        "revokeAttribute(address,bytes32,bytes)",
        "owners(address)",
        "delegates(address,bytes32,address)",
        "changed(address)",
    ],
)
def test_functions_are_those_of_the_registry_of_did_ethr(bench, signature):
    name = signature.partition("(")[0]
    assert bench.interface("Identities").functions[name].selector == keccak(text=signature)[:4]


def test_an_identity_that_nobody_touched_owns_itself(bench, owner):
    assert bench.read("identityOwner", owner.address) == owner.address
    assert int(bench.read("owners", owner.address), 16) == 0
    assert bench.read("changed", owner.address) == 0


def test_a_new_owner_stands_in_owners_and_in_an_event(bench, owner, new_owner):
    events = bench.write(owner, "changeOwner", owner.address, new_owner.address)
    assert bench.read("owners", owner.address) == new_owner.address == bench.read("identityOwner", owner.address)
    assert bench.read("changed", owner.address) == bench.evm.number
    expected = {"identity": owner.address, "owner": new_owner.address, "previous_change": 0}
    assert events == [("DIDOwnerChanged", expected)]


def test_a_delegate_is_valid_once_added_and_no_longer_once_revoked(bench, owner, machine):
    assert not bench.read("validDelegate", owner.address, ATTESTOR, machine.address)
    events = bench.write(owner, "addDelegate", owner.address, ATTESTOR, machine.address, DAY)
    assert bench.read("validDelegate", owner.address, ATTESTOR, machine.address)
    expected = {
        "identity": owner.address,
        "delegate_type": ATTESTOR,
        "delegate": machine.address,
        "valid_to": bench.evm.now + DAY,
        "previous_change": 0,
    }
    assert events == [("DIDDelegateChanged", expected)]
    added = bench.evm.number
    events = bench.write(owner, "revokeDelegate", owner.address, ATTESTOR, machine.address)
    assert not bench.read("validDelegate", owner.address, ATTESTOR, machine.address)
    assert events == [("DIDDelegateChanged", expected | {"valid_to": bench.evm.now, "previous_change": added})]


def test_delegates_are_kept_where_the_registry_of_did_ethr_keeps_them(bench, owner, machine):
    bench.write(owner, "addDelegate", owner.address, ATTESTOR, machine.address, DAY)
    assert bench.read("delegates", owner.address, keccak(ATTESTOR), machine.address) == bench.evm.now + DAY


def test_attributes_are_set_and_revoked_by_events(bench, owner):
    name = short_bytes("encryptionKey")
    events = bench.write(owner, "setAttribute", owner.address, name, b"mykey", DAY)
    expected = {
        "identity": owner.address,
        "name": name,
        "value": b"mykey",
        "valid_to": bench.evm.now + DAY,
        "previous_change": 0,
    }
    assert events == [("DIDAttributeChanged", expected)]
    previous = bench.evm.number
    events = bench.write(owner, "revokeAttribute", owner.address, name, b"mykey")
    assert events == [("DIDAttributeChanged", expected | {"valid_to": 0, "previous_change": previous})]


def test_a_history_is_walked_from_block_to_block(bench, owner, new_owner, machine):
    bench.write(owner, "changeOwner", owner.address, new_owner.address)
    for function in ("addDelegate", "revokeDelegate"):
        args = (owner.address, ATTESTOR, machine.address) + (DAY,) * (function == "addDelegate")
        bench.write(new_owner, function, *args)
    for function in ("setAttribute", "revokeAttribute"):
        args = (owner.address, ATTESTOR, b"value") + (DAY,) * (function == "setAttribute")
        bench.write(new_owner, function, *args)
    history, block = [], bench.read("changed", owner.address)
    while block:
        (found,) = [event for event in bench.events() if event[2] == block]
        history.insert(0, found[0])
        block = found[1]["previous_change"]
    kinds = ["DIDOwnerChanged", *["DIDDelegateChanged"] * 2, *["DIDAttributeChanged"] * 2]
    assert history == kinds


def test_the_accounts_of_the_peers_own_tests_have_the_addresses_it_says(signer_of):
    key = "a285ab66393c5fdda46d6fbad9e27fafd438254ab72ad5acb681a0e9f20f5d7"
    addresses = ("0x2036c6cd85692f0fb2c26e6c6b2eced9e4478dfd", "0xea91e58e9fa466786726f0a947e8583c7c5b3185")
    for last, address in zip("ba", addresses, strict=True):
        assert signer_of(bytes.fromhex(key + last)).address == to_checksum_address(address)
