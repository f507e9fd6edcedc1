"""docs/attacks.md names tests: each is there."""

import re

from tests.repository.test_layout import ROOT


def test_every_test_that_the_page_of_attacks_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "attacks.md").read_text()))
    sources = "\n".join(path.read_text() for path in (ROOT / "tests" / "federated").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)", sources))
    assert len(named) > 20
    assert named <= there, sorted(named - there)
