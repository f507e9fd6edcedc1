"""Of which events members can have notice, and what a notice says: number, title and link, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from belmont.audit.events import IndexedEvent
from belmont.registry.types import ZERO_HASH
from belmont.service.console.rendering import shown
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Plain, Sentence, Value


class Kind(StrEnum):
    """What a member chooses from."""

    APPLICATION = "application"
    FREEZE = "freeze"
    REVOCATION = "revocation"
    CONDITIONS = "conditions"
    RELEASE = "release"


NAMES: Final = {
    Kind.APPLICATION: Sentence("a new application"),
    Kind.FREEZE: Sentence("a permit is frozen"),
    Kind.REVOCATION: Sentence("a permit is revoked"),
    Kind.CONDITIONS: Sentence("a vote sets conditions"),
    Kind.RELEASE: Sentence("a model is announced for release"),
}
_KINDS: Final = {
    "StudyProposed": Kind.APPLICATION,
    "PermitFrozen": Kind.FREEZE,
    "PermitRevoked": Kind.REVOCATION,
    "VoteCast": Kind.CONDITIONS,
    "ModelReleased": Kind.RELEASE,
}


@dataclass(frozen=True)
class Happened:
    """Something to give notice of."""

    kind: Kind
    number: int
    """Of the study, which is its permit's as well."""
    title: str
    """A stranger's text as pages show it: databases refuse some of what nobody sees."""
    path: str
    """The page where it is shown."""
    at: int


def of(event: IndexedEvent, snapshot: Snapshot) -> Happened | None:
    """What an event gives notice of; None for most."""
    kind = _KINDS.get(event.name)
    if kind is None or event.study is None:
        return None
    if kind is Kind.CONDITIONS and event.details.get("conditions_hash", ZERO_HASH) == ZERO_HASH:
        return None
    study = snapshot.studies.get(event.study)
    title = str(shown(study.terms.title if study else event.details.get("title", "")))
    path = f"/studies/{event.study}"
    if kind in (Kind.FREEZE, Kind.REVOCATION):
        path = f"/permits/{event.study}"
    elif kind is Kind.RELEASE:
        path = f"/releases/{event.study}/0x{event.details['model_hash'].hex()}"
    return Happened(kind, event.study, title, path, event.timestamp)


def sentence(kind: Kind, number: int, title: str) -> Sentence:
    """What a notice says."""
    said: dict[str, Value] = {"number": Plain(number), "title": title}
    match kind:
        case Kind.APPLICATION:
            return Sentence("New application: study {number}, “{title}”", **said)
        case Kind.FREEZE:
            return Sentence("Permit {number} is frozen: “{title}”", **said)
        case Kind.REVOCATION:
            return Sentence("Permit {number} is revoked: “{title}”", **said)
        case Kind.CONDITIONS:
            return Sentence("New conditions on study {number}, “{title}”", **said)
        case _:
            return Sentence("A model of permit {number} is announced for release: “{title}”", **said)
