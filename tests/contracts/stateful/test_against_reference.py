"""The contracts and the reference model, side by side: the same writes have the same effect, or the same refusal.

Members, patients and strangers write at random, often what they may not: ``governance``, ``data`` and ``work`` hold the
operations, ``machine`` what they run on. After every write the invariants are held against the story that the events
tell; they are listed by number in ``votes``, ``permits``, ``uses`` and ``keys``.

The same operations come in every run. ``BELMONT_STATEFUL_RUNS=400 pytest tests/contracts/stateful`` runs more of them.
"""

import os
from collections import Counter

from tests.contracts.stateful.governance import Governance
from tests.contracts.stateful.machine import deploy_once_more
from tests.contracts.stateful.work import Work

RUNS = int(os.environ.get("BELMONT_STATEFUL_RUNS", "30"))
STEPS = 60


class SideBySide(Governance, Work):
    """All operations."""


def test_every_sequence_of_writes_has_the_same_effect_on_both(consortium):
    implementations, outcomes, told = deploy_once_more(consortium), Counter(), Counter()
    for seed in range(RUNS):
        back = consortium.evm.mark()
        its = SideBySide(consortium, implementations, seed)
        its.run(STEPS)
        outcomes += its.outcomes
        told.update(each.name for each in its.world.events)
        back()
    print(sum(outcomes.values()))
    t = {}
    for (w, r), c in outcomes.items():
        t.setdefault(w, {})[r] = c
    for w in sorted(t):
        print(w, t[w])
    print(told)
