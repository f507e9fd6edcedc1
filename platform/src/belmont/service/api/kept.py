"""Answers that were made already: what snapshot and index say is the same for everybody until the next event.

They are kept by their address, for one ETag at a time. Whoever gets one passed the gate first, as for any other.
"""

from dataclasses import dataclass
from typing import Final

BYTES_MOST: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Answered:
    """An answer as it was sent."""

    body: bytes
    media_type: str


class KeptAnswers:
    """The answers of one service; used by its event loop alone."""

    def __init__(self) -> None:
        self._tag = ""
        self._answers: dict[str, Answered] = {}
        self._bytes = 0

    def find(self, tag: str, address: str) -> Answered | None:
        """What was answered at this address for this tag."""
        return self._answers.get(address) if tag == self._tag else None

    def keep(self, tag: str, address: str, answered: Answered) -> None:
        """Keep an answer; what was kept for another tag goes."""
        if tag != self._tag:
            self._tag, self._answers, self._bytes = tag, {}, 0
        size = len(address) + len(answered.body)
        if self._bytes + size <= BYTES_MOST and address not in self._answers:
            self._answers[address] = answered
            self._bytes += size
