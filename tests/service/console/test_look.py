"""Every page in a real browser, in both languages, light and dark, wide and narrow: no violation of WCAG 2.2 AA found.

Screenshots go to the folder in ``BELMONT_SCREENSHOTS``, or to a temporary one: a person looks at them before a page is
called done.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from tests.service.conftest import World
from tests.service.console.conftest import Story, session_of

from belmont.service.service import Service

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDE, NARROW = (1280, 900), (390, 844)
pytestmark = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed")


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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("BELMONT_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


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


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_no_page_has_a_violation(
    language: str, theme: str, size: tuple[int, int], chromium: Browser, service: Service, world: World,
    story: Story, screenshots: Path,
) -> None:  # fmt: skip
    visit, found = Visit(chromium, service, world, language, theme, size), []
    wanted = os.environ.get("BELMONT_PAGES", "").split()
    try:
        for name, (who, path) in pages_of(story, world).items():
            if wanted and name not in wanted:
                continue
            page = visit.page(who)
            errors: list[str] = []
            page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
            page.goto(service.config.public_url + path, wait_until="load")
            width = page.evaluate("document.documentElement.scrollWidth")
            page.screenshot(path=screenshots / f"{name}-{language}-{theme}-{size[0]}.png", full_page=True)
            results = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
            for violation in results.response["violations"]:
                nodes = [f"{each['html'][:200]} {each['failureSummary'][:300]}" for each in violation["nodes"][:3]]
                found.append(f"{name}: {violation['id']}: " + " | ".join(nodes))
            if width > size[0]:
                found.append(f"{name}: is {width} wide")
            found += [f"{name}: {each}" for each in errors]
    finally:
        visit.close()
    assert not found, "\n".join(found)
