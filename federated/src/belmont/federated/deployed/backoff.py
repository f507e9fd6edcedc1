"""Pauses between attempts: doubling, and spread so that those who were cut off together do not come back together."""

import random
from collections.abc import Iterator

_FREE = 2


def pauses(first: float = 0.2, longest: float = 10.0) -> Iterator[float]:
    """Seconds: ``first``, doubled each time up to ``longest``, each times a number between 0.5 and 1."""
    spread = random.SystemRandom()
    pause = first
    while True:
        yield pause * spread.uniform(0.5, 1.0)
        pause = min(2 * pause, longest)


class EarlyAnswers:
    """How long to pause after a pull, so that a coordinator that answers every one at once is not asked without pause.

    The first two are free: a connection's first pull is answered at once.
    """

    def __init__(self) -> None:
        self._count = 0
        self._pauses = pauses()

    def pause(self, soon: bool) -> float:
        """Seconds; ``soon`` says that the pull was answered early, and with nothing."""
        if not soon:
            self._count, self._pauses = 0, pauses()
            return 0.0
        self._count += 1
        return next(self._pauses) if self._count > _FREE else 0.0
