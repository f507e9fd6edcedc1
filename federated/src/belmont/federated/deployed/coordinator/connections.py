"""The coordinator's TCP connections: how many there are, and which one goes when there are too many.

1. A connection is a stranger's until a request on it came from a member. There are at most ``MOST_STRANGERS`` of those.
   One more ends another: the oldest of the address that has most. So a flood from elsewhere costs a member nothing,
   and one from a member's own address (a shared proxy, the same machine) reaches its new connections only, which are
   known within three round trips: hundreds of others would have to be accepted in that time.
2. A stranger is gone after ``STRANGER_SECONDS``, whatever it sends: a handshake that stands still, a header that comes
   a byte at a time, a body of hours.
3. A member has at most ``MOST_OF_A_MEMBER``; one more ends its longest idle one. Idle ones end after ``IDLE_SECONDS``.
4. A peer that vanished without a word is noticed by TCP itself within about fifteen seconds.

Everything here happens on the event loop's thread.
"""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from belmont.federated.deployed.keepalive import KEEPALIVE_OPTIONS
from belmont.registry.types import Address

MOST_STRANGERS = 512
STRANGER_SECONDS = 10.0
MOST_OF_A_MEMBER = 64
IDLE_SECONDS = 60.0
_LISTEN_BACKLOG = 1_024

Peername = tuple[str, int]


@dataclass
class _Connection:
    socket: socket.socket
    since: float
    """When it was opened, or last used by a member."""
    member: Address | None = None
    requests: int = 0
    """Of a member, being served."""


class Connections:
    """Those of one coordinator, by the peer's address and port."""

    def __init__(self) -> None:
        self._all: dict[Peername, _Connection] = {}

    def __len__(self) -> int:
        return sum(each.socket.fileno() >= 0 for each in self._all.values())

    def opened(self, accepted: socket.socket, peername: Peername) -> None:
        """A stranger connected (1)."""
        self._all[peername] = _Connection(accepted, time.monotonic())
        strangers = [peer for peer, each in self._all.items() if each.member is None]
        if len(strangers) > MOST_STRANGERS:
            self._forget_closed()
            strangers = [peer for peer in strangers if peer in self._all]
        if len(strangers) > MOST_STRANGERS:
            most = Counter(host for host, _ in strangers).most_common(1)[0][0]
            here = [peer for peer in strangers if peer[0] == most]
            self._end(min(here, key=lambda peer: self._all[peer].since))

    @contextmanager
    def used(self, peername: Peername | None, member: Address) -> Iterator[None]:
        """While a member's request on a connection is served."""
        connection = self._all.get(peername) if peername else None
        if connection is None or peername is None:
            yield
            return
        if connection.member is None:
            connection.member = member
            self._spare(member, peername)
        connection.requests += 1
        try:
            yield
        finally:
            connection.requests -= 1
            connection.since = time.monotonic()

    def sweep(self) -> None:
        """End what is too old (2, 3)."""
        self._forget_closed()
        now = time.monotonic()
        for peername, each in list(self._all.items()):
            age = now - each.since
            if age > (STRANGER_SECONDS if each.member is None else IDLE_SECONDS) and not each.requests:
                self._end(peername)

    def _spare(self, member: Address, used: Peername) -> None:
        mine = [peer for peer, each in self._all.items() if each.member == member and peer != used]
        if len(mine) >= MOST_OF_A_MEMBER:
            self._end(min(mine, key=lambda peer: (self._all[peer].requests, self._all[peer].since)))

    def _forget_closed(self) -> None:
        self._all = {peer: each for peer, each in self._all.items() if each.socket.fileno() >= 0}

    def _end(self, peername: Peername) -> None:
        """The transport that owns the socket notices, and closes it."""
        with suppress(OSError):
            self._all.pop(peername).socket.shutdown(socket.SHUT_RDWR)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; what it accepts inherits its options (4). ``port`` 0 is a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.create_server((host, port), family=family, backlog=_LISTEN_BACKLOG)
    for option in KEEPALIVE_OPTIONS:
        found.setsockopt(*option)
    found.setblocking(False)
    return found
