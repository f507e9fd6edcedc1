from dataclasses import replace

import pytest

from belmont.registry.contract_set import OTHERS
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.founding import found_on
from belmont.registry.types import Address, Member, MemberStatus, Role

VETTING = b"\x01\x55\x12\x20" + bytes(32)


@pytest.fixture
def founders(consortium):
    profile = consortium.profile
    board = [profile(each, Role.ETHICS_BOARD, "Board") for each in consortium.board[:2]]
    return [profile(consortium.holder, Role.DATA_HOLDER, "Hospital"), *board]


def test_founders_are_active_members_with_their_profiles(consortium, founders):
    registry = found_on(consortium.evm, "Second", founders)
    first = founders[0]
    assert registry.name == "Second"
    assert registry.members()[0] == Member(
        first.address, "Hospital", first.did, bytes(32), bytes(32), Role.DATA_HOLDER, MemberStatus.ACTIVE
    )
    assert [member.status for member in registry.members()] == [MemberStatus.ACTIVE] * 3


def test_announces_every_founder_and_the_addresses_of_all_contracts(consortium, founders):
    registry = found_on(consortium.evm, "Second", founders)
    events = registry.audit_events()
    assert [each.details["account"] for each in events if each.name == "MemberAdmitted"] == [
        founder.address for founder in founders
    ]
    (announced,) = (each.details for each in events if each.name == "ConsortiumFounded")
    assert announced == {
        "name": "Second",
        "others": tuple(registry.addresses[name] for name in OTHERS),
    }


def test_the_deployer_is_no_member_and_can_do_nothing(consortium, founders, refused):
    registry = found_on(consortium.evm, "Second", founders)
    (deployer,) = {each.actor for each in registry.audit_events()}
    assert registry.member(deployer) is None
    as_deployer = registry.as_(type("Deployer", (), {"address": deployer}))
    with refused("NOT_MEMBER"):
        as_deployer.propose_removal(founders[0].address)
    with refused("NOT_MEMBER"):
        as_deployer.propose_admission(consortium.profile(consortium.non_member, Role.DATA_USER), VETTING)


def test_a_single_board_member_is_refused(consortium, founders, refused):
    with refused("BOARD_TOO_SMALL"):
        found_on(consortium.evm, "Second", founders[:2])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"address": Address("0x" + "0" * 40)}, "ACCOUNT_MISSING"),
        ({"name": ""}, "NAME_MISSING"),
        ({"did": ""}, "DID_MISSING"),
        ({"roles": Role.NONE}, "ROLES_INVALID"),
        ({"roles": 32}, "ROLES_INVALID"),
        ({"roles": Role.LAY}, "ROLES_CONFLICT"),
        ({"roles": Role.DATA_USER | Role.ETHICS_BOARD}, "ROLES_CONFLICT"),
    ],
)
def test_a_founder_with_an_incomplete_profile_is_refused(consortium, founders, refused, change, reason):
    with refused(reason):
        found_on(consortium.evm, "Second", [replace(founders[0], **change), *founders[1:]])


def test_a_founder_named_twice_is_refused(consortium, founders, refused):
    with refused("MEMBER_EXISTS"):
        found_on(consortium.evm, "Second", [*founders, founders[0]])


def test_a_consortium_without_a_name_is_refused(consortium, founders, refused):
    with refused("NAME_MISSING"):
        found_on(consortium.evm, "", founders)


def test_more_founders_than_fit_are_refused_before_anything_is_sent(consortium, founders):
    with pytest.raises(RegistryArgumentError, match="At most 32 founders"):
        found_on(consortium.evm, "Second", founders * 11)
