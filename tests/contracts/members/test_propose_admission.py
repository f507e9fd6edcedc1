from dataclasses import replace

from belmont.registry.types import Address, ProposalKind, Role

VETTING = b"\x01\x55\x12\x20" + bytes(32)


def test_records_the_proposal_with_its_proposer_as_first_supporter(consortium):
    newcomer = consortium.profile(consortium.non_member, Role.DATA_HOLDER)
    number = consortium.registry.as_(consortium.auditor).propose_admission(newcomer, VETTING)
    proposal = consortium.registry.proposal(number)
    assert (proposal.kind, proposal.account) == (ProposalKind.ADMISSION, newcomer.address)
    assert proposal.supporters == (consortium.auditor.address,)
    assert (proposal.proposed_at, proposal.executed) == (consortium.evm.now, False)
    assert consortium.registry.member(newcomer.address) is None


def test_announces_who_is_proposed_and_by_whom(consortium):
    newcomer = consortium.profile(consortium.non_member, Role.DATA_HOLDER, "New hospital")
    number = consortium.registry.as_(consortium.auditor).propose_admission(newcomer, VETTING)
    details = {"proposal": number, "account": newcomer.address, "name": "New hospital", "roles": 1}
    details |= {"did": newcomer.did, "mask_key": newcomer.mask_key, "node_key_hash": newcomer.node_key_hash}
    details["documents"] = VETTING
    assert consortium.events("AdmissionProposed") == [("AdmissionProposed", consortium.auditor.address, details)]


def test_a_non_member_is_refused(consortium, refused):
    newcomer = consortium.profile(consortium.non_member, Role.DATA_HOLDER)
    with refused("NOT_MEMBER"):
        consortium.registry.as_(consortium.non_member).propose_admission(newcomer, VETTING)


def test_a_removed_member_is_refused(consortium, refused):
    consortium.remove(consortium.other_holder)
    with refused("NOT_MEMBER"):
        consortium.registry.as_(consortium.other_holder).propose_admission(
            consortium.profile(consortium.non_member, Role.DATA_HOLDER), VETTING
        )


def test_a_member_is_not_admitted_again(consortium, refused):
    with refused("MEMBER_EXISTS"):
        consortium.registry.as_(consortium.auditor).propose_admission(
            consortium.profile(consortium.holder, Role.ETHICS_BOARD), VETTING
        )


def test_a_removed_account_is_never_admitted_again(consortium, refused):
    consortium.remove(consortium.other_holder)
    with refused("MEMBER_EXISTS"):
        consortium.registry.as_(consortium.auditor).propose_admission(
            consortium.profile(consortium.other_holder, Role.DATA_HOLDER), VETTING
        )


def test_a_data_user_on_the_board_is_refused(consortium, refused):
    both = Role.DATA_USER | Role.ETHICS_BOARD
    with refused("ROLES_CONFLICT"):
        consortium.registry.as_(consortium.auditor).propose_admission(
            consortium.profile(consortium.non_member, both), VETTING
        )


def test_the_zero_address_is_refused(consortium, refused):
    nobody = type("Nobody", (), {"address": Address("0x" + "0" * 40)})
    with refused("ACCOUNT_MISSING"):
        consortium.registry.as_(consortium.auditor).propose_admission(consortium.profile(nobody, Role.AUDITOR), VETTING)


def test_a_mask_key_with_its_top_bit_set_is_refused(consortium, refused):
    alias = bytes(31) + b"\x80"
    with refused("MASK_KEY_INVALID"):
        consortium.registry.as_(consortium.auditor).propose_admission(
            replace(consortium.profile(consortium.non_member, Role.DATA_HOLDER), mask_key=alias), VETTING
        )


def test_a_mask_key_belongs_to_one_member_ever(consortium, refused):
    registry = consortium.registry.as_(consortium.auditor)
    newcomer = replace(consortium.profile(consortium.non_member, Role.DATA_HOLDER), mask_key=b"\x07" * 32)
    proposal = registry.propose_admission(newcomer, VETTING)
    for voter in (*consortium.board, consortium.holder):
        if not registry.proposal(proposal).executed:
            registry.as_(voter).support(proposal)
    assert consortium.registry.member(newcomer.address).mask_key == b"\x07" * 32
    later = type("Later", (), {"address": Address("0x" + "11" * 20)})
    with refused("MASK_KEY_TAKEN"):
        registry.propose_admission(
            replace(consortium.profile(later, Role.DATA_HOLDER), mask_key=newcomer.mask_key), VETTING
        )
