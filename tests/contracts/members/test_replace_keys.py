"""A member replaces its own keys; a mask key was never anybody else's, nor anybody's before."""

import pytest

from belmont.registry.errors import RegistryArgumentError
from belmont.registry.types import Address, MemberProfile, Role

VETTING = b"\x01\x55\x12\x20" + bytes(32)
KEY, OTHER, NODE = (bytes([number]) * 32 for number in (0x21, 0x22, 0x33))
NONE = bytes(32)


@pytest.fixture
def as_holder(paired):
    return paired.registry.as_(paired.holder)


def keys(consortium, account):
    member = consortium.registry.member(account.address)
    return member.mask_key, member.node_key_hash


def admit(consortium, mask_key):
    """Propose somebody who is no member, with this mask key."""
    newcomer = MemberProfile(Address(consortium.non_member.address), "New", "did:ethr:0x1", Role.DATA_HOLDER, mask_key)
    return consortium.registry.as_(consortium.auditor).propose_admission(newcomer, VETTING)


def test_a_member_replaces_both_and_nothing_else_of_itself(paired, as_holder):
    before = paired.registry.member(paired.holder.address)
    as_holder.replace_keys(KEY, NODE)
    after = paired.registry.member(paired.holder.address)
    assert (after.mask_key, after.node_key_hash) == (KEY, NODE)
    same = ("address", "name", "did", "roles", "status")
    assert [getattr(after, each) for each in same] == [getattr(before, each) for each in same]
    assert keys(paired, paired.other_holder) == (NONE, NONE)


def test_announces_it(paired, as_holder):
    as_holder.replace_keys(KEY, NODE)
    details = {"mask_key": KEY, "node_key_hash": NODE}
    assert paired.events("KeysReplaced") == [("KeysReplaced", paired.holder.address, details)]


def test_the_node_key_alone_is_replaced_under_the_same_mask_key(paired, as_holder):
    as_holder.replace_keys(KEY, NODE)
    as_holder.replace_keys(KEY, OTHER)
    assert keys(paired, paired.holder) == (KEY, OTHER)


def test_two_members_may_have_one_node_key(paired, as_holder):
    as_holder.replace_keys(KEY, NODE)
    paired.registry.as_(paired.other_holder).replace_keys(OTHER, NODE)
    assert keys(paired, paired.other_holder) == (OTHER, NODE)


def test_a_mask_key_of_another_member_is_refused(paired, as_holder, refused):
    as_holder.replace_keys(KEY, NODE)
    with refused("MASK_KEY_TAKEN"):
        paired.registry.as_(paired.other_holder).replace_keys(KEY, NODE)
    with refused("MASK_KEY_TAKEN"):
        admit(paired, KEY)


def test_an_earlier_mask_key_never_comes_back_not_even_to_its_own_member(paired, as_holder, refused):
    """A mask under it may be known: whoever sees an old key again could be made to mask with it."""
    as_holder.replace_keys(KEY, NODE)
    as_holder.replace_keys(OTHER, NODE)
    with refused("MASK_KEY_TAKEN"):
        as_holder.replace_keys(KEY, NODE)
    with refused("MASK_KEY_TAKEN"):
        paired.registry.as_(paired.other_holder).replace_keys(KEY, NODE)
    with refused("MASK_KEY_TAKEN"):
        admit(paired, KEY)
    assert keys(paired, paired.holder) == (OTHER, NODE)


def test_the_mask_key_of_a_removed_member_is_nobody_elses(paired, refused):
    paired.registry.as_(paired.other_holder).replace_keys(KEY, NODE)
    paired.remove(paired.other_holder)
    with refused("MASK_KEY_TAKEN"):
        paired.registry.as_(paired.holder).replace_keys(KEY, NODE)


def test_nobody_takes_the_key_of_whoever_is_proposed(paired, as_holder, refused):
    """A single member could keep a newcomer out with it."""
    proposal = admit(paired, KEY)
    with refused("MASK_KEY_TAKEN"):
        as_holder.replace_keys(KEY, NODE)
    for member in paired.board:
        paired.registry.as_(member).support(proposal)
    assert keys(paired, paired.non_member) == (KEY, NONE)


def test_the_admission_of_a_member_takes_its_mask_key(paired, as_holder, refused):
    proposal = admit(paired, KEY)
    for member in paired.board:
        paired.registry.as_(member).support(proposal)
    assert keys(paired, paired.non_member) == (KEY, NONE)
    with refused("MASK_KEY_TAKEN"):
        as_holder.replace_keys(KEY, NODE)


def test_no_mask_key_is_nobodys_and_several_have_none(paired, as_holder):
    as_holder.replace_keys(KEY, NODE)
    as_holder.replace_keys(NONE, NODE)
    paired.registry.as_(paired.other_holder).replace_keys(NONE, NODE)
    assert keys(paired, paired.holder) == keys(paired, paired.other_holder) == (NONE, NODE)


@pytest.mark.parametrize("last", [0x80, 0xFF, 0xA1])
def test_a_mask_key_with_its_top_bit_is_refused(paired, as_holder, refused, last):
    """X25519 ignores that bit: the same key would count as two."""
    with refused("MASK_KEY_INVALID"):
        as_holder.replace_keys(KEY[:31] + bytes([last]), NODE)
    with refused("MASK_KEY_INVALID"):
        admit(paired, KEY[:31] + bytes([last]))
    as_holder.replace_keys(b"\xff" * 31 + b"\x7f", NODE)


def test_nobody_else_replaces_keys(paired, refused):
    paired.remove(paired.other_holder)
    for somebody in (paired.non_member, paired.other_holder):
        with refused("NOT_MEMBER"):
            paired.registry.as_(somebody).replace_keys(KEY, NODE)
    with refused("NOT_THE_ACTOR"):
        paired.registry.as_(paired.auditor, Address(paired.holder.address)).replace_keys(KEY, NODE)


@pytest.mark.parametrize("which", [0, 1])
def test_a_key_of_another_length_is_not_sent(paired, which):
    given = [KEY, NODE]
    given[which] = bytes(31)
    for registry in (paired.registry.chain, paired.registry.model):
        with pytest.raises(RegistryArgumentError):
            registry.as_(paired.holder).replace_keys(*given)
