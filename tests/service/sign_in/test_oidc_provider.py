"""Signing in through a real, certified provider: the flow, and its parts replayed, swapped and carried elsewhere."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from tests.service.running import catch_up
from tests.service.sign_in.conftest import ORIGIN, Browser
from tests.service.sign_in.oidc_provider.running import NoProvider, running

from belmont.service.app import create_app
from belmont.service.config import OidcConfig, ServiceConfig
from belmont.service.sign_in.oidc.provider import ProviderConfig

CALLBACK = "/sign-in/oidc/hospital/callback"
SECRET = secrets.token_urlsafe(32)
SUBJECT = "248289761001"


@pytest.fixture(scope="module")
def issuer(pytestconfig: pytest.Config) -> Iterator[str]:
    assert pytestconfig.cache is not None
    try:
        with running(pytestconfig.cache.mkdir("oidc-provider"), ORIGIN + CALLBACK, SECRET) as found:
            yield found
    except NoProvider as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def application(issuer: str, config: ServiceConfig, world: Any) -> Iterator[Any]:
    providers = tuple(
        ProviderConfig(name, "University Hospital", issuer, client, SECRET)
        for name, client in (("hospital", "belmont"), ("swapped", "other"))
    )
    members = {(issuer, SUBJECT): world.address("board")}
    app = create_app(replace(config, oidc=OidcConfig(providers, members)))
    with TestClient(app, base_url=ORIGIN):
        catch_up(app.state.service)
        yield app


@pytest.fixture
def person(application: Any) -> Browser:
    application.state.service.sign_in.limits._buckets.clear()
    return Browser(TestClient(application, base_url=ORIGIN))


def at_provider(address: str, login: str = SUBJECT) -> str:
    """What a browser does at the provider; returns where the provider leads it back to."""
    with httpx.Client() as client:
        where = f"{address}&login_hint={login}"
        for _ in range(12):
            answer = client.get(where)
            assert answer.status_code in (302, 303), answer.text
            where = str(answer.url.join(answer.headers["location"]))
            if where.startswith(ORIGIN):
                return where
    raise AssertionError("the provider leads nowhere")


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def begin(person: Browser, then: str = "/") -> str:
    answer = person.get("/sign-in/oidc/hospital", params={"next": then})
    assert answer.status_code == 303
    return str(answer.headers["location"])


def test_a_member_signs_in_through_the_provider(person: Browser, world: Any, issuer: str) -> None:
    asked = begin(person, "/studies")
    query = dict(parse_qsl(urlsplit(asked).query))
    assert asked.startswith(issuer) and query["code_challenge_method"] == "S256"
    assert {"state", "nonce", "code_challenge"} <= query.keys()
    answer = person.get(path_of(at_provider(asked)))
    assert (answer.status_code, answer.headers["location"]) == (303, "/studies")
    me = person.get("/api/v1/session").json()
    assert (me["account"], me["session"]["method"]) == (world.address("board"), "oidc")
    assert "ethics_board" in me["roles"]


def test_who_comes_through_the_provider_enrols_no_hardware_key(person: Browser) -> None:
    """Whoever runs a provider could otherwise keep a member from freezing anything here."""
    assert person.get(path_of(at_provider(begin(person)))).status_code == 303
    person.csrf = person.get("/api/v1/session").json()["csrf"]
    answer = person.send("POST", "/api/v1/passkeys/enrolment")
    assert answer.status_code == 403 and answer.json()["code"] == "OWN_KEY_NEEDED"


def test_whom_nobody_named_gets_nothing(person: Browser) -> None:
    answer = person.get(path_of(at_provider(begin(person), "somebody-else")))
    assert answer.status_code == 401 and "NOT_MAPPED" in answer.text
    assert person.session_cookie is None


def test_a_state_counts_once(person: Browser) -> None:
    back = path_of(at_provider(begin(person)))
    cookie = person.client.cookies["belmont-sign-in"]
    assert person.get(back).status_code == 303
    person.client.cookies.set("belmont-sign-in", cookie, domain="127.0.0.1")
    answer = person.get(back)
    assert answer.status_code == 401 and "STATE_INVALID" in answer.text


def test_a_code_counts_once(person: Browser) -> None:
    """A code that was redeemed, brought back under a new state: the provider refuses it."""
    back = at_provider(begin(person))
    assert person.get(path_of(back)).status_code == 303
    code = dict(parse_qsl(urlsplit(back).query))["code"]
    person.client.cookies.delete("belmont")
    again = dict(parse_qsl(urlsplit(begin(person)).query))
    given = dict(parse_qsl(urlsplit(back).query)) | {"state": again["state"], "code": code}
    answer = person.get(CALLBACK, params=given)
    assert answer.status_code == 503 and "PROVIDER_UNAVAILABLE" in answer.text
    assert person.session_cookie is None


def test_an_answer_for_another_browser_signs_nobody_in(person: Browser, application: Any) -> None:
    """Login CSRF: the answer that an attacker got, opened by a victim."""
    back = path_of(at_provider(begin(person)))
    victim = Browser(TestClient(application, base_url=ORIGIN))
    begin(victim)
    assert victim.get(back).status_code == 401
    assert victim.session_cookie is None


def test_a_stolen_code_is_of_no_use_without_its_browser(person: Browser, application: Any) -> None:
    """PKCE: the code of one attempt under the state of another, both of this service."""
    stolen = dict(parse_qsl(urlsplit(at_provider(begin(person))).query))
    thief = Browser(TestClient(application, base_url=ORIGIN))
    state = dict(parse_qsl(urlsplit(begin(thief)).query))["state"]
    answer = thief.get(CALLBACK, params=stolen | {"state": state})
    assert answer.status_code == 503
    assert thief.session_cookie is None


def test_an_answer_at_the_address_of_another_provider_is_refused(person: Browser) -> None:
    back = urlsplit(at_provider(begin(person)))
    answer = person.get(f"/sign-in/oidc/swapped/callback?{back.query}")
    assert answer.status_code == 401 and "STATE_INVALID" in answer.text


@pytest.mark.parametrize("issuer_named", ["https://evil.example", ""])
def test_an_answer_that_names_another_provider_is_refused(person: Browser, issuer_named: str) -> None:
    """Mix-up (RFC 9207)."""
    given = dict(parse_qsl(urlsplit(at_provider(begin(person))).query)) | {"iss": issuer_named}
    answer = person.get(CALLBACK, params=given)
    assert answer.status_code == 401 and "ISSUER_MIXED_UP" in answer.text


def test_an_answer_that_names_no_provider_is_refused_where_the_provider_names_itself(person: Browser) -> None:
    given = dict(parse_qsl(urlsplit(at_provider(begin(person))).query))
    del given["iss"]
    assert person.get(CALLBACK, params=given).status_code == 401


def test_a_refusal_of_the_provider_is_told(person: Browser, issuer: str) -> None:
    state = dict(parse_qsl(urlsplit(begin(person)).query))["state"]
    answer = person.get(CALLBACK, params={"error": "access_denied", "state": state, "iss": issuer})
    assert answer.status_code == 401 and "PROVIDER_REFUSED" in answer.text


@pytest.mark.parametrize("query", ["", "?code=a", "?state=a&state=b", "?state=" + "a" * 43, "?state=%00&code=%ff"])
def test_a_made_up_answer_is_refused(person: Browser, query: str) -> None:
    assert person.get(CALLBACK + query).status_code == 401


def test_a_provider_that_is_not_there_is_not_found(person: Browser) -> None:
    assert person.get("/sign-in/oidc/nowhere").status_code == 404
    assert person.get("/sign-in/oidc/nowhere/callback").status_code == 404


def test_one_goes_on_to_a_page_of_this_service_only(person: Browser) -> None:
    answer = person.get(path_of(at_provider(begin(person, "//evil.example"))))
    assert answer.headers["location"] == "/"


def test_a_session_by_the_provider_ends_with_the_mapping(person: Browser, config: ServiceConfig) -> None:
    assert person.get(path_of(at_provider(begin(person)))).status_code == 303
    cookie = person.session_cookie
    assert cookie is not None
    app = create_app(config)  # the same database, and nobody is named any more
    with TestClient(app, base_url=ORIGIN, cookies={"belmont": cookie}) as client:
        catch_up(app.state.service)
        assert client.get("/api/v1/session").status_code == 401
