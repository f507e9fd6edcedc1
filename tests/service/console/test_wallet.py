"""A browser wallet (EIP-1193) on the signing page: what it is shown, what it signs, and when it is not asked at all."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect
from tests.service.conftest import CHAIN_ID, World, account_of
from tests.service.console.browsing import Visit
from tests.service.console.conftest import wait_for

from belmont.service.service import Service

WALLET = """
window.ethereum = { request: async ({ method, params }) => {
  const answer = JSON.parse(await window.walletAsked(method, JSON.stringify(params ?? [])));
  if (answer.error) throw new Error(answer.error);
  return answer.result;
} };
"""


class Wallet:
    """Holds one key, is on one chain, and signs whatever typed data it is asked to."""

    def __init__(self, page: Page, account: Any, chain_id: int = CHAIN_ID) -> None:
        self.account, self.chain_id, self.asked = account, chain_id, []
        page.expose_function("walletAsked", self.answer)
        page.add_init_script(WALLET)

    def answer(self, method: str, params: str) -> str:
        self.asked.append(method)
        match method:
            case "eth_requestAccounts":
                return json.dumps({"result": [self.account.address.lower()]})
            case "eth_chainId":
                return json.dumps({"result": hex(self.chain_id)})
            case "eth_signTypedData_v4":
                typed = json.loads(json.loads(params)[1])
                signed = Account.sign_typed_data(self.account.key, full_message=typed)
                return json.dumps({"result": "0x" + bytes(signed.signature).hex()})
        return json.dumps({"error": f"{method} is declined"})


@pytest.fixture
def visit(chromium: Chromium, service: Service, world: World) -> Iterator[Visit]:
    found = Visit(chromium, service, world, "en", "light", (1280, 900))
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
    wallet = Wallet(page, world.people["board"])
    to_sign(page, service, study)
    expect(page.locator(".lead")).to_contain_text("I refuse study")
    page.get_by_role("button", name="Sign with my wallet").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The contract took it")
    assert wallet.asked[-1] == "eth_signTypedData_v4"
    (ballot,) = service.registry.study(study).ballots
    assert ballot.voter == world.address("board") and not ballot.approve


def test_another_account_is_not_asked_to_sign(visit: Visit, service: Service, study: int) -> None:
    page = visit.page("board")
    wallet = Wallet(page, account_of("somebody else"))
    to_sign(page, service, study)
    page.get_by_role("button", name="Sign with my wallet").click()
    expect(page.locator("#wallet [data-status]")).to_contain_text("another account")
    assert "eth_signTypedData_v4" not in wallet.asked


def test_a_wallet_on_another_chain_is_not_asked_to_sign(
    visit: Visit, service: Service, world: World, study: int
) -> None:
    page = visit.page("board")
    wallet = Wallet(page, world.people["board"], chain_id=1)
    to_sign(page, service, study)
    page.get_by_role("button", name="Sign with my wallet").click()
    expect(page.locator("#wallet [data-status]")).to_contain_text("another chain")
    assert "eth_signTypedData_v4" not in wallet.asked and "wallet_switchEthereumChain" in wallet.asked


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
    wallet = Wallet(page, world.people["board"])
    to_sign(page, service, study)
    page.evaluate(
        "() => { const field = document.querySelector('#wallet [name=message]'); const file = JSON.parse(field.value);"
        f" const message = file.typed_data.message; {change}; field.value = JSON.stringify(file); }}"
    )
    page.get_by_role("button", name="Sign with my wallet").click()
    expect(page.locator("#wallet [data-status]")).to_contain_text("differs from what this page shows")
    assert not wallet.asked


def test_without_a_wallet_the_page_says_to_use_a_file(visit: Visit, service: Service, study: int) -> None:
    page = visit.page("board")
    to_sign(page, service, study)
    expect(page.get_by_text("No wallet was found in this browser")).to_be_visible()
    expect(page.get_by_label("Hand in the signed file")).to_be_visible()
    expect(page.get_by_role("button", name="Sign with my wallet")).to_have_count(0)
