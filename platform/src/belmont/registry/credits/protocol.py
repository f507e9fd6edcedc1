"""An accounting of who contributed to the consortium's studies (``Credits.vy``). Nothing here is for sale."""

from dataclasses import dataclass
from typing import Protocol

from belmont.registry.types import Address, DatasetId


@dataclass(frozen=True)
class Balance:
    """Credits of one data holder, or of the patients of one dataset: a row of a use is one credit."""

    earned: int = 0
    redeemed: int = 0

    @property
    def left(self) -> int:
        """What can be redeemed."""
        return self.earned - self.redeemed


@dataclass(frozen=True)
class Entry:
    """One line of a statement: what one recorded use brought, or what was redeemed."""

    block: int
    timestamp: int
    account: Address
    """The data holder, or who redeemed."""
    dataset_id: DatasetId
    """Zero where an account redeemed its own."""
    to_holder: int
    to_patients: int
    redeemed: int
    note_hash: bytes


class Credits(Protocol):
    """Credits of one consortium. Redemption is proposed with ``registry.rules.propose_redemption``."""

    def balance(self, account: Address) -> Balance:
        """Of a data holder."""

    def pool(self, dataset_id: DatasetId) -> Balance:
        """Of the patients of a dataset together."""

    def entries(self, account: Address | None = None) -> list[Entry]:
        """The statement of one account, or everybody's, in chain order."""
