"""Hardware keys over HTTP: what is taken, what is refused, and that every ceremony gives the session a new secret."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.service.sign_in.authenticator import Authenticator
from tests.service.sign_in.conftest import Browser, Running, sign

DIGEST = "0x" + "ab" * 32
NewBrowser = Callable[[], Browser]


class Person:
    """A member at a service with a host name, with a key in hand."""

    def __init__(self, running: Running) -> None:
        self.client = httpx.Client(base_url=running.origin, headers={"Sec-Fetch-Site": "same-origin"})
        self.key = Authenticator(running.origin)
        self.csrf = ""

    def sign_in(self, account: Any) -> None:
        given = self.client.post("/api/v1/sign-in/challenge", json={"account": account.address}).json()
        content = {"nonce": given["nonce"], "signature": sign(account, given["message"])}
        assert self.client.post("/sign-in", data=content).status_code == 303
        self.csrf = self.client.get("/api/v1/session").json()["csrf"]

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.client.request(method, f"/api/v1/passkeys{path}", json=body, headers={"X-CSRF-Token": self.csrf})

    def enrol(self, label: str = "in the drawer") -> httpx.Response:
        options = self.ask("POST", "/enrolment").json()
        answer = self.ask("POST", "", {"label": label, "credential": self.key.create(options)})
        self.csrf = self.client.get("/api/v1/session").json()["csrf"]
        return answer

    def touch(self, **purpose: str) -> httpx.Response:
        options = self.ask("POST", "/touch", purpose).json()
        answer = self.ask("POST", "/touch/finish", {"credential": self.key.get(options)})
        if answer.status_code == 200:
            self.csrf = answer.json()["csrf"]
        return answer


@pytest.fixture
def person(running: Running, world: Any) -> Iterator[Person]:
    running.service.sign_in.limits._buckets.clear()
    running.service.sign_in.passkeys.forget(world.address("lay"))
    found = Person(running)
    found.sign_in(world.people["lay"])
    yield found
    found.client.close()


def test_a_stranger_is_refused(running: Running) -> None:
    with httpx.Client(base_url=running.origin) as client:
        for method, path in (("GET", ""), ("POST", ""), ("POST", "/enrolment"), ("POST", "/touch"), ("DELETE", "/a")):
            assert client.request(method, f"/api/v1/passkeys{path}").status_code == 401


def test_a_key_is_enrolled_listed_touched_and_removed(person: Person) -> None:
    enrolled = person.enrol()
    assert (enrolled.status_code, enrolled.json()["label"]) == (201, "in the drawer")
    assert [each["id"] for each in person.ask("GET", "").json()] == [enrolled.json()["id"]]
    assert person.touch(purpose="message", digest=DIGEST).status_code == 200
    assert person.ask("DELETE", f"/{enrolled.json()['id']}").status_code == 403
    assert person.touch(purpose="remove", key=enrolled.json()["id"]).status_code == 200
    assert person.ask("DELETE", f"/{enrolled.json()['id']}").status_code == 204


def test_every_ceremony_gives_the_session_a_new_secret(person: Person) -> None:
    before = person.client.cookies["belmont"]
    person.enrol()
    between = person.client.cookies["belmont"]
    person.touch(purpose="message", digest=DIGEST)
    after = person.client.cookies["belmont"]
    assert len({before, between, after}) == 3
    assert person.client.get("/api/v1/session").status_code == 200
    for ended in (before, between):
        with httpx.Client(base_url=str(person.client.base_url), cookies={"belmont": ended}) as thief:
            assert thief.get("/api/v1/session").status_code == 401


@pytest.fixture
def former(person: Person) -> Iterator[httpx.Client]:
    """Has the cookie of before a touch whose answer the browser may have lost, with its own token of forms."""
    person.enrol()
    with httpx.Client(base_url=str(person.client.base_url), headers={"Sec-Fetch-Site": "same-origin"}) as found:
        found.cookies.set("belmont", person.client.cookies["belmont"])
        found.headers["X-CSRF-Token"] = person.csrf
        assert person.touch(purpose="message", digest=DIGEST).status_code == 200
        yield found


def test_a_browser_that_lost_the_answer_reads_on_and_touches_again(person: Person, former: httpx.Client) -> None:
    assert former.get("/studies").status_code == former.get("/api/v1/session").status_code == 200
    options = former.post("/api/v1/passkeys/touch", json={"purpose": "message", "digest": DIGEST}).json()
    credential = person.key.get(options)
    answer = former.post("/api/v1/passkeys/touch/finish", json={"credential": credential})
    assert answer.status_code == 200
    assert person.client.get("/api/v1/session").status_code == 401, "the secret that was lost opens nothing"
    former.headers["X-CSRF-Token"] = answer.json()["csrf"]
    assert former.post("/api/v1/passkeys/enrolment").json()["code"] == "STEP_UP_REQUIRED", "it is renewed, not raised"
    assert former.delete("/api/v1/session").status_code == 204


def test_a_stolen_former_cookie_does_nothing_and_dies_when_the_new_one_is_shown(
    person: Person, former: httpx.Client
) -> None:
    key = former.get("/api/v1/passkeys").json()[0]["id"]
    for method, path in (
        ("POST", "/api/v1/passkeys/enrolment"),
        ("DELETE", f"/api/v1/passkeys/{key}"),
        ("DELETE", "/api/v1/sessions"),
        ("POST", "/account/sessions/end"),
        ("POST", "/api/v1/relay"),
        ("POST", "/api/v1/messages"),
    ):
        refused = former.request(method, path, json={} if path.startswith("/api") else None)
        assert refused.status_code == 403, path
        assert "SESSION_RENEWED" in refused.text or "Your sign-in was renewed" in refused.text, path
    options = former.post("/api/v1/passkeys/touch", json={"purpose": "message", "digest": DIGEST}).json()
    forged = Authenticator(str(person.client.base_url), credential=person.key.credential, counter=50)
    answer = former.post("/api/v1/passkeys/touch/finish", json={"credential": forged.get(options)})
    assert (answer.status_code, answer.json()["code"]) == (403, "PASSKEY_REFUSED")
    assert "set-cookie" not in answer.headers
    with former.stream("GET", "/api/v1/events/stream") as listening:
        assert b"retry" in listening.read(), "it ends at once, and a browser comes back with its cookie of then"
    assert person.client.get("/api/v1/session").status_code == 200
    for path in ("/api/v1/session", "/api/v1/passkeys"):
        assert former.get(path).status_code == 401
    assert former.post("/api/v1/passkeys/touch", json={"purpose": "message", "digest": DIGEST}).status_code == 401


def test_an_answer_of_a_key_that_was_used_is_not_used_again_with_the_former_cookie(
    person: Person, former: httpx.Client
) -> None:
    options = former.post("/api/v1/passkeys/touch", json={"purpose": "message", "digest": DIGEST}).json()
    body = {"credential": person.key.get(options)}
    kept = dict(former.cookies)
    assert former.post("/api/v1/passkeys/touch/finish", json=body).status_code == 200
    former.cookies.clear()
    former.cookies.update(kept)
    again = former.post("/api/v1/passkeys/touch/finish", json=body)
    assert (again.status_code, again.json()["code"]) == (403, "CHALLENGE_INVALID")


def test_signing_out_by_the_former_cookie_ends_the_session(person: Person, former: httpx.Client) -> None:
    answer = former.post("/sign-out", data={"csrf": former.headers["X-CSRF-Token"]})
    assert answer.status_code == 303
    assert person.client.get("/api/v1/session").status_code == 401


def test_the_former_cookie_needs_its_own_token_of_forms(person: Person, former: httpx.Client) -> None:
    former.headers["X-CSRF-Token"] = person.csrf
    refused = former.post("/api/v1/passkeys/touch", json={"purpose": "message", "digest": DIGEST})
    assert (refused.status_code, refused.json()["code"]) == (403, "CSRF_TOKEN_INVALID")


def test_another_key_is_enrolled_after_a_touch(person: Person) -> None:
    person.enrol()
    assert person.ask("POST", "/enrolment").json()["code"] == "STEP_UP_REQUIRED"
    assert person.touch(purpose="enrol").status_code == 200
    assert person.ask("POST", "/enrolment").status_code == 200


def test_a_forged_answer_is_refused(person: Person, running: Running) -> None:
    person.enrol()
    options = person.ask("POST", "/touch", {"purpose": "message", "digest": DIGEST}).json()
    forged = Authenticator(running.origin, credential=person.key.credential, counter=5)
    answer = person.ask("POST", "/touch/finish", {"credential": forged.get(options)})
    assert (answer.status_code, answer.json()["code"]) == (403, "PASSKEY_REFUSED")
    again = person.ask("POST", "/touch/finish", {"credential": person.key.get(options)})
    assert again.json()["code"] == "CHALLENGE_INVALID"


@pytest.mark.parametrize(
    "purpose",
    [
        {"purpose": "message"},
        {"purpose": "message", "digest": DIGEST, "key": "abcd"},
        {"purpose": "remove"},
        {"purpose": "remove", "digest": DIGEST},
        {"purpose": "remove", "key": "a"},
        {"purpose": "enrol", "digest": DIGEST},
        {"purpose": "vote"},
        {"purpose": "message", "digest": "0x12"},
        {"purpose": "message", "digest": DIGEST, "more": 1},
    ],
)
def test_a_malformed_purpose_is_refused(person: Person, purpose: Any) -> None:
    person.enrol()
    assert person.ask("POST", "/touch", purpose).status_code in (400, 422)


@pytest.mark.parametrize("label", ["", "a" * 81, "a\x00b", "a\nb", "\ud800", 7])
def test_a_malformed_label_is_refused(person: Person, label: Any) -> None:
    options = person.ask("POST", "/enrolment").json()
    body = json.dumps({"label": label, "credential": person.key.create(options)})
    headers = {"X-CSRF-Token": person.csrf, "Content-Type": "application/json"}
    answer = person.client.post("/api/v1/passkeys", content=body, headers=headers)
    assert answer.status_code == 422


def test_a_label_is_shown_and_not_run(person: Person) -> None:
    person.enrol("<script>alert(1)</script>")
    page = person.client.get("/account")
    assert page.status_code == 200
    assert "&lt;script&gt;alert(1)" in page.text and "<script>alert" not in page.text


def test_a_service_without_a_host_name_has_no_keys(browser: NewBrowser, world: Any) -> None:
    board = browser()
    board.sign_in(world.people["board"])
    answer = board.send("POST", "/api/v1/passkeys/enrolment")
    assert (answer.status_code, answer.json()["code"]) == (409, "NO_HOST_NAME")
