"""What a member should look at, found in the records: nothing here is stored, and nothing is decided by it.

1. The consortium: it is paused; a contract got other code lately; the chain is not followed.
2. Permits: frozen, close to their end, or with little privacy budget left under them.
3. Datasets: lifetime budget nearly spent, retention about to end, the newest version not proven, or made before the
   consents of now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from belmont.audit.search import EventQuery
from belmont.registry.types import Dataset, DatasetStatus, Permit, PermitStatus, VersionStatus
from belmont.service.console import standing
from belmont.service.console.parts import names_of
from belmont.service.explain import Names
from belmont.service.service import Service
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Day, Moment, Sentence, Share

DAY = 86_400
SOON_SECONDS = 7 * DAY
RETENTION_SOON_SECONDS = 60 * DAY
LATELY_SECONDS = 30 * DAY
NEARLY = 0.9


@dataclass(frozen=True)
class Alert:
    """One thing to look at; ``mark`` as ``standing`` has them: ``stop`` before ``wait``."""

    mark: str
    says: Sentence
    path: str


def alerts_of(service: Service, now: int) -> list[Alert]:
    """All of them, what is stopped first."""
    snapshot = service.snapshot
    names = names_of(snapshot)
    found = [
        *_of_consortium(service, snapshot, now),
        *(alert for permit in snapshot.permits.values() for alert in _of_permit(permit, names, now)),
        *(alert for dataset in snapshot.datasets.values() for alert in _of_dataset(dataset, snapshot, names, now)),
    ]
    return sorted(found, key=lambda alert: alert.mark != "stop")


def _of_consortium(service: Service, snapshot: Snapshot, now: int) -> Iterator[Alert]:
    if snapshot.pause.until > now:
        yield Alert(
            "stop",
            Sentence("The consortium is paused until {until}.", until=Moment(snapshot.pause.until)),
            "/rules",
        )
    state = service.follower.state
    if state == "unreachable":
        yield Alert("stop", Sentence("The chain does not answer: what these pages show may be old."), "/about")
    elif state.startswith("refused"):
        yield Alert(
            "stop", Sentence("The chain is not followed any more ({why}): these pages are old.", why=state), "/about"
        )
    switched = service.index.search(EventQuery(names=("CodeSwitched",), since=max(0, now - LATELY_SECONDS), limit=1))
    for event in switched.events:
        yield Alert(
            "wait",
            Sentence("A contract got other code {when}, by vote of the members.", when=Day(event.timestamp)),
            "/events?name=CodeSwitched",
        )


def _of_permit(permit: Permit, names: Names, now: int) -> Iterator[Alert]:
    path, said = f"/permits/{permit.id}", names.permit(permit.id)
    if standing.is_frozen(permit, now):
        yield Alert(
            "stop",
            Sentence("{permit} is frozen; the freeze ends {until}.", permit=said, until=Moment(permit.frozen_until)),
            path,
        )
    active = permit.status in (PermitStatus.ACTIVE, PermitStatus.FROZEN)
    if active and now < permit.expires_at <= now + SOON_SECONDS:
        yield Alert("wait", Sentence("{permit} ends {until}.", permit=said, until=Moment(permit.expires_at)), path)
    if active and len(permit.covered) < permit.terms.min_hospitals:
        yield Alert(
            "wait",
            Sentence("{permit} covers fewer hospitals than its rounds need: nothing can run under it.", permit=said),
            path,
        )


def _of_dataset(dataset: Dataset, snapshot: Snapshot, names: Names, now: int) -> Iterator[Alert]:
    if dataset.status is DatasetStatus.DESTROYED:
        return
    path, said = f"/datasets/0x{dataset.id.hex()}", names.dataset(dataset.id)
    if dataset.rho_cap and dataset.rho_spent >= NEARLY * dataset.rho_cap:
        share = Share(dataset.rho_spent / dataset.rho_cap)
        yield Alert(
            "wait",
            Sentence("{share} of the lifetime privacy budget of {dataset} is spent.", share=share, dataset=said),
            path,
        )
    if dataset.retention_until <= now + RETENTION_SOON_SECONDS:
        yield Alert(
            "wait",
            Sentence(
                "{dataset} is kept until {day}, and then destroyed.", dataset=said, day=Day(dataset.retention_until)
            ),
            path,
        )
    version = snapshot.newest_version(dataset.id)
    if version is not None and version.status is not VersionStatus.PROVEN:
        yield Alert("wait", Sentence("The newest version of {dataset} is not proven yet.", dataset=said), path)
    elif version is not None and version.consent_root != dataset.consent_root:
        yield Alert(
            "wait",
            Sentence("Consents changed since the newest version of {dataset} was made.", dataset=said),
            path,
        )
