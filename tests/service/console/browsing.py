"""Debian's Chromium over the console's pages."""

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from tests.service.conftest import World
from tests.service.console.conftest import Story, session_of

from belmont.service.service import Service

WIDE, NARROW = (1280, 900), (390, 844)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that look at colours: all that another theme changes."""


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
        "uses": ("auditor", "/uses"),
        "release-auditor": ("auditor", f"/releases/{story.running}/0x{story.model.hex()}"),
        "permit-auditor": ("auditor", f"/permits/{story.running}"),
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
    """One language and width, with the browser's own contexts by who is signed in."""

    def __init__(
        self, chromium: Browser, service: Service, world: World, language: str = "en", size: tuple[int, int] = WIDE
    ) -> None:
        self._chromium, self._service, self._world = chromium, service, world
        self._language, self._size = language, size
        self._pages: dict[str, Page] = {}

    def page(self, name: str) -> Page:
        if name not in self._pages:
            width, height = self._size
            context = self._chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme="light", reduced_motion="reduce"
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


def violations(page: Page, *rules: str) -> list[str]:
    """What axe-core finds on a page, by WCAG 2.2 up to level AA; or by these rules of it alone.

    Colours that are still changing, from the light to the dark scheme for one, are changed first.
    """
    page.evaluate("document.getAnimations().forEach(each => each.finish())")
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": TAGS}
    results = Axe().run(page, options={"runOnly": only, "resultTypes": ["violations"]})
    return [
        f"{found['id']}: "
        + " | ".join(f"{each['html'][:200]} {each['failureSummary'][:300]}" for each in found["nodes"][:3])
        for found in results.response["violations"]
    ]


def picture(page: Page, name: str) -> None:
    """Keep one in the folder of ``BELMONT_SCREENSHOTS``, where somebody wants to look at them."""
    if folder := os.environ.get("BELMONT_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def refuse_violations(page: Page, name: str) -> None:
    """Fail where there is one."""
    picture(page, name)
    assert not violations(page)
