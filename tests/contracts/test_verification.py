"""Connecting to a consortium: what is genuine is found, and what is not is refused."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from eth_abi.abi import encode
from eth_utils import keccak, to_canonical_address, to_checksum_address

from belmont.chain.deployment import predict_address
from belmont.registry import records
from belmont.registry.contract_set import (
    IMPLEMENTATION_SLOT,
    NAMES,
    OTHERS,
    contract,
    creation_code,
    deployed_code,
    proxy_code,
    proxy_creation,
)
from belmont.registry.errors import ConsortiumForged, ConsortiumNotFound, RegistryRefused, SeveralConsortia
from belmont.registry.founding import found_on, proxy_addresses
from belmont.registry.types import Address, MemberProfile, Role
from belmont.registry.verification import verify

UPGRADED = contract("Proxy").interface.events["Upgraded"].topic
FOUNDED = contract("Members").interface.events["ConsortiumFounded"].topic
NOT_OURS = Address("0x" + "11" * 20)


@pytest.fixture
def evm(founded):
    """An EVM on which nothing was founded yet."""
    return type(founded.evm)()


@pytest.fixture
def founders(founded):
    return [MemberProfile(each.address, each.name, each.did, each.roles) for each in founded.registry.members()]


class Forger:
    """Founds a consortium as ``found_on`` does, with creation code of its own for some of the contracts or proxies."""

    def __init__(self, evm, founders, salt=b"forger"):
        self.evm, self.founders = evm, founders
        self.account = SimpleNamespace(address=to_checksum_address(keccak(salt)[12:]))
        self.addresses = proxy_addresses(Address(self.account.address))

    def implementation(self, name):
        """Where the code of a contract is."""
        return Address(predict_address(self.account.address, 2 * NAMES.index(name)))

    def founding(self, name="Members"):
        if name != "Members":
            return b""
        profiles = [records.profile_struct(each) for each in self.founders]
        others = [self.addresses[each] for each in OTHERS]
        return contract("Members").interface.encode_call("found", "Forged", profiles, others)

    def genuine_proxy(self, name):
        return proxy_creation(self.implementation(name), self.addresses, self.founding(name))

    def found(self, implementations=(), proxies=()):
        for name in NAMES:
            self.evm.send(self.account, None, dict(implementations).get(name) or creation_code(name, self.addresses))
            self.evm.send(self.account, None, dict(proxies).get(name) or self.genuine_proxy(name))

    def leaves(self, code, stores=(), logs=()):
        """Creation code that writes storage, emits events without data, and leaves ``code`` behind."""
        parts = [
            b"\x7f" + value.to_bytes(32, "big") + b"\x7f" + slot.to_bytes(32, "big") + b"\x55" for slot, value in stores
        ]
        parts += [b"\x7f" + subject + b"\x7f" + topic + b"\x5f\x5f\xa2" for topic, subject in logs]
        start = b"".join(parts)
        length = len(code).to_bytes(2, "big")
        offset = (len(start) + 14).to_bytes(2, "big")
        tail = b"\x61" + length + b"\x61" + offset + b"\x5f\x39\x61" + length + b"\x5f\xf3"
        return start + tail.ljust(14, b"\0") + code

    def made_up_proxy(self, name, code=None, stores=(), points_to=None):
        """A proxy that looks right, and was not created by ours."""
        points_to = points_to or self.implementation(name)
        word = to_canonical_address(points_to).rjust(32, b"\0")
        slot = (IMPLEMENTATION_SLOT, int.from_bytes(word, "big"))
        return self.leaves(code or proxy_code(self.addresses), [slot, *stores], [(UPGRADED, word)])


def changed(code, place):
    return code[:place] + bytes([code[place] ^ 1]) + code[place + 1 :]


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
        verify(evm, NOT_OURS)


def test_a_second_founding_needs_a_choice(evm, founders):
    first, second = (found_on(evm, name, founders) for name in ("First", "Second"))
    with pytest.raises(SeveralConsortia, match="members_address"):
        verify(evm)
    for registry in (first, second):
        assert verify(evm, registry.addresses["Members"]) == registry.addresses


def test_a_founding_that_broke_off_leaves_nothing_to_connect_to(evm, founders):
    forger = Forger(evm, founders)
    for name in OTHERS:
        evm.send(forger.account, None, creation_code(name, forger.addresses))
        evm.send(forger.account, None, forger.genuine_proxy(name))
    evm.send(forger.account, None, creation_code("Members", forger.addresses))
    with pytest.raises(ConsortiumNotFound):
        verify(evm)


@pytest.mark.parametrize("name", NAMES)
def test_other_code_behind_a_proxy_is_refused(evm, founders, name):
    forger = Forger(evm, founders)
    genuine = deployed_code(name, forger.addresses)
    # A byte that the founding does not run: of a refusal, in Members.
    place = genuine.index(b"ALREADY_FOUNDED") if name == "Members" else 200
    forger.found(implementations={name: forger.leaves(changed(genuine, place))})
    with pytest.raises(ConsortiumForged, match=f"code that {name} was founded with"):
        verify(evm)


@pytest.mark.parametrize("name", [each for each in NAMES if each != "Verifier"])
def test_code_wired_to_somebody_elses_contracts_is_refused(evm, founders, name):
    forger = Forger(evm, founders)
    elsewhere = {**dict.fromkeys(NAMES, NOT_OURS), "Identities": forger.addresses["Identities"]}
    if name == "Members":
        elsewhere["Rules"] = forger.addresses["Rules"]
        elsewhere["Identities"] = NOT_OURS
    forger.found(implementations={name: creation_code(name, elsewhere)})
    with pytest.raises(ConsortiumForged, match=f"code that {name} was founded with"):
        verify(evm)


@pytest.mark.parametrize("name", OTHERS)
def test_a_proxy_with_other_code_is_refused(evm, founders, name):
    forger = Forger(evm, founders)
    code = changed(proxy_code(forger.addresses), len(contract("Proxy").compiled.runtime) - 1)
    forger.found(proxies={name: forger.made_up_proxy(name, code)})
    with pytest.raises(ConsortiumForged, match=f"code of {name} .* is not this release's proxy"):
        verify(evm)


@pytest.mark.parametrize("name", NAMES)
def test_a_proxy_that_obeys_somebody_else_is_refused(evm, founders, name):
    """Its code could be exchanged without a vote."""
    forger = Forger(evm, founders)
    theirs = {**forger.addresses, "Rules": Address(forger.account.address)}
    forger.found(proxies={name: proxy_creation(forger.implementation(name), theirs, forger.founding(name))})
    with pytest.raises(ConsortiumForged, match=f"code of {name} .* is not this release's proxy"):
        verify(evm)


@pytest.mark.parametrize("name", OTHERS)
def test_a_genuine_proxy_whose_records_were_made_up_is_refused(evm, founders, name):
    forger = Forger(evm, founders)
    # Not in a slot that the founding reads: this one is far from all of them.
    forger.found(proxies={name: forger.made_up_proxy(name, stores=[(2**200, 7)])})
    assert evm.code(forger.addresses[name]) == proxy_code(forger.addresses)
    with pytest.raises(ConsortiumForged, match=f"{name} at .* was not created by this release's code"):
        verify(evm)


@pytest.mark.parametrize("name", OTHERS)
def test_made_up_records_behind_the_arguments_of_a_genuine_creation_are_refused(evm, founders, name):
    """The forger's creation code is as long as ours, and the same arguments follow it."""
    forger = Forger(evm, founders)
    genuine = forger.genuine_proxy(name)
    length = len(contract("Proxy").compiled.bytecode)
    forged = forger.made_up_proxy(name, stores=[(2**200, 7)])
    assert len(forged) <= length
    forger.found(proxies={name: forged.ljust(length, b"\0") + genuine[length:]})
    with pytest.raises(ConsortiumForged, match=f"{name} at .* was not created by this release's code"):
        verify(evm)


def test_made_up_members_are_refused(evm, founders):
    """Its storage and the announcement of its founding come from the forger's creation code."""
    forger = Forger(evm, founders)
    forger.found(proxies={"Members": forger.made_up_proxy("Members", stores=[(2**200, 7)])})
    others = [forger.addresses[each] for each in OTHERS]
    log = evm.entries[-1]
    actor = to_canonical_address(forger.account.address).rjust(32, b"\0")
    data = encode(["string", "address[]"], ["Forged", others])
    evm.entries.append(replace(log, topics=(FOUNDED, actor), data=data))
    with pytest.raises(ConsortiumForged, match=r"Members at .* was not created by this release's code"):
        verify(evm)


def test_a_proxy_that_was_told_to_do_something_at_its_creation_is_refused(evm, founders):
    """Whatever it was: here only Members has something to do then, which is to be founded."""
    forger = Forger(evm, founders)
    data = contract("Rules").interface.encode_call("isPaused")
    forger.found(proxies={"Rules": proxy_creation(forger.implementation("Rules"), forger.addresses, data)})
    with pytest.raises(ConsortiumForged, match=r"Rules at .* was not created by this release's code"):
        verify(evm)


def test_members_founded_after_their_creation_are_refused(evm, founders):
    """Between the two, somebody else could have founded it."""
    forger = Forger(evm, founders)
    forger.found(proxies={"Members": proxy_creation(forger.implementation("Members"), forger.addresses)})
    evm.send(forger.account, forger.addresses["Members"], forger.founding())
    with pytest.raises(ConsortiumForged, match=r"Members at .* was not created by this release's code"):
        verify(evm)


def test_code_that_is_founded_without_a_proxy_is_refused(evm, founders):
    forger = Forger(evm, founders)
    forger.found()
    bare = forger.implementation("Members")
    evm.send(forger.account, bare, forger.founding())
    with pytest.raises(ConsortiumForged):
        verify(evm, bare)
    assert verify(evm) == forger.addresses


def test_a_proxy_that_never_announced_itself_is_refused(evm, founders):
    forger = Forger(evm, founders)
    points_to = int(forger.implementation("Permits"), 16)
    silent = forger.leaves(proxy_code(forger.addresses), [(IMPLEMENTATION_SLOT, points_to)])
    forger.found(proxies={"Permits": silent})
    with pytest.raises(ConsortiumForged, match=r"Permits .* does not run the code that it announced"):
        verify(evm)


def test_a_proxy_that_points_elsewhere_than_it_announced_is_refused(evm, founders):
    forger = Forger(evm, founders)
    hidden = (IMPLEMENTATION_SLOT, int(NOT_OURS, 16))
    forger.found(proxies={"Permits": forger.made_up_proxy("Permits", stores=[hidden])})
    with pytest.raises(ConsortiumForged, match=r"Permits .* does not run the code that it announced"):
        verify(evm)


def test_made_up_founders_are_checked_by_the_founding_alone(evm, founders):
    """A forger cannot skip the rules of the founding: the creation code has to be ours, and ours refuses."""
    forger = Forger(evm, [each for each in founders if not each.roles & Role.ETHICS_BOARD])
    with pytest.raises(RegistryRefused, match="BOARD_TOO_SMALL"):
        forger.found()
