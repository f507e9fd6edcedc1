"""Consents on a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from belmont.registry import arguments
from belmont.registry.consents import checks
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import ConsentState, OwnConsent, Statement, statement_of
from belmont.registry.consents.tree import Absence, Batch, Leaf, Membership
from belmont.registry.types import Address, DatasetId

if TYPE_CHECKING:
    from belmont.registry.chain_registry import ChainRegistry


class ChainConsents:
    """Implements ``belmont.registry.consents.protocol.Consents``."""

    def __init__(self, registry: ChainRegistry) -> None:
        self._registry = registry

    def root(self, dataset_id: DatasetId) -> bytes:
        arguments.check_hash("dataset_id", dataset_id)
        return bytes(self._registry.read("Consents", "root", dataset_id))

    def state(self, dataset_id: DatasetId) -> ConsentState:
        arguments.check_hash("dataset_id", dataset_id)
        found = self._registry.read("Consents", "state", dataset_id)
        return ConsentState(
            root=found["root"],
            batch_root=found["batchRoot"],
            batch_count=found["batchCount"],
            batches=found["batches"],
            own=found["own"],
            statements=found["statements"],
        )

    def own(self, dataset_id: DatasetId, account: Address) -> OwnConsent | None:
        arguments.check_hash("dataset_id", dataset_id)
        arguments.check_address("account", account)
        found = self._registry.read("Consents", "statement", dataset_id, account)
        if not found["enrolledAt"]:
            return None
        return OwnConsent(found["enrolledAt"], found["sequence"], found["scopeHash"], found["statedAt"])

    def is_member(self, dataset_id: DatasetId, shown: Membership) -> bool:
        arguments.check_hash("dataset_id", dataset_id)
        checks.check_leaf(shown.leaf)
        return bool(self._registry.read("Consents", "isMember", dataset_id, leaf_struct(shown.leaf)))

    def is_absent(self, dataset_id: DatasetId, key: bytes, shown: Absence) -> bool:
        arguments.check_hash("dataset_id", dataset_id)
        checks.check_absence(key, shown)
        neighbours = [leaf_struct(each) for each in shown.neighbours]
        return bool(self._registry.read("Consents", "isAbsent", dataset_id, key, neighbours))

    def statements(self, dataset_id: DatasetId, since_block: int = 0) -> list[Statement]:
        arguments.check_hash("dataset_id", dataset_id)
        events = self._registry.events_of("Consents", "ConsentGranted", "ConsentRevoked", since_block=since_block)
        return [statement_of(each) for each in events if each.details["dataset"] == dataset_id]

    def publish_batch(self, dataset_id: DatasetId, batch: Batch) -> int:
        checks.check_batch(dataset_id, batch)
        fields = self._registry.act(
            "Consents", "publishBatch", dataset_id, batch.root, batch.count, event="BatchPublished"
        )
        return int(fields["number"])

    def enrol(self, dataset_id: DatasetId, account: Address, shown: Membership) -> None:
        checks.check_enrolment(dataset_id, account, shown)
        leaf = shown.leaf
        self._registry.send("Consents", "enrol", dataset_id, account, leaf.scope_hash, leaf.place, list(leaf.path))

    def grant(self, dataset_id: DatasetId, scope: Scope, sequence: int) -> None:
        checks.check_grant(dataset_id, scope, sequence)
        period = scope.valid_from, scope.valid_until
        fields = dataset_id, scope.purposes, scope.categories, list(scope.recipients), *period, sequence
        self._registry.act("Consents", "grant", *fields)

    def revoke(self, dataset_id: DatasetId, sequence: int) -> None:
        checks.check_revocation(dataset_id, sequence)
        self._registry.act("Consents", "revoke", dataset_id, sequence)


def leaf_struct(leaf: Leaf) -> tuple[Any, ...]:
    """A leaf as ``Consents`` takes it."""
    return leaf.key, leaf.scope_hash, leaf.place, list(leaf.path)
