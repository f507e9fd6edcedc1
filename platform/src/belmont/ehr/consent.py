"""What a patient's FHIR R4 Consent resources say about research use, and which of several statements decides.

R4 leaves open what the root provision means. Here, as in the German broad consent: **the root provision denies, and
nested provisions permit.** In order:

1. Only Consents of scope `research` matter; of another known scope, or as drafts, proposals and entries in error, they
   say nothing. A scope that is neither is not understood.
2. A rejected or inactive Consent denies as of its date.
3. An active one permits where a nested provision of type `permit` names the purpose, its period (or the root's) holds
   the day of ingest, and nothing else limits it but `class` and `actor` as `consent_terms` understands them; these only
   for a reader who applies them (`scoped`). A nested `deny` outweighs it, unless each of its purposes is by system and
   code a known one that is not research.
4. What is not understood denies: a modifierExtension anywhere or implicit rules, an element that R4 does not have, a
   root that permits or has any limit but a period, a type that is neither, provisions nested deeper, a period with more
   than start and end, a verification that failed, a policy rule that opts out. So do `data`, `code`, `dataPeriod`,
   `securityLabel` and `action`: a permission for part of a category is none for the category.
5. The newest statement decides; of two on one day the one that denies. The day is the one written or the one in UTC,
   whichever favours the denial. One that denies without a date always counts, one that permits without a date only
   where no other speaks, and one that permits as of a day after today not at all: a mistyped year outranks no
   withdrawal.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from belmont.ehr.consent_terms import ACT_REASON, is_understood_actor, is_understood_class, kept
from belmont.ehr.fhir_values import EPOCH_DAY, SECONDS_A_DAY, BadValue, moment, word

CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"

_SILENT = frozenset({"draft", "proposed", "entered-in-error"})
_ENDED = frozenset({"rejected", "inactive"})
_OTHER_SCOPES = frozenset({"adr", "treatment", "patient-privacy"})
_OPTS_OUT = frozenset({"OPTOUT", "OPTOUTE", "NOCONSENT", "NOAUTH"})
_ELEMENTS = frozenset({
    "resourceType", "id", "meta", "language", "text", "contained", "extension", "identifier", "status", "scope",
    "category", "patient", "dateTime", "performer", "organization", "sourceAttachment", "sourceReference",
    "policy", "policyRule", "verification", "provision"
})  # fmt: skip
_ROOT_UNDERSTOOD = frozenset({"id", "type", "period", "provision"})
_NESTED_UNDERSTOOD = frozenset({"id", "type", "period", "purpose"})
_LIMITS_UNDERSTOOD = {"class": is_understood_class, "actor": is_understood_actor}
_PERIOD_UNDERSTOOD = frozenset({"id", "start", "end"})
_RESEARCH = frozenset({
    "HRESCH", "BIORCH", "CLINTRCH", "CLINTRCHNPC", "CLINTRCHPC", "PRECLINTRCH", "DSRCH", "POARCH", "TRANSRCH"
})  # fmt: skip
_NOT_RESEARCH = frozenset({
    "TREAT", "ETREAT", "BTG", "ERTREAT", "CAREMGT", "COC", "HPAYMT", "CLMATTCH", "COVAUTH", "COVERAGE",
    "ELIGDTRM", "ELIGVER", "ENROLLM", "REMITADV", "HOPERAT", "HACCRED", "HCOMPL", "HDECD", "HDIRECT", "HLEGAL",
    "HSYSADMIN", "MEMADMIN", "PATADMIN", "HMARKT", "PATRQT", "FAMRQT", "PWATRNY", "SUPNWK", "PUBHLTH",
    "DISASTER", "THREAT"
})  # fmt: skip
_NEVER = float("-inf")
_ALWAYS = float("inf")


class Statement(NamedTuple):
    """One statement about consent; the greatest decides. `day` is a proleptic ordinal, `seconds` count from 1970."""

    day: float
    denies: bool
    seconds: float
    terms: str = ""
    """What it permits, as `consent_terms.kept` writes it."""


def dated(given: Any, denies: bool, today: date, terms: str = "") -> Statement | None:
    """A statement by its date (None: it has none), None where it permits as of a day to come. Raises BadValue."""
    if given is None:
        return Statement(_ALWAYS if denies else _NEVER, denies, 0.0, terms)
    when = moment(given)
    in_utc = int(when.seconds // SECONDS_A_DAY) + EPOCH_DAY
    if denies:
        return Statement(max(when.day, in_utc), True, when.seconds)
    day = min(when.day, in_utc)
    return Statement(day, False, when.seconds, terms) if day <= today.toordinal() else None


def statement(consent: Mapping[str, Any], purpose: str, today: date, scoped: bool = False) -> Statement | None:
    """What one Consent says, None where it says nothing about research. Raises BadValue where it cannot be read.

    With ``scoped``, a class or an actor that is understood does not deny: the caller holds every use to the terms.
    """
    status = word(consent, "status")
    if status not in _SILENT and status not in _ENDED and status != "active":
        raise BadValue("malformed line", f"status {status!r} is not one of FHIR R4")
    understood = _ELEMENTS.issuperset(consent) and not _is_modified(consent)
    if understood:
        research = None if status in _SILENT else _is_research(consent)
        if status in _SILENT or research is False:
            return None
        understood = research is True
    permitting: list[Any] = []
    if understood and status == "active" and not _is_disowned(consent):
        permitting = _permitting(consent.get("provision"), purpose, today, scoped)
    terms = kept(consent["provision"], permitting) if permitting else ""
    return dated(consent.get("dateTime"), not permitting, today, terms)


def _is_modified(element: Any) -> bool:
    """Whether a modifierExtension is anywhere within, which may turn the meaning round."""
    if isinstance(element, dict):
        return "modifierExtension" in element or any(map(_is_modified, element.values()))
    return isinstance(element, list) and any(map(_is_modified, element))


def _is_research(consent: Mapping[str, Any]) -> bool | None:
    """Whether the scope is research, None where it is not understood."""
    scope = consent.get("scope")
    if not isinstance(scope, dict):
        raise BadValue("malformed line", "scope is missing")
    codings = scope.get("coding")
    if not isinstance(codings, list) or not codings:
        raise BadValue("malformed line", "scope has no coding")
    named = [(each.get("system"), each.get("code")) if isinstance(each, dict) else (None, None) for each in codings]
    if any(code == "research" for _, code in named):
        return True
    other = [(system, code) for system in (None, CONSENT_SCOPE) for code in _OTHER_SCOPES]
    return False if any(each in other for each in named) else None


def _is_disowned(consent: Mapping[str, Any]) -> bool:
    """Whether a verification failed, or the policy rule is to opt out."""
    checks = consent.get("verification", [])
    if not isinstance(checks, list):
        raise BadValue("malformed line", "verification is not a list")
    if any(not isinstance(each, dict) or each.get("verified") is not True for each in checks):
        return True
    rule = consent.get("policyRule", {})
    codings = rule.get("coding", []) if isinstance(rule, dict) else None
    if not isinstance(codings, list):
        raise BadValue("malformed line", "policyRule is no CodeableConcept")
    return any(not isinstance(each, dict) or str(each.get("code")).upper() in _OPTS_OUT for each in codings)


def _permitting(root: Any, purpose: str, today: date, scoped: bool) -> list[Any]:
    """The nested provisions that permit the purpose today; none where the Consent denies."""
    if not isinstance(root, dict):
        return []
    nested = root.get("provision", [])
    if not isinstance(nested, list) or not all(isinstance(each, dict) for each in nested):
        raise BadValue("malformed line", "provision.provision is not a list of provisions")
    if not _ROOT_UNDERSTOOD.issuperset(root) or root.get("type", "deny") != "deny" or not _in_period(root, today):
        return []
    found = []
    for provision in nested:
        purposes = provision.get("purpose", [])
        if not isinstance(purposes, list):
            raise BadValue("malformed line", "purpose is not a list")
        kind = provision.get("type")
        if kind == "permit" and "provision" not in provision:
            if _is_understood(provision, scoped) and _names(purposes, purpose) and _in_period(provision, today):
                found.append(provision)
        elif kind != "deny" or "provision" in provision or not _only_others(purposes, purpose):
            return []
    return found


def _is_understood(provision: Mapping[str, Any], scoped: bool) -> bool:
    limits = provision.keys() - _NESTED_UNDERSTOOD
    return not limits or (
        scoped and all(name in _LIMITS_UNDERSTOOD and _LIMITS_UNDERSTOOD[name](provision[name]) for name in limits)
    )


def _names(purposes: list[Any], purpose: str) -> bool:
    return any(
        isinstance(coding, dict) and coding.get("code") == purpose and coding.get("system") == ACT_REASON
        for coding in purposes
    )


def _only_others(purposes: list[Any], purpose: str) -> bool:
    """Whether every purpose is a known one without bearing on ours; certain only where ours is research."""
    return bool(purposes) and purpose in _RESEARCH and all(map(_is_not_research, purposes))


def _is_not_research(coding: Any) -> bool:
    if not isinstance(coding, dict):
        return False
    system, code = coding.get("system"), coding.get("code")
    return (
        isinstance(system, str)
        and system.partition("|")[0] == ACT_REASON
        and isinstance(code, str)
        and code in _NOT_RESEARCH
    )


def _in_period(provision: Mapping[str, Any], today: date) -> bool:
    if "period" not in provision:
        return True
    period = provision["period"]
    if not isinstance(period, dict):
        raise BadValue("malformed line", "period is not a Period")
    if not _PERIOD_UNDERSTOOD.issuperset(period):
        return False
    ordinal = today.toordinal()
    return ("start" not in period or moment(period["start"]).day <= ordinal) and (
        "end" not in period or ordinal <= moment(period["end"]).day
    )
