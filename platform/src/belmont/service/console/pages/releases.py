"""Models that are announced for release: objecting, confirming, withdrawing."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from belmont.audit.search import EventQuery
from belmont.identity.messages import Confirmation, Objection, ReleaseWithdrawal, reason_hash
from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.registry.types import Address, Role
from belmont.service.access.gates import allow
from belmont.service.access.visitor import Visitor, Who
from belmont.service.console import standing
from belmont.service.console.parts import (
    HashText,
    Number,
    OnBoard,
    Reading,
    Using,
    a_router,
    bytes_of,
    found,
    names_of,
    now,
    service_of,
)
from belmont.service.console.signing import Act, Errors, ask, checked_reason, prepared, refuse_recused
from belmont.service.documents.kinds import Kind
from belmont.service.explain import history
from belmont.service.words import Hash, Moment, Sentence, counted

router = a_router()
Reason = Annotated[str, Form(max_length=20_000)]
Concerned = Annotated[Visitor, allow(Who.BOARD, Who.DATA_HOLDER)]
EVENTS = (
    "ModelReleased",
    "ReleaseObjected",
    "ConfirmationSupported",
    "ReleaseConfirmed",
    "ReleaseSettled",
    "ReleaseWithdrawn",
)
BACK = Sentence("Back to the release")


@router.get("/releases")
def releases(request: Request, visitor: Reading) -> Response:
    """Every release, the newest first."""
    service = service_of(request)
    clock = now()
    rows = [(each, standing.of_release(each, clock)) for each in reversed(service.snapshot.releases)]
    return service.pages.page(request, "releases/list.html", rows=rows, snapshot=service.snapshot)


@router.get("/releases/{number}/{model}")
def one(request: Request, visitor: Reading, number: Number, model: HashText) -> Response:
    """One release, with the objections whose text is here."""
    service = service_of(request)
    release, clock = _release(request, number, model), now()
    account, names = visitor.account or Address(""), names_of(service.snapshot)
    page = service.index.search(EventQuery(study=number, names=EVENTS, ascending=True, limit=500))
    said = [
        (
            event,
            history.sentence(event, names),
            hashed,
            service.documents.text(Kind.REASON, hashed) if any(hashed) else None,
        )
        for event in page.events
        if event.details["model_hash"] == release.model_hash
        for hashed in (bytes(event.details.get("reason_hash", b"")),)
    ]
    is_open = release.status is ReleaseStatus.ANNOUNCED and release.objections_until > clock
    named = set(service.snapshot.permits[number].terms.datasets) if number in service.snapshot.permits else set()
    holds = any(each.holder == account and each.id in named for each in service.snapshot.datasets.values())
    on_board = Role.ETHICS_BOARD in visitor.roles
    recused = standing.is_recused(service.snapshot.studies, number, account)
    is_contested = release.status is ReleaseStatus.OBJECTED and on_board and account not in release.confirmations
    return service.pages.page(
        request,
        "releases/one.html",
        release=release,
        stands=standing.of_release(release, clock),
        said=said,
        card=service.documents.known(Kind.MODEL_CARD, release.card_hash),
        evidence=service.documents.known(Kind.EVIDENCE, release.evidence_hash),
        snapshot=service.snapshot,
        can_object=is_open and account not in release.objections and (on_board or holds),
        can_confirm=is_contested and not recused and release.objections_until <= clock,
        recused_from_it=is_contested and recused,
        can_withdraw=release.status is not ReleaseStatus.WITHDRAWN and account == release.data_user,
    )


def _release(request: Request, number: int, model: str) -> ModelRelease:
    wanted = bytes_of(model)
    releases = service_of(request).snapshot.releases
    return found(next((each for each in releases if each.permit_id == number and each.model_hash == wanted), None))


# --- object ---


@router.get("/releases/{number}/{model}/object")
def objection_form(request: Request, visitor: Concerned, number: Number, model: HashText) -> Response:
    """What an objection does."""
    return ask(request, _objection(_release(request, number, model)))


@router.post("/releases/{number}/{model}/object")
def objection(request: Request, visitor: Concerned, number: Number, model: HashText, reason: Reason = "") -> Response:
    """The objection as a message to sign."""
    release, errors = _release(request, number, model), Errors()
    text = checked_reason(reason, errors, needed=True)
    if errors:
        return ask(request, _objection(release), errors, reason=reason)
    message = Objection(
        actor=str(visitor.account), permit=number, model_hash=release.model_hash, reason_hash=reason_hash(text)
    )
    return prepared(request, visitor, message, _path(release), text)


def _objection(release: ModelRelease) -> Act:
    return Act(
        Sentence("Object to a release"),
        (
            Sentence(
                "Model {model} is then held back until the ethics board decides. Objections are open until {until}.",
                model=Hash(release.model_hash),
                until=Moment(release.objections_until),
            ),
        ),
        _path(release),
        BACK,
        reason=True,
        grave=True,
    )


# --- confirm, withdraw ---


@router.get("/releases/{number}/{model}/confirm")
def confirmation_form(request: Request, visitor: OnBoard, number: Number, model: HashText) -> Response:
    """What a confirmation does."""
    release = _release(request, number, model)
    refuse_recused(request, visitor, number)
    act = Act(
        Sentence("Release a model in spite of objections"),
        (
            counted(
                "There is {n} objection. Once enough of the ethics board voted for it, model {model} is released.",
                "There are {n} objections. Once enough of the ethics board voted for it, model {model} is released.",
                len(release.objections),
                model=Hash(release.model_hash),
            ),
        ),
        _path(release),
        BACK,
        grave=True,
    )
    return ask(request, act)


@router.post("/releases/{number}/{model}/confirm")
def confirmation(request: Request, visitor: OnBoard, number: Number, model: HashText) -> Response:
    """The vote as a message to sign: on the objections that there are now."""
    release = _release(request, number, model)
    refuse_recused(request, visitor, number)
    message = Confirmation(
        actor=str(visitor.account), permit=number, model_hash=release.model_hash, objections=len(release.objections)
    )
    return prepared(request, visitor, message, _path(release))


@router.get("/releases/{number}/{model}/withdraw")
def withdrawal_form(request: Request, visitor: Using, number: Number, model: HashText) -> Response:
    """What a withdrawal does."""
    release = _release(request, number, model)
    act = Act(
        Sentence("Withdraw a release"),
        (
            Sentence(
                "Model {model} is then not released, for good. Copies that were handed out are not recalled by it.",
                model=Hash(release.model_hash),
            ),
        ),
        _path(release),
        BACK,
        grave=True,
    )
    return ask(request, act)


@router.post("/releases/{number}/{model}/withdraw")
def withdrawal(request: Request, visitor: Using, number: Number, model: HashText) -> Response:
    """The withdrawal as a message to sign."""
    release = _release(request, number, model)
    message = ReleaseWithdrawal(actor=str(visitor.account), permit=number, model_hash=release.model_hash)
    return prepared(request, visitor, message, _path(release))


def _path(release: ModelRelease) -> str:
    return f"/releases/{release.permit_id}/0x{release.model_hash.hex()}"
