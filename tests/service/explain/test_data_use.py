"""The match of a dataset's conditions with a study, line by line and in both languages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.registry.duo import cases
from tests.service.explain.records import NOW, USER, dataset, study, terms

from belmont.registry.duo import (
    Conditions,
    Declaration,
    IntendedUse,
    Term,
    Verdict,
    countries,
    diseases,
    institution,
    match,
)  # fmt: skip
from belmont.registry.duo.because import because
from belmont.service.explain import data_use
from belmont.service.words import Words, of

EN, ZH = of("en"), of("zh-Hans")
LETTER = Declaration(
    diseases=diseases("MONDO:0005148"), countries=countries("DE"), institution=institution("https://ror.org/00f54p054"),
    ethics_approval=b"\4" * 32, publishes_not_before=NOW,
)  # fmt: skip


def explained(conditions: Conditions, use: Declaration = LETTER, **changed: object) -> data_use.DataUse:
    return data_use.explain(dataset(0, conditions=conditions), study(terms(intended_use=use, **changed)))


def line(found: data_use.DataUse, term: Term) -> data_use.Line:
    return next(each for each in found.lines if each.term is term)


def test_each_term_says_what_it_asks_what_was_declared_and_why() -> None:
    found = explained(Conditions(Term.HMB | Term.GS | Term.IRB, countries=countries("DE", "AT")))
    assert found.verdict is Verdict.ABSTAIN
    assert EN.say(found.summary) == "The dataset's terms do not decide on this use: the ethics board does."
    where = line(found, Term.GS)
    assert EN.say(where.asks) == "The analysis may happen only in the listed countries."
    assert (EN.say(where.declared), ZH.say(where.declared)) == ("Germany", "德国")
    assert where.verdict is Verdict.APPROVE
    assert [EN.say(each) for each in where.because] == ["The analysis happens in Germany only."]
    assert [ZH.say(each) for each in where.because] == ["分析仅在德国进行。"]
    assert found.lines[0].term is Term.IRB


def test_what_denies_comes_first_and_says_what_to_declare() -> None:
    found = explained(Conditions(Term.HMB | Term.NCU | Term.IRB))
    assert [each.verdict for each in found.lines] == [Verdict.DENY, Verdict.ABSTAIN, Verdict.APPROVE]
    assert EN.say(found.lines[0].declared) == "nothing"
    assert "declare whether yours is" in EN.say(found.lines[0].because[0])
    assert ZH.say(found.summary) == "该数据集的部分条款不允许此项使用，另一部分未作决定：不能提出申请。"


def test_two_reasons_of_one_term_are_two_sentences() -> None:
    found = explained(Conditions(Term.NPUNCU | Term.GRU), Declaration())
    assert len(line(found, Term.NPUNCU).because) == 2


def test_a_hierarchy_of_diseases_settles_what_the_contract_leaves_open_and_names_them() -> None:
    listed = Conditions(Term.DS, diseases=diseases("MONDO:0005015"))
    held, asked = dataset(0, conditions=listed), study(terms(intended_use=LETTER))
    assert data_use.explain(held, asked).verdict is Verdict.ABSTAIN
    settled = data_use.explain(held, asked, cases.HIERARCHY)
    expected = match(listed, asked.terms.use_of(USER), NOW, cases.HIERARCHY).verdict
    assert settled.verdict is expected and "MONDO:0005148" in EN.say(settled.lines[0].declared)


@pytest.mark.parametrize("term", list(Term), ids=str)
def test_every_term_has_words(term: Term) -> None:
    assert all(words.say(data_use._ASKS[term]) for words in (EN, ZH))
    assert EN.say(data_use._ASKS[term]) != ZH.say(data_use._ASKS[term])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(cases.load()), st.booleans())
def test_every_case_of_the_table_is_explained_with_the_verdict_of_the_match(case: cases.DuoCase, mondo: bool) -> None:
    hierarchy = cases.HIERARCHY if mondo else None
    found = match(case.conditions, case.use, cases.NOW, hierarchy)
    for each in found.terms:
        for reason in each.reason.each:
            sentence = data_use.sentence_of(reason)
            assert EN.say(sentence).endswith(".") and ZH.say(sentence).endswith("。")
        assert each.because == str(each.reason)
    held = dataset(0, conditions=case.conditions)
    shown = data_use.explain(held, study(), hierarchy)
    own = match(case.conditions, study().terms.use_of(USER), study().proposed_at, hierarchy)
    assert [(each.term, each.verdict) for each in shown.lines] == [(each.term, each.verdict) for each in own.terms]
    for each in shown.lines:
        assert EN.say(each.declared) and ZH.say(each.declared)
    assert data_use.conditions(held, hierarchy)
    assert isinstance(case.use, IntendedUse)


def test_conditions_are_said_without_a_study_with_what_the_holder_states() -> None:
    held = dataset(0, conditions=Conditions(Term.HMB | Term.TS | Term.GS | Term.MOR, months=12, moratorium_until=NOW))
    shown = {term: EN.say(value) for term, _, value in data_use.conditions(held)}
    assert shown == {Term.HMB: "", Term.TS: "1 year", Term.GS: "not stated", Term.MOR: "2 February 2026"}


def test_reasons_read_in_english_as_their_message() -> None:
    reason = because("Limited to {months} months: apply for {days} days at most.", months=2, days=60)
    words: Words = EN
    assert str(reason) == words.say(data_use.sentence_of(reason))
