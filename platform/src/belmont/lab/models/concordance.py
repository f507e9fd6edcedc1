"""Harrell's concordance index: how often the patient with the higher risk has the event first (JAMA 247:2543, 1982)."""

import numpy as np
from numpy.typing import NDArray

from belmont.lab.errors import LabError

_BLOCK = 1 << 22


def concordance_index(times: NDArray[np.float64], risk: NDArray[np.float64], event: NDArray[np.float64]) -> float:
    """Over pairs of which the one who left first had an event; at one time, of one with and one without, who is then
    later. Equal risks count half. Rows without time, risk or event are left out. Raises LabError where no pair is left.
    """
    known = np.isfinite(times) & np.isfinite(risk) & np.isfinite(event)
    times, risk, seen = times[known], risk[known], event[known] == 1
    first_times, first_risk = times[seen], risk[seen]
    pairs = agreed = 0.0
    step = max(1, _BLOCK // max(1, len(times)))
    for at in range(0, len(first_times), step):
        early, higher = first_times[at : at + step, None], first_risk[at : at + step, None]
        is_pair = (early < times) | ((early == times) & ~seen)
        pairs += float(is_pair.sum())
        agreed += float((is_pair & (higher > risk)).sum()) + 0.5 * float((is_pair & (higher == risk)).sum())
    if not pairs:
        raise LabError("no two of these rows can be compared: there are no events, or nobody is left after the first")
    return agreed / pairs
