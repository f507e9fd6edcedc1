"""The registry's events as the chain logged them, in ranges of blocks.

1. What is asked for is answered in one round trip where the chain's server does that. A server refuses ranges with too
   many events or too many blocks: then the range is halved, as often as it takes.
2. Events come in the chain's order: by block, and by their place in the block's log.
3. An event that its contract does not declare is not left out; reading ends there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from belmont.registry.chain_port import ChainPort, Log
from belmont.registry.contract_set import NAMES, contract
from belmont.registry.errors import RangeRefused
from belmont.registry.types import Address, AuditEvent
from belmont.registry.view_calls import readable

BLOCKS_AT_FIRST: Final = 4_096
BLOCKS_MOST: Final = 131_072
EVENTS_FEW: Final = 1_000
"""After a range with fewer events, the next one is twice as long."""


@dataclass(frozen=True)
class LoggedEvent:
    """An event of the audit trail, and where it is logged."""

    event: AuditEvent
    log: int
    """Place in the log of its block."""
    block_hash: bytes


@dataclass(frozen=True)
class LoggedRange:
    """All events of the blocks from ``first`` to ``last``, both included."""

    first: int
    last: int
    events: tuple[LoggedEvent, ...]


class EventLog:
    """Events of one consortium's contracts."""

    def __init__(self, chain: ChainPort, addresses: Mapping[str, Address]) -> None:
        """``addresses`` are those of a verified consortium."""
        self._chain = chain
        self._addresses = dict(addresses)
        self.names = {address: name for name, address in addresses.items()}
        """The contracts' names by their addresses."""

    def events(self, names: Sequence[str] = NAMES, events: Sequence[str] = (), first: int = 0) -> list[LoggedEvent]:
        """Events of the contracts ``names`` from a block on; only ``events`` where given, all of one contract."""
        addresses, topics = self._asked(names, events)
        try:
            return self._logged(self._chain.logs(addresses, topics, first))
        except RangeRefused:
            ranges = self._ranges(addresses, topics, first, self._chain.head().number)
            return [each for found in ranges for each in found.events]

    def ranges(self, first: int, last: int) -> Iterator[LoggedRange]:
        """All events from block ``first`` to block ``last``, a range of blocks at a time: bounded memory."""
        return self._ranges(*self._asked(NAMES, ()), first, last)

    def _asked(self, names: Sequence[str], events: Sequence[str]) -> tuple[list[Address], list[bytes]]:
        topics = [contract(name).interface.events[event].topic for name in names for event in events]
        return [self._addresses[name] for name in names], topics

    def _ranges(
        self, addresses: Sequence[Address], topics: Sequence[bytes], first: int, last: int
    ) -> Iterator[LoggedRange]:
        blocks = BLOCKS_AT_FIRST
        while first <= last:
            end = min(first + blocks - 1, last)
            try:
                found = self._logged(self._chain.logs(addresses, topics, first, end))
            except RangeRefused:
                if end == first:
                    raise
                blocks = (end - first + 1) // 2
                continue
            yield LoggedRange(first, end, tuple(found))
            first = end + 1
            if len(found) < EVENTS_FEW:
                blocks = min(2 * blocks, BLOCKS_MOST)

    def _logged(self, logs: Sequence[Log]) -> list[LoggedEvent]:
        with readable():
            return [LoggedEvent(event, log.index, log.block_hash) for log in logs if (event := self._decoded(log))]

    def _decoded(self, log: Log) -> AuditEvent | None:
        name = self.names[log.address]
        # Whoever had a proxy point to other code did so through Rules, whose events say who and why.
        if contract("Proxy").interface.decode_event(log.topics, log.data):
            return None
        decoded = contract(name).interface.decode_event(log.topics, log.data)
        if decoded is None:
            raise ValueError(f"{name} emitted an event that it does not declare")
        event, details = decoded
        # ERC-1056 has no field for who acted: the identity itself, or who speaks for it.
        actor = details.pop("actor") if "actor" in details else details["identity"]
        return AuditEvent(log.block, log.timestamp, log.transaction, name, event, actor, details)
