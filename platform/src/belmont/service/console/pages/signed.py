"""Handing in what was signed, by a browser wallet or as a file; and the message that is not signed yet, as a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, UploadFile
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from belmont.audit.events import IndexedEvent
from belmont.audit.search import EventQuery
from belmont.identity.errors import IdentityError
from belmont.identity.messages import Statement
from belmont.identity.signed_message import FILE_BYTES_MAX, KEY_SIGNATURE_BYTES, SignedMessage
from belmont.registry.errors import RegistryError
from belmont.registry.types import Address
from belmont.service.access.limits import limited
from belmont.service.api.relay import relayed
from belmont.service.console.addresses import local
from belmont.service.console.parts import Acting, a_router, names_of, service_of
from belmont.service.console.refusals import refusal
from belmont.service.console.saying import says
from belmont.service.console.signing import file_name, to_sign
from belmont.service.errors import Malformed, Problem, of_message
from belmont.service.service import Service

router = a_router()
Content = Annotated[str, Form(max_length=FILE_BYTES_MAX)]
Back = Annotated[str, Form(max_length=500)]
SIGNATURE = rf"^(0x[0-9a-f]{{{2 * KEY_SIGNATURE_BYTES}}})?$"
LOOKED_THROUGH = 20


@router.post("/signed/unsigned.json")
def as_file(request: Request, visitor: Acting, message: Content) -> Response:
    """The message that is not signed yet, as ``belmont sign add`` takes it: read, and written anew."""
    unsigned = _read(message.encode())
    headers = {"Content-Disposition": f'attachment; filename="{file_name(unsigned)}"'}
    return Response(unsigned.to_json(), media_type="application/json", headers=headers)


@router.post("/signed", dependencies=[limited("relay")])
async def hand_in(
    request: Request,
    visitor: Acting,
    message: Content = "",
    signature: Annotated[str, Form(pattern=SIGNATURE)] = "",
    file: UploadFile | None = None,
    back: Back = "/",
) -> Response:
    """Have the contract act on it, and say in which block it did."""
    service, back = service_of(request), local(back)
    unsigned = _read(message.encode()) if message else None
    try:
        content = await _content(unsigned, signature, file)
        signed = _read(content)
        taken = await run_in_threadpool(relayed, service, content, visitor)
    except (Problem, RegistryError) as error:
        told = refusal(error)
        if unsigned is None or told is None:
            raise
        request.state.refusal = told.code
        return await run_in_threadpool(to_sign, request, visitor, unsigned, back, told)
    await service.catch_up()
    event = await run_in_threadpool(_relayed_in, service, signed)
    return service.pages.page(
        request,
        "acts/taken.html",
        taken=taken,
        event=event,
        says=says(signed.message, names_of(service.snapshot)),
        back=back,
    )


def _relayed_in(service: Service, signed: SignedMessage) -> IndexedEvent | None:
    """The event in which the contract took a message; None while the index has not come to it."""
    actor = Address(signed.message.actor) if isinstance(signed.message, Statement) else None
    page = service.index.search(EventQuery(names=("MessageRelayed",), actor=actor, limit=LOOKED_THROUGH))
    return next((each for each in page.events if each.details.get("digest") == signed.digest), None)


async def _content(unsigned: SignedMessage | None, signature: str, file: UploadFile | None) -> bytes:
    """The signed message as its file. Raises Malformed."""
    if unsigned is not None and signature:
        return unsigned.with_signature(bytes.fromhex(signature[2:])).to_json().encode()
    content = await file.read(FILE_BYTES_MAX + 1) if file is not None else b""
    if not content:
        raise Malformed(
            "Nothing was signed yet.",
            code="SIGNATURE_MISSING",
            remedy="Sign with a wallet, or hand in the signed file.",
        )
    return content


def _read(content: bytes) -> SignedMessage:
    try:
        return SignedMessage.from_json(content)
    except IdentityError as error:
        raise of_message(error) from error
