"""The rules of ``Datasets.vy``, in its order of checks."""

from dataclasses import replace

from belmont.registry.decide import USABLE_FROM
from belmont.registry.duo.conditions import Conditions
from belmont.registry.duo.terms import Term
from belmont.registry.hashes import dataset_id
from belmont.registry.limits import CATEGORIES_MASK, DUO_TERMS_MASK, RETENTION_MAX_SECONDS, RETENTION_MIN_SECONDS
from belmont.registry.reasons import Reason
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference import consents
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
    categories: int,
    retention_until: int,
    rho_cap: MicroRho,
    conditions: Conditions | None = None,
) -> DatasetId:
    require(is_active(world, by, Role.DATA_HOLDER), W.NOT_DATA_HOLDER)
    require(name, W.NAME_MISSING)
    new_id = dataset_id(by, name)
    require(new_id not in world.datasets, W.NAME_TAKEN)
    require(duo_terms and not duo_terms & ~DUO_TERMS_MASK, W.DUO_TERMS_INVALID)
    require(dictionary_hash != ZERO_HASH, W.HASH_MISSING)
    require(categories and not categories & ~CATEGORIES_MASK, W.CATEGORIES_INVALID)
    least, most = world.now + RETENTION_MIN_SECONDS, world.now + RETENTION_MAX_SECONDS
    require(least <= retention_until <= most, W.RETENTION_INVALID)
    world.datasets[new_id] = Dataset(
        id=new_id,
        holder=by,
        name=name,
        duo_terms=duo_terms,
        dictionary_hash=dictionary_hash,
        sensitivity=sensitivity,
        categories=categories,
        retention_until=retention_until,
        rho_cap=rho_cap,
        rho_spent=MicroRho(0),
        consent_root=consent_root(world, new_id),
        status=DatasetStatus.ACTIVE,
        versions=0,
        conditions=conditions or Conditions(Term(duo_terms)),
    )
    world.emit(
        "Datasets",
        "DatasetRegistered",
        by,
        dataset=new_id,
        name=name,
        duo_terms=duo_terms,
        dictionary_hash=dictionary_hash,
        categories=categories,
        retention_until=retention_until,
        rho_cap=rho_cap,
    )
    return new_id


def add_version(
    world: World, by: Address, id_: DatasetId, cid: bytes, rows: int, commitments_root: bytes, built_at: bytes
) -> int:
    dataset = _own(world, by, id_)
    require(cid, W.CID_MISSING)
    require(rows, W.ROWS_MISSING)
    require(built_at == consent_root(world, id_), Reason.CONSENT_STALE)
    number = dataset.versions + 1
    world.versions[id_, number] = DatasetVersion(
        dataset_id=id_,
        number=number,
        cid=cid,
        rows=rows,
        commitments_root=commitments_root,
        consent_root=built_at,
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
        consent_root=built_at,
    )
    return number


def extend_retention(world: World, by: Address, id_: DatasetId, retention_until: int) -> None:
    dataset = _own(world, by, id_)
    require(retention_until > dataset.retention_until, W.RETENTION_INVALID)
    require(retention_until <= world.now + RETENTION_MAX_SECONDS, W.RETENTION_INVALID)
    world.datasets[id_] = replace(dataset, retention_until=retention_until)
    world.emit("Datasets", "RetentionExtended", by, dataset=id_, retention_until=retention_until)


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


def destroy(world: World, by: Address, id_: DatasetId, destruction_hash: bytes) -> None:
    dataset = _own(world, by, id_)
    require(destruction_hash != ZERO_HASH, W.HASH_MISSING)
    world.datasets[id_] = replace(dataset, status=DatasetStatus.DESTROYED, destruction_hash=destruction_hash)
    world.emit("Datasets", "DatasetDestroyed", by, dataset=id_, destruction_hash=destruction_hash)


def consent_root(world: World, id_: DatasetId) -> bytes:
    return consents.state(world, id_).root


def require_open(world: World, dataset: Dataset) -> None:
    """The dataset is active and within its retention date."""
    require(dataset.status is not DatasetStatus.FROZEN, Reason.DATASET_FROZEN)
    require(dataset.status is DatasetStatus.ACTIVE, Reason.DATASET_DESTROYED)
    require(world.now < dataset.retention_until, Reason.RETENTION_OVER)


def charge(
    world: World, id_: DatasetId, rho: MicroRho, min_cohort: int, number: int, applied: bytes, is_query: bool
) -> int:
    """Charge a use of version ``number``, computed with the consents of root ``applied``; returns its rows."""
    dataset = world.datasets[id_]
    require_open(world, dataset)
    version = known(world.versions.get((id_, dataset.versions)), Reason.DATASET_UNPROVEN)
    require(version.status >= USABLE_FROM, Reason.DATASET_UNPROVEN)
    require(number == dataset.versions, Reason.VERSION_STALE)
    require(applied == consent_root(world, id_), Reason.CONSENT_STALE)
    require(not is_query or version.consent_root == applied, Reason.CONSENT_STALE)
    require(version.rows >= min_cohort, Reason.COHORT_TOO_SMALL)
    require(dataset.rho_spent + rho <= dataset.rho_cap, Reason.BUDGET_EXHAUSTED)
    world.datasets[id_] = replace(dataset, rho_spent=MicroRho(dataset.rho_spent + rho))
    return version.rows


def mark_proven(world: World, id_: DatasetId, number: int) -> None:
    world.versions[id_, number] = replace(world.versions[id_, number], status=VersionStatus.PROVEN)


def _own(world: World, by: Address, id_: DatasetId) -> Dataset:
    dataset = known(world.datasets.get(id_), W.DATASET_UNKNOWN)
    require(by == dataset.holder, W.NOT_THE_HOLDER)
    require(is_active(world, by, Role.DATA_HOLDER), W.NOT_DATA_HOLDER)
    require(dataset.status is not DatasetStatus.DESTROYED, Reason.DATASET_DESTROYED)
    return dataset
