"""What patients' Consents permit in detail, for whoever makes scopes of them; here nothing is made of it.

1. Kept of a Consent are the nested provisions that permit the dictionary's purpose on the day of ingest, with the
   root's period: purposes, classes, actors and periods, as another FHIR R4 Consent with nothing else in it.
2. A class or an actor is kept only as it was understood: a resource type or another Coding; a role and a reference, by
   text or by identifier. Elements that are none of these make the provision permit nothing.
3. Where several Consents of the day that decides permit, all of them are kept: a use has to be permitted by each.
4. Equal content is kept once, however many patients have it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.pseudonyms import pseudonyms

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
BROAD_PURPOSE = "HRESCH"
"""Healthcare research: what a dictionary that asks for no consent says of its patients."""

_CODING = frozenset({"id", "system", "version", "code", "display", "userSelected"})
_CONCEPT = frozenset({"id", "coding", "text"})
_ACTOR = frozenset({"id", "role", "reference"})
_REFERENCE = frozenset({"id", "reference", "type", "identifier", "display"})
_IDENTIFIER = frozenset({"id", "use", "type", "system", "value"})

Consent = dict[str, Any]


def is_understood_class(given: Any) -> bool:
    """Whether ``provision.class`` is a list of Codings with system and code (2)."""
    return _is_list(given) and all(map(_is_coding, given))


def is_understood_actor(given: Any) -> bool:
    """Whether each of ``provision.actor`` has a coded role, and a reference by text or by identifier (2)."""
    return _is_list(given) and all(map(_is_actor, given))


def kept(root: Mapping[str, Any], provisions: Sequence[Mapping[str, Any]]) -> str:
    """The Consent that permits what these provisions of a root do and nothing else, as canonical JSON (1)."""
    nested = [_provision(each) for each in provisions]
    provision = {"type": "deny", **_period(root), "provision": nested}
    content = {"resourceType": "Consent", "status": "active", "provision": provision}
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def without_limits(purpose: str) -> str:
    """The Consent of somebody of whom no more is known than that they permit ``purpose``."""
    return kept({}, [{"purpose": [{"system": ACT_REASON, "code": purpose}]}])


@dataclass(frozen=True, eq=False)
class ConsentTerms:
    """What each consenting patient permits, by pseudonym; many patients share a place (4)."""

    distinct: tuple[tuple[Consent, ...], ...]
    """Consents by place; each of a place's has to permit a use (3)."""
    pseudonyms: NDArray[np.uint64]
    """Of everybody whose Consent permits, ascending: also of those whose row was dropped."""
    places: NDArray[np.intp]
    """Of each one's in ``distinct``."""

    def of(self, pseudonyms: NDArray[np.uint64]) -> NDArray[np.intp]:
        """The place of each patient, -1 for whom no Consent permits."""
        if not self.pseudonyms.size:
            return np.full(pseudonyms.shape, -1, np.intp)
        at = np.minimum(np.searchsorted(self.pseudonyms, pseudonyms), self.pseudonyms.size - 1)
        return np.where(self.pseudonyms[at] == pseudonyms, self.places[at], -1)


class TermsBook:
    """Numbers equal content alike while records are read (4)."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, content: str) -> int:
        return self._numbers.setdefault(content, len(self._numbers))

    def terms(self, key: bytes, patients: Iterable[tuple[str, tuple[int, ...]]]) -> ConsentTerms:
        """Of patients by identifier, with the numbers of the Consents that decide. Raises PseudonymCollision."""
        places: dict[tuple[int, ...], int] = {}
        identifiers: list[str] = []
        found: list[int] = []
        for identifier, numbers in patients:
            identifiers.append(identifier)
            found.append(places.setdefault(numbers, len(places)))
        named = pseudonyms(key, identifiers)
        order = np.argsort(named)
        contents = list(self._numbers)
        distinct = tuple(tuple(json.loads(contents[each]) for each in numbers) for numbers in places)
        return ConsentTerms(distinct, named[order], np.array(found, np.intp)[order])


def _provision(given: Mapping[str, Any]) -> Consent:
    content = {
        "type": "permit",
        **_period(given),
        "purpose": [_coding(each) for each in given["purpose"] if _is_coding(each)],
    }
    if "class" in given:
        content["class"] = [_coding(each) for each in given["class"]]
    if "actor" in given:
        content["actor"] = [_actor(each) for each in given["actor"]]
    return content


def _period(provision: Mapping[str, Any]) -> Consent:
    if "period" not in provision:
        return {}
    return {"period": {name: provision["period"][name] for name in ("start", "end") if name in provision["period"]}}


def _actor(given: Mapping[str, Any]) -> Consent:
    reference = {name: given["reference"][name] for name in ("reference",) if name in given["reference"]}
    if "identifier" in given["reference"]:
        identifier = given["reference"]["identifier"]
        reference["identifier"] = {"system": identifier["system"], "value": identifier["value"]}
    return {"role": {"coding": [_coding(each) for each in given["role"]["coding"]]}, "reference": reference}


def _coding(given: Mapping[str, Any]) -> Consent:
    return {"system": given["system"], "code": given["code"]}


def _is_list(given: Any) -> TypeGuard[list[Any]]:
    return isinstance(given, list) and bool(given)


def _is_plain(given: Any, elements: frozenset[str], *texts: str) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is an object of these elements, in which each of ``texts`` is a text."""
    return (
        isinstance(given, dict)
        and elements.issuperset(given)
        and all(isinstance(given.get(name), str) and given[name] for name in texts)
    )


def _is_coding(given: Any) -> bool:
    return _is_plain(given, _CODING, "system", "code")


def _is_actor(given: Any) -> bool:
    if not _is_plain(given, _ACTOR) or not _is_plain(given.get("role"), _CONCEPT):
        return False
    roles, reference = given["role"].get("coding"), given.get("reference")
    if not _is_list(roles) or not all(map(_is_coding, roles)) or not _is_plain(reference, _REFERENCE):
        return False
    by_text, by_identifier = "reference" in reference, "identifier" in reference
    return (
        (by_text or by_identifier)
        and (not by_text or _is_plain(reference, _REFERENCE, "reference"))
        and (not by_identifier or _is_plain(reference["identifier"], _IDENTIFIER, "system", "value"))
    )
