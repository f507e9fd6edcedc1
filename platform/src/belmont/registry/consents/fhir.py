"""The scope of a patient's FHIR R4 Consent, for a hospital to attest.

Which of a patient's Consents is the newest, and whether it permits research, is for `belmont.ehr.consent` to say; this
reads what the one that decides permits. What is not understood permits nothing: the answer is then None, or narrower.

1. The root provision denies and may have a period; nested provisions permit. A nested one that denies, or is nested
   deeper, leaves no scope; so does a modifierExtension anywhere, which may turn the meaning round.
2. A scope is one: where several provisions permit, they agree in everything but their purposes, or but their
   categories. Of several Consents, it is what all of them permit.
3. Purposes are DUO codes, or the research purposes of v3-ActReason that DUO has as well; others add nothing.
4. `class` names types of FHIR resources, and with them categories of data; without it, all categories of the dataset.
5. `actor` names information recipients, by references that the hospital knows as accounts of members or by identifiers
   that are URIs, such as a member's DID; without it, any member. One that the hospital does not know adds nothing; one
   in another role, or one that is two members, leaves no scope.
6. Both periods count, root's and provision's. Days are those of UTC, and the last one is within.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from belmont.registry.consents.scope import Category, Scope
from belmont.registry.duo.terms import Purpose
from belmont.registry.limits import PURPOSES_MASK, RECIPIENTS_MAX
from belmont.registry.types import Address

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
DUO = "http://purl.obolibrary.org/obo/duo.owl"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
URI = "urn:ietf:rfc:3986"
"""The system of identifiers that are URIs."""
FOREVER = (1 << 64) - 1
"""Where a period has no end."""

_PURPOSES = {
    "HRESCH": PURPOSES_MASK,
    "BIORCH": Purpose.BIOMEDICAL,
    "TRANSRCH": Purpose.BIOMEDICAL,
    "DSRCH": Purpose.DISEASE_CATEGORY,
    "POARCH": Purpose.ANCESTRY,
}
_RECIPIENTS = frozenset({"PRCP", "IRCP", "SPC"})
_CATEGORIES = {
    "Patient": Category.DEMOGRAPHICS,
    "Condition": Category.DIAGNOSES,
    "Observation": Category.MEASUREMENTS,
    "DiagnosticReport": Category.MEASUREMENTS,
    "MedicationAdministration": Category.MEDICATION,
    "MedicationRequest": Category.MEDICATION,
    "MedicationStatement": Category.MEDICATION,
    "Procedure": Category.PROCEDURES,
    "ImagingStudy": Category.IMAGES,
    "MolecularSequence": Category.GENOMICS,
    "DocumentReference": Category.DOCUMENTS,
}
_ROOT = frozenset({"id", "type", "period", "provision"})
_NESTED = frozenset({"id", "type", "period", "purpose", "class", "actor"})


def scope_of(consent: Mapping[str, Any], categories: int, accounts: Mapping[str, Address]) -> Scope | None:
    """The scope of an active Consent of research, None where it permits nothing that can be attested.

    ``categories`` are those of the dataset; ``accounts`` are members' by reference ("Organization/clinic") and by URI.
    """
    root = consent.get("provision")
    if consent.get("status") != "active" or not isinstance(root, dict) or not _ROOT.issuperset(root):
        return None
    nested = root.get("provision")
    if root.get("type", "deny") != "deny" or not isinstance(nested, list) or not nested or _is_modified(consent):
        return None  # 1
    try:
        scopes = [_scope(each, root.get("period", {}), categories, accounts) for each in nested]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
    first = scopes[0]
    purposes = categories_named = 0
    for each in scopes:
        purposes |= each.purposes
        categories_named |= each.categories
    found = replace(first, purposes=purposes, categories=categories_named)
    if not any(
        all(replace(found, **{but: getattr(each, but)}) == each for each in scopes)
        for but in ("purposes", "categories")
    ):
        return None  # 2
    return found if found.refusal() is None else None


def scope_of_all(
    consents: Sequence[Mapping[str, Any]], categories: int, accounts: Mapping[str, Address]
) -> Scope | None:
    """What all of several Consents permit, None where one of them, or all together, permit nothing."""
    scopes = [scope_of(each, categories, accounts) for each in consents]
    found = scopes[0] if scopes else None
    for each in scopes[1:]:
        found = found.common(each) if found is not None and each is not None else None
    return found


def _is_modified(element: Any) -> bool:
    if isinstance(element, Mapping):
        return "modifierExtension" in element or any(map(_is_modified, element.values()))
    return isinstance(element, list) and any(map(_is_modified, element))


def _scope(
    provision: Mapping[str, Any], period: Mapping[str, Any], categories: int, accounts: Mapping[str, Address]
) -> Scope:
    """Raises one of the errors that ``scope_of`` catches where the provision is not understood."""
    if provision["type"] != "permit" or not _NESTED.issuperset(provision):
        raise ValueError("not a plain permission")  # 1
    purposes = 0
    for coding in provision["purpose"]:
        purposes |= _purpose(coding)  # 3
    if "class" in provision:
        found = (_CATEGORIES.get(each["code"], 0) for each in provision["class"] if each["system"] == RESOURCE_TYPES)
        named = 0
        for category in found:
            named |= category
        categories &= named  # 4
    recipients: tuple[Address, ...] = ()
    if "actor" in provision:
        recipients = _recipients(provision["actor"], accounts)  # 5
    bounds = [_bounds(each) for each in (period, provision.get("period", {}))]
    start, end = max(first for first, _ in bounds), min(last for _, last in bounds)  # 6
    return Scope(purposes, categories, start, end, recipients)


def _purpose(coding: Mapping[str, Any]) -> int:
    if coding["system"] == ACT_REASON:
        return int(_PURPOSES.get(coding["code"], 0))
    code = str(coding["code"]).replace("_", ":")
    if coding["system"] == DUO and code.startswith("DUO:") and code[4:].isdecimal() and len(code) == 11:
        return 1 << int(code[4:]) & PURPOSES_MASK if int(code[4:]) < 64 else 0
    return 0


def _recipients(actors: list[Mapping[str, Any]], accounts: Mapping[str, Address]) -> tuple[Address, ...]:
    found = set()
    for actor in actors:
        codes = {each["code"] for each in actor["role"]["coding"] if each["system"] == PARTICIPATION}
        if not codes or not codes <= _RECIPIENTS:
            raise ValueError("not a recipient")
        known = {accounts[name] for name in _names(actor["reference"]) if name in accounts}
        if len(known) > 1:
            raise ValueError("two members under one reference")
        found |= known
    if not 0 < len(found) <= RECIPIENTS_MAX:
        raise ValueError("no recipient is known, or too many are")
    return tuple(sorted(found, key=str.lower))


def _names(reference: Mapping[str, Any]) -> list[str]:
    found = [reference["reference"]] if "reference" in reference else []
    identifier = reference.get("identifier", {})
    return [*found, identifier["value"]] if identifier.get("system") == URI else found


def _bounds(period: Mapping[str, Any]) -> tuple[int, int]:
    """First second, and the one after the last."""
    if not {"id", "start", "end"}.issuperset(period):
        raise ValueError("not a plain period")
    start = math.ceil(_seconds(period["start"])) if "start" in period else 0
    if "end" not in period:
        return max(start, 0), FOREVER
    whole_day = len(period["end"]) == len("2026-01-31")
    return max(start, 0), math.floor(_seconds(period["end"])) + (24 * 3600 if whole_day else 1)


def _seconds(value: str) -> float:
    """Exact to the day, or to the second with a time zone; ValueError otherwise."""
    if len(value) == len("2026-01-31"):
        day = date.fromisoformat(value)
        return (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) / timedelta(seconds=1)
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return (found - _EPOCH) / timedelta(seconds=1)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
