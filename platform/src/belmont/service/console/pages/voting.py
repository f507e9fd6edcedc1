"""What is decided on an application: votes with their conditions, recusals, acceptances, the data user's agreement."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.errors import ApprovalConditionsMalformed
from belmont.identity.messages import NO_CONDITIONS, Acceptance, Agreement, Recusal, Statement, Vote, reason_hash
from belmont.registry.types import NO_PERMIT, Study, StudyId
from belmont.service.access.limits import limited
from belmont.service.console import standing, votes
from belmont.service.console.addresses import hexed
from belmont.service.console.particulars import of_conditions
from belmont.service.console.parts import (
    Acting,
    HashText,
    Holding,
    Number,
    OnBoard,
    Using,
    a_router,
    dataset_of,
    found,
    names_of,
    now,
    service_of,
)
from belmont.service.console.signing import Act, Errors, ask, checked_reason, prepared
from belmont.service.errors import Conflict
from belmont.service.words import Sentence

router = a_router()
Choice = Literal["approve", "conditions", "refuse", "recuse", ""]
Text = Annotated[str, Form(max_length=120_000)]


@router.get("/studies/{number}/vote")
def vote_form(request: Request, visitor: OnBoard, number: Number) -> Response:
    """The form of a vote."""
    return _vote_form(request, number, [], {"choice": "", "reason": "", "conditions": ""})


@router.post("/studies/{number}/vote")
def vote(
    request: Request,
    visitor: OnBoard,
    number: Number,
    choice: Annotated[Choice, Form()] = "",
    reason: Text = "",
    conditions: Text = "",
) -> Response:
    """The vote as a message to sign."""
    errors: Errors = []
    text = checked_reason(reason, errors, needed=choice in ("refuse", "recuse"))
    set_conditions = _conditions(conditions, errors) if choice == "conditions" else None
    if not choice:
        errors.insert(0, ("approve", Sentence("Choose how you vote.")))
    if choice and choice != "conditions" and conditions.strip():
        errors.append(
            ("conditions", Sentence("Conditions go with an approval under conditions: choose it, or leave them out."))
        )
    if errors or visitor.account is None:
        return _vote_form(request, number, errors, {"choice": choice, "reason": reason, "conditions": conditions})
    found(service_of(request).snapshot.studies.get(number))
    message: Statement
    if choice == "recuse":
        message = Recusal(actor=visitor.account, study=number, reason_hash=reason_hash(text))
    else:
        message = Vote(
            actor=visitor.account,
            study=number,
            approve=choice != "refuse",
            conditions_hash=set_conditions.hash if set_conditions else NO_CONDITIONS,
            reason_hash=reason_hash(text),
        )
    return prepared(request, visitor, message, f"/studies/{number}", text, set_conditions)


def _vote_form(request: Request, number: int, errors: Errors, given: dict[str, str]) -> Response:
    service = service_of(request)
    snapshot = service.snapshot
    study = found(snapshot.studies.get(number))
    account = request.state.visitor.account
    return service.pages.page(
        request,
        "studies/vote.html",
        422 if errors else 200,
        study=study,
        snapshot=snapshot,
        errors=errors,
        given=given,
        open=standing.can_vote(study, account, now()),
        own=account == study.data_user,
    )


def _conditions(text: str, errors: Errors) -> ApprovalConditions | None:
    try:
        return ApprovalConditions.of(line for line in text.splitlines() if line.strip())
    except ApprovalConditionsMalformed as error:
        said = of_conditions(error) if text.strip() else Sentence("Write at least one condition.")
        errors.append(("conditions", said))
        return None


@router.get("/studies/{number}/accept/{dataset}")
def acceptance_form(request: Request, visitor: Holding, number: Number, dataset: HashText) -> Response:
    """What an acceptance means."""
    _to_accept(request, number, dataset)
    names = names_of(service_of(request).snapshot)
    act = Act(
        Sentence("Accept an application"),
        (
            Sentence(
                "You accept {study} for {dataset}: once the ethics board approved it and every holder accepted, a "
                "permit can be issued, and your node computes what the permit says.",
                study=names.study(number),
                dataset=names.dataset(dataset_of(dataset)),
            ),
            Sentence("You can withdraw the dataset from the permit later, at any time and alone."),
        ),
        f"/studies/{number}",
        Sentence("Back to the application"),
    )
    return ask(request, act)


@router.post("/studies/{number}/accept/{dataset}")
def acceptance(request: Request, visitor: Holding, number: Number, dataset: HashText) -> Response:
    """The acceptance as a message to sign."""
    _to_accept(request, number, dataset)
    message = Acceptance(actor=str(visitor.account), study=number, dataset=dataset_of(dataset))
    return prepared(request, visitor, message, f"/studies/{number}")


def _to_accept(request: Request, number: int, dataset: str) -> None:
    """Raises NotFound unless there are such an application and such a dataset."""
    snapshot = service_of(request).snapshot
    found(snapshot.studies.get(number))
    found(snapshot.datasets.get(dataset_of(dataset)))


@router.get("/studies/{number}/agree")
def agreement_form(request: Request, visitor: Using, number: Number) -> Response:
    """What the data user agrees to."""
    return _agreement_form(request, found(service_of(request).snapshot.studies.get(number)), [])


@router.post("/studies/{number}/agree")
def agreement(request: Request, visitor: Using, number: Number, seen: Annotated[str, Form(max_length=66)]) -> Response:
    """The agreement as a message to sign: to the conditions that the page showed, while there are no others."""
    study = found(service_of(request).snapshot.studies.get(number))
    if seen != hexed(study.conditions):
        changed = Sentence("The conditions changed since this page was made: read them again.")
        return _agreement_form(request, study, [("conditions", changed)])
    message = Agreement(actor=str(visitor.account), study=number, conditions=study.conditions)
    return prepared(request, visitor, message, f"/studies/{number}")


def _agreement_form(request: Request, study: Study, errors: Errors) -> Response:
    service = service_of(request)
    act = Act(
        Sentence("Agree to the conditions"),
        (
            Sentence(
                "You agree to all conditions that the ethics board set on {study}. Without it no permit is issued.",
                study=names_of(service.snapshot).study(study.id),
            ),
            Sentence("A condition that is set later needs another agreement."),
        ),
        f"/studies/{study.id}",
        Sentence("Back to the application"),
        conditions=tuple(each for each in votes.cast(service, study.id) if each.conditions_hash != NO_CONDITIONS),
        seen=hexed(study.conditions),
    )
    return ask(request, act, errors)


@router.post("/studies/{number}/issue", dependencies=[limited("relay")])
def issue(request: Request, visitor: Acting, number: Number) -> Response:
    """Issue the permit of a study for which nothing is missing.

    It decides nothing, and the contract lets anybody do it. The permit of an amendment ends another, perhaps in the
    middle of a round: the contract takes that from its data user alone, as a transaction and not as a signed message
    (docs/adr/0043), so no page can do it; the application's page says how.
    """
    service = service_of(request)
    study = found(service.snapshot.studies.get(number))
    if study.amends != NO_PERMIT:
        raise Conflict(
            "The permit of an amendment takes another's place: its data user issues it, from a notebook.",
            code="NOT_THE_APPLICANT",
        )
    service.relaying.anybody().issue(StudyId(number))
    return RedirectResponse(f"/studies/{number}", 303)
