"""Which language a person gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.service.words import LANGUAGES, negotiate


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        ("", "en"),
        ("zh-CN", "zh-Hans"),
        ("ZH-hans-cn", "zh-Hans"),
        ("zh-TW, en;q=0.5", "zh-Hans"),
        ("en-GB,zh;q=0.9", "en"),
        ("en;q=0.2,zh;q=0.9", "zh-Hans"),
        ("de-CH, fr;q=0.9, zh;q=0.1", "zh-Hans"),
        ("zh;q=0", "en"),
        ("zh;q=2", "en"),
        ("zh;q=x", "en"),
        ("zh;level=1", "en"),
        ("*", "en"),
        ("zh,en", "zh-Hans"),
        (",".join(["de"] * 40 + ["zh"]), "en"),
    ],
)
def test_the_browsers_preferences_are_looked_up(accept: str, code: str) -> None:
    assert negotiate(accept=accept) == code


def test_what_was_chosen_counts_before_what_the_browser_asks_for() -> None:
    assert negotiate(query="en", cookie="zh-Hans", accept="zh") == "en"
    assert negotiate(cookie="zh-Hans", accept="en") == "zh-Hans"
    assert negotiate(query="xx", cookie="<script>", accept="zh") == "zh-Hans"


@given(st.text(), st.text(), st.text())
def test_nothing_that_is_sent_makes_it_fail(query: str, cookie: str, accept: str) -> None:
    assert negotiate(query=query, cookie=cookie, accept=accept) in LANGUAGES
