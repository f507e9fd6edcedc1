"""Sessions: found by their secret alone, and ended by time, by their owner, by a changed key or mapping."""

from typing import Any

import pytest
from eth_account import Account
from sqlalchemy import func, select

from belmont.registry.types import Address
from belmont.service.access.visitor import SessionView
from belmont.service.sign_in.owners import OwnerWatch
from belmont.service.store.database import Store
from belmont.service.store.sessions import (
    BROWSER,
    FORMER_SECONDS,
    MOST_OF_AN_ACCOUNT,
    Proof,
    Sessions,
    Way,
    formers,
)

ISSUER, SUBJECT = "https://login.example", "1"
ACCOUNT, OTHER = (Address(Account.create().address) for _ in range(2))
KEY = Proof(ACCOUNT, Way.KEY, ACCOUNT)


@pytest.fixture
def sessions(store: Store, clock: Any) -> Sessions:
    return Sessions(store, {(ISSUER, SUBJECT): ACCOUNT}, clock)


def test_a_session_is_found_by_its_secret(sessions: Sessions) -> None:
    secret, session = sessions.open(KEY, by_token=False)
    found = sessions.of_cookie(secret)
    assert found == session and found is not None and found.account == ACCOUNT
    assert len(secret) >= 43 and len(session.csrf) == 64


def test_nothing_else_finds_it(sessions: Sessions) -> None:
    secret, session = sessions.open(KEY, by_token=False)
    for wrong in (session.id, session.csrf, secret[:-1], secret + "a", secret.swapcase(), "", "\udc80", "a" * 100_000):
        assert sessions.of_cookie(wrong) is None


def test_a_cookie_is_no_token_and_a_token_no_cookie(sessions: Sessions) -> None:
    cookie, _ = sessions.open(KEY, by_token=False)
    token, _ = sessions.open(KEY, by_token=True)
    assert sessions.of_token(cookie) is None
    assert sessions.of_cookie(token) is None
    assert sessions.of_token(token) is not None


def test_no_secret_is_kept(sessions: Sessions, store: Store) -> None:
    secret, session = sessions.open(KEY, by_token=True)
    with store.engine.connect() as connection:
        kept = repr([tuple(row) for row in connection.exec_driver_sql("select * from sessions")])
    assert secret not in kept and session.csrf not in kept


def test_a_session_ends_when_it_was_idle_for_half_an_hour(sessions: Sessions, clock: Any) -> None:
    secret, _ = sessions.open(KEY, by_token=False)
    for minutes in (25, 50, 75):
        clock.ahead = minutes * 60
        assert sessions.of_cookie(secret) is not None
    clock.ahead += 31 * 60
    assert sessions.of_cookie(secret) is None


@pytest.mark.parametrize(
    ("proof", "by_token", "hours"), [(KEY, False, 12), (Proof(ACCOUNT, Way.WALLET, ACCOUNT), False, 1), (KEY, True, 1)]
)
def test_a_session_ends_however_it_is_used(
    sessions: Sessions, clock: Any, proof: Proof, by_token: bool, hours: int
) -> None:
    secret, session = sessions.open(proof, by_token=by_token)
    find = sessions.of_token if by_token else sessions.of_cookie
    while clock.ahead + 20 * 60 < hours * 3600:
        clock.ahead += 20 * 60
        assert find(secret) is not None
    clock.ahead = hours * 3600 + 1
    assert find(secret) is None
    assert session.expires_at - session.since == hours * 3600


def test_a_sign_in_ends_the_session_that_the_browser_had(sessions: Sessions) -> None:
    before, _ = sessions.open(KEY, by_token=False)
    after, _ = sessions.open(Proof(OTHER, Way.KEY, OTHER), by_token=False, instead_of=before)
    assert sessions.of_cookie(before) is None
    assert sessions.of_cookie(after) is not None


def test_a_renewed_session_is_the_same_under_another_secret(sessions: Sessions) -> None:
    before, session = sessions.open(KEY, by_token=False)
    renewed = sessions.renew(session)
    assert renewed is not None
    after, view = renewed
    assert sessions.of_cookie(after) == view
    assert sessions.of_cookie(before) is None
    assert (view.id, view.expires_at) == (session.id, session.expires_at)
    assert view.csrf != session.csrf and view.standing != session.standing and not view.is_former


def renewed(sessions: Sessions, session: SessionView) -> tuple[str, SessionView]:
    found = sessions.renew(session)
    assert found is not None
    return found


def shown(sessions: Sessions, secret: str) -> SessionView:
    found = sessions.of_cookie(secret)
    assert found is not None
    return found


def test_the_former_secret_reads_for_a_minute_where_the_new_one_never_came(sessions: Sessions, clock: Any) -> None:
    before, session = sessions.open(KEY, by_token=False)
    _, view = renewed(sessions, session)
    former = shown(sessions, before)
    assert former.is_former and (former.id, former.csrf) == (session.id, session.csrf)
    assert former.standing == session.standing != view.standing
    assert former.expires_at <= clock() + FORMER_SECONDS < view.expires_at
    assert sessions.seen(before, False) == former
    clock.ahead = FORMER_SECONDS + 1
    assert sessions.of_cookie(before) is None and sessions.seen(before, False) is None
    assert [each.id for each, _ in sessions.of_account(ACCOUNT)] == [session.id], "the session itself goes on"


def test_the_former_secret_ends_at_once_when_the_new_one_is_first_shown(sessions: Sessions) -> None:
    before, session = sessions.open(KEY, by_token=False)
    after, _ = renewed(sessions, session)
    assert shown(sessions, before) and sessions.seen(before, False)
    assert shown(sessions, after)
    assert sessions.seen(before, False) is None and sessions.of_cookie(before) is None
    assert sessions.renew(session) is None, "nor is it renewed"
    assert sessions.of_cookie(after) is not None


def test_a_renewal_is_made_again_with_the_former_secret_and_the_one_that_was_lost_opens_nothing(
    sessions: Sessions,
) -> None:
    before, session = sessions.open(KEY, by_token=False)
    lost, _ = renewed(sessions, session)
    again, view = renewed(sessions, shown(sessions, before))
    assert sessions.of_cookie(lost) is None
    assert shown(sessions, before).is_former
    assert sessions.of_cookie(again) == view and sessions.of_cookie(before) is None


def test_a_secret_of_before_the_former_one_opens_nothing(sessions: Sessions) -> None:
    first, session = sessions.open(KEY, by_token=False)
    second, view = renewed(sessions, session)
    third, _ = renewed(sessions, view)
    assert sessions.of_cookie(first) is None and sessions.renew(session) is None
    assert shown(sessions, second).is_former and shown(sessions, third)
    assert sessions.of_cookie(second) is None


def test_the_former_secret_does_not_prolong_the_session(sessions: Sessions, clock: Any) -> None:
    before, session = sessions.open(KEY, by_token=False)
    clock.ahead = BROWSER.idle_seconds - 30
    after, _ = renewed(sessions, session)
    clock.ahead += 20
    assert shown(sessions, before).is_former
    clock.ahead += 20
    assert sessions.of_cookie(before) is None and sessions.of_cookie(after) is None


@pytest.mark.parametrize("by", ["before", "after"])
def test_signing_out_by_either_secret_ends_both(sessions: Sessions, by: str) -> None:
    before, session = sessions.open(KEY, by_token=False)
    after, view = renewed(sessions, session)
    ended = shown(sessions, before) if by == "before" else view
    assert sessions.end(ended.id, ACCOUNT)
    assert sessions.of_cookie(before) is None and sessions.of_cookie(after) is None
    assert sessions.renew(ended) is None


def test_a_sign_in_of_a_browser_that_has_the_former_secret_ends_both(sessions: Sessions) -> None:
    before, session = sessions.open(KEY, by_token=False)
    after, _ = renewed(sessions, session)
    sessions.open(KEY, by_token=False, instead_of=before)
    assert sessions.of_cookie(before) is None and sessions.of_cookie(after) is None


def test_many_renewals_do_not_pile_up(sessions: Sessions, store: Store, clock: Any) -> None:
    def kept() -> int:
        with store.reading() as connection:
            return connection.scalar(select(func.count()).select_from(formers)) or 0

    _, view = sessions.open(KEY, by_token=False)
    for _ in range(30):
        view = renewed(sessions, view)[1]
        assert kept() == 1
    sessions.end(view.id, ACCOUNT)
    clock.ahead += FORMER_SECONDS + 1
    sessions.open(KEY, by_token=False)
    assert kept() == 0


def test_an_ended_session_is_not_renewed(sessions: Sessions) -> None:
    _, session = sessions.open(KEY, by_token=False)
    sessions.end(session.id, ACCOUNT)
    assert sessions.renew(session) is None


def test_sessions_are_listed_and_ended_by_their_own_account(sessions: Sessions) -> None:
    first, view = sessions.open(KEY, by_token=False)
    second, _ = sessions.open(KEY, by_token=True)
    assert {each.id for each, _ in sessions.of_account(ACCOUNT)} >= {view.id}
    assert all(each.csrf == "" for each, _ in sessions.of_account(ACCOUNT))
    assert not sessions.end(view.id, OTHER)
    assert sessions.end(view.id, ACCOUNT) and not sessions.end(view.id, ACCOUNT)
    assert sessions.of_cookie(first) is None and sessions.of_token(second) is not None
    assert sessions.end_all(ACCOUNT) == 1
    assert sessions.of_token(second) is None


def test_an_account_has_so_many_sessions_and_no_more(sessions: Sessions, clock: Any) -> None:
    other, _ = sessions.open(Proof(OTHER, Way.KEY, OTHER), by_token=False)
    secrets = []
    for _ in range(MOST_OF_AN_ACCOUNT + 3):
        clock.ahead += 1
        secrets.append(sessions.open(KEY, by_token=False)[0])
    assert len(sessions.of_account(ACCOUNT)) == MOST_OF_AN_ACCOUNT
    assert [sessions.of_cookie(each) is None for each in secrets] == [True] * 3 + [False] * MOST_OF_AN_ACCOUNT
    assert sessions.of_cookie(other) is not None


def test_a_session_by_a_provider_ends_with_its_mapping(sessions: Sessions, store: Store, clock: Any) -> None:
    secret, _ = sessions.open(Proof(ACCOUNT, Way.OIDC, None, ISSUER, SUBJECT), by_token=False)
    assert sessions.of_cookie(secret) is not None
    assert Sessions(store, {(ISSUER, SUBJECT): OTHER}, clock).of_cookie(secret) is None
    assert Sessions(store, {}, clock).of_cookie(secret) is None


def test_what_a_replaced_key_opened_ends_as_the_chain_tells_it(sessions: Sessions, world: Any) -> None:
    from belmont.audit.index import Advance

    old, new = Account.create(), Account.create()
    identity = Address(old.address)
    before, _ = sessions.open(Proof(identity, Way.KEY, identity), by_token=False)
    token, _ = sessions.open(Proof(identity, Way.KEY, identity), by_token=True)
    other, _ = sessions.open(KEY, by_token=False)
    watch = OwnerWatch(sessions, world.registry)
    nothing = Advance(world.registry.head(), (), 0)
    assert watch.told(nothing) == 0
    world.registry.as_(old).identities.rotate(new)
    after, _ = sessions.open(Proof(identity, Way.KEY, Address(new.address)), by_token=False)
    assert OwnerWatch(sessions, world.registry).told(nothing) == 2, "after a start all are looked up"
    assert sessions.of_cookie(before) is None and sessions.of_token(token) is None
    assert sessions.of_cookie(after) is not None and sessions.of_cookie(other) is not None


def test_what_was_seen_is_remembered_for_a_second_and_forgotten_when_it_ends(sessions: Sessions, clock: Any) -> None:
    cookie, session = sessions.open(KEY, by_token=False)
    assert sessions.seen(cookie, False) is None
    assert sessions.of_cookie(cookie) == sessions.seen(cookie, False) == session
    assert sessions.seen(cookie, True) is None and sessions.seen(session.id, False) is None
    clock.ahead += 2
    assert sessions.seen(cookie, False) is None
    sessions.of_cookie(cookie)
    assert sessions.end(session.id, ACCOUNT)
    assert sessions.seen(cookie, False) is None and sessions.of_cookie(cookie) is None


@pytest.mark.parametrize(
    "end",
    [
        lambda sessions, session: sessions.end_all(ACCOUNT),
        lambda sessions, session: sessions.end_replaced(ACCOUNT, OTHER),
        lambda sessions, session: sessions.renew(session),
    ],
)
def test_no_session_that_ended_is_seen(sessions: Sessions, end: Any) -> None:
    token, session = sessions.open(KEY, by_token=True)
    assert sessions.of_token(token) and sessions.seen(token, True)
    end(sessions, session)
    assert sessions.seen(token, True) is None
