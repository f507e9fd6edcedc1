"""What the service's pages and endpoints ask of a patient's records: found for one visitor, for one request.

1. A dataset is one of a configured hospital whose register is on this machine; which it is, the register says.
2. A visitor is a patient of it where the chain has the account enrolled and the register knows whose it is. One of
   these alone shows nothing.
3. Nothing of a patient is kept after the request.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from belmont.lab.home import Home
from belmont.registry.consents.database import dataset_of
from belmont.registry.consents.entry import Entry
from belmont.registry.consents.errors import ConsentError
from belmont.registry.consents.scope import Scope
from belmont.registry.types import Address, AuditEvent, Dataset, DatasetId
from belmont.service.config import LocalHospital
from belmont.service.patient.chain_side import ChainSide
from belmont.service.patient.errors import NotAPatient
from belmont.service.patient.hospital import HeldRow, HospitalFiles
from belmont.service.patient.own_records import OwnRecords
from belmont.service.patient.standing import Effect, Standing, effects, standing_of
from belmont.service.patient.uses import Grounds, TouchedUse, applied_by_root, touched
from belmont.service.state.snapshot import Snapshot

HOW_TO = "Ask the hospital to enrol an account of yours: it notes the account, and from then on you can sign in here."


@dataclass(frozen=True)
class Dossier:
    """Everything about one patient of one dataset; each part is read when it is asked for, and once."""

    files: HospitalFiles
    chain: ChainSide
    snapshot: Snapshot
    entry: Entry
    dataset: Dataset
    now: int = field(default_factory=lambda: int(time.time()))

    @property
    def hospital_name(self) -> str:
        """Of the member who holds the dataset."""
        return self.snapshot.name_of(self.dataset.holder)

    @cached_property
    def events(self) -> list[AuditEvent]:
        """What the chain has on consents for the dataset."""
        return self.chain.consent_events(self.dataset.id)

    @cached_property
    def standing(self) -> Standing:
        """Which consent is in force, and its history."""
        return standing_of(self.entry, self.events)

    @cached_property
    def held(self) -> HeldRow:
        """The row, and the versions that have it."""
        return self.files.row(self.entry, self.dataset, self.snapshot.versions.get(self.dataset.id, ()))

    @cached_property
    def records(self) -> OwnRecords:
        """The hospital's own records of the patient."""
        home, slug = self.files.home, self.files.slug
        dictionary, key = self.files.dictionary(self.dataset), self.files.pseudonym_key()
        return OwnRecords(home.records(slug), dictionary, key, self.entry.pseudonym)

    @cached_property
    def uses(self) -> list[TouchedUse]:
        """Every recorded use of the dataset, newest first, with whether it had the row among its rows."""
        uses = self.chain.uses(self.dataset.id)
        if not uses:
            return []
        grounds = Grounds(
            entry=self.entry,
            dataset=self.dataset,
            held=self.held,
            own=[each.statement for each in self.standing.history],
            applied=applied_by_root(self.events),
            permits={int(number): each for number, each in self.snapshot.permits.items()},
            opened_at=self.chain.opened_at,
        )
        return [touched(each, grounds) for each in reversed(uses)]

    def effects(self, after: Scope | None) -> list[Effect]:
        """What a new statement would change for the studies that run."""
        before = self.standing.scope
        return effects(list(self.snapshot.permits.values()), self.dataset, before, after, self.now)

    @property
    def can_come_back(self) -> bool:
        """Whether the newest version has the row: what a version left out does not come back by a consent."""
        newest = self.snapshot.newest_version(self.dataset.id)
        return newest is not None and self.held.newest == newest.number

    @property
    def running_now(self) -> list[Effect]:
        """The studies that run, each with whether it may use the row now."""
        return self.effects(self.standing.scope)

    def __repr__(self) -> str:
        return "Dossier(of one patient, not shown)"


class Desk:
    """The hospitals of one service, whose patients can look at their own records."""

    def __init__(self, hospitals: tuple[LocalHospital, ...], chain: ChainSide) -> None:
        self._hospitals = hospitals
        self.chain = chain
        self._lock = threading.Lock()
        self._files: dict[LocalHospital, HospitalFiles] = {}

    def datasets_of(self, account: Address) -> tuple[DatasetId, ...]:
        """The datasets for which an account is enrolled on chain, in the order of the configuration."""
        return tuple(each.dataset_id for each in self._all() if self.chain.is_enrolled(each.dataset_id, account))

    def dossier(
        self, account: Address, datasets: tuple[DatasetId, ...], wanted: DatasetId | None, snapshot: Snapshot
    ) -> Dossier:
        """Of a visitor, who is enrolled for these datasets; of the first of them unless one is wanted.

        Raises NotAPatient, FilesUnusable.
        """
        chosen = wanted or (datasets[0] if datasets else None)
        files = next((each for each in self._all() if each.dataset_id == chosen and chosen in datasets), None)
        dataset = snapshot.datasets.get(files.dataset_id) if files else None
        entry = files.entry(account) if files else None
        if files is None or dataset is None or entry is None:
            raise NotAPatient("Nobody with this account is a patient here.", remedy=HOW_TO)  # 2
        return Dossier(files, self.chain, snapshot, entry, dataset)

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            for each in self._files.values():
                each.close()
            self._files.clear()

    def _all(self) -> Iterator[HospitalFiles]:
        for hospital in self._hospitals:
            found = self._of(hospital)
            if found is not None:
                yield found

    def _of(self, hospital: LocalHospital) -> HospitalFiles | None:
        """A hospital's files; None where there is no register yet."""
        with self._lock:
            if hospital not in self._files:
                home = Home(hospital.home)
                try:
                    dataset_id = dataset_of(home.consents(hospital.member))  # 1
                except ConsentError:
                    return None
                self._files[hospital] = HospitalFiles(home, hospital.member, dataset_id)
            return self._files[hospital]
