"""What became of one message to one hospital, as the researcher sees it."""

from dataclasses import dataclass

from flwr.app import Message
from flwr.common.constant import ErrorCode

from belmont.federated.errors import APP_FAILED, REFUSED, FederatedError, Refusal
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetId

_UNDELIVERED = (
    ErrorCode.MESSAGE_UNAVAILABLE,
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE,
    ErrorCode.NODE_UNAVAILABLE,
)
"""What Flower's SuperLink answers itself where a node does not."""
_PASSING = (Reason.CHAIN_UNREACHABLE, Reason.CHAIN_STALE)


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

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be answered later: the node was away, or could not see the chain."""
        return self.status == "silent" or self.reason in _PASSING


def outcome_of(dataset_id: DatasetId, name: str, reply: Message | None, milliseconds: float) -> HospitalOutcome:
    """Read one reply; None stands for silence."""
    if reply is None:
        return HospitalOutcome(dataset_id, name, "silent", milliseconds, detail="no reply in time")
    if not reply.has_error():
        return HospitalOutcome(dataset_id, name, "answered", milliseconds)
    text = reply.error.reason or ""
    if reply.error.code in _UNDELIVERED:
        return HospitalOutcome(dataset_id, name, "silent", milliseconds, detail="its node is not connected")
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
