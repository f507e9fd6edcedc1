"""Every write names who acts, and who that is comes first: before roles, before anything that was sent with it.

The functions are those of the contracts' own interfaces, so that a new one is tested as soon as it is there. Which of
them a delegate can call is written down here once more, from docs/registry.md ("Acting").
"""

from types import SimpleNamespace

import pytest
from eth_account import Account
from eth_utils import keccak
from tests.contracts.abi_values import zero

from belmont.registry.claims import AskedQuestion, TotalClaim
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.tree import Batch
from belmont.registry.contract_set import NAMES, contract
from belmont.registry.errors import RegistryRefused
from belmont.registry.identities.protocol import SIG_AUTH, VERI_KEY
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import Address, MicroRho, Role, StudyStatus, UseKind

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


# --- the same through the registry, on contracts and model ---


@pytest.fixture
def stage(paired):
    """A permit with two rounds and a query that are opened, one round answered, and studies that are voted on.

    And under another permit a model that is announced for release, to which a holder objected.
    """
    datasets = paired.datasets(proven=True)
    permit = paired.permit(datasets, min_hospitals=1)
    for n in (1, 2):
        paired.round(permit, n)
    paired.record(permit, datasets[0], n=2)
    paired.registry.as_(paired.data_user).open_query(permit, 1, HASH, datasets)
    released = paired.permit(datasets, min_hospitals=1)
    paired.round(released)
    paired.record(released, datasets[1], by=paired.other_holder)
    paired.registry.as_(paired.data_user).releases.release(released, HASH, 1, HASH, HASH)
    paired.registry.as_(paired.holder).releases.object(released, HASH)
    study, conditional = paired.study(datasets), paired.study(datasets)
    paired.registry.as_(paired.board[1]).vote(conditional, True, "", HASH)
    fields = {"permit": permit, "released": released, "study": study, "conditional": conditional}
    return SimpleNamespace(consortium=paired, datasets=datasets, **fields)


def claim(stage):
    return TotalClaim(stage.permit, 1, stage.datasets, AskedQuestion(b"{}", HASH, b"\x00", HASH), 0, (), 1, bytes(48))


def registration(stage):
    until = stage.consortium.evm.now + 2 * 365 * DAY
    return "name", 1 << 4, HASH, 1, 1, until, MicroRho(1)


def profile(stage):
    return stage.consortium.profile(MACHINE, Role.AUDITOR)


def root(stage):
    return stage.consortium.registry.dataset(stage.datasets[0]).consent_root


CALLS = {
    ("Members", "proposeAdmission"): lambda r, s: r.propose_admission(profile(s), CID),
    ("Members", "proposeRemoval"): lambda r, s: r.propose_removal(Address(s.consortium.auditor.address)),
    ("Members", "replaceKeys"): lambda r, s: r.replace_keys(HASH, HASH),
    ("Members", "support"): lambda r, s: r.support(1),
    ("Datasets", "register"): lambda r, s: r.register_dataset(*registration(s)),
    ("Datasets", "addVersion"): lambda r, s: r.add_version(s.datasets[0], CID, 10, HASH, root(s)),
    ("Datasets", "extendRetention"): lambda r, s: r.extend_retention(s.datasets[0], 2**63),
    ("Datasets", "freeze"): lambda r, s: r.freeze_dataset(s.datasets[0]),
    ("Datasets", "unfreeze"): lambda r, s: r.unfreeze_dataset(s.datasets[0]),
    ("Datasets", "destroy"): lambda r, s: r.destroy_dataset(s.datasets[0], HASH),
    ("Consents", "publishBatch"): lambda r, s: r.consents.publish_batch(s.datasets[0], Batch(HASH, 1)),
    ("Consents", "grant"): lambda r, s: r.consents.grant(s.datasets[0], Scope(1 << 37, 1, 0, 1), 1),
    ("Consents", "revoke"): lambda r, s: r.consents.revoke(s.datasets[0], 1),
    ("Studies", "propose"): lambda r, s: r.propose(s.consortium.terms(s.datasets)),
    ("Studies", "proposeAmendment"): lambda r, s: r.propose_amendment(s.permit, s.consortium.terms(s.datasets)),
    ("Studies", "vote"): lambda r, s: r.vote(s.study, True),
    ("Studies", "recuse"): lambda r, s: r.recuse(s.study),
    ("Studies", "agree"): lambda r, s: r.agree(s.conditional, r.study(s.conditional).conditions),
    ("Studies", "accept"): lambda r, s: r.accept(s.study, s.datasets[0]),
    ("Studies", "cancel"): lambda r, s: r.cancel(s.study),
    ("Permits", "freeze"): lambda r, s: r.freeze_permit(s.permit, 60),
    ("Permits", "voteLift"): lambda r, s: r.vote_lift(s.permit),
    ("Permits", "voteRevoke"): lambda r, s: r.vote_revoke(s.permit),
    ("Permits", "withdraw"): lambda r, s: r.withdraw(s.permit, s.datasets[0]),
    ("Uses", "openRound"): lambda r, s: r.open_round(s.permit, 3, HASH, s.datasets),
    ("Uses", "openQuery"): lambda r, s: r.open_query(s.permit, 2, HASH, s.datasets),
    ("Uses", "closeRound"): lambda r, s: r.close_round(s.permit, 2),
    ("Uses", "recordUse"): lambda r, s: r.record_use(
        s.permit, UseKind.ROUND, 1, s.datasets[0], HASH, MicroRho(1), 1, root(s)
    ),
    ("Totals", "publish"): lambda r, s: r.publish_total(claim(s)),
    ("Releases", "release"): lambda r, s: r.releases.release(s.permit, HASH, 2, HASH, HASH),
    ("Releases", "object"): lambda r, s: r.releases.object(s.released, HASH),
    ("Releases", "voteConfirm"): lambda r, s: r.releases.vote_confirm(s.released, HASH),
    ("Releases", "withdraw"): lambda r, s: r.releases.withdraw(s.released, HASH),
    ("Rules", "proposeRule"): lambda r, s: r.rules.propose_rule(Rule.LAY_VOTES, 1),
    ("Rules", "proposeRedemption"): lambda r, s: r.rules.propose_redemption(Address(MACHINE.address), 1, "Note"),
    ("Rules", "support"): lambda r, s: r.rules.support(1),
    ("Rules", "withdrawSupport"): lambda r, s: r.rules.withdraw_support(1),
    ("Rules", "votePause"): lambda r, s: r.rules.vote_pause(1),
    ("Rules", "voteResume"): lambda r, s: r.rules.vote_resume(1),
}
ELSEWHERE = {("Rules", "proposeCode"), ("Relay", "cancel")}
"""The model has no code and no chain to sign for: proxy/, relay/."""


def who(stage, write):
    """Who can do it, if anybody; of what nobody can do now, somebody."""
    name, function = write
    its = stage.consortium
    if name == "Releases":
        return its.data_user if function in ("release", "withdraw") else its.board[0]
    if name in ("Uses", "Totals") or function in ("propose", "proposeAmendment", "cancel", "agree"):
        return its.holder if function == "recordUse" else its.data_user
    return its.holder if name in ("Datasets", "Consents") or function in ("accept", "withdraw") else its.board[0]


def outcome(stage, write, registry):
    """What it is refused with; nothing where it is done."""
    try:
        CALLS[write](registry, stage)
    except RegistryRefused as refused:
        return refused.reason
    return ""


def test_every_write_with_an_actor_is_called_here():
    assert set(CALLS) | ELSEWHERE == set(OWN)


@pytest.mark.parametrize("write", CALLS, ids=ids)
def test_through_the_registry_a_stranger_or_a_delegate_gets_no_further(stage, write):
    actor = who(stage, write)
    identity = Address(actor.address)
    registry = stage.consortium.registry
    assert outcome(stage, write, registry.as_(stage.consortium.non_member, identity)) == "NOT_THE_ACTOR"
    delegate(stage.consortium, actor, MACHINE)
    as_delegate = outcome(stage, write, registry.as_(MACHINE, identity))
    assert (as_delegate == "NOT_THE_ACTOR") == (write not in ROUTINE)
    assert outcome(stage, write, registry.as_(MACHINE)) != ""


@pytest.mark.parametrize("write", CALLS, ids=ids)
def test_through_the_registry_a_new_key_acts_as_the_old_identity(stage, write):
    """With the same outcome as the old key had before, and that is a refusal only where the act itself is refused."""
    actor, registry = who(stage, write), stage.consortium.registry
    identity = Address(actor.address)
    registry.as_(actor).identities.change_owner(Address(NEW.address))
    assert outcome(stage, write, registry.as_(actor)) == "NOT_THE_ACTOR"
    refused = {
        ("Members", "support"): "PROPOSAL_UNKNOWN",
        ("Rules", "support"): "PROPOSAL_UNKNOWN",
        ("Rules", "withdrawSupport"): "PROPOSAL_UNKNOWN",
        ("Rules", "voteResume"): "NOT_PAUSED",
        ("Datasets", "extendRetention"): "RETENTION_INVALID",
        ("Datasets", "unfreeze"): "DATASET_NOT_FROZEN",
        ("Consents", "grant"): "NOT_ENROLLED",
        ("Consents", "revoke"): "NOT_ENROLLED",
        ("Permits", "voteLift"): "PERMIT_NOT_FROZEN",
        ("Totals", "publish"): "QUERY_MISMATCH",
        ("Releases", "voteConfirm"): "OBJECTIONS_OPEN",
    }
    before = len(registry.audit_events())
    assert outcome(stage, write, registry.as_(NEW, identity)) == refused.get(write, "")
    newer = registry.audit_events()[before:]
    assert {each.actor for each in newer} == (set() if write in refused else {identity})


def test_what_a_delegate_did_stands_under_the_hospitals_name(stage):
    consortium, registry = stage.consortium, stage.consortium.registry
    for actor in (consortium.holder, consortium.data_user):
        delegate(consortium, actor, MACHINE)
    as_node = registry.as_(MACHINE, Address(consortium.holder.address))
    as_machine = registry.as_(MACHINE, Address(consortium.data_user.address))
    as_machine.open_round(stage.permit, 3, HASH, stage.datasets)
    as_node.record_use(stage.permit, UseKind.ROUND, 3, stage.datasets[0], HASH, MicroRho(1), 1, root(stage))
    as_node.consents.publish_batch(stage.datasets[0], Batch(HASH, 1))
    as_node.add_version(stage.datasets[0], CID, 10, HASH, root(stage))
    as_machine.close_round(stage.permit, 3)
    names = ("RoundOpened", "UseRecorded", "BatchPublished", "VersionAdded", "RoundClosed")
    actors = [actor for name, actor, _ in consortium.events(*names)]
    user, holder = consortium.data_user.address, consortium.holder.address
    assert actors[-5:] == [user, holder, holder, holder, user]
    assert registry.credits.balance(consortium.holder.address).earned == 140
    assert registry.credits.balance(Address(MACHINE.address)).earned == 0


def test_a_new_key_does_not_vote_a_second_time_and_is_no_member_itself(stage, refused):
    consortium, registry = stage.consortium, stage.consortium.registry
    member = consortium.board[0]
    registry.as_(member).vote(stage.study, True)
    registry.as_(member).identities.change_owner(Address(NEW.address))
    with refused("ALREADY_VOTED"):
        registry.as_(NEW, Address(member.address)).vote(stage.study, True)
    with refused("NOT_ETHICS_BOARD"):
        registry.as_(NEW).vote(stage.study, True)
    registry.as_(consortium.board[1]).vote(stage.study, True)
    assert registry.study(stage.study).status is StudyStatus.APPROVED
