"""Which blocks have logs, and of which addresses, without trusting an index.

Each block names the last one before it that has logs, under its checksum, so from the head all of them are found by
going back. What was walked once is kept, until it is too much.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from belmont.chain.reading import CheckedReads
from belmont.chain.rows import ADDRESS_BYTES, NO_BLOCK

if TYPE_CHECKING:
    from belmont.chain.engine import Head

KEPT_ADDRESSES_MAX: Final = 1_000_000


class LogBlocks:
    """The chain of blocks with logs. Used from many threads."""

    def __init__(self, store: CheckedReads) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._kept: dict[int, tuple[int, frozenset[bytes]]] = {}
        self._kept_addresses = 0

    def between(self, first: int, last: int, head: Head, addresses: frozenset[bytes]) -> list[int]:
        """Numbers from `first` to `last`, in order, of blocks with logs; of one of `addresses` when there are any."""
        if first > last:
            return []
        at = self._store.needed_block(last)
        number = head.last_logs if last == head.number else at.number if at.logs else at.logs_before
        found = []
        while number >= first and number != NO_BLOCK:
            before, emitters = self._read(number)
            if not addresses or not addresses.isdisjoint(emitters):
                found.append(number)
            if before >= number:
                raise self._store.damaged(f"block {number} says that block {before} comes before it")
            number = before
        return found[::-1]

    def _read(self, number: int) -> tuple[int, frozenset[bytes]]:
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        row = self._store.needed_block(number)
        if not row.logs:
            raise self._store.damaged(f"block {number} has lost its logs")
        all_of_them = row.emitters
        places = range(0, len(all_of_them), ADDRESS_BYTES)
        entry = row.logs_before, frozenset(all_of_them[place : place + ADDRESS_BYTES] for place in places)
        with self._guard:
            if self._kept_addresses > KEPT_ADDRESSES_MAX:
                self._kept.clear()
                self._kept_addresses = 0
            self._kept[number] = entry
            self._kept_addresses += 1 + len(entry[1])
        return entry
