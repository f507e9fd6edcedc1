"""Who owns an identity, and how that changes."""

import pytest

from belmont.identity.messages import ChangeOwner, short_bytes

NOBODY = "0x" + "0" * 40
SIG_AUTH, VERI_KEY = short_bytes("sigAuth"), short_bytes("veriKey")
DAY = 86_400


@pytest.fixture
def change(bench, owner, new_owner):
    return ChangeOwner(identity=owner.address, new_owner=new_owner.address, nonce=7, deadline=bench.evm.now)


def both_signed(bench, change, owner, new_owner):
    signed = change.sign(owner, bench.domain).signed_by(new_owner)
    return signed.signature_of(owner.address), signed.signature_of(new_owner.address)


def test_only_the_owner_changes_an_identity(bench, refused, owner, machine, stranger):
    bench.write(owner, "addDelegate", owner.address, SIG_AUTH, machine.address, DAY)
    about = owner.address
    for sender in (stranger, machine, bench.relay):
        for function, *args in (
            ("changeOwner", about, stranger.address),
            ("addDelegate", about, SIG_AUTH, stranger.address, DAY),
            ("revokeDelegate", about, SIG_AUTH, machine.address),
            ("setAttribute", about, SIG_AUTH, b"value", DAY),
            ("revokeAttribute", about, SIG_AUTH, b"value"),
            ("cancel", about, 1),
        ):
            with refused("NOT_THE_OWNER"):
                bench.write(sender, function, *args)


def test_the_old_key_changes_nothing_any_more(bench, refused, owner, new_owner, stranger):
    bench.write(owner, "changeOwner", owner.address, new_owner.address)
    with refused("NOT_THE_OWNER"):
        bench.write(owner, "changeOwner", owner.address, stranger.address)
    bench.write(new_owner, "changeOwner", owner.address, stranger.address)
    assert bench.read("identityOwner", owner.address) == stranger.address


def test_an_identity_always_has_an_owner_that_can_sign(bench, refused, owner):
    for nobody in (NOBODY, bench.address, bench.relay.address):
        with refused("OWNER_INVALID"):
            bench.write(owner, "changeOwner", owner.address, nobody)


def test_a_replaced_owner_never_comes_back(bench, refused, owner, new_owner, stranger):
    with refused("OWNER_REPLACED"):
        bench.write(owner, "changeOwner", owner.address, owner.address)
    bench.write(owner, "changeOwner", owner.address, new_owner.address)
    with refused("OWNER_REPLACED"):
        bench.write(new_owner, "changeOwner", owner.address, owner.address)
    bench.write(new_owner, "changeOwner", owner.address, stranger.address)
    with refused("OWNER_REPLACED"):
        bench.write(stranger, "changeOwner", owner.address, new_owner.address)


def test_a_key_that_one_identity_replaced_can_own_another(bench, owner, new_owner, stranger):
    bench.write(owner, "changeOwner", owner.address, new_owner.address)
    bench.write(stranger, "changeOwner", stranger.address, owner.address)
    assert bench.read("identityOwner", stranger.address) == owner.address


def test_a_change_of_owner_revokes_every_delegate_that_is_valid(bench, owner, new_owner, machine, stranger):
    bench.write(owner, "addDelegate", owner.address, SIG_AUTH, machine.address, DAY)
    bench.write(owner, "addDelegate", owner.address, VERI_KEY, stranger.address, DAY)
    bench.write(owner, "addDelegate", owner.address, VERI_KEY, machine.address, 10)
    bench.evm.now += 10
    events = bench.write(owner, "changeOwner", owner.address, new_owner.address)
    assert not bench.read("validDelegate", owner.address, SIG_AUTH, machine.address)
    assert not bench.read("worksFor", owner.address, machine.address)
    revoked = [(fields["delegate"], fields["valid_to"]) for name, fields in events if name == "DIDDelegateChanged"]
    assert revoked == [(machine.address, bench.evm.now), (stranger.address, bench.evm.now)]
    assert [name for name, _ in events][-1] == "DIDOwnerChanged"
    bench.write(new_owner, "addDelegate", owner.address, SIG_AUTH, machine.address, DAY)
    assert bench.read("worksFor", owner.address, machine.address)


def test_anybody_sends_a_change_that_both_owners_signed(bench, owner, new_owner, stranger, change):
    events = bench.send(stranger, change, *both_signed(bench, change, owner, new_owner))
    assert bench.read("identityOwner", owner.address) == new_owner.address
    assert events == [
        ("NonceUsed", {"actor": owner.address, "nonce": 7}),
        ("DIDOwnerChanged", {"identity": owner.address, "owner": new_owner.address, "previous_change": 0}),
    ]
    assert bench.read("isUsed", owner.address, 7)


def test_a_mistyped_new_owner_that_did_not_sign_locks_nobody_out(bench, refused, owner, new_owner, stranger, change):
    by_owner, by_new = both_signed(bench, change, owner, new_owner)
    by_stranger = change.sign(stranger, bench.domain).signature
    for wrong in (by_owner, by_stranger, b"", bytes(65)):
        with refused("SIGNATURE_INVALID"):
            bench.send(stranger, change, by_owner, wrong)
    with refused("SIGNATURE_INVALID"):
        bench.send(stranger, change, by_new, by_new)
    assert not bench.read("isUsed", owner.address, 7)


def test_what_the_new_owner_signed_is_no_word_of_an_owner(bench, refused, owner, new_owner, stranger, change):
    """It signs the same message, and owns the identity afterwards: nothing can be made of that a second time."""
    by_owner, by_new = both_signed(bench, change, owner, new_owner)
    bench.send(stranger, change, by_owner, by_new)
    with refused("NONCE_USED"):
        bench.send(stranger, change, by_new, by_new)
    with refused("SIGNATURE_INVALID"):
        bench.send(stranger, change, by_owner, by_new)


def test_speaking_for_an_identity(bench, owner, new_owner, machine, stranger):
    bench.write(owner, "addDelegate", owner.address, SIG_AUTH, machine.address, DAY)

    def who(function):
        people = {
            "owner": owner,
            "new_owner": new_owner,
            "machine": machine,
            "stranger": stranger,
            "relay": bench.relay,
        }
        return {name for name, each in people.items() if bench.read(function, owner.address, each.address)}

    assert who("speaksFor") == {"owner", "relay"}
    assert who("worksFor") == {"owner", "relay", "machine"}
    bench.write(owner, "changeOwner", owner.address, new_owner.address)
    assert who("speaksFor") == who("worksFor") == {"new_owner", "relay"}
