"""Debian's Chromium over the console's pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.service.conftest import World
from tests.service.console.conftest import Story, session_of

from belmont.service.service import Service

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser of its own; where there is none, tests that ask for one are skipped."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def pages_of(story: Story, world: World) -> dict[str, tuple[str, str]]:
    """By name: who looks, and where."""
    dataset = f"0x{world.datasets[0].hex()}"
    return {
        "home": ("board", "/"),
        "home-user": ("data_user", "/"),
        "home-auditor": ("auditor", "/"),
        "studies": ("board", "/studies"),
        "study-open": ("board", f"/studies/{story.open}"),
        "study-conditional": ("data_user", f"/studies/{story.conditional}"),
        "study-amendment": ("board", f"/studies/{story.amendment}"),
        "study-hostile": ("board", f"/studies/{story.hostile}"),
        "vote": ("board", f"/studies/{story.open}/vote"),
        "permits": ("board", "/permits"),
        "permit": ("holder", f"/permits/{story.running}"),
        "permit-frozen": ("board", f"/permits/{story.frozen}"),
        "freeze": ("board", f"/permits/{story.running}/freeze"),
        "revoke": ("board", f"/permits/{story.running}/revoke"),
        "withdraw": ("holder", f"/permits/{story.running}/withdraw/{dataset}"),
        "datasets": ("board", "/datasets"),
        "dataset": ("board", f"/datasets/{dataset}"),
        "members": ("board", "/members"),
        "proposals": ("board", "/proposals"),
        "consents": ("board", "/consents"),
        "releases": ("board", "/releases"),
        "release": ("board", f"/releases/{story.running}/0x{story.objected.hex()}"),
        "alerts": ("board", "/alerts"),
        "events": ("board", "/events"),
        "events-wrong": ("board", "/events?since=tomorrow&actor=me"),
        "search": ("board", "/search?q=infarction"),
        "accesses": ("auditor", "/accesses"),
        "rules": ("board", "/rules"),
        "settings": ("board", "/settings"),
        "about": ("auditor", "/about"),
        "not-found": ("board", "/studies/999"),
        "sign-in": ("", "/sign-in"),
    }


class Visit:
    """One language, theme and width, with the browser's own contexts by who is signed in."""

    def __init__(self, chromium: Browser, service: Service, world: World, language: str, theme: str, size: Any) -> None:
        self._chromium, self._service, self._world = chromium, service, world
        self._language, self._theme, self._size = language, theme, size
        self._pages: dict[str, Page] = {}

    def page(self, name: str) -> Page:
        if name not in self._pages:
            width, height = self._size
            context = self._chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme=self._theme, reduced_motion="reduce"
            )
            url = self._service.config.public_url
            cookies = [{"name": "belmont-language", "value": self._language, "url": url}]
            if name:
                secret, _ = session_of(self._service, self._world, name)
                cookies.append({"name": self._service.cookie_name, "value": secret, "url": url})
            context.add_cookies(cookies)
            self._pages[name] = context.new_page()
        return self._pages[name]

    def close(self) -> None:
        for each in self._pages.values():
            each.context.close()
