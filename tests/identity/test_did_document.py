"""DID documents, compared with what the resolver of did:ethr gives in its own tests
(https://github.com/decentralized-identity/ethr-did-resolver, src/__tests__/resolve.*.test.ts)."""

import json

import pytest
from eth_account import Account
from eth_utils import keccak, to_checksum_address

from belmont.identity.did import did_of
from belmont.identity.did_document import NOBODY, IdentityEvent, _base58, resolve
from belmont.identity.errors import DidMalformed
from belmont.identity.messages import short_bytes

IDENTITY, DELEGATE, OWNER = (to_checksum_address(bytes([n]) * 20) for n in (0xA1, 0xB2, 0xC3))
DID = did_of(IDENTITY, 1337)
NOW = 1_750_000_000
SIG_AUTH, VERI_KEY = short_bytes("sigAuth"), short_bytes("veriKey")
CONTROLLER = {
    "id": f"{DID}#controller",
    "type": "EcdsaSecp256k1RecoveryMethod2020",
    "controller": DID,
    "blockchainAccountId": f"eip155:1337:{IDENTITY}",
}


def delegate(kind, seconds, block=1):
    return IdentityEvent(block, NOW, None, kind, DELEGATE, NOW + seconds)


def attribute(name, value, seconds=60, block=1):
    return IdentityEvent(block, NOW, None, short_bytes(name), value, NOW + seconds if seconds else 0)


def document(*events, now=NOW):
    return resolve(DID, events, now)["didDocument"]


def delegate_key(number):
    account = f"eip155:1337:{DELEGATE}"
    return CONTROLLER | {"id": f"{DID}#delegate-{number}", "blockchainAccountId": account}


def test_an_identity_that_nobody_touched_has_its_own_key():
    assert resolve(DID, (), NOW) == {
        "didDocument": {
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/secp256k1recovery-2020/v2"],
            "id": DID,
            "verificationMethod": [CONTROLLER],
            "authentication": [f"{DID}#controller"],
            "assertionMethod": [f"{DID}#controller"],
        },
        "didResolutionMetadata": {"contentType": "application/did+ld+json"},
        "didDocumentMetadata": {},
    }


def test_a_new_owner_is_the_controller_under_the_same_did():
    result = resolve(DID, [IdentityEvent(7, NOW, owner=OWNER)], NOW)
    found = result["didDocument"]
    assert found["id"] == DID
    assert found["verificationMethod"] == [CONTROLLER | {"blockchainAccountId": f"eip155:1337:{OWNER}"}]
    assert result["didDocumentMetadata"] == {"versionId": "7", "updated": "2025-06-15T15:06:40Z"}


def test_a_signing_delegate_asserts():
    found = document(delegate(VERI_KEY, 86_401))
    assert found["verificationMethod"] == [CONTROLLER, delegate_key(1)]
    assert found["authentication"] == [f"{DID}#controller"]
    assert found["assertionMethod"] == [f"{DID}#controller", f"{DID}#delegate-1"]


def test_an_authenticating_delegate_authenticates_and_asserts():
    found = document(delegate(SIG_AUTH, 2))
    assert found["verificationMethod"] == [CONTROLLER, delegate_key(1)]
    assert found["authentication"] == found["assertionMethod"] == [f"{DID}#controller", f"{DID}#delegate-1"]


def test_a_delegate_expires_by_itself_in_the_second_in_which_the_contract_says_so():
    event = delegate(VERI_KEY, 2)
    assert len(document(event, now=NOW + 1)["verificationMethod"]) == 2
    assert document(event, now=NOW + 2)["verificationMethod"] == [CONTROLLER]


def test_a_revoked_delegate_is_gone_and_one_added_again_has_a_new_name():
    assert document(delegate(SIG_AUTH, 300), delegate(SIG_AUTH, 0))["verificationMethod"] == [CONTROLLER]
    found = document(delegate(SIG_AUTH, 300), delegate(SIG_AUTH, 0), delegate(SIG_AUTH, 86_402))
    assert found["verificationMethod"] == [CONTROLLER, delegate_key(3)]
    assert found["authentication"] == [f"{DID}#controller", f"{DID}#delegate-3"]


def test_a_delegate_of_another_type_has_no_place_and_still_counts():
    found = document(delegate(short_bytes("attestor"), 60), delegate(SIG_AUTH, 60))
    assert [each["id"] for each in found["verificationMethod"]] == [f"{DID}#controller", f"{DID}#delegate-2"]


def test_public_keys_are_published_as_attributes():
    account = Account.from_key(keccak(b"key"))
    compressed = account._key_obj.public_key.to_compressed_bytes()
    found = document(
        attribute("did/pub/Secp256k1/veriKey", compressed),
        attribute("did/pub/Ed25519/sigAuth/base64", b"\1" * 32),
        attribute("did/pub/X25519/enc/base64", b"\2" * 32),
        attribute("did/pub/Imaginary2023/veriKey", b"\x12\x34"),
    )
    ids = [f"{DID}#delegate-{number}" for number in range(1, 5)]
    keys = found["verificationMethod"][1:]
    assert [(each["id"], each["type"]) for each in keys] == list(
        zip(
            ids,
            [
                "EcdsaSecp256k1VerificationKey2019",
                "Ed25519VerificationKey2020",
                "X25519KeyAgreementKey2020",
                "Imaginary2023",
            ],
            strict=True,
        )
    )
    assert keys[0]["publicKeyJwk"]["crv"] == "secp256k1"
    assert keys[1]["publicKeyMultibase"] == "z" + _base58(b"\xed\x01" + b"\1" * 32)
    assert keys[3]["publicKeyHex"] == "1234"
    assert found["authentication"] == [f"{DID}#controller", ids[1]]
    assert found["assertionMethod"] == [f"{DID}#controller", ids[0], ids[1], ids[3]]
    assert found["keyAgreement"] == [ids[2]]
    assert "https://w3id.org/security/suites/ed25519-2020/v1" in found["@context"]


def test_base58_is_that_of_bitcoin():
    """From draft-msporny-base58-03."""
    assert _base58(b"Hello World!") == "2NEpo7TZRRrLZSi2U"
    assert _base58(bytes.fromhex("0000287fb4cd")) == "11233QC4"


def test_services_are_text_or_json():
    endpoint = {"uri": "https://hubs.uport.me", "transportType": "http"}
    found = document(
        attribute("did/svc/HubService", b"https://hubs.uport.me"),
        attribute("did/svc/HubService", json.dumps(endpoint).encode()),
    )
    assert found["service"] == [
        {"id": f"{DID}#service-1", "type": "HubService", "serviceEndpoint": "https://hubs.uport.me"},
        {"id": f"{DID}#service-2", "type": "HubService", "serviceEndpoint": endpoint},
    ]
    gone = attribute("did/svc/HubService", b"https://hubs.uport.me", seconds=0)
    assert "service" not in document(attribute("did/svc/HubService", b"https://hubs.uport.me"), gone)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("anything else", b"value"),
        ("did/pub/", b"value"),
        ("did/svc/", b"value"),
        ("did/svc/Service", b"\xff\xfe"),
        ("did/other/Secp256k1/veriKey", b"value"),
    ],
)
def test_other_attributes_have_no_place(name, value):
    found = document(attribute(name, value))
    assert found["verificationMethod"] == [CONTROLLER] and "service" not in found


def test_a_point_that_is_none_is_shown_as_it_is():
    (_, key) = document(attribute("did/pub/Secp256k1/veriKey", b"\x05" * 33))["verificationMethod"]
    assert key["type"] == "Secp256k1" and key["publicKeyHex"] == "05" * 33


def test_a_name_that_is_no_text_does_no_harm():
    event = IdentityEvent(1, NOW, None, b"\xff\x00did/svc/x".ljust(32, b"\x1b"), b"value", NOW + 60)
    assert document(event)["verificationMethod"] == [CONTROLLER]


def test_an_identity_that_belongs_to_nobody_is_deactivated():
    result = resolve(DID, [delegate(SIG_AUTH, 60), IdentityEvent(2, NOW, owner=NOBODY)], NOW)
    assert result["didDocumentMetadata"]["deactivated"] is True
    assert result["didDocument"]["verificationMethod"] == result["didDocument"]["authentication"] == []


def test_another_method_is_refused():
    with pytest.raises(DidMalformed):
        resolve("did:key:z6Mk", (), NOW)
