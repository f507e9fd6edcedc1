"""Consents in memory: the reference model behind the Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from belmont.registry import arguments
from belmont.registry.consents import checks
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import ConsentState, OwnConsent, Statement, statement_of
from belmont.registry.consents.tree import Absence, Batch, Membership
from belmont.registry.reference import consents
from belmont.registry.types import Address, DatasetId

if TYPE_CHECKING:
    from belmont.registry.simulated import SimulatedRegistry


class SimulatedConsents:
    """Implements ``belmont.registry.consents.protocol.Consents``."""

    def __init__(self, registry: SimulatedRegistry) -> None:
        self._registry = registry

    def root(self, dataset_id: DatasetId) -> bytes:
        arguments.check_hash("dataset_id", dataset_id)
        with self._registry.reading() as world:
            return consents.consent_root(world, dataset_id)

    def state(self, dataset_id: DatasetId) -> ConsentState:
        arguments.check_hash("dataset_id", dataset_id)
        with self._registry.reading() as world:
            return consents.state(world, dataset_id)

    def own(self, dataset_id: DatasetId, account: Address) -> OwnConsent | None:
        arguments.check_hash("dataset_id", dataset_id)
        arguments.check_address("account", account)
        with self._registry.reading() as world:
            return world.enrolled.get((dataset_id, account))

    def is_member(self, dataset_id: DatasetId, shown: Membership) -> bool:
        arguments.check_hash("dataset_id", dataset_id)
        checks.check_leaf(shown.leaf)
        with self._registry.reading() as world:
            return consents.is_member(world, dataset_id, shown.leaf)

    def is_absent(self, dataset_id: DatasetId, key: bytes, shown: Absence) -> bool:
        arguments.check_hash("dataset_id", dataset_id)
        checks.check_absence(key, shown)
        with self._registry.reading() as world:
            return consents.is_absent(world, dataset_id, key, shown)

    def statements(self, dataset_id: DatasetId, since_block: int = 0) -> list[Statement]:
        arguments.check_hash("dataset_id", dataset_id)
        with self._registry.reading() as world:
            made = [each for each in world.events if each.name in ("ConsentGranted", "ConsentRevoked")]
            its = [each for each in made if each.details["dataset"] == dataset_id and each.block >= since_block]
            return [statement_of(each) for each in its]

    def publish_batch(self, dataset_id: DatasetId, batch: Batch) -> int:
        checks.check_batch(dataset_id, batch)
        with self._registry.working() as (world, by):
            return consents.publish_batch(world, by, dataset_id, batch)

    def enrol(self, dataset_id: DatasetId, account: Address, shown: Membership) -> None:
        checks.check_enrolment(dataset_id, account, shown)
        with self._registry.sending() as (world, _):
            consents.enrol(world, dataset_id, account, shown)

    def grant(self, dataset_id: DatasetId, scope: Scope, sequence: int) -> None:
        checks.check_grant(dataset_id, scope, sequence)
        with self._registry.acting() as (world, by):
            consents.grant(world, by, dataset_id, scope, sequence)

    def revoke(self, dataset_id: DatasetId, sequence: int) -> None:
        checks.check_revocation(dataset_id, sequence)
        with self._registry.acting() as (world, by):
            consents.revoke(world, by, dataset_id, sequence)
