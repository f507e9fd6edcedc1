"""Every page in a real browser, in both languages, light and dark, wide and narrow: no violation of WCAG 2.2 AA found.

1. A page is looked at by every rule in one theme. Another theme changes colours and nothing else, so the rules about
   colours alone look at the same page again (``COLOURS``).
2. With ``BELMONT_SCREENSHOTS=folder`` pictures are kept there: a person looks at them before a page is called done.
"""

import os
import re

import pytest
from playwright.sync_api import Browser
from tests.service.conftest import World
from tests.service.console.browsing import COLOURS, NARROW, WIDE, Visit, pages_of, picture, violations
from tests.service.console.conftest import Story

from belmont.service.console.rendering import STATIC
from belmont.service.service import Service


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_no_page_has_a_violation(
    language: str, size: tuple[int, int], chromium: Browser, service: Service, world: World, story: Story
) -> None:
    visit, found = Visit(chromium, service, world, language, size), []
    wanted = os.environ.get("BELMONT_PAGES", "").split()
    try:
        for name, (who, path) in pages_of(story, world).items():
            if wanted and name not in wanted:
                continue
            page = visit.page(who)
            errors: list[str] = []
            page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
            page.emulate_media(color_scheme="light")
            page.goto(service.config.public_url + path, wait_until="load")
            width = page.evaluate("document.documentElement.scrollWidth")
            picture(page, f"{name}-{language}-light-{size[0]}")
            found += [f"{name}: {each}" for each in violations(page)]
            page.emulate_media(color_scheme="dark")  # 1
            picture(page, f"{name}-{language}-dark-{size[0]}")
            found += [f"{name}, dark: {each}" for each in violations(page, *COLOURS)]
            if width > size[0]:
                found.append(f"{name}: is {width} wide")
            found += [f"{name}: {each}" for each in errors]
    finally:
        visit.close()
    assert not found, "\n".join(found)


def test_a_theme_changes_colours_and_nothing_else() -> None:
    css = "".join(each.read_text() for each in STATIC.glob("*.css"))
    blocks = re.findall(r':root\[data-theme="(?:dark|auto)"\] \{(.*?)\}', css, re.S)
    assert len(blocks) == len(re.findall(r"data-theme=\"(?!light)|prefers-color-scheme", css)) - 1 == 2
    for each in re.findall(r"([^;{}]+);", "".join(blocks)):
        assert re.fullmatch(r"\s*(--[a-z-]+: #[0-9a-f]{6}|color-scheme: dark)", each), each
