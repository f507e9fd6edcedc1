"""Pages of signing in: the sign-in itself and the account, both whole without JavaScript.

1. A person names an account and gets the text to sign. With a browser wallet the page's script has it signed; without,
   the text is signed elsewhere (``belmont sign sign-in``) and the signature is pasted or handed in as a file. The form
   sends no text back: what was signed is what was issued.
2. Where to go on to is a page of this service, whatever the address says (``own_path``).
3. Signing out ends the session of this service. That of an institution's provider goes on, and would let in whoever
   sits down next: the page says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request, UploadFile
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from belmont.identity.signed_message import SIGNATURE_BYTES_MAX
from belmont.registry.types import Address
from belmont.service.access.gates import AnyVisitor, allow
from belmont.service.access.limits import limited
from belmont.service.access.visitor import Visitor, Who
from belmont.service.errors import Malformed, NotFound
from belmont.service.service import Service
from belmont.service.sign_in.challenges import SignInRefused
from belmont.service.sign_in.parts import SignIn, own_path
from belmont.service.sign_in.schemas import account_of
from belmont.service.store.sessions import Proof, Way
from belmont.service.words import Sentence

router = APIRouter(include_in_schema=False)
SignedIn = Annotated[Visitor, allow(Who.SIGNED_IN)]
SignedInOrRenewed = Annotated[Visitor, allow(Who.SIGNED_IN, former_too=True)]
SIGN_IN = [limited("sign_in")]
FILE_BYTES_MAX = 3 + 2 * SIGNATURE_BYTES_MAX
Next = Annotated[str, Query(alias="next", max_length=500)]
NextField = Annotated[str, Form(alias="next", max_length=500)]
AccountField = Annotated[str, Form(max_length=64)]
Name = Annotated[str, Path(max_length=40)]
OUT, OUT_HERE = "everywhere", "here"
NO_ACCOUNT = Sentence("An account is 0x and 40 hex digits; where letters are mixed, the checksum has to fit.")


@router.get("/sign-in")
def sign_in_page(
    request: Request, visitor: AnyVisitor, then: Next = "/", out: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Ways to sign in; and for who just signed out, that they are, and whether somebody else still knows them (3)."""
    return _ways(request, then, out=out if out in (OUT, OUT_HERE) else "")


@router.post("/sign-in/text", dependencies=SIGN_IN)
def text_to_sign(
    request: Request, visitor: AnyVisitor, account: AccountField, identity: AccountField = "", then: NextField = "/"
) -> Response:
    """The text to sign, for who signs elsewhere; the form again where what was entered is no account."""
    given = {"account": account.strip(), "identity": identity.strip()}
    found = {name: _account(text) for name, text in given.items() if text or name == "account"}
    errors = [(name, NO_ACCOUNT) for name, address in found.items() if address is None]
    if errors or found["account"] is None:
        return _ways(request, then, errors, **given)
    service = _service(request)
    sign_in = service.sign_in
    browser = sign_in.browser(request) or sign_in.new_browser()
    issued = sign_in.challenges.issue(browser, found["account"], found.get("identity"))
    page = service.pages.page(request, "sign_in.html", then=own_path(then), providers=[], issued=issued, errors=())
    sign_in.keep_browser(page, browser)
    return page


@router.get("/sign-in/text/{nonce}")
def text_as_file(request: Request, visitor: AnyVisitor, nonce: Annotated[str, Path(max_length=40)]) -> Response:
    """The same text as a file, exactly as it is to be signed."""
    sign_in = _service(request).sign_in
    browser = sign_in.browser(request)
    message = sign_in.challenges.issued(browser, nonce) if browser else None
    if message is None:
        raise NotFound("There is no such text for this browser, or no longer.")
    return PlainTextResponse(message.text, headers={"Content-Disposition": 'attachment; filename="sign-in.txt"'})


@router.post("/sign-in", dependencies=SIGN_IN)
def sign_in_by_form(
    request: Request,
    visitor: AnyVisitor,
    nonce: Annotated[str, Form(max_length=40)],
    signature: Annotated[str, Form(max_length=FILE_BYTES_MAX)] = "",
    file: UploadFile | None = None,
    then: NextField = "/",
) -> Response:
    """Sign in with a signature under the text that this browser was given."""
    sign_in = _service(request).sign_in
    browser = sign_in.browser(request)
    if browser is None:
        raise SignInRefused("This browser was given no text to sign, or keeps no cookies.", code="NONCE_INVALID")
    given = signature.strip() or (file.file.read(FILE_BYTES_MAX + 1).decode("ascii", "replace") if file else "").strip()
    if not re.fullmatch(r"0x(?:[0-9a-fA-F]{2})+", given, re.ASCII) or len(given) > FILE_BYTES_MAX:
        raise Malformed("A signature is 0x and hex digits.", code="SIGNATURE_MALFORMED")
    return _signed_in(sign_in, request, sign_in.challenges.check_nonce(browser, nonce, bytes.fromhex(given[2:])), then)


@router.post("/sign-out")
def sign_out(request: Request, visitor: SignedInOrRenewed) -> Response:
    """End this session."""
    sign_in = _service(request).sign_in
    is_by_provider = False
    if visitor.session is not None:
        sign_in.sessions.end(visitor.session.id, visitor.session.account)
        is_by_provider = visitor.session.method == Way.OIDC
    answer = RedirectResponse(f"/sign-in?out={OUT_HERE if is_by_provider else OUT}", 303)  # 3
    sign_in.forget_session(answer)
    return answer


@router.get("/sign-in/oidc/{provider}", dependencies=SIGN_IN)
def to_provider(request: Request, visitor: AnyVisitor, provider: Name, then: Next = "/") -> Response:
    """Lead the browser to a provider."""
    sign_in = _service(request).sign_in
    browser = sign_in.browser(request) or sign_in.new_browser()
    answer = RedirectResponse(sign_in.oidc.begin(provider, browser, own_path(then)), 303)
    sign_in.keep_browser(answer, browser)
    return answer


@router.get("/sign-in/oidc/{provider}/callback", dependencies=SIGN_IN)
def from_provider(request: Request, visitor: AnyVisitor, provider: Name) -> Response:
    """Where a provider leads the browser back to."""
    sign_in = _service(request).sign_in
    proof, then = sign_in.oidc.finish(provider, sign_in.browser(request) or "", request.query_params.multi_items())
    return _signed_in(sign_in, request, proof, then)


@router.get("/account")
def account_page(request: Request, visitor: SignedIn) -> Response:
    """Sessions and hardware keys of whoever is signed in."""
    service = _service(request)
    account = visitor.account
    if account is None:
        raise NotFound("Nobody is signed in.")
    return service.pages.page(
        request,
        "account.html",
        sessions=service.sign_in.sessions.of_account(account),
        keys=service.sign_in.passkeys.of(account),
    )


@router.post("/account/sessions/end")
def end_sessions(
    request: Request, visitor: SignedIn, id: Annotated[str, Form(pattern="^([0-9a-f]{32})?$")] = ""
) -> Response:
    """End one session of the account, or all where none is named."""
    sessions = _service(request).sign_in.sessions
    if visitor.account is not None:
        if id:
            sessions.end(id, visitor.account)
        else:
            sessions.end_all(visitor.account)
    return RedirectResponse("/account", 303)


def _ways(
    request: Request,
    then: str,
    errors: Sequence[tuple[str, Sentence]] = (),
    account: str = "",
    identity: str = "",
    out: str = "",
) -> Response:
    service = _service(request)
    providers = [each.config for each in service.sign_in.oidc.providers.values()]
    return service.pages.page(
        request,
        "sign_in.html",
        HTTPStatus.BAD_REQUEST if errors else HTTPStatus.OK,
        then=own_path(then),
        providers=providers,
        issued=None,
        out=out,
        errors=errors,
        given={"account": account, "identity": identity},
    )


def _signed_in(sign_in: SignIn, request: Request, proof: Proof, then: str) -> Response:
    """A new session in place of whatever the browser had."""
    before = request.cookies.get(sign_in.session_cookie)
    secret, _ = sign_in.sessions.open(proof, by_token=False, instead_of=before)
    answer = RedirectResponse(own_path(then), 303)
    sign_in.keep_session(answer, secret)
    return answer


def _account(text: str) -> Address | None:
    try:
        return account_of(text)
    except ValueError:
        return None


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service
