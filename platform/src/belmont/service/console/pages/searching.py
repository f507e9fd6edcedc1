"""Search over everything that has a page: studies, permits, datasets, members, hashes by their first digits, events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response

from belmont.audit.errors import QueryError
from belmont.audit.search import EventQuery
from belmont.service.console.parts import Reading, a_router, names_of, service_of
from belmont.service.explain import Names, history
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Hash, Plain, Sentence, Thing

router = a_router()
MOST = 50
HASH_DIGITS_LEAST = 4


@dataclass(frozen=True)
class Hit:
    """One thing found."""

    says: Sentence


@router.get("/search")
def search(request: Request, visitor: Reading, q: Annotated[str, Query(max_length=100)] = "") -> Response:
    """What there is for some words."""
    service = service_of(request)
    text = q.strip()
    names = names_of(service.snapshot)
    hits = list(_hits(service.snapshot, names, text))[:MOST] if text else []
    events, total = [], 0
    if text:
        try:
            page = service.index.search(EventQuery(text=text, limit=10))
            events, total = [(each, history.sentence(each, names)) for each in page.events], page.total
        except QueryError:
            pass  # words that no event can hold
    return service.pages.page(request, "search.html", q=q, hits=hits, story=events, total=total)


def _hits(snapshot: Snapshot, names: Names, text: str) -> Iterator[Hit]:
    words = text.casefold().split()

    def fits(*texts: str) -> bool:
        whole = " ".join(texts).casefold()
        return all(word in whole for word in words)

    if text.isascii() and text.isdigit() and len(text) <= 18:
        number = int(text)
        if number in snapshot.studies:
            yield Hit(Sentence("{study}", study=names.study(number)))
        if number in snapshot.permits:
            yield Hit(Sentence("{permit}", permit=names.permit(number)))
    for member in snapshot.members.values():
        if fits(member.name, member.address, member.did):
            yield Hit(Sentence("member {member}", member=names.account(member.address)))
    for dataset in snapshot.datasets.values():
        if fits(dataset.name):
            yield Hit(Sentence("dataset {dataset}", dataset=names.dataset(dataset.id)))
    for study in snapshot.studies.values():
        if fits(study.terms.title):
            yield Hit(Sentence("{study}", study=names.study(study.id)))
    yield from _by_hash(snapshot, names, text)


def _by_hash(snapshot: Snapshot, names: Names, text: str) -> Iterator[Hit]:
    found = re.fullmatch(rf"(?:0x)?([0-9a-fA-F]{{{HASH_DIGITS_LEAST},64}})", text, re.ASCII)
    if found is None:
        return
    digits = found[1].lower()
    for dataset in snapshot.datasets.values():
        if dataset.id.hex().startswith(digits):
            yield Hit(Sentence("dataset {dataset}", dataset=names.dataset(dataset.id)))
    for study in snapshot.studies.values():
        for what, content in (
            (Sentence("protocol"), study.terms.protocol_hash),
            (Sentence("configuration"), study.terms.config_hash),
            (Sentence("code"), study.terms.code_hash),
        ):
            if content.hex().startswith(digits):
                yield Hit(
                    Sentence("{what} {hash} of {study}", what=what, hash=Hash(content), study=names.study(study.id))
                )
    for release in snapshot.releases:
        if release.model_hash.hex().startswith(digits):
            model = Thing(
                "model",
                f"{release.permit_id}/0x{release.model_hash.hex()}",
                Sentence("model {hash}", hash=Hash(release.model_hash)),
            )
            yield Hit(Sentence("{model} of permit {number}", model=model, number=Plain(release.permit_id)))
