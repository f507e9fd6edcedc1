"""New code for Permits, from the proposal to the switch: what it takes, what stays, and who notices."""

import pytest
from eth_utils.address import to_checksum_address

from belmont.federated.errors import Refusal
from belmont.federated.gate.gate import Asked, Gate
from belmont.federated.gate.ledger import Ledger
from belmont.registry.abi import Interface
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.contract_set import IMPLEMENTATION_SLOT, contract, creation_code
from belmont.registry.errors import CodeUnknown, ConsortiumForged, RegistryRefused, SeveralConsortia
from belmont.registry.founding import found_on
from belmont.registry.reasons import Reason
from belmont.registry.release import THIS_RELEASE, Release
from belmont.registry.types import PermitStatus, Role, UseKind
from belmont.registry.verification import verify

DAY = 24 * 3600
DELAY, ENACTMENT = 7 * DAY, 30 * DAY


@pytest.fixture
def permits(consortium):
    return consortium.registry.addresses["Permits"]


@pytest.fixture
def everybody(consortium):
    """The seven members; four are more than half of them."""
    its = consortium
    return [its.holder, its.other_holder, its.data_user, its.auditor, *its.board]


@pytest.fixture
def proposed(consortium, permits, later_code):
    return consortium.registry.as_(consortium.auditor).rules.propose_code(permits, later_code)


@pytest.fixture
def carried(consortium, everybody, proposed):
    for member in everybody[:3]:
        consortium.registry.as_(member).rules.support(proposed)
    assert consortium.registry.rules.proposal(proposed).carried_at == consortium.evm.now
    return proposed


@pytest.fixture
def enact(consortium):
    return lambda proposal: consortium.registry.as_(consortium.non_member).rules.enact(proposal)


def points_to(consortium, name="Permits"):
    (word,) = consortium.evm.storage([(consortium.registry.addresses[name], IMPLEMENTATION_SLOT)])
    return word[-20:].hex()


def is_stopped(consortium, later_permits, permit):
    interface = Interface("Permits", later_permits.abi)
    call = interface.encode_call("isStopped", permit)
    (answer,) = consortium.evm.calls([(consortium.registry.addresses["Permits"], call)])
    return interface.decode_answer("isStopped", answer)


# --- what it takes ---


def test_a_proposal_without_the_majority_is_never_enacted(consortium, everybody, proposed, enact, refused):
    for member in everybody[:2]:
        consortium.registry.as_(member).rules.support(proposed)
    for seconds in (0, DELAY, 30 * DAY):
        consortium.evm.now += seconds
        with refused("VOTE_UNDECIDED"):
            enact(proposed)
    with refused("PROPOSAL_CLOSED"):
        consortium.registry.as_(everybody[2]).rules.support(proposed)


def test_a_carried_proposal_waits_for_its_delay(consortium, carried, enact, refused, later_code):
    before = points_to(consortium)
    for seconds in (0, DELAY - 1):
        consortium.evm.now += seconds
        with refused("TOO_EARLY"):
            enact(carried)
    assert points_to(consortium) == before
    consortium.evm.now += 1
    enact(carried)
    assert points_to(consortium) == later_code[2:].lower()


def test_it_is_enacted_once_and_in_thirty_days(consortium, carried, enact, refused):
    back = consortium.evm.mark()
    consortium.evm.now += DELAY
    enact(carried)
    with refused("PROPOSAL_CLOSED"):
        enact(carried)
    back()
    consortium.evm.now += DELAY + ENACTMENT
    with refused("PROPOSAL_CLOSED"):
        enact(carried)


def test_a_majority_that_left_in_the_meantime_is_none(consortium, everybody, carried, enact, refused):
    """Support is counted again: two of the four supporters are no members any more, and two of five are too few."""
    consortium.remove(everybody[0])
    consortium.remove(everybody[2])
    consortium.evm.now += DELAY
    with refused("VOTE_UNDECIDED"):
        enact(carried)


def test_whoever_is_no_member_neither_proposes_nor_supports(consortium, permits, later_code, proposed, refused):
    stranger = consortium.registry.as_(consortium.non_member).rules
    with refused("NOT_MEMBER"):
        stranger.propose_code(permits, later_code)
    with refused("NOT_MEMBER"):
        stranger.support(proposed)


def test_code_that_is_another_than_when_it_was_proposed_is_refused(consortium, carried, later_code, enact, refused):
    """As it could become where a contract was destroyed in the transaction that created it."""
    consortium.evm.state.set_code(bytes.fromhex(later_code[2:]), bytes(100))
    consortium.evm.now += DELAY
    with refused("CODE_MISSING"):
        enact(carried)


def test_enacting_for_what_is_no_proxy_changes_nothing(consortium, everybody, later_code, enact):
    """The code itself has no function to switch it, and the proposal can be enacted no other way."""
    proposal = consortium.registry.as_(consortium.auditor).rules.propose_code(later_code, later_code)
    for member in everybody[:3]:
        consortium.registry.as_(member).rules.support(proposal)
    consortium.evm.now += DELAY
    with pytest.raises(RegistryRefused):
        enact(proposal)
    assert not consortium.registry.rules.proposal(proposal).enacted


# --- what stays ---


def test_all_state_is_there_under_the_new_code_and_goes_on_as_the_reference_model_says(
    consortium, both, later_permits, later_code, permits, everybody, enact
):
    side = consortium.registry = both(consortium)
    running, revoked = consortium.permit(consortium.datasets(proven=True)), consortium.permit()
    side.as_(consortium.board[0]).freeze_permit(running, DAY)
    for member in consortium.board[:2]:
        side.as_(member).vote_revoke(revoked)
    side.as_(consortium.board[1]).vote_lift(running)

    rules = side.chain.as_(consortium.auditor).rules
    proposal = rules.propose_code(permits, later_code)
    for member in everybody[:3]:
        side.chain.as_(member).rules.support(proposal)
    consortium.evm.now += DELAY
    rules.enact(proposal)

    # The later code sees what the earlier one wrote.
    assert [is_stopped(consortium, later_permits, each) for each in (running, revoked)] == [False, True]
    side.as_(consortium.holder).freeze_permit(running, DAY)
    assert side.permit(running).status is PermitStatus.FROZEN
    for member in consortium.board[1:]:
        side.as_(member).vote_lift(running)
    consortium.round(running)
    for kind in ("members", "proposals", "datasets", "studies", "permits"):
        assert getattr(side.chain, kind)() == getattr(side.model, kind)(), kind
    told = [
        [(each.contract, each.name, each.details) for each in registry.audit_events() if each.contract == "Permits"]
        for registry in (side.chain, side.model)
    ]
    assert told[0] == told[1]


def test_rules_exchanges_its_own_code_by_the_same_vote(consortium, everybody, enact):
    """To the same code once more, at another address: then its proxy points there, and the old proposals stand."""
    registry = consortium.registry
    target = registry.addresses["Rules"]
    _, code = consortium.evm.send(consortium.non_member, None, creation_code("Rules", registry.addresses))
    proposal = registry.as_(consortium.auditor).rules.propose_code(target, code)
    for member in everybody[:3]:
        registry.as_(member).rules.support(proposal)
    consortium.evm.now += DELAY
    enact(proposal)
    assert points_to(consortium, "Rules") == code[2:].lower()
    assert registry.rules.proposal(proposal).enacted
    assert verify(consortium.evm, registry.addresses["Members"]) == registry.addresses


# --- who notices ---


def test_the_release_without_the_new_code_refuses_it_and_says_what_to_do(consortium, carried, later_code, enact):
    consortium.evm.now += DELAY
    enact(carried)
    with pytest.raises(CodeUnknown, match=f"CODE_UNKNOWN: Permits .*{later_code}.* install the release") as caught:
        verify(consortium.evm, consortium.registry.addresses["Members"])
    assert (caught.value.contract, caught.value.implementation) == ("Permits", later_code)


def test_the_release_with_the_new_code_takes_over(consortium, carried, enact, later_release):
    members = consortium.registry.addresses["Members"]
    with pytest.raises(CodeUnknown):
        verify(consortium.evm, members, later_release)  # not yet: the consortium still runs the earlier code
    consortium.evm.now += DELAY
    enact(carried)
    assert verify(consortium.evm, members, later_release) == consortium.registry.addresses


def test_a_release_that_does_not_know_the_earlier_code_does_not_believe_its_records(
    consortium, carried, enact, later_release
):
    consortium.evm.now += DELAY
    enact(carried)
    with pytest.raises(ConsortiumForged, match="code that Permits was founded with"):
        verify(consortium.evm, None, Release(current=later_release.current))


def test_code_that_is_unknown_and_was_exchanged_again_is_still_refused(consortium, everybody, carried, enact):
    """Whatever it wrote in the meantime is there."""
    registry, evm = consortium.registry, consortium.evm
    (word,) = evm.storage([(registry.addresses["Permits"], IMPLEMENTATION_SLOT)])
    evm.now += DELAY
    enact(carried)
    earlier = to_checksum_address(word[-20:])
    again = registry.as_(consortium.auditor).rules.propose_code(registry.addresses["Permits"], earlier)
    for member in everybody[:3]:
        registry.as_(member).rules.support(again)
    evm.now += DELAY
    enact(again)
    assert points_to(consortium) == word[-20:].hex()
    with pytest.raises(CodeUnknown):
        verify(evm, registry.addresses["Members"])


def test_a_strangers_later_founding_is_not_taken_for_the_consortium_that_changed_its_code(consortium, carried, enact):
    stranger = consortium.profile(consortium.non_member, Role.ETHICS_BOARD)
    other = consortium.profile(consortium.auditor, Role.ETHICS_BOARD)
    found_on(consortium.evm, "Stranger's", [stranger, other])
    consortium.evm.now += DELAY
    enact(carried)
    with pytest.raises(SeveralConsortia):
        verify(consortium.evm)


def test_a_node_that_is_connected_notices_before_it_decides(consortium, carried, enact):
    permit = consortium.permit(consortium.datasets(proven=True))
    (dataset, _) = consortium.registry.permit(permit).covered
    node = ChainRegistry(consortium.evm, consortium.registry.addresses)
    assert node.view(permit, dataset, UseKind.ROUND, 1).permit is not None
    consortium.evm.now += DELAY
    enact(carried)
    for _ in range(2):
        with pytest.raises(CodeUnknown):
            node.view(permit, dataset, UseKind.ROUND, 1)
        with pytest.raises(CodeUnknown):
            node.round_state(permit, 1)


def test_a_nodes_gate_is_closed_with_a_reason_that_says_what_to_do(consortium, carried, enact, tmp_path):
    permit = consortium.permit(consortium.datasets(proven=True))
    (dataset, _) = consortium.registry.permit(permit).covered
    node = ChainRegistry(consortium.evm, consortium.registry.addresses)
    gate = Gate(node.as_(consortium.holder), Ledger(tmp_path / "ledger", node.identity, dataset))
    consortium.evm.now += DELAY
    enact(carried)
    with pytest.raises(Refusal) as caught:
        gate.admit(Asked(permit, dataset, UseKind.ROUND, 1), pytest.fail, "message")
    assert caught.value.reason is Reason.CODE_UNKNOWN
    assert "install the release" in caught.value.remedy


def test_code_that_lies_about_everything_is_noticed_as_well(consortium, everybody, enact):
    """Uses answers what a node reads: the node does not ask it which code it runs."""
    registry, evm = consortium.registry, consortium.evm
    permit = consortium.permit(consortium.datasets(proven=True))
    (dataset, _) = registry.permit(permit).covered
    node = ChainRegistry(evm, registry.addresses)
    genuine = evm.calls([(registry.addresses["Uses"], _node_view(permit, dataset))])[0]
    _, liar = evm.send(consortium.non_member, None, _says(genuine))
    proposal = registry.as_(consortium.auditor).rules.propose_code(registry.addresses["Uses"], liar)
    for member in everybody[:3]:
        registry.as_(member).rules.support(proposal)
    assert node.view(permit, dataset, UseKind.ROUND, 1).permit is not None
    evm.now += DELAY
    enact(proposal)
    assert evm.calls([(registry.addresses["Uses"], _node_view(permit, dataset))])[0] == genuine
    with pytest.raises(CodeUnknown, match="Uses runs code"):
        node.view(permit, dataset, UseKind.ROUND, 1)


@pytest.mark.parametrize("code", [b"\x5f\x5f\xfd", b"\xfe", b"\x00"], ids=["reverts", "fails", "says nothing"])
def test_code_that_does_not_answer_is_called_unknown_and_not_a_refusal(consortium, everybody, enact, code):
    registry, evm = consortium.registry, consortium.evm
    permit = consortium.permit(consortium.datasets(proven=True))
    (dataset, _) = registry.permit(permit).covered
    node = ChainRegistry(evm, registry.addresses)
    runtime = code + bytes(30)
    size = len(runtime).to_bytes(1, "big")
    creation = b"\x60" + size + b"\x60\x09\x5f\x39\x60" + size + b"\x5f\xf3" + runtime
    _, mute = evm.send(consortium.non_member, None, creation)
    proposal = registry.as_(consortium.auditor).rules.propose_code(registry.addresses["Uses"], mute)
    for member in everybody[:3]:
        registry.as_(member).rules.support(proposal)
    assert node.round_state(permit, 1).opened is None
    evm.now += DELAY
    enact(proposal)
    for read in (lambda: node.view(permit, dataset, UseKind.ROUND, 1), lambda: node.round_state(permit, 1)):
        with pytest.raises(CodeUnknown, match="Uses runs code"):
            read()


def _node_view(permit, dataset):
    return contract("Uses").interface.encode_call("nodeView", permit, dataset, int(UseKind.ROUND), 1)


def _says(answer):
    """Creation code of a contract that gives this answer to everything."""
    length = len(answer).to_bytes(2, "big")
    runtime = b"\x61" + length + b"\x60\x0c\x5f\x39\x61" + length + b"\x5f\xf3" + answer
    size = len(runtime).to_bytes(2, "big")
    return b"\x61" + size + b"\x60\x0c\x5f\x39\x61" + size + b"\x5f\xf3" + runtime


def test_this_release_takes_over_from_none():
    """It is the first with proxies."""
    assert THIS_RELEASE.earlier == {}
