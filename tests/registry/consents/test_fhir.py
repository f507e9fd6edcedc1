"""What a FHIR R4 Consent permits, and that whatever is not understood permits nothing."""

import copy

import pytest
from eth_utils import to_checksum_address

from belmont.registry.consents.fhir import (
    ACT_REASON,
    DUO,
    FOREVER,
    PARTICIPATION,
    RESOURCE_TYPES,
    URI,
    scope_of,
    scope_of_all,
)
from belmont.registry.consents.scope import Category, Scope
from belmont.registry.limits import PURPOSES_MASK
from belmont.registry.types import Address

CLINIC, UNIVERSITY = (Address(to_checksum_address(bytes([number]) * 20)) for number in (1, 2))
ACCOUNTS = {
    "Organization/clinic": CLINIC,
    "Organization/university": UNIVERSITY,
    "did:ethr:clinic": CLINIC,
    "did:ethr:university": UNIVERSITY,
}
DATASET = Category.DEMOGRAPHICS | Category.DIAGNOSES | Category.MEASUREMENTS
FIRST, LAST = 1_735_689_600, 1_767_225_600
"""1 January 2025, and 1 January 2026."""


def reason(code):
    return {"system": ACT_REASON, "code": code}


def actor(reference, role="IRCP"):
    return {"role": {"coding": [{"system": PARTICIPATION, "code": role}]}, "reference": {"reference": reference}}


def resource(code):
    return {"system": RESOURCE_TYPES, "code": code}


def consent(*nested, **root):
    provisions = [{"type": "permit", "purpose": [reason("HRESCH")], **each} for each in nested or ({},)]
    return {
        "resourceType": "Consent",
        "status": "active",
        "provision": {"type": "deny", **root, "provision": provisions},
    }


def scope(given):
    return scope_of(given, DATASET, ACCOUNTS)


def test_a_broad_consent_is_for_any_research_recipient_and_time():
    assert scope(consent()) == Scope(PURPOSES_MASK, DATASET, 0, FOREVER)


@pytest.mark.parametrize(
    ("codings", "purposes"),
    [
        ([reason("BIORCH")], 1 << 37),
        ([reason("POARCH"), reason("DSRCH")], 1 << 33 | 1 << 40),
        ([{"system": DUO, "code": "DUO:0000039"}], 1 << 39),
        ([{"system": DUO, "code": "DUO_0000031"}, reason("TREAT")], 1 << 31),
    ],
)
def test_purposes_are_those_of_duo(codings, purposes):
    assert scope(consent({"purpose": codings})).purposes == purposes


@pytest.mark.parametrize(
    "codings",
    [
        [],
        [reason("TREAT")],
        [{"system": "http://example.org", "code": "HRESCH"}],
        [{"code": "HRESCH"}],
        [{"system": DUO, "code": "DUO:0000004"}],
        [{"system": DUO, "code": "DUO:0000099"}],
        [{"system": DUO, "code": "DUO:37"}],
        [{"system": DUO, "code": "37"}],
        ["HRESCH"],
        None,
    ],
)
def test_without_a_research_purpose_nothing_is_permitted(codings):
    assert scope(consent({"purpose": codings})) is None


def test_classes_narrow_the_categories_and_never_widen_them():
    found = scope(consent({"class": [resource("Condition"), resource("ImagingStudy"), resource("Unheard")]}))
    assert found.categories == Category.DIAGNOSES
    assert scope(consent({"class": [resource("ImagingStudy")]})) is None
    assert scope(consent({"class": [{"system": "http://example.org", "code": "Condition"}]})) is None
    assert scope(consent({"class": []})) is None


def test_actors_are_the_recipients():
    both = consent({"actor": [actor("Organization/university"), actor("Organization/clinic", "PRCP")]})
    assert scope(both).recipients == (CLINIC, UNIVERSITY)
    assert scope(consent({"actor": [actor("Organization/clinic"), actor("Organization/elsewhere")]})).recipients == (
        CLINIC,
    )


@pytest.mark.parametrize(
    "actors",
    [
        [],
        [actor("Organization/elsewhere")],
        [actor("Organization/clinic", "CST")],
        [{"reference": {}}],
        "Organization/clinic",
    ],
)
def test_actors_that_are_no_known_recipients_leave_no_scope(actors):
    assert scope(consent({"actor": actors})) is None


def called(did, system=URI, **reference):
    return {**actor("x"), "reference": {"identifier": {"system": system, "value": did}, **reference}}


@pytest.mark.parametrize(
    ("actors", "recipients"),
    [
        ([called("did:ethr:clinic")], (CLINIC,)),
        ([called("did:ethr:university"), actor("Organization/clinic")], (CLINIC, UNIVERSITY)),
        ([called("did:ethr:clinic", reference="Organization/clinic")], (CLINIC,)),
        ([called("did:ethr:clinic", reference="Organization/elsewhere")], (CLINIC,)),
        ([called("did:ethr:clinic", reference="Organization/university")], None),
        ([called("did:ethr:clinic", system="urn:oid:1")], None),
        ([called("did:ethr:elsewhere")], None),
        ([called(["did:ethr:clinic"])], None),
        ([{**actor("x"), "reference": {"identifier": {"system": URI}}}], None),
        ([{**actor("x"), "reference": {"display": "the clinic"}}], None),
    ],
)
def test_a_member_is_known_by_an_identifier_that_is_a_uri(actors, recipients):
    found = scope(consent({"actor": actors}))
    assert (found.recipients if found else None) == recipients


def test_the_period_holds_its_last_day():
    found = scope(consent({"period": {"start": "2025-01-01", "end": "2025-12-31"}}))
    assert (found.valid_from, found.valid_until) == (FIRST, LAST)


def test_a_period_to_the_second_is_in_its_time_zone():
    found = scope(consent({"period": {"start": "2025-01-01T01:00:00+01:00", "end": "2025-12-31T23:59:59Z"}}))
    assert (found.valid_from, found.valid_until) == (FIRST, LAST)


def test_the_roots_period_counts_as_well():
    found = scope(consent({"period": {"start": "2025-01-01"}}, period={"start": "2024-01-01", "end": "2025-12-31"}))
    assert (found.valid_from, found.valid_until) == (FIRST, LAST)


@pytest.mark.parametrize(
    "period",
    [
        {"start": "2025-01-01", "end": "2024-12-30"},
        {"start": "2025"},
        {"end": "2025-06"},
        {"start": "2025-01-01T10:00:00"},
        {"start": "2025-13-01"},
        {"start": 2025},
        {"start": "2025-01-01", "extension": []},
        {"end": "1960-01-01"},
        "2025",
    ],
)
def test_a_period_that_is_over_before_it_begins_or_not_understood_leaves_no_scope(period):
    assert scope(consent({"period": period})) is None


def test_several_permissions_are_one_scope_where_they_differ_in_purposes_only():
    year = {"period": {"start": "2025-01-01", "end": "2025-12-31"}}
    found = scope(consent({"purpose": [reason("BIORCH")], **year}, {"purpose": [reason("POARCH")], **year}))
    assert found == Scope(1 << 33 | 1 << 37, DATASET, FIRST, LAST)
    assert scope(consent({}, year)) is None


def test_several_permissions_are_one_scope_where_they_differ_in_categories_only():
    found = scope(consent({"class": [resource("Condition")]}, {"class": [resource("Patient")]}))
    assert found == Scope(PURPOSES_MASK, Category.DIAGNOSES | Category.DEMOGRAPHICS, 0, FOREVER)
    assert scope(consent({}, {"class": [resource("Patient")]})).categories == DATASET
    genetic = {"class": [resource("Patient")], "purpose": [reason("POARCH")]}
    assert scope(consent({"class": [resource("Condition")]}, genetic)) is None


def test_of_several_consents_the_scope_is_what_all_permit():
    given = [
        consent({"period": {"end": "2025-12-31"}}),
        consent({"class": [resource("Condition")], "actor": [actor("Organization/clinic")]}),
        consent({"purpose": [reason("DSRCH")], "period": {"start": "2025-01-01"}}),
    ]
    for order in (given, given[::-1]):
        found = scope_of_all(order, DATASET, ACCOUNTS)
        assert found == Scope(1 << 40, Category.DIAGNOSES, FIRST, LAST, (CLINIC,))
    assert scope_of_all([], DATASET, ACCOUNTS) is None
    assert scope_of_all([given[0]], DATASET, ACCOUNTS) == scope(given[0])
    for other in (
        consent({"purpose": [reason("TREAT")]}),
        consent({"actor": [actor("Organization/university")]}),
        consent({"class": [resource("Patient")]}),
        consent({"period": {"start": "2026-01-01"}}),
    ):
        assert scope_of_all([*given, other], DATASET, ACCOUNTS) is None
        assert scope_of_all([other, *given], DATASET, ACCOUNTS) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda given: given.update(status="inactive"),
        lambda given: given["provision"].update(type="permit"),
        lambda given: given["provision"].update(actor=[]),
        lambda given: given["provision"].pop("provision"),
        lambda given: given["provision"].update(provision=[]),
        lambda given: given["provision"]["provision"].append({"type": "deny", "purpose": [reason("HRESCH")]}),
        lambda given: given["provision"]["provision"].append("permit"),
        lambda given: given["provision"]["provision"][0].pop("type"),
        lambda given: given["provision"]["provision"][0].update(provision=[]),
        lambda given: given["provision"]["provision"][0].update(dataPeriod={"start": "2025-01-01"}),
        lambda given: given["provision"]["provision"][0].update(data=[]),
        lambda given: given["provision"]["provision"][0]["purpose"][0].update(modifierExtension=[{"url": "not"}]),
        lambda given: given.pop("provision"),
    ],
)
def test_what_is_not_understood_permits_nothing(change):
    changed = copy.deepcopy(consent())
    change(changed)
    assert scope(consent()) is not None
    assert scope(changed) is None
