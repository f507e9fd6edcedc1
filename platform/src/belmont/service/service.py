"""The parts of one running service, put together: what every endpoint and page works with.

1. The follower reads the chain into the index, the keeper renews the snapshot, the feed wakes who listens: in this
   order, so that whoever is told of an event finds what it changed.
2. The service has no key of a member. What it relays is sent by an account that is made for one message and forgotten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from belmont.audit.events import Advance
from belmont.audit.follower import Follower
from belmont.audit.index import EventIndex
from belmont.audit.search import LIMIT_MAX, EventQuery
from belmont.ehr.dictionary import Dictionary
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.types import Address, DatasetId
from belmont.service.access.trail import Trail
from belmont.service.access.visitor import SessionView, Visitor
from belmont.service.api.kept import KeptAnswers
from belmont.service.api.streams import Streams
from belmont.service.config import ServiceConfig
from belmont.service.documents.documents import Documents
from belmont.service.documents.turns import Turns
from belmont.service.metrics import Metrics
from belmont.service.notices.notifier import Notifier
from belmont.service.patient.chain_side import ChainSide
from belmont.service.patient.desk import Desk
from belmont.service.patient.reads import Reads
from belmont.service.relaying import Relaying
from belmont.service.sign_in.parts import SignIn
from belmont.service.state.feed import Feed
from belmont.service.state.keeper import Keeper
from belmont.service.state.progress import Progress
from belmont.service.state.snapshot import Snapshot
from belmont.service.store.database import Store

CATCH_UP_SECONDS = 5.0
CATCH_UP_LOOK_SECONDS = 0.25

if TYPE_CHECKING:
    from belmont.service.console.rendering import Pages


class Service:
    """One institution's service."""

    def __init__(self, config: ServiceConfig, registry: ChainRegistry, index: EventIndex) -> None:
        from belmont.service.console.rendering import Pages

        self.config = config
        self.registry = registry
        self.index = index
        self.dictionaries = {each.hash: each for each in (Dictionary.builtin(), *config.dictionaries)}
        self.store = Store(index.engine)
        self.sign_in = SignIn(config, self.store, registry)
        self.sessions = self.sign_in.sessions
        self.trail = Trail(self.store, config.trail_days)
        self.keeper = Keeper(registry)
        self.documents = Documents(self.store, registry, index, lambda: self.snapshot)
        self.turns = Turns()
        self.reads = Reads()
        self.relaying = Relaying(registry, (self.sign_in.passkeys.step,))
        self.feed = Feed()
        self.notices = Notifier(config.notices, config.public_url, self.store, index, lambda: self.snapshot)
        self.follower = Follower(index, self._advanced)
        self.desk = Desk(config.hospitals, ChainSide(index))
        self.pages: Pages = Pages(config)
        self.progress = Progress(index, lambda: self.feed.turn)
        self.streams = Streams(index, self.feed, self.sessions, config.streams)
        self.kept = KeptAnswers()
        self.metrics = Metrics()
        self.metrics.watch(self)
        self._told: Advance | None = None
        self._looking, self._looks = asyncio.Lock(), 0

    @property
    def snapshot(self) -> Snapshot:
        """What the chain says. Raises StateUnavailable before it was read."""
        return self.keeper.snapshot

    def dictionary_of(self, datasets: Iterable[DatasetId]) -> Dictionary | None:
        """The data dictionary that all of these datasets name; None where they name several, or it is not here."""
        known = self.snapshot.datasets
        named = {known[each].dictionary_hash for each in datasets if each in known}
        return self.dictionaries.get(named.pop()) if len(named) == 1 else None

    @property
    def cookie_name(self) -> str:
        """Of a session's cookie."""
        return self.sign_in.session_cookie

    async def visitor(self, session: SessionView | None) -> Visitor:
        """Who a session is, by the chain of now."""
        if session is None:
            return Visitor()
        member = self.snapshot.member(session.account)
        datasets: tuple[DatasetId, ...] = ()
        if self.config.hospitals:
            datasets = await run_in_threadpool(self.datasets_as_patient, session.account)
        return Visitor(session, member, datasets)

    def datasets_as_patient(self, account: Address) -> tuple[DatasetId, ...]:
        """The datasets of this service's hospitals for which an account is enrolled."""
        return self.desk.datasets_of(account)

    async def catch_up(self) -> None:
        """Wait until the chain's newest block is read here, or for ``CATCH_UP_SECONDS``. Raises RegistryError.

        Together with all who ask meanwhile: each waits for one look at the chain that began after it asked.
        """
        wanted = self._looks + 1
        async with self._looking:
            if self._looks < wanted:
                self._looks += 1
                await self._look()

    async def _look(self) -> None:
        wanted = (await run_in_threadpool(self.registry.head)).number
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while not await run_in_threadpool(self._has_read, wanted) and time.monotonic() < deadline:
            await self.feed.wait(CATCH_UP_LOOK_SECONDS)

    def _has_read(self, block: int) -> bool:
        head = self.index.head
        return head is not None and head.number >= block and self.snapshot.head.number >= block

    def start(self) -> None:
        """Read the chain, as far as it answers, and follow it from then on."""
        self.feed.bind()
        self.follower.start()
        self.notices.start()

    def stop(self) -> None:
        """End what runs, and write what waits."""
        self.feed.close()
        self.follower.stop()
        self.notices.stop()
        self.trail.close()
        self.desk.close()
        self.index.close()

    def _advanced(self, advance: Advance) -> None:
        """The index went on (1). Raises RegistryError where the records cannot be read: the follower tries again."""
        if advance.dropped and advance is not self._told:
            self.feed.forget()
        self._told = advance
        self.sign_in.owners.told(advance)
        self.keeper.told(advance)
        if self.feed.is_empty:
            self.feed.put(reversed(self.index.search(EventQuery(limit=LIMIT_MAX)).events))
        self.feed.put(advance.added)
        self.notices.told(bool(advance.dropped))
