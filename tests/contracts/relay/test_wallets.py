"""An institution that acts by the signatures of several people."""

import pytest
from eth_account import Account
from eth_utils import keccak

from belmont.identity.messages import ChangeOwner
from belmont.registry.identities.wallet import deploy_wallet

PEOPLE = [Account.from_key(keccak(f"person {number}".encode())) for number in range(3)]


@pytest.fixture
def wallet(act):
    """Two of three people own the actor's identity."""
    registry = act.registry
    address = deploy_wallet(registry.chain, act.consortium.non_member, [each.address for each in PEOPLE], 2)
    change = ChangeOwner(identity=act.signer.address, new_owner=address, deadline=act.consortium.evm.now)
    signed = change.sign(act.signer, registry.identities.domain).signed_by(PEOPLE[0]).signed_by(PEOPLE[2])
    registry.identities.submit(signed)
    assert registry.identities.owner(act.signer.address) == address
    return address


def test_two_of_three_people_act_for_it(act, wallet, refused):
    one = act.signed(by=PEOPLE[1])
    with refused("SIGNATURE_INVALID"):
        act.submit(one)
    act.submit(one.signed_by(PEOPLE[0]))
    assert act.happened()[-1] == act.message.actor


def test_its_former_key_acts_no_longer(act, wallet, refused):
    for signed in (act.signed(), act.signed().signed_by(PEOPLE[0])):
        with refused("SIGNATURE_INVALID"):
            act.submit(signed)
