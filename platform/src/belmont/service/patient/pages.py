"""The patient's pages: what is held, who used it, who may, and the way to change that. All whole without JavaScript.

1. Whoever is signed in may open ``/patient``; one who is no patient here is told how to become one. The other pages are
   for patients alone.
2. A statement is drafted by a form, shown with what it would mean, signed by a wallet in the page or elsewhere
   (``belmont sign``), and handed in. Nothing is kept in between: the draft is in the page.
3. A form that cannot be drafted comes back as it was filled in, with what is wrong beside its field.
4. Pages that go through the hospital's files are made in the patient's turn (``reads``); those of the consent at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from belmont.identity.messages import ConsentGrant
from belmont.identity.signed_message import FILE_BYTES_MAX, SignedMessage
from belmont.registry.consents.scope import Category, Scope
from belmont.registry.types import Address, Role
from belmont.service.access.gates import allow
from belmont.service.access.limits import limited
from belmont.service.access.visitor import Visitor, Who
from belmont.service.console.parts import names_of
from belmont.service.console.saying import lines
from belmont.service.console.signing import signers_of
from belmont.service.errors import Malformed
from belmont.service.patient import plain
from belmont.service.patient.acting import dossier_of, drafting_of, pass_on
from belmont.service.patient.api import download_of, read_of
from belmont.service.patient.departures import Departures
from belmont.service.patient.desk import Dossier
from belmont.service.patient.drafting import draft_of, with_signature
from belmont.service.patient.forms import Chosen, FieldError, asked_of, scope_of, wrong
from belmont.service.patient.notes import notes, outline
from belmont.service.patient.reads import whole
from belmont.service.patient.schemas import DatasetText
from belmont.service.service import Service

router = APIRouter(prefix="/patient", include_in_schema=False)
APatient = Annotated[Visitor, allow(Who.PATIENT)]
SignedIn = Annotated[Visitor, allow(Who.SIGNED_IN)]
Dataset = Annotated[DatasetText | None, Query()]
DatasetField = Annotated[str, Form(pattern="^(0x[0-9a-f]{64})?$")]
Boxes = Annotated[list[str], Form(max_length=16)]
Day = Annotated[str, Form(max_length=10)]
Message = Annotated[str, Form(max_length=FILE_BYTES_MAX)]
RECORDS_SHOWN = 200
USES_A_PAGE = 50
RELAY = [limited("relay")]


@router.get("")
def home(request: Request, visitor: SignedIn, dataset: Dataset = None) -> Response:
    """Where a patient begins; how to become one, for who is none here (1)."""
    service = _service(request)
    if not visitor.datasets_as_patient:
        return _page(request, "patient/stranger.html", None)
    dossier = dossier_of(service, visitor, dataset)

    def made() -> Response:
        return _page(request, "patient/home.html", dossier, counts=Counter(each.touch for each in dossier.uses))

    return read_of(service, dossier, lambda: whole(made()))


@router.get("/records")
def records(request: Request, visitor: APatient, dataset: Dataset = None) -> Response:
    """What is held about me."""
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset)

    def made() -> Response:
        own = dossier.records
        listed = list(own.read())
        shown = [outline(each) for each in islice(listed, RECORDS_SHOWN)]
        remarks = notes(dossier.files.dictionary(dossier.dataset), dossier.held, listed)
        return _page(
            request,
            "patient/records.html",
            dossier,
            shown=shown,
            total=len(listed),
            by_kind=sorted(Counter(each.kind for each in listed).items()),
            left_out=sorted(own.left_out.by_kind.items()),
            remarks=remarks,
            versions=dossier.snapshot.versions.get(dossier.dataset.id, ()),
        )

    return read_of(service, dossier, lambda: whole(made()))


@router.get("/uses")
def uses(
    request: Request, visitor: APatient, dataset: Dataset = None, page: Annotated[int, Query(ge=1, le=100_000)] = 1
) -> Response:
    """Who used it, and for which study."""
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset)

    def made() -> Response:
        found = dossier.uses
        shown = found[(page - 1) * USES_A_PAGE : page * USES_A_PAGE]
        return _page(
            request,
            "patient/uses.html",
            dossier,
            shown=shown,
            departures=Departures(service, dossier.dataset.id, [each.use for each in shown]),
            total=len(found),
            more=page + 1 if page * USES_A_PAGE < len(found) else None,
            page=page,
            counts=Counter(each.touch for each in found),
        )

    return read_of(service, dossier, lambda: whole(made()))


@router.get("/consent")
def consent(
    request: Request, visitor: APatient, dataset: Dataset = None, done: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """Who may, and the forms that change it."""
    dossier = dossier_of(_service(request), visitor, dataset)
    return _consent(request, dossier, Chosen.at_first(dossier), done=done == "1")


@router.post("/consent/grant")
def grant(
    request: Request,
    visitor: APatient,
    first_day: Day,
    last_day: Day,
    purposes: Boxes = [],  # noqa: B006
    categories: Boxes = [],  # noqa: B006
    recipients: Boxes = [],  # noqa: B006
    dataset: DatasetField = "",
) -> Response:
    """A consent to sign, with what it would mean; the form again, with what is wrong in it (3)."""
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset or None)
    chosen = Chosen(tuple(purposes), tuple(categories), tuple(recipients), first_day, last_day)
    errors = chosen.lacking()
    try:
        if errors:
            return _consent(request, dossier, chosen, errors)
        scope = scope_of(asked_of(purposes, categories, recipients, first_day, last_day), service.snapshot)
        draft = drafting_of(service, dossier).grant(scope)
    except Malformed as error:
        return _consent(request, dossier, chosen, [wrong(error)])
    return _to_sign(request, visitor, dossier, draft, scope)


@router.post("/consent/revocation")
def revocation(request: Request, visitor: APatient, dataset: DatasetField = "") -> Response:
    """A revocation to sign, with what it would mean."""
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset or None)
    return _to_sign(request, visitor, dossier, drafting_of(service, dossier).revocation(), None)


@router.post("/consent/message")
def message_as_file(request: Request, visitor: APatient, message: Message) -> Response:
    """The draft as a file for ``belmont sign``."""
    draft = draft_of(message.encode("utf-8", "replace"))
    headers = {"Content-Disposition": 'attachment; filename="consent.json"'}
    return Response(draft.to_json(), media_type="application/json", headers=headers)


@router.post("/consent/statement", dependencies=RELAY)
def statement(
    request: Request,
    visitor: APatient,
    message: Message = "",
    signature: Annotated[str, Form(max_length=2 * 2048 + 2)] = "",
    file: UploadFile | None = None,
    dataset: DatasetField = "",
) -> Response:
    """Have the chain take what was signed: by the wallet in the page, or in a file."""
    service = _service(request)
    dossier = dossier_of(service, visitor, dataset or None)
    uploaded = file.file.read(FILE_BYTES_MAX + 1) if file is not None else b""
    if uploaded:
        signed = draft_of(uploaded)
    elif message and signature.strip():
        signed = with_signature(draft_of(message.encode("utf-8", "replace")), signature)
    else:
        raise Malformed("Nothing that was signed came with it.", code="NOT_SIGNED", remedy="Sign the message first.")
    pass_on(service, visitor, dossier, signed)
    return RedirectResponse(f"/patient/consent?dataset=0x{dossier.dataset.id.hex()}&done=1", 303)


@router.get("/download")
def download(request: Request, visitor: APatient, dataset: Dataset = None) -> Response:
    """Everything as one file."""
    service = _service(request)
    return download_of(service, dossier_of(service, visitor, dataset), service.pages.words(request))


def _consent(
    request: Request, dossier: Dossier, chosen: Chosen, errors: Sequence[FieldError] = (), done: bool = False
) -> Response:
    service = _service(request)
    drafting = drafting_of(service, dossier)
    return _page(
        request,
        "patient/consent.html",
        dossier,
        HTTPStatus.BAD_REQUEST if errors else HTTPStatus.OK,
        drafting=drafting,
        too_soon=service.snapshot.head.timestamp < drafting.grant_from,
        data_users=service.snapshot.with_role(Role.DATA_USER),
        chosen=chosen,
        errors=errors,
        done=done,
        offered=[each for each in Category if dossier.dataset.categories & each],
    )


def _to_sign(
    request: Request, visitor: Visitor, dossier: Dossier, draft: SignedMessage, scope: Scope | None
) -> Response:
    message = draft.message
    return _page(
        request,
        "patient/sign.html",
        dossier,
        draft=draft,
        kind=type(message).__name__,
        lines=lines(draft, names_of(dossier.snapshot)),
        signers=signers_of(request, visitor),
        scope=scope,
        is_grant=isinstance(message, ConsentGrant),
        effects=dossier.effects(scope),
    )


def _page(
    request: Request, template: str, dossier: Dossier | None, status: HTTPStatus = HTTPStatus.OK, **context: Any
) -> Response:
    service = _service(request)
    words = service.pages.words(request)
    datasets = getattr(request.state, "visitor", Visitor()).datasets_as_patient
    return service.pages.page(
        request,
        template,
        status,
        dossier=dossier,
        say=words.say,
        day=words.day,
        moment=words.moment,
        number=words.number,
        plain=plain,
        own_datasets=[service.snapshot.datasets[each] for each in datasets if each in service.snapshot.datasets],
        name_of=lambda account: service.snapshot.name_of(Address(account)),
        permits=service.snapshot.permits,
        **context,
    )


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service
