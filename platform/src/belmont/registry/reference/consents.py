"""The rules of ``Consents.vy``, in its order of checks."""

from dataclasses import replace

from belmont.registry.consents.scope import NO_SCOPE, Scope
from belmont.registry.consents.statements import ConsentState, OwnConsent, account_key, chained
from belmont.registry.consents.statements import consent_root as root_of
from belmont.registry.consents.tree import EMPTY_BATCH, LEAVES_MAX, Absence, Batch, Leaf, Membership
from belmont.registry.limits import GRANT_SECONDS
from belmont.registry.reasons import Reason
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference.members import is_active
from belmont.registry.reference.world import World, known, require
from belmont.registry.types import ZERO_HASH, Address, DatasetId, DatasetStatus, Role


def state(world: World, id_: DatasetId) -> ConsentState:
    return world.consents.get(id_, ConsentState())


def consent_root(world: World, id_: DatasetId) -> bytes:
    return state(world, id_).root


def publish_batch(world: World, by: Address, id_: DatasetId, batch: Batch) -> int:
    dataset = known(world.datasets.get(id_), W.DATASET_UNKNOWN)
    require(by == dataset.holder, W.NOT_THE_HOLDER)
    require(is_active(world, by, Role.DATA_HOLDER), W.NOT_DATA_HOLDER)
    require(dataset.status is not DatasetStatus.DESTROYED, Reason.DATASET_DESTROYED)
    require(batch.root != ZERO_HASH, W.HASH_MISSING)
    require(batch.count <= LEAVES_MAX, W.BATCH_INVALID)
    require((batch.count == 0) == (batch.root == EMPTY_BATCH.root), W.BATCH_INVALID)
    before = state(world, id_)
    number = before.batches + 1
    _store(world, id_, replace(before, batch_root=batch.root, batch_count=batch.count, batches=number))
    world.emit(
        "Consents",
        "BatchPublished",
        by,
        dataset=id_,
        number=number,
        batch_root=batch.root,
        count=batch.count,
        consent_root=consent_root(world, id_),
    )
    return number


def enrol(world: World, id_: DatasetId, account: Address, shown: Membership) -> None:
    require((id_, account) not in world.enrolled, W.ALREADY_ENROLLED)
    leaf = replace(shown.leaf, key=account_key(account))
    require(is_member(world, id_, leaf), W.PATH_INVALID)
    world.enrolled[id_, account] = OwnConsent(world.now, 0, NO_SCOPE, 0)
    world.emit("Consents", "PatientEnrolled", account, dataset=id_, batch=state(world, id_).batches)


def grant(world: World, by: Address, id_: DatasetId, scope: Scope, sequence: int) -> None:
    _check_statement(world, by, id_, sequence)
    reason = scope.refusal()
    require(reason is None, reason or "")
    last = world.enrolled[id_, by]
    require(not last.sequence or world.now >= last.stated_at + GRANT_SECONDS, W.GRANT_TOO_SOON)
    number = _state(world, by, id_, sequence, scope.hash)
    world.emit(
        "Consents",
        "ConsentGranted",
        by,
        dataset=id_,
        number=number,
        sequence=sequence,
        purposes=scope.purposes,
        categories=scope.categories,
        recipients=scope.recipients,
        valid_from=scope.valid_from,
        valid_until=scope.valid_until,
        consent_root=consent_root(world, id_),
    )


def revoke(world: World, by: Address, id_: DatasetId, sequence: int) -> None:
    _check_statement(world, by, id_, sequence)
    last = world.enrolled[id_, by]
    require(not last.sequence or last.scope_hash != NO_SCOPE, W.ALREADY_REVOKED)
    number = _state(world, by, id_, sequence, NO_SCOPE)
    world.emit(
        "Consents",
        "ConsentRevoked",
        by,
        dataset=id_,
        number=number,
        sequence=sequence,
        consent_root=consent_root(world, id_),
    )


def is_member(world: World, id_: DatasetId, leaf: Leaf) -> bool:
    found = state(world, id_)
    return leaf.is_in(Batch(found.batch_root, found.batch_count))


def is_absent(world: World, id_: DatasetId, key: bytes, shown: Absence) -> bool:
    found = state(world, id_)
    return replace(shown, count=found.batch_count).holds(found.batch_root, key)


def _check_statement(world: World, by: Address, id_: DatasetId, sequence: int) -> None:
    own = known(world.enrolled.get((id_, by)), W.NOT_ENROLLED)
    require(sequence > own.sequence, W.SEQUENCE_NOT_NEWER)
    require(sequence <= world.now + GRANT_SECONDS, W.SEQUENCE_TOO_HIGH)


def _state(world: World, by: Address, id_: DatasetId, sequence: int, scope_hash: bytes) -> int:
    own = world.enrolled[id_, by]
    world.enrolled[id_, by] = replace(own, sequence=sequence, scope_hash=scope_hash, stated_at=world.now)
    before = state(world, id_)
    number = before.statements + 1
    _store(world, id_, replace(before, own=chained(before.own, by, sequence, scope_hash), statements=number))
    return number


def _store(world: World, id_: DatasetId, changed: ConsentState) -> None:
    world.consents[id_] = replace(changed, root=root_of(changed.batch_root, changed.own))
