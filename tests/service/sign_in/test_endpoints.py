"""Signing in over HTTP: strangers, browsers with and without scripts, programs; and attacks on each."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from fastapi.testclient import TestClient
from starlette.responses import Response
from tests.service.sign_in.conftest import ORIGIN, Browser, sign

from belmont.service.access.limits import DEFAULT_RATES, Limits
from belmont.service.config import ServiceConfig
from belmont.service.service import Service
from belmont.service.sign_in.parts import SignIn, own_path

NewBrowser = Callable[[], Browser]
CLOSED = [
    ("GET", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("GET", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions/" + "0" * 32),
    ("GET", "/api/v1/passkeys"),
    ("POST", "/api/v1/passkeys"),
    ("POST", "/api/v1/passkeys/enrolment"),
    ("POST", "/api/v1/passkeys/touch"),
    ("POST", "/api/v1/passkeys/touch/finish"),
    ("DELETE", "/api/v1/passkeys/abcd"),
    ("GET", "/account"),
    ("POST", "/account/sessions/end"),
    ("POST", "/sign-out"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_a_stranger_is_refused(browser: NewBrowser, method: str, path: str) -> None:
    answer = browser().send(method, path)
    if method == "GET" and not path.startswith("/api"):
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next=%2F{path[1:]}")
    else:
        assert answer.status_code == 401
    assert "csrf" not in answer.text


def test_who_is_no_member_has_no_passkeys(browser: NewBrowser) -> None:
    stranger = browser()
    assert stranger.sign_in(Account.create()).status_code == 303
    for method, path in CLOSED:
        if path.startswith("/api/v1/passkeys"):
            assert stranger.send(method, path).status_code == 403


def test_a_browser_signs_in(browser: NewBrowser, world: Any) -> None:
    board = browser()
    answer = board.sign_in(world.people["board"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    me = board.get("/api/v1/session").json()
    assert (me["account"], me["name"], me["roles"]) == (world.address("board"), "Member board", ["ethics_board"])
    assert me["session"]["method"] == "ethereum" and me["session"]["current"]


def test_a_cookie_is_kept_from_scripts_and_other_sites(browser: NewBrowser, world: Any) -> None:
    cookies = browser().sign_in(world.people["board"]).headers.get_list("set-cookie")
    session = next(each for each in cookies if each.startswith("belmont="))
    for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"):
        assert part in session
    assert "Secure" not in session, "on plain http of this machine a browser would not keep it"
    assert "Domain" not in session


def test_over_tls_cookies_are_of_this_host_alone_whatever_a_request_says(
    config: ServiceConfig, service: Service
) -> None:

    secure = SignIn(replace(config, public_url="https://belmont.example"), service.store, service.registry)
    answer = Response()
    secure.keep_session(answer, "secret")
    cookie = answer.headers.getlist("set-cookie")[0]
    assert cookie.startswith("__Host-belmont=secret;")
    assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie


def test_a_header_does_not_make_plain_http_secure(browser: NewBrowser, world: Any) -> None:
    board = browser()
    board.headers["X-Forwarded-Proto"] = "https"
    assert board.sign_in(world.people["board"]).status_code == 303
    assert board.session_cookie is not None


def test_a_person_signs_in_without_javascript(browser: NewBrowser, world: Any) -> None:
    person, board = browser(), world.people["board"]
    page = person.send("POST", "/sign-in/text", data={"account": board.address.lower(), "next": "/account"})
    assert page.status_code == 200
    nonce = page.text.partition('name="nonce" value="')[2].partition('"')[0]
    text = person.get(f"/sign-in/text/{nonce}").text
    assert f"Nonce: {nonce}" in text
    file = {"file": ("signature.txt", sign(board, text) + "\n", "text/plain")}
    answer = person.send("POST", "/sign-in", data={"nonce": nonce, "signature": "", "next": "/account"}, files=file)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert board.address in person.get("/account").text


def test_the_text_of_another_browser_is_not_shown(browser: NewBrowser, world: Any) -> None:
    nonce = browser().challenge(world.address("board"))["nonce"]
    assert browser().get(f"/sign-in/text/{nonce}").status_code == 404


def test_a_signed_text_is_not_replayed(browser: NewBrowser, world: Any) -> None:
    person, board = browser(), world.people["board"]
    given = person.challenge(board.address)
    signature = sign(board, given["message"])
    cookie = person.client.cookies["belmont-sign-in"]
    assert person.hand_in(given["nonce"], signature).status_code == 303
    person.client.cookies.set("belmont-sign-in", cookie, domain="127.0.0.1")
    assert person.hand_in(given["nonce"], signature).status_code == 401
    program = {"message": given["message"], "signature": signature}
    assert person.send("POST", "/api/v1/session", json=program).status_code == 401


def test_a_signed_text_does_not_count_in_another_browser(browser: NewBrowser, world: Any) -> None:
    victim, thief, board = browser(), browser(), world.people["board"]
    given = victim.challenge(board.address)
    thief.challenge(Account.create().address)
    assert thief.hand_in(given["nonce"], sign(board, given["message"])).status_code == 401
    assert thief.session_cookie is None


def test_a_session_that_was_planted_is_not_the_one_after_the_sign_in(browser: NewBrowser, world: Any) -> None:
    """Session fixation: what the browser had before is ended, and the new secret is another."""
    attacker, victim = browser(), browser()
    attacker.sign_in(world.people["lay"])
    planted = attacker.session_cookie
    assert planted is not None
    victim.client.cookies.set("belmont", planted, domain="127.0.0.1")
    victim.sign_in(world.people["board"])
    assert victim.session_cookie not in (None, planted)
    assert attacker.get("/api/v1/session").status_code == 401


def test_another_site_signs_nobody_in(browser: NewBrowser, world: Any) -> None:
    """Login CSRF: a page elsewhere cannot have a browser signed in as whom its author likes."""
    person, board = browser(), world.people["board"]
    given = person.challenge(board.address)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        person.headers = headers
        answer = person.hand_in(given["nonce"], sign(board, given["message"]))
        assert answer.status_code == 403
        assert person.send("POST", "/sign-in/text", data={"account": board.address}).status_code == 403
        assert person.send("POST", "/api/v1/sign-in/challenge", json={"account": board.address}).status_code == 403
    assert person.session_cookie is None


@pytest.mark.parametrize(("method", "path"), [("POST", "/sign-out"), ("DELETE", "/api/v1/session")])
def test_another_site_signs_nobody_out(browser: NewBrowser, world: Any, method: str, path: str) -> None:
    person = browser()
    person.sign_in(world.people["board"])
    token = person.csrf
    tries: list[tuple[dict[str, str], str]] = [
        ({"Sec-Fetch-Site": "cross-site"}, token),
        ({"Sec-Fetch-Site": "same-site"}, token),
        ({"Origin": "https://evil.example"}, token),
        ({"Origin": "null"}, token),
        ({}, token),
        ({"Sec-Fetch-Site": "same-origin"}, ""),
        ({"Sec-Fetch-Site": "same-origin"}, "0" * 64),
    ]
    for headers, csrf in tries:
        person.headers, person.csrf = headers, csrf
        assert person.send(method, path).status_code == 403
    person.headers, person.csrf = {"Origin": ORIGIN}, token
    assert person.get("/api/v1/session").status_code == 200
    assert person.send(method, path).status_code in (204, 303)


def test_the_token_of_an_older_sign_in_does_not_count(browser: NewBrowser, world: Any) -> None:
    person = browser()
    person.sign_in(world.people["board"])
    older = person.csrf
    person.sign_in(world.people["board"])
    assert person.csrf != older
    person.csrf = older
    assert person.send("POST", "/sign-out").status_code == 403


def test_signing_out_ends_the_session_on_the_service(browser: NewBrowser, world: Any) -> None:
    person = browser()
    person.sign_in(world.people["board"])
    kept = person.session_cookie
    assert kept is not None
    answer = person.send("POST", "/sign-out", data={"csrf": person.csrf})
    assert (answer.status_code, person.session_cookie) == (303, None)
    person.client.cookies.set("belmont", kept, domain="127.0.0.1")
    assert person.get("/api/v1/session").status_code == 401


def test_a_program_signs_in_and_out_with_a_token(browser: NewBrowser, world: Any) -> None:
    program, holder = browser(), world.people["holder"]
    program.headers = {}
    given = program.challenge(holder.address)
    answer = program.client.post(
        "/api/v1/session", json={"message": given["message"], "signature": sign(holder, given["message"])}
    )
    assert answer.status_code == 201
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    bare = TestClient(program.client.app, base_url=ORIGIN)
    me = bare.get("/api/v1/session", headers=headers).json()
    assert (me["account"], me["csrf"], me["session"]["by_token"]) == (world.address("holder"), None, True)
    assert bare.delete("/api/v1/session", headers=headers).status_code == 204
    assert bare.get("/api/v1/session", headers=headers).status_code == 401


def test_a_wrong_token_is_not_made_up_for_by_a_cookie(browser: NewBrowser, world: Any) -> None:
    person = browser()
    person.sign_in(world.people["board"])
    for header in ("Bearer nothing", "Basic abc", "Bearer"):
        assert person.client.get("/api/v1/session", headers={"Authorization": header}).status_code == 401


def test_a_member_who_was_removed_signs_in_and_has_no_role(browser: NewBrowser, world: Any) -> None:
    removed = browser()
    removed.sign_in(world.people["removed"])
    me = removed.get("/api/v1/session").json()
    assert (me["name"], me["roles"]) == (None, [])
    assert removed.get("/api/v1/passkeys").status_code == 403


def test_sessions_are_listed_and_ended_over_http(browser: NewBrowser, world: Any) -> None:
    one, two, other = browser(), browser(), browser()
    one.sign_in(world.people["lay"])
    two.sign_in(world.people["lay"])
    other.sign_in(world.people["board"])
    listed = one.get("/api/v1/sessions").json()
    assert sum(each["current"] for each in listed) == 1
    theirs = two.get("/api/v1/session").json()["session"]["id"]
    assert other.send("DELETE", f"/api/v1/sessions/{theirs}").status_code == 404
    assert one.send("DELETE", f"/api/v1/sessions/{theirs}").status_code == 204
    assert two.get("/api/v1/session").status_code == 401
    assert one.send("POST", "/account/sessions/end", data={"csrf": one.csrf}).status_code == 303
    assert one.get("/api/v1/session").status_code == 401
    assert other.get("/api/v1/session").status_code == 200


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("/studies/3?tab=votes", "/studies/3?tab=votes"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
        (None, "/"),
        ("/" + "a" * 600, "/"),
    ],
)
def test_one_goes_on_to_a_page_of_this_service(given: str | None, taken: str) -> None:
    assert own_path(given) == taken


def test_what_an_address_says_is_not_run(browser: NewBrowser, world: Any) -> None:
    payload = '/"><script>alert(1)</script>'
    page = browser().get("/sign-in", params={"next": payload})
    assert page.status_code == 200 and "<script>alert" not in page.text
    page = browser().send("POST", "/sign-in/text", data={"account": world.address("board"), "next": payload})
    assert page.status_code == 200 and "<script>alert" not in page.text
    answer = browser().send("POST", "/sign-in/text", data={"account": "<script>alert(1)</script>"})
    assert answer.status_code == 400 and "<script>alert" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"account": "0x12"},
        {"account": 7},
        {"account": "0x" + "g" * 40},
        {"account": "0xC02aaa39b223FE8D0A0e5C4F27eAD9083C756Cc2"},
        {"account": "0x" + "11" * 20, "role": "admin"},
        {"account": "0x" + "11" * 20, "identity": "board"},
        [],
        "text",
    ],
)
def test_a_malformed_question_is_refused_and_nothing_is_kept(browser: NewBrowser, body: Any) -> None:
    answer = browser().send("POST", "/api/v1/sign-in/challenge", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("signature", ["", "0x", "0xzz", "0x1", "abc", "0x" + "11" * 3000])
def test_a_malformed_signature_is_refused(browser: NewBrowser, world: Any, signature: str) -> None:
    person = browser()
    nonce = person.challenge(world.address("board"))["nonce"]
    assert person.hand_in(nonce, signature).status_code in (400, 422)


def test_signing_in_too_often_is_refused(
    browser: NewBrowser, world: Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.sign_in, "limits", Limits(now=lambda: 0.0))
    person, burst = browser(), DEFAULT_RATES["sign_in"].burst
    body = {"account": world.address("board")}
    found = [person.send("POST", "/api/v1/sign-in/challenge", json=body) for _ in range(burst + 5)]
    assert [each.status_code for each in found] == [200] * burst + [429] * 5
    refused = found[-1]
    assert refused.json()["code"] == "TOO_MANY_REQUESTS" and int(refused.headers["retry-after"]) >= 1
    assert person.get("/api/v1/health/live").status_code == 200, "other requests go on"


def test_pages_say_nothing_of_others_and_run_nothing_inline(browser: NewBrowser, world: Any) -> None:
    person = browser()
    person.sign_in(world.people["board"])
    for path in ("/sign-in", "/account"):
        page = person.get(path)
        assert page.status_code == 200
        assert "style=" not in page.text and "onclick" not in page.text
        assert page.text.count("<script") == page.text.count('<script type="module" src="/static/')
        assert "script-src 'self'" in page.headers["content-security-policy"]


def test_what_is_no_account_comes_back_in_the_form_with_what_is_wrong(browser: NewBrowser) -> None:
    account = Account.create().address
    for given in ({"account": "hello"}, {"account": " "}, {"account": account, "identity": "0x12"}):
        answer = browser().send("POST", "/sign-in/text", data=given | {"next": "/studies/1"})
        assert answer.status_code == 400 and "An account is 0x and 40 hex digits" in answer.text
        assert 'value="/studies/1"' in answer.text and f'value="{given["account"].strip()}"' in answer.text
