"""What consents are read from and written to: the chain's contract ``Consents``, and the simulated one.

Reads raise ``RegistryUnreachable`` when the chain does not answer; writes raise what ``belmont.registry.protocol``
says, as the account that the registry is bound to: ``registry.as_(patient).consents.revoke(dataset, 3)``.
"""

from typing import Protocol, runtime_checkable

from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import ConsentState, OwnConsent, Statement
from belmont.registry.consents.tree import Absence, Batch, Membership
from belmont.registry.types import Address, DatasetId


@runtime_checkable
class Consents(Protocol):
    """The consents of all datasets of one consortium."""

    # --- reads ---

    def root(self, dataset_id: DatasetId) -> bytes:
        """The dataset's current consent root."""

    def state(self, dataset_id: DatasetId) -> ConsentState:
        """The consent root and what it is made of, read at one block."""

    def own(self, dataset_id: DatasetId, account: Address) -> OwnConsent | None:
        """An account's newest statement; None for one that is not enrolled."""

    def is_member(self, dataset_id: DatasetId, shown: Membership) -> bool:
        """Whether the newest batch holds this leaf."""

    def is_absent(self, dataset_id: DatasetId, key: bytes, shown: Absence) -> bool:
        """Whether this shows that the newest batch holds no leaf of the key."""

    def statements(self, dataset_id: DatasetId, since_block: int = 0) -> list[Statement]:
        """The patients' statements from this block on, in order."""

    # --- writes ---

    def publish_batch(self, dataset_id: DatasetId, batch: Batch) -> int:
        """Publish a batch as the dataset's holder; returns its number."""

    def enrol(self, dataset_id: DatasetId, account: Address, shown: Membership) -> None:
        """Let an account state, by its leaf in the newest batch; anybody may."""

    def grant(self, dataset_id: DatasetId, scope: Scope, sequence: int) -> None:
        """Consent, as an enrolled account; ``sequence`` is one more than that of its newest statement."""

    def revoke(self, dataset_id: DatasetId, sequence: int) -> None:
        """Revoke, as an enrolled account, whatever it or the hospital stated before."""
