"""Changes that the owner signed with no network, sent by somebody else."""

import dataclasses

import pytest
from eth_utils import to_checksum_address

from belmont.identity.messages import AddDelegate, RevokeAttribute, RevokeDelegate, SetAttribute, short_bytes
from belmont.identity.typed_data import Domain

SIG_AUTH = short_bytes("sigAuth")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CHANGES = ("add", "revoke", "set", "unset")


@pytest.fixture(params=CHANGES)
def change(request, bench, owner, machine):
    about = {"identity": owner.address, "nonce": 7, "deadline": bench.evm.now + 60}
    delegate = {"delegate_type": SIG_AUTH, "delegate": machine.address}
    attribute = {"name": short_bytes("did/svc/Node"), "value": b"https://node.example"}
    return {
        "add": AddDelegate(**about, **delegate, validity=600),
        "revoke": RevokeDelegate(**about, **delegate),
        "set": SetAttribute(**about, **attribute, validity=600),
        "unset": RevokeAttribute(**about, **attribute),
    }[request.param]


@pytest.fixture
def signature(bench, owner, change):
    return change.sign(owner, bench.domain).signature


def test_anybody_sends_it_once(bench, refused, owner, stranger, change, signature):
    first, second = bench.send(stranger, change, signature)
    assert first == ("NonceUsed", {"actor": owner.address, "nonce": 7})
    assert second[0].startswith("DID") and second[1]["identity"] == owner.address
    with refused("NONCE_USED"):
        bench.send(stranger, change, signature)


def test_it_counts_up_to_its_last_second(bench, refused, stranger, change, signature):
    bench.evm.now = change.deadline + 1
    with refused("SIGNATURE_EXPIRED"):
        bench.send(stranger, change, signature)
    bench.evm.now = change.deadline
    bench.send(stranger, change, signature)


def altered(change, name):
    value = getattr(change, name)
    if isinstance(value, bytes):
        return dataclasses.replace(change, **{name: value[:-1] + bytes([value[-1] ^ 1])})
    if isinstance(value, str):
        return dataclasses.replace(change, **{name: to_checksum_address(int(value, 16).to_bytes(20, "big")[::-1])})
    return dataclasses.replace(change, **{name: value + 1})


def test_no_field_can_be_altered(bench, refused, stranger, change, signature):
    for field in dataclasses.fields(change):
        with refused("SIGNATURE_INVALID"):
            bench.send(stranger, altered(change, field.name), signature)
    assert not bench.read("isUsed", change.identity, change.nonce)


def test_it_counts_on_this_chain_and_for_this_contract_only(bench, refused, owner, stranger, change):
    for other in (Domain(1, bench.address), Domain(bench.evm.chain_id, stranger.address)):
        with refused("SIGNATURE_INVALID"):
            bench.send(stranger, change, change.sign(owner, other).signature)


def test_after_a_fork_of_the_chain_it_counts_on_the_old_one_only(bench, refused, owner, stranger, change, signature):
    """The chain id is read anew each time: a contract deployed before the fork knows on which side it is."""
    bench.evm.state.execution_context._chain_id = 7
    with refused("SIGNATURE_INVALID"):
        bench.send(stranger, change, signature)
    bench.send(stranger, change, change.sign(owner, Domain(7, bench.address)).signature)


def test_another_contract_with_the_same_code_takes_it_for_nothing(bench, refused, stranger, change, signature):
    other = bench.deploy("Identities", bench.relay.address)
    with refused("SIGNATURE_INVALID"):
        bench.write(stranger, change.FUNCTION, *change.arguments(), signature, at=other)


def test_nobody_else_signs_it(bench, refused, owner, machine, stranger, change):
    bench.write(owner, "addDelegate", owner.address, SIG_AUTH, machine.address, 600)
    for other in (machine, stranger):
        with refused("SIGNATURE_INVALID"):
            bench.send(stranger, change, change.sign(other, bench.domain).signature)


def test_after_a_change_of_owner_only_the_new_one_signs(bench, refused, owner, new_owner, stranger, change, signature):
    bench.write(owner, "changeOwner", owner.address, new_owner.address)
    with refused("SIGNATURE_INVALID"):
        bench.send(stranger, change, signature)
    bench.send(stranger, change, change.sign(new_owner, bench.domain).signature)


def test_a_cancelled_number_counts_for_nothing(bench, refused, owner, stranger, change, signature):
    bench.write(owner, "cancel", owner.address, change.nonce)
    with refused("NONCE_USED"):
        bench.send(stranger, change, signature)
    with refused("NONCE_USED"):
        bench.write(owner, "cancel", owner.address, change.nonce)


def forms(signature):
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    high = (ORDER - s).to_bytes(32, "big")
    yield "high s", r + high + bytes([55 - v])
    yield "v 0 or 1", signature[:64] + bytes([v - 27])
    yield "v of EIP-155", signature[:64] + bytes([v + 8])
    yield "the other v", signature[:64] + bytes([55 - v])
    yield "compact, EIP-2098", r + (s | (v - 27) << 255).to_bytes(32, "big")
    yield "without v", signature[:64]
    yield "one byte more", signature + b"\0"
    yield "twice", signature + signature
    yield "nothing", b""
    yield "zeros", bytes(65)
    yield "zero r", bytes(32) + signature[32:]
    yield "zero s", r + bytes(32) + signature[64:]
    yield "r beyond the order", b"\xff" * 32 + signature[32:]


def test_no_other_form_of_a_signature_is_read(bench, refused, stranger, change, signature):
    for _, other in forms(signature):
        with refused("SIGNATURE_INVALID"):
            bench.send(stranger, change, other)
    bench.send(stranger, change, signature)


def test_nobody_speaks_for_the_zero_address(bench, refused, stranger, change):
    """Recovery gives the zero address for what is no signature: that must not be an owner's."""
    nobody = dataclasses.replace(change, identity="0x" + "0" * 40)
    for signature in (bytes(65), bytes(64) + b"\x1b", b"\xff" * 64 + b"\x1b"):
        with refused("SIGNATURE_INVALID"):
            bench.send(stranger, nobody, signature)
