"""Opens the node of a hospital whose directory is on this machine."""

from collections.abc import Sequence

from belmont.federated.executor.protocol import AppRunner
from belmont.federated.node.node import HospitalNode
from belmont.federated.node.stored import StoredVersion
from belmont.lab.errors import LabError
from belmont.lab.home import Home
from belmont.lab.hospital_files import stored_rows
from belmont.lab.people import Hospital
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetStatus


def existing(registry: Registry, hospitals: Sequence[Hospital]) -> list[Hospital]:
    """Those whose dataset was not destroyed."""
    gone = {each.id for each in registry.datasets() if each.status is DatasetStatus.DESTROYED}
    return [each for each in hospitals if each.dataset_id not in gone]


def refuse_destroyed(registry: Registry, hospital: Hospital) -> None:
    """Raises ``LabError`` for a dataset that exists no longer: no node can open it."""
    if not existing(registry, [hospital]):
        reason = Reason.DATASET_DESTROYED
        raise LabError(f"{reason}: {hospital.dataset_name} was destroyed. {reason.remedy}")


def open_node(home: Home, hospital: Hospital, registry: Registry, runner: AppRunner | None = None) -> HospitalNode:
    """The node of ``hospital``: it signs as the hospital, reads its vault, and keeps its own ledger. Without a
    ``runner``, the study's code runs in this process.

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
        runner=runner,
    )
