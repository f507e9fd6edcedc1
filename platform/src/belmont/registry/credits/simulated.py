"""Credits in memory: the reference model behind the Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from belmont.registry import arguments
from belmont.registry.credits.entries import entry
from belmont.registry.credits.protocol import Balance, Entry
from belmont.registry.types import Address, DatasetId

if TYPE_CHECKING:
    from belmont.registry.simulated import SimulatedRegistry


class SimulatedCredits:
    """Implements ``belmont.registry.credits.protocol.Credits``."""

    def __init__(self, registry: SimulatedRegistry) -> None:
        self._registry = registry

    def balance(self, account: Address) -> Balance:
        arguments.check_address("account", account)
        with self._registry.reading() as world:
            return world.balances.get(account, Balance())

    def pool(self, dataset_id: DatasetId) -> Balance:
        arguments.check_hash("dataset_id", dataset_id)
        with self._registry.reading() as world:
            return world.pools.get(dataset_id, Balance())

    def entries(self, account: Address | None = None) -> list[Entry]:
        with self._registry.reading() as world:
            found = [entry(each) for each in world.events if each.name in ("Credited", "Redeemed")]
            return [each for each in found if account in (None, each.account)]
