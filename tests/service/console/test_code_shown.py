"""A study's code as its page compares it."""

from belmont.federated.models.bundles import shipped_bundle
from belmont.service.console.pages.studies import code_shown
from belmont.service.words import of


def test_shipped_code_is_said_to_be_the_same_in_both_languages_with_no_line_that_differs() -> None:
    shown = code_shown(shipped_bundle("glm"), b'{"family":"binomial"}')
    assert of("en").say(shown.against) == "the shipped app glm"
    assert of("zh-Hans").say(shown.against) == "随附应用“glm”"
    assert shown.difference.changed == () and shown.difference.settings, "settings differ and no file does"
    assert shown.text == ""
