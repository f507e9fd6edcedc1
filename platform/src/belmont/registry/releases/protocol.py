"""Models that leave the consortium (``Releases.vy``): announced, open to objection, released, withdrawn."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from belmont.registry.types import Address, PermitId


class ReleaseStatus(IntEnum):
    """By the chain's clock, and by what became of permit, members and datasets since the announcement."""

    NONE = 0
    ANNOUNCED = 1
    """Objections are open, or a freeze or a pause holds it back."""
    OBJECTED = 2
    """Only the quorum of the ethics board releases it: somebody objected, or somebody it rests on left."""
    RELEASED = 3
    WITHDRAWN = 4
    """By its data user, or with its permit, which was revoked."""


@dataclass(frozen=True)
class ModelRelease:
    """One model under one permit."""

    permit_id: PermitId
    model_hash: bytes
    data_user: Address
    evaluated_round: int
    """The round that was opened with this model."""
    card_hash: bytes
    evidence_hash: bytes
    """Of what the output check found."""
    announced_at: int
    objections_until: int
    """Unix seconds; before, anybody concerned can object."""
    status: ReleaseStatus
    objections: tuple[Address, ...] = ()
    """Who objected, in order. It can be empty where the status is objected: see ``Releases.vy``, rule 5."""
    confirmations: tuple[Address, ...] = ()
    """Who of the board voted to release it all the same, in order."""
    released_at: int = 0
    """Unix seconds at which it was settled, or released by the board; 0 before, also where it is released by then."""
    withdrawn_at: int = 0
    """Unix seconds at which its data user withdrew it; 0 otherwise."""

    @property
    def is_final(self) -> bool:
        """Released, and only a withdrawal or a revocation can still change that."""
        return self.status is ReleaseStatus.RELEASED and self.released_at != 0


class Releases(Protocol):
    """Releases of one consortium."""

    def status(self, permit_id: PermitId, model_hash: bytes) -> ReleaseStatus:
        """How a model stands now, in one call."""

    def find(self, permit_id: PermitId, model_hash: bytes) -> ModelRelease | None:
        """One release; None where nothing was announced."""

    def every(self, permit_id: PermitId | None = None) -> list[ModelRelease]:
        """The releases of one permit, or of all, in chain order."""

    def release(
        self, permit_id: PermitId, model_hash: bytes, evaluated_round: int, card_hash: bytes, evidence_hash: bytes
    ) -> None:
        """Announce a model, as the permit's data user; once for each permit and model."""

    def object(self, permit_id: PermitId, model_hash: bytes, reason: str = "") -> None:
        """Object, as a member of the ethics board or as the holder of a dataset that the permit names."""

    def vote_confirm(self, permit_id: PermitId, model_hash: bytes) -> None:
        """Vote, on the ethics board, to release a model in spite of what stands against it."""

    def tally_confirm(self, permit_id: PermitId, model_hash: bytes) -> None:
        """Release a model whose votes became enough because the board changed."""

    def settle(self, permit_id: PermitId, model_hash: bytes) -> None:
        """Put down for good that a model is released; anybody may."""

    def withdraw(self, permit_id: PermitId, model_hash: bytes) -> None:
        """Take a release back for good, as its data user."""
