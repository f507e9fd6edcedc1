"""Answers that were made already: what is made of the snapshot alone is the same for everybody until it changes.

They are kept by their address, for one ETag at a time. Whoever gets one passed the gate first, as for any other.
"""

from dataclasses import dataclass
from typing import Final

MOST: Final = 512
BODY_MOST_BYTES: Final = 256 * 1024


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

    def find(self, tag: str, address: str) -> Answered | None:
        """What was answered at this address for this tag."""
        return self._answers.get(address) if tag == self._tag else None

    def keep(self, tag: str, address: str, answered: Answered) -> None:
        """Keep an answer; what was kept for another tag goes."""
        if tag != self._tag:
            self._tag, self._answers = tag, {}
        if len(self._answers) < MOST and len(answered.body) <= BODY_MOST_BYTES:
            self._answers[address] = answered
