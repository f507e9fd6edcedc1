"""Releases in memory: the reference model behind the Protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from belmont.registry import arguments
from belmont.registry.hashes import reason_hash
from belmont.registry.reference import releases
from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.registry.types import PermitId

if TYPE_CHECKING:
    from belmont.registry.simulated import SimulatedRegistry


class SimulatedReleases:
    """Implements ``belmont.registry.releases.protocol.Releases``."""

    def __init__(self, registry: SimulatedRegistry) -> None:
        self._registry = registry

    def status(self, permit_id: PermitId, model_hash: bytes) -> ReleaseStatus:
        arguments.check_release(permit_id, model_hash)
        with self._registry.reading() as world:
            return releases.status(world, permit_id, model_hash)

    def find(self, permit_id: PermitId, model_hash: bytes) -> ModelRelease | None:
        arguments.check_release(permit_id, model_hash)
        with self._registry.reading() as world:
            found = world.releases.get((permit_id, model_hash))
            return replace(found, status=releases.status(world, permit_id, model_hash)) if found else None

    def every(self, permit_id: PermitId | None = None) -> list[ModelRelease]:
        with self._registry.reading() as world:
            named = [key for key in world.releases if permit_id in (None, key[0])]
            return [found for key in named if (found := self.find(*key))]

    def release(
        self, permit_id: PermitId, model_hash: bytes, evaluated_round: int, card_hash: bytes, evidence_hash: bytes
    ) -> None:
        fields = permit_id, model_hash, evaluated_round, card_hash, evidence_hash
        arguments.check_announcement(*fields)
        with self._registry.acting() as (world, by):
            releases.release(world, by, *fields)

    def object(self, permit_id: PermitId, model_hash: bytes, reason: str = "") -> None:
        arguments.check_release(permit_id, model_hash)
        with self._registry.acting() as (world, by):
            releases.object_to(world, by, permit_id, model_hash, reason_hash(reason))

    def vote_confirm(self, permit_id: PermitId, model_hash: bytes) -> None:
        arguments.check_release(permit_id, model_hash)
        with self._registry.acting() as (world, by):
            releases.vote_confirm(world, by, permit_id, model_hash)

    def tally_confirm(self, permit_id: PermitId, model_hash: bytes) -> None:
        arguments.check_release(permit_id, model_hash)
        with self._registry.sending() as (world, by):
            releases.tally_confirm(world, by, permit_id, model_hash)

    def settle(self, permit_id: PermitId, model_hash: bytes) -> None:
        arguments.check_release(permit_id, model_hash)
        with self._registry.sending() as (world, by):
            releases.settle(world, by, permit_id, model_hash)

    def withdraw(self, permit_id: PermitId, model_hash: bytes) -> None:
        arguments.check_release(permit_id, model_hash)
        with self._registry.acting() as (world, by):
            releases.withdraw(world, by, permit_id, model_hash)
