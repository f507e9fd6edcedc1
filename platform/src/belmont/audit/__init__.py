"""The event index: the audit trail in a database, searchable, kept up with the chain (docs/event_index.md)."""

from belmont.audit.events import Advance, IndexedEvent, IndexedHead, Position
from belmont.audit.follower import Follower
from belmont.audit.index import EventIndex
from belmont.audit.search import EventPage, EventQuery

__all__ = [
    "Advance",
    "EventIndex",
    "EventPage",
    "EventQuery",
    "Follower",
    "IndexedEvent",
    "IndexedHead",
    "Position",
]
