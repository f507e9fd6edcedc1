from belmont.registry.types import Address, MemberStatus, ProposalKind


def test_records_the_proposal_and_removes_nobody_yet(consortium):
    number = consortium.registry.as_(consortium.auditor).propose_removal(Address(consortium.holder.address))
    proposal = consortium.registry.proposal(number)
    assert (proposal.kind, proposal.account) == (ProposalKind.REMOVAL, consortium.holder.address)
    assert proposal.supporters == (consortium.auditor.address,)
    assert consortium.registry.member(consortium.holder.address).status is MemberStatus.ACTIVE


def test_announces_who_is_to_be_removed(consortium):
    number = consortium.registry.as_(consortium.auditor).propose_removal(Address(consortium.holder.address))
    details = {"proposal": number, "account": consortium.holder.address, "documents": b""}
    assert consortium.events("RemovalProposed") == [("RemovalProposed", consortium.auditor.address, details)]


def test_a_non_member_is_refused(consortium, refused):
    with refused("NOT_MEMBER"):
        consortium.registry.as_(consortium.non_member).propose_removal(Address(consortium.holder.address))


def test_somebody_who_is_no_member_cannot_be_removed(consortium, refused):
    with refused("MEMBER_UNKNOWN"):
        consortium.registry.as_(consortium.auditor).propose_removal(Address(consortium.non_member.address))


def test_nobody_proposes_their_own_removal(consortium, refused):
    with refused("CONCERNS_ITSELF"):
        consortium.registry.as_(consortium.auditor).propose_removal(Address(consortium.auditor.address))
