"""Every page in a real browser, in both languages, light and dark, wide and narrow: no violation of WCAG 2.2 AA found.

Screenshots go to the folder in ``BELMONT_SCREENSHOTS``, or to a temporary one: a person looks at them before a page is
called done.
"""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from tests.service.conftest import World
from tests.service.console.browsing import Visit, pages_of
from tests.service.console.conftest import Story

from belmont.service.service import Service

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDE, NARROW = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("BELMONT_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


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
