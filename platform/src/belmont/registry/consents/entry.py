"""What a hospital's register has of one patient: what decides now, and what was attested in batches before.

What was attested in a batch is certain where the register knows when the batch was made: its root binds every leaf. A
register remembers from the release on that wrote docs/adr/0078; of batches before that it says that it does not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from belmont.registry.consents.scope import Scope
from belmont.registry.types import Address


@dataclass(frozen=True)
class Earlier:
    """What stood of a patient until a change at a revision of the register."""

    until: int
    attested: Scope | None
    sequence: int
    """Of the patient's newest own statement then; 0 for none."""
    withheld: bool


@dataclass(frozen=True)
class Entry:
    """What a register has of one patient with an account of their own."""

    key: bytes
    pseudonym: int
    account: Address
    attested: Scope | None
    own: Scope | None
    sequence: int
    """Of the newest own statement that was applied; 0 for none, so that what is attested decides."""
    withheld: bool
    """The hospital leaves the patient out until their next own statement."""
    past: tuple[Earlier, ...] = ()
    """What it said before, oldest first."""
    batches: Mapping[bytes, int] = field(default_factory=dict)
    """By root, the revision at which a batch was made."""

    def knows_batch(self, root: bytes) -> bool:
        """Whether the register still knows when this batch was in force."""
        return root in self.batches

    def attested_in(self, root: bytes) -> Scope | None:
        """What was attested of the patient in a batch that the register knows."""
        return next((each.attested for each in self.past if each.until > self.batches[root]), self.attested)

    def was_withheld(self, sequence: int) -> bool:
        """Whether the patient was left out for a while, in spite of the own statement of that sequence."""
        now = self.withheld and self.sequence == sequence
        return now or any(each.withheld and each.sequence == sequence for each in self.past)

    def __repr__(self) -> str:
        return "Entry(of one patient, not shown)"
