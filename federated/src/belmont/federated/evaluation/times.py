"""In which span of time a patient counts in an evaluation of survival, and what a hospital does where few are in one.

1. Of K cut points there are 2 K + 1 classes: 2k is who leaves in span k, (c_k-1, c_k], without an event, 2k + 1 who has
   the event there, and 2K who was followed beyond the last cut point, whatever came then. A time of 0 is in span 0.
2. A class has nobody or at least the smallest cell. Where it has fewer, neighbouring spans are run together until each
   run has nobody or enough, and all of a run count in that of its spans which most of them are in. So those who are
   moved are the few of small spans, and nobody is left out. Events are run together apart from those who left without:
   a span with enough events often has few who left, and need not be given up for these.
3. The runs are those of several slots at once: nobody or enough in each of them. Who is shown beside another slot that
   holds them too is counted by runs of that slot's runs, so that no difference of two slots is of a few patients either
   (`hospital`, 3).
4. What is counted are 2 K + 1 sets of patients, one in another: everybody, and for each cut point who had the event by
   then, and who left later, with an event or without. Scores are grouped within these, and not within classes, each of
   which may have just enough patients for one group: that would hide how far their scores lie apart. The difference of
   two sets that are one in the other is classes, so that it is of nobody or of enough (2).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


def classes_of(times: NDArray[np.float64], event: Flags, cuts: Sequence[float]) -> Integers:
    """Each patient's class, (rows,) like ``times`` and ``event`` (1)."""
    span = np.searchsorted(np.asarray(cuts, np.float64), times, side="left")
    return np.where(span == len(cuts), 2 * len(cuts), 2 * span + event).astype(np.int64)


def are_events(classes: Integers) -> Flags:
    """Who had the event by the last cut point."""
    return np.asarray(classes % 2 == 1)


def sets_of(classes: Integers, number: int) -> list[Flags]:
    """Who is in each set, (rows,) each, of so many classes: everybody, then for each cut point who had the event by it,
    and who left later (4)."""
    found = [np.ones(len(classes), bool)]
    for k in range(number // 2):
        found += [are_events(classes) & (classes <= 2 * k + 1), classes > 2 * k + 1]
    return found


def in_classes(sets: NDArray[Any]) -> NDArray[Any]:
    """From how many are in each set, (..., 2 K + 1), how many are in each class, of the same shape (1, 4)."""
    found = np.empty_like(sets)
    events, later = sets[..., 1::2], sets[..., 2::2]
    found[..., 1::2] = np.diff(events, axis=-1, prepend=0)
    found[..., :-1:2] = sets[..., :-1:2] - later - found[..., 1::2]
    found[..., -1] = sets[..., -1]
    return found


def run_together(counts: Integers, smallest: int) -> Integers:
    """For each class the one that its patients count in, (classes,), by how many each slot has of each, (slots,
    classes) (2, 3). Each slot has nobody or at least ``smallest`` with an event, and without: else none is enough."""
    found = np.arange(counts.shape[1])
    for kind in (slice(1, None, 2), slice(0, None, 2)):
        own = found[kind]
        found[kind] = own[_fullest(counts[:, kind], smallest)]
    return found


def _fullest(counts: Integers, smallest: int) -> Integers:
    """For each column the fullest one of its run."""

    def is_enough(first: int, last: int) -> bool:
        held = counts[:, first : last + 1].sum(axis=1)
        return bool(((held == 0) | (held >= smallest)).all())

    columns = counts.shape[1]
    starts = [0]
    for k in range(columns - 1):
        if is_enough(starts[-1], k):
            starts.append(k + 1)
    while len(starts) > 1 and not is_enough(starts[-1], columns - 1):
        starts.pop()
    found = np.empty(columns, np.int64)
    for first, end in zip(starts, [*starts[1:], columns], strict=True):
        found[first:end] = first + int(counts[:, first:end].sum(axis=0).argmax())
    return found
