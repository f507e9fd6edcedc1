"""Ends the sessions of keys that were replaced, as the chain tells it.

A session was opened by whoever owned its identity then. When the owner changes (``DIDOwnerChanged``), by the person
herself or in her name after a theft, what the former key opened ends with the block. What could not be looked up stays
to be looked up; after a start, and when blocks were dropped, all are.
"""

from __future__ import annotations

import threading

from belmont.audit.events import Advance
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.types import Address
from belmont.service.store.sessions import Sessions


class OwnerWatch:
    """Told of each advance of the index, by the thread that follows the chain."""

    def __init__(self, sessions: Sessions, registry: ChainRegistry) -> None:
        self._sessions, self._registry = sessions, registry
        self._lock = threading.Lock()
        self._changed: set[Address] = set()
        self._all = True

    def told(self, advance: Advance) -> int:
        """Returns how many sessions ended. Raises ``RegistryError`` and ``Unavailable``; then it is done next time."""
        with self._lock:
            self._all |= bool(advance.dropped)
            self._changed |= {
                Address(each.details["identity"]) for each in advance.added if each.name == "DIDOwnerChanged"
            }
            if not self._all and not self._changed:
                return 0
            live = self._sessions.opened_by_keys()
            looked_up = live if self._all else self._changed & live
            ended = sum(self._sessions.end_replaced(each, self._registry.identities.owner(each)) for each in looked_up)
            self._all, self._changed = False, set()
            return ended
