"""Chromium, and a wallet in it: EIP-1193 as a page sees one, with a key of eth-account behind it.

It signs what it is asked to, as the person who clicks through does. ``shown`` is what it was asked for.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
WALLET = """
window.ethereum = {
  request: async ({ method, params }) => {
    const answer = JSON.parse(await window.askWallet(JSON.stringify({ method, params: params ?? [] })));
    if (answer.error) { const error = new Error(answer.error.message); error.code = answer.error.code; throw error; }
    return answer.result;
  },
};
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless. Skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Wallet:
    """One key in one browser."""

    account: Any
    """Of eth-account."""
    chain_id: int
    declines: bool = False
    shown: list[tuple[str, Any]] = field(default_factory=list)

    def install(self, context: BrowserContext) -> None:
        """In every page of a browser's profile."""
        context.expose_function("askWallet", self.answer)
        context.add_init_script(WALLET)

    def answer(self, asked: str) -> str:
        """A request of EIP-1193; errors are its 4001, 4100, 4200 and 4902."""
        request = json.loads(asked)
        method, params = request["method"], request["params"]
        self.shown.append((method, params))
        if self.declines:
            return _error(4001, "The user rejected the request.")
        if method in ("eth_requestAccounts", "eth_accounts"):
            return _result([self.account.address.lower()])
        if method == "eth_chainId":
            return _result(hex(self.chain_id))
        if method == "wallet_switchEthereumChain":
            return _error(4902, "Unrecognized chain.") if params[0]["chainId"] != hex(self.chain_id) else _result(None)
        if method == "personal_sign":
            return self._signed(params[1], encode_defunct(bytes.fromhex(params[0].removeprefix("0x"))))
        if method == "eth_signTypedData_v4":
            if params[0].lower() != self.account.address.lower():
                return _error(4100, "Not this account.")
            signed = Account.sign_typed_data(self.account.key, full_message=json.loads(params[1]))
            return _result("0x" + bytes(signed.signature).hex())
        return _error(4200, "The method is not supported.")

    def _signed(self, account: str, message: Any) -> str:
        if account.lower() != self.account.address.lower():
            return _error(4100, "Not this account.")
        return _result("0x" + bytes(self.account.sign_message(message).signature).hex())


def _result(value: Any) -> str:
    return json.dumps({"result": value})


def _error(code: int, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message}})


@dataclass
class Person:
    """Somebody in front of a browser of their own."""

    page: Page
    wallet: Wallet
    url: str

    @classmethod
    def sits_down(cls, browser: Browser, url: str, account: Any, chain_id: int, **options: Any) -> Person:
        """A new profile with a wallet in it. ``options`` are Playwright's, as ``color_scheme`` and ``locale``."""
        context = browser.new_context(**options)
        context.set_default_timeout(30_000)
        wallet = Wallet(account, chain_id)
        wallet.install(context)
        return cls(context.new_page(), wallet, url)

    def sign_in(self, then: str = "/") -> None:
        """By the wallet, and on to a page."""
        self.page.goto(f"{self.url}{then}")
        self.page.locator("[data-wallet]").click()
        self.page.wait_for_url(f"{self.url}{then}")

    def signs(self) -> Any:
        """Clicks through from what is to be signed to what was taken; the typed data that the wallet was shown."""
        self.page.locator("[data-sign]").click()
        self.page.locator(".taken").wait_for()
        asked = [params for method, params in self.wallet.shown if method == "eth_signTypedData_v4"]
        return json.loads(asked[-1][1])
