"""Endpoints of signing in, for programs and for the scripts of our pages."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from belmont.registry.types import Address
from belmont.service.access.gates import AnyVisitor, allow
from belmont.service.access.limits import limited
from belmont.service.access.visitor import SessionView, Visitor, Who
from belmont.service.api import routing
from belmont.service.errors import Malformed, NotFound, NotSignedIn
from belmont.service.service import Service
from belmont.service.sign_in.challenges import SignInRefused
from belmont.service.sign_in.passkeys import ENROL, key_id, removal
from belmont.service.sign_in.schemas import (
    ChallengeAsked,
    ChallengeGiven,
    Enrolment,
    KeyText,
    Me,
    PasskeyGiven,
    SessionGiven,
    SignedText,
    TokenGiven,
    TouchAsked,
    TouchFinished,
    TouchGiven,
    moment,
)

router: APIRouter = routing.router("sign-in")
SignedIn = Annotated[Visitor, allow(Who.SIGNED_IN)]
SignedInOrRenewed = Annotated[Visitor, allow(Who.SIGNED_IN, former_too=True)]
AMember = Annotated[Visitor, allow(Who.MEMBER)]
AMemberOrRenewed = Annotated[Visitor, allow(Who.MEMBER, former_too=True)]
"""Also by a secret that was renewed, where the answer with the new one may be lost (``access.gates``, 8)."""
SIGN_IN = [limited("sign_in")]


@router.post("/sign-in/challenge", dependencies=SIGN_IN)
def challenge(request: Request, response: Response, visitor: AnyVisitor, asked: ChallengeAsked) -> ChallengeGiven:
    """A text to sign. It counts once, for five minutes, and with the cookie that comes with it."""
    sign_in = _service(request).sign_in
    browser = sign_in.browser(request) or sign_in.new_browser()
    identity = Address(asked.identity) if asked.identity else None
    issued = sign_in.challenges.issue(browser, Address(asked.account), identity)
    sign_in.keep_browser(response, browser)
    message = issued.message
    return ChallengeGiven(
        message=message.text, account=Address(message.address), nonce=message.nonce, expires_at=moment(issued.ends)
    )


@router.post("/session", status_code=201, dependencies=SIGN_IN)
def open_session(request: Request, visitor: AnyVisitor, signed: SignedText) -> TokenGiven:
    """Sign in as a program: a bearer token for one hour."""
    sign_in = _service(request).sign_in
    browser = sign_in.browser(request)
    if browser is None:
        raise SignInRefused("The cookie that came with the text is missing.", code="NONCE_INVALID")
    proof = sign_in.challenges.check(browser, signed.message, bytes.fromhex(signed.signature[2:]))
    token, session = sign_in.sessions.open(proof, by_token=True)
    return TokenGiven(token=token, session=SessionGiven.of(session, session.id))


@router.get("/session")
def who_am_i(request: Request, visitor: SignedIn) -> Me:
    """Who is signed in, in which roles."""
    return Me.of(visitor, _session(visitor))


@router.delete("/session", status_code=204)
def end_session(request: Request, response: Response, visitor: SignedInOrRenewed) -> None:
    """Sign out."""
    sign_in, session = _service(request).sign_in, _session(visitor)
    sign_in.sessions.end(session.id, session.account)
    if not session.by_token:
        sign_in.forget_session(response)


@router.get("/sessions")
def sessions(request: Request, visitor: SignedIn) -> list[SessionGiven]:
    """All sessions of this account, the last used first."""
    session = _session(visitor)
    found = _service(request).sign_in.sessions.of_account(session.account)
    return [SessionGiven.of(each, session.id, used) for each, used in found]


@router.delete("/sessions", status_code=204)
def end_sessions(request: Request, response: Response, visitor: SignedIn) -> None:
    """End all sessions of this account, this one as well."""
    sign_in, session = _service(request).sign_in, _session(visitor)
    sign_in.sessions.end_all(session.account)
    if not session.by_token:
        sign_in.forget_session(response)


@router.delete("/sessions/{id}", status_code=204)
def end_one(request: Request, visitor: SignedIn, id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")]) -> None:
    """End one session of this account."""
    if not _service(request).sign_in.sessions.end(id, _session(visitor).account):
        raise NotFound("This account has no such session.")


@router.get("/passkeys")
def passkeys(request: Request, visitor: AMember) -> list[PasskeyGiven]:
    """The hardware keys of this account."""
    found = _service(request).sign_in.passkeys.of(_session(visitor).account)
    return [PasskeyGiven.of(each) for each in found]


@router.post("/passkeys/enrolment")
def begin_enrolment(request: Request, visitor: AMember) -> dict[str, Any]:
    """Options for ``navigator.credentials.create``. Where a key is there already, it is touched first."""
    return _service(request).sign_in.passkeys.begin_enrolment(_session(visitor))


@router.post("/passkeys", status_code=201)
def enrol(request: Request, response: Response, visitor: AMember, enrolment: Enrolment) -> PasskeyGiven:
    """Enrol a key."""
    sign_in, session = _service(request).sign_in, _session(visitor)
    key = sign_in.passkeys.finish_enrolment(session, enrolment.credential.content(), enrolment.label)
    _renewed(request, response, session)
    return PasskeyGiven.of(key)


@router.post("/passkeys/touch")
def begin_touch(request: Request, visitor: AMemberOrRenewed, asked: TouchAsked) -> dict[str, Any]:
    """Options for ``navigator.credentials.get``: what the key signs is bound to what it is for."""
    given = {"message": asked.digest, "remove": asked.key, "enrol": ""}[asked.purpose]
    others = {"message": asked.key, "remove": asked.digest, "enrol": asked.key or asked.digest}[asked.purpose]
    if given is None or others is not None:
        raise Malformed("A message has its digest, a removal its key, an enrolment neither.", code="PURPOSE_INVALID")
    if asked.purpose == "message":
        purpose = bytes.fromhex(given[2:])
    else:
        purpose = removal(key_id(given)) if asked.purpose == "remove" else ENROL
    return _service(request).sign_in.passkeys.begin(_session(visitor), purpose)


@router.post("/passkeys/touch/finish")
def finish_touch(request: Request, response: Response, visitor: AMemberOrRenewed, touch: TouchFinished) -> TouchGiven:
    """The key's answer. It counts for five minutes, in this session."""
    session = _session(visitor)
    passkeys = _service(request).sign_in.passkeys
    purpose = passkeys.finish(session, touch.credential.content())
    renewed = _renewed(request, response, session)
    step = passkeys.count(renewed or session, purpose)
    return TouchGiven(until=moment(step.ends), csrf=renewed.csrf if renewed else None)


@router.delete("/passkeys/{key}", status_code=204)
def remove(request: Request, response: Response, visitor: AMember, key: KeyText) -> None:
    """Remove a key, after one was touched for that."""
    session = _session(visitor)
    _service(request).sign_in.passkeys.remove(session, key_id(key))
    _renewed(request, response, session)


def _renewed(request: Request, response: Response, session: SessionView) -> SessionView | None:
    """A browser's session has a new secret from here on; a program's token stays, since no browser plants one."""
    sign_in = _service(request).sign_in
    if session.by_token:
        return None
    renewed = sign_in.sessions.renew(session)
    if renewed is None:
        raise NotSignedIn("The session has ended.")
    sign_in.keep_session(response, renewed[0])
    return renewed[1]


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _session(visitor: Visitor) -> SessionView:
    if visitor.session is None:
        raise NotSignedIn("Nobody is signed in.")
    return visitor.session
