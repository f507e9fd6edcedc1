"""Hostile titles, names, reasons, protocols and searches: on every page they are text, and nothing of them runs."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest
from playwright.sync_api import Browser as Chromium
from tests.service.conftest import World
from tests.service.console.browsing import Visit, pages_of
from tests.service.console.conftest import HOSTILE, PROTOCOL, Browser, Story

from belmont.service.console import protocols
from belmont.service.console.addresses import local
from belmont.service.console.kept import Kept
from belmont.service.console.rendering import shown
from belmont.service.service import Service

Open = Callable[..., Browser]
SEARCHES = (
    "/search?q", "/events?q", "/events?name", "/events?actor", "/events?since", "/events?dataset", "/accesses?outcome",
    "/accesses?since", "/accesses?until", "/accesses?who",
)  # fmt: skip


class Harm(HTMLParser):
    """Whatever in a page would run, or lead somewhere that runs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = ["a character that turns text around"] if "\u202e" in page else []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "link") and not (given.get("src") or given.get("href") or "").startswith("/static/"):
            self.found.append(f"<{tag}>")
        if tag in ("img", "iframe", "object", "embed", "base", "style", "svg"):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            where = (value or "").strip().lower()
            if name.startswith("on") or name == "style":
                self.found.append(f"{name}={value}")
            if name in ("href", "src", "action", "formaction") and not where.startswith(
                ("/", "#", "https://example.org")
            ):
                self.found.append(f"{name}={value}")


def test_no_page_holds_what_a_stranger_wrote_as_html(browser: Open, story: Story, world: World) -> None:
    for name, (who, path) in pages_of(story, world).items():
        page = browser(who or "stranger").get(path, follow_redirects=True).text
        assert not Harm(page).found, name
        assert "49\ufffdgnp" not in page, name


def test_a_hostile_title_is_shown_as_it_is(browser: Open, story: Story) -> None:
    page = browser("board").get(f"/studies/{story.hostile}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "{{7*7}}" in page and "\ufffdgnp" in page


@pytest.mark.parametrize("path", SEARCHES)
def test_what_is_searched_for_comes_back_as_text(path: str, browser: Open) -> None:
    for text in (HOSTILE, '"><script>alert(1)</script>', "%00", "'--", "\u0000"):
        where, _, field = path.partition("?")
        answer = browser("holder").client.get(where, params={field: text})
        assert answer.status_code < 500 and not Harm(answer.text).found, answer.text


@pytest.mark.parametrize(
    "path",
    ["/studies/<script>", "/permits/0", "/permits/99999999999999999999", "/datasets/0x12", "/releases/1/0xzz",
     "/studies/1e3", "/nothing/<b>", "/events?before=x.y"],
)  # fmt: skip
def test_addresses_of_nothing_are_answered_with_a_page(path: str, browser: Open) -> None:
    answer = browser("board").get(path)
    assert 400 <= answer.status_code < 500 and not Harm(answer.text).found


@pytest.mark.parametrize(
    "back",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "/ok\r\nX: y",
     "/" + "a" * 3000, "", None],
)  # fmt: skip
def test_no_form_leads_away(back: str | None, browser: Open) -> None:
    assert local(back) == "/"
    answer = browser("board").post("/appearance", {"theme": "dark", "back": back or ""})
    assert answer.status_code == 422 or answer.headers["location"] == "/"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;"),
        ("[a](javascript:alert(1))", "[a](javascript:alert(1))"),
        ("[a](data:text/html,x)", "[a](data:text/html,x)"),
        ("<javascript:alert(1)>", "&lt;javascript:"),
        ("![x](https://e.example/t.png)", "[x]"),
        ("[a](https://e.example/?a=%22onclick=x)", 'rel="noopener noreferrer nofollow"'),
        ("[![x](https://e.example/i)](https://e.example)", "[x]"),
        ("```\n</code><script>x</script>\n```", "&lt;script&gt;"),
        ("&#60;script&#62;x", "&lt;script&gt;x"),
        ("a\u202eb", "a\ufffdb"),
    ],
)
def test_a_protocol_runs_and_fetches_nothing(text: str, wanted: str) -> None:
    found = str(protocols.rendered(text))
    assert wanted in found, found
    assert (
        "<script" not in found and "<img" not in found and 'href="javascript' not in found and 'href="data' not in found
    )


def test_a_protocols_headings_follow_the_pages_own() -> None:
    found = str(protocols.rendered("### a\n# b\n### c\n## d\n###### e"))
    assert re.findall(r"<h(\d)>", found) == ["3", "3", "4", "4", "5"]


def test_a_protocol_that_is_too_long_is_not_rendered() -> None:
    assert protocols.rendered("a" * (protocols.MOST_LETTERS + 1)) is None


@pytest.mark.parametrize("text", ["*" * 5_000, "[" * 5_000, "> " * 2_000, "`" * 5_001, "![" * 3_000])
def test_a_protocol_of_brackets_is_rendered_all_the_same(text: str) -> None:
    assert protocols.rendered(text) is not None


def test_what_is_dear_to_show_is_made_once_and_one_at_a_time() -> None:
    kept, made = Kept(2), []

    def make(name: str) -> str:
        made.append(name)
        time.sleep(0.05)
        return name.upper()

    with ThreadPoolExecutor(8) as people:
        assert set(people.map(lambda _: kept.of("a", lambda: make("a")), range(16))) == {"A"}
    assert made == ["a"]
    with pytest.raises(ValueError, match="bad"):
        kept.of("b", lambda: int("bad"))
    assert [kept.of(each, lambda each=each: make(each)) for each in "bca"] == ["B", "C", "A"]
    assert made == ["a", "b", "c", "a"]


def test_a_protocol_and_its_code_are_downloaded_from_the_page(browser: Open, story: Story, service: Service) -> None:
    board = browser("board")
    [path] = re.findall(r'href="(/api/v1/documents/[^"]*)" download', board.get(f"/studies/{story.open}").text)
    assert board.get(path).content == PROTOCOL.encode()


def test_text_keeps_what_scripts_are_written_with() -> None:
    assert shown("می\u200cخواهم 你好") == "می\u200cخواهم 你好" and shown("a\u200bb\u2066c") == "a\ufffdb\ufffdc"
    assert shown("\u3164\u2800\u115f한국") == "\ufffd\ufffd\ufffd한국"


@pytest.fixture
def visit(chromium: Chromium, service: Service, world: World) -> Iterator[Visit]:
    found = Visit(chromium, service, world)
    yield found
    found.close()


def test_nothing_runs_in_a_browser(visit: Visit, service: Service, story: Story) -> None:
    page, ran = visit.page("board"), []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    for path in (f"/studies/{story.hostile}", f"/studies/{story.open}", "/", "/studies", "/proposals", "/events",
                 "/search?q=%3Cscript%3Ealert(1)%3C/script%3E"):  # fmt: skip
        page.goto(service.config.public_url + path)
    assert not ran
