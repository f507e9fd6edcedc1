"""Every event of every contract as one plain sentence: who did what to what (a test holds this against the ABIs).

What happened by a count of votes, or because anybody sent a transaction, has no actor in its sentence: who sent it
decided nothing.
"""

from belmont.service.explain.history import data, members, rules, studies, uses
from belmont.service.explain.history.told import Event, Tellers, Told
from belmont.service.explain.naming import Names
from belmont.service.words import Sentence

TELLERS: Tellers = {**members.TELLERS, **data.TELLERS, **studies.TELLERS, **uses.TELLERS, **rules.TELLERS}
"""By contract and event."""


def sentence(event: Event, names: Names) -> Sentence:
    """One event in a sentence. An event that this release does not know is named, not guessed at."""
    teller = TELLERS.get((event.contract, event.name))
    if teller is None:
        return Sentence(
            "{contract} recorded {event}, which this release does not know.", contract=event.contract, event=event.name
        )
    return teller(Told(event, names))


__all__ = ["TELLERS", "Event", "Names", "sentence"]
