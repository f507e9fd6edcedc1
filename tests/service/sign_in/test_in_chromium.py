"""Our pages and scripts in a real browser: a wallet (EIP-1193) signs in, a virtual hardware key is enrolled."""

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account.messages import encode_defunct
from playwright.sync_api import Browser
from tests.service.browser import Wallet
from tests.service.browser import chromium as launched
from tests.service.conftest import CHAIN_ID
from tests.service.sign_in.conftest import Running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context()
    found = context.new_page()
    problems: list[str] = []
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    yield found
    context.close()
    assert not [each for each in problems if "401" not in each and "403" not in each and "404" not in each], problems


def sign_in(page: Any, running: Running, account: Any) -> str:
    """The text that the wallet signed."""
    wallet = Wallet(account, CHAIN_ID)
    wallet.install(page.context)
    page.goto(f"{running.origin}/sign-in?next=/account")
    page.get_by_role("button", name="Sign in with a browser wallet").click()
    page.wait_for_url(f"{running.origin}/account")
    [text] = [
        bytes.fromhex(params[0].removeprefix("0x")) for method, params in wallet.shown if method == "personal_sign"
    ]
    return text.decode()


def test_a_wallet_signs_in(page: Any, running: Running, world: Any) -> None:
    text = sign_in(page, running, world.people["board"])
    assert text.startswith("http://localhost:") and world.address("board") in text
    assert page.get_by_text(world.address("board")).count() == 1
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()
    assert page.get_by_text("sign-in goes on").count() == 0


def test_a_wallet_that_does_not_sign_is_told_and_nobody_is_signed_in(page: Any, running: Running, world: Any) -> None:
    Wallet(world.people["board"], CHAIN_ID, declines=True).install(page.context)
    page.goto(f"{running.origin}/sign-in")
    page.get_by_role("button", name="Sign in with a browser wallet").click()
    page.get_by_text("The wallet did not sign. The user rejected the request.").wait_for()
    assert page.context.request.get(f"{running.origin}/api/v1/session").status == 401


def test_a_hardware_key_is_enrolled_touched_and_removed(page: Any, running: Running, world: Any) -> None:
    passkeys, account = running.service.sign_in.passkeys, world.address("other_board")
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    key = {"protocol": "ctap2", "transport": "usb", "hasResidentKey": False, "hasUserVerification": True}
    options = {**key, "isUserVerified": True, "automaticPresenceSimulation": True}
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    sign_in(page, running, world.people["other_board"])
    before = {each["value"] for each in page.context.cookies() if each["name"] == "belmont"}
    page.get_by_label("Name of the new key").fill("in the drawer")
    page.get_by_role("button", name="Enrol a hardware key").click()
    page.get_by_text("in the drawer").wait_for()
    assert passkeys.required_for(account)
    assert before.isdisjoint(each["value"] for each in page.context.cookies() if each["name"] == "belmont")
    digest = "0x" + "ab" * 32
    touched = page.evaluate(
        "async (digest) => (await import('/static/passkeys.js')).touch({ purpose: 'message', digest })", digest
    )
    assert touched["csrf"]
    session = running.service.sessions.of_cookie(
        next(each["value"] for each in page.context.cookies() if each["name"] == "belmont")
    )
    assert session is not None and passkeys.check(session, bytes.fromhex(digest[2:]))
    assert not passkeys.check(session, bytes(32))
    page.reload()
    page.get_by_role("button", name="Remove in the drawer").click()
    page.get_by_text("None is enrolled.").wait_for()
    assert not passkeys.required_for(account)


def test_the_pages_are_whole_without_javascript(chromium: Any, running: Running, world: Any) -> None:
    board = world.people["board"]
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{running.origin}/sign-in?next=/account")
    page.get_by_label("Account that signs").fill(board.address)
    page.get_by_role("button", name="Show the text to sign").click()
    text = page.locator("pre.to-sign").text_content()
    signature = "0x" + board.sign_message(encode_defunct(text=text)).signature.hex().removeprefix("0x")
    page.get_by_label("Signature").fill(signature)
    page.get_by_role("button", name="Sign in").click()
    assert page.url == f"{running.origin}/account"
    context.close()
