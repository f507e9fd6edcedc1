"""Progress of messages over any grid."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GridEvent:
    """Progress of one message: ``sent``, then ``answered`` or ``error``. ``milliseconds`` counts from sending."""

    node_id: int
    message_id: str
    kind: str
    milliseconds: float
