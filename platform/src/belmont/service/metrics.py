"""Figures of one running service, for Prometheus (text format 0.0.4), in a registry of their own.

1. Requests are counted by the route as it is declared, never by what was asked for: figures name nobody, and whoever
   makes addresses up makes no new figures.
2. What stands still between requests (streams, blocks, the index) is read when the figures are.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from belmont.audit.errors import AuditError
from belmont.audit.search import EventQuery

if TYPE_CHECKING:
    from belmont.service.service import Service

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
NO_ROUTE: Final = "none"
METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
LONG_ROUTES: Final = ("/api/v1/events/stream",)
"""Their time is how long somebody listened: not a latency."""


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "belmont_requests", "Requests by route and status.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "belmont_request_seconds",
            "Seconds to an answer, by route.",
            ("method", "route"),
            registry=self.registry,
            buckets=BUCKETS,
        )
        self._limited = Counter("belmont_rate_limited", "Requests refused with 429.", registry=self.registry)
        self._sign_ins = Counter("belmont_sign_ins", "Sign-ins by outcome.", ("outcome",), registry=self.registry)
        for outcome in ("taken", "refused"):
            self._sign_ins.labels(outcome)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request that was answered (1)."""
        method, route = (method if method in METHODS else "other"), route or NO_ROUTE
        self._requests.labels(method, route, status).inc()
        if route not in LONG_ROUTES:
            self._seconds.labels(method, route).observe(seconds)
        if status == 429:
            self._limited.inc()
        if is_sign_in(method, route):
            self._sign_ins.labels("taken" if status < 400 else "refused").inc()

    def watch(self, service: "Service") -> None:
        """Have the figures include those of a service (2)."""
        self.registry.register(_Standing(service))

    def text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        return generate_latest(self.registry)


def is_sign_in(method: str, route: str) -> bool:
    """Whether a route is one that somebody signs in by."""
    return (method, route) in (
        ("POST", "/api/v1/session"),
        ("POST", "/sign-in"),
        ("GET", "/sign-in/oidc/{provider}/callback"),
    )


class _Standing(Collector):
    def __init__(self, service: "Service") -> None:
        self._service = service

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        service = self._service
        yield GaugeMetricFamily("belmont_streams_open", "Open streams of events.", service.streams.count)
        following = int(service.follower.state == "following")
        yield GaugeMetricFamily("belmont_chain_followed", "1 while the index is up with the chain.", following)
        try:
            head, events = service.index.head, service.index.search(EventQuery(limit=1)).total
        except AuditError:
            return
        yield GaugeMetricFamily("belmont_index_events", "Events in the index.", events)
        if head is not None:
            yield GaugeMetricFamily("belmont_head_block", "Newest block in the index.", head.number)
            age = max(0.0, time.time() - head.timestamp)
            yield GaugeMetricFamily("belmont_head_age_seconds", "Seconds since that block: how far behind.", age)
