"""Opens the node of a hospital whose directory is on this machine."""

from belmont.federated.node.node import HospitalNode
from belmont.federated.node.stored import StoredVersion
from belmont.lab.errors import LabError
from belmont.lab.home import Home
from belmont.lab.hospital_files import stored_rows
from belmont.lab.people import Hospital
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetStatus


def refuse_destroyed(registry: Registry, hospital: Hospital) -> None:
    """Raises ``LabError`` for a dataset that exists no longer: no node can open it."""
    dataset = registry.dataset(hospital.dataset_id)
    if dataset is not None and dataset.status is DatasetStatus.DESTROYED:
        raise LabError(f"{Reason.DATASET_DESTROYED}: {dataset.name} was destroyed. {Reason.DATASET_DESTROYED.remedy}")


def open_node(home: Home, hospital: Hospital, registry: Registry) -> HospitalNode:
    """The node of ``hospital``: it signs as the hospital, reads its vault, and keeps its own ledger.

    It opens the newest registered version, and a newer one when the chain has it. Raises ``HomeError`` where vault and
    chain differ.
    """

    def open_version(number: int) -> StoredVersion:
        rows = stored_rows(home, hospital.slug, registry, hospital.dataset_id, number)
        return StoredVersion(rows.table, rows.commit())

    return HospitalNode(
        registry.as_(hospital.identity.account),
        hospital.dataset_id,
        open_version,
        hospital.identity.mask_private_key,
        home.ledger(hospital.slug),
        account=hospital.identity.account,
        openings_path=home.openings(hospital.slug),
        consents_path=home.consents(hospital.slug),
    )
