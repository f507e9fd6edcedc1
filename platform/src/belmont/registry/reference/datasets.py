"""The rules of ``Datasets.vy``, in its order of checks."""

from dataclasses import replace

from belmont.registry.decide import USABLE_FROM
from belmont.registry.hashes import dataset_id
from belmont.registry.limits import DUO_TERMS_MASK
from belmont.registry.reasons import Reason
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference.members import is_active
from belmont.registry.reference.world import World, known, require
from belmont.registry.types import (
    ZERO_HASH,
    Address,
    Dataset,
    DatasetId,
    DatasetStatus,
    DatasetVersion,
    MicroRho,
    Role,
    VersionStatus,
)


def register(
    world: World,
    by: Address,
    name: str,
    duo_terms: int,
    dictionary_hash: bytes,
    sensitivity: int,
    retention_until: int,
    rho_cap: MicroRho,
    consent_root: bytes,
) -> DatasetId:
    require(is_active(world, by, Role.DATA_HOLDER), W.NOT_DATA_HOLDER)
    require(name, W.NAME_MISSING)
    new_id = dataset_id(by, name)
    require(new_id not in world.datasets, W.NAME_TAKEN)
    require(duo_terms and not duo_terms & ~DUO_TERMS_MASK, W.DUO_TERMS_INVALID)
    require(dictionary_hash != ZERO_HASH and consent_root != ZERO_HASH, W.HASH_MISSING)
    require(retention_until > world.now, Reason.RETENTION_OVER)
    world.datasets[new_id] = Dataset(
        id=new_id,
        holder=by,
        name=name,
        duo_terms=duo_terms,
        dictionary_hash=dictionary_hash,
        sensitivity=sensitivity,
        retention_until=retention_until,
        rho_cap=rho_cap,
        rho_spent=MicroRho(0),
        consent_root=consent_root,
        status=DatasetStatus.ACTIVE,
        versions=0,
    )
    world.emit(
        "Datasets",
        "DatasetRegistered",
        by,
        dataset=new_id,
        name=name,
        duo_terms=duo_terms,
        dictionary_hash=dictionary_hash,
        rho_cap=rho_cap,
        consent_root=consent_root,
    )
    return new_id


def add_version(
    world: World, by: Address, id_: DatasetId, cid: bytes, rows: int, commitments_root: bytes, consent_root: bytes
) -> int:
    dataset = _own(world, by, id_)
    require(cid, W.CID_MISSING)
    require(rows, W.ROWS_MISSING)
    require(consent_root == dataset.consent_root, Reason.CONSENT_STALE)
    number = dataset.versions + 1
    world.versions[id_, number] = DatasetVersion(
        dataset_id=id_,
        number=number,
        cid=cid,
        rows=rows,
        commitments_root=commitments_root,
        consent_root=consent_root,
        status=VersionStatus.REGISTERED,
        registered_at=world.now,
    )
    world.datasets[id_] = replace(dataset, versions=number)
    world.emit(
        "Datasets",
        "VersionAdded",
        by,
        dataset=id_,
        number=number,
        cid=cid,
        rows=rows,
        commitments_root=commitments_root,
        consent_root=consent_root,
    )
    return number


def set_consent_root(world: World, by: Address, id_: DatasetId, consent_root: bytes) -> None:
    dataset = _own(world, by, id_)
    require(consent_root != ZERO_HASH, W.HASH_MISSING)
    world.datasets[id_] = replace(dataset, consent_root=consent_root)
    world.emit("Datasets", "ConsentRootSet", by, dataset=id_, consent_root=consent_root)


def freeze(world: World, by: Address, id_: DatasetId) -> None:
    dataset = _own(world, by, id_)
    require(dataset.status is DatasetStatus.ACTIVE, Reason.DATASET_FROZEN)
    world.datasets[id_] = replace(dataset, status=DatasetStatus.FROZEN)
    world.emit("Datasets", "DatasetFrozen", by, dataset=id_)


def unfreeze(world: World, by: Address, id_: DatasetId) -> None:
    dataset = _own(world, by, id_)
    require(dataset.status is DatasetStatus.FROZEN, W.DATASET_NOT_FROZEN)
    world.datasets[id_] = replace(dataset, status=DatasetStatus.ACTIVE)
    world.emit("Datasets", "DatasetUnfrozen", by, dataset=id_)


def destroy(world: World, by: Address, id_: DatasetId) -> None:
    dataset = _own(world, by, id_)
    world.datasets[id_] = replace(dataset, status=DatasetStatus.DESTROYED)
    world.emit("Datasets", "DatasetDestroyed", by, dataset=id_)


def require_open(world: World, dataset: Dataset) -> None:
    """The dataset is active and within its retention date."""
    require(dataset.status is not DatasetStatus.FROZEN, Reason.DATASET_FROZEN)
    require(dataset.status is DatasetStatus.ACTIVE, Reason.DATASET_DESTROYED)
    require(world.now < dataset.retention_until, Reason.RETENTION_OVER)


def charge(world: World, id_: DatasetId, rho: MicroRho, min_cohort: int) -> None:
    dataset = world.datasets[id_]
    require_open(world, dataset)
    version = known(world.versions.get((id_, dataset.versions)), Reason.DATASET_UNPROVEN)
    require(version.status >= USABLE_FROM, Reason.DATASET_UNPROVEN)
    require(version.consent_root == dataset.consent_root, Reason.CONSENT_STALE)
    require(version.rows >= min_cohort, Reason.COHORT_TOO_SMALL)
    require(dataset.rho_spent + rho <= dataset.rho_cap, Reason.BUDGET_EXHAUSTED)
    world.datasets[id_] = replace(dataset, rho_spent=MicroRho(dataset.rho_spent + rho))


def mark_proven(world: World, id_: DatasetId, number: int) -> None:
    world.versions[id_, number] = replace(world.versions[id_, number], status=VersionStatus.PROVEN)


def _own(world: World, by: Address, id_: DatasetId) -> Dataset:
    dataset = known(world.datasets.get(id_), W.DATASET_UNKNOWN)
    require(by == dataset.holder, W.NOT_THE_HOLDER)
    require(is_active(world, by, Role.DATA_HOLDER), W.NOT_DATA_HOLDER)
    require(dataset.status is not DatasetStatus.DESTROYED, Reason.DATASET_DESTROYED)
    return dataset
