"""What no dataset and no application can state."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.registry.duo import cases

from belmont.registry.duo import Conditions, Declaration, Term
from belmont.registry.duo.conditions import PARAMETER_OF
from belmont.registry.duo.terms import DATASET_TERMS
from belmont.registry.errors import RegistryRefused

OPEN = Conditions(Term.GRU).struct()
SILENT = Declaration().struct()
PLACES = ("terms", "research_types", "diseases", "countries", "institutions", "users", "projects")
PLACE = {name: place for place, name in enumerate((*PLACES, "moratorium_until", "months"))}
SOMETHING = {
    "research_types": 1 << 37,
    "diseases": (0, 0, 0, 1),
    "countries": (0, 0, 0, 1),
    "institutions": 1,
    "users": [cases.USERS["first"]],
    "projects": [cases.PROJECTS["first"]],
    "moratorium_until": 1,
    "months": 1,
}


@pytest.mark.parametrize("terms", [0, 1 << 1, 1 << 5, 1 << 4 | 1 << 31, 1 << 63, 2**64 - 1])
def test_terms_that_no_dataset_carries_are_refused(probe, refused, changed, terms):
    with refused("DUO_TERMS_INVALID"):
        probe.call("checked", changed(OPEN, PLACE["terms"], terms), SILENT)


@pytest.mark.parametrize("name", PARAMETER_OF)
def test_a_parameter_without_its_term_is_refused(probe, refused, changed, name):
    stated = changed(OPEN, PLACE[name], SOMETHING[name])
    others = DATASET_TERMS & ~PARAMETER_OF[name]
    with refused("CONDITIONS_INVALID"):
        probe.call("checked", changed(stated, PLACE["terms"], int(others)), SILENT)
    assert probe.call("checked", changed(stated, PLACE["terms"], int(PARAMETER_OF[name])), SILENT)


def test_types_of_research_that_are_no_purposes_are_refused(probe, refused, changed):
    stated = changed(OPEN, PLACE["terms"], int(Term.RS))
    with refused("CONDITIONS_INVALID"):
        probe.call("checked", changed(stated, PLACE["research_types"], 1 << 41), SILENT)


def test_more_months_than_a_hundred_years_are_refused(probe, refused, changed):
    stated = changed(OPEN, PLACE["terms"], int(Term.TS))
    assert probe.call("checked", changed(stated, PLACE["months"], 1200), SILENT)
    with refused("CONDITIONS_INVALID"):
        probe.call("checked", changed(stated, PLACE["months"], 1201), SILENT)


@pytest.mark.parametrize(("place", "most"), [(2, 2**32 - 1), (3, 2), (4, 2), (5, 7)])
def test_a_declaration_with_a_code_that_means_nothing_is_refused(probe, refused, changed, place, most):
    assert probe.call("checked", OPEN, changed(SILENT, place, most))
    with refused("DECLARATION_INVALID"):
        probe.call("checked", OPEN, changed(SILENT, place, most + 1))


@settings(max_examples=200, deadline=None)
@given(
    terms=st.sampled_from([int(DATASET_TERMS), int(Term.DS | Term.GS | Term.IS), int(Term.GRU)]),
    words=st.lists(st.integers(0, 2**256 - 1) | st.just(0), min_size=9, max_size=9),
    numbers=st.lists(st.integers(0, 2**64 - 1) | st.just(0), min_size=3, max_size=3),
    months=st.integers(0, 2**12),
    bits=st.lists(st.integers(0, 8), min_size=3, max_size=3),
)
def test_what_the_contract_takes_from_anybody_python_can_read(probe, terms, words, numbers, months, bits):
    user = [cases.USERS["first"]] * 2
    stated = (terms, numbers[0], words[:4], words[4:8], words[8], user, [b"\x11" * 32] * 2, numbers[1], months)
    declared = (words[0], words[4:8], words[8] >> 192, *bits, True, numbers[2], b"\x11" * 32)
    for struct, other in ((stated, SILENT), (OPEN, declared)):
        pair = (struct, other)
        try:
            probe.call("checked", *pair)
        except RegistryRefused:
            continue
        read = probe.call("same", *pair)
        conditions, declaration = Conditions.from_struct(read[0]), Declaration.from_struct(read[1])
        assert probe.call("checked", conditions.struct(), declaration.struct())
        assert repr(conditions) and repr(declaration)
