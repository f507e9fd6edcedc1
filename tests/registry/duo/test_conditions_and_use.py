"""What a dataset can state and an application declare."""

import pytest
from tests.registry.duo import cases

from belmont.registry.duo import (
    Commerce,
    Commitment,
    Conditions,
    Declaration,
    IntendedUse,
    Organisation,
    Purpose,
    Term,
    countries,
    diseases,
    institution,
)
from belmont.registry.duo.conditions import PARAMETER_OF
from belmont.registry.errors import RegistryArgumentError

USER, PROJECT = cases.USERS["first"], cases.PROJECTS["first"]
SOMETHING = {
    "diseases": diseases("MONDO:0007254"),
    "countries": countries("DE"),
    "institutions": frozenset({institution("00f54p054")}),
    "users": frozenset({USER}),
    "projects": frozenset({PROJECT}),
    "research_types": Purpose.GENETIC,
    "moratorium_until": cases.NOW,
    "months": 12,
}


def use(**changes):
    fields = {"purposes": Purpose.BIOMEDICAL, "user": USER, "project": PROJECT, "duration_seconds": 1}
    return IntendedUse(**{**fields, **changes})


def test_conditions_read_as_people_would_say_them():
    conditions = Conditions(
        Term.DS | Term.GS | Term.IS | Term.TS | Term.MOR | Term.RS | Term.US | Term.IRB,
        **{name: value for name, value in SOMETHING.items() if name not in ("projects", "users")},
    )
    assert repr(conditions) == (
        "Conditions(DS MONDO:0007254; RS genetic; IRB; GS DE; MOR until 2026-01-01; TS 12 months; US (not stated); "
        "IS https://ror.org/00f54p054)"
    )


def test_an_intended_use_reads_as_people_would_say_it():
    said = use(
        diseases=diseases("MONDO:0007254"),
        countries=countries("DE", "AT"),
        organisation=Organisation.NOT_FOR_PROFIT,
        commerce=Commerce.NON_COMMERCIAL,
        commitments=Commitment.PUBLISHES | Commitment.RETURNS,
    )
    assert repr(said) == (
        "IntendedUse(purposes: biomedical; diseases: MONDO:0007254; countries: AT, DE; organisation: not for profit; "
        "commerce: non commercial; promises: publishes, returns)"
    )
    assert repr(Declaration()) == "Declaration()"


@pytest.mark.parametrize("name", PARAMETER_OF)
def test_a_parameter_stands_only_beside_its_term(name):
    assert getattr(Conditions(PARAMETER_OF[name], **{name: SOMETHING[name]}), name) == SOMETHING[name]
    with pytest.raises(RegistryArgumentError, match=f"{name} is given, and {PARAMETER_OF[name]} "):
        Conditions(Term.GRU, **{name: SOMETHING[name]})


@pytest.mark.parametrize("terms", [0, 1 << 1, 1 << 31, 1 << 63, -1, "HMB", None])
def test_terms_that_are_none_are_refused(terms):
    with pytest.raises(RegistryArgumentError, match="terms"):
        Conditions(terms)


@pytest.mark.parametrize(
    ("term", "changes"),
    [
        ("DS", {"diseases": {7254}}),
        ("DS", {"diseases": frozenset({"MONDO:0007254"})}),
        ("DS", {"diseases": frozenset({2**32})}),
        ("DS", {"diseases": frozenset(range(1, 34))}),
        ("GS", {"countries": frozenset({"DE"})}),
        ("GS", {"countries": frozenset({1024})}),
        ("IS", {"institutions": frozenset(range(1, 10))}),
        ("US", {"users": frozenset({"0xabc"})}),
        ("US", {"users": frozenset(f"0x{each:040d}" for each in range(7))}),
        ("PS", {"projects": frozenset({b"short"})}),
        ("PS", {"projects": frozenset(bytes([each] * 32) for each in range(7))}),
        ("RS", {"research_types": 1 << 41}),
        ("MOR", {"moratorium_until": -1}),
        ("MOR", {"moratorium_until": 2**64}),
        ("TS", {"months": 1201}),
        ("TS", {"months": 1.5}),
    ],
)
def test_parameters_that_no_record_could_hold_are_refused(term, changes):
    with pytest.raises(RegistryArgumentError, match=next(iter(changes))):
        Conditions(Term[term], **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"purposes": 0},
        {"purposes": 1 << 41},
        {"user": "0xabc"},
        {"project": b"short"},
        {"duration_seconds": -1},
        {"diseases": frozenset(range(1, 10))},
        {"diseases": [7254]},
        {"countries": frozenset({-1})},
        {"institution": 2**32},
        {"organisation": 3},
        {"commerce": 3},
        {"commitments": 8},
        {"clinical_care": 1},
        {"publishes_not_before": 2**64},
        {"ethics_approval": b"letter"},
    ],
)
def test_what_no_application_could_declare_is_refused(changes):
    with pytest.raises(RegistryArgumentError, match=next(iter(changes))):
        use(**changes)


def test_plain_numbers_become_flags():
    conditions = Conditions(1 << 6 | 1 << 12, research_types=1 << 38)
    assert (conditions.terms, conditions.research_types) == (Term.HMB | Term.RS, Purpose.GENETIC)
    assert isinstance(conditions.terms, Term) and isinstance(use(organisation=1).organisation, Organisation)


def test_a_declaration_and_the_rest_of_the_application_are_an_intended_use():
    declared = Declaration(diseases=diseases("MONDO:0007254"), clinical_care=True)
    made = IntendedUse.of(declared, purposes=1 << 37, user=USER, project=PROJECT, duration_seconds=1)
    assert made == use(diseases=diseases("MONDO:0007254"), clinical_care=True)
    assert made.struct()[-1] == declared.struct()


def test_a_second_beyond_every_calendar_is_shown_as_a_number():
    assert "MOR until second 18446744073709551615" in repr(Conditions(Term.MOR, moratorium_until=2**64 - 1))
