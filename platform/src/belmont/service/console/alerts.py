"""What a member should look at: what the records tell (``belmont.service.explain.alerts``), and what the service itself
knows: whether the chain is followed, and which contracts got other code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from belmont.audit.search import EventQuery
from belmont.registry.types import DatasetId, PermitId
from belmont.service.console.addresses import address_of
from belmont.service.console.parts import names_of
from belmont.service.explain import alerts
from belmont.service.explain.alerts import Urgency
from belmont.service.service import Service
from belmont.service.words import Day, Sentence

LATELY_SECONDS = 30 * 86_400
MARKS = {Urgency.URGENT: "stop", Urgency.SOON: "wait", Urgency.NOTE: "over"}


@dataclass(frozen=True)
class Shown:
    """One thing to look at, with the page where."""

    mark: str
    """As ``standing`` has them."""
    says: Sentence
    path: str | None


def alerts_of(service: Service, now: int) -> list[Shown]:
    """All of them, the most pressing first."""
    snapshot = service.snapshot
    found = alerts.of(snapshot, now, spent=_spent(service, now), known=names_of(snapshot))
    told = [Shown(MARKS[each.urgency], each.said, _path(each)) for each in found]
    return [*_of_service(service, now), *told]


def _spent(service: Service, now: int) -> dict[tuple[PermitId, DatasetId], int]:
    """Of permits that may have used much of their privacy budget: none has more than all studies together."""
    snapshot = service.snapshot
    found: dict[tuple[PermitId, DatasetId], int] = {}
    of_all = {each.id: each.rho_spent for each in snapshot.datasets.values()}
    for permit in snapshot.permits.values():
        much = max(1, alerts.BUDGET_SHARE * permit.terms.rho_per_dataset)
        near = [each for each in permit.covered if of_all.get(each, 0) >= much]
        if near and alerts.is_alive(permit, now):
            spent = service.progress.spent(snapshot.line_of(permit))
            found |= {(permit.id, each): spent[each] for each in near}
    return found


def _path(alert: alerts.Alert) -> str | None:
    if alert.about is None:
        return "/rules" if alert.kind == "PAUSED" else None
    return address_of(alert.about.kind, alert.about.key)


def _of_service(service: Service, now: int) -> Iterator[Shown]:
    state = service.follower.state
    if state == "unreachable":
        yield Shown("stop", Sentence("The chain does not answer: what these pages show may be old."), "/about")
    elif state.startswith("refused"):
        yield Shown(
            "stop", Sentence("The chain is not followed any more ({why}): these pages are old.", why=state), "/about"
        )
    switched = service.index.search(EventQuery(names=("CodeSwitched",), since=max(0, now - LATELY_SECONDS), limit=1))
    for event in switched.events:
        says = Sentence("A contract got other code on {day}, by vote of the members.", day=Day(event.timestamp))
        yield Shown("wait", says, "/events?name=CodeSwitched")
