"""Two bundles side by side, as a board reads them: all of it, and nothing of it as HTML."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.lab.own.difference import MOST_CELLS, MOST_LETTERS, MOST_LINES, MOST_SHOWN, compared, likeness
from belmont.lab.own.templates import bundled_template, renamed, shipped_files

EVIL = "</pre></td><script>alert(1)</script><img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_difference_names_every_file_and_shows_every_line_that_differs() -> None:
    before = {"a.py": b"one\ntwo\nthree", "gone.py": b"x", "same.md": b"s"}
    after = {"a.py": b"one\n2\nthree", "new.py": b"fresh\n", "same.md": b"s"}
    found = compared("left", before, "right", after)
    assert [(each.name, each.kind) for each in found.files] == [
        ("a.py", "changed"), ("gone.py", "gone"), ("new.py", "new"), ("same.md", "same")
    ]  # fmt: skip
    text = found.to_text()
    assert "-two\n+2" in text and "+fresh" in text and "-x" in text and "same.md" not in text
    words = "".join(Tags(found._repr_html_()).words)
    assert all(each in words for each in ("two", "fresh", "gone.py", "unchanged: same.md"))
    assert found.summary == "files against left: 1 changed, 1 new, 1 gone"


def test_the_same_files_are_the_same() -> None:
    found = compared("the template", bundled_template(), "mine", bundled_template())
    assert found.changed == () and found.summary == "the same files as the template" and found.to_text() == ""


def test_settings_of_equal_look_and_another_kind_differ() -> None:
    found = compared("a", {}, "b", {}, ({"k": 1, "same": 1.0, "old": True}, {"k": 1.0, "same": 1.0, "new": "1"}))
    assert found.settings == (("k", "1", "1.0"), ("new", "(not there)", "'1'"), ("old", "True", "(not there)"))


@pytest.mark.parametrize("where", ["name", "line", "changed", "setting", "label"])
def test_a_strangers_html_is_text(where: str) -> None:
    before, after, settings, label = {"a.py": b"x = 1\n"}, {"a.py": b"x = 1\n"}, ({}, {}), "right"
    if where == "name":
        after[EVIL] = b"x"
    elif where == "line":
        after["b.py"] = EVIL.encode()
    elif where == "changed":
        after["a.py"] = f"x = 2 {EVIL}\n".encode()
    elif where == "setting":
        settings = ({}, {EVIL: EVIL})
    else:
        label = EVIL
    tags = Tags(compared("left", before, label, after, settings)._repr_html_())
    assert not tags.names & {"script", "img"} and "onerror" not in tags.attributes
    assert "alert(1)" in "".join(tags.words)


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_two_files_hold_their_lines_are_all_there_and_no_tag_is_theirs(old: str, new: str) -> None:
    before, after = old.encode("utf-8", "replace"), new.encode("utf-8", "replace")
    html = compared("left", {"f": before}, "right", {"f": after})._repr_html_()
    tags = Tags(html)
    assert tags.names <= {"style", "div", "h4", "p", "details", "summary", "span", "table", "tr", "td", "th", "b"}
    assert tags.attributes <= {"class", "style", "open", "colspan"}


def test_what_a_reader_would_not_see_is_written_out() -> None:
    html = compared("a", {"f.py": b"x\n"}, "b", {"f.py": "x\u202e\u200b\n".encode()})._repr_html_()
    assert "[U+202E][U+200B]" in re.sub("</?b>", "", html) and "\u202e" not in html


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x\n" * (MOST_LINES + 1), b"y" * 500_000, b"a\x00b"])
def test_a_file_that_cannot_be_read_is_said_to_be_by_size_and_hash(content: bytes) -> None:
    found = compared("a", {}, "b", {"f.py": content})
    html = found._repr_html_()
    assert "cannot be read" in html and f"{len(content):,} bytes" in html and len(html) < 20_000
    assert f"{len(content):,} bytes" in found.to_text()


def test_many_large_files_are_not_all_compared_and_none_is_left_unnamed() -> None:
    files = {f"f{k}.py": "\n".join(f"{k} {n} {'ab' * 100}" for n in range(1_400)).encode() for k in range(30)}
    other = {name: content.replace(b"ab", b"ba") for name, content in files.items()}
    html = compared("a", files, "b", other)._repr_html_()
    assert all(f"{name}<" in html for name in files)
    assert html.count("more than is shown at once") == 30 - MOST_SHOWN // 2_800
    assert html.count("<b>") < MOST_CELLS // 1_000
    text = compared("a", files, "b", other).to_text()
    assert all(f"+++ {name}: " in text or f"+++ b/{name}" in text for name in files)
    assert text.count("too many to read") == 2 * (30 - MOST_SHOWN // 2_800)


def test_long_lines_are_not_all_compared_either() -> None:
    files = {f"f{k}.py": f"{k}\n".encode() + b"x" * 390_000 for k in range(60)}
    found = compared("a", {}, "b", files)
    assert len(found.to_text()) < MOST_LETTERS + 50_000
    assert len(found._repr_html_()) < MOST_LETTERS + 100_000


def test_what_is_nearest_is_what_it_was_made_from() -> None:
    glm = renamed(shipped_files("glm"), "belmont_glm", "mine")
    assert glm["mine/client_app.py"] != b"" and "belmont_glm" not in str(sorted(glm))
    edited = {**bundled_template("mine"), "mine/more.py": b"x = 1\n"}
    assert likeness(bundled_template("mine"), edited) > likeness(glm, edited)
