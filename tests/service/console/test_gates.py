"""Who reads and who acts: every page leads a stranger to the sign-in, and lets nobody act that may not."""

import pytest

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
