"""Who reads and who acts: every page leads a stranger to the sign-in, and lets nobody act that may not."""

import re

import pytest

from belmont.service.access.table import rows
from belmont.service.app import ROUTERS

OWN = {
    "/sign-in", "/sign-in/text", "/sign-out", "/appearance", "/settings/notices", "/account/sessions/end",
    "/api/v1/sign-in/challenge", "/api/v1/session", "/api/v1/sessions", "/api/v1/sessions/{id}", "/api/v1/passkeys",
    "/api/v1/passkeys/{key}", "/api/v1/passkeys/enrolment", "/api/v1/passkeys/touch", "/api/v1/passkeys/touch/finish",
    "/api/v1/messages",
}  # fmt: skip
"""What everybody has of their own: sessions, keys, notices, looks. Messages are written there, not handed in."""
PAGES = (
    "/",
    "/studies",
    "/studies/{open}",
    "/permits",
    "/permits/{running}",
    "/permits/{running}/now",
    "/datasets",
    "/datasets/{dataset}",
    "/members",
    "/proposals",
    "/consents",
    "/releases",
    "/releases/{running}/{model}",
    "/uses",
    "/alerts",
    "/events",
    "/search",
    "/accesses",
    "/rules",
    "/settings",
    "/about",
)


def addresses(story, world):
    return {
        "open": story.open,
        "running": story.running,
        "frozen": story.frozen,
        "dataset": "0x" + world.datasets[0].hex(),
        "model": "0x" + story.model.hex(),
    }


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_led_to_the_sign_in(page, browser, story, world):
    path = page.format(**addresses(story, world))
    answer = browser("stranger").get(path)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("name", ["board", "holder", "data_user", "auditor"])
@pytest.mark.parametrize("page", PAGES)
def test_every_member_reads_every_page(page, name, browser, story, world):
    answer = browser(name).get(page.format(**addresses(story, world)))
    is_for = page != "/accesses" or name in ("holder", "auditor")
    assert answer.status_code == (200 if is_for else 403), answer.text


@pytest.mark.parametrize("name", ["board", "lay", "holder", "data_user", "auditor"])
def test_who_looked_at_what_is_for_oversight_alone_and_linked_for_nobody_else(name, browser):
    first, trail = browser(name).get("/").text, browser(name).get("/accesses")
    assert (trail.status_code == 200) == ('href="/accesses"' in first) == (name in ("holder", "auditor"))


UNSAFE = [(each.method, each.path) for each in rows(ROUTERS) if each.method not in ("GET", "HEAD")]


@pytest.mark.parametrize(("method", "path"), [each for each in UNSAFE if each[1] not in OWN])
def test_the_regulator_changes_nothing_on_any_page_or_over_the_api(method, path, browser, story, world):
    auditor = browser("auditor")
    values = {**addresses(story, world), "number": story.open, "permit": story.running, "kind": "protocol"}
    found = re.sub(r"\{(\w+)\}", lambda name: str(values[name[1]]), path)
    headers = {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": auditor.csrf}
    answer = auditor.client.request(method, found, headers=headers, data={"csrf": auditor.csrf})
    assert answer.status_code == 403, answer.text
    assert "NOT_ALLOWED" in answer.text and "CSRF" not in answer.text


def test_what_a_regulator_may_send_is_about_their_own_account_alone():
    assert {path for _, path in UNSAFE} >= OWN
    acts = ("issue", "tally", "relay", "documents", "vote", "freeze", "consent", "settle", "enact", "signed")
    assert not [each for each in OWN if any(word in each for word in acts)]


ACTS = re.compile(r"/(vote|accept|agree|issue|freeze|lift|revoke|withdraw|support|object|confirm|pause|resume)\b")


def test_no_page_shows_the_regulator_a_way_to_act(browser, story, world):
    auditor, seen, waiting = browser("auditor"), set(), ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = auditor.get(path)
        assert answer.status_code == 200, path
        page = answer.text
        forms = set(re.findall(r'<form[^>]*?action="([^"]*)"[^>]*method="post"', page))
        forms |= set(re.findall(r'<form[^>]*?method="post"[^>]*action="([^"]*)"', page))
        assert forms <= {"/sign-out", "/appearance", "/settings/notices", "/account", "/account/sessions/end"}, path
        links = set(re.findall(r'href="(/[^"#?]*)', page))
        assert not [each for each in links if ACTS.search(each)], path
        waiting += [each for each in links if not each.startswith(("/static", "/api"))]
    assert {"/uses", "/accesses", "/alerts", "/events", "/consents", f"/permits/{story.running}"} <= seen
