"""What a patient's FHIR R4 Consent resources say about research use.

R4 leaves open what the root provision means. Here, as in the German broad consent: **the root provision denies, and
nested provisions permit.** In order:

1. Only Consents of scope `research` matter. Drafts, proposals and entries in error say nothing.
2. A rejected or inactive Consent denies as of its date.
3. An active one permits where a nested provision of type `permit` names the purpose, its period (or the root's) holds
   the day of ingest, and nothing else limits it; a nested `deny` that names the purpose, or no purpose, outweighs it.
4. A root that permits, a limit we do not know (actor, data, class, deeper provisions): not understood, so it denies.
5. The newest Consent decides; of two on one day the one that denies. One that denies without a date always counts, one
   that permits without a date only where no other speaks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from belmont.ehr.fhir_values import BadValue, moment, word

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"

_SILENT = frozenset({"draft", "proposed", "entered-in-error"})
_ENDED = frozenset({"rejected", "inactive"})
_UNDERSTOOD = frozenset({"id", "type", "period", "purpose"})
_NEVER = float("-inf")
_ALWAYS = float("inf")


@dataclass(frozen=True, slots=True, order=True)
class Statement:
    """One Consent's word: `when` in seconds since 1970, then whether it denies (sorts after permitting)."""

    when: float
    denies: bool


def statement(consent: Mapping[str, Any], purpose: str, today: date) -> Statement | None:
    """What one Consent says, None where it says nothing about research. Raises BadValue where it cannot be read."""
    status = word(consent, "status")
    if status in _SILENT or not _is_research(consent):
        return None
    if status == "active":
        permits = _permits(consent.get("provision"), purpose, today)
    elif status in _ENDED:
        permits = False
    else:
        raise BadValue("malformed line", f"status {status!r} is not one of FHIR R4")
    given = consent.get("dateTime")
    if given is not None:
        return Statement(moment(given).seconds, not permits)
    return Statement(_NEVER if permits else _ALWAYS, not permits)


def _is_research(consent: Mapping[str, Any]) -> bool:
    scope = consent.get("scope")
    if not isinstance(scope, dict):
        raise BadValue("malformed line", "scope is missing")
    codings = scope.get("coding")
    if not isinstance(codings, list):
        raise BadValue("malformed line", "scope has no coding")
    return any(isinstance(coding, dict) and coding.get("code") == "research" for coding in codings)


def _permits(root: Any, purpose: str, today: date) -> bool:
    if not isinstance(root, dict) or root.get("type", "deny") != "deny" or not _in_period(root, today):
        return False
    nested = root.get("provision", [])
    if not isinstance(nested, list) or not all(isinstance(each, dict) for each in nested):
        raise BadValue("malformed line", "provision.provision is not a list of provisions")
    permitted = False
    for provision in nested:
        named = _names(provision, purpose)
        if provision.get("type") == "deny" and (named or not provision.get("purpose")):
            return False
        if provision.get("type") == "permit" and named and set(provision) <= _UNDERSTOOD:
            permitted = permitted or _in_period(provision, today)
    return permitted


def _names(provision: Mapping[str, Any], purpose: str) -> bool:
    purposes = provision.get("purpose", [])
    if not isinstance(purposes, list):
        raise BadValue("malformed line", "purpose is not a list")
    return any(
        isinstance(coding, dict) and coding.get("code") == purpose and coding.get("system") == ACT_REASON
        for coding in purposes
    )


def _in_period(provision: Mapping[str, Any], today: date) -> bool:
    period = provision.get("period")
    if period is None:
        return True
    if not isinstance(period, dict):
        raise BadValue("malformed line", "period is not a Period")
    start, end = period.get("start"), period.get("end")
    ordinal = today.toordinal()
    return (start is None or moment(start).day <= ordinal) and (end is None or ordinal <= moment(end).day)
