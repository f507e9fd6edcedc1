"""A lay member is a member of the public on the ethics board, and everywhere on the board like any other."""

import pytest

from belmont.registry.errors import RegistryRefused
from belmont.registry.founding import found_on
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import Address, MemberProfile, Role

VETTING = b"\x01\x55\x12\x20" + bytes(32)
LAY_ON_BOARD = Role.ETHICS_BOARD | Role.LAY


def propose(consortium, roles):
    newcomer = consortium.profile(consortium.non_member, roles)
    return consortium.registry.as_(consortium.auditor).propose_admission(newcomer, VETTING)


@pytest.fixture
def lay(paired):
    """A fourth member of the board: three are its quorum then."""
    proposal = propose(paired, LAY_ON_BOARD)
    for member in paired.board:
        paired.registry.as_(member).support(proposal)
    return paired.non_member


@pytest.mark.parametrize("roles", [role for role in map(Role, range(1, 32)) if Role.LAY in role])
def test_a_lay_member_sits_on_the_board_and_is_no_data_user(paired, refused, roles):
    """Of the sixteen ways to combine it with other roles."""
    if Role.ETHICS_BOARD in roles and Role.DATA_USER not in roles:
        proposal = propose(paired, roles)
        for member in paired.board:
            paired.registry.as_(member).support(proposal)
        assert paired.registry.member(paired.non_member.address).roles == roles
    else:
        with refused("ROLES_CONFLICT"):
            propose(paired, roles)


@pytest.mark.parametrize("roles", [0, 32, 32 | 4, 255])
def test_roles_that_do_not_exist_are_refused(paired, refused, roles):
    profile = paired.profile(paired.non_member, roles)
    fields = (profile.address, profile.name, profile.did, profile.mask_key, profile.node_key_hash, roles)
    with refused("ROLES_INVALID"):
        paired.call(paired.auditor, "Members", "proposeAdmission", paired.auditor.address, fields, VETTING)


def test_lay_members_count_for_the_size_of_the_board_and_its_quorum(paired, lay):
    study = paired.study()
    assert paired.registry.study(study).quorum == 3
    paired.remove(paired.board[0])
    assert paired.registry.study(study).quorum == 2


def test_a_lay_member_does_what_the_board_does(paired, lay):
    registry = paired.registry
    permit = paired.study()
    for member in (*paired.board[:2], lay):
        registry.as_(member).vote(permit, True)
    paired.accept(permit)
    registry.as_(paired.auditor).issue(permit)
    as_lay = registry.as_(lay)
    as_lay.freeze_permit(permit, 60)
    as_lay.vote_lift(permit)
    as_lay.vote_revoke(permit)
    as_lay.rules.vote_pause(1)
    as_lay.propose_removal(Address(paired.auditor.address))


def test_a_board_of_lay_members_can_be_founded(consortium, evm):
    """The roles of founders are held to the same rule."""

    def founders(roles):
        accounts = (consortium.holder, consortium.other_holder)
        return [
            MemberProfile(Address(each.address), f"Member {place}", f"did:ethr:0x539:{each.address}", roles)
            for place, each in enumerate(accounts)
        ]

    assert found_on(evm, "Lay", founders(LAY_ON_BOARD)).members()[0].roles == LAY_ON_BOARD
    assert SimulatedRegistry.found("Lay", founders(LAY_ON_BOARD)).members()[0].roles == LAY_ON_BOARD
    for roles in (Role.LAY, Role.LAY | Role.DATA_HOLDER):
        with pytest.raises(RegistryRefused, match="ROLES_CONFLICT"):
            found_on(evm, "Lay", founders(roles))
        with pytest.raises(RegistryRefused, match="ROLES_CONFLICT"):
            SimulatedRegistry.found("Lay", founders(roles))
