"""Datasets: what their holders permit, their versions and whether these are proven, and how consents stand."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from belmont.registry.consents.scope import Category
from belmont.registry.types import Address, Dataset, DatasetStatus, DatasetVersion, VersionStatus
from belmont.service.api import lists, routing
from belmont.service.api.data_use import DataUse, data_use
from belmont.service.api.values import AccountText, Answer, Bytes, Hash, Moment, MomentOrNone, Whole, lower_name
from belmont.service.errors import NotFound
from belmont.service.state import consents
from belmont.service.state.snapshot import Snapshot

router: APIRouter = routing.router("datasets")
StatusName = Literal["active", "frozen", "destroyed"]


class Version(Answer):
    """A version of a dataset."""

    number: Whole
    cid: Bytes
    """Binary CIDv1 of the encrypted root in the holder's vault."""
    rows: Whole
    commitments_root: Hash
    consent_root: Hash
    """The consents that it was built at."""
    proof: Literal["registered", "proven"]
    """Proven: the contract verified that every row keeps to the dictionary. No other version is computed on."""
    registered_at: Moment


class Versions(lists.Page[Version]):
    """Versions in order."""


class DatasetNow(Answer):
    """A dataset. No record of anybody is on the chain."""

    id: Hash
    name: str
    holder: AccountText
    holder_name: str
    status: StatusName
    data_use: DataUse
    dictionary_hash: Hash
    sensitivity: Whole
    categories: list[str]
    retention_until: Moment
    rho_cap: Whole
    """Lifetime cap over all permits, in millionths of rho (zero-concentrated differential privacy)."""
    rho_spent: Whole
    consent_root: Hash
    versions: Whole
    newest: Version | None
    proven: Version | None
    """The newest version that is proven."""
    destruction_hash: Hash
    """SHA-256 of the holder's report on what was destroyed; zero until then."""


class Datasets(lists.Page[DatasetNow]):
    """Datasets in the order of registration."""


class ConsentFigures(Answer):
    """How a dataset's consents stand. No person is named."""

    consent_root: Hash
    batches: Whole
    """Batches that the hospital published."""
    in_newest_batch: Whole
    """Leaves of the newest: consents that the hospital attests, and accounts."""
    newest_batch_at: MomentOrNone
    enrolled: Whole
    """Patients who state with keys of their own."""
    grants: Whole
    revocations: Whole
    statements: Whole


@router.get("/datasets")
async def list_datasets(
    visitor: routing.AReader,
    snapshot: routing.Tagged,
    holder: Annotated[AccountText | None, Query(description="Of this holder.")] = None,
    status: Annotated[StatusName | None, Query(description="With this status.")] = None,
    proof: Annotated[Literal["proven", "unproven"] | None, Query(description="With a proven version, or none.")] = None,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> Datasets:
    """All datasets."""
    wanted = None if status is None else DatasetStatus[status.upper()]
    chosen = [
        each
        for each in snapshot.datasets.values()
        if holder in (None, each.holder)
        and wanted in (None, each.status)
        and proof in (None, "proven" if _proven(snapshot, each) else "unproven")
    ]
    found, total, next_ = lists.cut(chosen, lambda each: "0x" + each.id.hex(), after, limit)
    return Datasets(items=[_dataset(snapshot, each) for each in found], total=total, next=next_)


@router.get("/datasets/{dataset}")
async def read_dataset(visitor: routing.AReader, snapshot: routing.Tagged, dataset: routing.DatasetPath) -> DatasetNow:
    """One dataset."""
    return _dataset(snapshot, known(snapshot, dataset))


@router.get("/datasets/{dataset}/versions")
async def list_versions(
    visitor: routing.AReader,
    snapshot: routing.Tagged,
    dataset: routing.DatasetPath,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> Versions:
    """Its versions, and whether they are proven."""
    versions = snapshot.versions.get(known(snapshot, dataset).id, ())
    found, total, next_ = lists.cut(versions, lambda each: each.number, after, limit)
    return Versions(items=[_version(each) for each in found], total=total, next=next_)


@router.get("/datasets/{dataset}/consents")
def read_consents(
    service: routing.Here, visitor: routing.AReader, snapshot: routing.Tagged, dataset: routing.DatasetPath
) -> ConsentFigures:
    """Figures about its consents."""
    found = known(snapshot, dataset)
    counted = consents.counts(service.index, found.id)
    return ConsentFigures(
        consent_root=found.consent_root,
        batches=counted.batches,
        in_newest_batch=counted.attested,
        newest_batch_at=counted.newest_batch_at,
        enrolled=counted.enrolled,
        grants=counted.granted,
        revocations=counted.revoked,
        statements=counted.granted + counted.revoked,
    )


def known(snapshot: Snapshot, dataset: bytes) -> Dataset:
    """A dataset that there is. Raises NotFound."""
    found = snapshot.datasets.get(routing.dataset_id(dataset))
    if found is None:
        raise NotFound("There is no such dataset.")
    return found


def _proven(snapshot: Snapshot, found: Dataset) -> DatasetVersion | None:
    versions = reversed(snapshot.versions.get(found.id, ()))
    return next((each for each in versions if each.status is VersionStatus.PROVEN), None)


def _dataset(snapshot: Snapshot, found: Dataset) -> DatasetNow:
    newest, proven = snapshot.newest_version(found.id), _proven(snapshot, found)
    return DatasetNow(
        id=found.id,
        name=found.name,
        holder=found.holder,
        holder_name=snapshot.name_of(Address(found.holder)),
        status=lower_name(found.status),
        data_use=data_use(found.data_use),
        dictionary_hash=found.dictionary_hash,
        sensitivity=found.sensitivity,
        categories=category_names(found.categories),
        retention_until=found.retention_until,
        rho_cap=found.rho_cap,
        rho_spent=found.rho_spent,
        consent_root=found.consent_root,
        versions=found.versions,
        newest=_version(newest) if newest else None,
        proven=_version(proven) if proven else None,
        destruction_hash=found.destruction_hash,
    )


def category_names(mask: int) -> list[str]:
    """The categories of data in a mask."""
    return [str(each.name).lower() for each in Category if each & mask]


def _version(found: DatasetVersion) -> Version:
    return Version(
        number=found.number,
        cid=found.cid,
        rows=found.rows,
        commitments_root=found.commitments_root,
        consent_root=found.consent_root,
        proof=lower_name(found.status),
        registered_at=found.registered_at,
    )
