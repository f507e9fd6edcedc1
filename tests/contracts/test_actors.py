"""Every write names who acts, and who that is comes first: before roles, before anything that was sent with it.

The functions are those of the contracts' own interfaces, so that a new one is tested as soon as it is there. Which of
them a delegate can call is written down here once more, from docs/registry.md ("Acting").
"""

from types import SimpleNamespace

import pytest
from eth_account import Account
from eth_utils import keccak
from tests.contracts.abi_values import zero

from belmont.registry.contract_set import NAMES, contract
from belmont.registry.errors import RegistryRefused
from belmont.registry.identities.protocol import SIG_AUTH, VERI_KEY
from belmont.registry.types import Address

HASH = b"\x11" * 32
CID = b"\x01\x55\x12\x20" + bytes(32)
DAY = 24 * 3600
MACHINE, NEW = (Account.from_key(keccak(name)) for name in (b"machine", b"new key"))

WRITES = [
    (name, entry["name"])
    for name in NAMES
    for entry in contract(name).compiled.abi
    if entry["type"] == "function"
    and entry["stateMutability"] in ("nonpayable", "payable")
    and any(each["name"] == "actor" for each in entry["inputs"])
]
SIGNED = [
    write
    for write in WRITES
    for entry in contract(write[0]).compiled.abi
    if entry.get("name") == write[1] and any(each["name"] == "signature" for each in entry["inputs"])
]
"""Of ``Relay``: anybody sends them, with the actor's signature."""
OWN = [write for write in WRITES if write not in SIGNED]
ROUTINE = [
    ("Uses", "openRound"),
    ("Uses", "openQuery"),
    ("Uses", "closeRound"),
    ("Uses", "recordUse"),
    ("Totals", "publish"),
    ("Datasets", "addVersion"),
    ("Consents", "publishBatch"),
]


@pytest.fixture
def attempt(consortium):
    """Call a function with arguments as empty as can be; what it is refused with, or nothing."""

    def called(write, by, actor):
        name, function = write
        interface = contract(name).interface
        entry = next(each for each in contract(name).compiled.abi if each.get("name") == function)
        kinds = interface.functions[function].input_types
        args = [
            actor.address if each["name"] == "actor" else zero(kind)
            for each, kind in zip(entry["inputs"], kinds, strict=True)
        ]
        back, reason = consortium.evm.mark(), ""
        try:
            consortium.evm.send(by, consortium.registry.addresses[name], interface.encode_call(function, *args))
        except RegistryRefused as refused:
            reason = refused.reason
        back()
        return reason

    return called


@pytest.fixture
def members(consortium):
    """One of each role."""
    return [consortium.holder, consortium.data_user, consortium.board[0], consortium.auditor]


def delegate(consortium, actor, account, kind=SIG_AUTH, seconds=DAY):
    consortium.registry.as_(actor).identities.add_delegate(kind, Address(account.address), seconds)


def ids(write):
    return ".".join(write)


# --- strangers ---


def test_the_interfaces_name_the_actor_first():
    """And the routine writes of the documentation are among them."""
    assert set(ROUTINE) <= set(OWN)
    assert len(OWN) > 30
    for name, function in WRITES:
        entry = next(each for each in contract(name).compiled.abi if each.get("name") == function)
        assert entry["inputs"][0] == {"name": "actor", "type": "address"}


@pytest.mark.parametrize("write", OWN, ids=ids)
def test_nobody_acts_for_somebody_else(consortium, attempt, members, write):
    """Neither strangers nor members, for members, for the zero address, or for a contract."""
    nobody = SimpleNamespace(address="0x" + "00" * 20)
    relay = SimpleNamespace(address=consortium.registry.addresses["Relay"])
    for actor in (*members, nobody, relay):
        for by in (consortium.non_member, consortium.board[1]):
            assert attempt(write, by, actor) == "NOT_THE_ACTOR"


@pytest.mark.parametrize("write", OWN, ids=ids)
def test_not_even_while_everything_is_paused(consortium, attempt, members, write):
    for member in consortium.board[:2]:
        consortium.registry.as_(member).rules.vote_pause(1)
    assert {attempt(write, consortium.non_member, actor) for actor in members} == {"NOT_THE_ACTOR"}


@pytest.mark.parametrize("write", SIGNED, ids=ids)
def test_a_signed_message_takes_the_actors_signature_whoever_sends_it(consortium, attempt, members, write):
    assert {attempt(write, by, actor) for actor in members for by in (actor, consortium.non_member)} == {
        "SIGNATURE_INVALID"
    }


@pytest.mark.parametrize("write", OWN, ids=ids)
def test_everybody_acts_for_themselves(attempt, members, write):
    """Up to what the function asks for then."""
    assert "NOT_THE_ACTOR" not in {attempt(write, actor, actor) for actor in members}


# --- delegates ---


@pytest.mark.parametrize("write", OWN, ids=ids)
def test_a_delegate_does_exactly_the_routine_writes(consortium, attempt, members, write):
    for actor in members:
        delegate(consortium, actor, MACHINE)
        assert (attempt(write, MACHINE, actor) == "NOT_THE_ACTOR") == (write not in ROUTINE)


@pytest.mark.parametrize("write", ROUTINE, ids=ids)
def test_a_delegate_is_one_of_its_own_identity_for_its_time_and_until_it_is_revoked(
    consortium, attempt, members, write
):
    actor, other = members[:2]
    delegate(consortium, actor, MACHINE)
    assert attempt(write, MACHINE, other) == "NOT_THE_ACTOR"
    consortium.evm.now += DAY - 1
    assert attempt(write, MACHINE, actor) != "NOT_THE_ACTOR"
    consortium.evm.now += 1
    assert attempt(write, MACHINE, actor) == "NOT_THE_ACTOR"
    delegate(consortium, actor, MACHINE)
    consortium.registry.as_(actor).identities.revoke_delegate(SIG_AUTH, Address(MACHINE.address))
    assert attempt(write, MACHINE, actor) == "NOT_THE_ACTOR"


@pytest.mark.parametrize("write", OWN, ids=ids)
def test_a_delegate_of_another_kind_and_a_delegates_delegate_do_nothing(consortium, attempt, members, write):
    actor, further = members[0], consortium.non_member
    delegate(consortium, actor, NEW, kind=VERI_KEY)
    delegate(consortium, actor, MACHINE)
    delegate(consortium, MACHINE, further)
    for by in (NEW, further):
        assert attempt(write, by, actor) == "NOT_THE_ACTOR"


# --- a new key ---


@pytest.mark.parametrize("write", OWN, ids=ids)
def test_after_a_change_of_owner_the_old_key_and_its_delegates_do_nothing_and_the_new_key_everything(
    consortium, attempt, members, write
):
    for place, actor in enumerate(members):
        owner = Account.from_key(keccak(f"new key {place}".encode()))
        delegate(consortium, actor, MACHINE)
        consortium.registry.as_(actor).identities.change_owner(Address(owner.address))
        assert attempt(write, actor, actor) == "NOT_THE_ACTOR"
        assert attempt(write, MACHINE, actor) == "NOT_THE_ACTOR"
        assert attempt(write, owner, actor) != "NOT_THE_ACTOR"
