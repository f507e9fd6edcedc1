"""What the rounds of a permit have cost in privacy, and what is left, by the chain: the same integers that refuse.

Epsilon is shown, never decided by. For one dataset it covers the releases with noise under this permit and the permits
that it took the place of; answers without noise have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from belmont.federated.accounting.epsilon import DELTA, epsilon_of
from belmont.federated.accounting.release import ReleasePlan
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetId, MicroRho, Permit


@dataclass(frozen=True)
class Spent:
    """What one dataset was charged under a permit and those before it."""

    dataset_id: DatasetId
    rho: MicroRho
    releases: int | None
    """How many releases of ``plan`` that is; None where other charges are among them."""
    plan: ReleasePlan | None
    delta: float

    @cached_property
    def epsilon(self) -> float:
        """At ``delta``; tighter where the charges are those of one plan (`accounting.epsilon`)."""
        return epsilon_of(self.rho, self.delta, self.plan, self.releases)


@dataclass(frozen=True)
class RoundPrivacy:
    """What a round cost each dataset in it, and what that comes to."""

    rho: MicroRho
    """Of this round, for each dataset."""
    spent: tuple[Spent, ...]
    """Of each dataset in the round, after it."""

    @property
    def epsilon(self) -> float:
        """Of the dataset that has spent most, over all rounds so far."""
        return max(each.epsilon for each in self.spent)


@dataclass(frozen=True)
class Left:
    """What of a dataset's budgets is left for one permit: the smaller of the permit's and of the dataset's own."""

    dataset_id: DatasetId
    of_permit: int
    of_dataset: int

    @property
    def rho(self) -> MicroRho:
        """Micro-rho that a use may still be charged."""
        return MicroRho(max(0, min(self.of_permit, self.of_dataset)))


def spent_under(
    registry: Registry, permit: Permit, datasets: Sequence[DatasetId], plan: ReleasePlan | None, delta: float = DELTA
) -> tuple[Spent, ...]:
    """What each of these datasets was charged, as the chain has it."""
    uses = registry.uses(permit.id)
    found = []
    for dataset_id in datasets:
        rho = registry.rho_spent(permit.id, dataset_id)
        mine = [use for use in uses if (use.permit_id, use.dataset_id) == (permit.id, dataset_id)]
        charges = [use.rho for use in mine if use.rho]
        is_all = plan is not None and sum(charges) == rho and all(charge == plan.rho for charge in charges)
        found.append(Spent(dataset_id, rho, len(charges) if is_all else None, plan, delta))
    return tuple(found)


def left_for(registry: Registry, permit: Permit, datasets: Sequence[DatasetId]) -> tuple[Left, ...]:
    """What is left of each dataset's budgets under a permit."""
    found = []
    for dataset_id in datasets:
        dataset = registry.dataset(dataset_id)
        of_dataset = 0 if dataset is None else dataset.rho_cap - dataset.rho_spent
        of_permit = permit.terms.rho_per_dataset - registry.rho_spent(permit.id, dataset_id)
        found.append(Left(dataset_id, of_permit, of_dataset))
    return tuple(found)
