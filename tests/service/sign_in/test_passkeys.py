"""Hardware keys: what they are asked for, what they answer, and every answer that must not count."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from eth_account import Account
from tests.service.sign_in.authenticator import Authenticator
from webauthn.helpers import base64url_to_bytes

from belmont.identity.messages import Freeze, Lift, Pause, Revocation
from belmont.identity.typed_data import Domain
from belmont.registry.types import Address
from belmont.service.access.visitor import SessionView, Visitor
from belmont.service.errors import Conflict, NotAllowed, NotFound
from belmont.service.sign_in.passkeys import (
    CEREMONY_SECONDS,
    ENROL,
    KEYS_MOST,
    STEP_SECONDS,
    PasskeyRefused,
    Passkeys,
    removal,
)
from belmont.service.store.database import Store
from belmont.service.store.sessions import Proof, Sessions, Way

ORIGIN = "https://belmont.example"
PURPOSE, OTHER_PURPOSE = hashlib.sha256(b"a freeze").digest(), hashlib.sha256(b"another freeze").digest()
DOMAIN = Domain(1337, Account.create().address)


@pytest.fixture
def passkeys(store: Store, clock: Any) -> Passkeys:
    return Passkeys(store, "University Hospital", ORIGIN, clock)


@pytest.fixture
def sessions(store: Store, clock: Any) -> Sessions:
    return Sessions(store, {}, clock)


def session_of(sessions: Sessions, account: Any = None) -> SessionView:
    address = Address((account or Account.create()).address)
    return sessions.open(Proof(address, Way.KEY, address), by_token=False)[1]


@pytest.fixture
def session(sessions: Sessions) -> SessionView:
    return session_of(sessions)


@pytest.fixture
def key(passkeys: Passkeys, session: SessionView) -> Authenticator:
    """A key that the session's account enrolled."""
    made = Authenticator(ORIGIN)
    passkeys.finish_enrolment(session, made.create(passkeys.begin_enrolment(session)), "in the drawer")
    return made


def touch(passkeys: Passkeys, session: SessionView, key: Authenticator, purpose: bytes) -> None:
    passkeys.count(session, passkeys.finish(session, key.get(passkeys.begin(session, purpose))))


def test_nothing_is_asked_before_a_key_is_enrolled(passkeys: Passkeys, session: SessionView) -> None:
    assert not passkeys.required_for(session.account)
    with pytest.raises(NotFound):
        passkeys.begin(session, PURPOSE)


def test_a_key_is_enrolled_with_little_asked_of_it(passkeys: Passkeys, session: SessionView) -> None:
    options = passkeys.begin_enrolment(session)
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["residentKey"] == "discouraged"
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    assert options["rp"] == {"name": "University Hospital", "id": "belmont.example"}
    passkeys.finish_enrolment(session, Authenticator(ORIGIN).create(options), "in the drawer")
    assert passkeys.required_for(session.account)
    assert [each.label for each in passkeys.of(session.account)] == ["in the drawer"]


def test_a_touch_counts_for_its_purpose_in_its_session_for_five_minutes(
    passkeys: Passkeys, sessions: Sessions, session: SessionView, key: Authenticator, clock: Any
) -> None:
    touch(passkeys, session, key, PURPOSE)
    assert passkeys.check(session, PURPOSE)
    assert not passkeys.check(session, OTHER_PURPOSE)
    elsewhere = sessions.open(Proof(session.account, Way.KEY, session.account), by_token=False)[1]
    assert not passkeys.check(elsewhere, PURPOSE)
    clock.ahead = STEP_SECONDS + 1
    assert not passkeys.check(session, PURPOSE)


def test_what_the_key_signs_ends_in_what_it_is_for(
    passkeys: Passkeys, session: SessionView, key: Authenticator
) -> None:
    challenge = base64url_to_bytes(passkeys.begin(session, PURPOSE)["challenge"])
    assert len(challenge) == 64 and challenge.endswith(PURPOSE)


def test_what_a_touch_raised_goes_to_the_new_secret_and_leaves_the_former_one(
    passkeys: Passkeys, sessions: Sessions, session: SessionView, key: Authenticator
) -> None:
    touch(passkeys, session, key, OTHER_PURPOSE)
    purpose = passkeys.finish(session, key.get(passkeys.begin(session, PURPOSE)))
    assert not passkeys.check(session, purpose), "it counts nowhere before it is said where"
    renewed = sessions.renew(session)
    assert renewed is not None
    passkeys.count(renewed[1], purpose)
    for each in (PURPOSE, OTHER_PURPOSE):
        assert passkeys.check(renewed[1], each) and not passkeys.check(session, each)


def test_a_touch_whose_answer_was_lost_counts_for_nobody(
    passkeys: Passkeys, sessions: Sessions, session: SessionView, key: Authenticator
) -> None:
    lost, again = sessions.renew(session), sessions.renew(session)
    assert lost is not None and again is not None
    passkeys.count(lost[1], PURPOSE)
    passkeys.count(again[1], OTHER_PURPOSE)
    assert not passkeys.check(session, PURPOSE) and not passkeys.check(again[1], PURPOSE)
    assert passkeys.check(again[1], OTHER_PURPOSE)


def test_an_answer_counts_once(passkeys: Passkeys, session: SessionView, key: Authenticator) -> None:
    answer = key.get(passkeys.begin(session, PURPOSE))
    passkeys.finish(session, answer)
    with pytest.raises(PasskeyRefused, match="used already"):
        passkeys.finish(session, answer)


def test_an_answer_comes_within_two_minutes(
    passkeys: Passkeys, session: SessionView, key: Authenticator, clock: Any
) -> None:
    answer = key.get(passkeys.begin(session, PURPOSE))
    clock.ahead = CEREMONY_SECONDS + 2
    with pytest.raises(PasskeyRefused, match="too late"):
        passkeys.finish(session, answer)


def test_an_answer_counts_where_it_was_begun(
    passkeys: Passkeys, sessions: Sessions, session: SessionView, key: Authenticator
) -> None:
    answer = key.get(passkeys.begin(session, PURPOSE))
    same_account = sessions.open(Proof(session.account, Way.KEY, session.account), by_token=False)[1]
    with pytest.raises(PasskeyRefused, match="begun elsewhere"):
        passkeys.finish(same_account, answer)


def test_a_touch_for_one_message_is_none_for_another(
    passkeys: Passkeys, session: SessionView, key: Authenticator
) -> None:
    """A page that shows one message and has another touched: the challenge is not one that was given out."""
    options = passkeys.begin(session, PURPOSE)
    swapped = base64url_to_bytes(options["challenge"])[:32] + OTHER_PURPOSE
    with pytest.raises(PasskeyRefused, match="used already"):
        passkeys.finish(session, key.get(options, challenge=swapped))
    assert not passkeys.check(session, OTHER_PURPOSE)


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("another site", {"origin": "https://evil.example"}),
        ("a site below", {"origin": "https://a.belmont.example"}),
        ("plain http", {"origin": "http://belmont.example"}),
        ("another host's key", {"host": "evil.example"}),
        ("nobody there", {"flags": 0x00}),
        ("an enrolment's answer", {"type": "webauthn.create"}),
        ("a counter that stands still", {"counter": 1}),
        ("a counter that goes back", {"counter": 0}),
    ],
)
def test_an_answer_that_does_not_hold_is_refused(
    passkeys: Passkeys, session: SessionView, key: Authenticator, what: str, changes: dict[str, Any]
) -> None:
    touch(passkeys, session, key, OTHER_PURPOSE)
    with pytest.raises(PasskeyRefused):
        passkeys.finish(session, key.get(passkeys.begin(session, PURPOSE), **changes))
    assert not passkeys.check(session, PURPOSE)


def test_a_key_that_never_counts_is_taken(passkeys: Passkeys, session: SessionView) -> None:
    """Many keeps its counter at zero (section 6.1.1): then it says nothing of copies."""
    key = Authenticator(ORIGIN, counts=False)
    passkeys.finish_enrolment(session, key.create(passkeys.begin_enrolment(session)), "phone")
    for purpose in (PURPOSE, OTHER_PURPOSE):
        touch(passkeys, session, key, purpose)


def test_the_key_of_somebody_else_does_not_count(
    passkeys: Passkeys, sessions: Sessions, session: SessionView, key: Authenticator
) -> None:
    other = session_of(sessions)
    theirs = Authenticator(ORIGIN)
    passkeys.finish_enrolment(other, theirs.create(passkeys.begin_enrolment(other)), "theirs")
    with pytest.raises(PasskeyRefused, match="none of this account"):
        passkeys.finish(session, theirs.get(passkeys.begin(session, PURPOSE)))


def test_a_signature_by_another_key_under_a_known_name_is_refused(
    passkeys: Passkeys, session: SessionView, key: Authenticator
) -> None:
    forged = Authenticator(ORIGIN, counter=key.counter, credential=key.credential)
    with pytest.raises(PasskeyRefused, match="does not hold"):
        passkeys.finish(session, forged.get(passkeys.begin(session, PURPOSE)))


@pytest.mark.parametrize("answer", [{}, {"id": "a", "response": {"clientDataJSON": "e30"}}, {"id": 1, "response": []}])
def test_what_is_no_answer_is_refused(passkeys: Passkeys, session: SessionView, answer: dict[str, Any]) -> None:
    for finish in (lambda: passkeys.finish(session, answer), lambda: passkeys.finish_enrolment(session, answer, "x")):
        with pytest.raises(PasskeyRefused):
            finish()


def test_another_key_is_enrolled_only_by_a_touch_of_one_that_is_there(
    passkeys: Passkeys, session: SessionView, key: Authenticator
) -> None:
    with pytest.raises(NotAllowed) as refused:
        passkeys.begin_enrolment(session)
    assert refused.value.code == "STEP_UP_REQUIRED"
    touch(passkeys, session, key, ENROL)
    second = Authenticator(ORIGIN)
    passkeys.finish_enrolment(session, second.create(passkeys.begin_enrolment(session)), "spare")
    assert len(passkeys.of(session.account)) == 2
    with pytest.raises(NotAllowed):
        passkeys.begin_enrolment(session)


def test_an_enrolment_that_was_begun_before_the_first_key_does_not_slip_in_after_it(
    passkeys: Passkeys, sessions: Sessions, session: SessionView
) -> None:
    thief_session = sessions.open(Proof(session.account, Way.KEY, session.account), by_token=False)[1]
    begun = passkeys.begin_enrolment(thief_session)
    mine = Authenticator(ORIGIN)
    passkeys.finish_enrolment(session, mine.create(passkeys.begin_enrolment(session)), "mine")
    with pytest.raises(NotAllowed):
        passkeys.finish_enrolment(thief_session, Authenticator(ORIGIN).create(begun), "the thief's")
    assert [each.label for each in passkeys.of(session.account)] == ["mine"]


def test_of_two_first_keys_at_the_same_moment_one_is_enrolled(passkeys: Passkeys, sessions: Sessions) -> None:
    first = session_of(sessions)
    several = [first] + [
        sessions.open(Proof(first.account, Way.KEY, first.account), by_token=False)[1] for _ in range(3)
    ]
    begun = [(each, Authenticator(ORIGIN).create(passkeys.begin_enrolment(each))) for each in several]
    together = Barrier(len(begun))

    def enrol(session: SessionView, answer: dict[str, Any]) -> str:
        together.wait(10)
        try:
            passkeys.finish_enrolment(session, answer, session.id)
        except NotAllowed as error:
            return error.code
        return "enrolled"

    with ThreadPoolExecutor(len(begun)) as threads:
        outcomes = list(threads.map(lambda each: enrol(*each), begun))
    assert sorted(outcomes) == ["STEP_UP_REQUIRED"] * 3 + ["enrolled"]
    assert len(passkeys.of(first.account)) == 1


@pytest.mark.parametrize(
    "changes", [{"origin": "https://evil.example"}, {"host": "evil.example"}, {"type": "webauthn.get"}]
)
def test_an_enrolment_from_elsewhere_is_refused(
    passkeys: Passkeys, session: SessionView, changes: dict[str, Any]
) -> None:
    with pytest.raises(PasskeyRefused):
        passkeys.finish_enrolment(
            session, Authenticator(ORIGIN).create(passkeys.begin_enrolment(session), **changes), "x"
        )
    assert not passkeys.required_for(session.account)


def test_an_account_has_eight_keys_at_most(passkeys: Passkeys, session: SessionView, key: Authenticator) -> None:
    for number in range(KEYS_MOST - 1):
        touch(passkeys, session, key, ENROL)
        passkeys.finish_enrolment(
            session, Authenticator(ORIGIN).create(passkeys.begin_enrolment(session)), f"key {number}"
        )
    touch(passkeys, session, key, ENROL)
    with pytest.raises(Conflict, match="at most 8"):
        passkeys.begin_enrolment(session)


def test_a_key_is_enrolled_once(
    passkeys: Passkeys, sessions: Sessions, session: SessionView, key: Authenticator
) -> None:
    other = session_of(sessions)
    with pytest.raises(Conflict, match="enrolled already"):
        passkeys.finish_enrolment(other, key.create(passkeys.begin_enrolment(other)), "taken over")


def test_a_key_is_removed_by_a_touch_for_that(passkeys: Passkeys, session: SessionView, key: Authenticator) -> None:
    touch(passkeys, session, key, PURPOSE)
    with pytest.raises(NotAllowed):
        passkeys.remove(session, key.credential)
    touch(passkeys, session, key, removal(key.credential))
    passkeys.remove(session, key.credential)
    assert not passkeys.required_for(session.account)


def test_nobody_removes_the_key_of_somebody_else(
    passkeys: Passkeys, sessions: Sessions, session: SessionView, key: Authenticator
) -> None:
    with pytest.raises(NotFound):
        passkeys.remove(session_of(sessions), key.credential)


def test_the_operator_removes_the_keys_of_who_lost_them(
    passkeys: Passkeys, session: SessionView, key: Authenticator
) -> None:
    assert passkeys.forget(session.account) == 1
    assert not passkeys.required_for(session.account)


ACTOR = Account.create()
NUMBERS = {"nonce": 7, "deadline": 4_000_000_000, "actor": ACTOR.address}
STOPPING = {
    "Freeze": Freeze(permit=1, duration=3600, reason_hash=bytes(32), **NUMBERS),
    "Revocation": Revocation(permit=1, reason_hash=bytes(32), **NUMBERS),
    "Pause": Pause(pause=1, **NUMBERS),
}


@pytest.mark.parametrize("kind", STOPPING)
def test_stopping_something_is_relayed_after_a_touch_for_that_very_message(
    passkeys: Passkeys, sessions: Sessions, kind: str
) -> None:
    signed = STOPPING[kind].sign(ACTOR, DOMAIN)
    mine, other = session_of(sessions, ACTOR), session_of(sessions)
    passkeys.step(Visitor(mine), signed)  # nothing is enrolled yet
    key = Authenticator(ORIGIN)
    passkeys.finish_enrolment(mine, key.create(passkeys.begin_enrolment(mine)), "mine")
    touch(passkeys, mine, key, PURPOSE)
    for visitor in (Visitor(mine), Visitor(other), Visitor()):
        with pytest.raises(NotAllowed) as refused:
            passkeys.step(visitor, signed)
        assert refused.value.code == "STEP_UP_REQUIRED"
    touch(passkeys, mine, key, signed.digest)
    passkeys.step(Visitor(mine), signed)
    with pytest.raises(NotAllowed):
        passkeys.step(Visitor(other), signed)


def test_what_stops_nothing_needs_no_touch(passkeys: Passkeys, sessions: Sessions) -> None:
    mine = session_of(sessions, ACTOR)
    passkeys.finish_enrolment(mine, Authenticator(ORIGIN).create(passkeys.begin_enrolment(mine)), "mine")
    passkeys.step(Visitor(mine), Lift(permit=1, freeze=1, **NUMBERS).sign(ACTOR, DOMAIN))


def test_of_two_copies_of_a_key_with_one_counter_one_counts(
    passkeys: Passkeys, session: SessionView, key: Authenticator
) -> None:
    answers = [key.get(passkeys.begin(session, PURPOSE), counter=7) for _ in range(6)]

    def attempt(answer: dict[str, Any]) -> bool:
        try:
            passkeys.finish(session, answer)
        except PasskeyRefused:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, answers)) == 1
