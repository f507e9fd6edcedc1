"""Stories that break an invariant are found out: one that held, with one thing in it changed."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.contracts.stateful.keys import Keys
from tests.contracts.stateful.machine import (
    AUDITOR,
    BOARD,
    DATA_USER,
    DAY,
    HASHES,
    HOLDERS,
    PATIENTS,
    WEEK,
    YEAR,
    Machine,
)
from tests.contracts.stateful.story import Story
from tests.contracts.stateful.work import Work

from belmont.registry.consents.statements import account_key
from belmont.registry.rules.protocol import Rule, RuleProposalId
from belmont.registry.types import Address, MicroRho, PermitId, StudyId, UseKind


def tell(its: Machine) -> None:
    """A little of everything."""
    its.begin()
    for kind in UseKind:
        use(its, 1, kind, 1)
    its.both(PATIENTS[0], "consents.enrol", *enrolment(its))
    its.both(PATIENTS[0], "consents.revoke", its.datasets[0], 1)
    its.open(DATA_USER, UseKind.ROUND, 1, 2, HASHES[3], tuple(its.datasets))
    use(its, 1, UseKind.ROUND, 2)
    its.both(DATA_USER, "close_round", PermitId(1), 2)
    by_vote(its, its.both(AUDITOR, "rules.propose_rule", Rule.PATIENTS_PERCENT, 50))
    holder = Address(its.people[0].address)
    by_vote(its, its.both(AUDITOR, "rules.propose_redemption", holder, 3, "why", None))
    for by in BOARD[:2]:
        its.both(by, "rules.vote_pause", 1)
    for by in BOARD[:2]:
        its.both(by, "rules.vote_resume", 1)
    its.both(0, "freeze_permit", PermitId(1), DAY, "why")
    for by in BOARD[:2]:
        its.both(by, "vote_lift", PermitId(1))
    its.apply(DATA_USER, (0, 1), rounds=4, amends=PermitId(1))
    its.both(BOARD[0], "recuse", StudyId(2), "why")
    its.both(BOARD[1], "vote", StudyId(2), True, "why", HASHES[1])
    its.both(DATA_USER, "agree", StudyId(2), its.world.studies[StudyId(2)].conditions)
    its.both(BOARD[2], "vote", StudyId(2), True)
    its.accept_and_issue(2)
    refuse(its)
    its.open(DATA_USER, UseKind.ROUND, 2, 3, HASHES[3], tuple(its.datasets))
    use(its, 2, UseKind.ROUND, 3)
    release(its)


def refuse(its):
    """One takes no part and one is against: too few are left for the quorum."""
    study = its.apply(DATA_USER, (0, 1))
    its.both(BOARD[0], "recuse", study, "why")
    its.both(BOARD[1], "vote", study, False)


def release(its):
    """One model that the board releases in spite of an objection, and one that is settled and withdrawn."""
    first, second = (PermitId(1), HASHES[3]), (PermitId(2), HASHES[3])
    for (permit, model), n in ((first, 2), (second, 3)):
        its.both(DATA_USER, "releases.release", permit, model, n, HASHES[1], HASHES[2])
    its.both(HOLDERS[0], "releases.object", *first, "why")
    its.pass_time(WEEK)
    for by in BOARD[:2]:
        its.both(by, "releases.vote_confirm", *first)
    its.both(AUDITOR, "releases.settle", *second)
    its.both(DATA_USER, "releases.withdraw", *second)


def use(its, permit, kind, n):
    for by in HOLDERS:
        id_ = its.datasets[by]
        its.both(by, "record_use", PermitId(permit), kind, n, id_, HASHES[1], MicroRho(10), 1, its.root(id_))


def by_vote(its, proposal):
    for by in BOARD:
        its.both(by, "rules.support", RuleProposalId(proposal))
    its.pass_time(WEEK)
    its.both(AUDITOR, "rules.enact", RuleProposalId(proposal))


def enrolment(its):
    id_, account = its.datasets[0], Address(its.people[PATIENTS[0]].address)
    return id_, account, its.trees[id_].membership(account_key(account))


@pytest.fixture(scope="module")
def told(founded):
    back = founded.evm.mark()
    its = Work(founded, {}, 0)
    its.is_calm = True
    tell(its)
    back()
    assert all(how == "done" or write == "accept" for write, how in its.outcomes), its.outcomes
    return its


class Forger:
    """A story to change: ``at`` finds the events of a name, from the first on or from the last back."""

    def __init__(self, events):
        self.events = list(events)

    def at(self, name, place=0):
        return [number for number, event in enumerate(self.events) if event.name == name][place]

    def drop(self, name, place=0):
        del self.events[self.at(name, place)]

    def twice(self, name, place=0):
        self.events.insert(self.at(name, place), self.events[self.at(name, place)])

    def change(self, name, place=0, **details):
        number = self.at(name, place)
        self.events[number] = replace(self.events[number], details={**self.events[number].details, **details})

    def when(self, name, seconds, place=0):
        number = self.at(name, place)
        self.events[number] = replace(self.events[number], timestamp=self.events[number].timestamp + seconds)

    def by(self, name, actor, place=0):
        number = self.at(name, place)
        self.events[number] = replace(self.events[number], actor=actor)

    def move_before(self, name, other, place):
        event = self.events.pop(self.at(name))
        self.events.insert(self.at(other, place) - 1, event)

    def copy_to_the_end(self, *names):
        for name in names:
            self.events.append(self.events[self.at(name)])


FORGERIES = {
    "a member is admitted without a vote": lambda its: its.copy_to_the_end("MemberAdmitted"),
    "a study is approved by one": lambda its: its.drop("VoteCast"),
    "a study is approved by somebody who is not on the board": lambda its: its.by("VoteCast", "nobody"),
    "one votes twice": lambda its: its.twice("VoteCast"),
    "one votes who took no part": lambda its: its.change("Recused", study=1),
    "a recusal comes after the vote": lambda its: its.by("Recused", its.events[its.at("VoteCast", 2)].actor),
    "a study is refused within reach of the quorum": lambda its: its.drop("Recused", -1),
    "a vote against sets conditions": lambda its: its.change("VoteCast", -1, conditions_hash=HASHES[1]),
    "a permit is issued under open conditions": lambda its: its.drop("ConditionsAgreed"),
    "a permit is issued under conditions that came later": lambda its: its.change(
        "VoteCast", 3, conditions_hash=HASHES[2]
    ),
    "conditions are agreed to that are others": lambda its: its.change("ConditionsAgreed", conditions=HASHES[1]),
    "conditions are agreed to of another vote": lambda its: its.change("VoteCast", 2, conditions_hash=HASHES[2]),
    "conditions are agreed to by a stranger": lambda its: its.by("ConditionsAgreed", "nobody"),
    "conditions are agreed to twice": lambda its: its.twice("ConditionsAgreed"),
    "a permit is issued without an acceptance": lambda its: its.drop("DatasetAccepted"),
    "a permit is issued without approval": lambda its: its.drop("StudyApproved"),
    "a permit lasts longer than approved": lambda its: its.change("PermitIssued", expires_at=2**63),
    "a round is left out": lambda its: its.drop("RoundOpened"),
    "a round is opened twice": lambda its: its.twice("RoundOpened"),
    "a round is opened beyond the approved number": lambda its: its.change("RoundOpened", -1, n=5),
    "a query is opened over one of two": lambda its: its.change("QueryOpened", participants_hash=ONE_OF_TWO),
    "a round is opened under a permit that was superseded": lambda its: its.change("RoundOpened", -1, permit=1),
    "a round is closed that was never opened": lambda its: its.change("RoundClosed", n=9),
    "a round is closed twice": lambda its: its.twice("RoundClosed"),
    "a round is closed over one more": lambda its: its.change("RoundClosed", n=1, recorded=(HASHES[2],)),
    "a round is closed over fewer than recorded": lambda its: its.change("RoundClosed", recorded=()),
    "a round is closed over fewer than approved": lambda its: its.drop("UseRecorded", -3),
    "a round is closed by a stranger": lambda its: its.by("RoundClosed", "nobody"),
    "a round is closed under a permit that was superseded": lambda its: its.copy_to_the_end("RoundClosed"),
    "a round is closed after the permit expired": lambda its: its.when("RoundClosed", 2 * YEAR),
    "a use is recorded after its round was closed": lambda its: its.move_before("RoundClosed", "UseRecorded", -3),
    "a use is recorded twice": lambda its: its.copy_to_the_end("Credited", "UseRecorded"),
    "a use is recorded that was never opened": lambda its: its.change("UseRecorded", n=9),
    "a use is recorded under the next permit": lambda its: its.change("UseRecorded", permit=2),
    "a use is recorded after the permit expired": lambda its: its.when("UseRecorded", 2 * YEAR, -1),
    "a use is recorded under a superseded permit": lambda its: its.change("UseRecorded", -1, permit=1),
    "a use is recorded while paused": lambda its: its.drop("ConsortiumResumed"),
    "a use is recorded while frozen": lambda its: its.drop("FreezeLifted"),
    "a use is of consents that changed": lambda its: its.drop("ConsentRevoked"),
    "a use is of other consents": lambda its: its.change("UseRecorded", consent_root=HASHES[1]),
    "a use is of an older version": lambda its: its.change("UseRecorded", version=0),
    "a use exceeds the budget": lambda its: its.change("UseRecorded", rho=61),
    "uses of a line exceed the budget": lambda its: its.change("UseRecorded", -1, rho=31),
    "a use is recorded by another holder": lambda its: its.change("UseRecorded", dataset=HASHES[2]),
    "a use is not credited": lambda its: its.drop("Credited"),
    "a use is credited twice": lambda its: its.twice("Credited"),
    "a use is credited with more than its rows": lambda its: its.change("Credited", to_holder=8),
    "a use is credited by a rule that is over": lambda its: its.change("Credited", -1, to_holder=7, to_patients=3),
    "a rule changes before its delay": lambda its: its.when("RuleChanged", -1),
    "a rule changes long after its delay": lambda its: its.when("RuleChanged", 31 * DAY),
    "a rule changes that was not carried": lambda its: its.drop("ProposalCarried"),
    "a rule changes to something else": lambda its: its.change("RuleChanged", setting=51),
    "a rule changes twice": lambda its: its.copy_to_the_end("RuleChanged"),
    "a rule is carried by too few": lambda its: its.drop("RuleProposalSupported"),
    "credits are redeemed with no vote": lambda its: its.drop("RedemptionEnacted"),
    "a redemption has no effect": lambda its: its.drop("Redeemed"),
    "more is redeemed than was voted for": lambda its: its.change("Redeemed", amount=4),
    "the consortium is paused by one": lambda its: its.drop("PauseSupported"),
    "it is resumed by one": lambda its: its.drop("ResumeSupported"),
    "a freeze is lifted by one": lambda its: its.drop("LiftSupported"),
    "a freeze is longer than allowed": lambda its: its.change("PermitFrozen", until=2**63),
    "a permit is superseded by a study that amends another": lambda its: its.change("StudyProposed", 1, amends=0),
    "a model is announced twice": lambda its: its.twice("ModelReleased"),
    "a model is announced by a stranger": lambda its: its.by("ModelReleased", "nobody"),
    "a model is announced that no round was opened with": lambda its: its.change("ModelReleased", model_hash=HASHES[1]),
    "a model is announced of another round": lambda its: its.change("ModelReleased", evaluated_round=3),
    "a model is announced under the next permit": lambda its: its.change("ModelReleased", permit=2),
    "a model is announced with no evidence": lambda its: its.change("ModelReleased", evidence_hash=HASHES[0]),
    "a model is open to objection for a day": lambda its: its.change("ModelReleased", objections_until=DAY),
    "a model is objected to by a stranger": lambda its: its.by("ReleaseObjected", "nobody"),
    "one objects twice": lambda its: its.twice("ReleaseObjected"),
    "one objects to what is final": lambda its: its.copy_to_the_end("ReleaseObjected"),
    "a model is released by one": lambda its: its.drop("ConfirmationSupported"),
    "a model is released by a stranger": lambda its: its.by("ConfirmationSupported", "nobody"),
    "a model is released by one who votes twice": lambda its: its.twice("ConfirmationSupported"),
    "a model is released before all have objected": lambda its: its.when("ReleaseConfirmed", -1),
    "the board releases what nothing stands against": lambda its: its.drop("ReleaseObjected"),
    "a model is settled too early": lambda its: its.when("ReleaseSettled", -1),
    "a model is settled twice": lambda its: its.twice("ReleaseSettled"),
    "another model is settled than was announced": lambda its: its.change("ReleaseSettled", model_hash=HASHES[1]),
    "a model is settled in spite of an objection": lambda its: its.change("ReleaseObjected", permit=2),
    "a release is withdrawn by a stranger": lambda its: its.by("ReleaseWithdrawn", "nobody"),
    "a release is withdrawn twice": lambda its: its.twice("ReleaseWithdrawn"),
    "code is switched with no vote": lambda its: its.events.append(replace(its.events[-1], name="CodeSwitched")),
}
ONE_OF_TWO = bytes(32)


def hear(told, events):
    story = Story(told.story.permits.terms_of)
    story.participants.update(told.story.participants)
    story.participants[ONE_OF_TWO] = (told.datasets[0],)
    for event in events:
        story.tell(event)
    story.end()


def test_a_story_that_nobody_changed_holds(told):
    hear(told, told.world.events)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_story_is_found_out(told, forgery):
    forged = Forger(told.world.events)
    FORGERIES[forgery](forged)
    assert forged.events != told.world.events
    with pytest.raises((AssertionError, LookupError)):
        hear(told, forged.events)


def test_the_old_key_and_a_delegate_may_do_what_the_rules_on_keys_say():
    keys, identity, new, machine = Keys(), Address("a"), Address("b"), Address("c")
    change = {"identity": identity, "delegate_type": b"sigAuth".ljust(32, b"\0"), "delegate": machine, "valid_to": 10}
    keys.tell(SimpleNamespace(name="DIDDelegateChanged", details=change))
    assert keys.may(identity, machine, "open_round", 9) and not keys.may(identity, machine, "open_round", 10)
    assert not keys.may(identity, machine, "vote", 9) and keys.may(identity, machine, "issue", 9)
    keys.tell(SimpleNamespace(name="DIDOwnerChanged", details={"identity": identity, "owner": new}))
    assert keys.may(identity, new, "vote", 9) and not keys.may(identity, identity, "vote", 9)
    assert not keys.may(identity, machine, "open_round", 9)
    with pytest.raises(AssertionError):
        keys.tell(SimpleNamespace(name="DIDOwnerChanged", details={"identity": identity, "owner": identity}))
