"""The whole story: applied for in a notebook, voted on and frozen in browsers, trained and refused by the nodes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.service.browser import Person, chromium
from tests.service.console.browsing import violations

from belmont.federated.errors import RoundRefused
from belmont.lab import Consortium, LogisticRegression
from belmont.lab.errors import NotYet
from belmont.service.app import create_app
from belmont.service.config import LocalHospital, ServiceConfig
from belmont.service.serving import Serving, bound

TITLE = "Five-year cardiovascular risk"
PROTOCOL = "# Why\n\nWe want to know **who** is at risk.\n\n<script>document.title = 'taken over'</script>\n"


@contextmanager
def served(consortium: Consortium, home: Path, folder: Path) -> Iterator[str]:
    """A service of this consortium on a free port; its address."""
    config = ServiceConfig(
        name="St. Belmont",
        chain=consortium.url,
        members=consortium.registry.addresses["Members"],
        public_url="http://localhost:1",
        database=f"sqlite:///{folder / 'service.sqlite'}",
        port=0,
        hospitals=tuple(LocalHospital(home, each.slug) for each in consortium.hospitals),
    )
    listening, config = bound(config)
    with listening:
        started = threading.Event()
        server = Serving(create_app(config), started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert started.wait(60)
        try:
            yield config.public_url
        finally:
            server.should_exit = True
            thread.join(30)


def test_an_application_from_a_notebook_is_voted_on_in_browsers_trained_frozen_and_refused(tmp_path: Path) -> None:
    home = tmp_path / "consortium"
    with (
        Consortium.local(hospitals=3, patients=450, seed=3, home=home) as made,
        served(made, home, tmp_path) as url,
        chromium() as browser,
    ):
        notebook = Consortium.connect(made.url, home, service=url)
        chain_id = made.registry.chain_id

        # The researcher applies; what the board reads is what was applied with.
        model = LogisticRegression(features=("age", "hba1c"), outcome="cvd_event")
        study = notebook.propose(TITLE, model=model, rounds=3, queries=0, min_cohort=10, protocol=PROTOCOL)
        assert study.url == f"{url}/studies/{study.id}" and study.url in study._repr_html_()

        # Three members of the board read and vote.
        votes = [
            ("conditions", "Report every month.", "Useful."),
            ("refuse", "", "Too early."),
            ("approve", "", "Sound."),
        ]
        people = [Person.sits_down(browser, url, each.identity.account, chain_id) for each in made.board]
        for person, (choice, conditions, reason) in zip(people, votes, strict=True):
            person.sign_in(f"/studies/{study.id}")  # the address that the notebook printed
            page = person.page
            page.goto(url)
            page.get_by_role("link", name=re.compile(TITLE)).first.click()
            assert page.url == study.url and TITLE in page.inner_text("h1")
            read = page.inner_text("main")
            assert "who is at risk" in read and "<script>" in read  # the protocol, as text
            assert page.title() != "taken over"
            page.goto(f"{study.url}/vote")
            page.check(f"[name=choice][value={choice}]")
            page.fill("#conditions", conditions)
            page.fill("#reason", reason)
            page.get_by_role("button", name="Show what I sign").click()
            signed = person.signs()
            assert signed["primaryType"] == "Vote" and signed["message"]["approve"] is (choice != "refuse")
        record = study.record
        assert study.status == "approved" and (record.votes_for, record.votes_against) == (2, 1)
        page.goto(study.url)
        assert "Report every month." in page.inner_text("main") and "Too early." in page.inner_text("main")

        # Nothing is issued before the researcher agreed to the condition.
        study.accept(*made.hospitals)
        with pytest.raises(NotYet, match="condition"):
            study.permit()
        study.agree()
        permit = study.permit()
        assert permit.url == f"{url}/permits/{permit.id}" and permit.url in permit._repr_html_()

        # A round runs, and the page that is open says so without being loaded again.
        watcher = people[0].page
        watcher.goto(permit.url)
        rounds = watcher.locator("main")
        assert TITLE in rounds.inner_text() and "Round 1" not in rounds.inner_text()
        permit.train(rounds=1)
        watcher.get_by_text("Round 1").first.wait_for()

        # A member of the board stops it; the next round is refused by every hospital's node.
        watcher.goto(f"{permit.url}/freeze")
        watcher.fill("#reason", "One answer looked odd.")
        watcher.get_by_role("button", name="Show what I sign").click()
        assert people[0].signs()["primaryType"] == "Freeze"
        assert permit.status == "frozen"
        with pytest.raises(RoundRefused, match="PERMIT_FROZEN"):
            permit.train(rounds=1)
        watcher.goto(permit.url)
        assert "One answer looked odd." in watcher.inner_text("main")

        # A patient reads what is held and who used it, and takes consent back by a wallet.
        consents = made.consents(made.hospitals[0])
        account = consents.give_key(consents.numbers[0]).identity.account
        for language, theme in (("en", "light"), ("zh-Hans", "dark")):
            patient = Person.sits_down(browser, url, account, chain_id, color_scheme=theme, reduced_motion="reduce")
            patient.page.context.add_cookies([{"name": "belmont-language", "value": language, "url": url}])
            patient.sign_in("/patient")
            for place in ("", "/records", "/uses", "/consent"):
                patient.page.goto(f"{url}/patient{place}")
                assert not violations(patient.page), (place, language)
        patient.page.locator("form[action='/patient/consent/revocation'] button").click()
        assert not violations(patient.page)
        patient.page.locator("[data-sign]").click()
        patient.page.wait_for_url("**done=1")
        assert made.registry.consents.statements(made.hospitals[0].dataset_id)[-1].scope is None
        notebook.close()
