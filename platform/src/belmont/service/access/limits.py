"""How often somebody may ask: token buckets (as in RFC 2697) for each account and for each client's address.

1. A bucket holds ``burst`` tokens and gains ``per_second``; a request takes one, and where there is none it is refused
   with the seconds until there is (429, RFC 6585).
2. A client is the address that the connection comes from. ``X-Forwarded-For`` is believed only from the proxies that
   the configuration names: the client is the last address in it that is none of theirs. An IPv6 client is its /64,
   since one subscriber has all of that.
3. At most ``MOST_BUCKETS`` are kept, and the one longest unused is forgotten, so that strangers cannot fill the memory.
   A bucket that is full again says nothing, so little is lost with it.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Depends, Request

from belmont.service.errors import TooMany

MOST_BUCKETS: Final = 50_000
FORWARDED_MOST: Final = 16

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Rate:
    """How often: on average, and at once."""

    per_second: float
    burst: int


DEFAULT_RATES: Final[Mapping[str, Rate]] = {
    "account": Rate(50, 200),
    "client": Rate(100, 400),  # an institution's people may share one address
    "sign_in": Rate(2, 60),
    "relay": Rate(1, 30),
    "hand_in": Rate(1, 60),
    "noted": Rate(0.2, 600),
}
"""By kind; ``sign_in`` and ``relay`` count beside the others, by client, and ``hand_in`` by account. ``noted`` refuses
nothing: it is how often what reached nothing is in the trail."""


class Limits:
    """Buckets by kind and by whom they are for. Safe to share between threads; each process has its own."""

    def __init__(
        self,
        rates: Mapping[str, Rate] = DEFAULT_RATES,
        now: Callable[[], float] = time.monotonic,
        most: int = MOST_BUCKETS,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._proxies = tuple(proxies)
        self._rates, self._now, self._most = {**DEFAULT_RATES, **rates}, now, most
        self._lock = threading.Lock()
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        """Tokens, and when there were so many; the last used is last."""

    def take(self, kind: str, whom: str) -> None:
        """Take a token. Raises ``TooMany`` (1)."""
        rate, now = self._rates[kind], self._now()
        with self._lock:
            tokens, then = self._buckets.pop((kind, whom), (float(rate.burst), now))
            tokens = min(float(rate.burst), tokens + max(0.0, now - then) * rate.per_second)
            taken = tokens >= 1
            self._buckets[kind, whom] = (tokens - 1 if taken else tokens, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)  # 3
        if not taken:
            raise TooMany("You ask more often than is allowed here.", max(1, math.ceil((1 - tokens) / rate.per_second)))

    def has(self, kind: str, whom: str) -> bool:
        """Take a token; whether there was one."""
        try:
            self.take(kind, whom)
        except TooMany:
            return False
        return True

    def client(self, request: Request) -> str:
        """Whom a request is counted as, beside its account."""
        peer = request.client.host if request.client else None
        return client_of(peer, request.headers.getlist("x-forwarded-for"), self._proxies)

    def take_client(self, request: Request, kind: str = "client") -> None:
        """Take a token of the client that a request comes from. Raises ``TooMany``."""
        self.take(kind, self.client(request))

    def __len__(self) -> int:
        return len(self._buckets)


def limited(kind: str) -> Any:
    """A dependency that counts a route's requests as of this kind as well: ``dependencies=[limited("relay")]``."""

    async def take(request: Request) -> None:
        request.app.state.service.sign_in.limits.take_client(request, kind)

    return Depends(take)


def client_of(peer: str | None, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """Whom a connection from ``peer`` is counted as, given its headers ``X-Forwarded-For`` in order (2)."""
    address = _address(peer or "")
    if address is None:
        return "unknown"
    hops = [each.strip() for line in forwarded for each in line.split(",")][-FORWARDED_MOST:]
    while hops and any(address in each for each in proxies):
        before = _address(hops.pop())
        if before is None:
            break
        address = before
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found
