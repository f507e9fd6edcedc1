"""A long history is folded: the newest events are shown, the others open without JavaScript, and paper has all."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect
from tests.service.conftest import World
from tests.service.console.browsing import COLOURS, NARROW, WIDE, picture, violations
from tests.service.console.conftest import Browser, Story, session_of, wait_for

from belmont.audit.search import EventQuery
from belmont.service.service import Service

SHOWN = 10
Open = Callable[..., Browser]


@pytest.fixture(scope="module")
def long(service: Service, story: Story) -> int:
    """The number of a permit with more events than are shown, and of its study."""
    assert _events(service, story.running) > SHOWN + 1
    return int(story.running)


def _events(service: Service, number: int) -> int:
    return service.index.search(EventQuery(study=number, limit=1)).total


def listed(page: str) -> tuple[list[str], list[str], str]:
    """The moments of the events that are shown and of those that are folded, and what the fold says."""
    part = page[page.index('id="history"') :]
    shown, _, folded = part.partition('<details class="older">')
    folded = folded.partition("</details>")[0]
    summary = re.search(r"<summary>(.*?)</summary>", folded)
    moments = [re.findall(r'<li><time datetime="([^"]+)"', each) for each in (shown, folded)]
    return moments[0], moments[1], summary[1] if summary else ""


@pytest.mark.parametrize("path", ["/permits/{}", "/studies/{}"])
def test_the_newest_ten_events_are_shown_and_the_others_are_folded(
    path: str, browser: Open, service: Service, long: int
) -> None:
    page = browser("board").get(path.format(long)).text
    shown, folded, says = listed(page)
    total = _events(service, long)
    assert (len(shown), len(folded)) == (SHOWN, total - SHOWN)
    assert shown + folded == sorted(shown + folded, reverse=True), "the newest first"
    assert says == f"{total - SHOWN} older events" and 'start="11"' in page
    assert f"更早的 {total - SHOWN} 个事件" in browser("board", "zh-Hans").get(path.format(long)).text


def test_a_short_history_is_not_folded(browser: Open, service: Service, world: World) -> None:
    number = world.study(title="A short story")
    wait_for(lambda: number in service.snapshot.studies)
    shown, folded, says = listed(browser("board").get(f"/studies/{number}").text)
    assert len(shown) == 1 and folded == [] and says == ""


@pytest.fixture(params=[("en", WIDE), ("zh-Hans", NARROW)], ids=["en", "zh-Hans"])
def opened(request: pytest.FixtureRequest, chromium: Chromium, service: Service, world: World) -> Iterator[Page]:
    """A page of a browser without JavaScript, in which a member of the board is signed in."""
    language, (width, height) = request.param
    context = chromium.new_context(viewport={"width": width, "height": height}, java_script_enabled=False)
    url = service.config.public_url
    cookies = {"belmont-language": language, service.cookie_name: session_of(service, world, "board")[0]}
    context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("path", ["/permits/{}", "/studies/{}"])
def test_the_fold_opens_without_javascript_and_is_open_on_paper(
    path: str, opened: Page, service: Service, long: int
) -> None:
    opened.goto(service.config.public_url + path.format(long))
    fold, last = opened.locator("details.older"), opened.locator("details.older li").last
    expect(last).to_be_hidden()
    opened.emulate_media(media="print")
    expect(last).to_be_visible()
    expect(fold.locator("summary")).to_be_hidden()
    opened.emulate_media(media="screen")
    expect(last).to_be_hidden()
    fold.locator("summary").focus()
    opened.keyboard.press("Enter")
    expect(last).to_be_visible()


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_the_open_fold_has_no_violation(
    language: str, chromium: Chromium, service: Service, world: World, long: int
) -> None:
    url = service.config.public_url
    context = chromium.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, color_scheme="light")
    cookies = {"belmont-language": language, service.cookie_name: session_of(service, world, "board")[0]}
    context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
    try:
        page = context.new_page()
        for name, path in (("permit", f"/permits/{long}"), ("study", f"/studies/{long}")):
            page.emulate_media(color_scheme="light")
            page.goto(url + path, wait_until="load")
            picture(page, f"{name}-history-folded-{language}")
            page.locator("details.older > summary").click()
            picture(page, f"{name}-history-{language}")
            assert not violations(page)
            page.emulate_media(color_scheme="dark")
            assert not violations(page, *COLOURS)
    finally:
        context.close()
