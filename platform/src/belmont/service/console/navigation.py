"""What is in the menu, for whom."""

from dataclasses import dataclass, replace

from belmont.registry.types import Role
from belmont.service.access.visitor import OVERSIGHT, Visitor
from belmont.service.words import Sentence


@dataclass(frozen=True)
class Entry:
    """One link of the menu."""

    path: str
    name: Sentence


@dataclass(frozen=True)
class Section:
    """Links under one name; the first ones have none."""

    name: Sentence | None
    entries: tuple[Entry, ...]


_FOR_MEMBERS = (
    Section(None, (Entry("/", Sentence("What waits for me")),)),
    Section(
        Sentence("Research"),
        (
            Entry("/studies", Sentence("Applications")),
            Entry("/permits", Sentence("Permits")),
            Entry("/releases", Sentence("Releases of models")),
        ),
    ),
    Section(
        Sentence("Data"),
        (Entry("/datasets", Sentence("Datasets")), Entry("/consents", Sentence("Consents"))),
    ),
    Section(
        Sentence("Consortium"),
        (
            Entry("/members", Sentence("Members")),
            Entry("/proposals", Sentence("Proposals")),
            Entry("/rules", Sentence("Rules and pause")),
        ),
    ),
    Section(
        Sentence("Oversight"),
        (
            Entry("/uses", Sentence("What left hospitals")),
            Entry("/alerts", Sentence("Alerts")),
            Entry("/events", Sentence("Events")),
            Entry("/accesses", Sentence("Accesses")),
        ),
    ),
)
_TO_LOOK_AT = Section(None, (Entry("/", Sentence("What to look at")),))
"""For who decides nothing here."""
_PATIENT = Section(Sentence("My data"), (Entry("/patient", Sentence("My records and consents")),))
_SIGNED_IN = Section(None, (Entry("/settings", Sentence("Settings")), Entry("/about", Sentence("About this service"))))


def sections_for(visitor: Visitor) -> tuple[Section, ...]:
    """The menu of a visitor; empty for a stranger."""
    if visitor.session is None:
        return ()
    mine = (_PATIENT,) if visitor.datasets_as_patient else ()
    for_members: tuple[Section, ...] = _FOR_MEMBERS if visitor.member is not None else ()
    if visitor.roles == Role.AUDITOR:
        for_members = (_TO_LOOK_AT, *for_members[1:])
    if not visitor.is_one_of(OVERSIGHT):
        for_members = tuple(replace(each, entries=_without(each.entries, "/accesses")) for each in for_members)
    return (*for_members, *mine, _SIGNED_IN)


def _without(entries: tuple[Entry, ...], path: str) -> tuple[Entry, ...]:
    return tuple(each for each in entries if each.path != path)
