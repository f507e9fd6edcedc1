"""One round after another over datasets of several sizes, on contracts and reference model side by side."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from belmont.registry.reference.datasets import mark_proven
from belmont.registry.rules.protocol import Rule, RuleProposalId
from belmont.registry.types import Address, DatasetId, MicroRho, PermitId, UseKind

HASH = b"\x11" * 32


@dataclass
class Books:
    """The consortium, and a permit over one dataset of each holder."""

    consortium: Any
    datasets: tuple[DatasetId, ...]
    permit: PermitId

    @property
    def credits(self) -> Any:
        return self.consortium.registry.credits

    def version(self, place: int, rows: int) -> int:
        """A usable version with any number of rows.

        The contract Proofs says so without a proof: what a proof takes is tested elsewhere, and here only rows count.
        """
        registry, dataset = self.consortium.registry, self.datasets[place]
        number = self.consortium.version(dataset, rows=rows)
        proofs = SimpleNamespace(address=registry.addresses["Proofs"])
        self.consortium.call(proofs, "Datasets", "markProven", dataset, number)
        with registry.model.as_(proofs).sending() as (world, _):
            mark_proven(world, dataset, number)
        return number

    def use(self, place: int, kind: UseKind = UseKind.ROUND) -> None:
        """The next round or query, answered by one holder only."""
        registry, dataset = self.consortium.registry, self.datasets[place]
        permit = registry.permit(self.permit)
        n = 1 + (permit.rounds_opened if kind is UseKind.ROUND else permit.queries_opened)
        as_data_user = registry.as_(self.consortium.data_user)
        opens = as_data_user.open_round if kind is UseKind.ROUND else as_data_user.open_query
        opens(self.permit, n, HASH, self.datasets)
        found, holder = registry.dataset(dataset), self.holder(place)
        registry.as_(holder).record_use(
            self.permit, kind, n, dataset, HASH, MicroRho(1), found.versions, found.consent_root
        )

    def holder(self, place: int) -> Any:
        return (self.consortium.holder, self.consortium.other_holder)[place]

    def carry(self, proposal: RuleProposalId) -> None:
        """Supported by the board, and enacted after the delay."""
        rules = self.consortium.registry.rules
        for member in self.consortium.board:
            self.consortium.registry.as_(member).rules.support(proposal)
        self.consortium.evm.now = rules.proposal(proposal).enactable_at
        self.consortium.registry.as_(self.consortium.non_member).rules.enact(proposal)

    def share(self, percent: int) -> None:
        """Another share of the patients."""
        as_auditor = self.consortium.registry.as_(self.consortium.auditor)
        self.carry(as_auditor.rules.propose_rule(Rule.PATIENTS_PERCENT, percent))

    def redeem(self, account: Any, amount: int, note: str = "A note.", dataset: DatasetId | None = None) -> None:
        as_auditor = self.consortium.registry.as_(self.consortium.auditor)
        self.carry(as_auditor.rules.propose_redemption(Address(account.address), amount, note, dataset))


@pytest.fixture(scope="session")
def books_of() -> Callable[[Any], Books]:
    def made(consortium: Any) -> Books:
        holders = consortium.holder, consortium.other_holder
        datasets = tuple(consortium.dataset(holder, versions=0) for holder in holders)
        return Books(consortium, datasets, consortium.permit(datasets, rounds=100, queries=100, min_cohort=1))

    return made


@pytest.fixture
def books(paired: Any, books_of: Callable[[Any], Books]) -> Books:
    return books_of(paired)
