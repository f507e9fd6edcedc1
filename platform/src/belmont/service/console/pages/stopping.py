"""What stops something, or lets it go on: freezes, their end, revocations, withdrawals, the pause; one page to confirm
each."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from belmont.audit.search import EventQuery
from belmont.identity.messages import Freeze, Lift, Pause, Resume, Revocation, Withdrawal, reason_hash
from belmont.registry.limits import FREEZE_MAX_SECONDS
from belmont.registry.rules.protocol import Rule
from belmont.service.access.gates import allow
from belmont.service.access.visitor import Visitor, Who
from belmont.service.console.parts import (
    HashText,
    Holding,
    Number,
    OnBoard,
    a_router,
    dataset_of,
    found,
    names_of,
    service_of,
)
from belmont.service.console.signing import Act, Errors, ask, checked_reason, prepared, refuse_recused
from belmont.service.errors import Conflict
from belmont.service.words import Plain, Sentence, Span

router = a_router()
Reason = Annotated[str, Form(max_length=20_000)]
Concerned = Annotated[Visitor, allow(Who.BOARD, Who.DATA_HOLDER)]
DAY = 86_400
BACK = Sentence("Back to the permit")


# --- freeze ---


@router.get("/permits/{number}/freeze")
def freeze_form(request: Request, visitor: Concerned, number: Number) -> Response:
    """What a freeze does."""
    return ask(request, _freeze(request, number), duration=0)


@router.post("/permits/{number}/freeze")
def freeze(
    request: Request,
    visitor: Concerned,
    number: Number,
    reason: Reason = "",
    duration: Annotated[int, Form(ge=1, le=FREEZE_MAX_SECONDS)] = FREEZE_MAX_SECONDS,
) -> Response:
    """The freeze as a message to sign."""
    errors: Errors = []
    text = checked_reason(reason, errors)
    if errors:
        return ask(request, _freeze(request, number), errors, reason=reason, duration=duration)
    found(service_of(request).snapshot.permits.get(number))
    message = Freeze(actor=str(visitor.account), permit=number, duration=duration, reason_hash=reason_hash(text))
    return prepared(request, visitor, message, f"/permits/{number}", text)


def _freeze(request: Request, number: int) -> Act:
    snapshot = service_of(request).snapshot
    found(snapshot.permits.get(number))
    most = snapshot.rules.get(Rule.FREEZE_SECONDS, FREEZE_MAX_SECONDS)
    choices = (*(each for each in (3600, DAY, 3 * DAY) if each < most), most)
    return Act(
        Sentence("Freeze {permit}", permit=names_of(snapshot).permit(number)),
        (
            Sentence("From the moment the contract takes it, no hospital computes under this permit."),
            Sentence("The freeze ends by itself. You can freeze a permit once; after that, vote to revoke it."),
        ),
        f"/permits/{number}",
        BACK,
        reason=True,
        durations=tuple(reversed(choices)),
        grave=True,
    )


# --- lift, revoke ---


@router.get("/permits/{number}/lift")
def lift_form(request: Request, visitor: OnBoard, number: Number) -> Response:
    """What a vote to lift does."""
    return ask(request, _lift(request, visitor, number))


@router.post("/permits/{number}/lift")
def lift(request: Request, visitor: OnBoard, number: Number) -> Response:
    """The vote as a message to sign: about the newest freeze, by its number."""
    service = service_of(request)
    _lift(request, visitor, number)
    freezes = service.index.search(EventQuery(names=("PermitFrozen",), study=number, limit=1)).total
    if not freezes:
        raise Conflict("This permit was never frozen.", code="PERMIT_NOT_FROZEN")
    message = Lift(actor=str(visitor.account), permit=number, freeze=freezes)
    return prepared(request, visitor, message, f"/permits/{number}")


def _lift(request: Request, visitor: Visitor, number: int) -> Act:
    snapshot = service_of(request).snapshot
    found(snapshot.permits.get(number))
    refuse_recused(request, visitor, number)
    return Act(
        Sentence("End the freeze of {permit} early", permit=names_of(snapshot).permit(number)),
        (Sentence("Once enough of the ethics board voted for it, the freeze ends and work goes on."),),
        f"/permits/{number}",
        BACK,
    )


@router.get("/permits/{number}/revoke")
def revocation_form(request: Request, visitor: OnBoard, number: Number) -> Response:
    """What a vote to revoke does."""
    return ask(request, _revocation(request, number))


@router.post("/permits/{number}/revoke")
def revocation(request: Request, visitor: OnBoard, number: Number, reason: Reason = "") -> Response:
    """The vote as a message to sign."""
    errors: Errors = []
    text = checked_reason(reason, errors, needed=True)
    if errors:
        return ask(request, _revocation(request, number), errors, reason=reason)
    found(service_of(request).snapshot.permits.get(number))
    message = Revocation(actor=str(visitor.account), permit=number, reason_hash=reason_hash(text))
    return prepared(request, visitor, message, f"/permits/{number}", text)


def _revocation(request: Request, number: int) -> Act:
    snapshot = service_of(request).snapshot
    found(snapshot.permits.get(number))
    return Act(
        Sentence("Revoke {permit}", permit=names_of(snapshot).permit(number)),
        (
            Sentence("Once enough of the ethics board voted for it, nothing is computed under this permit any more."),
            Sentence("It cannot be undone: the data user would have to apply anew."),
        ),
        f"/permits/{number}",
        BACK,
        reason=True,
        grave=True,
    )


# --- withdraw a dataset ---


@router.get("/permits/{number}/withdraw/{dataset}")
def withdrawal_form(request: Request, visitor: Holding, number: Number, dataset: HashText) -> Response:
    """What a withdrawal does."""
    _to_withdraw(request, number, dataset)
    names = names_of(service_of(request).snapshot)
    act = Act(
        Sentence("Withdraw {dataset}", dataset=names.dataset(dataset_of(dataset))),
        (
            Sentence(
                "From the moment the contract takes it, {permit} does not cover this dataset.",
                permit=names.permit(number),
            ),
            Sentence("It cannot be undone. What left before stays recorded."),
        ),
        f"/permits/{number}",
        BACK,
        grave=True,
    )
    return ask(request, act)


@router.post("/permits/{number}/withdraw/{dataset}")
def withdrawal(request: Request, visitor: Holding, number: Number, dataset: HashText) -> Response:
    """The withdrawal as a message to sign."""
    _to_withdraw(request, number, dataset)
    message = Withdrawal(actor=str(visitor.account), permit=number, dataset=dataset_of(dataset))
    return prepared(request, visitor, message, f"/permits/{number}")


def _to_withdraw(request: Request, number: int, dataset: str) -> None:
    """Raises NotFound unless there are such a permit and such a dataset."""
    snapshot = service_of(request).snapshot
    found(snapshot.permits.get(number))
    found(snapshot.datasets.get(dataset_of(dataset)))


# --- the pause ---


@router.get("/rules/pause")
def pause_form(request: Request, visitor: OnBoard) -> Response:
    """What a pause does."""
    return ask(request, _pause(request))


@router.post("/rules/pause")
def pause(request: Request, visitor: OnBoard, reason: Reason = "") -> Response:
    """The vote as a message to sign: on the next pause."""
    errors: Errors = []
    text = checked_reason(reason, errors)
    if errors:
        return ask(request, _pause(request), errors, reason=reason)
    number = service_of(request).snapshot.pause.number + 1
    message = Pause(actor=str(visitor.account), pause=number, reason_hash=reason_hash(text))
    return prepared(request, visitor, message, "/rules", text)


def _pause(request: Request) -> Act:
    most = service_of(request).snapshot.rules.get(Rule.PAUSE_SECONDS, 0)
    return Act(
        Sentence("Pause the consortium"),
        (
            Sentence(
                "Once enough of the ethics board voted for it, no hospital computes under any permit, for {span}.",
                span=Span(most),
            ),
            Sentence("The board can let work go on earlier."),
        ),
        "/rules",
        Sentence("Back to the rules"),
        reason=True,
        grave=True,
    )


@router.get("/rules/resume")
def resume_form(request: Request, visitor: OnBoard) -> Response:
    """What a vote to resume does."""
    number = service_of(request).snapshot.pause.number
    act = Act(
        Sentence("Go on after the pause"),
        (
            Sentence(
                "Once enough of the ethics board voted for it, pause {number} ends and work goes on.",
                number=Plain(number),
            ),
        ),
        "/rules",
        Sentence("Back to the rules"),
    )
    return ask(request, act)


@router.post("/rules/resume")
def resume(request: Request, visitor: OnBoard) -> Response:
    """The vote as a message to sign."""
    message = Resume(actor=str(visitor.account), pause=service_of(request).snapshot.pause.number)
    return prepared(request, visitor, message, "/rules")
