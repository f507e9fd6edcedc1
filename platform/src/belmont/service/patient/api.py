"""Endpoints for patients: what is held about me, who used it, who may, and all of it as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from belmont.registry.types import Address
from belmont.service import words as language
from belmont.service.access.gates import allow
from belmont.service.access.limits import limited
from belmont.service.access.visitor import Visitor, Who
from belmont.service.api.routing import StrictRoute
from belmont.service.patient.acting import dossier_of, drafting_of, pass_on
from belmont.service.patient.archive import archive
from belmont.service.patient.as_fhir import moment
from belmont.service.patient.departures import Departures
from belmont.service.patient.desk import Dossier
from belmont.service.patient.drafting import draft_of
from belmont.service.patient.forms import scope_of
from belmont.service.patient.reads import Made, Read, file, whole
from belmont.service.patient.schemas import (
    DatasetText,
    DraftAsked,
    DraftGiven,
    GrantAsked,
    Overview,
    RecordsPage,
    RowGiven,
    SignedFile,
    StatementTaken,
    UsesPage,
)
from belmont.service.patient.views import effect_view, row_view, standing_view, use_view
from belmont.service.service import Service
from belmont.service.words import Words

router = APIRouter(prefix="/api/v1/patient", tags=["patient"], route_class=StrictRoute)
APatient = Annotated[Visitor, allow(Who.PATIENT)]
Dataset = Annotated[DatasetText | None, Query(description="One of the datasets that the account is enrolled for.")]
Cursor = Annotated[int, Query(ge=0, le=10_000_000)]
Limit = Annotated[int, Query(ge=1, le=200)]
RELAY = [limited("relay")]


@router.get("")
def overview(request: Request, visitor: APatient, dataset: Dataset = None) -> Overview:
    """Where my consent stands, and which studies run on the data."""
    service = _service(request)
    return _overview(service, visitor, dossier_of(service, visitor, dataset))


@router.get("/records", response_model=RowGiven)
def row(request: Request, visitor: APatient, dataset: Dataset = None) -> Read:
    """My row as research uses it, decoded, and the versions that have it."""
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset)
    return read_of(service, dossier, lambda: _json(RowGiven.model_validate(row_view(dossier))))


@router.get("/records/source", response_model=RecordsPage)
def source(request: Request, visitor: APatient, dataset: Dataset = None, cursor: Cursor = 0, limit: Limit = 50) -> Read:
    """The hospital's own records of me, in the order of its files."""
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset)

    def make() -> Made:
        own = dossier.records
        found = list(islice(own.read(), cursor, cursor + limit + 1))
        more = len(found) > limit
        records = [{"kind": each.kind, "content": dict(each.content)} for each in found[:limit]]
        left_out = None if more else own.left_out.by_kind
        content = {"records": records, "next": cursor + limit if more else None, "left_out": left_out}
        return _json(RecordsPage.model_validate(content))

    return read_of(service, dossier, make)


@router.get("/uses", response_model=UsesPage)
def uses(request: Request, visitor: APatient, dataset: Dataset = None, cursor: Cursor = 0, limit: Limit = 50) -> Read:
    """Every recorded use of the data, newest first, with whether my row was among the rows used."""
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset)

    def make() -> Made:
        found = dossier.uses
        page = [use_view(dossier, each) for each in found[cursor : cursor + limit]]
        more = cursor + limit if cursor + limit < len(found) else None
        return _json(UsesPage.model_validate({"uses": page, "total": len(found), "next": more}))

    return read_of(service, dossier, make)


@router.post("/consent/drafts")
def draft(
    request: Request, visitor: APatient, asked: Annotated[DraftAsked, Body()], dataset: Dataset = None
) -> DraftGiven:
    """A statement to sign, and what it would mean for the studies that run."""
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset)
    drafting = drafting_of(service, dossier)
    scope = scope_of(asked, service.snapshot) if isinstance(asked, GrantAsked) else None
    message = drafting.grant(scope) if scope is not None else drafting.revocation()
    content: dict[str, Any] = {
        "says": message.message.sentence(),
        "message": json.loads(message.to_json()),
        "effects": [effect_view(dossier, each) for each in dossier.effects(scope)],
    }
    return DraftGiven.model_validate(content)


@router.post("/consent/statements", dependencies=RELAY)
def state(request: Request, visitor: APatient, signed: SignedFile, dataset: Dataset = None) -> StatementTaken:
    """Have the chain take a statement that I signed."""
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset)
    message = draft_of(signed.to_bytes())
    sequence = pass_on(service, visitor, dossier, message)
    after = _overview(service, visitor, dossier_of(service, visitor, dataset))
    return StatementTaken(says=message.message.sentence(), sequence=sequence, overview=after)


@router.get("/archive", response_class=StreamingResponse, responses={200: {"content": {"application/zip": {}}}})
def download(
    request: Request, visitor: APatient, dataset: Dataset = None, lang: Annotated[str, Query(max_length=20)] = "en"
) -> Read:
    """All of it as a ZIP file; its README is in English or, with ``lang=zh-Hans``, in Simplified Chinese."""
    words = language.of(language.negotiate(query=lang))
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset)
    return download_of(service, dossier, words)


def download_of(service: Service, dossier: Dossier, words: Words) -> Read:
    """The patient's records as a ZIP file."""

    def make() -> Made:
        pieces = archive(dossier, words, Departures.of(service, dossier))
        return file(pieces, "my-records.zip", "application/zip")

    return read_of(service, dossier, make)


def read_of(service: Service, dossier: Dossier, make: Callable[[], Made]) -> Read:
    """An answer that is made of the hospital's files, in the patient's turn."""
    return Read(service.reads, Address(dossier.entry.account), make)


def _json(content: BaseModel) -> Made:
    return whole(Response(content.model_dump_json(by_alias=True), media_type="application/json"))


def _overview(service: Service, visitor: Visitor, dossier: Dossier) -> Overview:
    grant_from = drafting_of(service, dossier).grant_from
    content: dict[str, Any] = {
        "hospital": dossier.hospital_name,
        "dataset": f"0x{dossier.dataset.id.hex()}",
        "dataset_name": dossier.dataset.name,
        "datasets": [f"0x{each.hex()}" for each in visitor.datasets_as_patient],
        "standing": standing_view(dossier),
        "running": [effect_view(dossier, each) for each in dossier.running_now],
        "grant_from": moment(grant_from) if grant_from > service.snapshot.head.timestamp else None,
    }
    return Overview.model_validate(content)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service
