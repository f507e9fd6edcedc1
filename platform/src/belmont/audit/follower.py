"""A thread that keeps an index up with the chain, and tells what is new.

1. It looks for new blocks when the chain says that there is one; every second where the chain does not say.
2. While the chain or the database does not answer, it tries again after pauses that grow to half a minute.
3. What is new is told before anything newer is read. If whoever is told fails, the same is told again: nothing is left
   out, and ``state`` says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from belmont.audit.errors import AuditError
from belmont.audit.events import Advance, IndexedHead
from belmont.audit.index import EventIndex
from belmont.registry.errors import RegistryError, RegistryUnreachable

FIRST_PAUSE_SECONDS: Final = 0.5
PAUSE_SECONDS_MAX: Final = 30.0
STOP_SECONDS: Final = 20.0

log = logging.getLogger("belmont.audit")


class Follower:
    """``start`` it once, ``stop`` it once. ``told`` is called in its thread, one advance at a time."""

    def __init__(self, index: EventIndex, told: Callable[[Advance], None]) -> None:
        self._index = index
        self._tell = told
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-index", daemon=True)
        self._state = "behind"
        self._watch = index.registry.chain.watch()
        self._untold: Advance | None = None
        self._last_told: IndexedHead | None = None

    @property
    def state(self) -> str:
        """``following``, ``behind``, ``unreachable``, or ``refused: `` and why."""
        return self._state

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when nothing is read or told any more (at once where it is called by whoever is told)."""
        self._stopped.set()
        self._watch.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopped.is_set():
            state = self._go_on()
            if state != self._state:
                log.log(logging.INFO if state in ("following", "behind") else logging.WARNING, "event index: %s", state)
                self._state = state
            if state == "behind":
                continue
            if state == "following":
                pause = FIRST_PAUSE_SECONDS
                self._watch.wait()
            else:
                self._stopped.wait(pause)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _go_on(self) -> str:
        """Read on and tell what is new; the state after that."""
        try:
            if self._untold is None:
                self._untold = self._index.catch_up()
            advance = self._untold
            if advance.added or advance.dropped or advance.head != self._last_told:
                self._tell(advance)
            self._untold, self._last_told = None, advance.head
        except RegistryUnreachable:
            return "unreachable"
        except (AuditError, RegistryError) as error:
            return f"refused: {error}"
        except Exception as error:
            log.exception("event index: what is new could not be told")
            return f"refused: {type(error).__name__} in whoever is told"
        return "behind" if advance.behind else "following"
