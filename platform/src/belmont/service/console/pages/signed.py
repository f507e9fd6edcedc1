"""Handing in what was signed, by a browser wallet or as a file; and the message that is not signed yet, as a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import Response

from belmont.identity.errors import IdentityError
from belmont.identity.signed_message import FILE_BYTES_MAX, KEY_SIGNATURE_BYTES, SignedMessage
from belmont.registry.errors import RegistryError
from belmont.service.access.limits import limited
from belmont.service.console.addresses import local
from belmont.service.console.parts import Acting, names_of, service_of
from belmont.service.console.saying import says
from belmont.service.console.signing import refusal, to_sign
from belmont.service.errors import Malformed, Problem

router = APIRouter()
Content = Annotated[str, Form(max_length=FILE_BYTES_MAX)]
Back = Annotated[str, Form(max_length=500)]
SIGNATURE = rf"^(0x[0-9a-f]{{{2 * KEY_SIGNATURE_BYTES}}})?$"


@router.post("/signed/unsigned.json")
def as_file(request: Request, visitor: Acting, message: Content) -> Response:
    """The message that is not signed yet, as ``belmont sign add`` takes it: read, and written anew."""
    unsigned = _read(message.encode())
    name = f"{type(unsigned.message).__name__.lower()}-unsigned.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(unsigned.to_json(), media_type="application/json", headers=headers)


@router.post("/signed", dependencies=[limited("relay")])
def hand_in(
    request: Request,
    visitor: Acting,
    message: Content = "",
    signature: Annotated[str, Form(pattern=SIGNATURE)] = "",
    file: UploadFile | None = None,
    back: Back = "/",
) -> Response:
    """Have the contract act on it."""
    service, back = service_of(request), local(back)
    unsigned = _read(message.encode()) if message else None
    try:
        content = _content(unsigned, signature, file)
        taken = service.relaying.submit(content, visitor)
    except (Problem, RegistryError) as error:
        told = refusal(request, error)
        if unsigned is None or told is None:
            raise
        problem, remedy, code = told
        status = error.status if isinstance(error, Problem) else 409
        request.state.refusal = code
        return to_sign(request, visitor, unsigned, back, problem, remedy, code, status)
    signed = _read(content)
    sentence = says(signed.message, names_of(service.snapshot))
    return service.pages.page(request, "acts/taken.html", taken=taken, says=sentence, back=back, signed=signed)


def _content(unsigned: SignedMessage | None, signature: str, file: UploadFile | None) -> bytes:
    """The signed message as its file. Raises Malformed."""
    if unsigned is not None and signature:
        return unsigned.with_signature(bytes.fromhex(signature[2:])).to_json().encode()
    content = file.file.read(FILE_BYTES_MAX + 1) if file is not None else b""
    if not content:
        raise Malformed(
            "Nothing was signed yet.", code="SIGNATURE_MISSING", remedy="Sign with a wallet, or hand in the signed file."
        )
    return content


def _read(content: bytes) -> SignedMessage:
    try:
        return SignedMessage.from_json(content)
    except IdentityError as error:
        raise Malformed(str(error), code="MESSAGE_MALFORMED") from error


