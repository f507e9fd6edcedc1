"""What is dear to make of a document, and never changes, since the document is known by its hash: made once.

A protocol or a bundle is a stranger's, and may be written so that to show it takes seconds. One is made at a time, so
that whoever opens its page often takes these seconds once and no more of the machine.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """The last ``most`` that were asked for. Safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, Any] = OrderedDict()

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` made for this key; what it raises is raised, and made anew the next time."""
        with self._lock:
            if key not in self._found:
                self._found[key] = make()
                if len(self._found) > self._most:
                    self._found.popitem(last=False)
            self._found.move_to_end(key)
            found: T = self._found[key]
            return found
