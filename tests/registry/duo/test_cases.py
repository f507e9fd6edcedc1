"""The table of cases, through ours and through the published matcher."""

import pytest
from tests.registry.duo import cases, make_page
from tests.registry.duo.published import dataset_of, published_match, purpose_of

from belmont.registry.duo import Verdict, match
from belmont.registry.duo.terms import DATASET_TERMS

CASES = cases.load()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ours_says_of_a_case_what_the_table_says(case):
    found = match(case.conditions, case.use, cases.NOW)
    assert (found.verdict, found.denied, found.abstained) == (case.verdict, case.denied, case.abstained)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ours_with_a_hierarchy_says_of_a_case_what_the_table_says(case):
    assert match(case.conditions, case.use, cases.NOW, cases.HIERARCHY).verdict is case.with_mondo


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_published_matcher_says_of_a_case_what_the_table_says(case):
    found = published_match(purpose_of(case.use, case.general), dataset_of(case.conditions), cases.HIERARCHY)
    assert found == case.published


def test_the_table_has_an_approval_and_another_verdict_of_every_term():
    approved, other = set(), set()
    for case in CASES:
        for each in match(case.conditions, case.use, cases.NOW).terms:
            (approved if each.verdict is Verdict.APPROVE else other).add(each.term)
    # No term approves a missing permission, and none but people approves a letter; NRES and GRU approve always.
    names = set(DATASET_TERMS)
    assert {str(each) for each in names - approved} == {"IRB"}
    assert {str(each) for each in names - other} == {"NRES", "GRU"}


def test_the_table_has_every_deviation_from_the_published_matcher_that_loosens_nothing_but_what_is_stated():
    looser = [case.name for case in CASES if case.published == "DENY" and case.with_mondo is Verdict.APPROVE]
    assert looser == [
        "not-for-profit organisation, a university sells",
        "non-commercial, a company's charity",
    ]


def test_the_page_shows_the_table_of_cases():
    page = make_page.PAGE.read_text(encoding="utf-8")
    assert make_page.written(page) == page
