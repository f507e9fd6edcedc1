"""Credits on a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from belmont.registry import arguments
from belmont.registry.credits.entries import entry
from belmont.registry.credits.protocol import Balance, Entry
from belmont.registry.types import Address, DatasetId

if TYPE_CHECKING:
    from belmont.registry.chain_registry import ChainRegistry


class ChainCredits:
    """Implements ``belmont.registry.credits.protocol.Credits``."""

    def __init__(self, registry: ChainRegistry) -> None:
        self._registry = registry

    def balance(self, account: Address) -> Balance:
        arguments.check_address("account", account)
        return Balance(**self._registry.read("Credits", "balanceOf", account))

    def pool(self, dataset_id: DatasetId) -> Balance:
        arguments.check_hash("dataset_id", dataset_id)
        return Balance(**self._registry.read("Credits", "poolOf", dataset_id))

    def entries(self, account: Address | None = None) -> list[Entry]:
        found = (entry(event) for event in self._registry.events_of("Credits", "Credited", "Redeemed"))
        return [each for each in found if account in (None, each.account)]
