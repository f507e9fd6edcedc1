"""k of n people sign for an institution."""

import dataclasses
from itertools import combinations, permutations
from types import SimpleNamespace

import pytest
from eth_account import Account
from eth_utils import keccak

from belmont.identity.messages import AddDelegate, ChangeOwner
from belmont.identity.signed_message import recover
from belmont.identity.typed_data import Domain
from belmont.registry.contract_set import contract

VALID, INVALID = bytes.fromhex("1626ba7e"), b"\xff" * 4
DIGEST = keccak(b"something")
DAY = 86_400
ATTESTOR = b"attestor".ljust(32, b"\0")


def signature(digest, *people):
    return b"".join(bytes(person.unsafe_sign_hash(digest).signature) for person in people)


def encoded(function, *args, name="Identities"):
    return contract(name).interface.encode_call(function, *args)


@pytest.fixture
def call(wallet, identities):
    """The wallet names a delegate of its own identity."""
    delegate = "0x" + "34" * 20
    return wallet.call(identities, encoded("addDelegate", wallet.address, ATTESTOR, delegate, DAY))


def has_delegate(wallet, identities):
    data = encoded("validDelegate", wallet.address, ATTESTOR, "0x" + "34" * 20)
    return int.from_bytes(wallet.evm.calls([(identities, data)])[0], "big") == 1


# --- ERC-1271 ---


def test_as_many_owners_as_the_threshold_sign_and_fewer_do_not(wallet, people):
    for count in range(4):
        for group in combinations(people[:3], count):
            expected = VALID if count >= 2 else INVALID
            assert wallet.read("isValidSignature", DIGEST, signature(DIGEST, *group)) == expected


def test_signatures_are_read_in_ascending_order_only(wallet, people):
    for group in permutations(people[:3]):
        expected = VALID if list(group) == people[:3] else INVALID
        assert wallet.read("isValidSignature", DIGEST, signature(DIGEST, *group)) == expected


def test_nobody_signs_twice_and_nobody_else_signs(wallet, people):
    one, two, _, stranger = people
    for group in ((one, one), (one, two, two), (one, stranger), (stranger, stranger)):
        assert wallet.read("isValidSignature", DIGEST, signature(DIGEST, *group)) == INVALID
    everybody = sorted((one, two, stranger), key=lambda each: int(each.address, 16))
    assert wallet.read("isValidSignature", DIGEST, signature(DIGEST, *everybody)) == INVALID


def test_a_signature_of_something_else_counts_for_nothing(wallet, people):
    assert wallet.read("isValidSignature", keccak(b"else"), signature(DIGEST, *people[:2])) == INVALID


def test_no_other_form_is_read(wallet, people):
    good = signature(DIGEST, *people[:2])
    first, second = good[:65], good[65:]
    flipped = first[:64] + bytes([55 - first[64]])
    for other in (
        b"",
        bytes(130),
        good[:-1],
        good + b"\0",
        flipped + second,
        first + second[:64],
        good * 8,
        bytes(65) + good,
    ):
        assert wallet.read("isValidSignature", DIGEST, other) == INVALID


def test_sixteen_people_sign_within_the_gas_that_a_contract_gives(evm, found_wallet, identities):
    crowd = sorted((Account.from_key(keccak(bytes([n]))) for n in range(16)), key=lambda each: int(each.address, 16))
    wallet = found_wallet(crowd, 16)
    wallet.execute(
        call := wallet.call(identities, encoded("changeOwner", wallet.address, crowd[0].address)),
        wallet.signed(call, *crowd).signature,
    )
    assert evm.gas_used < 500_000


# --- execute ---


def test_the_wallet_calls_what_its_owners_signed(wallet, identities, people, call):
    wallet.execute(call, wallet.signed(call, people[2], people[0]).signature)
    assert has_delegate(wallet, identities)


def test_it_calls_once(wallet, refused, people, call):
    signed = wallet.signed(call, *people[:2]).signature
    wallet.execute(call, signed)
    with refused("NONCE_USED"):
        wallet.execute(call, signed)


def test_it_calls_up_to_the_last_second(wallet, refused, people, call):
    signed = wallet.signed(call, *people[:2]).signature
    wallet.evm.now = call.deadline + 1
    with refused("SIGNATURE_EXPIRED"):
        wallet.execute(call, signed)
    wallet.evm.now = call.deadline
    wallet.execute(call, signed)


def test_no_field_can_be_altered(wallet, identities, refused, people, call):
    signed = wallet.signed(call, *people[:2]).signature
    changes = {"to": wallet.address, "data": call.data + b"\0", "nonce": 8, "deadline": call.deadline + 1}
    for name, value in changes.items():
        with refused("SIGNATURE_INVALID"):
            wallet.execute(dataclasses.replace(call, **{name: value}), signed)
    assert not has_delegate(wallet, identities)


def test_another_wallet_of_the_same_people_or_another_chain_takes_it_for_nothing(
    wallet, another_wallet, refused, people, call
):
    with refused("SIGNATURE_INVALID"):
        another_wallet.execute(call, wallet.signed(call, *people[:2]).signature)
    with refused("SIGNATURE_INVALID"):
        elsewhere = wallet.signed(call, *people[:2], domain=Domain(1, wallet.address))
        wallet.execute(call, elsewhere.signature)


def test_fewer_than_the_threshold_call_nothing(wallet, refused, people, call):
    with refused("SIGNATURE_INVALID"):
        wallet.execute(call, wallet.signed(call, people[0]).signature)


def test_what_the_called_contract_refuses_is_passed_on_and_uses_up_nothing(wallet, identities, refused, people):
    stranger = people[3].address
    call = wallet.call(identities, encoded("changeOwner", stranger, wallet.address))
    with refused("NOT_THE_OWNER"):
        wallet.execute(call, wallet.signed(call, *people[:2]).signature)
    call = wallet.call(identities, encoded("changeOwner", wallet.address, stranger))
    wallet.execute(call, wallet.signed(call, *people[:2]).signature)


def test_an_account_without_code_is_not_called(wallet, refused, people):
    call = wallet.call(people[3].address, b"")
    with refused("CONTRACT_MISSING"):
        wallet.execute(call, wallet.signed(call, *people[:2]).signature)


# --- owners ---


def change_owners(wallet, people, owners, threshold, by, nonce=7):
    data = encoded("changeOwners", [each.address for each in owners], threshold, name="Wallet")
    call = wallet.call(wallet.address, data, nonce=nonce)
    wallet.execute(call, wallet.signed(call, *by).signature)


def test_its_owners_change_its_owners(wallet, refused, people, call):
    one, two, three, newcomer = people
    owners = sorted((one, newcomer), key=lambda each: int(each.address, 16))
    signed = wallet.signed(call, two, three).signature
    change_owners(wallet, people, owners, 1, by=(one, two), nonce=8)
    assert wallet.read("owners") == tuple(each.address for each in owners)
    assert wallet.read("threshold") == 1
    with refused("SIGNATURE_INVALID"):
        wallet.execute(call, signed)
    wallet.execute(call, wallet.signed(call, newcomer).signature)


def test_nobody_else_changes_its_owners_or_uses_its_numbers_up(wallet, refused, people):
    for sender in people:
        for data in (
            encoded("changeOwners", [sender.address], 1, name="Wallet"),
            encoded("cancel", 7, name="Wallet"),
        ):
            with refused("NOT_THE_WALLET"):
                wallet.evm.send(sender, wallet.address, data)


def test_its_owners_cancel_a_call(wallet, refused, people, call):
    cancelling = wallet.call(wallet.address, encoded("cancel", 7, name="Wallet"), nonce=8)
    wallet.execute(cancelling, wallet.signed(cancelling, *people[:2]).signature)
    with refused("NONCE_USED"):
        wallet.execute(call, wallet.signed(call, *people[:2]).signature)


@pytest.mark.parametrize("threshold", [0, 4, 2**256 - 1])
def test_a_threshold_out_of_reach_is_refused(wallet, found_wallet, refused, people, threshold):
    with refused("THRESHOLD_INVALID"):
        found_wallet(people[:3], threshold)
    with refused("THRESHOLD_INVALID"):
        change_owners(wallet, people, people[:3], threshold, by=people[:2])


def test_owners_are_ascending_accounts_without_code_each_once(wallet, found_wallet, refused, people, identities):
    one, two = people[:2]
    nobody, machine = SimpleNamespace(address="0x" + "0" * 40), SimpleNamespace(address=identities)
    for owners in ([two, one], [one, one, two], [nobody, one], [machine]):
        with refused("OWNERS_INVALID"):
            found_wallet(owners, 1)


# --- as a member's identity ---


def test_a_wallet_can_own_an_identity_and_its_people_sign_for_it(evm, wallet, identities, refused, people):
    """A key is given to the wallet: the key and two of the people sign the same message."""
    key = Account.from_key(keccak(b"hospital"))
    domain = Domain(evm.chain_id, identities)
    change = ChangeOwner(identity=key.address, new_owner=wallet.address, nonce=1, deadline=evm.now)
    by_key = change.sign(key, domain).signature

    def send(*group):
        by_wallet = wallet.signed(change, *group, domain=domain).signature
        evm.send(people[3], identities, encoded("changeOwnerSigned", *change.arguments(), by_key, by_wallet))

    with refused("SIGNATURE_INVALID"):
        send(people[0])
    send(people[2], people[1])
    add = AddDelegate(identity=key.address, delegate_type=ATTESTOR, delegate=key.address, validity=60, deadline=evm.now)
    with refused("SIGNATURE_INVALID"):
        data = encoded("addDelegateSigned", *add.arguments(), add.sign(key, domain).signature)
        evm.send(people[3], identities, data)
    together = wallet.signed(add, people[2], people[0], domain=domain).signature
    evm.send(people[3], identities, encoded("addDelegateSigned", *add.arguments(), together))


def test_people_sign_what_they_read(wallet, people, call):
    """Not a hash of it under the wallet's name: each signature recovers over the message itself."""
    signed = wallet.signed(call, *people[:2])
    digest = call.digest(wallet.domain)
    assert [recover(digest, each) for each in signed.signatures] == [each.address for each in people[:2]]
