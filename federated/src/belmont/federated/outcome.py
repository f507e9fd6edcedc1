"""What became of one message to one hospital, as the researcher sees it."""

from dataclasses import dataclass

from flwr.app import Message

from belmont.federated.errors import APP_FAILED, REFUSED, FederatedError, Refusal
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetId


@dataclass(frozen=True)
class HospitalOutcome:
    """One hospital's part in a round or query. ``reason`` is set only when the hospital's node refused."""

    dataset_id: DatasetId
    name: str
    status: str
    """``answered``, ``refused``, ``failed`` (its node or the study's code broke) or ``silent`` (no reply in time)."""
    milliseconds: float
    reason: Reason | None = None
    detail: str = ""
    remedy: str = ""

    @property
    def answered(self) -> bool:
        return self.status == "answered"


def outcome_of(dataset_id: DatasetId, name: str, reply: Message | None, milliseconds: float) -> HospitalOutcome:
    """Read one reply; None stands for silence."""
    if reply is None:
        return HospitalOutcome(dataset_id, name, "silent", milliseconds, detail="no reply in time")
    if not reply.has_error():
        return HospitalOutcome(dataset_id, name, "answered", milliseconds)
    text = reply.error.reason or ""
    if reply.error.code == REFUSED:
        try:
            refusal = Refusal.from_json(text)
        except FederatedError as error:
            return HospitalOutcome(dataset_id, name, "failed", milliseconds, detail=str(error))
        return HospitalOutcome(
            dataset_id, name, "refused", milliseconds, refusal.reason, refusal.detail, refusal.remedy
        )
    remedy = "Ask the hospital for its log of this round." if reply.error.code == APP_FAILED else ""
    return HospitalOutcome(dataset_id, name, "failed", milliseconds, detail=text[:500], remedy=remedy)
