"""What was signed with no network is acted on once, here, and as it was signed."""

import dataclasses
from types import SimpleNamespace

import pytest
from eth_account import Account
from eth_utils import keccak, to_checksum_address

from belmont.identity.messages import ConsentGrant
from belmont.identity.typed_data import Domain
from belmont.registry.contract_set import contract, wired_to
from belmont.registry.errors import RegistryArgumentError, RegistryRefused

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
STRANGER = Account.from_key(keccak(b"stranger"))
SUCCESSOR = Account.from_key(keccak(b"successor"))


def rotate(act, successor=SUCCESSOR):
    act.registry.as_(act.signer).identities.rotate(successor)


# --- taken ---


def test_anybody_relays_it_and_its_actor_has_acted(act):
    act.submit(act.signed())
    assert act.happened()[-1] == act.message.actor
    relayed = act.registry.events_of("Relay", "MessageRelayed")
    digest = act.message.digest(act.registry.relay.domain)
    assert [(each.actor, each.details) for each in relayed] == [(act.message.actor, {"digest": digest, "nonce": 7})]
    assert act.registry.relay.is_used(act.message.actor, 7)


def test_an_act_by_message_leaves_what_one_by_transaction_leaves(vote):
    """The same vote, both ways; the events say the same, whoever sent the transaction."""
    vote.submit(vote.signed())
    other = vote.consortium.board[1]
    vote.registry.as_(other).vote(vote.message.study, True, "because", vote.message.conditions_hash)
    first, second = vote.registry.events_of("Studies", "VoteCast")
    assert first.details == second.details
    assert (first.actor, second.actor) == (vote.signer.address, other.address)


# --- replay ---


def test_it_counts_once(act, refused):
    act.submit(act.signed())
    with refused("NONCE_USED"):
        act.submit(act.signed())


def test_another_act_with_the_same_number_does_not_count(vote, refused):
    study = vote.consortium.study()
    vote.submit(vote.signed())
    with refused("NONCE_USED"):
        vote.submit(vote.signed(study=study))
    vote.submit(vote.signed(study=study, nonce=8))


def test_two_actors_use_the_same_number(vote):
    vote.submit(vote.signed())
    other = vote.consortium.board[1]
    vote.submit(vote.signed(by=other, actor=other.address))
    assert vote.happened() == [vote.signer.address, other.address]


def test_it_counts_up_to_its_last_second(act, refused):
    back = act.consortium.evm.mark()
    act.consortium.evm.now = act.message.deadline
    act.submit(act.signed())
    back()
    act.consortium.evm.now = act.message.deadline + 1
    with refused("SIGNATURE_EXPIRED"):
        act.submit(act.signed())


def test_on_another_chain_it_counts_for_nothing(act, refused):
    domain = act.registry.relay.domain
    for chain_id in (1, domain.chain_id + 1):
        elsewhere = act.message.sign(act.signer, Domain(chain_id, domain.contract))
        with refused("SIGNATURE_INVALID"):
            act.send(act.message, elsewhere.signature)
        with pytest.raises(RegistryArgumentError, match="signed for"):
            act.submit(elsewhere)
    assert not act.registry.relay.is_used(act.message.actor, 7)


def test_for_another_contract_it_counts_for_nothing(act, refused):
    found = contract("Relay")
    wiring = wired_to("Relay", act.registry.addresses)
    code = found.compiled.bytecode + found.interface.encode_constructor(*wiring)
    _, other = act.consortium.evm.send(act.consortium.non_member, None, code)
    with refused("SIGNATURE_INVALID"):
        act.send(act.message, act.signed().signature, other)
    with refused("SIGNATURE_INVALID"):
        act.send(act.message, act.message.sign(act.signer, Domain(1337, other)).signature)


def test_a_copy_of_the_contract_acts_for_nobody(act, refused):
    """It can be deployed by anybody, and checks signatures as well; contracts take the word of their own Relay only."""
    found = contract("Relay")
    code = found.compiled.bytecode + found.interface.encode_constructor(*wired_to("Relay", act.registry.addresses))
    _, other = act.consortium.evm.send(act.consortium.non_member, None, code)
    with refused("NOT_THE_ACTOR"):
        act.send(act.message, act.message.sign(act.signer, Domain(1337, other)).signature, other)


# --- altered ---


def altered(message, attribute, kind):
    value = getattr(message, attribute)
    match kind:
        case "address":
            return to_checksum_address(int(value, 16).to_bytes(20, "big")[::-1])
        case "address[]":
            return value[:-1]
        case "bool":
            return not value
        case "bytes32":
            return value[:-1] + bytes([value[-1] ^ 1])
        case _:
            return value + 1


def test_no_field_can_be_altered(act, refused):
    signature = act.signed().signature
    for attribute, _, kind in act.message.members():
        changed = dataclasses.replace(act.message, **{attribute: altered(act.message, attribute, kind)})
        with refused("SIGNATURE_INVALID"):
            act.send(changed, signature)
    act.send(act.message, signature)


@pytest.mark.parametrize("recipients", [0, 1, 2, 8])
def test_recipients_are_hashed_as_eip_712_says(vote, refused, recipients):
    """The signature holds for every number of recipients; that this patient is not enrolled comes after it."""
    accounts = tuple(to_checksum_address(bytes(19) + bytes([number + 1])) for number in range(recipients))
    fields = {"purposes": 1, "categories": 1, "valid_from": 0, "valid_until": 1, "sequence": 1}
    last = vote.consortium.evm.now
    grant = ConsentGrant(actor=STRANGER.address, dataset=bytes(32), recipients=accounts, deadline=last, **fields)
    signed = grant.sign(STRANGER, vote.registry.relay.domain)
    with pytest.raises(RegistryRefused) as caught:
        vote.submit(signed)
    assert caught.value.reason not in ("", "SIGNATURE_INVALID")
    if recipients:
        with refused("SIGNATURE_INVALID"):
            vote.send(dataclasses.replace(grant, recipients=accounts[1:]), signed.signature)


# --- who signs ---


def test_nobody_else_signs_it(act, refused):
    for other in (STRANGER, act.consortium.auditor, act.consortium.board[2]):
        with refused("SIGNATURE_INVALID"):
            act.submit(act.signed(by=other))


def test_after_a_rotation_the_new_key_signs_and_the_old_one_does_not(act, refused):
    before = act.signed()
    rotate(act)
    with refused("SIGNATURE_INVALID"):
        act.submit(before)
    act.submit(act.signed(by=SUCCESSOR))
    assert act.happened()[-1] == act.message.actor


def test_a_delegate_decides_nothing(act, refused):
    act.registry.as_(act.signer).identities.add_delegate("sigAuth", STRANGER.address, 3600)
    assert act.registry.identities.works_for(act.message.actor, STRANGER.address)
    with refused("SIGNATURE_INVALID"):
        act.submit(act.signed(by=STRANGER))


def test_a_key_speaks_for_the_identity_that_the_message_names(vote, refused):
    """One key may own two identities; each message is of one of them."""
    rotate(vote, STRANGER)
    vote.submit(vote.signed(by=STRANGER))
    with refused("NOT_ETHICS_BOARD"):
        vote.submit(vote.signed(by=STRANGER, actor=STRANGER.address))


def forms(signature):
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    yield "high s", r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    yield "v 0 or 1", signature[:64] + bytes([v - 27])
    yield "v of EIP-155", signature[:64] + bytes([v + 8])
    yield "the other v", signature[:64] + bytes([55 - v])
    yield "compact, EIP-2098", r + (s | (v - 27) << 255).to_bytes(32, "big")
    yield "without v", signature[:64]
    yield "one byte more", signature + b"\0"
    yield "twice", signature * 2
    yield "nothing", b""
    yield "zeros", bytes(65)
    yield "zeros with v", bytes(64) + b"\x1b"


def test_no_other_form_of_a_signature_is_read(vote, refused):
    signature = vote.signed().signature
    for _, other in forms(signature):
        with refused("SIGNATURE_INVALID"):
            vote.send(vote.message, other)
    vote.send(vote.message, signature)


def test_nobody_speaks_for_the_zero_address(vote, refused):
    nobody = dataclasses.replace(vote.message, actor="0x" + "0" * 40)
    for signature in (bytes(65), bytes(64) + b"\x1b", b"\xff" * 64 + b"\x1c"):
        with refused("SIGNATURE_INVALID"):
            vote.send(nobody, signature)


# --- what is refused uses up nothing ---


def test_what_the_act_refuses_uses_up_no_number(act):
    """Signed for something that is not there, it is refused with the act's own reason; the number is free."""
    attribute = next(
        a for a, _, kind in act.message.members() if a in ("study", "permit", "proposal", "pause", "dataset")
    )
    value = getattr(act.message, attribute)
    missing = {attribute: 99 if isinstance(value, int) else b"\x77" * 32}
    with pytest.raises(RegistryRefused) as caught:
        act.submit(act.signed(**missing))
    assert caught.value.code is not None
    assert not act.registry.relay.is_used(act.message.actor, 7)
    act.submit(act.signed())


def test_somebody_who_may_not_act_may_not_by_message_either(vote, refused):
    member = vote.consortium.auditor
    with refused("NOT_ETHICS_BOARD"):
        vote.submit(vote.signed(by=member, actor=member.address))
    assert not vote.registry.relay.is_used(member.address, 7)


# --- conditions ---


def test_a_vote_against_sets_no_conditions_by_message_either(vote, refused):
    with refused("CONDITIONS_WITH_REFUSAL"):
        vote.submit(vote.signed(approve=False))
    vote.submit(vote.signed(approve=False, conditions_hash=bytes(32)))


@pytest.mark.parametrize("act", ["Agreement"], indirect=True)
def test_an_agreement_that_was_signed_before_further_conditions_is_to_none_of_them(act, refused):
    registry, study = act.registry, act.message.study
    registry.as_(act.consortium.board[0]).vote(study, True, "", b"\x44" * 32)
    with refused("CONDITIONS_MISMATCH"):
        act.submit(act.signed())
    act.submit(act.signed(conditions=registry.study(study).conditions))
    assert registry.study(study).conditions_agreed


# --- a freeze has a number ---


@pytest.mark.parametrize("act", ["Lift"], indirect=True)
def test_a_vote_to_lift_a_freeze_lifts_no_later_one(act, refused):
    before = act.signed()
    act.registry.as_(act.consortium.holder).freeze_permit(act.message.permit)
    with refused("FREEZE_NOT_CURRENT"):
        act.submit(before)
    act.submit(act.signed(freeze=2))


# --- a vote to release a model in spite of objections says how many ---


@pytest.mark.parametrize("act", ["Confirmation"], indirect=True)
def test_a_vote_to_release_a_model_is_about_the_objections_that_its_voter_knew(act, refused):
    for objections in (0, 2, 2**64 - 1):
        with refused("OBJECTIONS_CHANGED"):
            act.submit(act.signed(objections=objections))
    act.submit(act.signed())


# --- cancelling ---


def test_who_speaks_for_an_actor_cancels_what_it_signed(act, refused):
    signed = act.signed()
    act.registry.as_(act.signer).relay.cancel(7)
    assert act.registry.relay.is_used(act.message.actor, 7)
    with refused("NONCE_USED"):
        act.submit(signed)
    with refused("NONCE_USED"):
        act.registry.as_(act.signer).relay.cancel(7)
    (event,) = act.registry.events_of("Relay", "NonceCancelled")
    assert (event.actor, event.details) == (act.message.actor, {"nonce": 7})


def test_nobody_else_cancels(vote, refused):
    vote.registry.as_(vote.signer).identities.add_delegate("sigAuth", STRANGER.address, 3600)
    for sender in (STRANGER, vote.consortium.auditor):
        with refused("NOT_THE_ACTOR"):
            vote.registry.as_(sender, vote.signer.address).relay.cancel(7)
    rotate(vote)
    with refused("NOT_THE_ACTOR"):
        vote.registry.as_(vote.signer).relay.cancel(7)
    vote.registry.as_(SUCCESSOR, vote.signer.address).relay.cancel(7)


def test_the_contract_keeps_no_money_and_no_word_of_a_sender(vote, refused):
    """A transaction from the actor itself is no signature."""
    with refused("SIGNATURE_INVALID"):
        data = contract("Relay").interface.encode_call(vote.message.FUNCTION, *vote.message.arguments(), b"")
        sender = SimpleNamespace(address=vote.message.actor)
        vote.consortium.evm.send(sender, vote.registry.addresses["Relay"], data)
