"""Documents of studies: hand one in, read one, see what is missing.

1. Whoever is a member may do each of these. A document is taken for its hash, not for who brings it.
2. Bytes are read only from whoever passed the gate, and no more of them than the kind may have.
3. What is read is an attachment of a type that follows from its kind: no page of this origin is made of it.
4. A hash that is in a block which this service has not read yet is waited for, a few seconds at most.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from belmont.registry.types import Address
from belmont.service.access.gates import allow
from belmont.service.access.visitor import Visitor, Who
from belmont.service.api.routing import StrictRoute
from belmont.service.documents.documents import Document, Listed
from belmont.service.documents.kinds import FORMS, MOST_BYTES, Kind, refuse_large
from belmont.service.errors import Conflict, Malformed, NotFound
from belmont.service.service import Service

router = APIRouter(tags=["documents"], route_class=StrictRoute)
Number = Annotated[int, Path(ge=1, lt=2**63, description="Number of the study, which is its permit's as well.")]
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="Of the document's bytes, in hexadecimal.")]
Member = Annotated[Visitor, allow(Who.MEMBER)]
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The very bytes, as an attachment.",
        "content": {
            media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
            for media_type in sorted({form.media_type for form in FORMS.values()})
        },
    }
}


class DocumentOut(BaseModel):
    """A document that is here."""

    sha256: str
    size: int
    """Bytes."""
    media_type: str
    handed_in_by: str
    handed_in_at: datetime

    @classmethod
    def of(cls, document: Document) -> "DocumentOut":
        return cls(
            sha256=document.sha256.hex(),
            size=document.size,
            media_type=document.media_type,
            handed_in_by=document.handed_in_by,
            handed_in_at=datetime.fromtimestamp(document.handed_in_at, UTC),
        )


class ListedOut(BaseModel):
    """A document that there should be."""

    kind: Kind
    hash: str | None
    """On chain, with 0x; null where the chain has none."""
    said_in: str
    actor: str
    at: datetime
    document: DocumentOut | None
    """Null: it is missing."""

    @classmethod
    def of(cls, listed: Listed) -> "ListedOut":
        return cls(
            kind=listed.kind,
            hash=None if listed.hash is None else "0x" + listed.hash.hex(),
            said_in=listed.said_in,
            actor=listed.actor,
            at=datetime.fromtimestamp(listed.at, UTC),
            document=None if listed.document is None else DocumentOut.of(listed.document),
        )


class ListOut(BaseModel):
    """The documents of one study."""

    study: int
    documents: list[ListedOut]


@router.put("/api/v1/studies/{number}/documents/{kind}", openapi_extra=BODY)
async def hand_in(number: Number, kind: Kind, request: Request, response: Response, visitor: Member) -> DocumentOut:
    """Hand in a document whose hash the chain has. 201 where it is new here."""
    service: Service = request.app.state.service
    content = await body_of(request, FORMS[kind].most_bytes, lambda size: refuse_large(kind, size))
    by = account_of(visitor)
    try:
        document, is_new = await run_in_threadpool(service.documents.take, number, kind, content, by)
    except (NotFound, Conflict):
        if not await service.catch_up():  # 4
            raise
        document, is_new = await run_in_threadpool(service.documents.take, number, kind, content, by)
    response.status_code = 201 if is_new else 200
    return DocumentOut.of(document)


@router.get("/api/v1/studies/{number}/documents")
def documents_of(number: Number, request: Request, visitor: Member) -> ListOut:
    """What there should be of a study, and what of it is here."""
    service: Service = request.app.state.service
    return ListOut(study=number, documents=[ListedOut.of(each) for each in service.documents.for_study(number)])


@router.get("/api/v1/documents/{sha256}", response_class=Response, responses=CONTENT)
def content_of(sha256: Sha256, request: Request, visitor: Member) -> Response:
    """The bytes of a document (3)."""
    service: Service = request.app.state.service
    document, content = service.documents.read(bytes.fromhex(sha256))
    headers = {
        "Content-Disposition": f'attachment; filename="{document.file_name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, headers=headers, media_type=document.media_type)


async def body_of(request: Request, most: int, refuse: Any) -> bytes:
    """A request's bytes, of which no more than so many are read (2)."""
    length = request.headers.get("content-length", "0")
    refuse(int(length) if length.isdecimal() and len(length) < 20 else MOST_BYTES + 1)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            refuse(len(content))
    if not content:
        raise Malformed("There is nothing in this request.", code="EMPTY")
    return bytes(content)


def account_of(visitor: Visitor) -> Address:
    """Who a visitor is that passed a gate for members."""
    if visitor.account is None:
        raise Malformed("Nobody is signed in.")
    return visitor.account
