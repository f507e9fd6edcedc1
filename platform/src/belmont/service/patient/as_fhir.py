"""A patient's consents as FHIR R4 Consent, as we read those ourselves: the root denies, a nested provision permits.

``registry.consents.fhir.scope_of`` reads the same scope out of what is written here, second for second.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from belmont.registry.consents.fhir import DUO, FOREVER, PARTICIPATION, RESOURCE_TYPES, URI
from belmont.registry.consents.scope import Category, Scope
from belmont.registry.duo.terms import Purpose
from belmont.registry.types import Address

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_TYPES = {
    Category.DEMOGRAPHICS: "Patient",
    Category.DIAGNOSES: "Condition",
    Category.MEASUREMENTS: "Observation",
    Category.MEDICATION: "MedicationRequest",
    Category.PROCEDURES: "Procedure",
    Category.IMAGES: "ImagingStudy",
    Category.GENOMICS: "MolecularSequence",
    Category.DOCUMENTS: "DocumentReference",
}
_LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())


def consent(id_: str, scope: Scope | None, at: int, dids: Mapping[Address, str]) -> dict[str, Any]:
    """A Consent of research; without a scope one that denies everything. ``dids`` are members' by account."""
    provision: dict[str, Any] = {"type": "deny"}
    if scope is not None:
        provision["provision"] = [_provision(scope, dids)]
    return {
        "resourceType": "Consent",
        "id": id_,
        "status": "active" if scope is not None else "inactive",
        "scope": _concept(f"{_TERMINOLOGY}/consentscope", "research"),
        "category": [_concept("http://loinc.org", "59284-0")],
        "dateTime": moment(at),
        "policyRule": _concept(f"{_TERMINOLOGY}/v3-ActCode", "OPTIN"),
        "provision": provision,
    }


def _provision(scope: Scope, dids: Mapping[Address, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "permit"}
    period = _period(scope)
    if period:
        found["period"] = period
    if scope.recipients:
        role = _concept(PARTICIPATION, "IRCP")
        named = [dids.get(each, f"did:ethr:{each}") for each in scope.recipients]
        found["actor"] = [{"role": role, "reference": {"identifier": {"system": URI, "value": each}}} for each in named]
    found["purpose"] = [{"system": DUO, "code": f"DUO:{_bit(each):07d}"} for each in Purpose(scope.purposes)]
    found["class"] = [{"system": RESOURCE_TYPES, "code": _TYPES[each]} for each in Category(scope.categories)]
    return found


def _period(scope: Scope) -> dict[str, str]:
    found = {}
    if scope.valid_from:
        found["start"] = moment(scope.valid_from)
    if scope.valid_until < FOREVER:
        found["end"] = moment(scope.valid_until - 1)  # the last second is within
    return found


def moment(seconds: int) -> str:
    """RFC 3339 in UTC; what no calendar has is its last second."""
    when = datetime.fromtimestamp(min(seconds, _LAST_SECOND), UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def bundle_parts(base: str, at: int, resources: Iterator[Mapping[str, Any]]) -> Iterator[Any]:
    """A Bundle of type collection: first all of it but its entries, then each entry.

    ``base`` is where relative references are resolved (FHIR R4, 2.36.4.1): an address that ends in a slash.
    """
    yield {"resourceType": "Bundle", "type": "collection", "timestamp": moment(at)}
    for each in resources:
        yield {"fullUrl": f"{base}{each.get('resourceType')}/{each.get('id')}", "resource": each}


def _bit(purpose: Purpose) -> int:
    return int(purpose).bit_length() - 1


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
