"""Releases on a chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from belmont.registry import arguments
from belmont.registry.hashes import reason_hash
from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.registry.types import Address, PermitId
from belmont.registry.view_calls import readable

if TYPE_CHECKING:
    from belmont.registry.chain_registry import ChainRegistry

_PARTS = ("record", "status", "objections", "confirmations")


class ChainReleases:
    """Implements ``belmont.registry.releases.protocol.Releases``."""

    def __init__(self, registry: ChainRegistry) -> None:
        self._registry = registry

    def status(self, permit_id: PermitId, model_hash: bytes) -> ReleaseStatus:
        arguments.check_release(permit_id, model_hash)
        status = self._registry.read("Releases", "status", permit_id, model_hash)
        with readable():
            return ReleaseStatus(status)

    def find(self, permit_id: PermitId, model_hash: bytes) -> ModelRelease | None:
        arguments.check_release(permit_id, model_hash)
        data_user = self._registry.read("Studies", "dataUser", permit_id)
        return next(iter(self._read([(permit_id, model_hash, data_user)])), None)

    def every(self, permit_id: PermitId | None = None) -> list[ModelRelease]:
        events = self._registry.events_of("Releases", "ModelReleased")
        named = [(PermitId(each.details["permit"]), each.details["model_hash"], each.actor) for each in events]
        return self._read([each for each in named if permit_id in (None, each[0])])

    def release(
        self, permit_id: PermitId, model_hash: bytes, evaluated_round: int, card_hash: bytes, evidence_hash: bytes
    ) -> None:
        fields = permit_id, model_hash, evaluated_round, card_hash, evidence_hash
        arguments.check_announcement(*fields)
        self._registry.act("Releases", "release", *fields)

    def object(self, permit_id: PermitId, model_hash: bytes, reason: str = "") -> None:
        arguments.check_release(permit_id, model_hash)
        self._registry.act("Releases", "object", permit_id, model_hash, reason_hash(reason))

    def vote_confirm(self, permit_id: PermitId, model_hash: bytes) -> None:
        arguments.check_release(permit_id, model_hash)
        self._registry.act("Releases", "voteConfirm", permit_id, model_hash)

    def tally_confirm(self, permit_id: PermitId, model_hash: bytes) -> None:
        arguments.check_release(permit_id, model_hash)
        self._registry.send("Releases", "tallyConfirm", permit_id, model_hash)

    def settle(self, permit_id: PermitId, model_hash: bytes) -> None:
        arguments.check_release(permit_id, model_hash)
        self._registry.send("Releases", "settle", permit_id, model_hash)

    def withdraw(self, permit_id: PermitId, model_hash: bytes) -> None:
        arguments.check_release(permit_id, model_hash)
        self._registry.act("Releases", "withdraw", permit_id, model_hash)

    def _read(self, named: Sequence[tuple[PermitId, bytes, Address]]) -> list[ModelRelease]:
        """Those of the named that there are, at one block."""
        block = self._registry.head().number
        calls = [("Releases", part, (permit, model)) for permit, model, _ in named for part in _PARTS]
        answers = self._registry.read_all(calls, block) if calls else []
        of = len(_PARTS)
        with readable():
            rows = [(*each, *answers[of * place : of * (place + 1)]) for place, each in enumerate(named)]
            return [found for row in rows if (found := _release(*row))]


def _release(
    permit_id: PermitId,
    model_hash: bytes,
    data_user: Address,
    struct: Any,
    status: int,
    objections: tuple[Address, ...],
    confirmations: tuple[Address, ...],
) -> ModelRelease | None:
    if not struct["announcedAt"]:
        return None
    return ModelRelease(
        permit_id=permit_id,
        model_hash=model_hash,
        data_user=data_user,
        evaluated_round=struct["evaluatedRound"],
        card_hash=struct["cardHash"],
        evidence_hash=struct["evidenceHash"],
        announced_at=struct["announcedAt"],
        objections_until=struct["objectionsUntil"],
        status=ReleaseStatus(status),
        objections=objections,
        confirmations=confirmations,
        released_at=struct["releasedAt"],
        withdrawn_at=struct["withdrawnAt"],
    )
