"""Values are said as readers of each language expect them."""

import pytest

from belmont.registry.reasons import Reason, WriteRefusal
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import Computation, DatasetStatus, MemberStatus, Role, StudyStatus
from belmont.service.words import (
    Country,
    Day,
    Hash,
    Listed,
    Moment,
    Plain,
    Sentence,
    Share,
    Size,
    Span,
    Thing,
    UnknownLanguage,
    Unspeakable,
    Value,
    Worded,
    counted,
    names,
    of,
)

EN, ZH = of("en"), of("zh-Hans")
NOON = 1_770_033_600  # 2026-02-02 12:00 UTC


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (None, "none", "无"),
        ((), "none", "无"),
        (True, "yes", "是"),
        ("a <b>", "a <b>", "a <b>"),
        (12_345, "12,345", "12,345"),
        (0.000123456, "0.000123", "0.000123"),
        (1234.56, "1,235", "1,235"),
        (float("inf"), "inf", "inf"),
        (Plain(2026), "2026", "2026"),
        (("a", "b", "c"), "a, b and c", "a、b和c"),
        (Listed(("a", "b"), either=True), "a or b", "a或b"),
        (Moment(NOON), "2 February 2026 12:00 UTC", "2026年2月2日 12:00 UTC"),
        (Moment(2**63), "second 9223372036854775808", "第 9223372036854775808 秒"),
        (Day(NOON), "2 February 2026", "2026年2月2日"),
        (Span(0), "0 seconds", "0 秒"),
        (Span(129_600), "1 day 12 hours", "1 天 12 小时"),
        (Span(30 * 86_400), "30 days", "30 天"),
        (Span(730 * 86_400), "2 years", "2 年"),
        (Span(731 * 86_400), "731 days", "731 天"),
        (Share(0.255), "25.5%", "25.5%"),
        (Size(1_500_000), "1.5 MB", "1.5 MB"),
        (Size(999), "999 B", "999 B"),
        (Hash(bytes(range(32))), "0x0001020304050607…1e1f", "0x0001020304050607…1e1f"),
        (Hash(bytes(range(10))), "0x00010203040506070809", "0x00010203040506070809"),
        (Worded("Age", (("zh-Hans", "年龄"),)), "Age", "年龄"),
        (Worded("Alter", (("en-US", "Age"), ("zh", "年龄"))), "Age", "年龄"),
        (Country("CN"), "China", "中国"),
        (Country("QQ"), "QQ", "QQ"),
        (Role.ETHICS_BOARD | Role.LAY, "ethics board and lay member", "伦理委员会委员和社会人士委员"),
        (Role.NONE, "none", "无"),
        (Thing("member", "0x1", "Charité"), "Charité", "Charité"),
        (counted("{n} round", "{n} rounds", 1), "1 round", "1 round"),
        (Sentence("yes"), "yes", "是"),
    ],
)
def test_values_are_said(value: Value, english: str, chinese: str) -> None:
    assert (EN.say(value), ZH.say(value)) == (english, chinese)


def test_codes_of_two_kinds_with_one_number_have_two_names() -> None:
    said = [EN.say(each) for each in (MemberStatus.ACTIVE, DatasetStatus.ACTIVE, StudyStatus.PROPOSED)]
    assert said == ["active member", "available", "being voted on"]
    assert EN.say(Computation.TRAINING) == "training of a model"


@pytest.mark.parametrize("refusal", [*Reason, *WriteRefusal], ids=str)
def test_every_refusal_has_a_name_and_a_remedy_in_every_language(refusal: Reason | WriteRefusal) -> None:
    assert names.refusal(refusal.value) in (refusal, Reason.__members__.get(refusal.value))
    for sentence in (names.of(refusal), names.remedy(refusal)):
        assert EN.say(sentence) != ZH.say(sentence)


def test_a_word_that_is_no_refusal_is_none() -> None:
    assert names.refusal("NO_SUCH_WORD") is None


def test_bits_that_no_ontology_has_are_named_by_their_number() -> None:
    assert EN.say(names.purposes(1 << 37 | 1 << 3)) == "unknown code 3 and biomedical research"
    assert EN.say(names.terms(1 << 6 | 1 << 5)) == "unknown code 5 and health or medical or biomedical research"
    assert EN.say(names.categories(1 << 1 | 1 << 9)) == "diagnoses and unknown code 9"
    assert ZH.say(names.categories(0b11)) == "人口学信息和诊断"


def test_rules_are_said_in_their_units() -> None:
    assert EN.say(names.setting(Rule.BOARD_QUORUM_PERCENT, 50)) == "50%"
    assert EN.say(names.setting(Rule.BOARD_MIN, 3)) == "3"
    assert EN.say(names.setting(Rule.DELAY_SECONDS, 7 * 86_400)) == "7 days"
    assert all(EN.say(names.of(rule)) for rule in Rule)


def test_relative_times_look_both_ways() -> None:
    assert (EN.ago(100, 280), ZH.ago(100, 280)) == ("3 minutes ago", "3分钟前")
    assert (EN.ago(280, 100), ZH.ago(280, 100)) == ("in 3 minutes", "3分钟后")
    assert EN.ago(2**63, 100) == "second 9223372036854775808"


def test_text_of_a_stranger_is_never_a_message() -> None:
    assert ZH.say(Sentence("study {number} “{title}”", number=Plain(3), title="yes")) == "研究 3《yes》"
    assert ZH.say(Sentence("study {number} “{title}”", number=Plain(3), title="{number}")) == "研究 3《{number}》"


def test_a_sentence_comes_apart_at_its_things() -> None:
    ward, trial = Thing("dataset", "0x01", "Ward"), Thing("study", "3", Sentence("study {number}", number=Plain(3)))
    sentence = Sentence("The conditions of {dataset} leave {terms} in {study} to the ethics board.",
                        dataset=ward, terms=(names.NO, ward), study=trial)  # fmt: skip
    assert EN.parts(sentence) == (
        "The conditions of ", ward, " leave no and ", ward, " in ", trial, " to the ethics board.",
    )  # fmt: skip
    assert EN.say(sentence) == "The conditions of Ward leave no and Ward in study 3 to the ethics board."
    assert ZH.say(sentence) == "Ward的使用条件将研究 3中的否和Ward留待伦理委员会决定。"


def test_a_parameter_that_is_missing_and_a_value_without_words_are_refused() -> None:
    with pytest.raises(Unspeakable, match="title"):
        EN("study {number} “{title}”", number=Plain(3))
    with pytest.raises(Unspeakable, match="object"):
        EN.say(object())  # type: ignore[arg-type]


def test_sentences_are_values() -> None:
    assert Sentence("a {x}", x=1) == Sentence("a {x}", x=1) != Sentence("a {x}", x=2)
    assert len({Sentence("a {x}", x=("b",)), Sentence("a {x}", x=("b",))}) == 1
    assert counted("{n} a", "{n} b", 1) != Sentence("{n} a", n=1)
    with pytest.raises(AttributeError):
        Sentence("a").message = "b"


def test_a_language_without_a_catalogue_is_refused() -> None:
    with pytest.raises(UnknownLanguage):
        of("fr")
