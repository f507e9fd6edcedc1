"""Every message of the service is said in every language, and nothing else is in the catalogues."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message

from belmont.service.words import __main__ as command
from belmont.service.words import catalogues, extraction, of
from belmont.service.words.errors import CatalogueBroken
from belmont.service.words.languages import CHINESE, LANGUAGES, Language
from belmont.service.words.speaking import PLACEHOLDER

JINJA_PLACEHOLDER = re.compile(r"%\(([a-z_][a-z0-9_]*)\)s")
TRANSLATED = [language for language in LANGUAGES.values() if language.folder]
SOURCES = extraction.packages()


def ids(catalogue: Catalog) -> set[object]:
    return {message.id for message in catalogue if message.id}


def strings(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


def faults(message: Message) -> list[str]:
    """What is wrong with one translation."""
    found = ["fuzzy"] if message.fuzzy else []
    said = strings(message.string)
    if not all(each.strip() for each in said):
        return [*found, "not translated"]
    for pattern in (PLACEHOLDER, JINJA_PLACEHOLDER):
        asked = {name for each in strings(message.id) for name in pattern.findall(each)}
        if any(set(pattern.findall(each)) != asked for each in said):
            found.append("other placeholders")
    if any(re.sub(r"%%|%\([a-z_0-9]+\)[sd]", "", each).count("%") for each in said if "%(" in str(message.id)):
        found.append("a percent sign that is none")
    return found


@pytest.mark.parametrize("language", TRANSLATED, ids=lambda each: each.code)
def test_every_message_has_its_translation_and_every_translation_its_message(language: Language) -> None:
    known = {path.stem: catalogues.read(path, language) for path in catalogues.files(language)}
    wrong = []
    for package in sorted({*SOURCES, *known}):
        source, catalogue = SOURCES.get(package, Catalog()), known.get(package, Catalog())
        wrong += [f"{package}: {each!r} is not in the catalogue" for each in ids(source) - ids(catalogue)]
        wrong += [f"{package}: {each!r} is said nowhere" for each in ids(catalogue) - ids(source)]
        wrong += [f"{package}: {m.id!r}: {fault}" for m in catalogue if m.id for fault in faults(m)]
        wrong += [f"{package}: {each!r} is obsolete" for each in catalogue.obsolete]
    assert wrong == []


def test_a_message_is_said_in_one_way_wherever_it_stands() -> None:
    said: dict[str, set[str]] = {}
    for path in catalogues.files(CHINESE):
        for message in catalogues.read(path, CHINESE):
            if message.id:
                said.setdefault(str(message.id), set()).add(str(message.string))
    assert [(message, ways) for message, ways in said.items() if len(ways) > 1] == []


@pytest.mark.parametrize(
    ("message", "string", "fault"),
    [
        ("{who} voted", "{who}投票", None),
        ("{who} voted", "投票", "other placeholders"),
        ("{who} voted", "{whom}投票", "other placeholders"),
        ("%(n)s votes", "%(n)s 票", None),
        ("%(n)s votes", "%(m)s 票", "other placeholders"),
        ("%(n)s votes", "%(n)s % 票", "a percent sign that is none"),
        ("votes", "", "not translated"),
    ],
)
def test_a_translation_that_says_something_else_is_found(message: str, string: str, fault: str | None) -> None:
    assert faults(Message(message, string)) == ([] if fault is None else [fault])


def test_a_fuzzy_translation_is_found() -> None:
    assert faults(Message("votes", "票", flags=["fuzzy"])) == ["fuzzy"]


def test_extraction_finds_calls_and_templates_and_leaves_what_is_no_message(tmp_path: Path) -> None:
    (tmp_path / "pages" / "templates").mkdir(parents=True)
    (tmp_path / "pages" / "page.py").write_text(
        'words("one")\nself.words("two " "parts")\nSentence("three {x}", x="not this")\n'
        'words.counted("{n} four", "{n} fours", n)\nwords(f"not {this}")\nwords(variable)\nprint("nor this")\n'
    )
    (tmp_path / "pages" / "templates" / "page.html").write_text(
        "<p>{{ _('five %(name)s', name=x) }}</p>{% trans %}six{% endtrans %}{{ ngettext('%(num)s a', '%(num)s b', 2) }}"
    )
    (tmp_path / "app.py").write_text('words("top")')
    found = extraction.packages(tmp_path)
    assert {name: ids(each) for name, each in found.items()} == {
        "pages": {
            "one", "two parts", "three {x}", ("{n} four", "{n} fours"), "five %(name)s", "six",
            ("%(num)s a", "%(num)s b"),
        },
        "service": {"top"},
    }  # fmt: skip


def test_update_adds_what_is_new_keeps_what_is_translated_and_drops_what_is_gone(tmp_path: Path) -> None:
    assert command.update(tmp_path) > 0
    path = tmp_path / "zh_Hans" / "words.po"
    catalogue = catalogues.read(path, CHINESE)
    catalogue["yes"].string = "对"
    catalogue.add("gone", "没了")
    command.write(catalogue, path, CHINESE)
    (tmp_path / "zh_Hans" / "no_package.po").write_text('msgid ""\nmsgstr ""\n')
    before = command.update(tmp_path)
    again = catalogues.read(path, CHINESE)
    assert again["yes"].string == "对" and "gone" not in again and again["no"].string == ""
    assert not (tmp_path / "zh_Hans" / "no_package.po").exists()
    first = path.read_bytes()
    assert command.update(tmp_path) == before and path.read_bytes() == first


def test_update_takes_what_another_package_says_already(tmp_path: Path) -> None:
    command.update(tmp_path)
    other = Catalog(locale="zh_Hans")
    other.add("yes", "是")
    command.write(other, tmp_path / "zh_Hans" / "explain.po", CHINESE)
    command.update(tmp_path)
    assert catalogues.read(tmp_path / "zh_Hans" / "words.po", CHINESE)["yes"].string == "是"


def test_the_catalogues_are_as_update_writes_them(tmp_path: Path) -> None:
    for path in catalogues.files(CHINESE):
        command.write(catalogues.read(path, CHINESE), tmp_path / path.name, CHINESE)
        assert (tmp_path / path.name).read_text(encoding="utf-8") == path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("content", [b"garbage\n", b'msgid "\xff"\nmsgstr "x"\n', b'msgid "a"\nmsgstr[q] "x"\n'])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.po").write_bytes(content)
    with pytest.raises(CatalogueBroken, match=r"broken\.po"):
        catalogues.read(tmp_path / "broken.po", CHINESE)


def test_every_language_is_read_at_start() -> None:
    assert [of(code).language for code in LANGUAGES] == ["en", "zh-Hans"]


def test_what_is_asked_under_a_permit_is_called_a_query_everywhere() -> None:
    """The word of the contracts (``QueryOpened``); their code ``QUESTION_FILTERED`` alone keeps its own."""
    other = re.compile(r"\bquestions?\b", re.IGNORECASE)
    said, wrong = 0, []
    for path in catalogues.files(CHINESE):
        for message in catalogues.read(path, CHINESE):
            english = [re.sub(PLACEHOLDER, "", each) for each in strings(message.id)]
            wrong += [each for each in english if other.search(each) and each != "question filtered"]
            wrong += [each for each in strings(message.string) if "个问题" in each]
            if re.search(r"\bquer(y|ies)\b", " ".join(english), re.IGNORECASE):
                said += 1
                wrong += [each for each in strings(message.string) if "查询" not in each]
    assert wrong == [] and said > 20
