"""Documents of studies: hand one in, read one, see what is missing.

1. Every member reads; whoever acts here hands in (``ACTING``). A document is taken for its hash, not for who brings it.
2. Bytes are read only from whoever passed the gate, and no more of them than the kind may have.
3. What is read is an attachment of a type that follows from its kind: no page of this origin is made of it.
4. A hash that is in a block which this service has not read yet is waited for, a few seconds at most.
5. One member's documents fill neither memory nor threads (``documents.turns``).
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from belmont.registry.types import Address
from belmont.service.api import routing
from belmont.service.api.values import AccountText, Answer, Hash, Moment, Whole
from belmont.service.documents.documents import Document, Listed
from belmont.service.documents.kinds import FORMS, MOST_BYTES, Kind, refuse_large
from belmont.service.errors import Conflict, Malformed, NotFound
from belmont.service.service import Service

router: APIRouter = routing.router("documents")
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="Of the document's bytes, in hexadecimal.")]
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


class DocumentOut(Answer):
    """A document that is here."""

    sha256: str
    """Without 0x, as it stands in the document's address."""
    size: int
    """Bytes."""
    media_type: str
    handed_in_by: AccountText
    handed_in_at: Moment

    @classmethod
    def of(cls, document: Document) -> "DocumentOut":
        return cls(
            sha256=document.sha256.hex(),
            size=document.size,
            media_type=document.media_type,
            handed_in_by=document.handed_in_by,
            handed_in_at=document.handed_in_at,
        )


class ListedOut(Answer):
    """A document that there should be."""

    kind: Kind
    hash: Hash | None
    """On chain; null where the chain has none."""
    said_in: str
    actor: AccountText
    at: Moment
    document: DocumentOut | None
    """Null: it is missing."""

    @classmethod
    def of(cls, listed: Listed) -> "ListedOut":
        return cls(
            kind=listed.kind,
            hash=listed.hash,
            said_in=listed.said_in,
            actor=listed.actor,
            at=listed.at,
            document=None if listed.document is None else DocumentOut.of(listed.document),
        )


class ListOut(Answer):
    """The documents of one study."""

    study: Whole
    documents: list[ListedOut]


@router.put("/studies/{number}/documents/{kind}", openapi_extra=BODY)
async def hand_in(
    service: routing.Here,
    visitor: routing.AnActor,
    number: routing.StudyNumber,
    kind: Kind,
    request: Request,
    response: Response,
) -> DocumentOut:
    """Hand in a document whose hash the chain has. 201 where it is new here."""
    by = routing.account_of(visitor)
    service.sign_in.limits.take("hand_in", by)  # 5
    async with service.turns.of(by):
        content = await body_of(request, FORMS[kind].most_bytes, lambda size: refuse_large(kind, size))
        try:
            document, is_new = await _taken(service, number, kind, content, by)
        except (NotFound, Conflict):
            await service.catch_up()  # 4: it may have been read since, so that nothing is waited for
            document, is_new = await _taken(service, number, kind, content, by)
    response.status_code = 201 if is_new else 200
    return DocumentOut.of(document)


async def _taken(service: Service, number: int, kind: Kind, content: bytes, by: Address) -> tuple[Document, bool]:
    async with service.turns.looking_at(len(content)):  # 5
        return await run_in_threadpool(service.documents.take, number, kind, content, by)


@router.get("/studies/{number}/documents")
def documents_of(service: routing.Here, visitor: routing.AMember, number: routing.StudyNumber) -> ListOut:
    """What there should be of a study, and what of it is here."""
    return ListOut(study=number, documents=[ListedOut.of(each) for each in service.documents.for_study(number)])


@router.get("/documents/{sha256}", response_class=Response, responses=CONTENT)
def content_of(service: routing.Here, visitor: routing.AMember, sha256: Sha256) -> Response:
    """The bytes of a document (3)."""
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
