"""From a form to a message that its person signs, and from the signed message to what the contract took.

1. The service prepares a message and shows it in words. Nothing of it is kept here: what comes back is read, checked
   and shown anew, whoever sent it.
2. What is prepared is for the account that is signed in. What somebody else signed is relayed for members all the same
   (``belmont.service.relaying``), as a file.
3. A refusal of the contract is said in words with what to do, beside the same message, which can be signed again or
   relayed later: it used nothing up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.messages import Statement
from belmont.identity.sign_commands import REASON_BYTES_MAX
from belmont.identity.signed_message import SignedMessage
from belmont.identity.strict_json import loads
from belmont.registry.errors import RegistryError
from belmont.registry.types import Address
from belmont.service.access.visitor import Visitor
from belmont.service.console.parts import names_of, service_of
from belmont.service.console.refusals import Refused
from belmont.service.console.saying import lines, says
from belmont.service.console.standing import is_recused
from belmont.service.console.votes import Cast
from belmont.service.errors import Conflict
from belmont.service.sign_in.passkeys import GUARDED
from belmont.service.words import Sentence


@dataclass(frozen=True)
class Act:
    """One thing to do, as its confirmation page asks for it."""

    heading: Sentence
    explains: tuple[Sentence, ...]
    back: str
    """The page of what it is about."""
    back_name: Sentence
    reason: bool = False
    durations: tuple[int, ...] = ()
    """Seconds to choose from; none where it has no duration."""
    conditions: tuple[Cast, ...] = ()
    """The votes whose conditions are agreed to."""
    seen: str = ""
    """What the form brings back: which conditions it showed."""
    grave: bool = False
    """Whether it stops something or cannot be undone."""


Errors = list[tuple[str, Sentence]]
"""Which field is wrong (its id), and what is."""


def ask(request: Request, act: Act, errors: Errors | None = None, **given: Any) -> Response:
    """The page that says what an act does, with its form."""
    status = 422 if errors else 200
    return service_of(request).pages.page(
        request,
        "acts/confirm.html",
        status,
        act=act,
        errors=errors or [],
        given={"reason": "", **given},
        snapshot=service_of(request).snapshot,
    )


def checked_reason(text: str, errors: Errors, needed: bool = False) -> str:
    """A reason as it is signed: line ends as ``\\n``, no space around."""
    reason = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")).strip()
    if len(reason.encode("utf-8", "replace")) > REASON_BYTES_MAX:
        errors.append(("reason", Sentence("Write a reason of at most {most} bytes.", most=REASON_BYTES_MAX)))
    if needed and not reason:
        errors.append(("reason", Sentence("Write why.")))
    return reason


def prepared(
    request: Request,
    visitor: Visitor,
    message: Statement,
    back: str,
    reason: str = "",
    conditions: ApprovalConditions | None = None,
) -> Response:
    """The page on which a message is signed."""
    domain = service_of(request).registry.relay.domain
    unsigned = SignedMessage(message, domain, (), reason or None, conditions)
    return to_sign(request, visitor, unsigned, back)


def refuse_recused(request: Request, visitor: Visitor, permit: int) -> None:
    """Raises Conflict for a vote that the contract takes from no member who is recused from the permit's study."""
    studies = service_of(request).snapshot.studies
    if visitor.account is not None and is_recused(studies, permit, visitor.account):
        raise Conflict("You recused yourself from this study.", code="RECUSED")


def to_sign(
    request: Request, visitor: Visitor, unsigned: SignedMessage, back: str, refused: Refused | None = None
) -> Response:
    """The same for a message that is there, with what was wrong with the last attempt (3)."""
    service = service_of(request)
    names = names_of(service.snapshot)
    return service.pages.page(
        request,
        "acts/sign.html",
        refused.status if refused else 200,
        unsigned=unsigned,
        kind=type(unsigned.message).__name__,
        says=says(unsigned.message, names),
        lines=lines(unsigned, names),
        content=_in_ascii(unsigned),
        file_name=file_name(unsigned),
        back=back,
        refused=refused,
        signers=signers_of(request, visitor),
        touches=_touches(request, visitor, unsigned),
    )


def _in_ascii(unsigned: SignedMessage) -> str:
    """The file for a field of a form, in which a page would replace what nobody sees (``rendering``, 3)."""
    return json.dumps(loads(unsigned.to_json()))


def file_name(unsigned: SignedMessage) -> str:
    """Of the file that is to be signed."""
    return f"{type(unsigned.message).__name__.lower()}-unsigned.json"


def signers_of(request: Request, visitor: Visitor) -> tuple[Address, ...]:
    """The accounts whose signature counts for the visitor: the identity's owner, where the chain says so."""
    account = visitor.account
    if account is None:
        return ()
    try:
        owner = service_of(request).registry.identities.owner(account)
    except RegistryError:
        return (account,)
    return (Address(owner),)


def _touches(request: Request, visitor: Visitor, unsigned: SignedMessage) -> bool:
    """Whether a hardware key has to be touched for this before it is relayed here."""
    account = visitor.account
    stops = isinstance(unsigned.message, GUARDED)
    return stops and account is not None and bool(service_of(request).sign_in.passkeys.of(account))
