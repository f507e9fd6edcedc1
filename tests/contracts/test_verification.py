"""Connecting to a consortium: what is genuine is found, and what is not is refused."""

from types import SimpleNamespace

import pytest
from eth_utils import keccak, to_canonical_address, to_checksum_address

from belmont.chain.deployment import predict_address
from belmont.registry import records
from belmont.registry.contract_set import NAMES, OTHERS, contract, deployed_code, wired_to
from belmont.registry.errors import ConsortiumForged, ConsortiumNotFound, SeveralConsortia
from belmont.registry.founding import found_on
from belmont.registry.types import Address, MemberProfile, Role
from belmont.registry.verification import verify


@pytest.fixture
def evm(founded):
    """An EVM on which nothing was founded yet."""
    return type(founded.evm)()


@pytest.fixture
def founders(founded):
    return [MemberProfile(each.address, each.name, each.did, each.roles) for each in founded.registry.members()]


class Forger:
    """Founds a consortium as ``found_on`` does, with creation code of its own for one of the contracts."""

    def __init__(self, evm, founders, salt=b"forger"):
        self.evm, self.founders = evm, founders
        self.account = SimpleNamespace(address=to_checksum_address(keccak(salt)[12:]))
        self.addresses = {each: Address(predict_address(self.account.address, n)) for n, each in enumerate(NAMES)}

    def genuine(self, name, wiring=None):
        wiring = wiring or wired_to(name, self.addresses)
        if name == "Members":
            others = [self.addresses[each] for each in OTHERS]
            wiring = ("Forged", [records.profile_struct(each) for each in self.founders], *others)
        return contract(name).compiled.bytecode + contract(name).interface.encode_constructor(*wiring)

    def found(self, **forged):
        for name in NAMES:
            self.evm.send(self.account, None, forged.get(name) or self.genuine(name))

    def creation_code(self, code, stores=(), logs=()):
        """Creation code that writes storage, emits events without data, and leaves ``code`` behind."""
        parts = [
            b"\x7f" + value.to_bytes(32, "big") + b"\x7f" + slot.to_bytes(32, "big") + b"\x55" for slot, value in stores
        ]
        for topic in logs:
            actor = to_canonical_address(self.account.address).rjust(32, b"\0")
            parts.append(b"\x7f" + actor + b"\x7f" + topic + b"\x5f\x5f\xa2")
        start = b"".join(parts)
        length = len(code).to_bytes(2, "big")
        offset = (len(start) + 14).to_bytes(2, "big")
        tail = b"\x61" + length + b"\x61" + offset + b"\x5f\x39\x61" + length + b"\x5f\xf3"
        return start + tail.ljust(14, b"\0") + code


def deployed_topic(name):
    return contract(name).interface.events["ContractDeployed"].topic


def test_what_was_founded_is_found(evm, founders):
    registry = found_on(evm, "Genuine", founders)
    assert verify(evm) == registry.addresses
    assert verify(evm, registry.addresses["Members"]) == registry.addresses


def test_a_forger_who_forges_nothing_founds_a_consortium(evm, founders):
    forger = Forger(evm, founders)
    forger.found()
    assert verify(evm) == forger.addresses


def test_an_empty_chain_has_no_consortium(evm):
    with pytest.raises(ConsortiumNotFound, match="found one"):
        verify(evm)


def test_an_address_without_a_consortium_is_refused(evm, founders):
    found_on(evm, "Genuine", founders)
    with pytest.raises(ConsortiumNotFound, match="0x1111"):
        verify(evm, Address("0x" + "11" * 20))


def test_a_second_founding_needs_a_choice(evm, founders):
    first, second = (found_on(evm, name, founders) for name in ("First", "Second"))
    with pytest.raises(SeveralConsortia, match="members_address"):
        verify(evm)
    for registry in (first, second):
        assert verify(evm, registry.addresses["Members"]) == registry.addresses


def test_a_founding_that_broke_off_leaves_nothing_to_connect_to(evm, founders):
    forger = Forger(evm, founders)
    for name in NAMES[:-1]:
        evm.send(forger.account, None, forger.genuine(name))
    with pytest.raises(ConsortiumNotFound):
        verify(evm)


@pytest.mark.parametrize("name", NAMES)
def test_other_code_is_refused(evm, founders, name):
    forger = Forger(evm, founders)
    genuine = deployed_code(name, forger.addresses)
    changed = genuine[:200] + bytes([genuine[200] ^ 1]) + genuine[201:]
    if name == "Members":
        real = Forger(evm, founders, b"first")
        real.found()
        announcement = evm.logs([real.addresses["Members"]])[-1]
        topic = announcement.topics[0]
        code = forger.creation_code(changed, logs=[topic])
        forger.found(Members=code)
        with pytest.raises(ConsortiumForged):
            verify(evm, forger.addresses["Members"])
        return
    forger.found(**{name: forger.creation_code(changed, logs=[deployed_topic(name)])})
    with pytest.raises(ConsortiumForged, match=f"code of {name}"):
        verify(evm)


@pytest.mark.parametrize("name", [each for each in OTHERS if each != "Verifier"])
def test_contracts_wired_to_somebody_elses_are_refused(evm, founders, name):
    forger = Forger(evm, founders)
    elsewhere = tuple(Address("0x" + "11" * 20) for _ in wired_to(name, forger.addresses))
    forger.found(**{name: forger.genuine(name, elsewhere)})
    with pytest.raises(ConsortiumForged, match=f"code of {name}"):
        verify(evm)


@pytest.mark.parametrize("name", NAMES[:-1])
def test_genuine_code_whose_records_were_made_up_is_refused(evm, founders, name):
    forger = Forger(evm, founders)
    code = deployed_code(name, forger.addresses)
    forger.found(**{name: forger.creation_code(code, stores=[(0, 7)], logs=[deployed_topic(name)])})
    assert evm.code(forger.addresses[name]) == code
    with pytest.raises(ConsortiumForged, match=f"{name} at .* was not created by this release's code"):
        verify(evm)


def test_a_contract_that_never_announced_itself_is_refused(evm, founders):
    forger = Forger(evm, founders)
    forger.found(Permits=forger.creation_code(deployed_code("Permits", forger.addresses)))
    with pytest.raises(ConsortiumForged, match=r"Permits .* announced its creation 0 times"):
        verify(evm)


def test_the_roles_of_made_up_founders_are_checked_by_the_constructor_alone(evm, founders):
    """A forger cannot skip the constructor's rules: the creation code has to be ours, and ours refuses."""
    forger = Forger(evm, [each for each in founders if not each.roles & Role.ETHICS_BOARD])
    with pytest.raises(Exception, match="BOARD_TOO_SMALL"):
        forger.found()
