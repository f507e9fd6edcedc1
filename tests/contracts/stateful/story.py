"""The story of a consortium: its events in order, each held against all before it."""

from collections.abc import Callable
from typing import Any

from tests.contracts.stateful import permits as permits_of
from tests.contracts.stateful import releases as releases_of
from tests.contracts.stateful import uses as uses_of
from tests.contracts.stateful import votes as votes_of
from tests.contracts.stateful.permits import Permits
from tests.contracts.stateful.releases import Releases
from tests.contracts.stateful.uses import Uses

from belmont.registry.hashes import participants_hash
from belmont.registry.types import AuditEvent, DatasetId


class Story:
    """A consortium's events in their order; each is held against all before it."""

    def __init__(self, terms_of: Callable[[int], Any]) -> None:
        self.participants: dict[bytes, tuple[DatasetId, ...]] = {}
        self.votes = votes_of.Votes()
        self.permits = Permits(self.votes, terms_of)
        self.uses = Uses(self.permits, self.participants)
        self.releases = Releases(self.uses)

    def name(self, participants: tuple[DatasetId, ...]) -> None:
        """Say before an opening who is named in it: its event holds only a hash."""
        self.participants[participants_hash(participants)] = participants

    def end(self) -> None:
        """Nothing is left that had to follow."""
        assert not self.uses.credited and not self.votes.to_redeem

    def tell(self, event: AuditEvent) -> None:
        follows_credit, follows_enactment = bool(self.uses.credited), bool(self.votes.to_redeem)
        assert not follows_credit or event.name == "UseRecorded", "credited with no use"
        assert not follows_enactment or event.name == "Redeemed", "enacted with no redemption"
        if event.name in votes_of.FOLLOWED:
            votes_of.FOLLOWED[event.name](self.votes, event)
        elif event.name in permits_of.FOLLOWED:
            permits_of.FOLLOWED[event.name](self.permits, event)
        elif event.name in uses_of.FOLLOWED:
            uses_of.FOLLOWED[event.name](self.uses, event)
        elif event.name in releases_of.FOLLOWED:
            releases_of.FOLLOWED[event.name](self.releases, event)
