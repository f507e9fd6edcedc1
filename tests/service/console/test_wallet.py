"""A browser wallet (EIP-1193) on the signing page: what it is shown, what it signs, and when it is not asked at all."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect
from tests.service.browser import Wallet
from tests.service.conftest import CHAIN_ID, World, account_of
from tests.service.console.browsing import Visit, refuse_violations
from tests.service.console.conftest import wait_for

from belmont.service.service import Service


def wallet_in(page: Page, account: Any, chain_id: int = CHAIN_ID) -> Wallet:
    """A wallet in this browser, which remembers what it was asked."""
    wallet = Wallet(account, chain_id)
    wallet.install(page.context)
    return wallet


def asked(wallet: Wallet) -> list[str]:
    return [method for method, _ in wallet.shown]


@pytest.fixture
def visit(chromium: Chromium, service: Service, world: World) -> Iterator[Visit]:
    found = Visit(chromium, service, world)
    yield found
    found.close()


@pytest.fixture
def study(world: World, service: Service) -> int:
    number = world.study(title="Signed with a wallet")
    wait_for(lambda: number in service.snapshot.studies)
    return number


def to_sign(page: Page, service: Service, study: int) -> None:
    page.goto(f"{service.config.public_url}/studies/{study}/vote")
    page.get_by_label("Refuse").check()
    page.get_by_label("Reason").fill("It asks for too much.")
    page.get_by_role("button", name="Show what I sign").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Read, then sign")


def test_a_vote_is_signed_in_the_browser_and_taken(visit: Visit, service: Service, world: World, study: int) -> None:
    page = visit.page("board")
    wallet = wallet_in(page, world.people["board"])
    to_sign(page, service, study)
    expect(page.locator(".lead")).to_contain_text("I refuse study")
    page.get_by_role("button", name="Sign with my wallet").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The contract took it")
    assert asked(wallet)[-1] == "eth_signTypedData_v4"
    (ballot,) = service.registry.study(study).ballots
    assert ballot.voter == world.address("board") and not ballot.approve


def test_another_account_is_not_asked_to_sign(visit: Visit, service: Service, study: int) -> None:
    page = visit.page("board")
    wallet = wallet_in(page, account_of("somebody else"))
    to_sign(page, service, study)
    page.get_by_role("button", name="Sign with my wallet").click()
    expect(page.locator("#wallet [data-status]")).to_contain_text("another account")
    assert "eth_signTypedData_v4" not in asked(wallet)


def test_a_wallet_on_another_chain_is_not_asked_to_sign(
    visit: Visit, service: Service, world: World, study: int
) -> None:
    page = visit.page("board")
    wallet = wallet_in(page, world.people["board"], chain_id=1)
    to_sign(page, service, study)
    page.get_by_role("button", name="Sign with my wallet").click()
    expect(page.locator("#wallet [data-status]")).to_contain_text("another chain")
    assert "eth_signTypedData_v4" not in asked(wallet) and "wallet_switchEthereumChain" in asked(wallet)


@pytest.mark.parametrize(
    "change",
    ["message.approve = true", "message.study = '1'", "message.more = 1", "delete message.reasonHash",
     "message.nonce = '7'", "file.typed_data.primaryType = 'Recusal'", "file.typed_data.domain.chainId = 5",
     "file.typed_data.domain.verifyingContract = '0x0000000000000000000000000000000000000001'"],
)  # fmt: skip
def test_what_differs_from_the_page_is_not_signed(
    change: str, visit: Visit, service: Service, world: World, study: int
) -> None:
    page = visit.page("board")
    wallet = wallet_in(page, world.people["board"])
    to_sign(page, service, study)
    page.evaluate(
        "() => { const field = document.querySelector('#wallet [name=message]'); const file = JSON.parse(field.value);"
        f" const message = file.typed_data.message; {change}; field.value = JSON.stringify(file); }}"
    )
    page.get_by_role("button", name="Sign with my wallet").click()
    expect(page.locator("#wallet [data-status]")).to_contain_text("differs from what this page shows")
    assert not asked(wallet)


def test_without_a_wallet_the_page_says_to_use_a_file(visit: Visit, service: Service, study: int) -> None:
    page = visit.page("board")
    to_sign(page, service, study)
    expect(page.get_by_text("No wallet was found in this browser")).to_be_visible()
    expect(page.get_by_label("Hand in the signed file")).to_be_visible()
    expect(page.get_by_role("button", name="Sign with my wallet")).to_have_count(0)


@pytest.mark.parametrize("name", ["board", "removed"])
def test_the_pages_of_signing_have_no_violation(
    name: str, visit: Visit, service: Service, world: World, study: int
) -> None:
    page = visit.page("board")
    wallet_in(page, world.people[name])
    to_sign(page, service, study)
    refuse_violations(page, f"sign-{name}")
    page.get_by_role("button", name="Sign with my wallet").click()
    page.wait_for_timeout(1_000)
    refuse_violations(page, f"signed-{name}")


def test_a_freeze_asks_for_the_hardware_key_that_was_enrolled(visit: Visit, service: Service, world: World) -> None:
    permit = world.permit(title="Guarded")
    wait_for(lambda: permit in service.snapshot.permits)
    page, account = visit.page("other_board"), world.address("other_board")
    wallet_in(page, world.people["other_board"])
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "hasUserVerification": True, "isUserVerified": True}
    key = devtools.send(
        "WebAuthn.addVirtualAuthenticator", {"options": {**options, "automaticPresenceSimulation": True}}
    )
    page.goto(f"{service.config.public_url}/account")
    page.get_by_label("Name of the new key").fill("in the drawer")
    page.get_by_role("button", name="Enrol a hardware key").click()
    page.get_by_text("in the drawer").wait_for()
    assert service.sign_in.passkeys.required_for(account)

    def frozen_by(present: bool) -> None:
        # First: it ends the touch that was waited for. A session that is renewed while its page is left is lost.
        page.goto(f"{service.config.public_url}/permits/{permit}/freeze")
        devtools.send(
            "WebAuthn.setAutomaticPresenceSimulation",
            {"authenticatorId": key["authenticatorId"], "enabled": present},
        )
        page.get_by_role("button", name="Show what I sign").click()
        page.get_by_role("button", name="Sign with my wallet").click()

    frozen_by(present=False)
    expect(page.locator("#wallet [data-status]")).to_have_text("Touch your hardware key.")
    assert service.registry.permit(permit).frozen_until == 0
    frozen_by(present=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("The contract took it")
    assert service.registry.permit(permit).frozen_until > 0
