"""Codes as people write them, and as words of the contract."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.registry.duo.cases import HIERARCHY

from belmont.registry import limits
from belmont.registry.duo import DiseaseHierarchy, Purpose, Term, codes, countries, diseases, institution
from belmont.registry.duo.terms import DATASET_TERMS, HEALTH, PURPOSES
from belmont.registry.errors import RegistryArgumentError


def test_terms_and_purposes_are_those_of_the_registrys_bounds():
    assert int(DATASET_TERMS) == limits.DUO_TERMS_MASK
    assert int(PURPOSES) == limits.PURPOSES_MASK


def test_a_term_knows_its_code_its_name_and_its_label():
    assert (Term.HMB.code, Term.HMB.curie, str(Term.HMB)) == (6, "DUO:0000006", "HMB")
    assert Term.HMB.label == "health or medical or biomedical research"
    assert [str(each) for each in Term.NCU | Term.HMB] == ["HMB", "NCU"]
    assert str(Term.NCU | Term.HMB) == "HMB NCU"
    assert all(each.label for each in Term)
    assert str(HEALTH) == "biomedical, genetic, drug development, disease category"


def test_a_bit_that_is_no_term_is_none():
    with pytest.raises(ValueError, match="invalid value"):
        Term(1 << 31)
    with pytest.raises(ValueError, match="invalid value"):
        Purpose(1 << 30)


def test_diseases_are_mondo_terms():
    assert diseases("MONDO:0007254", "MONDO:0005148") == {7254, 5148}
    assert codes.mondo(7254) == "MONDO:0007254"


@pytest.mark.parametrize("text", ["", "DOID:0007254", "MONDO:7254", "MONDO:00072540", "MONDO:000725x", "MONDO:0000000"])
def test_what_is_no_mondo_term_is_refused(text):
    with pytest.raises(RegistryArgumentError, match="seven digits"):
        diseases(text)


def test_countries_are_iso_3166():
    assert countries("DE", "AT", "US") == {276, 40, 840}
    assert (codes.country(276), codes.country(4), codes.country(999)) == ("DE", "AF", "999")
    assert len(codes._NUMERIC) == len(codes._ALPHA_2) == 249


@pytest.mark.parametrize("text", ["", "de", "DEU", "276", "EU", "XX"])
def test_what_is_no_country_is_refused(text):
    with pytest.raises(RegistryArgumentError, match="alpha-2"):
        countries(text)


@pytest.mark.parametrize("text", ["00f54p054", "001w7jn25", "03vek6s52", "05a0ya142", "013meh722"])
def test_institutions_are_ror_identifiers(text):
    assert codes.ror(institution(text)) == f"https://ror.org/{text}"
    assert institution(f"https://ror.org/{text}") == institution(text) < 2**32


@pytest.mark.parametrize(
    "text", ["", "00f54p055", "00f54p05", "10f54p054", "00f54u054", "000000098", "ror.org/00f54p054"]
)
def test_what_is_no_ror_identifier_is_refused(text):
    with pytest.raises(RegistryArgumentError, match=r"ror\.org"):
        institution(text)


@given(st.frozensets(st.integers(1, 2**32 - 1), max_size=32))
def test_lanes_hold_what_was_put_in(found):
    words = codes.to_lanes(found, 4)
    assert len(words) == 4 and all(word < 2**256 for word in words)
    assert codes.from_lanes(words) == found


def test_more_than_fits_is_refused():
    with pytest.raises(RegistryArgumentError, match="At most 8"):
        codes.to_lanes(range(1, 10), 1)


@given(st.frozensets(st.integers(0, 1023)))
def test_bits_hold_what_was_put_in(found):
    assert codes.from_bits(codes.to_bits(found)) == found


def test_a_hierarchy_reads_mondo_and_leaves_out_what_is_obsolete():
    assert (len(HIERARCHY.parents), 9999 in HIERARCHY, HIERARCHY.release) == (8, False, "excerpt-for-tests")
    assert HIERARCHY.is_a(4989, diseases("MONDO:0004992"))
    assert HIERARCHY.is_a(4989, diseases("MONDO:0004989"))
    assert not HIERARCHY.is_a(4992, diseases("MONDO:0004989"))
    assert repr(HIERARCHY) == "DiseaseHierarchy(excerpt-for-tests, 8 diseases)"


def test_a_circle_in_a_hierarchy_ends():
    circle = DiseaseHierarchy("forged", {1: frozenset({2}), 2: frozenset({1})}, {})
    assert not circle.is_a(1, frozenset({3}))


@pytest.mark.parametrize("text", ["", "format-version: 1.2\n", "\n[Term]\nid: DOID:1\n"])
def test_a_file_without_diseases_is_refused(text):
    with pytest.raises(RegistryArgumentError, match=r"mondo\.obo"):
        DiseaseHierarchy.from_obo(text)
