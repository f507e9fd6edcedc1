"""The audit trail, searched: every event of every contract, in a sentence each."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from eth_utils.address import is_address, to_checksum_address
from fastapi import Query, Request
from fastapi.responses import Response

from belmont.audit.errors import QueryError
from belmont.audit.events import Position
from belmont.audit.search import EventPage, EventQuery
from belmont.registry.types import Address
from belmont.service.console.days import in_words, second_of
from belmont.service.console.parts import Filters, Reading, a_router, names_of, older_than, service_of
from belmont.service.console.signing import Errors
from belmont.service.explain import Names, history
from belmont.service.words import Plain, Sentence, Value

router = a_router()
PER_PAGE = 50
Text = Annotated[str, Query(max_length=200)]
KINDS = sorted({name for _, name in history.TELLERS})
CONTRACTS = sorted({contract for contract, _ in history.TELLERS})


@router.get("/events")
def events(
    request: Request,
    visitor: Reading,
    q: Text = "",
    contract: Text = "",
    name: Text = "",
    actor: Text = "",
    study: Text = "",
    dataset: Text = "",
    since: Text = "",
    until: Text = "",
    before: Text = "",
) -> Response:
    """One page of events, newest first. A filter that cannot be read is said, and then left out."""
    service = service_of(request)
    given = {
        "q": q, "contract": contract, "name": name, "actor": actor, "study": study, "dataset": dataset,
        "since": since, "until": until,
    }  # fmt: skip
    errors: Errors = []
    query = _query(given, before, errors)
    page = service.index.search(query) if query else EventPage((), 0, None)
    names = names_of(service.snapshot)
    kept = {key: value for key, value in given.items() if value}
    return service.pages.page(
        request,
        "events/list.html",
        422 if errors else 200,
        given=given,
        filters=_filters(query, names) if query else [],
        errors=errors,
        rows=[(each, history.sentence(each, names)) for each in page.events],
        total=page.total,
        older=f"/events?{urlencode(kept | {'before': str(page.next)})}" if page.next else None,
        newest=f"/events?{urlencode(kept)}" if before else None,
        kinds=KINDS,
        contracts=CONTRACTS,
        snapshot=service.snapshot,
    )


def _filters(query: EventQuery, names: Names) -> Filters:
    """Those that could be read."""
    found: list[tuple[Sentence, Value]] = [
        (Sentence("Words"), query.text),
        (Sentence("Kind"), ", ".join(query.names)),
        (Sentence("Contract"), query.contract),
        (Sentence("Done by"), names.account(query.actor) if query.actor else None),
        (Sentence("Study or permit"), Plain(query.study) if query.study is not None else None),
        (Sentence("Dataset"), names.dataset(query.dataset) if query.dataset else None),
    ]
    given = [(name, value) for name, value in found if value]
    return [*given, *in_words(query.since, query.until), *older_than(query.before)]


def _query(given: dict[str, str], before: str, errors: Errors) -> EventQuery | None:
    try:
        return EventQuery(
            text=given["q"],
            contract=given["contract"] or None,
            names=(given["name"],) if given["name"] else (),
            actor=_account(given["actor"], errors),
            study=_number(given["study"], errors),
            dataset=_dataset(given["dataset"], errors),
            since=second_of(given["since"], "since", errors),
            until=second_of(given["until"], "until", errors, end=True),
            before=Position.parse(before) if before else None,
            limit=PER_PAGE,
        )
    except QueryError:
        errors.append(("q", Sentence("This search cannot be made; use fewer and shorter words.")))
        return None


def _account(text: str, errors: Errors) -> Address | None:
    if text and not is_address(text):
        errors.append(("actor", Sentence("An account is 0x and 40 hexadecimal digits.")))
        return None
    return Address(to_checksum_address(text)) if text else None


def _number(text: str, errors: Errors) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
        errors.append(("study", Sentence("A study has a number.")))
        return None
    return int(text) if text else None


def _dataset(text: str, errors: Errors) -> bytes | None:
    try:
        content = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        content = b""
    if text and len(content) != 32:
        errors.append(("dataset", Sentence("A dataset is 0x and 64 hexadecimal digits.")))
        return None
    return content if text else None
