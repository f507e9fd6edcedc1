"""Signatures, and the files that hold them."""

import json
import random
import subprocess
import sys
from dataclasses import replace

import pytest
from eth_account import Account
from eth_utils import keccak, to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.errors import MessageFileError, MessageMalformed, SignatureRefused
from belmont.identity.keys import Identity
from belmont.identity.messages import AddDelegate, Execution, Lift, Vote, reason_hash
from belmont.identity.signed_message import FILE_BYTES_MAX, SignedMessage, joined, recover
from belmont.identity.typed_data import Domain

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DOMAIN = Domain(1337, to_checksum_address("0x" + "ab" * 20))
SIGNER, OTHER = (Account.from_key(keccak(name)) for name in (b"signer", b"other"))
VOTE = Vote(actor=SIGNER.address, study=3, approve=True, reason_hash=reason_hash("because"), nonce=5, deadline=6)


@pytest.fixture
def signed():
    return VOTE.sign(SIGNER, DOMAIN)


def test_it_is_signed_by_whom_it_says(signed):
    assert signed.signers == (SIGNER.address,)
    signed.verify(SIGNER.address)
    with pytest.raises(SignatureRefused):
        signed.verify(OTHER.address)


def test_an_identity_signs_as_its_account_does():
    identity = Identity.create()
    assert VOTE.sign(identity, DOMAIN).signers == (identity.address,)


def test_signing_twice_adds_nothing(signed):
    assert signed.signed_by(SIGNER) == signed


def test_a_signature_of_another_chain_is_somebody_elses(signed):
    elsewhere = SignedMessage(VOTE, Domain(1, DOMAIN.contract), signed.signatures)
    with pytest.raises(SignatureRefused):
        elsewhere.verify(SIGNER.address)


def test_only_the_form_that_the_contracts_read_is_recovered(signed):
    digest, signature = signed.digest, signed.signature
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    assert recover(digest, signature) == SIGNER.address
    for other in (
        r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v]),
        signature[:64] + bytes([v - 27]),
        r + (s | (v - 27) << 255).to_bytes(32, "big"),
        signature + b"\0",
        signature[:64],
        bytes(65),
        bytes(32) + signature[32:],
        r + bytes(32) + signature[64:],
        b"\xff" * 32 + signature[32:],
        b"",
    ):
        assert recover(digest, other) is None


def test_several_signatures_are_joined_in_the_order_of_their_signers(signed):
    people = [Account.from_key(keccak(bytes([number]))) for number in range(5)]
    several = SignedMessage(VOTE, DOMAIN)
    for person in random.Random(7).sample(people, 5):
        several = several.signed_by(person)
    expected = sorted(people, key=lambda person: int(person.address, 16))
    assert several.signature == b"".join(VOTE.sign(person, DOMAIN).signature for person in expected)
    with pytest.raises(SignatureRefused):
        joined(several.digest, [*several.signatures, several.signatures[0]])
    with pytest.raises(SignatureRefused):
        joined(several.digest, [*several.signatures, bytes(65)])


def test_what_nobody_signed_is_not_handed_on():
    with pytest.raises(SignatureRefused):
        _ = SignedMessage(VOTE, DOMAIN).signature


# --- files ---


def test_a_file_comes_back(tmp_path, signed):
    for number, each in enumerate((signed, SignedMessage(VOTE, DOMAIN), SignedMessage(VOTE, DOMAIN, (b"\1" * 300,)))):
        each.save(tmp_path / f"{number}.json")
        assert SignedMessage.load(tmp_path / f"{number}.json") == each


def test_a_file_is_never_overwritten(tmp_path, signed):
    signed.save(tmp_path / "vote.json")
    with pytest.raises(MessageFileError, match="exists: choose another name"):
        signed.save(tmp_path / "vote.json")


def test_a_file_is_for_people(signed):
    content = signed.to_json()
    assert '"says": "Approve study 3."' in content
    assert json.loads(content)["typed_data"]["message"]["study"] == "3"


def test_the_text_of_a_reason_is_in_the_file_only_where_its_signer_wants_that(signed):
    assert "because" not in signed.to_json()
    told = VOTE.sign(SIGNER, DOMAIN, "because")
    assert SignedMessage.from_json(told.to_json().encode()).reason == "because"
    with pytest.raises(MessageMalformed):
        VOTE.sign(SIGNER, DOMAIN, "for another reason")
    with pytest.raises(MessageMalformed):
        AddDelegate(identity=SIGNER.address, delegate_type=bytes(32), delegate=OTHER.address, validity=1).sign(
            SIGNER, DOMAIN, "a message without a reason"
        )


CONDITIONS = ApprovalConditions(("Report every six months.", "每六个月报告一次。"))
CONDITIONAL = replace(VOTE, conditions_hash=CONDITIONS.hash)


def test_the_text_of_conditions_goes_with_the_vote_that_sets_them():
    told = CONDITIONAL.sign(SIGNER, DOMAIN, conditions=CONDITIONS)
    assert SignedMessage.from_json(told.to_json().encode()) == told
    assert ("condition 2", "每六个月报告一次。") in told.rows()
    assert CONDITIONAL.sign(SIGNER, DOMAIN).conditions is None
    for other in (VOTE, Lift(actor=SIGNER.address, permit=1, freeze=1)):
        with pytest.raises(MessageMalformed, match="not the one that was signed"):
            other.sign(SIGNER, DOMAIN, conditions=CONDITIONS)


@pytest.mark.parametrize(
    "text",
    [
        ["Report every six months."],
        ["每六个月报告一次。", "Report every six months."],
        ["Report every  six months.", "每六个月报告一次。"],
        "Report every six months.",
        [],
        [7],
        7,
        None,
        ["\ud800"],
    ],
)
def test_another_text_of_conditions_is_refused(text):
    document = json.loads(CONDITIONAL.sign(SIGNER, DOMAIN, conditions=CONDITIONS).to_json())
    document["conditions"] = text
    with pytest.raises(MessageMalformed):
        SignedMessage.from_json(json.dumps(document).encode("utf-8", "surrogatepass"))


def test_the_longest_conditions_fit_a_file(tmp_path):
    longest = ApprovalConditions(tuple(chr(0x20000 + number) * 1_000 for number in range(20)))
    signed = replace(VOTE, conditions_hash=longest.hash).sign(SIGNER, DOMAIN, "because", longest)
    signed.save(tmp_path / "vote.json")
    assert SignedMessage.load(tmp_path / "vote.json") == signed


def change(path, value):
    def apply(document):
        *folders, last = path
        for folder in folders:
            document = document[folder]
        if value is KeyError:
            del document[last]
        else:
            document[last] = value

    return apply


MESSAGE, SEPARATOR = ("typed_data", "message"), ("typed_data", "domain")


@pytest.mark.parametrize(
    "altered",
    [
        change(("version",), 2),
        change(("version",), True),
        change(("format",), "another"),
        change(("says",), "Refuse study 3."),
        change(("says",), KeyError),
        change(("unknown",), 1),
        change(("signatures",), KeyError),
        change(("signatures",), "0x00"),
        change(("signatures",), ["0xZZ"]),
        change(("signatures",), ["0x"]),
        change(("signatures",), [7]),
        change(("signatures",), ["0x01"] * 2),
        change(("signatures",), [f"0x{number:02x}" for number in range(17)]),
        change(("signatures",), ["0x" + "01" * 2049]),
        change(("reason",), "not this one"),
        change(("reason",), 7),
        change(("reason",), "\ud800"),
        change(("typed_data",), []),
        change(("typed_data", "primaryType"), "Permit"),
        change(("typed_data", "primaryType"), ["Vote"]),
        change(("typed_data", "types", "Vote"), []),
        change((*SEPARATOR, "name"), "Another"),
        change((*SEPARATOR, "chainId"), "1337"),
        change((*SEPARATOR, "chainId"), True),
        change((*SEPARATOR, "salt"), "0x00"),
        change((*SEPARATOR, "verifyingContract"), "0x" + "ab" * 20),
        change((*MESSAGE, "study"), 3),
        change((*MESSAGE, "study"), "03"),
        change((*MESSAGE, "study"), "-3"),
        change((*MESSAGE, "study"), "٣"),
        change((*MESSAGE, "study"), str(2**64)),
        change((*MESSAGE, "approve"), 1),
        change((*MESSAGE, "approve"), "true"),
        change((*MESSAGE, "reasonHash"), "0x22"),
        change((*MESSAGE, "reasonHash"), "0x" + "AB" * 32),
        change((*MESSAGE, "actor"), SIGNER.address.lower()),
        change((*MESSAGE, "nonce"), KeyError),
        change((*MESSAGE, "extra"), "1"),
    ],
)
def test_a_file_that_was_altered_in_form_is_refused(signed, altered):
    document = json.loads(signed.to_json())
    altered(document)
    with pytest.raises(MessageMalformed):
        SignedMessage.from_json(json.dumps(document).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": "belmont-signed-message", "format": "belmont-signed-message"}',
        b'{"format": "belmont-signed-message", "version": 1}',
        b'{"format": "belmont-signed-message", "version": 1' + b"0" * 5000 + b"}",
        b" " * (FILE_BYTES_MAX + 1),
    ],
)
def test_what_is_no_file_of_ours_is_refused(content):
    with pytest.raises(MessageMalformed):
        SignedMessage.from_json(content)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_says_something_else(data):
    signed = VOTE.sign(SIGNER, DOMAIN, "because")
    content = bytearray(signed.to_json().encode())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = SignedMessage.from_json(bytes(content))
    except MessageMalformed:
        return
    assert found == signed or found.signers != (SIGNER.address,)


def test_a_large_call_of_a_wallet_fits_a_file(tmp_path):
    call = Execution(to=SIGNER.address, data=bytes(16 * 1024))
    call.sign(SIGNER, DOMAIN).save(tmp_path / "call.json")
    assert SignedMessage.load(tmp_path / "call.json").message == call


def test_a_notebook_shows_what_was_signed_and_obeys_nothing_in_it():
    reason = "<script>alert(1)</script>"
    vote = Vote(actor=SIGNER.address, study=3, approve=False, reason_hash=reason_hash(reason))
    html = vote.sign(SIGNER, DOMAIN, reason)._repr_html_()
    assert "Refuse study 3." in html and SIGNER.address in html and "<script>" not in html


def test_signing_loads_no_client_of_a_chain():
    code = "import sys, belmont.identity.signed_message; print([m for m in sys.modules if m.startswith('web3')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
