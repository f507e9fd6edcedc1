"""Keeps the snapshot new: whatever the events of new blocks name is read again, and nothing else.

1. Before the first block is read there is no snapshot: ``StateUnavailable``.
2. An event names what it changed by ``study`` (a permit has its study's number) and ``dataset``. What it changes
   beyond is known by its contract: votes are counted by the board of now, so that an event of Members or Rules touches
   every open study, and permits cover the datasets of active members alone.
3. When the index dropped blocks, everything is read again.
4. Its head is that of the index: what no event up to there named has not changed, and what was read again is newer.
5. A read that fails leaves the snapshot as it was, and what was to be read again stays to be read.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from belmont.audit.events import Advance, IndexedEvent
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.rules.protocol import RuleProposal
from belmont.registry.types import DatasetId, DatasetVersion, Head, PermitId, StudyId, StudyStatus, VersionStatus
from belmont.service.errors import StateUnavailable
from belmont.service.state.snapshot import Snapshot


@dataclass
class Stale:
    """What has to be read again."""

    studies: set[int] = field(default_factory=set)
    datasets: set[DatasetId] = field(default_factory=set)
    members: bool = False
    rules: bool = False
    releases: bool = False
    everything: bool = False

    def add(self, events: Iterable[IndexedEvent]) -> None:
        """What these events changed (2)."""
        for event in events:
            if event.study is not None:
                self.studies.add(event.study)
            if event.dataset is not None:
                self.datasets.add(DatasetId(event.dataset))
            self.members |= event.contract == "Members"
            self.rules |= event.contract == "Rules"
            self.releases |= event.contract in ("Releases", "Permits")


class Keeper:
    """The snapshot of one consortium; safe to read from any thread."""

    def __init__(self, registry: ChainRegistry) -> None:
        self._registry = registry
        self._snapshot: Snapshot | None = None
        self._stale = Stale(everything=True)
        self._lock = threading.Lock()

    @property
    def snapshot(self) -> Snapshot:
        """The newest one. Raises StateUnavailable (1)."""
        if self._snapshot is None:
            raise StateUnavailable("the chain was not read yet")
        return self._snapshot

    @property
    def newest(self) -> Snapshot | None:
        """The same; None where there is none yet."""
        return self._snapshot

    def told(self, advance: Advance) -> Snapshot:
        """Read again what an advance of the index named. Raises RegistryError (5)."""
        with self._lock:
            self._stale.everything |= bool(advance.dropped)
            self._stale.add(advance.added)
            known, head = self._snapshot, Head(advance.head.number, advance.head.hash, advance.head.timestamp)  # 4
            if known is None or self._stale.everything:
                found = self._read_all(head)
            else:
                found = self._read_again(replace(known, head=head), self._stale)
            if known is None or advance.added or self._stale != Stale():
                found = replace(found, changed_at=found.head)
            self._snapshot, self._stale = found, Stale()
            return found

    def _read_all(self, head: Head) -> Snapshot:
        registry = self._registry
        datasets = {each.id: each for each in registry.datasets()}
        return Snapshot(
            head=head,
            name=registry.name,
            identity=registry.identity,
            chain_id=registry.chain_id,
            addresses=dict(registry.addresses),
            members={each.address: each for each in registry.members()},
            proposals={each.id: each for each in registry.proposals()},
            datasets=datasets,
            versions={id_: self._versions(id_, each.versions, ()) for id_, each in datasets.items()},
            studies={each.id: each for each in registry.studies()},
            permits={each.id: each for each in registry.permits()},
            releases=tuple(registry.releases.every()),
            rules=registry.rules.settings(),
            rule_proposals={each.id: each for each in registry.rules.proposals()},
            pause=registry.rules.pause(),
        )

    def _read_again(self, known: Snapshot, stale: Stale) -> Snapshot:
        registry, found = self._registry, known
        if stale.members:
            members = {each.address: each for each in registry.members()}
            found = replace(found, members=members, proposals={each.id: each for each in registry.proposals()})
        if stale.rules:
            rules = registry.rules
            by_number: dict[int, RuleProposal] = {each.id: each for each in rules.proposals()}
            found = replace(found, rules=rules.settings(), rule_proposals=by_number, pause=rules.pause())
        if stale.releases:
            found = replace(found, releases=tuple(registry.releases.every()))
        studies = set(stale.studies)
        permits = set(stale.studies)
        if stale.members or stale.rules:  # 2
            studies |= {number for number, each in known.studies.items() if each.status is StudyStatus.PROPOSED}
            permits |= set(known.permits)
        if stale.datasets:
            permits |= {n for n, each in known.permits.items() if stale.datasets & set(each.terms.datasets)}
        return self._with_records(found, studies, permits, stale.datasets)

    def _with_records(
        self, found: Snapshot, studies: set[int], permits: set[int], datasets: set[DatasetId]
    ) -> Snapshot:
        registry = self._registry
        new_studies = {n: each for n in sorted(studies) if (each := registry.study(StudyId(n)))}
        all_studies = dict(sorted({**found.studies, **new_studies}.items()))
        permits = permits | {int(all_studies[n].amends) for n in permits if n in all_studies}  # it took their place
        new_permits = {n: permit for n in sorted(permits) if (permit := registry.permit(PermitId(n)))}
        new_datasets = {id_: dataset for id_ in datasets if (dataset := registry.dataset(id_))}
        versions = {
            id_: self._versions(id_, each.versions, found.versions.get(id_, ())) for id_, each in new_datasets.items()
        }
        return replace(
            found,
            studies=all_studies,
            permits=dict(sorted({**found.permits, **new_permits}.items())),
            datasets={**found.datasets, **new_datasets},
            versions={**found.versions, **versions},
        )

    def _versions(
        self, dataset_id: DatasetId, count: int, known: tuple[DatasetVersion, ...]
    ) -> tuple[DatasetVersion, ...]:
        """All versions in order; a proven one never changes, so it is not read again."""
        final = {each.number: each for each in known if each.status is VersionStatus.PROVEN}
        read = (final.get(number) or self._registry.version(dataset_id, number) for number in range(1, count + 1))
        return tuple(each for each in read if each is not None)
