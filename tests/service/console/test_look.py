"""Every page in a real browser, in both languages, light and dark, wide and narrow: no violation of WCAG 2.2 AA found.

Screenshots go to the folder in ``BELMONT_SCREENSHOTS``, or to a temporary one: a person looks at them before a page is
called done.
"""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.service.conftest import World
from tests.service.console.browsing import Visit, pages_of, violations
from tests.service.console.conftest import Story

from belmont.service.service import Service

WIDE, NARROW = (1280, 900), (390, 844)


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
            found += [f"{name}: {each}" for each in violations(page)]
            if width > size[0]:
                found.append(f"{name}: is {width} wide")
            found += [f"{name}: {each}" for each in errors]
    finally:
        visit.close()
    assert not found, "\n".join(found)
