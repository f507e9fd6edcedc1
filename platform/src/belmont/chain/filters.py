"""Logs by query, and the polled filters of JSON-RPC.

A filter not polled for five minutes is gone, as with geth; filters live in memory and end with the server.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import dataclass, replace
from typing import Any, Final

from belmont.chain import parameters as read
from belmont.chain.documents import Document, hex_bytes
from belmont.chain.engine import Engine
from belmont.chain.parameters import RpcError

LOGS_MAX: Final = 10_000
FILTERS_MAX: Final = 1_000
FILTER_IDLE_SECONDS: Final = 300.0
FILTER_VALUES_MAX: Final = 100_000
"""Addresses and topics of all filters together: they are kept in memory."""
LOG_BYTES_MAX: Final = 32 * 1024 * 1024
ALTERNATIVES_MAX: Final = 1_000


@dataclass(frozen=True)
class LogQuery:
    """Which logs: a block range (inclusive), addresses, and per position the topics that match; empty means any."""

    first: int
    last: int | None
    addresses: tuple[bytes, ...]
    topics: tuple[tuple[bytes, ...], ...]

    @classmethod
    def read(cls, value: Any, engine: Engine) -> LogQuery:
        """From the filter object of JSON-RPC. Raises `RpcError`."""
        if not isinstance(value, dict):
            raise read.invalid("invalid filter: expected an object")
        head = engine.head.number
        last: int | None
        if value.get("blockHash") is not None:
            if value.get("fromBlock") is not None or value.get("toBlock") is not None:
                raise read.invalid("cannot specify both blockHash and fromBlock/toBlock")
            key = read.data(value["blockHash"], "blockHash", 32)
            row = engine.store.block_by_hash(key)
            if row is None or row.number > head:
                raise RpcError(read.SERVER_ERROR, "unknown block")
            first, last = row.number, row.number
        else:
            begin, last = _bound(value.get("fromBlock"), head), _bound(value.get("toBlock"), head)
            first = head if begin is None else begin
            if last is not None and first > last:
                raise read.invalid("invalid block range: fromBlock is after toBlock")
        return cls(first, last, _addresses(value.get("address")), _topics(value.get("topics")))


def _bound(tag: Any, head: int) -> int | None:
    """A block number; None for the latest block, whatever it is when asked."""
    if tag is None or tag in read.LATEST_TAGS:
        return None
    return 0 if tag == "earliest" else min(read.quantity(tag, "block number"), 2**62)


def _addresses(value: Any) -> tuple[bytes, ...]:
    values = [] if value is None else value if isinstance(value, list) else [value]
    if len(values) > ALTERNATIVES_MAX:
        raise read.invalid(f"too many addresses: at most {ALTERNATIVES_MAX}")
    return tuple(read.address(entry) for entry in values)


def _topics(value: Any) -> tuple[tuple[bytes, ...], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > 4:
        raise read.invalid("invalid topics: expected a list of at most 4")
    topics = []
    for position in value:
        entries = [] if position is None else position if isinstance(position, list) else [position]
        if len(entries) > ALTERNATIVES_MAX:
            raise read.invalid(f"too many topics: at most {ALTERNATIVES_MAX} for one position")
        # a null among alternatives matches anything
        topics.append(() if None in entries else tuple(read.data(entry, "topic", 32) for entry in entries))
    return tuple(topics)


def find_logs(engine: Engine, query: LogQuery) -> list[Document]:
    """All matching logs in order; refuses answers of more than 10,000.

    No index of SQLite is asked, since one that has lost an entry would not say so: each block with logs names the one
    before it (`belmont.chain.log_blocks`), and a block's logs are compared with their number.
    """
    head = engine.head
    last = head.number if query.last is None else min(query.last, head.number)
    wanted = frozenset(query.addresses)
    found: list[Document] = []
    size = 0
    for number in engine.log_blocks.between(query.first, last, head, wanted):
        for log in engine.store.logs(engine.store.needed_block(number)):
            if (not wanted or log.address in wanted) and _topics_match(query.topics, log.topics):
                found.append(json.loads(log.document))
                size += len(log.document)
        if len(found) > LOGS_MAX:
            raise RpcError(read.LIMIT_EXCEEDED, f"query returned more than {LOGS_MAX} results: narrow the block range")
        if size > LOG_BYTES_MAX:
            raise RpcError(
                read.LIMIT_EXCEEDED, f"the logs take more than {LOG_BYTES_MAX} bytes: narrow the block range"
            )
    return found


def _topics_match(asked: tuple[tuple[bytes, ...], ...], topics: tuple[bytes, ...]) -> bool:
    """A position given as null asks for logs with at least that many topics."""
    return len(asked) <= len(topics) and all(
        not some or topic in some for some, topic in zip(asked, topics, strict=False)
    )


@dataclass
class _Filter:
    query: LogQuery | None
    next_block: int
    used: float
    blocks: bool = False

    @property
    def values(self) -> int:
        """How many addresses and topics it keeps."""
        query = self.query
        return 0 if query is None else len(query.addresses) + sum(len(topics) for topics in query.topics)


class Filters:
    """Installed filters, from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._filters: dict[str, _Filter] = {}
        self._guard = threading.Lock()

    def add_logs(self, value: Any) -> str:
        """Install a log filter; it reports logs of blocks after now."""
        return self._add(_Filter(LogQuery.read(value, self._engine), self._engine.head.number + 1, time.monotonic()))

    def add_blocks(self) -> str:
        """Install a filter that reports hashes of new blocks."""
        return self._add(_Filter(None, self._engine.head.number + 1, time.monotonic(), blocks=True))

    def add_pending(self) -> str:
        """Install a filter of pending transactions; there are none to see, it reports nothing."""
        return self._add(_Filter(None, 0, time.monotonic()))

    def remove(self, key: Any) -> bool:
        """Whether the filter was there."""
        with self._guard:
            return self._filters.pop(str(key), None) is not None

    def changes(self, key: Any) -> list[Any]:
        """What is new since the last poll."""
        with self._guard:
            entry = self._get(key)
            head = self._engine.head.number
            first, entry.next_block = entry.next_block, head + 1
        if first > head:
            return []
        if entry.blocks:
            return [hex_bytes(self._engine.store.needed_block(number).hash) for number in range(first, head + 1)]
        if entry.query is None:
            return []
        last = head if entry.query.last is None else min(entry.query.last, head)
        return find_logs(self._engine, replace(entry.query, first=max(first, entry.query.first), last=last))

    def logs(self, key: Any) -> list[Document]:
        """All logs of a log filter's query."""
        with self._guard:
            entry = self._get(key)
        if entry.query is None:
            raise read.invalid("filter not found")
        return find_logs(self._engine, entry.query)

    def _add(self, entry: _Filter) -> str:
        with self._guard:
            limit = time.monotonic() - FILTER_IDLE_SECONDS
            self._filters = {key: kept for key, kept in self._filters.items() if kept.used > limit}
            if len(self._filters) >= FILTERS_MAX:
                raise RpcError(read.LIMIT_EXCEEDED, f"too many filters: at most {FILTERS_MAX}; uninstall some")
            if entry.values + sum(kept.values for kept in self._filters.values()) > FILTER_VALUES_MAX:
                raise RpcError(read.LIMIT_EXCEEDED, "the filters hold too many addresses and topics: uninstall some")
            key = "0x" + secrets.token_hex(16)
            self._filters[key] = entry
            return key

    def _get(self, key: Any) -> _Filter:
        entry = self._filters.get(str(key))
        if entry is None or entry.used <= time.monotonic() - FILTER_IDLE_SECONDS:
            raise RpcError(read.SERVER_ERROR, "filter not found")
        entry.used = time.monotonic()
        return entry
