"""Publishing a profile: a hospital's own act, on the machine that has its rows. Nothing is published unless it is told.

1. Only where a use could be permitted: the consortium is not paused, the holder is an active member, the dataset is
   active and within its retention date, its newest version is proven and built at the current consent root. So whoever
   withdrew is out, and no profile of an older version is made.
2. Only rows of patients whose consent is for any research purpose, any recipient, and all of the dataset's categories
   of data, by this machine's clock and the chain's. What is public may be used by anybody, for anything.
3. The hospital's ledger draws, counts and keeps it (`belmont.federated.profile.ledger`). The same choices give the same
   bytes, as long as every consent to its rows is in force.
4. It is public once the holder stands by it on chain; only then is it written where researchers look. Interrupted, the
   same call completes it.

Withdrawing takes it off the chain and out of the directory. Copies, and what was spent, stay.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from eth_account.signers.local import LocalAccount
from numpy.typing import NDArray

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.federated.profile.document import drawn
from belmont.federated.profile.ledger import PublicationLedger
from belmont.federated.profile.tables import Choices, rho_within
from belmont.lab.consent_files import open_register
from belmont.lab.errors import LabError
from belmont.lab.home import Home
from belmont.lab.hospital_files import stored_rows
from belmont.lab.twin import anchors
from belmont.lab.twin.grouping import CELLS, groups_of
from belmont.lab.twin.kept import discard, keep
from belmont.registry.consents.scope import IntendedUse
from belmont.registry.limits import PURPOSES_MASK
from belmont.registry.protocol import Registry
from belmont.registry.types import Address, Dataset, DatasetId, DatasetStatus, MemberStatus, MicroRho, VersionStatus

NOBODY = Address("0x" + "00" * 20)
"""No consent can name this account: whoever permits it permits any recipient."""


@dataclass(frozen=True)
class Wanted:
    """What a hospital wants to publish. ``columns`` has no default: each is named."""

    columns: Sequence[str]
    epsilon: float
    """At delta 10^-6, for a patient who is there or not."""
    with_outcome: bool = False
    """Whether each column is counted by the outcome's groups, so that a twin has signal."""
    cells: int = CELLS
    """About how many groups a numeric column has."""
    cuts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Where the groups of a column begin instead, in its unit. Choose them without a look at the data."""

    def choices(self, dictionary: Dictionary) -> Choices:
        """In the dictionary's codes. Raises LabError, DictionaryError, ProfileError or PrivacyError."""
        names = [self.columns] if isinstance(self.columns, str) else list(self.columns)
        unknown = sorted(set(self.cuts) - set(names))
        if unknown:
            raise LabError(f"cuts name {', '.join(unknown)}, which is not published: name it in columns too")
        groups = {name: groups_of(dictionary.column(name), self.cells, self.cuts.get(name)) for name in names}
        if len(groups) != len(names):
            raise LabError("name each column once")
        outcome = None
        if self.with_outcome:
            if dictionary.outcome is None:
                raise LabError(f"dictionary {dictionary.name} names no outcome: publish without it")
            outcome = groups.pop(dictionary.outcome, None) or groups_of(dictionary.column(dictionary.outcome))
            if not groups:
                raise LabError(f"with the outcome, name another column: columns=[{dictionary.outcome!r}] does without")
        return Choices(tuple(groups.values()), outcome, rho_within(self.epsilon))


def publish(
    home: Home,
    slug: str,
    registry: Registry,
    account: LocalAccount,
    dataset_id: DatasetId,
    wanted: Wanted,
    *,
    cap: MicroRho | None = None,
    clock: Callable[[], float] = time.time,
) -> bytes:
    """Publish, and return the file's bytes; ``registry`` writes for the holder, whose account signs.

    Raises LabError where nothing may be published (1), PublicationsSpent past the cap, and what `Wanted.choices` does.
    """
    dataset = _publishable(registry, dataset_id, int(clock()))  # 1
    table = stored_rows(home, slug, registry, dataset_id).table
    choices = wanted.choices(table.dictionary)
    at = {int(clock()), registry.head().timestamp}
    mask, until = _consenting(home, slug, registry, dataset, table, at)  # 2

    def draw(spent: MicroRho) -> bytes:
        profile = drawn(
            choices,
            choices.release(table.select(mask)),
            consortium=registry.identity,
            dataset_id=dataset.id,
            version=dataset.versions,
            dictionary_hash=dataset.dictionary_hash,
            spent=spent,
        )
        return profile.signed(account).to_bytes()

    with open_ledger(home, slug, registry, dataset_id, cap) as ledger:
        found = ledger.publish(dataset.versions, choices.hash, choices.plan.rho, until, draw)  # 3
    if max(at) >= found.consented_until:
        raise LabError(f"a consent to rows of this profile has ended: consortium.new_version(...) of {dataset.name}")
    if _publishable(registry, dataset_id, int(clock())).versions != dataset.versions:  # 1, as it leaves
        raise LabError(f"{dataset.name} has a newer version: publish that")
    anchors.stand_by(registry, dataset, hashlib.sha256(found.document).digest())  # 4
    keep(home, dataset_id, found.document)
    return found.document


def withdraw(home: Home, registry: Registry, dataset: Dataset) -> int:
    """Withdraw what is published of a dataset; how many profiles its holder stood by. ``registry`` writes for it."""
    count = anchors.withdraw(registry, dataset)
    discard(home, dataset.id)
    return count


def open_ledger(
    home: Home, slug: str, registry: Registry, dataset_id: DatasetId, cap: MicroRho | None = None
) -> PublicationLedger:
    """The hospital's record of what it published of a dataset."""
    return PublicationLedger(home.publications(slug, dataset_id), registry.identity, dataset_id, cap)


def _publishable(registry: Registry, dataset_id: DatasetId, now: int) -> Dataset:
    dataset = registry.dataset(dataset_id)
    if dataset is None:
        raise LabError("the chain has no such dataset: nothing is published")
    name, head = dataset.name, registry.head().timestamp
    member, version = registry.member(dataset.holder), registry.version(dataset_id, dataset.versions)
    if dataset.status is not DatasetStatus.ACTIVE:
        raise LabError(f"{name} is {dataset.status.name.lower()}: nothing of it is published")
    if member is None or member.status is not MemberStatus.ACTIVE:
        raise LabError(f"the holder of {name} is no active member: nothing of it is published")
    if min(now, head) < registry.rules.pause().until:
        raise LabError("the consortium is paused: nothing is published until it is over")
    if max(now, head) >= dataset.retention_until:
        raise LabError(f"the retention date of {name} is over: nothing of it is published")
    if version is None or version.status is not VersionStatus.PROVEN:
        raise LabError(f"the newest version of {name} is not proven: prove it first")
    if version.consent_root != dataset.consent_root:
        raise LabError(
            f"consents changed since version {version.number} of {name} was made: make and prove a new one first, "
            "consortium.new_version(hospital).prove()"
        )
    return dataset


def _consenting(
    home: Home, slug: str, registry: Registry, dataset: Dataset, table: CodedTable, at: set[int]
) -> tuple[NDArray[np.bool_], int]:
    """The rows whose consent is for any research by anybody, and when the first of these consents ends (2)."""
    with open_register(home, slug, dataset.id) as register:
        register.take(registry.consents.statements(dataset.id, register.view().block))
        view = register.view()
    if view.root != dataset.consent_root:
        raise LabError(f"the register of consents of {slug} is not what the chain has: nothing is published")
    mask = np.ones(table.rows, np.bool_)
    for when in at:
        mask &= view.mask(table.pseudonyms, IntendedUse(PURPOSES_MASK, dataset.categories, NOBODY, when))
    return mask, view.ends_at(table.pseudonyms[mask])
