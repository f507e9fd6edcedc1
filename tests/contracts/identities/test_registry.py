"""Identities through the registry: what its Protocol promises, on the contracts and in memory alike."""

import pytest
from eth_account import Account
from eth_utils import keccak

from belmont.identity.did import did_of
from belmont.identity.messages import AddDelegate, ChangeOwner, SetAttribute, Vote, short_bytes
from belmont.identity.typed_data import Domain
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.identities.protocol import SIG_AUTH

NEW, MACHINE, STRANGER = (Account.from_key(keccak(name)) for name in (b"new", b"machine", b"stranger"))
DAY = 86_400


@pytest.fixture(params=["contracts", "model"])
def registry(request, consortium, both):
    """Bound to a data holder."""
    found = consortium.registry if request.param == "contracts" else both(consortium).model
    return found.as_(consortium.holder)


@pytest.fixture
def holder(consortium):
    return consortium.holder.address


def test_everybody_speaks_for_themselves_at_first(registry, holder):
    assert registry.identities.owner(holder) == holder
    assert registry.identities.speaks_for(holder, holder)
    assert not registry.identities.works_for(holder, STRANGER.address)
    assert registry.identities.history(holder) == []


def test_a_rotated_identity_goes_on_under_the_new_key(registry, holder, refused):
    registry.identities.rotate(NEW)
    assert registry.identities.owner(holder) == NEW.address
    with refused("NOT_THE_ACTOR"):
        registry.freeze_dataset(b"\1" * 32)
    with refused("DATASET_UNKNOWN"):
        registry.as_(NEW, holder).freeze_dataset(b"\1" * 32)


def test_an_account_without_a_key_at_hand_cannot_rotate(registry, holder):
    class Remote:
        address = holder

    with pytest.raises(RegistryArgumentError, match="signs transactions only"):
        registry.as_(Remote()).identities.rotate(NEW)


def test_a_delegate_works_and_does_not_decide(registry, holder, refused):
    registry.identities.add_delegate(SIG_AUTH, MACHINE.address, DAY)
    assert registry.identities.works_for(holder, MACHINE.address)
    assert not registry.identities.speaks_for(holder, MACHINE.address)
    with refused("NOT_THE_ACTOR"):
        registry.as_(MACHINE, holder).freeze_dataset(b"\1" * 32)
    registry.identities.revoke_delegate(SIG_AUTH, MACHINE.address)
    assert not registry.identities.works_for(holder, MACHINE.address)


def test_the_did_document_says_who_speaks_and_who_works(registry, holder):
    did = did_of(holder, registry.identities.domain.chain_id)
    registry.identities.rotate(NEW)
    owner = registry.as_(NEW, holder).identities
    owner.add_delegate(SIG_AUTH, MACHINE.address, DAY)
    owner.set_attribute("did/svc/BelmontNode", b"https://node.example", DAY)
    result = registry.identities.resolve(did)
    accounts = [each["blockchainAccountId"].split(":")[2] for each in result["didDocument"]["verificationMethod"]]
    assert accounts == [NEW.address, MACHINE.address]
    assert result["didDocument"]["service"][0]["serviceEndpoint"] == "https://node.example"
    assert len(registry.identities.history(holder)) == 3
    owner.revoke_attribute("did/svc/BelmontNode", b"https://node.example")
    assert "service" not in registry.identities.resolve(did)["didDocument"]


def test_a_did_of_another_chain_is_not_resolved(registry, holder):
    with pytest.raises(RegistryArgumentError, match="chain 1;"):
        registry.identities.resolve(did_of(holder, 1))


def test_what_was_signed_with_no_network_is_submitted_by_anybody(registry, holder, consortium, refused):
    domain = registry.identities.domain
    add = AddDelegate(
        identity=holder, delegate_type=short_bytes(SIG_AUTH), delegate=MACHINE.address, validity=DAY, nonce=7,
        deadline=consortium.evm.now,
    )  # fmt: skip
    signed = add.sign(consortium.holder, domain)
    registry.as_(STRANGER).identities.submit(signed)
    assert registry.identities.works_for(holder, MACHINE.address)
    assert registry.identities.is_used(holder, 7)
    with refused("NONCE_USED"):
        registry.identities.submit(signed)


def test_a_number_is_cancelled(registry, holder, consortium, refused):
    registry.identities.cancel(7)
    change = ChangeOwner(identity=holder, new_owner=NEW.address, nonce=7, deadline=consortium.evm.now)
    signed = change.sign(consortium.holder, registry.identities.domain).signed_by(NEW)
    with refused("NONCE_USED"):
        registry.identities.submit(signed)
    with refused("NOT_THE_OWNER"):
        registry.as_(STRANGER, holder).identities.cancel(8)


def test_what_is_meant_for_elsewhere_is_not_sent(registry, holder, consortium):
    change = ChangeOwner(identity=holder, new_owner=NEW.address, deadline=consortium.evm.now)
    elsewhere = change.sign(consortium.holder, Domain(1, registry.identities.domain.contract)).signed_by(NEW)
    with pytest.raises(RegistryArgumentError, match="signed for"):
        registry.identities.submit(elsewhere)
    vote = Vote(actor=holder, study=1, approve=True).sign(consortium.holder, registry.relay.domain)
    with pytest.raises(RegistryArgumentError, match="no change of an identity"):
        registry.identities.submit(vote)
    with pytest.raises(RegistryArgumentError, match="Relay takes no ChangeOwner"):
        registry.relay.submit(change.sign(consortium.holder, registry.identities.domain))


def test_an_attribute_longer_than_a_record_is_not_sent(registry, holder, consortium):
    with pytest.raises(RegistryArgumentError, match="at most 512 bytes"):
        registry.identities.set_attribute("did/svc/Node", bytes(513), DAY)
    fields = {"name": short_bytes("did/svc/Node"), "value": bytes(513), "validity": DAY}
    signed = SetAttribute(identity=holder, **fields).sign(consortium.holder, registry.identities.domain)
    with pytest.raises(RegistryArgumentError, match="at most 512 bytes"):
        registry.identities.submit(signed)
    registry.identities.set_attribute("did/svc/Node", bytes(512), DAY)


def test_a_change_that_neither_owner_signed_is_not_sent(registry, holder, consortium):
    change = ChangeOwner(identity=holder, new_owner=NEW.address, deadline=consortium.evm.now)
    with pytest.raises(RegistryArgumentError, match="Neither"):
        registry.identities.submit(change.sign(STRANGER, registry.identities.domain))
