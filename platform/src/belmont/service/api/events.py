"""Events: the consortium's audit trail, searched through the index, and as a stream."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Header, Query
from pydantic import TypeAdapter
from starlette.responses import Response

from belmont.audit.errors import QueryError
from belmont.audit.events import IndexedEvent
from belmont.audit.search import EventQuery
from belmont.registry.types import Address
from belmont.service.api import lists, routing
from belmont.service.api.streams import EventStream, Place
from belmont.service.api.values import EXACT_MOST, AccountText, Answer, Bytes, Hash, Moment, Whole, Word, jsonable
from belmont.service.errors import Malformed, NotSignedIn

router = routing.router("events")
_PLACE: Final = r"^(0|[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,9})(-[0-9a-f]{8})?$"

_STREAMED: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string", "enum": ["message", "reset"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer", "minimum": 0},
    },
}


class Event(Answer):
    """One event of one contract."""

    position: str
    """Block, and place in its log: `123.4`."""
    at: Moment
    transaction: Bytes
    contract: str
    name: str
    actor: AccountText
    """Who acted, by sending or by a signature that somebody relayed."""
    study: Whole | None
    """The study or permit that it names: they share their number."""
    dataset: Hash | None
    details: dict[str, Any]
    """The event's other fields as they were logged: times are Unix seconds here."""


class Events(lists.Page[Event]):
    """Events, newest first unless asked otherwise."""


_EVENT: Final = TypeAdapter(Event)


def event_of(found: IndexedEvent) -> Event:
    """An event of the index, as the API has it."""
    return Event(
        position=str(found.position),
        at=found.timestamp,
        transaction=found.transaction,
        contract=found.contract,
        name=found.name,
        actor=found.actor,
        study=found.study,
        dataset=found.dataset,
        details=jsonable(found.details),
    )


def event_json(found: IndexedEvent) -> dict[str, Any]:
    """The same as plain JSON."""
    content: dict[str, Any] = _EVENT.dump_python(event_of(found), mode="json")
    return content


@router.get("/events")
def search_events(
    service: routing.Here,
    visitor: routing.AMember,
    snapshot: routing.Tagged,
    text: Annotated[str, Query(max_length=200, description="Words that all have to be in it.")] = "",
    contract: Annotated[Word | None, Query(description="Of this contract, such as `Permits`.")] = None,
    name: Annotated[Word | None, Query(description="With this name, such as `PermitIssued`.")] = None,
    actor: Annotated[AccountText | None, Query(description="By this account.")] = None,
    study: Annotated[int | None, Query(ge=1, le=EXACT_MOST, description="Of this study and its permit.")] = None,
    dataset: Annotated[Hash | None, Query(description="Of this dataset.")] = None,
    since: lists.Second = None,
    until: lists.Second = None,
    ascending: Annotated[bool, Query(description="Oldest first.")] = False,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> Events:
    """Search the audit trail. `since` is included, `until` is not."""
    query = asked(
        text=text,
        contract=contract,
        names=(name,) if name else (),
        actor=Address(actor) if actor else None,
        study=study,
        dataset=dataset,
        since=since,
        until=until,
        ascending=ascending,
        before=lists.position(after),
        limit=limit,
    )
    page = service.index.search(query)
    items = [event_of(each) for each in page.events]
    return Events(items=items, total=page.total, next=lists.next_of(page))


def asked(**fields: Any) -> EventQuery:
    """A query of the index. Raises Malformed for what no event can have."""
    try:
        return EventQuery(**fields)
    except QueryError as error:
        raise Malformed(str(error), code="QUERY_MALFORMED") from error


@router.get(
    "/events/stream",
    response_class=Response,
    responses={
        200: {
            "description": "Events as they come, each as `Event` in `data`. An event `reset` says that blocks were "
            "dropped from the chain: read `/api/v1/events` again, up to the position it names in `after`.",
            "content": {"text/event-stream": {"schema": _STREAMED}},
        }
    },
)
async def stream_events(
    service: routing.Here,
    visitor: routing.AMember,
    last_event_id: Annotated[
        str | None,
        Header(max_length=48, pattern=_PLACE, description="Where the listener was: the `id` of the last event heard."),
    ] = None,
    after: Annotated[
        str | None,
        Query(
            max_length=48,
            pattern=_PLACE,
            description="The same, for who cannot send the header. `0.0`: from the start.",
        ),
    ] = None,
    study: Annotated[int | None, Query(ge=1, le=EXACT_MOST, description="Of this study and its permit alone.")] = None,
    dataset: Annotated[Hash | None, Query(description="Of this dataset alone.")] = None,
) -> Response:
    """Listen to events as they come (`text/event-stream`); without a place to go on from, to those from now on."""
    session = visitor.session
    if session is None:
        raise NotSignedIn("This is for members who are signed in.")
    return EventStream(
        service.streams,
        session,
        still_allowed=lambda: service.snapshot.member(session.account) is not None,
        wanted=_filter(study, dataset),
        as_json=event_json,
        place=_place(last_event_id or after),
    )


def _filter(study: int | None, dataset: bytes | None) -> Callable[[IndexedEvent], bool]:
    return lambda event: (study is None or event.study == study) and (dataset is None or event.dataset == dataset)


def _place(text: str | None) -> Place | None:
    if text is None:
        return None
    try:
        return Place.parse(text)
    except QueryError as error:
        raise Malformed("Last-Event-ID: is no event's id", code="PLACE_MALFORMED") from error
