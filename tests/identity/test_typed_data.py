"""What is signed is what EIP-712 says: compared, message by message, with eth-account's own implementation."""

import dataclasses
import inspect
import json

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak, to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.identity.errors import MessageMalformed
from belmont.identity.messages import (
    MESSAGES,
    STATEMENTS,
    Agreement,
    ConsentGrant,
    Lift,
    Recusal,
    Vote,
    reason_hash,
)
from belmont.identity.typed_data import Domain, Message, _camel_case
from belmont.registry.hashes import reason_hash as registry_reason_hash

DOMAIN = Domain(1337, to_checksum_address("0x" + "ab" * 20))
SIGNER = Account.from_key(keccak(b"signer"))
VALUES = {
    "address": st.binary(min_size=20, max_size=20).map(to_checksum_address),
    "address[]": st.lists(st.binary(min_size=20, max_size=20).map(to_checksum_address), max_size=8).map(tuple),
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes": st.binary(max_size=100),
    "bool": st.booleans(),
    "uint64": st.integers(0, 2**64 - 1),
    "uint256": st.integers(0, 2**256 - 1),
}


def messages(kind):
    return st.builds(kind, **{attribute: VALUES[type_] for attribute, _, type_ in kind.members()})


def standard_digest(message, domain):
    found = encode_typed_data(full_message=message.typed_data(domain))
    return keccak(b"\x19" + found.version + found.header + found.body)


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=MESSAGES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_digest_is_that_of_eth_account(kind, data):
    message = data.draw(messages(kind))
    assert message.digest(DOMAIN) == standard_digest(message, DOMAIN)


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=MESSAGES)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_browser_wallet_signs_the_same_json_to_the_same_signature(kind, data):
    """``eth_signTypedData_v4`` gets the JSON as text; eth-account stands for the wallet."""
    message = data.draw(messages(kind))
    typed = json.loads(json.dumps(message.typed_data(DOMAIN)))
    assert SIGNER.sign_typed_data(full_message=typed).signature == message.sign(SIGNER, DOMAIN).signature


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=MESSAGES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_message_comes_back_from_its_json(kind, data):
    message = data.draw(messages(kind))
    assert kind.from_json(json.loads(json.dumps(message.typed_data(DOMAIN)))["message"]) == message


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=MESSAGES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_another_value_of_any_field_is_another_digest(kind, data):
    message = data.draw(messages(kind))
    for attribute, _, type_ in kind.members():
        other = data.draw(VALUES[type_].filter(lambda value, at=attribute: value != getattr(message, at)))
        assert dataclasses.replace(message, **{attribute: other}).digest(DOMAIN) != message.digest(DOMAIN)
    for domain in (Domain(1, DOMAIN.contract), Domain(1337, to_checksum_address(bytes(20)))):
        assert message.digest(domain) != message.digest(DOMAIN)


TABLE = {
    "Vote": "uint64 study,bool approve,bytes32 conditionsHash,bytes32 reasonHash",
    "Recusal": "uint64 study,bytes32 reasonHash",
    "Agreement": "uint64 study,bytes32 conditions",
    "Acceptance": "uint64 study,bytes32 dataset",
    "Freeze": "uint64 permit,uint64 duration,bytes32 reasonHash",
    "Lift": "uint64 permit,uint64 freeze",
    "Revocation": "uint64 permit,bytes32 reasonHash",
    "Withdrawal": "uint64 permit,bytes32 dataset",
    "MemberSupport": "uint64 proposal",
    "RuleSupport": "uint64 proposal",
    "Pause": "uint64 pause,bytes32 reasonHash",
    "Resume": "uint64 pause",
    "ConsentGrant": "bytes32 dataset,uint64 purposes,uint64 categories,address[] recipients,uint64 validFrom,"
    "uint64 validUntil,uint64 sequence",
    "ConsentRevocation": "bytes32 dataset,uint64 sequence",
    "Release": "uint64 permit,bytes32 modelHash,uint64 evaluatedRound,bytes32 cardHash,bytes32 evidenceHash",
    "Objection": "uint64 permit,bytes32 modelHash,bytes32 reasonHash",
    "Confirmation": "uint64 permit,bytes32 modelHash,uint64 objections",
    "ReleaseWithdrawal": "uint64 permit,bytes32 modelHash",
}


def test_the_types_are_those_of_the_page_on_the_registry():
    found = {kind.__name__: kind.encoded_type() for kind in STATEMENTS}
    assert found == {name: f"{name}(address actor,{own},uint256 nonce,uint64 deadline)" for name, own in TABLE.items()}


def test_the_domain_separator_is_that_of_eip_712():
    """Computed here from the standard's text, word by word."""
    kind = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    words = kind + keccak(text="Belmont") + keccak(text="1") + (1337).to_bytes(32, "big")
    assert DOMAIN.separator == keccak(words + bytes(12) + b"\xab" * 20)


VECTOR = Vote(
    actor=to_checksum_address("0x" + "11" * 20), study=3, approve=True, reason_hash=b"\x22" * 32, nonce=5, deadline=6
)


def test_a_vote_has_this_digest():
    """A fixed vector, so that no later version signs anything else."""
    digest = VECTOR.digest(DOMAIN)
    assert digest.hex() == "bd3711300ac32f257ac2e4480002bb5ee6bb521dbd88e053d51e532cdc99b4a4"
    assert VECTOR.sign(SIGNER, DOMAIN).signers == (SIGNER.address,)


def test_a_vote_under_conditions_a_recusal_and_an_agreement_have_these_digests():
    fields = {"actor": VECTOR.actor, "study": 3, "nonce": 5, "deadline": 6}
    found = [
        dataclasses.replace(VECTOR, conditions_hash=b"\x33" * 32),
        Recusal(reason_hash=b"\x22" * 32, **fields),
        Agreement(conditions=b"\x44" * 32, **fields),
    ]
    assert [each.digest(DOMAIN).hex() for each in found] == [
        "e51ebebc7dd239ac4f32344f9bb962666c4c32264fb5c51c172db93b30d4365a",
        "c4cfeef8eed561913d0e9b4e7e4b13e45c99c40cce31f94f4113e9c7777de4b6",
        "3fce650f63947a41fb9c3df0e6a334fe0cb865160a621c18879beee4be63bbbf",
    ]
    assert [each.sentence() for each in found] == [
        f"Approve study 3 under the conditions 0x{'33' * 32}.",
        "Take no part in the vote on study 3, for good.",
        f"Agree to the conditions 0x{'44' * 32} of study 3.",
    ]


def test_the_reason_is_hashed_as_the_registry_does():
    for reason in ("", "because", "weil: ü"):
        assert reason_hash(reason) == registry_reason_hash(reason)


def test_two_messages_of_the_same_content_have_numbers_of_their_own():
    one, other = (Lift(actor=VECTOR.actor, permit=1, freeze=1) for _ in range(2))
    assert one.nonce != other.nonce and one.nonce.bit_length() > 128


@pytest.mark.parametrize(
    "changes",
    [
        {"study": -1},
        {"study": 2**64},
        {"study": True},
        {"study": "3"},
        {"approve": 1},
        {"reason_hash": b"short"},
        {"reason_hash": "0x" + "22" * 32},
        {"actor": "0x" + "ab" * 20},
        {"actor": b"\x11" * 20},
        {"actor": ""},
        {"nonce": 2**256},
        {"deadline": 1.5},
    ],
)
def test_a_value_that_does_not_fit_is_refused(changes):
    with pytest.raises(MessageMalformed):
        dataclasses.replace(VECTOR, **changes)


def test_more_recipients_than_a_consent_holds_are_refused():
    fields = {"actor": VECTOR.actor, "dataset": bytes(32), "purposes": 1, "categories": 1, "sequence": 1}
    recipients = tuple(to_checksum_address(number.to_bytes(20, "big")) for number in range(9))
    ConsentGrant(**fields, recipients=recipients[:8], valid_from=0, valid_until=1)
    with pytest.raises(MessageMalformed):
        ConsentGrant(**fields, recipients=recipients, valid_from=0, valid_until=1)


def test_names_are_written_in_camel_case():
    assert [_camel_case(name) for name in ("study", "reason_hash", "valid_until")] == [
        "study",
        "reasonHash",
        "validUntil",
    ]


def test_every_message_says_what_it_does_in_words():
    for kind in MESSAGES.values():
        assert kind.sentence is not Message.sentence and not inspect.isabstract(kind), kind
