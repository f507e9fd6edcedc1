"""A dossier as plain values: what ``records.json`` and ``consents.json`` say, and what the API answers with."""

from typing import Any

from belmont.registry.consents.fhir import FOREVER
from belmont.registry.consents.scope import Category, Scope
from belmont.registry.duo.terms import Purpose
from belmont.service.patient.as_fhir import moment
from belmont.service.patient.desk import Dossier
from belmont.service.patient.hospital import Presence
from belmont.service.patient.standing import Effect
from belmont.service.patient.uses import TouchedUse


def row_view(dossier: Dossier) -> dict[str, Any]:
    """The row, decoded, and the versions that have it."""
    held = dossier.held
    versions = dossier.snapshot.versions.get(dossier.dataset.id, ())
    return {
        "dataset": f"0x{dossier.dataset.id.hex()}",
        "dataset_name": dossier.dataset.name,
        "version": held.newest,
        "values": [
            {
                "column": each.column,
                "meaning": each.label,
                "kind": each.kind,
                "unit": each.unit,
                "value": each.value,
                "observed": each.is_observed,
            }
            for each in held.values
        ],
        "versions": [
            {
                "number": each.number,
                "registered_at": moment(each.registered_at),
                "has_the_row": {Presence.HELD: True, Presence.NOT_HELD: False}.get(held.of(each.number)),
            }
            for each in versions
        ],
    }


def scope_view(scope: Scope | None) -> dict[str, Any] | None:
    """A scope by names; None where nothing is permitted."""
    if scope is None:
        return None
    return {
        "purposes": [str(each.name).lower() for each in Purpose(scope.purposes)],
        "categories": [str(each.name).lower() for each in Category(scope.categories)],
        "recipients": list(scope.recipients),
        "valid_from": moment(scope.valid_from),
        "valid_until": None if scope.valid_until >= FOREVER else moment(scope.valid_until),
    }


def standing_view(dossier: Dossier) -> dict[str, Any]:
    """The consent in force, who decides, and the own statements before."""
    standing = dossier.standing
    return {
        "dataset": f"0x{dossier.dataset.id.hex()}",
        "account": dossier.entry.account,
        "decided_by": standing.source.name.lower(),
        "in_force": scope_view(standing.scope),
        "attested": scope_view(standing.attested),
        "enrolled_at": None if standing.enrolled_at is None else moment(standing.enrolled_at),
        "statements": [
            {
                "sequence": each.statement.sequence,
                "stated_at": moment(each.at),
                "block": each.statement.block,
                "permits": scope_view(each.statement.scope),
            }
            for each in standing.history
        ],
    }


def use_view(dossier: Dossier, found: TouchedUse) -> dict[str, Any]:
    """One use by names."""
    permit = dossier.snapshot.permits.get(found.use.permit_id)
    purposes = Purpose(permit.terms.purpose) if permit else Purpose(0)
    return {
        "permit": int(found.use.permit_id),
        "study": permit.terms.title if permit else None,
        "data_user": permit.data_user if permit else None,
        "data_user_name": dossier.snapshot.name_of(permit.data_user) if permit else None,
        "purposes": [str(each.name).lower() for each in purposes],
        "kind": found.use.kind.name.lower(),
        "number": found.use.n,
        "version": found.use.version,
        "block": found.use.block,
        "recorded_at": moment(found.use.timestamp),
        "answer": found.touch.name.lower(),
        "why": found.why.name.lower(),
    }


def effect_view(dossier: Dossier, effect: Effect) -> dict[str, Any]:
    """What a statement does to one running study's use of the row."""
    return {
        "permit": int(effect.permit.id),
        "study": effect.permit.terms.title,
        "data_user": effect.permit.data_user,
        "data_user_name": dossier.snapshot.name_of(effect.permit.data_user),
        "change": effect.change.name.lower(),
    }
