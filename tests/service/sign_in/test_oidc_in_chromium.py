"""Signing in through an institution in a real browser: from the first page to the provider, back, and out again."""

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.service.browser import chromium as launched
from tests.service.console.browsing import refuse_violations
from tests.service.running import catch_up
from tests.service.sign_in.oidc_provider.running import NoProvider
from tests.service.sign_in.oidc_provider.running import running as provider_running

from belmont.service.app import create_app
from belmont.service.config import OidcConfig, ServiceConfig
from belmont.service.service import Service
from belmont.service.serving import Serving, bound
from belmont.service.sign_in.oidc.provider import ProviderConfig

SECRET = secrets.token_urlsafe(32)
SUBJECT = "248289761001"


@dataclass(frozen=True)
class Place:
    """A service that knows a provider."""

    url: str
    issuer: str
    service: Service


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def place(
    config: ServiceConfig, world: Any, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    database: Path = tmp_path_factory.mktemp("oidc") / "service.sqlite"
    wanted = replace(config, database=f"sqlite:///{database}", port=0, public_url="http://localhost:8600")
    listening, config = bound(wanted)
    assert pytestconfig.cache is not None
    cache, callback = pytestconfig.cache.mkdir("oidc-provider"), f"{config.public_url}/sign-in/oidc/hospital/callback"
    try:
        with listening, provider_running(cache, callback, SECRET) as issuer:
            provider = ProviderConfig("hospital", "University Hospital", issuer, "belmont", SECRET)
            app = create_app(replace(config, oidc=OidcConfig((provider,), {(issuer, SUBJECT): world.address("board")})))
            started = threading.Event()
            server = Serving(app, started.set)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                assert started.wait(30)
                catch_up(app.state.service)
                yield Place(config.public_url, issuer, app.state.service)
            finally:
                server.should_exit = True
                thread.join(20)
    except NoProvider as reason:
        pytest.skip(str(reason))


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def go_to_the_provider(page: Page, place: Place, path: str = "/") -> None:
    page.goto(place.url + path)
    page.get_by_role("link", name="Sign in at University Hospital").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("University Hospital")
    assert page.url.startswith(place.issuer)


def say_who(page: Page, who: str = SUBJECT) -> None:
    page.get_by_label("Who are you?").fill(who)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Allow").click()


def cookies_of(page: Page, place: Place) -> set[str]:
    return {each["name"] for each in page.context.cookies(place.url)}


def test_a_member_goes_from_the_first_page_to_the_provider_is_signed_in_and_out_again(
    page: Page, place: Place, world: Any
) -> None:
    page.goto(place.url)
    refuse_violations(page, "oidc-1-sign-in")
    go_to_the_provider(page, place)
    say_who(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("What waits for me")
    assert page.url == f"{place.url}/"
    refuse_violations(page, "oidc-2-home")
    expect(page.locator(".who")).to_contain_text("Member board")
    page.goto(f"{place.url}/account")
    refuse_violations(page, "oidc-3-account")
    expect(page.get_by_text(world.address("board"))).to_have_count(1)
    expect(page.get_by_text("To enrol one, sign in with your own key")).to_be_visible()
    assert page.locator("[data-enrol]").count() == 0
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status").first).to_contain_text(
        "You are signed out. Your institution's own sign-in goes on"
    )
    refuse_violations(page, "oidc-4-signed-out")
    assert place.service.cookie_name not in cookies_of(page, place)
    page.goto(f"{place.url}/studies")
    assert "/sign-in?next=" in page.url


def test_one_comes_back_to_the_page_that_was_asked_for(page: Page, place: Place) -> None:
    go_to_the_provider(page, place, "/permits")
    say_who(page)
    page.wait_for_url(f"{place.url}/permits")
    expect(page.get_by_role("heading", level=1)).to_have_text("Permits")


def test_whom_nobody_named_is_told_so_and_what_to_do(page: Page, place: Place) -> None:
    go_to_the_provider(page, place)
    say_who(page, "somebody-else")
    expect(page.locator("main")).to_contain_text("NOT_MAPPED")
    expect(page.get_by_role("heading", level=1)).to_have_text("You were not signed in")
    expect(page.locator("main")).to_contain_text("Ask the operator of this service to name you")
    refuse_violations(page, "oidc-5-not-mapped")
    assert place.service.cookie_name not in cookies_of(page, place)


def test_who_refuses_at_the_provider_is_told_so_and_can_begin_again(page: Page, place: Place) -> None:
    go_to_the_provider(page, place)
    page.get_by_label("Who are you?").fill(SUBJECT)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Refuse").click()
    expect(page.locator("main")).to_contain_text("PROVIDER_REFUSED")
    refuse_violations(page, "oidc-6-refused")
    page.get_by_role("link", name="Sign in again").click()
    page.wait_for_url(f"{place.url}/sign-in")
    assert place.service.cookie_name not in cookies_of(page, place)


def test_going_back_after_signing_in_signs_nobody_in_twice(page: Page, place: Place) -> None:
    answers: list[str] = []
    page.on("request", lambda asked: answers.append(asked.url) if "/callback?" in asked.url else None)
    go_to_the_provider(page, place)
    say_who(page)
    page.wait_for_url(f"{place.url}/")
    page.context.clear_cookies(name=place.service.cookie_name)
    page.goto(answers[-1])
    expect(page.locator("main")).to_contain_text("STATE_INVALID")
    refuse_violations(page, "oidc-7-used")


def test_a_session_by_the_provider_reads_and_each_decision_is_still_signed(
    page: Page, place: Place, world: Any
) -> None:
    study = world.study(title="Through the institution")
    catch_up(place.service)
    go_to_the_provider(page, place, f"/studies/{study}/vote")
    say_who(page)
    page.wait_for_url(f"{place.url}/studies/{study}/vote")
    page.get_by_label("Refuse").check()
    page.get_by_label("Reason").fill("It asks for too much.")
    page.get_by_role("button", name="Show what I sign").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Read, then sign")
    expect(page.get_by_text("No wallet was found in this browser")).to_be_visible()
    assert world.registry.study(study).ballots == ()
