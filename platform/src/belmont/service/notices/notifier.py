"""Sends notices, in a thread of its own: reads on as the index does, and tries what is due.

1. Whatever goes wrong with one notice is that notice's: it is tried again later, and keeps no other from being sent.
2. A receiver that did not take one is not asked for the rest that is due for it: those wait as if they had been
   refused. Otherwise one that is slow to answer would hold up everybody's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from belmont.audit.errors import AuditError
from belmont.audit.index import EventIndex
from belmont.service.errors import Problem, StateUnavailable
from belmont.service.notices import mail, webhook
from belmont.service.notices.choices import Channel, Choice, Choices
from belmont.service.notices.errors import DeliveryFailed
from belmont.service.notices.outbox import Notice, Outbox
from belmont.service.notices.settings import NoticesConfig
from belmont.service.state.snapshot import Snapshot
from belmont.service.store.database import Store

LOOK_SECONDS: Final = 5.0
CLEAN_SECONDS: Final = 3_600.0
log = logging.getLogger(__name__)


class Notifier:
    """Of one service."""

    def __init__(
        self,
        config: NoticesConfig,
        public_url: str,
        store: Store,
        index: EventIndex,
        snapshot: Callable[[], Snapshot],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config, self._public_url, self._snapshot, self._clock = config, public_url, snapshot, clock
        self.choices = Choices(store)
        self.outbox = Outbox(store, index, clock)
        self._wake, self._ended, self._dropped = threading.Event(), threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def told(self, dropped: bool = False) -> None:
        """The index went on; from any thread."""
        self._dropped |= dropped
        self._wake.set()

    def stop(self) -> None:
        """End, after what is being sent."""
        self._ended.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * mail.TIMEOUT_SECONDS)

    def step(self) -> int:
        """Read on, and send what is due; how many were sent. Raises Problem, AuditError, StateUnavailable."""
        dropped, self._dropped = self._dropped, False
        try:
            self.outbox.read_on(self._snapshot(), dropped)
        except BaseException:
            self._dropped |= dropped
            raise
        away: set[tuple[Channel, str]] = set()
        return sum(self._tried(notice, choice, away) for notice, choice in self.outbox.due())

    def _tried(self, notice: Notice, choice: Choice | None, away: set[tuple[Channel, str]]) -> bool:
        if choice is None or self._snapshot().member(notice.account) is None:
            self.outbox.drop(notice, "its member chose otherwise, or is no member any more")
            return False
        receiver = choice.channel, choice.target
        try:
            if receiver in away:
                raise DeliveryFailed("the receiver did not take the one before")  # 2
            self._deliver(notice, choice)
        except Exception as error:  # 1
            if not isinstance(error, DeliveryFailed):
                log.exception("notice %s cannot be sent", notice.id)
                error = DeliveryFailed(f"{type(error).__name__}: it cannot be sent")
            away.add(receiver)
            if self.outbox.failed(notice, str(error)):
                log.error("notice %s was given up: %s", notice.id, error)
            elif notice.attempts == 0:  # an operator who is setting this up looks here
                log.warning("notice %s by %s is tried again later: %s", notice.id, notice.channel, error)
            return False
        self.outbox.sent(notice)
        return True

    def _deliver(self, notice: Notice, choice: Choice) -> None:
        if choice.channel is Channel.EMAIL:
            message = mail.composed(notice, choice.target, choice.language, self.config, self._public_url)
            mail.send(message, self.config)
        else:
            now = int(self._clock())
            webhook.send(notice, choice.target, choice.secret, self.config, self._public_url, now)

    def _run(self) -> None:
        cleaned = 0.0
        while not self._ended.is_set():
            self._wake.clear()
            try:
                self.step()
                if time.monotonic() - cleaned > CLEAN_SECONDS:
                    self.outbox.forget_old()
                    cleaned = time.monotonic()
            except StateUnavailable:
                pass  # the service has just started
            except (Problem, AuditError) as error:
                log.warning("notices wait: %s", error)
            except Exception:
                log.exception("notices: something is wrong here")
            self._wake.wait(LOOK_SECONDS)
