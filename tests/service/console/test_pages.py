"""What pages say, to whom, in which language and look; and that they follow the chain while they are open."""

import datetime
import hashlib
import html
import re
import shlex
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect
from tests.service.conftest import World
from tests.service.console.browsing import Visit
from tests.service.console.conftest import CARD, EVIDENCE, Browser, Story, text_of, wait_for

from belmont import cli
from belmont.audit import EventQuery
from belmont.registry.types import DatasetId, MicroRho, UseKind
from belmont.service import words
from belmont.service.access.trail import Access
from belmont.service.console.offline import Offline
from belmont.service.console.rendering import STATIC
from belmont.service.service import Service
from belmont.service.words import Plain

Open = Callable[..., Browser]


# --- what waits for whom ---


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("board", "Applications to vote on"),
        ("holder", "Applications to accept"),
        ("data_user", "My applications and permits"),
        ("auditor", "Permits to look at"),
    ],
)
def test_the_first_page_says_what_waits_for_a_role(name: str, waits: str, browser: Open) -> None:
    assert waits in text_of(browser(name).get("/").text)


def test_what_was_voted_on_waits_no_more(browser: Open, story: Story) -> None:
    assert f'href="/studies/{story.open}">Read and vote' in browser("board").get("/").text
    assert f'href="/studies/{story.open}">Read and vote' not in browser("lay").get("/").text, "she recused herself"


def test_the_regulators_view_says_so_and_offers_nothing_to_do(browser: Open, story: Story) -> None:
    for path in ("/", f"/studies/{story.open}", f"/permits/{story.running}", "/proposals", "/rules"):
        page = browser("auditor").get(path).text
        assert "This is the regulator's view" in page.replace("&#39;", "'")
        actions = set(re.findall(r'action="([^"]*)"', page))
        assert actions <= {"/search", "/sign-out", "/appearance"}, path
        assert "/vote" not in page and "/freeze" not in page and "/support" not in page


def test_the_regulator_sees_what_left_every_hospital(
    browser: Open, story: Story, world: World, service: Service
) -> None:
    auditor = browser("auditor")
    everything = service.index.search(EventQuery(names=("UseRecorded",), limit=1)).total
    assert f"{everything} uses, the newest first." in text_of(auditor.get("/uses").text)
    page = auditor.get(f"/uses?permit={story.running}")  # other tests' worlds have uses of their own
    seen = text_of(page.text)
    assert page.status_code == 200 and "10 uses, the newest first." in seen
    assert "Round 3" in seen and "Query 1" in seen and "Masked numbers left" in seen
    assert (
        f"--event UseRecorded --permit {story.running}" in page.text
        and "Whether it was masked is in the configuration" in seen
    )
    of_one = auditor.get(f"/uses?dataset=0x{world.datasets[1].hex()}&permit={story.running}")
    assert "3 uses" in text_of(of_one.text) and "Query 1" not in text_of(of_one.text)
    (link,) = re.findall(r'href="(/api/v1/uses[^"]*)"', of_one.text)
    uses = auditor.get(html.unescape(link)).json()["items"]
    assert {each["dataset"] for each in uses} == {f"0x{world.datasets[1].hex()}"} and len(uses) == 3
    assert "No hospital has recorded a use that fits." in auditor.get(f"/uses?permit={story.frozen}").text


@pytest.mark.parametrize("query", ["dataset=x", "permit=0", "permit=" + "9" * 19, "before=1", "before=x.1"])
def test_a_filter_of_uses_that_cannot_be_read_is_refused(query: str, browser: Open) -> None:
    assert browser("auditor").get(f"/uses?{query}").status_code == 422


def test_the_evidence_of_a_release_is_there_to_keep_and_to_compare_with_its_fingerprint(
    browser: Open, story: Story
) -> None:
    auditor = browser("auditor")
    page = auditor.get(f"/releases/{story.running}/0x{story.model.hex()}").text
    kept = {auditor.get(each).content for each in re.findall(r'href="(/api/v1/documents/\w+)" download', page)}
    assert kept == {CARD, EVIDENCE}
    assert f"{hashlib.sha256(EVIDENCE).hexdigest()}  evidence-" in page
    other = auditor.get(f"/releases/{story.running}/0x{story.objected.hex()}").text
    assert other.count("Nobody has handed it in here.") == 2


def test_the_trail_is_read_of_one_member(browser: Open, service: Service, world: World) -> None:
    browser("lay").get("/alerts")
    browser("board").get("/about")
    service.trail.flush()
    page = browser("auditor").get(f"/accesses?who={world.address('lay')}").text
    assert "GET /alerts" in page and "GET /about" not in page
    assert browser("auditor").get("/accesses?who=lay").status_code == 422


def test_the_trail_is_read_by_outcome_and_period_and_the_api_has_the_same(
    browser: Open, service: Service, world: World
) -> None:
    lay, now = world.address("lay"), int(time.time())
    browser("lay").get("/rules")
    browser("lay").get("/accesses")
    for path, at in (("/before", now - 3 * 86_400), ("/between", now - 2 * 86_400), ("/after", now - 86_400)):
        service.trail.add(Access(at, lay, "GET", path, path, 200, "", 1))
    service.trail.flush()
    auditor, between = browser("auditor"), datetime.datetime.fromtimestamp(now - 2 * 86_400, datetime.UTC).date()
    for query, seen, unseen in (
        ("outcome=answered", ("/rules", "/before"), ("/accesses",)),
        ("outcome=refused", ("/accesses",), ("/rules", "/before")),
        (f"since={between}&until={between}", ("/between",), ("/before", "/after", "/rules")),
        (f"since={between}", ("/between", "/after", "/rules"), ("/before",)),
        (f"until={between}&outcome=answered", ("/between", "/before"), ("/after", "/rules")),
    ):
        page = auditor.get(f"/accesses?who={lay}&{query}").text
        assert all(f"<code>GET {each}</code>" in page for each in seen), query
        assert not any(f"<code>GET {each}</code>" in page for each in unseen), query
        (link,) = re.findall(r'href="(/api/v1/accesses[^"]*)"', page)
        items = auditor.get(html.unescape(link)).json()["items"]
        assert [each["path"] for each in items] == re.findall(r"<code>GET ([^<]*)</code>", page), query
    assert "No access fits." in text_of(auditor.get("/accesses?since=2100-01-01").text)
    both = auditor.get("/api/v1/accesses?refused=true&answered=true")
    assert (both.status_code, both.json()["code"]) == (400, "MALFORMED")


@pytest.mark.parametrize("query", ["outcome=maybe", "since=yesterday", "until=2026-02-30"])
def test_a_filter_of_the_trail_that_cannot_be_read_is_refused(query: str, browser: Open) -> None:
    answer = browser("auditor").get(f"/accesses?{query}")
    assert answer.status_code == 422
    assert "A day is written as" in answer.text or query.startswith("outcome")


def test_somebody_who_is_no_member_is_led_to_their_account(browser: Open) -> None:
    removed = browser("removed")
    assert removed.get("/").headers["location"] == "/account"
    assert removed.get("/studies").status_code == 403


# --- one application ---


def test_an_application_is_said_in_words_with_its_documents(browser: Open, story: Story) -> None:
    page = browser("board").get(f"/studies/{story.open}").text
    seen = text_of(page)
    assert "What leaves each hospital" in seen and "What is not protected" in seen
    assert "<em>routine</em>" in page and "train a model in rounds" in seen, "the protocol"
    assert "local-epochs" in seen, "the configuration"
    assert "Nobody has handed in this document here" in seen, "the code"
    assert "Records of holder" in seen and "recused" in seen


def test_votes_are_shown_with_reasons_and_conditions(browser: Open, story: Story) -> None:
    seen = text_of(browser("holder").get(f"/studies/{story.conditional}").text)
    assert "Useful, if it is reported." in seen and "No query on fewer than 50 patients." in seen
    assert "approves under conditions" in seen and "The text of the reason is not here." in seen


def test_an_amendment_is_shown_as_differences(browser: Open, story: Story) -> None:
    page = browser("board").get(f"/studies/{story.amendment}").text
    assert "What the amendment changes" in page
    assert re.search(r"<del>5</del>.*<ins>9</ins>.*more", page, re.S), "more rounds"
    assert re.search(r"<del>10</del>.*<ins>5</ins>.*more", page, re.S), "fewer patients are enough"


# --- one permit ---


def test_a_permit_shows_what_left_each_hospital(browser: Open, story: Story) -> None:
    page = browser("auditor").get(f"/permits/{story.running}").text
    seen = text_of(page)
    assert "Round 3" in seen and "Query 1" in seen and "3 of 5 rounds are used" in seen
    assert page.count("belmont verify-round") >= 3 and "micro-rho" not in seen


def test_a_privacy_budget_is_said_as_its_guarantee_and_its_share(browser: Open, story: Story, world: World) -> None:
    seen = text_of(browser("board").get(f"/permits/{story.running}").text)
    assert "has spent 52% of its privacy budget under this permit; 48% of it can still be spent." in seen
    assert "at a delta of one in 1,000,000" in seen and "rho 0.000026 of 0.00005" in seen
    of_one = f"/datasets/0x{world.datasets[0].hex()}"
    for path in ("/datasets", of_one, f"/permits/{story.running}", f"/studies/{story.open}", "/events"):
        for language in ("en", "zh-Hans"):
            page = text_of(browser("board", language).get(path).text)
            assert "micro-rho" not in page and "微 rho" not in page, path
            assert not re.search(r"…[.。]", page), path
    seen = text_of(browser("board", "zh-Hans").get(of_one).text)
    assert (
        re.search(r"已消耗 [0-9.]+%", seen)
        and "delta 为 1,000,000 分之一" in seen
        and re.search(r"rho 0\.\d+ / ", seen)
    ), seen


def test_a_frozen_permit_says_until_when_and_why(browser: Open, story: Story) -> None:
    seen = text_of(browser("board").get(f"/permits/{story.frozen}").text)
    assert "frozen until" in seen and "An answer looked odd." in seen and "End the freeze" in seen


def test_a_permit_has_a_part_that_is_fetched_by_itself(browser: Open, story: Story) -> None:
    part = browser("board").get(f"/permits/{story.running}/now").text
    assert "<html" not in part and "Round 3" in part


@pytest.fixture
def visit(chromium: Chromium, service: Service, world: World) -> Iterator[Visit]:
    found = Visit(chromium, service, world)
    yield found
    found.close()


def test_an_open_page_follows_the_chain(visit: Visit, service: Service, world: World) -> None:
    permit = world.permit(title="Followed")
    wait_for(lambda: permit in service.snapshot.permits)
    page = visit.page("board")
    page.goto(f"{service.config.public_url}/permits/{permit}")
    expect(page.locator("[data-live-note]")).to_contain_text("follows the chain")
    expect(page.locator("[data-live]")).to_contain_text("No round was opened yet")
    world.as_("data_user").open_round(permit, 1, hashlib.sha256(b"m").digest(), world.datasets)
    expect(page.locator("[data-live]")).to_contain_text("Round 1", timeout=20_000)
    page.get_by_text("Round 1").click()
    root = world.registry.consents.root(world.datasets[0])
    world.as_("holder").record_use(permit, UseKind.ROUND, 1, world.datasets[0], b"\x09" * 32, MicroRho(3), 1, root)
    expect(page.locator("[data-live] details[open]")).to_contain_text("0x09090909", timeout=20_000)


def test_a_privacy_budget_that_is_nearly_used_is_an_alert(browser: Open, world: World, service: Service) -> None:
    permit, dataset = world.permit(title="Nearly used up", rho_per_dataset=10), world.datasets[1]
    world.as_("data_user").open_round(permit, 1, hashlib.sha256(b"m").digest(), world.datasets)
    root = world.registry.consents.root(dataset)
    alert = "“Nearly used up” has used 90% of the privacy budget that it has for Records of other_holder"
    assert alert not in text_of(browser("board").get("/alerts").text)
    world.as_("other_holder").record_use(permit, UseKind.ROUND, 1, dataset, b"\x0a" * 32, MicroRho(9), 1, root)
    wait_for(lambda: service.progress.spent([permit])[dataset] == 9)
    wait_for(lambda: alert in re.sub(" +", " ", text_of(browser("board").get("/alerts").text)))


def test_a_datasets_conditions_are_said_in_the_readers_language(browser: Open, world: World) -> None:
    path = f"/datasets/0x{world.datasets[0].hex()}"
    for language in ("en", "zh-Hans"):
        said = words.of(language)("Any use is permitted.")
        assert said in text_of(browser("board", language).get(path).text)


# --- on paper ---


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_a_printed_list_names_the_filter_that_it_was_made_with(
    language: str, chromium: Chromium, service: Service, world: World, story: Story
) -> None:
    say, dataset = words.of(language), service.snapshot.datasets[DatasetId(world.datasets[1])]
    title, auditor = service.snapshot.permits[story.running].terms.title, world.address("auditor")
    name = service.snapshot.members[auditor].name
    filters = {
        "/uses": [say("Filter"), say("none")],
        f"/uses?permit={story.running}&dataset=0x{dataset.id.hex()}&before=99999999.1": [
            say("Dataset"), dataset.name, say("Permit"), f"{story.running}. {title}",
            say("Older than"), say("block {number}", number=Plain(99999999)),
        ],
        "/uses?permit=987654&dataset=0x" + "ab" * 32: [
            say("Dataset"), "0x" + "ab" * 32, say("Permit"), "987654",
        ],
        f"/events?q=%3Cb%3E&name=VoteCast&contract=Studies&actor={auditor}&study=7&since=2026-11-01&until=2026-11-02": [
            say("Words"), "<b>", say("Kind"), "VoteCast", say("Contract"), "Studies", say("Done by"), name,
            say("Study or permit"), "7", say("From day"), say.day(1793491200), say("To day"), say.day(1793577600),
        ],
        f"/accesses?who={auditor}&outcome=refused&since=2026-11-01&until=2026-11-02&before=9999999": [
            say("Who"), name, say("Answer"), say("Only what was refused"),
            say("From day"), say.day(1793491200), say("To day"), say.day(1793577600),
            say("Older than"), say("entry {number}", number=Plain(9999999)),
        ],
    }  # fmt: skip
    visit = Visit(chromium, service, world, language)
    try:
        page = visit.page("auditor")
        for path, wanted in filters.items():
            page.goto(service.config.public_url + path)
            page.emulate_media(media="screen")
            expect(page.locator("form.filters")).to_be_visible()
            expect(page.locator(".printed")).to_be_hidden()
            page.emulate_media(media="print")
            expect(page.locator("form.filters")).to_be_hidden()
            said = [each.strip() for each in page.locator(".printed").locator("dt, dd").all_inner_texts()]
            assert said == wanted, path
    finally:
        visit.close()


# --- language and look ---


def test_language_and_theme_are_chosen_by_a_form_without_a_script(browser: Open) -> None:
    for name in ("board", "stranger"):
        who = browser(name)
        answer = who.post("/appearance", {"language": "zh-Hans", "back": "/sign-in?next=%2Fstudies"})
        assert answer.status_code == 303 and answer.headers["location"] == "/sign-in?next=%2Fstudies"
        who.client.cookies.set("belmont-language", "zh-Hans")
        who.post("/appearance", {"theme": "dark"})
        page = who.get("/sign-in").text
        assert '<html lang="zh-Hans" data-theme="dark">' in page and "外观" in page


def test_what_cannot_be_chosen_is_ignored(browser: Open) -> None:
    who = browser("board")
    answer = who.post("/appearance", {"language": "<script>", "theme": "neon"})
    assert "set-cookie" not in answer.headers
    who.client.cookies.set("belmont-theme", '"><script>')
    assert 'data-theme="auto"' in who.get("/rules").text


def test_a_browser_that_asks_for_chinese_gets_chinese(service: Service, browser: Open) -> None:
    stranger = browser("stranger")
    stranger.client.cookies.clear()
    assert 'lang="zh-Hans"' in stranger.get("/sign-in", headers={"Accept-Language": "zh-TW,zh;q=0.9"}).text


def test_every_page_is_in_chinese_to_its_last_word(browser: Open, story: Story, world: World) -> None:
    """Names of people, code and hashes apart: no sentence of ours is left in English."""
    english = re.compile(r"\b(the|of|and|was|were|would|nothing|nobody)\b", re.I)
    titles = {each.terms.title for each in world.registry.studies()} | {"Records of", "Member "}
    for path in ("/", "/studies", f"/permits/{story.running}", "/datasets", "/members", "/proposals", "/consents",
                 "/releases", "/alerts", "/events", "/search?q=x", "/accesses", "/rules", "/settings", "/about",
                 f"/studies/{story.open}/vote", f"/permits/{story.running}/freeze"):  # fmt: skip
        who = "board" if path.endswith(("vote", "freeze")) else "holder"
        page = re.sub(r"<(code|pre|template|bdi)[^>]*>.*?</\1>", "", browser(who, "zh-Hans").get(path).text, flags=re.S)
        seen = text_of(page)
        for title in titles:
            seen = seen.replace(title, "")
        assert not english.search(seen), (path, seen[max(0, english.search(seen).start() - 80) :][:160])


def test_the_dark_theme_is_the_same_by_switch_and_by_device() -> None:
    css = (STATIC / "belmont.css").read_text()
    by_switch = re.search(r':root\[data-theme="dark"\] \{\s*color-scheme: dark;(.*?)\}', css, re.S)
    by_device = re.search(r':root\[data-theme="auto"\] \{(.*?)\}', css, re.S)
    assert by_switch and by_device and by_switch[1].split() == by_device[1].split()


def test_pages_have_no_script_or_style_of_their_own(browser: Open, story: Story) -> None:
    page = browser("board").get(f"/permits/{story.running}")
    assert "<style" not in page.text and " style=" not in page.text
    assert re.findall(r"<script[^>]*>", page.text) == [
        '<script type="module" src="/static/copy.js">', '<script type="module" src="/static/live.js">',
    ]  # fmt: skip
    assert "default-src 'none'" in page.headers["content-security-policy"]


# --- events ---


def test_events_are_searched_by_every_filter(browser: Open, story: Story, world: World) -> None:
    board = browser("board")
    frozen = text_of(board.get("/events", params={"name": "PermitFrozen", "study": str(story.frozen)}).text)
    assert "1 event" in frozen and "froze" in frozen
    of_lay = board.get("/events", params={"actor": world.address("lay"), "since": "2020-01-01", "until": "2099-01-01"})
    assert "Recused" in of_lay.text
    none = text_of(board.get("/events", params={"until": "2020-01-01"}).text)
    assert "No event matches." in none


def test_events_come_in_pages_that_follow_each_other(browser: Open) -> None:
    board, path, seen = browser("board"), "/events", []
    while path:
        page = board.get(path).text
        seen += re.findall(r"block (\d+)", page)
        following = re.search(r'href="([^"]*)" rel="next"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) > 50 and [int(each) for each in seen] == sorted((int(each) for each in seen), reverse=True)


def test_a_filter_that_cannot_be_read_is_said_beside_its_field(browser: Open) -> None:
    answer = browser("board").get("/events?since=yesterday&study=x&actor=me&dataset=0x1")
    assert answer.status_code == 422
    assert all(f'href="#{field}"' in answer.text for field in ("since", "study", "actor", "dataset"))


# --- search ---


@pytest.mark.parametrize(
    ("text", "finds"),
    [
        ("infarction", "Myocardial infarction"),
        ("1", "permit 1"),
        ("Records of holder", "dataset"),
        ("Member lay", "member"),
    ],
)
def test_search_finds_what_has_a_page(text: str, finds: str, browser: Open) -> None:
    seen = text_of(browser("board").get("/search", params={"q": text}).text)
    assert finds in seen.partition("Records")[2]


def test_search_finds_a_hash_by_its_first_digits(browser: Open, story: Story) -> None:
    page = browser("board").get("/search", params={"q": "0x" + story.model.hex()[:10]}).text
    assert f"/releases/{story.running}/0x{story.model.hex()}" in page


# --- offline ---


def test_the_commands_that_pages_show_are_commands() -> None:
    offline, model = Offline("http://127.0.0.1:8545"), bytes(range(32))
    account = "0x" + "ab" * 20
    shown = [
        offline.events("UseRecorded", permit=1, actor=account, dataset=model),
        offline.vote(3, account),
        offline.permit(1),
        offline.consents(model),
        offline.release(1, model),
        offline.round("round-2.json"),
        offline.relay(),
        "belmont sign add vote-unsigned.json --key my-key.json --out signed.json",
    ]
    for command in (line for each in shown for line in each.split("\n")):
        words = shlex.split(command)
        assert words[0] == "belmont"
        cli.build_parser(words[1]).parse_args(words[1:])


def test_every_link_of_an_application_leads_somewhere(browser: Open, story: Story) -> None:
    board = browser("board")
    page = board.get(f"/studies/{story.open}").text
    links = set(re.findall(r'href="(/[^"#]*)', page))
    assert any(each.startswith("/api/v1/documents/") for each in links)
    for each in links:
        assert board.get(html.unescape(each)).status_code == 200, each


def test_an_auditor_reads_the_trail_back_to_its_beginning(browser: Open, service: Service, world: World) -> None:
    auditor, auditor_account = browser("auditor"), world.address("auditor")
    for _ in range(101):
        auditor.get("/about")
    service.trail.flush()
    page, seen = auditor.get(f"/accesses?who={auditor_account}").text, 1
    while older := re.search(r'href="(/accesses\?before=\d+[^"]*)"', page):
        page, seen = auditor.get(html.unescape(older[1])).text, seen + 1
    assert seen > 1 and "Older accesses" not in page and "The newest</a>" in page
    assert auditor.get("/accesses?before=0").status_code == 422
