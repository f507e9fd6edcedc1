"""The registry as it was after one block, in memory: what pages and most answers are made of.

It is a cache of public records. Nobody decides by it but whoever reads it: contracts and nodes look at the chain.
What depends on the time of day (an expiry, the end of a freeze) is a time in it, held against the clock when read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from belmont.registry.releases.protocol import ModelRelease
from belmont.registry.rules.protocol import Pause, Rule, RuleProposal
from belmont.registry.types import (
    Address,
    Dataset,
    DatasetId,
    DatasetVersion,
    Head,
    Member,
    MemberStatus,
    Permit,
    PermitId,
    Proposal,
    Role,
    Study,
)


@dataclass(frozen=True)
class Snapshot:
    """Everything that the chain says of one consortium, but its history."""

    head: Head
    """The block from which on this was read: it is at least as new."""
    name: str
    identity: str
    """CAIP-10, as ``Registry.identity``."""
    chain_id: int
    addresses: Mapping[str, Address]
    members: Mapping[Address, Member] = field(default_factory=dict)
    """Every member ever admitted, in order."""
    proposals: Mapping[int, Proposal] = field(default_factory=dict)
    datasets: Mapping[DatasetId, Dataset] = field(default_factory=dict)
    versions: Mapping[DatasetId, tuple[DatasetVersion, ...]] = field(default_factory=dict)
    studies: Mapping[int, Study] = field(default_factory=dict)
    permits: Mapping[int, Permit] = field(default_factory=dict)
    """By number, which is its study's."""
    releases: tuple[ModelRelease, ...] = ()
    rules: Mapping[Rule, int] = field(default_factory=dict)
    rule_proposals: Mapping[int, RuleProposal] = field(default_factory=dict)
    pause: Pause = field(default_factory=lambda: Pause(0, 0))
    changed_at: Head | None = field(default=None, compare=False)
    """The head when anything of it was last read again: two with the same say the same."""

    def member(self, account: Address) -> Member | None:
        """An active member; None for anybody else, and for one who was removed."""
        found = self.members.get(account)
        return found if found is not None and found.status is MemberStatus.ACTIVE else None

    def with_role(self, role: Role) -> list[Member]:
        """The active members with a role, in order of admission."""
        return [each for each in self.members.values() if each.status is MemberStatus.ACTIVE and role in each.roles]

    def name_of(self, account: Address) -> str:
        """A member's name; the account itself for anybody else."""
        found = self.members.get(account)
        return found.name if found else str(account)

    def line_of(self, permit: Permit) -> list[PermitId]:
        """The permits that are counted together: one, its amendments, and what it amends."""
        return [each.id for each in self.permits.values() if each.line == permit.line]

    def newest_version(self, dataset_id: DatasetId) -> DatasetVersion | None:
        """The newest version of a dataset."""
        versions = self.versions.get(dataset_id, ())
        return versions[-1] if versions else None
