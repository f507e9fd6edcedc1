"""What people call members, datasets, studies and permits, as things that a page can make links of.

1. An account that is no member's is called by its address: patients are, and who merely sent a transaction.
2. Titles and names are a stranger's text: they are parameters, never messages.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from belmont.registry.types import Address, Dataset, DatasetId, Member, Study
from belmont.service.words import Plain, Sentence, Thing, shortened

ZERO_ADDRESS = "0x" + 40 * "0"


@dataclass(frozen=True)
class Names:
    """By address, identifier or number. What is not in it is called by these."""

    members: Mapping[Address, str] = field(default_factory=dict)
    datasets: Mapping[DatasetId, str] = field(default_factory=dict)
    studies: Mapping[int, str] = field(default_factory=dict)
    """Titles by number."""
    contracts: Mapping[str, str] = field(default_factory=dict)
    """Names of the consortium's contracts, by address."""

    @classmethod
    def of(
        cls,
        members: Iterable[Member] = (),
        datasets: Iterable[Dataset] = (),
        studies: Iterable[Study] = (),
        addresses: Mapping[str, Address] | None = None,
    ) -> "Names":
        """From the registry's records; ``addresses`` are the contracts' by name."""
        return cls(
            {each.address: each.name for each in members},
            {each.id: each.name for each in datasets},
            {each.id: each.terms.title for each in studies},
            {address: name for name, address in (addresses or {}).items()},
        )

    def account(self, address: str) -> Thing | Sentence:
        """A member, a contract, or an account (1)."""
        known = self.members.get(Address(address))
        if known is not None:
            return Thing("member", address, known)
        if address in self.contracts:
            return Thing("contract", address, self.contracts[address])
        return Sentence("account {address}", address=short_address(address))

    def dataset(self, dataset_id: bytes) -> Thing:
        """``Ward A of hospital 1``, or the identifier's first bytes."""
        text = self.datasets.get(DatasetId(dataset_id), shortened(dataset_id, 6))
        return Thing("dataset", f"0x{dataset_id.hex()}", text)

    def study(self, number: int) -> Thing:
        """``study 3 “Title”``."""
        title = self.studies.get(number)
        named = Sentence("study {number}", number=Plain(number))
        if title is not None:
            named = Sentence("study {number} “{title}”", number=Plain(number), title=title)
        return Thing("study", str(number), named)

    def permit(self, number: int) -> Thing:
        """``permit 3``."""
        return Thing("permit", str(number), Sentence("permit {number}", number=Plain(number)))


def short_address(address: str) -> str:
    """``0x1234…abcd``: enough to compare by eye."""
    return f"{address[:6]}…{address[-4:]}" if len(address) == 42 else address[:42]
