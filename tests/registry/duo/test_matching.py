"""What holds of every match, and how it reads."""

import re
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.registry.duo import cases
from tests.registry.duo.cases import NOW

from belmont.registry.duo import (
    Commitment,
    Conditions,
    IntendedUse,
    Purpose,
    Term,
    Verdict,
    countries,
    diseases,
    match,
)
from belmont.registry.duo.conditions import PARAMETER_OF
from belmont.registry.duo.matching import COLUMNS, combined
from belmont.registry.duo.rules import RULES
from belmont.registry.duo.terms import DATASET_TERMS, PERMISSIONS

APPROVE, DENY, ABSTAIN = Verdict.APPROVE, Verdict.DENY, Verdict.ABSTAIN
MANY = settings(max_examples=300, deadline=None)
RESTRICTIONS = DATASET_TERMS & ~(Term.CC | Term.NRES)
"""CC and NRES permit the care of patients beside what else a dataset permits."""
UNDECLARED = IntendedUse(
    purposes=Purpose.BIOMEDICAL, user=cases.USERS["first"], project=cases.PROJECTS["first"], duration_seconds=1
)


@pytest.mark.parametrize("verdicts", list(product(Verdict, repeat=3)))
def test_all_have_to_approve_any_that_abstains_abstains_and_otherwise_it_is_denied(verdicts):
    expected = APPROVE if set(verdicts) == {APPROVE} else ABSTAIN if ABSTAIN in verdicts else DENY
    assert combined(verdicts) is expected


def test_nothing_asked_is_denied():
    assert combined([]) is DENY


def test_every_term_has_a_rule():
    assert set(RULES) == set(Term)
    assert len(set(DATASET_TERMS)) == 23


@MANY
@given(conditions=cases.conditions(), use=cases.uses)
def test_every_term_of_the_dataset_is_answered_once_and_the_verdict_is_theirs(conditions, use):
    found = match(conditions, use, NOW)
    answered = [each.term for each in found.terms]
    assert len(set(answered)) == len(answered)
    assert set(conditions.terms) <= set(answered) <= set(conditions.terms | Term.PERMISSION | Term.CC)
    assert found.verdict is combined(each.verdict for each in found.terms)
    assert all(each.because.endswith(".") for each in found.terms)


@MANY
@given(conditions=cases.conditions(), use=cases.uses, added=st.sampled_from(list(RESTRICTIONS)))
def test_adding_a_restriction_never_approves_what_was_not(conditions, use, added):
    assume(conditions.terms & PERMISSIONS)
    before = match(conditions, use, NOW).verdict
    after = match(replace(conditions, terms=conditions.terms | added), use, NOW).verdict
    assert before is APPROVE or after is not APPROVE


@MANY
@given(conditions=cases.conditions(), use=cases.uses, added=st.sampled_from(list(RESTRICTIONS)))
def test_adding_a_restriction_never_opens_what_was_refused(conditions, use, added):
    before = match(conditions, use, NOW).denied & ~Term.PERMISSION
    after = match(replace(conditions, terms=conditions.terms | added), use, NOW).denied
    assert before & ~after == 0


@MANY
@given(conditions=cases.conditions(), use=cases.uses, data=st.data())
def test_shortening_a_list_never_approves_what_was_not(conditions, use, data):
    lists = ("diseases", "countries", "institutions", "users", "projects")
    stated = [name for name in lists if getattr(conditions, name)]
    assume(stated)
    name = data.draw(st.sampled_from(stated))
    left_out = data.draw(st.sampled_from(sorted(getattr(conditions, name))))
    shorter = replace(conditions, **{name: getattr(conditions, name) - {left_out}})
    assert match(conditions, use, NOW).verdict is APPROVE or match(shorter, use, NOW).verdict is not APPROVE


@MANY
@given(conditions=cases.conditions(), use=cases.uses, disease=st.sampled_from(cases.CODES), place=st.integers(0, 1023))
def test_asking_for_more_never_approves_what_was_not(conditions, use, disease, place):
    before = match(conditions, use, NOW).verdict
    more = [replace(use, duration_seconds=2**64 - 1), replace(use, clinical_care=True)]
    more += [replace(use, diseases=use.diseases | {disease})] * bool(use.diseases)
    more += [replace(use, countries=use.countries | {place})] * bool(use.countries)
    more += [replace(use, commitments=Commitment(0)), replace(use, publishes_not_before=0)]
    for each in more:
        assert before is APPROVE or match(conditions, each, NOW).verdict is not APPROVE


@MANY
@given(conditions=cases.conditions(), use=cases.uses)
def test_a_parameter_that_the_holder_does_not_state_never_approves(conditions, use):
    for name, term in PARAMETER_OF.items():
        if term in conditions.terms and not getattr(conditions, name):
            assert match(conditions, use, NOW).verdict is not APPROVE


@pytest.mark.parametrize("term", ["PUB", "COL", "RTN", "GS", "IS", "NPU", "NCU", "NPUNCU", "DS", "GSO"])
def test_silence_is_denied(term):
    assert match(Conditions(Term.GRU | Term[term]), UNDECLARED, NOW).denied == Term[term]


def test_a_person_is_told_each_reason_the_gravest_first():
    conditions = Conditions(
        Term.DS | Term.GS | Term.IRB, diseases=diseases("MONDO:0007254"), countries=countries("DE", "AT")
    )
    use = replace(UNDECLARED, diseases=diseases("MONDO:0007254"), countries=countries("US", "DE"))
    found = match(conditions, use, NOW)
    assert found.explain() == [
        "Some of the dataset's terms do not permit this use, others leave it open: it cannot be proposed.",
        "DENY GS (geographical restriction): Limited to AT, DE, and the analysis would happen in US too.",
        "ABSTAIN IRB (ethics approval required): A local ethics committee's letter is required, and the study names "
        "none yet.",
        "APPROVE DS (disease specific research): Health research is permitted: biomedical. Every disease of the study "
        "is listed: MONDO:0007254.",
    ]
    assert repr(found) == "Match(ABSTAIN, denied by GS, open: IRB)"
    frame = found.to_frame()
    assert list(frame.columns) == COLUMNS
    assert list(frame["code"]) == ["DUO:0000022", "DUO:0000021", "DUO:0000007"]
    html = found._repr_html_()
    assert html.index("<td>GS") < html.index("<td>IRB") < html.index("<td>DS")


def test_a_hierarchy_names_the_diseases_and_itself():
    conditions = Conditions(Term.DS, diseases=diseases("MONDO:0007254"))
    for disease, said in (
        ("MONDO:0004989", "APPROVE .* Kinds of listed diseases by MONDO, excerpt-for-tests: .*breast carcinoma"),
        ("MONDO:0005148", "DENY .* No kind of a listed disease by MONDO, .*type 2 diabetes mellitus"),
        ("MONDO:0009999", "ABSTAIN .* perhaps a kind of a listed disease: MONDO:0009999"),
    ):
        use = replace(UNDECLARED, diseases=diseases(disease))
        assert re.search(said, match(conditions, use, NOW, cases.HIERARCHY).explain()[1])


def test_html_shows_a_hierarchys_names_as_text():
    forged = replace(cases.HIERARCHY, names={4989: "<script>"})
    use = replace(UNDECLARED, diseases=diseases("MONDO:0004989"))
    html = match(Conditions(Term.DS, diseases=diseases("MONDO:0007254")), use, NOW, forged)._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html
