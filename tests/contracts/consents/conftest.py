"""A dataset with a batch that is published, and a patient whose account is in it."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from eth_utils import to_checksum_address

from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import account_key
from belmont.registry.consents.tree import ConsentTree
from belmont.registry.types import Address, DatasetId

SCOPE = Scope(1 << 37, 7, 1_700_000_000, 1_900_000_000)


@dataclass
class Hospital:
    """The holder of a dataset, and its patients."""

    consortium: Any
    dataset: DatasetId
    patient: Any
    other_patient: Any
    stranger: Any
    scope: Scope
    tree: ConsentTree

    def consents(self, account: Any, actor: Any = None) -> Any:
        """Written to as ``account``, for ``actor``."""
        return self.consortium.registry.as_(account, Address(actor.address) if actor else None).consents

    def publish(self, tree: ConsentTree | None = None) -> int:
        if tree is not None:
            self.tree = tree
        return self.consents(self.consortium.holder).publish_batch(self.dataset, self.tree.batch)

    def enrol(self, patient: Any) -> None:
        shown = self.tree.membership(account_key(patient.address))
        self.consents(self.consortium.non_member).enrol(self.dataset, patient.address, shown)


@pytest.fixture
def hospital(consortium):
    """No batch is published yet."""
    patient, other, stranger = (
        SimpleNamespace(address=to_checksum_address(bytes([n]) * 20)) for n in (0xA1, 0xA2, 0xA3)
    )
    leaves = [(account_key(each.address), SCOPE.hash) for each in (patient, other)]
    leaves += [(bytes([number]) * 32, SCOPE.hash) for number in range(1, 252, 50)]
    return Hospital(consortium, consortium.dataset(versions=0), patient, other, stranger, SCOPE, ConsentTree(leaves))


@pytest.fixture
def enrolled(hospital):
    """The batch is published, and both patients are enrolled."""
    hospital.publish()
    hospital.enrol(hospital.patient)
    hospital.enrol(hospital.other_patient)
    return hospital
